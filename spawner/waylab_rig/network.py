"""A simulated node's own bridge, in a subnet that nothing else here uses."""

from __future__ import annotations

import contextlib
import fcntl
import json
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

from waylab_rig.errors import RigError
from waylab_rig.requirements import find

LOCK = Path("/run/waylab-rig.lock")
_RANGES = (IPv4Network("172.30.0.0/16"), IPv4Network("10.213.0.0/16"))
_SECONDS = 20.0


@dataclass(frozen=True)
class Bridge:
    """A bridge of the machine; the machine itself is the subnet's first address."""

    name: str
    subnet: IPv4Network

    @property
    def gateway(self) -> str:
        """The machine's address on it."""
        return str(self.subnet[1])

    @property
    def mac(self) -> str:
        """The bridge's own hardware address, which docker makes of the IP too.

        A bridge without one takes that of a port, and another when a container comes or
        goes: what other containers send then reaches nobody, for up to two minutes.
        """
        return "02:42:" + self.subnet[1].packed.hex(":")


def make(name: str) -> Bridge:
    """Have a bridge of this name, up, with a way out where the machine lets it.

    Raises:
        RigError: the machine does not give one.
    """
    with _alone():
        known = subnet_of(name)
        if known is not None:
            return Bridge(name, known)
        bridge = Bridge(name, _free_subnet())
        try:
            _ip("link", "add", name, "address", bridge.mac, "type", "bridge")
            _ip("addr", "add", f"{bridge.gateway}/24", "dev", name)
            _ip("link", "set", name, "up")
        except RigError:
            remove(name)
            raise
    for rule in _rules(bridge):
        _iptables("-I", rule)
    return bridge


def remove(name: str) -> None:
    """Remove a bridge and its rules. Idempotent."""
    subnet = subnet_of(name)
    if subnet is not None:
        for rule in _rules(Bridge(name, subnet)):
            _iptables("-D", rule)
    with contextlib.suppress(RigError):
        _ip("link", "del", name)


def subnet_of(name: str) -> IPv4Network | None:
    """Give the subnet of a bridge; None if there is no such bridge."""
    for link in _listed("addr"):
        if link.get("ifname") == name:
            for address in link.get("addr_info", []):
                if address["family"] == "inet":
                    local = f"{address['local']}/{address['prefixlen']}"
                    return IPv4Network(local, strict=False)
    return None


def _free_subnet() -> IPv4Network:
    taken = [
        IPv4Network(route["dst"])
        for route in _listed("route")
        if route.get("dst", "default") != "default"
    ]
    for whole in _RANGES:
        for subnet in whole.subnets(new_prefix=24):
            if not any(subnet.overlaps(other) for other in taken):
                return subnet
    msg = "No free subnet for a simulated node in 172.30.0.0/16 or 10.213.0.0/16."
    raise RigError(msg)


def _rules(bridge: Bridge) -> Sequence[Sequence[str]]:
    # The engines leave the machine's packet filter alone, so that several can share
    # it; without these rules containers still reach the machine, and nothing beyond.
    note = ("-m", "comment", "--comment", f"waylab-rig {bridge.name}")
    out, back = ("-i", bridge.name), ("-o", bridge.name)
    answers = ("-m", "conntrack", "--ctstate", "RELATED,ESTABLISHED")
    beyond = ("-s", str(bridge.subnet), "!", "-o", bridge.name)
    return (
        ("nat", "POSTROUTING", *beyond, *note, "-j", "MASQUERADE"),
        ("filter", "FORWARD", *out, *note, "-j", "ACCEPT"),
        ("filter", "FORWARD", *back, *answers, *note, "-j", "ACCEPT"),
    )


def _iptables(verb: str, rule: Sequence[str]) -> None:
    program = find("iptables")
    if program is None:
        return
    table, chain, *rest = rule
    with contextlib.suppress(RigError):
        _run([program, "-w", "5", "-t", table, verb, chain, *rest])


def _listed(what: str) -> list[dict[str, Any]]:
    answer: list[dict[str, Any]] = json.loads(_ip("-4", "-j", what, "show") or "[]")
    return answer


def _ip(*arguments: str) -> str:
    return _run([find("ip") or "ip", *arguments])


def _run(command: Sequence[str]) -> str:
    try:
        return subprocess.run(  # noqa: S603 - no shell; every part is written here.
            command, check=True, capture_output=True, text=True, timeout=_SECONDS
        ).stdout
    except subprocess.CalledProcessError as error:
        msg = f"{' '.join(command)} says: {error.stderr.strip()}"
        raise RigError(msg) from error
    except (OSError, subprocess.TimeoutExpired) as error:
        msg = f"{' '.join(command)} does not work: {error}"
        raise RigError(msg) from error


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """Choose one subnet at a time on this machine."""
    with LOCK.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
