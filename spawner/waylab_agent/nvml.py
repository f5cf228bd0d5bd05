"""NVML at the edge: reads the GPUs of this machine, by whatever library is found.

The library is looked for at the first reading (`libnvidia-ml.so.1`, by the loader's
path), so that a machine without NVIDIA's driver runs the agent too.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from waylab_agent.inventory import Reading, Slice

logger = logging.getLogger(__name__)

STALE_SECONDS = 30.0
"""A reading that is older than this says nothing of the devices any more."""
_LINKS = 18
_SLICES_OF_A_GPU = 7


class Nvml:
    """Reads all GPUs. Not for use by several threads."""

    def __init__(self) -> None:
        """Nothing is loaded before the first reading."""
        self._library: Any = None

    def read(self) -> tuple[Reading, ...]:
        """Read every GPU; none where there is no driver.

        Raises:
            NvmlTrouble: the driver is there and fails.
        """
        import pynvml  # noqa: PLC0415 - loaded where it is needed, and not before.

        try:
            if self._library is None:
                pynvml.nvmlInit()
                self._library = pynvml
            count = pynvml.nvmlDeviceGetCount()
            handles = [pynvml.nvmlDeviceGetHandleByIndex(i) for i in range(count)]
            by_bus = {_bus(pynvml, handle): handle for handle in handles}
            return tuple(
                _reading(pynvml, index, handle, by_bus)
                for index, handle in enumerate(handles)
            )
        except (
            pynvml.NVMLError_LibraryNotFound,
            pynvml.NVMLError_DriverNotLoaded,
        ):
            return ()
        except pynvml.NVMLError as error:
            self._forget(pynvml)
            raise NvmlTrouble(str(error)) from error

    def _forget(self, library: Any) -> None:
        """Begin anew next time: a driver that was reset wants that."""
        self._library = None
        try:
            library.nvmlShutdown()
        except library.NVMLError as error:
            logger.debug("NVML does not end: %s", error)


class NvmlTrouble(Exception):  # noqa: N818 - a condition, not a fault of ours.
    """NVML is there and fails; the text is the driver's."""


class Watch:
    """Reads again and again on a thread of its own: a driver that hangs delays nobody.

    `latest` gives the last reading and the trouble there is with it.
    """

    def __init__(
        self, read: Callable[[], tuple[Reading, ...]], every_seconds: float
    ) -> None:
        """Start reading."""
        self._read = read
        self._every = every_seconds
        self._latest: tuple[Reading, ...] = ()
        self._trouble = ""
        self._at: float | None = None
        self._first = threading.Event()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="nvml", daemon=True)
        self._thread.start()

    def latest(self, wait_seconds: float = 0.0) -> tuple[tuple[Reading, ...], str]:
        """Give the last reading, and in a sentence what is wrong with it.

        `wait_seconds` bounds the wait for the first one.
        """
        self._first.wait(wait_seconds)
        if self._at is None:
            return (), "NVML has not answered yet."
        age = time.monotonic() - self._at
        if age > STALE_SECONDS:
            return (), f"NVML has not answered for {age:.0f} s."
        return self._latest, self._trouble

    def close(self) -> None:
        """Stop reading."""
        self._over.set()

    def _run(self) -> None:
        while not self._over.is_set():
            try:
                readings, trouble = self._read(), ""
            except NvmlTrouble as error:
                readings, trouble = (), f"NVML fails: {error}."
            self._latest, self._trouble = readings, trouble
            self._at = time.monotonic()
            self._first.set()
            self._over.wait(self._every)


def _reading(nvml: Any, index: int, handle: Any, by_bus: dict[str, Any]) -> Reading:
    uuid = _text(nvml.nvmlDeviceGetUUID(handle))
    memory = nvml.nvmlDeviceGetMemoryInfo(handle)
    sliced = _is_sliced(nvml, handle)
    peers, on_switch = _links(nvml, handle, by_bus)
    return Reading(
        uuid=uuid,
        index=index,
        model=_text(nvml.nvmlDeviceGetName(handle)),
        memory_bytes=int(memory.total),
        slices=tuple(_slices(nvml, handle)) if sliced else (),
        is_sliced=sliced,
        peers=tuple(_text(nvml.nvmlDeviceGetUUID(peer)) for peer in peers),
        on_switch=on_switch,
        gpu_percent=None if sliced else _percent(nvml, handle),
        memory_used_bytes=int(memory.used),
    )


def _is_sliced(nvml: Any, handle: Any) -> bool:
    try:
        current, _ = nvml.nvmlDeviceGetMigMode(handle)
    except nvml.NVMLError:
        return False  # Most GPUs cannot be sliced.
    return bool(current == nvml.NVML_DEVICE_MIG_ENABLE)


def _slices(nvml: Any, handle: Any) -> Iterator[Slice]:
    for number in range(nvml.nvmlDeviceGetMaxMigDeviceCount(handle)):
        try:
            piece = nvml.nvmlDeviceGetMigDeviceHandleByIndex(handle, number)
        except nvml.NVMLError_NotFound:
            continue
        memory = nvml.nvmlDeviceGetMemoryInfo(piece)
        yield Slice(
            uuid=_text(nvml.nvmlDeviceGetUUID(piece)),
            model=_text(nvml.nvmlDeviceGetName(piece)),
            memory_bytes=int(memory.total),
            slices=_share(nvml, piece),
            memory_used_bytes=int(memory.used),
        )


def _share(nvml: Any, piece: Any) -> int:
    try:
        attributes = nvml.nvmlDeviceGetAttributes_v2(piece)
    except nvml.NVMLError:
        return 1
    return min(int(attributes.gpuInstanceSliceCount), _SLICES_OF_A_GPU)


def _percent(nvml: Any, handle: Any) -> float | None:
    try:
        return float(nvml.nvmlDeviceGetUtilizationRates(handle).gpu)
    except nvml.NVMLError:
        return None


def _links(nvml: Any, handle: Any, by_bus: dict[str, Any]) -> tuple[list[Any], bool]:
    """Give the GPUs at the other ends of its NVLinks, and whether one is a switch."""
    peers: list[Any] = []
    on_switch = False
    for link in range(_LINKS):
        try:
            if nvml.nvmlDeviceGetNvLinkState(handle, link) != nvml.NVML_FEATURE_ENABLED:
                continue
            remote = nvml.nvmlDeviceGetNvLinkRemotePciInfo(handle, link)
        except nvml.NVMLError:
            return peers, on_switch  # It has no (further) links.
        peer = by_bus.get(_bus_id(remote))
        if peer is None:
            on_switch = True
        elif peer not in peers:
            peers.append(peer)
    return peers, on_switch


def _bus(nvml: Any, handle: Any) -> str:
    try:
        return _bus_id(nvml.nvmlDeviceGetPciInfo(handle))
    except nvml.NVMLError:
        return ""


def _bus_id(info: Any) -> str:
    return _text(info.busId).lower()


def _text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
