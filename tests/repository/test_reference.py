"""Everything that can be set or typed is in the reference."""

import importlib
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, get_args, get_origin

import pytest
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings

from waylab_site.model import Site

PACKAGES = (
    "waylab_agent",
    "waylab_backup",
    "waylab_board",
    "waylab_clearml",
    "waylab_engine",
    "waylab_hub",
    "waylab_migrate",
    "waylab_ledger",
    "waylab_rig",
    "waylab_runner",
    "waylab_site",
    "waylab_spawner",
    "waylab_tracking",
)
# Modules that are run, not imported.
PROGRAMS = ("__main__", "jupyterhub_config")
# Read from the environment by something else than a settings class.
OTHER_VARIABLES = (
    "WAYLAB_HOME",
    "WAYLAB_PORT",
    "WAYLAB_ADMIN_PASSWORD",
    "WAYLAB_FROM_ACCESS_KEY",
    "WAYLAB_FROM_SECRET_KEY",
    "WAYLAB_TO_ACCESS_KEY",
    "WAYLAB_TO_SECRET_KEY",
    "WAYLAB_PROXY_COMMAND",
    "WAYLAB_TEMPLATES",
    "WAYLAB_JOB_DIR",
    "WAYLAB_KEYS_DAYS",
    "WAYLAB_NOTICE",
    "WAYLAB_PYTHON",
)


@pytest.fixture(scope="module")
def configuration(root: Path) -> str:
    return (root / "docs" / "reference" / "configuration.md").read_text("utf-8")


def modules() -> Iterator[ModuleType]:
    for name in PACKAGES:
        package = importlib.import_module(name)
        yield package
        for found in pkgutil.walk_packages(package.__path__, f"{name}."):
            if found.name.rpartition(".")[2] not in PROGRAMS:
                yield importlib.import_module(found.name)


def settings_fields() -> dict[str, FieldInfo]:
    """Return the fields of every settings class by the variable that sets them."""
    classes = {
        value
        for module in modules()
        for value in vars(module).values()
        if isinstance(value, type)
        and issubclass(value, BaseSettings)
        and value.__module__.startswith("waylab_")
    }
    return {
        f"{settings.model_config.get('env_prefix', '')}{name}".upper(): field
        for settings in classes
        for name, field in settings.model_fields.items()
    }


def settings_variables() -> set[str]:
    return set(settings_fields())


def test_every_variable_is_described(configuration: str) -> None:
    variables = settings_variables() | set(OTHER_VARIABLES)

    assert {name for name in variables if f"`{name}`" not in configuration} == set()


def test_the_described_defaults_are_those_of_the_code(configuration: str) -> None:
    rows = re.findall(r"^\| `(WAYLAB_\w+)` \| `?([^`|]*?)`? \|", configuration, re.M)
    described = {name: default for name, default in rows if name in settings_fields()}
    numbers = {
        name: (described[name], float(field.default))
        for name, field in settings_fields().items()
        if isinstance(field.default, int | float)
        and not isinstance(field.default, bool)
    }

    assert len(numbers) > 5
    assert {n: float(said) for n, (said, _) in numbers.items()} == {
        name: default for name, (_, default) in numbers.items()
    }


def test_no_variable_is_described_that_is_not_read(
    root: Path, configuration: str
) -> None:
    described = set(re.findall(r"^\| `(WAYLAB_[A-Z_]+)`", configuration, re.MULTILINE))
    known = settings_variables() | set(OTHER_VARIABLES)

    assert described <= known


def tables() -> Iterator[tuple[str, type[BaseModel]]]:
    """Yield the site file's tables with the headings that describe them."""
    waiting: list[tuple[str, type[BaseModel]]] = [("", Site)]
    while waiting:
        path, model = waiting.pop()
        if path:
            yield path, model
        for name, field in model.model_fields.items():
            inner, many = _inner_model(field.annotation)
            if inner is not None:
                below = f"{path.strip('[]')}.{name}" if path else name
                waiting.append((f"[[{below}]]" if many else f"[{below}]", inner))


def _inner_model(annotation: Any) -> tuple[type[BaseModel] | None, bool]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation, False
    for part in get_args(annotation):
        found, _ = _inner_model(part)
        if found is not None:
            return found, get_origin(annotation) is tuple or _inner_model(part)[1]
    return None, False


def test_every_key_of_the_site_file_is_described(configuration: str) -> None:
    missing = []
    for heading, model in tables():
        _, found, rest = configuration.partition(f"### `{heading}`\n")
        section = rest.partition("\n### ")[0]
        missing += [] if found else [heading]
        missing += [
            f"{heading} {name}"
            for name, field in model.model_fields.items()
            if f"| `{name}` |" not in section
            and _inner_model(field.annotation)[0] is None
        ]

    assert missing == []
