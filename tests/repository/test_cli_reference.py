"""Every verb and option of the command line is in the reference."""

from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import typer

from waylab_clearml.cli import COMMANDS, application


def commands() -> Iterator[tuple[str, Any]]:
    """Yield every verb of `waylab`, groups included, by its full name."""
    waiting: list[tuple[str, Any]] = [("waylab", typer.main.get_command(application()))]
    while waiting:
        name, command = waiting.pop()
        yield name, command
        inner = getattr(command, "commands", {})
        waiting += [(f"{name} {verb}", below) for verb, below in inner.items()]


def options(command: Any) -> list[str]:
    return [
        option
        for parameter in command.params
        if not getattr(parameter, "hidden", False)
        for option in (*parameter.opts, *parameter.secondary_opts)
        if option.startswith("--")
    ]


def test_every_verb_and_option_is_described(root: Path) -> None:
    page = (root / "docs" / "reference" / "cli.md").read_text("utf-8")
    missing = []
    for name, command in commands():
        _, found, rest = page.partition(f"## `{name}`\n")
        section = rest.partition("\n## ")[0]
        missing += [] if found else [name]
        missing += [f"{name} {o}" for o in options(command) if f"`{o}" not in section]

    assert missing == [], "run `make docs`"


def test_the_operators_verbs_are_among_them() -> None:
    verbs = {name for name, _ in commands()}

    assert verbs >= {f"waylab {entry.name}" for entry in entry_points(group=COMMANDS)}


def test_every_verb_has_help_and_can_answer_in_json() -> None:
    verbs = [(n, c) for n, c in commands() if not hasattr(c, "commands")]

    assert [name for name, command in verbs if not command.help] == []
    assert [name for name, command in verbs if "--json" not in options(command)] == []
