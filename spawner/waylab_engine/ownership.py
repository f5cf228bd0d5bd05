"""Hands a container's volumes and folders to its user, without running anything.

A fresh volume belongs to root. An archive that holds nothing but the folder's own
entry, put into the container before its start, changes owner and mode through the
mount, as root; what belongs to somebody already is left alone.
"""

from __future__ import annotations

import io
import posixpath
import tarfile
import time
from typing import Any

from waylab_engine.connection import Connection
from waylab_engine.errors import EngineUnreachable

_MODE = 0o700


def give(connection: Connection, container: str, target: str, user: str) -> None:
    """Hand the mounted folder `target` to `user` (`uid:gid`) if root has it.

    Raises:
        EngineError: the engine does not do it.
    """

    def work(client: Any) -> None:
        uid, gid = (int(part) for part in user.split(":"))
        if uid == 0 or _owner(client, container, target, connection) != 0:
            return
        parent, name = posixpath.split(target.rstrip("/"))
        entry = tarfile.TarInfo(name)
        entry.type, entry.mode = tarfile.DIRTYPE, _MODE
        entry.uid, entry.gid, entry.mtime = uid, gid, int(time.time())
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as archive:
            archive.addfile(entry)
        client.put_archive(container, parent, packed.getvalue())

    connection.run(work, connection.slow_seconds)


def _owner(client: Any, container: str, target: str, connection: Connection) -> int:
    """Read the owner from the first entry of the folder's archive, and no further."""
    answer = client.get(
        f"{client.base_url}/v{client.api_version}/containers/{container}/archive",
        params={"path": target},
        headers={"Accept-Encoding": "identity"},
        stream=True,
        timeout=connection.timeout_seconds,
    )
    with answer:
        if not answer.ok:
            raise connection.refused(answer.status_code, answer.text)
        try:
            with tarfile.open(fileobj=answer.raw, mode="r|") as archive:
                entry = archive.next()
        except tarfile.TarError:
            entry = None
    if entry is None:
        msg = f"The engine {connection.address} gave half an archive of {target}."
        raise EngineUnreachable(msg)
    return entry.uid
