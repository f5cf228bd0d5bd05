"""Which steps there are, what each depends on, and what each runs."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from waylab_install.layout import Layout
from waylab_install.steps import Installation, Step

ROOT = Path(__file__).parents[2]
INPUTS = (
    "pyproject.toml",
    "hub/install/uv.txt",
    "hub/install/node.txt",
    "hub/install/requirements.txt",
    "hub/install/requirements-dev.txt",
    "hub/install/proxy/package.json",
    "hub/install/proxy/package-lock.json",
    "extensions/lab/package.json",
    "extensions/lab/yarn.lock",
    "extensions/lab/.yarnrc.yml",
    "extensions/lab/src/index.ts",
    "extensions/ui/src/index.ts",
)


@dataclass
class Recorder:
    """Takes the commands of a step down instead of running them."""

    commands: list[list[str]] = field(default_factory=list)
    environments: list[Mapping[str, str]] = field(default_factory=list)

    def run(
        self, argv: Sequence[Path | str], *, cwd: Path, env: Mapping[str, str]
    ) -> None:
        assert cwd.is_dir()
        self.commands.append([str(part) for part in argv])
        self.environments.append(env)


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    for name in INPUTS:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).exists():
            shutil.copy(ROOT / name, tmp_path / name)
        else:
            (tmp_path / name).touch()
    (tmp_path / ".venv/bin").mkdir(parents=True)
    return tmp_path


def installation(
    clone: Path, *, profile: str = "users", node_home: str = "/usr/bin"
) -> Installation:
    return Installation(
        Layout(clone),
        profile=profile,
        python=Path("/usr/bin/python3"),
        node_home=node_home,
        env={"PATH": "/usr/bin:/bin", "PIP_TARGET": "/elsewhere"},
    )


def keys(clone: Path, **options: str) -> dict[str, str]:
    return {step.name: step.key for step in installation(clone, **options).steps()}


def changed(before: dict[str, str], after: dict[str, str]) -> set[str]:
    return {name for name in before if before[name] != after[name]}


def step(clone: Path, name: str, **options: str) -> Step:
    return next(s for s in installation(clone, **options).steps() if s.name == name)


@pytest.mark.parametrize(
    ("name", "again"),
    [
        ("hub/install/requirements.txt", {"packages", "waylab", "lab"}),
        ("hub/install/requirements-dev.txt", set()),
        ("hub/install/proxy/package-lock.json", {"proxy"}),
        ("pyproject.toml", {"waylab", "lab"}),
        (
            "extensions/lab/yarn.lock",
            {"lab-packages", "lab-build", "lab", "web-build"},
        ),
        ("extensions/lab/src/index.ts", {"lab-build", "lab"}),
        ("extensions/ui/src/index.ts", {"lab-build", "lab", "web-build"}),
    ],
)
def test_a_change_repeats_the_steps_that_it_concerns(
    clone: Path, name: str, again: set[str]
) -> None:
    before = keys(clone)

    with (clone / name).open("a") as file:
        file.write("\n# changed\n")

    assert changed(before, keys(clone)) == again


def test_another_node_repeats_what_was_made_with_it(clone: Path) -> None:
    assert changed(keys(clone), keys(clone, node_home="wheel")) == {
        "packages",
        "proxy",
        "waylab",
        "lab-packages",
        "lab-build",
        "lab",
        "web-build",
    }


def test_every_python_package_is_installed_by_hash(clone: Path) -> None:
    recorder = Recorder()

    step(clone, "uv").work(recorder)
    step(clone, "packages", node_home="/usr/bin").work(recorder)

    pip, sync = recorder.commands
    assert "--require-hashes" in pip
    assert "--require-hashes" in sync
    assert "--only-binary=:all:" in pip
    assert "--only-binary=:all:" in sync
    assert str(clone / "hub/install/requirements.txt") in sync
    assert str(clone / "hub/install/node.txt") not in sync


def test_what_is_built_here_is_built_with_the_locked_tools(clone: Path) -> None:
    recorder = Recorder()

    step(clone, "waylab").work(recorder)
    step(clone, "lab").work(recorder)

    installs = [command for command in recorder.commands if "install" in command]
    assert len(installs) == 2
    assert all("--no-deps" in command for command in installs)
    assert all("--no-build-isolation" in command for command in installs)


def test_the_lab_extension_is_installed_from_its_lock(clone: Path) -> None:
    recorder = Recorder()

    step(clone, "lab-packages").work(recorder)
    step(clone, "proxy").work(recorder)

    jlpm, npm = recorder.commands
    assert jlpm[1:] == ["install", "--immutable"]
    assert npm[:2] == ["npm", "ci"]
    assert "--ignore-scripts" in npm


def test_tools_are_not_led_astray_by_the_environment(clone: Path) -> None:
    recorder = Recorder()

    step(clone, "uv").work(recorder)

    assert "PIP_TARGET" not in recorder.environments[0]


def test_the_proxy_is_started_with_the_node_that_was_chosen(clone: Path) -> None:
    step(clone, "proxy", node_home="/opt/node/bin").work(Recorder())

    program = (clone / ".venv/bin/configurable-http-proxy").read_text()
    assert program.startswith("#!/bin/sh\nexec /opt/node/bin/node ")
    assert program.endswith(' "$@"\n')
