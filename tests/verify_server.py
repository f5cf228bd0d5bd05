"""`make verify-server`: the tests of what every ClearML Server does, against one.

With an address it looks at that server as `waylab doctor` does, then runs the tests
marked `clearml` against it. Without one it rehearses that on the embedded server, which
is strict then: what holds there need not hold on a ClearML Server.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests import served  # noqa: E402 - found by the line above.

from waylab_hub.checks import Verdict  # noqa: E402
from waylab_hub.server_checks import server_checks  # noqa: E402
from waylab_site.model import Tracking  # noqa: E402
from waylab_tracking.testing import running_server  # noqa: E402

REHEARSAL = (
    "No URL is given: this is a rehearsal on Waylab's own server with its extensions "
    "off. It says nothing of a real ClearML Server."
)


def main() -> int:
    """Read the command line, look, and run the tests; give pytest's exit status."""
    given = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    given.add_argument("--url", default="", help="a server in a standard layout")
    given.add_argument("--api-url", default="", help="else its API,")
    given.add_argument("--web-url", default="", help="its pages,")
    given.add_argument("--files-url", default="", help="and its file server")
    asked, pytest_arguments = given.parse_known_args()
    named = {name: text for name, text in vars(asked).items() if text}
    with ExitStack() as running:
        if named:
            try:
                tracking = Tracking(**named)
                variables = _given(tracking, os.environ)
            except ValueError as error:
                sys.stderr.write(f"{error}\n")
                return 2
            _look(tracking, variables)
        else:
            print(REHEARSAL, flush=True)
            folder = running.enter_context(tempfile.TemporaryDirectory())
            variables = _rehearsed(running, Path(folder))
        marked = [sys.executable, "-m", "pytest", "-m", "clearml", "-p", "no:xdist"]
        done = subprocess.run(
            [*marked, *pytest_arguments],
            cwd=ROOT,
            env=os.environ | variables,
            check=False,
        )
    if not named:
        print(REHEARSAL)
    return done.returncode


def _given(tracking: Tracking, environ: Mapping[str, str]) -> dict[str, str]:
    """Give the variables of a server that somebody named.

    Raises:
        ValueError: a key is missing.
    """
    keys = (*served.USER_KEYS, *served.SERVICE_KEYS)
    if missing := [name for name in keys if not environ.get(name)]:
        msg = (
            f"Set {', '.join(missing)}: a key pair of a user of the server, and one of "
            "another user, who stands for Waylab itself."
        )
        raise ValueError(msg)
    return _variables(tracking, {name: environ[name] for name in keys})


def _rehearsed(running: ExitStack, folder: Path) -> dict[str, str]:
    server = running.enter_context(running_server(folder / "server", strict="true"))
    user = zip(served.USER_KEYS, server.create_user("The Admin", "admin"), strict=True)
    service = server.create_user("waylab-service", "admin")
    pairs = dict(user) | dict(zip(served.SERVICE_KEYS, service, strict=True))
    return _variables(served.named(server), pairs)


def _variables(tracking: Tracking, keys: dict[str, str]) -> dict[str, str]:
    return {
        served.API_URL: str(tracking.api_url),
        served.WEB_URL: str(tracking.web_url),
        served.FILES_URL: str(tracking.files_url),
        **keys,
    }


def _look(tracking: Tracking, variables: dict[str, str]) -> None:
    """Tell what the doctor would refuse; the tests run all the same."""
    service = variables[served.SERVICE_KEYS[0]], variables[served.SERVICE_KEYS[1]]
    for check in server_checks(tracking, service):
        mark = "refused" if check.verdict is Verdict.BAD else check.verdict.value
        print(f"{mark:8} {check.name}: {check.text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
