"""The repository has the shape that its settings promise."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

SOURCE_ROOTS = (
    "hub",
    "spawner",
    "extensions/clearml",
    "extensions/runner",
    "extensions/widgets",
)
TOP_LEVEL = {
    ".ci",
    ".editorconfig",
    ".gitignore",
    ".pre-commit-config.yaml",
    "CHANGELOG.md",
    "LICENSE",
    "Makefile",
    "README.md",
    "docs",
    "extensions",
    "hub",
    "images",
    "pyproject.toml",
    "spawner",
    "templates",
    "tests",
}


@pytest.fixture(scope="module")
def project(root: Path) -> dict[str, Any]:
    return tomllib.loads((root / "pyproject.toml").read_text("utf-8"))


@pytest.fixture(scope="module")
def packages(root: Path) -> set[str]:
    """Return the import packages of the source roots, as paths."""
    return {
        f"{source}/{init.parent.name}"
        for source in SOURCE_ROOTS
        for init in (root / source).glob("waylab_*/__init__.py")
    }


def test_the_top_level_holds_only_what_is_known(
    root: Path, tracked: tuple[Path, ...]
) -> None:
    top = {path.relative_to(root).parts[0] for path in tracked}

    assert top <= TOP_LEVEL


def test_source_roots_are_no_packages_themselves(root: Path) -> None:
    roots = [*SOURCE_ROOTS, "extensions", "extensions/lab"]

    assert [name for name in roots if (root / name / "__init__.py").exists()] == []


def test_the_wheel_contains_every_package(
    project: dict[str, Any], packages: set[str]
) -> None:
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]

    assert set(wheel) == packages


def test_every_package_says_that_it_is_typed(root: Path, packages: set[str]) -> None:
    assert [name for name in packages if not (root / name / "py.typed").exists()] == []


def test_the_tools_know_every_source_root(
    project: dict[str, Any], packages: set[str]
) -> None:
    roots = {package.rpartition("/")[0] for package in packages}
    checked = project["tool"]["importlinter"]["root_packages"]

    assert roots <= set(project["tool"]["ruff"]["src"])
    assert roots <= set(project["tool"]["mypy"]["mypy_path"])
    # The lab's package is in a distribution of its own, and held to the layers too.
    names = {package.rpartition("/")[2] for package in packages} | {"waylab_lab"}
    assert names == set(checked)


def test_decisions_have_a_number_of_their_own(root: Path) -> None:
    names = sorted(path.name for path in (root / "docs" / "adr").glob("*.md"))
    misnamed = [
        name for name in names if not re.fullmatch(r"\d{4}-[a-z0-9-]+\.md", name)
    ]
    numbers = [name[:4] for name in names]

    assert misnamed == []
    assert len(numbers) == len(set(numbers)), numbers


def test_every_package_has_its_tests(root: Path, packages: set[str]) -> None:
    tested = {folder.name for folder in (root / "tests").iterdir() if folder.is_dir()}

    assert {Path(package).name for package in packages} - tested == set()
