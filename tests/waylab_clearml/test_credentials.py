"""Credentials and the environment made of them."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from waylab_clearml.credentials import Credentials
from waylab_clearml.environment import sdk_environment
from waylab_clearml.errors import CredentialsError

PROOF = "ey.hidden"
KEPT = ("http://a", "http://a", "http://a")
KEYS = Credentials("http://a:1/", "http://w/", "http://a:1/files/", "key", "secret")


def test_addresses_lose_their_last_slash() -> None:
    assert (KEYS.api_url, KEYS.web_url, KEYS.files_url) == (
        "http://a:1",
        "http://w",
        "http://a:1/files",
    )


def test_secrets_are_not_shown() -> None:
    assert PROOF not in repr(Credentials(*KEPT, token=PROOF))
    assert "'secret'" not in repr(KEYS)


def test_the_environment_is_read_back_the_same() -> None:
    assert Credentials.from_environ(sdk_environment(KEYS)) == KEYS


def test_a_job_has_a_token_and_no_keys() -> None:
    environment = sdk_environment(Credentials(*KEPT, token=PROOF))
    assert environment.get("CLEARML_AUTH_TOKEN") == PROOF
    assert "CLEARML_API_SECRET_KEY" not in environment


@pytest.mark.parametrize(
    ("environment", "told"),
    [
        ({}, "CLEARML_API_HOST is not set"),
        ({"CLEARML_API_HOST": "ftp://x"}, "begins with http"),
        ({"CLEARML_API_HOST": "http://x"}, "neither a key pair nor a token"),
    ],
)
def test_an_incomplete_environment_says_what_is_missing(
    environment: dict[str, str], told: str
) -> None:
    with pytest.raises(CredentialsError, match=told):
        Credentials.from_environ(environment)


def test_a_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "operator.json"
    path.write_text(
        json.dumps(
            {
                "api_url": "http://a:1",
                "web_url": "http://w",
                "files_url": "http://a:1/files",
                "access_key": "key",
                "secret_key": "secret",
                "user": "ann",
            }
        )
    )
    assert Credentials.from_file(path) == KEYS


@pytest.mark.parametrize("content", [None, "{", "{}", "[]"])
def test_a_file_that_is_none_is_named(tmp_path: Path, content: Any) -> None:
    path = tmp_path / "operator.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(CredentialsError, match=r"operator\.json"):
        Credentials.from_file(path)


def test_the_sdk_takes_our_defaults_and_the_users_file_wins(tmp_path: Path) -> None:
    program = (
        "from clearml.backend_interface.task.task import Task\n"
        "print('subprocess', bool(Task._report_subprocess_enabled))\n"
    )

    def ask(**more: str) -> str:
        environment = {
            **os.environ,
            **sdk_environment(KEYS),
            "HOME": str(tmp_path),
            **more,
        }
        done = subprocess.run(
            [sys.executable, "-c", program],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.strip().splitlines()[-1]

    assert ask() == "subprocess False"
    own = tmp_path / "own.conf"
    own.write_text("sdk { development { report_use_subprocess: true } }")
    assert ask(CLEARML_CONFIG_FILE=str(own)) == "subprocess True"
