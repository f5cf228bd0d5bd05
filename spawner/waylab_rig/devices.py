"""The simulated devices of a node, and what they seem to be doing.

They are folders that the stand-ins of NVML and nvidia-smi read (`standin/devices.h`);
the runtime hook mounts the leased ones into a container.
"""

from __future__ import annotations

import json
import re
import shutil
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from waylab_rig.errors import RigError

GIB = 1024**3
MARK = "(simulated)"
IDLE = (0, 0, 35, 25_000)
_MOST = 64
_MIG_PROFILE = re.compile(r"^([1-7])g\.(\d{1,3})gb$")
_NAMESPACE = uuid.UUID("6f0f6c1e-6d5c-4a35-9d5a-0b0f7b9c7a11")


@dataclass(frozen=True)
class SimulatedDevice:
    """One GPU, or one MIG slice (`parent` is set), as NVML is to describe it.

    `folder` is the name of its folder, in whose order NVML counts.
    """

    uuid: str
    model: str
    memory_bytes: int
    minor: int
    folder: str
    is_cut: bool = False
    parent: str | None = None
    mig_profile: str | None = None
    link_group: str | None = None

    def describe(self) -> str:
        """Write it as the stand-ins read it."""
        slices = _MIG_PROFILE.match(self.mig_profile or "")
        lines = {
            "uuid": self.uuid,
            "name": self.model,
            "memory_bytes": self.memory_bytes,
            "minor": self.minor,
            "mig": int(self.is_cut),
            "parent": self.parent,
            "profile": self.mig_profile,
            "slices": slices[1] if slices else None,
            "link_group": self.link_group,
        }
        return "".join(f"{k} {v}\n" for k, v in lines.items() if v is not None)


def parse(text: str, node: str) -> tuple[SimulatedDevice, ...]:
    """Read devices from JSON: what a site says of a simulated node.

    A list of groups `{"model", "count", "memory_gib", "nvlink": bool, "mig":
    ["3g.20gb", …]}`; the last two may be missing, and `mig` cuts each GPU of its group.
    The same node and list give the same UUIDs.

    Raises:
        RigError: it is no such list.
    """
    try:
        groups = json.loads(text)
        made = _devices(groups, node)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        msg = (
            f"{text[:200]!r} are no devices: write a list such as "
            '[{"model": "RTX 4090", "count": 2, "memory_gib": 24}].'
        )
        raise RigError(msg) from error
    if len(made) > _MOST:
        msg = f"{len(made)} devices are too many to simulate: ask for at most {_MOST}."
        raise RigError(msg)
    return made


def of_node(
    node: str, model: str, count: int, memory_gib: float, *, nvlink: bool = False
) -> tuple[SimulatedDevice, ...]:
    """Make a node's equal GPUs."""
    group = {"model": model, "count": count, "memory_gib": memory_gib}
    return tuple(_devices([{**group, "nvlink": nvlink}], node))


def write(folder: Path, devices: Sequence[SimulatedDevice]) -> None:
    """Make the folder say that these are the devices; the load of known ones stays."""
    folder.mkdir(parents=True, exist_ok=True)
    wanted = {device.folder for device in devices}
    for old in folder.iterdir():
        if old.name not in wanted:
            shutil.rmtree(old)
    for device in devices:
        place = folder / device.folder
        place.mkdir(exist_ok=True)
        (place / "device").write_text(device.describe(), "utf-8")
        if not (place / "load").exists():
            _write_load(place / "load", IDLE)


def set_load(
    folder: Path, device: str, *, gpu_percent: int, memory_used_bytes: int
) -> None:
    """Let a device, by UUID, seem to do something; it grows warm with it.

    Raises:
        RigError: there is no such device.
    """
    for place in folder.iterdir():
        if f"uuid {device}\n" in (place / "device").read_text("utf-8"):
            warmth = (35 + gpu_percent // 2, 25_000 + 3_000 * gpu_percent)
            load = (gpu_percent, memory_used_bytes, *warmth)
            _write_load(place / "load", load)
            return
    msg = f"There is no simulated device {device!r} in {folder}."
    raise RigError(msg)


def _write_load(path: Path, load: Sequence[int]) -> None:
    # In place: containers have the folder mounted, and a reader wants one whole line.
    path.write_text(" ".join(map(str, load)) + "\n", "utf-8")


def _devices(
    groups: Sequence[Mapping[str, object]], node: str
) -> tuple[SimulatedDevice, ...]:
    if not isinstance(groups, list):
        raise TypeError(groups)
    made: list[SimulatedDevice] = []
    minor = 0
    for number, group in enumerate(groups):
        for _ in range(_int(group["count"])):
            gpu = SimulatedDevice(
                uuid=f"GPU-{_uuid(node, str(minor))}",
                model=_marked(str(group["model"])),
                memory_bytes=int(_float(group["memory_gib"]) * GIB),
                minor=minor,
                folder=f"{minor:02d}",
                link_group=f"{node}-{number}" if group.get("nvlink") else None,
            )
            slices = tuple(_slices(gpu, node, _texts(group.get("mig"))))
            made += [replace(gpu, is_cut=bool(slices)), *slices]
            minor += 1
    return tuple(made)


def _slices(
    gpu: SimulatedDevice, node: str, profiles: Sequence[str]
) -> Sequence[SimulatedDevice]:
    made = []
    for number, profile in enumerate(profiles):
        found = _MIG_PROFILE.match(profile)
        if found is None:
            raise ValueError(profile)
        made.append(
            SimulatedDevice(
                uuid=f"MIG-{_uuid(node, f'{gpu.minor}.{number}')}",
                model=f"{gpu.model.removesuffix(MARK)}MIG {profile} {MARK}",
                memory_bytes=int(found[2]) * GIB,
                minor=gpu.minor,
                folder=f"{gpu.folder}.{number}",
                parent=gpu.uuid,
                mig_profile=profile,
            )
        )
    return made


def _uuid(node: str, place: str) -> uuid.UUID:
    return uuid.uuid5(_NAMESPACE, f"{node}/{place}")


def _marked(model: str) -> str:
    return model if model.endswith(MARK) else f"{model} {MARK}"


def _int(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise TypeError(value)
    return value


def _float(value: object) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or value <= 0:
        raise TypeError(value)
    return float(value)


def _texts(value: object) -> Sequence[str]:
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise TypeError(value)
    return value
