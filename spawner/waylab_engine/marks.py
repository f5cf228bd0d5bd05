"""What the processes of a lease carry where no engine labels a container for it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

LEASE_MARK = "WAYLAB_LEASE"
"""Variable in their environment; `<site>/<node>|<lease>|<holder>|<device>,…`."""

_PARTS = 3


def scope(site_id: str, node: str) -> str:
    """Give the part of a mark that is the same for all processes of a node."""
    return f"{site_id}/{node}"


def lease_mark(scope: str, lease: str, holder: str, devices: Sequence[str]) -> str:
    """Give the value of `LEASE_MARK`."""
    return "|".join((scope, lease, holder, ",".join(devices)))


def read_mark(
    environment: Iterable[bytes], scope: str
) -> tuple[str, str, tuple[str, ...]] | None:
    """Give lease, holder and devices of a process by its environment.

    None if it carries no mark, or one of another node or site.
    """
    prefix = f"{LEASE_MARK}={scope}|".encode()
    for variable in environment:
        if variable.startswith(prefix):
            parts = variable.removeprefix(prefix).decode(errors="replace").split("|")
            if len(parts) == _PARTS:
                lease, holder, devices = parts
                return lease, holder, tuple(filter(None, devices.split(",")))
    return None
