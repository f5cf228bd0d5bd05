"""One node's container engine."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, ParamSpec, TypeVar

from waylab_engine import container as containers
from waylab_engine import info as infos
from waylab_engine import labels, ownership, pulling
from waylab_engine.absence import Answer
from waylab_engine.address import EngineAddress
from waylab_engine.connection import Connection
from waylab_engine.container import Container
from waylab_engine.errors import (
    ContainerMissing,
    EngineError,
    EngineRefused,
    EngineUnreachable,
    ImageMissing,
    StartRefused,
)
from waylab_engine.info import EngineInfo
from waylab_engine.plan import ContainerPlan
from waylab_engine.pulling import Progress

P = ParamSpec("P")
T = TypeVar("T")
TIMEOUT_SECONDS = 10.0
"""For questions; an engine under load answers within a second."""
SLOW_SECONDS = 60.0
"""For making, starting and removing a container."""
PULL_SECONDS = 3600.0
_OK = 200


class Engine:
    """The client of one engine, with threads of its own. Thread-safe.

    Every method blocks for at most its limit of time and raises `EngineError`s only;
    `await engine.call(engine.start, container)` does the same without blocking.
    """

    def __init__(
        self,
        address: EngineAddress,
        *,
        timeout_seconds: float = TIMEOUT_SECONDS,
        slow_seconds: float = SLOW_SECONDS,
    ) -> None:
        """Nothing is asked of the engine before the first call."""
        self.address = address
        self.connection = Connection(
            address, timeout_seconds=timeout_seconds, slow_seconds=slow_seconds
        )

    def __enter__(self) -> Engine:
        """Give the engine itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Let go of the connections."""
        self.close()

    def close(self) -> None:
        """Give up what waits, and let go of the connections. Idempotent."""
        self.connection.close()

    async def call(
        self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Await one of this engine's methods on its own threads."""
        return await self.connection.call(function, *args, **kwargs)

    def info(self) -> EngineInfo:
        """Ask who the engine is and what it can."""
        return infos.parse(self.connection.get_ok("/info"))

    def gateway(self, network: str = "bridge") -> str:
        """Give the address at which a network's containers reach the node itself."""
        answer = self.connection.get_ok(f"/networks/{network}")
        try:
            return str(answer["IPAM"]["Config"][0]["Gateway"])
        except (KeyError, IndexError, TypeError) as error:
            msg = f"The network {network!r} of {self.address} has no gateway."
            raise EngineUnreachable(msg) from error

    def create(self, plan: ContainerPlan) -> str:
        """Make the container of a plan and give its ID; it is not started.

        Its named volumes, and folders that are the user's own, are made where they
        are missing and handed to the container's user.

        Raises:
            ContainerConflict: there is one of that name already.
            ImageMissing: the image is not on the node; `pull` it.
        """

        def work(client: Any) -> str:
            for mount in plan.mounts:
                if mount.volume is not None:
                    site = {labels.SITE: plan.labels[labels.SITE]}
                    client.create_volume(mount.volume, labels=site)
            host = client.create_host_config(**plan.host_kwargs())
            made = client.create_container(host_config=host, **plan.create_kwargs())
            return str(made["Id"])

        container = self.connection.run(work, self.connection.slow_seconds)
        try:
            for mount in plan.mounts:
                if mount.is_given:
                    ownership.give(self.connection, container, mount.target, plan.user)
        except EngineError:
            self._discard(container)
            raise
        return container

    def start(self, container: str) -> None:
        """Start it; one that runs already is left alone.

        Raises:
            StartRefused: the engine cannot start it (a device, a port, the command).
        """
        try:
            self._slow(lambda client: client.start(container))
        except ContainerMissing:
            raise
        except EngineRefused as error:
            raise StartRefused(str(error), error.status) from error

    def stop(self, container: str, grace_seconds: int = 10) -> None:
        """Ask it to end, and end it by force after the grace.

        Nothing happens to one that has ended; one that is missing is no error.
        """
        limit = grace_seconds + self.connection.slow_seconds
        try:
            self.connection.run(
                lambda client: client.stop(container, timeout=grace_seconds), limit
            )
        except ContainerMissing:
            return

    def kill(self, container: str, signal: str = "SIGKILL") -> None:
        """Send a signal to its first process.

        Raises:
            ContainerConflict: it does not run.
        """
        self._slow(lambda client: client.kill(container, signal=signal))

    def remove(self, container: str, *, force: bool = False) -> None:
        """Remove it, by force even while it runs; its named volumes stay.

        One that is missing is no error.
        """
        try:
            self._slow(
                lambda client: client.remove_container(container, v=True, force=force)
            )
        except ContainerMissing:
            return

    def inspect(self, container: str) -> Container:
        """Describe a container by ID or name.

        Raises:
            ContainerMissing: there is none.
        """
        return containers.parse(self.connection.get_ok(f"/containers/{container}/json"))

    def ask(self, container: str) -> Answer:
        """Ask for a container as `absence.judge` wants it; never raises.

        The answer about one that runs proves nothing, and tells no engine: who the
        engine is takes it longer to say than all else.
        """
        path = f"/containers/{container}/json"
        status: int | None = None
        try:
            status, body = self.connection.get(path)
            if status == _OK and containers.parse(body).is_running:
                return Answer(status=status, body=body)
            before = self.info().id
            status, body = self.connection.get(path)
            after = self.info().id
        except EngineError as error:
            return Answer(status=status, trouble=str(error))
        if before != after:
            trouble = f"The engine changed from {before} to {after}."
            return Answer(status=status, body=body, trouble=trouble)
        return Answer(status=status, body=body, engine_id=after)

    def find(
        self, site_id: str, more: Mapping[str, str] | None = None
    ) -> list[dict[str, Any]]:
        """List a site's containers in any state, as the engine describes them.

        `more` are labels that they must carry too.
        """
        filters = json.dumps({"label": labels.selection(site_id, more)})
        answer = self.connection.get_ok(
            "/containers/json", {"all": "1", "filters": filters}
        )
        if not isinstance(answer, list):
            msg = f"The engine {self.address} gave half a list of containers."
            raise EngineUnreachable(msg)
        return answer

    def logs(
        self, container: str, *, tail: int | None = None, since: float | None = None
    ) -> str:
        """Give what it wrote, or the last `tail` lines, or what came after `since`.

        `since` is in seconds of Unix time.
        """
        written = self._slow(
            lambda client: client.logs(
                container,
                stdout=True,
                stderr=True,
                tail="all" if tail is None else tail,
                since=since,
            )
        )
        return bytes(written).decode("utf-8", "replace")

    def put(
        self, container: str, folder: str, files: Mapping[str, bytes], *, uid: int
    ) -> None:
        """Put files (0600, of that user) into a folder of the container."""
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as archive:
            for name, content in files.items():
                entry = tarfile.TarInfo(name)
                entry.size, entry.mode = len(content), 0o600
                entry.uid = entry.gid = uid
                archive.addfile(entry, io.BytesIO(content))
        data = packed.getvalue()
        self._slow(lambda client: client.put_archive(container, folder, data))

    def has_image(self, reference: str) -> bool:
        """Tell whether an image is on the node."""
        try:
            self.connection.get_ok(f"/images/{reference}/json")
        except ImageMissing:
            return False
        return True

    def pull(
        self,
        reference: str,
        progress: Callable[[Progress], None] | None = None,
        *,
        seconds: float = PULL_SECONDS,
    ) -> None:
        """Bring an image to the node, telling how far it is.

        Raises:
            PullFailed: the registry, or the way to it, does not give it.
        """
        try:
            self.connection.run(
                lambda client: pulling.pull(client, reference, progress), seconds
            )
        except EngineRefused as error:
            raise pulling.failed(reference, str(error)) from error

    def _slow(self, function: Callable[[Any], T]) -> T:
        return self.connection.run(function, self.connection.slow_seconds)

    def _discard(self, container: str) -> None:
        try:
            self.remove(container, force=True)
        except EngineError:
            return  # Found by its label, and reaped at the next look.
