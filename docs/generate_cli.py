"""Writes `reference/cli.md` from the command line's own help: `make docs`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from waylab_clearml.cli import application

PAGE = Path(__file__).parent / "reference" / "cli.md"
INTRODUCTION = """\
# The command line

`waylab` is in `.venv/bin` of the clone, and on the search path of every lab. On the
hub's machine it acts as the first admin (`--user` for another, where a verb has it); in
a lab as its user. `--json` prints one JSON document for programs. The exit status is 0
for success; anything else comes with one sentence on what went wrong.

This page is made from the help texts by `make docs`.
"""


def page() -> str:
    """Return the page for every verb, groups before what they hold."""
    return "\n".join(
        [INTRODUCTION, *_sections("waylab", typer.main.get_command(application()))]
    )


def _sections(name: str, command: Any) -> list[str]:
    inner = getattr(command, "commands", {})
    parts = [f"## `{name}`", "", _text(command.help)]
    if inner:
        rows = [
            (f"[`{name} {verb}`](#{_anchor(f'{name} {verb}')})", _first(below.help))
            for verb, below in inner.items()
        ]
        parts += ["", *_table(("verb", "what it does"), rows)]
    arguments = [p for p in command.params if p.param_type_name == "argument"]
    options = [
        p
        for p in command.params
        if p.param_type_name == "option" and not p.hidden and p.name != "help"
    ]
    if arguments:
        rows = [(f"`{_metavar(p)}`", _first(getattr(p, "help", ""))) for p in arguments]
        parts += ["", *_table(("argument", "meaning"), rows)]
    if options:
        rows = [(_spelling(p), _first(p.help)) for p in options]
        parts += ["", *_table(("option", "meaning"), rows)]
    parts.append("")
    for verb, below in inner.items():
        parts += _sections(f"{name} {verb}", below)
    return parts


def _spelling(option: Any) -> str:
    value = "" if option.is_flag else f" {_metavar(option)}"
    names = [*option.opts, *option.secondary_opts]
    return ", ".join(
        f"`{name}{value}`" for name in sorted(names, key=len, reverse=True)
    )


def _metavar(parameter: Any) -> str:
    return str(parameter.metavar or parameter.name.upper())


def _table(head: tuple[str, str], rows: list[tuple[str, str]]) -> list[str]:
    lines = [f"| {head[0]} | {head[1]} |", "|---|---|"]
    return lines + [f"| {left} | {right} |" for left, right in rows]


def _text(help_text: str | None) -> str:
    return (help_text or "").replace("\b", "").strip()


def _first(help_text: str | None) -> str:
    """Return the text's first paragraph on one line, fit for a table."""
    paragraph = _text(help_text).partition("\n\n")[0]
    return " ".join(paragraph.split()).replace("|", "\\|")


def _anchor(heading: str) -> str:
    return heading.replace(" ", "-")


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
