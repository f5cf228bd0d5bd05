"""The locks pin everything, by hash, at versions that are safe and sufficient."""

import json
import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

LOCKS = ("requirements.txt", "requirements-dev.txt")
# Below these, a flaw that matters here is open, or a needed behaviour is missing.
FLOORS = {
    "jupyter-server": "2.20.0",
    "jupyterlab": "4.6.2",
    "nbconvert": "7.17.1",
    "clearml": "2.0.2",
}


def pins(path: Path) -> dict[str, Version]:
    found = re.findall(
        r"^([\w.-]+)==([^\s;\\]+)", path.read_text("utf-8"), re.MULTILINE
    )
    return {normal(name): Version(version) for name, version in found}


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.mark.parametrize("lock", LOCKS)
def test_every_pin_has_a_hash(root: Path, lock: str) -> None:
    text = (root / "hub" / "install" / lock).read_text("utf-8")
    blocks = re.split(r"\n(?=[\w.-]+==)", text)[1:]

    assert [block.split()[0] for block in blocks if "--hash=sha256:" not in block] == []


@pytest.mark.parametrize("lock", LOCKS)
def test_no_pin_is_below_its_floor(root: Path, lock: str) -> None:
    locked = pins(root / "hub" / "install" / lock)

    low = {name: v for name, v in FLOORS.items() if locked[name] < Version(v)}
    assert low == {}


@pytest.mark.parametrize("lock", LOCKS)
def test_the_slow_import_is_left_out(root: Path, lock: str) -> None:
    assert "rfc3987-syntax" not in pins(root / "hub" / "install" / lock)


def test_users_and_tests_run_the_same_versions(root: Path) -> None:
    users, dev = (pins(root / "hub" / "install" / lock) for lock in LOCKS)

    assert users.items() <= dev.items()


def test_the_locks_satisfy_what_is_declared(root: Path) -> None:
    declared = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))
    users, dev = (pins(root / "hub" / "install" / lock) for lock in LOCKS)
    project = declared["project"]
    runtime = [
        *project["dependencies"],
        *(r for extra in project["optional-dependencies"].values() for r in extra),
    ]
    groups = declared["dependency-groups"]
    tools = [r for group in groups.values() for r in group if isinstance(r, str)]

    stale = [
        text
        for locked, texts in ((users, runtime), (dev, tools))
        for text in texts
        if (wanted := Requirement(text)).name != "waylab"
        and not wanted.specifier.contains(locked.get(normal(wanted.name), Version("0")))
    ]
    assert stale == [], "run `make lock`"


def test_the_proxy_is_pinned_by_hash_and_to_no_registry(root: Path) -> None:
    lock = json.loads((root / "hub/install/proxy/package-lock.json").read_text("utf-8"))
    packages = {name: p for name, p in lock["packages"].items() if name}

    assert [name for name, p in packages.items() if "integrity" not in p] == []
    assert [name for name, p in packages.items() if "resolved" in p] == []
