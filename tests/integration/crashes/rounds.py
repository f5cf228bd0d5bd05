"""Hub, board and agent killed at every commit and engine call of a lab's life."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from pathlib import Path

import httpx
from tests.integration.crashes.strikes import Strikes, prepared
from tests.waylab_spawner.docker_site import DockerSite, running_site

LIGHT = "waylab-test/light:1"
LIGHT_LAB = """\
#!/opt/waylab/bin/python
# A lab of next to no weight.
import http.server, os, signal
signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
class Lab(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
http.server.ThreadingHTTPServer(("", 8888), Lab).serve_forever()
"""
CONVERGES_SECONDS = 30.0
_SETTLES_SECONDS = 30.0
_PAUSE_SECONDS = 0.1
ROLES = ("hub", "board", "agent")
"""The agent is that of the node vision, where the labs are."""


class NotConvergedError(AssertionError):
    """After a crash, something is not as it must be."""


@dataclass(frozen=True)
class Outcome:
    """One round: whether the program died, and how long the rest took."""

    point: str
    died: bool
    seconds: float
    ending: str


class CrashSite:
    """A site with one user at work and one who waits, and its crash points."""

    def __init__(self, site: DockerSite, strikes: Strikes) -> None:
        """Everything runs already."""
        self.site = site
        self.strikes = strikes
        for user in ("ann", "bob"):
            site.user(user)
        self._restart("agent")  # With the hook, which that of the other node lacks.

    def points(self, operation: str, role: str) -> tuple[str, ...]:
        """Let an operation go well; give the points that a program passes in it."""
        return self._round(operation, role, "")[1]

    def crash(self, operation: str, role: str, point: str) -> Outcome:
        """Kill a program at a point of an operation, start it again, and judge.

        Raises:
            NotConvergedError: the text says what is wrong.
        """
        return self._round(operation, role, point)[0]

    def refresh(self, role: str) -> None:
        """Start a program anew."""
        self._restart(role)

    def mend(self) -> None:
        """Start the programs anew, and end all labs.

        Raises:
            NotConvergedError: something stays.
        """
        try:
            for role in ROLES:
                self._restart(role)
            self._clear()
        except (httpx.HTTPError, OSError, RuntimeError, AssertionError) as error:
            msg = f"it does not come to rest: {error!r}"
            raise NotConvergedError(msg) from error

    def _round(
        self, operation: str, role: str, point: str
    ) -> tuple[Outcome, tuple[str, ...]]:
        before, act, done, after = OPERATIONS[operation]
        before(self)
        self.strikes.arm(role, point)
        try:
            # The hub, or the proxy in its place, may have no good answer any more.
            with suppress(*((httpx.HTTPError,) if point else ())):
                act(self)
            self._until(
                lambda: self._has_ended(role) or done(self),
                _SETTLES_SECONDS,
                f"{operation} with {role} dying at {point!r} does not settle",
            )
        finally:
            passed = self.strikes.disarm()
        began = time.monotonic()
        died = False

        def ended() -> object:
            # Who is struck as the order is taken back may take a moment to end. A
            # second death is nobody's order, and leaves things as they are.
            nonlocal died
            if point and not died and self._has_ended(role):
                died = True
                self._restart(role)
            return after(self)

        ending = self._until(
            ended,
            CONVERGES_SECONDS,
            f"{operation}: {role} died at {point!r}",
        )
        seconds = time.monotonic() - began
        self._audit(f"{operation}: {role} died at {point!r}")
        self._clear()
        return Outcome(point, died, seconds, str(ending)), passed

    def runs(self, user: str) -> str:
        """Give `running` if hub, engine and ledger agree that a user's lab runs."""
        server = self.site.hub.server(user)
        containers = self._containers(user)
        leases = [
            (lease.id, str(lease.state))
            for lease in self.site.board.state().leases
            if lease.holder == f"lab:{user}/"
        ]
        agrees = (
            server is not None
            and bool(server["ready"])
            and [state for state, _ in containers] == ["running"]
            and leases == [(containers[0][1], "active")]
        )
        return "running" if agrees else ""

    def stopped(self, user: str) -> str:
        """Give `stopped` if nothing of a user's lab is left anywhere."""
        state = self.site.board.state()
        holder = f"lab:{user}/"
        left = (
            self.site.hub.server(user) is not None
            or self._containers(user)
            or any(lease.holder == holder for lease in state.leases)
            or any(ticket.holder == holder for ticket in state.line)
        )
        return "" if left else "stopped"

    def start(self, user: str, profile: str) -> None:
        """Start a lab, and wait until it runs, also if it has to wait in line."""
        answer = self.site.hub.spawn(user, {"profile": profile})
        if answer.status_code != HTTPStatus.SERVICE_UNAVAILABLE:
            answer.raise_for_status()
        self._until(lambda: self.runs(user), 30.0, f"{user}'s lab does not start")

    def _containers(self, user: str) -> list[tuple[str, str]]:
        """Give state and lease of each container of a user's labs."""
        with self.site.engine("vision") as engine:
            return [
                (str(one["State"]), str(one["Labels"]["org.waylab.lease"]))
                for one in engine.find("spawntest", {"org.waylab.user": user})
            ]

    def _has_ended(self, role: str) -> bool:
        if role == "agent":
            return self.site.agents["vision"].has_ended
        return (self.site.hub if role == "hub" else self.site.board).has_ended

    def _restart(self, role: str) -> None:
        if role == "hub":
            self.site.hub.kill()
            self.site.hub.start()
        elif role == "board":
            self.site.board.restart()
        else:
            self.site.agents["vision"].kill()
            self.site.agents["vision"].start(**self.strikes.environment)

    def _until(
        self, condition: Callable[[], object], seconds: float, what: str
    ) -> object:
        deadline = time.monotonic() + seconds
        while True:
            found: object = None
            with suppress(httpx.HTTPError):
                found = condition()
            if found:
                return found
            if time.monotonic() > deadline:
                msg = f"{what}.\n{self._seen()}"
                raise NotConvergedError(msg)
            time.sleep(_PAUSE_SECONDS)

    def _audit(self, what: str) -> None:
        told = self.site.board.call("GET", "/audit").raise_for_status().json()
        if told:
            msg = f"{what}: {told}"
            raise NotConvergedError(msg)

    def _clear(self) -> None:
        # Who waits would be given what is cleared here.
        for ticket in self.site.board.state().line:
            self.site.board.call("DELETE", f"/tickets/{ticket.id}")
        try:
            self.site.clear()
        except httpx.HTTPStatusError as error:
            told = f"{error}: {error.response.text}"
            msg = f"it cannot be cleared: {told}\n{self._seen()}"
            raise NotConvergedError(msg) from error
        for user in ("ann", "bob"):
            self._until(partial(self.stopped, user), 30.0, f"{user} keeps something")

    def _seen(self) -> str:
        state = self.site.board.state()
        users = {user: self.site.hub.server(user) for user in ("ann", "bob")}
        containers = {user: self._containers(user) for user in users}
        return (
            f"leases: {state.leases}\nline: {state.line}\nhub: {users}\n"
            f"containers: {containers}\n{self.site.hub.log[-3000:]}\n"
            f"{self.site.hub.proxy_log[-1000:]}\n{self.site.board.log[-2000:]}"
        )


def _nothing(site: CrashSite) -> None:
    del site


def _spawn(site: CrashSite) -> None:
    site.site.hub.spawn("ann", {"profile": "light"})


def _stop(site: CrashSite) -> None:
    site.site.hub.stop_lab("ann")


def _with_a_lab(site: CrashSite) -> None:
    site.start("ann", "light")


def _with_one_waiting(site: CrashSite) -> None:
    site.start("ann", "both")
    site.site.hub.spawn("bob", {"profile": "light"})
    site._until(lambda: site.site.board.state().line, 10.0, "bob has no ticket")
    site._until(
        lambda: site.site.hub.server("bob") is None, 10.0, "bob's refusal is pending"
    )


def _runs(site: CrashSite) -> str:
    return site.runs("ann")


def _stopped(site: CrashSite) -> str:
    return site.stopped("ann")


def _settled(site: CrashSite) -> str:
    return site.runs("ann") or site.stopped("ann")


def _granted(site: CrashSite) -> str:
    return site.runs("bob") if site.stopped("ann") else ""


def _served(site: CrashSite) -> str:
    """Whoever waits is served, unless the one before goes on."""
    if site.stopped("ann"):
        return site.runs("bob")
    waits = any(one.holder == "lab:bob/" for one in site.site.board.state().line)
    return site.runs("ann") if waits else ""


Step = Callable[[CrashSite], object]
OPERATIONS: dict[str, tuple[Step, Step, Step, Step]] = {
    "spawn": (_nothing, _spawn, _runs, _settled),
    "stop": (_with_a_lab, _stop, _stopped, _settled),
    "grant": (_with_one_waiting, _stop, _granted, _served),
}
"""What is there before; what is done; how it ends well; how it may end in a crash."""


@contextmanager
def crash_site(root: Path) -> Iterator[CrashSite]:
    """Run a site whose programs can be killed at their points."""
    light = {"nodes": ["vision"], "images": ["light"], "memory_gib": 0.1}
    with (
        prepared(root / "crash-points") as strikes,
        running_site(
            root,
            images=[{"name": "light", "title": "Light", "reference": LIGHT}],
            profiles=[
                {"name": "light", "title": "Light", "gpus": 1, **light},
                {"name": "both", "title": "Both", "gpus": 2, **light},
            ],
        ) as site,
    ):
        site.make_lab_image(LIGHT, LIGHT_LAB)
        yield CrashSite(site, strikes)
