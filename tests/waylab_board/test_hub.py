"""The board as a service of a real JupyterHub: signing in, labs, users' rights."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from tests.waylab_board.conftest import EPOCH, hub
from tests.waylab_board.hub import RunningHub, running_hub_and_board

from waylab_board.testing import FakeNode, RunningBoard, gpus
from waylab_ledger.values import Holder, Lease, LeaseState, Request, Selector, Ticket
from waylab_ledger.wire import Answer, decode, encode
from waylab_site.model import Site

OPTIONS = '{"profile": "one"}'


@pytest.fixture(scope="module")
def both(
    tmp_path_factory: pytest.TempPathFactory, site: Site
) -> Iterator[tuple[RunningHub, RunningBoard]]:
    folder: Path = tmp_path_factory.mktemp("site")
    with running_hub_and_board(folder, site) as (jupyterhub, board):
        hub(board, "POST", "/epochs", {"epoch": EPOCH}).raise_for_status()
        FakeNode(board, "vision", gpus("vision", 2))
        FakeNode(board, "nlp", gpus("nlp", 4))
        yield jupyterhub, board


@pytest.fixture(scope="module")
def jupyterhub(both: tuple[RunningHub, RunningBoard]) -> RunningHub:
    return both[0]


@pytest.fixture(scope="module")
def board(both: tuple[RunningHub, RunningBoard]) -> RunningBoard:
    return both[1]


def ask(
    board: RunningBoard, user: str, selector: Selector, *, take: bool = False
) -> Lease | Ticket:
    request = Request(
        f"{user}-{time.monotonic()}",
        Holder.lab(user),
        user,
        selector,
        options=OPTIONS,
    )
    body = {"request": encode(request), "taker": EPOCH if take else None}
    answer = hub(board, "POST", "/requests", body).raise_for_status()
    given = decode(Answer, answer.json())
    found = given.lease or given.ticket
    assert found is not None
    return found


def until(condition: Callable[[], bool], explain: Callable[[], str]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, explain()
        time.sleep(0.05)


def xsrf(page: httpx.Response) -> str:
    return page.text.partition('"xsrf": "')[2].partition('"')[0]


def test_a_browser_is_signed_in_by_the_hub(jupyterhub: RunningHub) -> None:
    with jupyterhub.browser("ada") as browser:
        page = browser.get("/services/gpus/")

        assert page.status_code == 200
        assert "GPUs · Waylab" in page.text
        assert browser.get("/services/gpus/api/v1/state").status_code == 200


def test_a_browser_changes_nothing_without_the_pages_word(
    jupyterhub: RunningHub, board: RunningBoard
) -> None:
    with jupyterhub.browser("root") as browser:
        page = browser.get("/services/gpus/")
        path = "/services/gpus/api/v1/nodes/vision/drain"

        forged = browser.post(path, json={})
        meant = browser.post(path, json={}, headers={"X-XSRFToken": xsrf(page)})

    assert forged.status_code == 403
    assert meant.status_code == 200
    board.call("POST", "/nodes/vision/undrain").raise_for_status()


def test_a_page_is_not_given_to_scripts(jupyterhub: RunningHub) -> None:
    with jupyterhub.browser("ada") as browser:
        browser.get("/services/gpus/")

        fetched = browser.get("/services/gpus/", headers={"Sec-Fetch-Mode": "cors"})

    assert "xsrf" not in fetched.text


def test_signing_out_at_the_hub_ends_the_session_here(jupyterhub: RunningHub) -> None:
    with jupyterhub.browser("leaver") as browser:
        browser.get("/services/gpus/")
        browser.get("/hub/logout")

        def is_out() -> bool:
            answer = browser.get("/services/gpus/api/v1/state")
            return answer.status_code == 401

        until(is_out, lambda: "the session goes on")


def test_a_sign_in_leads_only_to_the_boards_own_pages(jupyterhub: RunningHub) -> None:
    with jupyterhub.browser("ada") as browser:
        for elsewhere in ("//evil.example/", "/hub/home", "https://evil.example/"):
            answer = browser.get(f"/services/gpus/sign-in?next={elsewhere}")
            assert answer.status_code == 400
        state = browser.get("/services/gpus/sign-in?next=/services/gpus/api/v1/state")
        assert state.json()["nodes"]


def test_a_hub_token_with_the_scope_may_read_and_one_without_may_not(
    jupyterhub: RunningHub, board: RunningBoard
) -> None:
    good = jupyterhub.user_token("ada", ["access:services!service=gpus"])
    poor = jupyterhub.user_token("ada", ["read:users:name!user=ada"])

    assert board.call("GET", "/state", token=good).status_code == 200
    assert board.call("GET", "/events", token=good).status_code == 403
    refused = board.call("GET", "/state", token=poor)
    assert refused.status_code == 403
    assert "access:services!service=gpus" in refused.json()["message"]


def test_an_admin_of_the_hub_is_one_here(
    jupyterhub: RunningHub, board: RunningBoard
) -> None:
    token = jupyterhub.user_token("root")

    assert board.call("GET", "/events", token=token).status_code == 200


def test_a_user_ends_and_gives_up_only_what_is_theirs(
    jupyterhub: RunningHub, board: RunningBoard
) -> None:
    lease = ask(board, "ada", Selector(count=2, nodes=("vision",)), take=True)
    ticket = ask(board, "bob", Selector(nodes=("vision",)))
    ada, bob = jupyterhub.user_token("ada"), jupyterhub.user_token("bob")

    foreign_end = board.call("POST", f"/leases/{lease.id}/end", {}, token=bob)
    foreign_ticket = board.call("DELETE", f"/tickets/{ticket.id}", token=ada)
    with jupyterhub.browser("ada") as browser:
        foreign_page = browser.get(f"/services/gpus/wait/{ticket.id}")
    own = board.call("DELETE", f"/tickets/{ticket.id}", token=bob)
    end = board.call("POST", f"/leases/{lease.id}/end", {}, token=ada)

    assert (foreign_end.status_code, foreign_ticket.status_code) == (403, 403)
    assert foreign_page.status_code == 403
    assert own.json()["state"] == "closed"
    assert end.json()["state"] == "releasing"
    gone = {"proof": {"kind": "never-started", "by": EPOCH}}
    hub(board, "POST", f"/leases/{lease.id}/release", gone).raise_for_status()


def test_a_lab_whose_turn_comes_is_started_with_its_lease(
    jupyterhub: RunningHub, board: RunningBoard
) -> None:
    jupyterhub.know("cai")
    held = ask(board, "ada", Selector(count=2, nodes=("vision",)), take=True)
    ticket = ask(board, "cai", Selector(nodes=("vision",)))
    assert isinstance(ticket, Ticket)

    never = {"proof": {"kind": "never-started", "by": EPOCH}}
    hub(board, "POST", f"/leases/{held.id}/release", never).raise_for_status()

    def started() -> bool:
        return any(one["user"] == "cai" for one in jupyterhub.starts())

    until(started, lambda: board.log)
    [start] = [one for one in jupyterhub.starts() if one["user"] == "cai"]
    [lease] = board.state().leases
    assert start == {
        "user": "cai",
        "server": "",
        "profile": "one",
        "lease": lease.id,
    }
    _finish(jupyterhub, board, lease.id, "cai")


def _finish(jupyterhub: RunningHub, board: RunningBoard, lease: str, user: str) -> None:
    """Play the spawner: take the lease, say that it runs; then end it as an admin."""
    for step, body in (("take", {"taker": EPOCH}), ("active", {"found": "p1"})):
        hub(board, "POST", f"/leases/{lease}/{step}", body).raise_for_status()
    until(
        lambda: (_server(jupyterhub, user) or {}).get("ready") is True,
        lambda: jupyterhub.log,
    )
    board.call("POST", f"/leases/{lease}/end", {}).raise_for_status()
    until(lambda: not _server(jupyterhub, user), lambda: board.log)
    gone = {"proof": {"kind": "processes-gone", "by": EPOCH}}
    hub(board, "POST", f"/leases/{lease}/release", gone).raise_for_status()
    assert board.state().leases == ()


def _server(jupyterhub: RunningHub, user: str) -> dict[str, object] | None:
    model = jupyterhub.call("GET", f"/users/{user}", jupyterhub.token)
    server: dict[str, object] | None = model["servers"].get("")
    return server


def test_a_later_lab_of_the_same_name_is_not_stopped(
    jupyterhub: RunningHub, board: RunningBoard
) -> None:
    jupyterhub.know("dee")
    lease = ask(board, "dee", Selector(nodes=("nlp",)), take=True)
    hub(board, "POST", f"/leases/{lease.id}/active", {"found": "p"}).raise_for_status()
    hub(board, "POST", f"/leases/{lease.id}/releasing", {"reason": "stop"})
    jupyterhub.call("POST", "/users/dee/server", jupyterhub.token, {})
    until(
        lambda: (_server(jupyterhub, "dee") or {}).get("ready") is True,
        lambda: jupyterhub.log,
    )

    time_to_look = time.monotonic() + 7  # longer than between two questions
    until(lambda: time.monotonic() > time_to_look, lambda: "")

    assert (_server(jupyterhub, "dee") or {}).get("ready") is True
    [left] = board.state().leases
    assert left.state is LeaseState.RELEASING
    gone = {"proof": {"kind": "processes-gone", "by": EPOCH}}
    hub(board, "POST", f"/leases/{lease.id}/release", gone).raise_for_status()
    jupyterhub.call("DELETE", "/users/dee/server", jupyterhub.token)


def test_the_hubs_refusal_is_shown_to_who_waits(
    jupyterhub: RunningHub, board: RunningBoard
) -> None:
    jupyterhub.know("fay")
    jupyterhub.call("POST", "/users/fay/server", jupyterhub.token, {})
    lease = ask(board, "fay", Selector(nodes=("nlp",)))
    assert isinstance(lease, Lease)

    def reason() -> str:
        told = board.call("GET", f"/tickets/{lease.ticket}").json()
        return str(told["reason"])

    until(lambda: "already running" in reason(), reason)
    board.call("DELETE", f"/tickets/{lease.ticket}").raise_for_status()
    jupyterhub.call("DELETE", "/users/fay/server", jupyterhub.token)


def test_a_user_starts_an_own_lab_over_rest(
    jupyterhub: RunningHub, board: RunningBoard
) -> None:
    token = jupyterhub.user_token("gil")

    wrong = board.call("POST", "/requests", {"options": {"lease": "x"}}, token=token)
    started = board.call(
        "POST", "/requests", {"options": {"profile": "notebook"}}, token=token
    )

    assert wrong.status_code == 400
    assert started.status_code == 202
    until(
        lambda: (_server(jupyterhub, "gil") or {}).get("ready") is True,
        lambda: jupyterhub.log,
    )
    again = board.call(
        "POST", "/requests", {"options": {"profile": "notebook"}}, token=token
    )
    other = board.call("POST", "/requests", {"options": {"profile": "x"}}, token=token)
    assert (again.status_code, other.status_code) == (202, 409)
    assert "already running" in other.json()["message"]
    assert [one["profile"] for one in jupyterhub.starts() if one["user"] == "gil"] == [
        "notebook"
    ]
