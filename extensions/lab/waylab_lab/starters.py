"""Starter notebooks: listed for the launcher, copied for the user."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from pathlib import Path

from waylab_clearml.errors import NotebookError
from waylab_clearml.notebooks import read_notebook


@dataclass(frozen=True)
class Starter:
    """A notebook to begin from; `name` is its file's, `title` its first heading."""

    name: str
    title: str
    description: str


class UnknownStarterError(LookupError):
    """There is no starter of that name."""


def list_starters(folder: Path) -> tuple[Starter, ...]:
    """Give the readable notebooks of a folder, by title; none if it is missing."""
    if not folder.is_dir():
        return ()
    starters = []
    for path in folder.glob("*.ipynb"):
        try:
            title, description = _heading(read_notebook(path))
        except NotebookError:
            continue
        starters.append(Starter(path.name, title or path.stem, description))
    return tuple(sorted(starters, key=lambda starter: starter.title.casefold()))


def copy_starter(folder: Path, name: str, into: Path) -> Path:
    """Copy a starter into a folder under a free name, and give the new file.

    Raises:
        UnknownStarterError: there is none of that name.
        OSError: the folder cannot be written.
    """
    if name not in {starter.name for starter in list_starters(folder)}:
        msg = f"There is no starter called {name!r}."
        raise UnknownStarterError(msg)
    source = folder / name
    content = source.read_bytes()
    for number in itertools.count():
        suffix = f"-{number}" if number else ""
        target = into / f"{source.stem}{suffix}{source.suffix}"
        try:
            with target.open("xb") as file:
                file.write(content)
        except FileExistsError:
            continue
        return target
    raise AssertionError  # pragma: no cover - count() does not end


def _heading(notebook: dict[str, object]) -> tuple[str, str]:
    """Give the first markdown heading and the first line of text below it."""
    title = ""
    cells = notebook.get("cells")
    for cell in cells if isinstance(cells, list) else []:
        if cell.get("cell_type") != "markdown":
            continue
        source = cell.get("source", "")
        text = "".join(source) if isinstance(source, list) else str(source)
        for line in text.splitlines():
            bare = line.strip()
            if not title and bare.startswith("#"):
                title = bare.lstrip("#").strip()
            elif title and bare and not bare.startswith("#"):
                return title, bare
    return title, ""
