"""The ports of a site: chosen free at the first start, and kept."""

from __future__ import annotations

import json
import socket
from dataclasses import asdict, dataclass
from pathlib import Path

from waylab_hub.errors import StartError
from waylab_site.state import write_private

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class Ports:
    """Where the programs listen.

    `internal` is the address of hub, board and tracking; public port and proxy are on
    the loopback address. `clearml` holds the addresses of a ClearML Server (API, pages,
    files) that stands in for tracking.
    """

    public: int
    proxy_api: int
    hub: int
    tracking: int
    board: int
    internal: str = LOOPBACK
    clearml: tuple[str, str, str] | None = None


def choose(
    path: Path,
    public: int,
    internal: str = LOOPBACK,
    clearml: tuple[str, str, str] | None = None,
) -> Ports:
    """Give the ports kept in a file, chosen now if there is none.

    A kept port that another program has taken meanwhile is replaced.

    Raises:
        StartError: the public port is in use, or may not be used.
    """
    check_public(public)
    kept = read(path)
    taken = {public}
    chosen: dict[str, int] = {}
    for name in ("proxy_api", "hub", "tracking", "board"):
        port = getattr(kept, name) if kept else 0
        if not port or port in taken or not is_free(port):
            port = _free(taken)
        taken.add(port)
        chosen[name] = port
    ports = Ports(public=public, internal=internal, clearml=clearml, **chosen)
    if ports != kept:
        write_private(path, json.dumps(asdict(ports), indent=2) + "\n")
    return ports


def read(path: Path) -> Ports | None:
    """Give the ports kept in a file, None if there are none that make sense."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        internal = str(data.pop("internal", LOOPBACK))
        given = data.pop("clearml", None)
        clearml = (str(given[0]), str(given[1]), str(given[2])) if given else None
        known = {name: int(value) for name, value in data.items()}
        return Ports(**{"board": 0, **known}, internal=internal, clearml=clearml)
    except (OSError, LookupError, ValueError, TypeError, AttributeError):
        return None


def check_public(port: int) -> None:
    """Refuse a public port that cannot be listened on.

    Raises:
        StartError: with the remedy.
    """
    try:
        _listen(port)
    except PermissionError as error:
        msg = (
            f"Port {port} may be used by root only: set WAYLAB_PORT to one above 1023."
        )
        raise StartError(msg) from error
    except OSError as error:
        msg = (
            f"Port {port} is in use by another program: stop that one, or set "
            "WAYLAB_PORT to another port."
        )
        raise StartError(msg) from error


def is_free(port: int) -> bool:
    """Tell whether a port can be listened on now."""
    try:
        _listen(port)
    except OSError:
        return False
    return True


def _listen(port: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((LOOPBACK, port))
        listener.listen(1)


def _free(taken: set[int]) -> int:
    while True:
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
            listener.bind((LOOPBACK, 0))
            port: int = listener.getsockname()[1]
        if port not in taken:
            return port
