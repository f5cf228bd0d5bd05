"""What holds for every test."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from tests.waylab_ledger.postgres import NoPostgresError, running_postgres
from tests.waylab_ledger.postgres import Server as Postgres

from waylab_tracking.testing import Records

# A shell starts what it puts in the background with SIGINT ignored, which children
# inherit: Ctrl-C could then not be tested.
signal.signal(signal.SIGINT, signal.default_int_handler)

# A busy machine is slow, and no fault.
settings.register_profile(
    "busy", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("busy")


@pytest.fixture(scope="session")
def _records() -> Iterator[Records]:
    """Let every tracking server that a test starts, `waylab up` as well, record."""
    folder = Path(tempfile.mkdtemp(prefix="waylab-records-"))
    os.environ["WAYLAB_TRACKING_RECORD"] = str(folder)
    yield Records(folder)
    del os.environ["WAYLAB_TRACKING_RECORD"]
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL server; skips where the machine has none."""
    with ExitStack() as stack:
        try:
            server = stack.enter_context(running_postgres())
        except NoPostgresError as error:
            pytest.skip(str(error))
        yield server


@pytest.fixture(scope="module", autouse=True)
def _answers_are_as_clearml_has_them(_records: Records) -> Iterator[None]:
    """Check what servers were asked and answered, when a module's tests are done."""
    yield
    exchanges = list(_records.fresh())
    if exchanges:
        # The SDK, whose schemas these are, takes a second to import.
        from tests.waylab_tracking import conformance, departures  # noqa: PLC0415

        found = conformance.CHECKER.violations(exchanges)
        new = departures.unknown(exchanges)
        assert "\n".join(found) == ""
        assert new == []
