"""Every kind of store, each new and empty for a test."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.waylab_ledger.postgres import Server
from tests.waylab_ledger.site import Site, two_nodes

from waylab_ledger.ledger import Ledger


@pytest.fixture
def postgres_url(postgres: Server) -> Iterator[str]:
    """An empty database on the server."""
    name = f"t{secrets.token_hex(6)}"
    yield postgres.create_database(name)
    postgres.drop_database(name)


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """A database file that does not exist yet."""
    return f"sqlite:///{tmp_path}/ledger.db"


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest) -> str:
    """Each kind of database in turn."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


@pytest.fixture
def open_ledger() -> Iterator[Callable[[str], Ledger]]:
    """Open ledgers; they are closed after the test."""
    with ExitStack() as stack:

        def open_(url: str) -> Ledger:
            ledger = Ledger.open(url)
            stack.callback(ledger.close)
            return ledger

        yield open_


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def ledger(
    request: pytest.FixtureRequest, open_ledger: Callable[[str], Ledger]
) -> Ledger:
    """A ledger on each kind of store in turn."""
    if request.param == "memory":
        return open_ledger("memory://")
    return open_ledger(request.getfixturevalue(f"{request.param}_url"))


@pytest.fixture
def site(ledger: Ledger) -> Site:
    """The site of these tests on such a ledger."""
    return two_nodes(ledger)
