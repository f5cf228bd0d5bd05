"""Whose credentials the command line uses, and how its errors are told."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import typer

from waylab_clearml.cli.output import print_json
from waylab_clearml.client import Client
from waylab_clearml.credentials import Credentials
from waylab_clearml.errors import ClearMLError, CredentialsError

FAILED = 1
INTERRUPTED = 130


def home() -> Path:
    """Give the folder of this machine's Waylab (`WAYLAB_HOME`)."""
    given = os.environ.get("WAYLAB_HOME")
    if given:
        return Path(given).expanduser()
    import platformdirs  # noqa: PLC0415 - only where there is no lab.

    return platformdirs.user_data_path("waylab")


def find_credentials(user: str | None) -> Credentials:
    """Give the credentials of a lab (its environment) or of the hub's machine.

    Raises:
        CredentialsError: there are none; the message says where they were sought.
    """
    in_environment = bool(os.environ.get("CLEARML_API_HOST"))
    secrets = home() / "secrets"
    if user is None:
        if in_environment:
            return Credentials.from_environ(os.environ)
        return _of_operator(secrets)
    addresses = _of_operator(secrets)
    path = secrets / "tracking-system.json"
    try:
        keys = json.loads(path.read_text(encoding="utf-8"))
        return replace(
            addresses,
            access_key=keys["access_key"],
            secret_key=keys["secret_key"],
            token=None,
            impersonate=user,
        )
    except OSError as error:
        msg = (
            f"Acting as {user} needs {path}, which cannot be read ({error.strerror}): "
            "do this as the account that runs Waylab."
        )
        raise CredentialsError(msg) from error
    except (ValueError, KeyError) as error:
        msg = f"{path} is damaged ({error!r}): restart Waylab to have it repaired."
        raise CredentialsError(msg) from error


def _of_operator(secrets: Path) -> Credentials:
    path = secrets / "operator.json"
    if not path.exists():
        msg = (
            f"There are no credentials: CLEARML_API_HOST is not set, and {path} does "
            "not exist. Run this in a lab; or on the hub's machine once Waylab has "
            "started (`waylab up`), with the same WAYLAB_HOME."
        )
        raise CredentialsError(msg)
    return Credentials.from_file(path)


@contextmanager
def connected(user: str | None, *, as_json: bool = False) -> Iterator[Client]:
    """Give a client; an error ends the program with one sentence and status 1.

    With `as_json` standard output gets `{"error": ...}` as well, as the operator's
    verbs give it: a program that reads JSON reads of errors too.
    """
    try:
        with Client(find_credentials(user)) as client:
            yield client
    except ClearMLError as error:
        if as_json:
            print_json({"error": str(error)})
        tell(f"waylab: {error}")
        raise typer.Exit(FAILED) from None
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None


def tell(sentence: str) -> None:
    """Say something to the person, beside the output proper."""
    sys.stderr.write(f"{sentence}\n")
    sys.stderr.flush()
