"""Reading `waylab.toml`: text in, a site that fits together out."""

from __future__ import annotations

import difflib
import re
import tomllib
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from waylab_site.errors import SiteFileError
from waylab_site.inventory import GIB, Inventory
from waylab_site.model import Site
from waylab_site.positions import Path as TomlPath
from waylab_site.positions import line_of
from waylab_site.rules import Problem, problems

_PASSWORD = re.compile("//[^/@]*@|password=")
_PATTERNS = {
    "address": "a host name or address",
    "files": "a URL such as 's3://bucket/folder', without keys",
    "database": "a URL such as 'postgresql+psycopg://waylab@host/runs', "
    "without a password (the environment's WAYLAB_TRACKING_DATABASE_URL takes one)",
    "engine": "an address that begins with unix://, tcp:// or ssh://",
    "mig_profile": "the name of a MIG profile, as '1g.10gb'",
    "reference": "an image's reference, as 'waylab/vision:1'",
    **dict.fromkeys(
        ("url", "api_url", "web_url", "files_url"),
        "an address that begins with http:// or https://",
    ),
    "volume": "the name of a volume",
}
"""What the texts with a form of their own must be, by key."""


def default_text(inventory: Inventory) -> str:
    """Give the commented declaration of the default site: this one machine."""
    template = (files("waylab_site") / "default.toml").read_text(encoding="utf-8")
    half_gib = max(1, inventory.memory_bytes // GIB // 2)
    return Template(template).substitute(
        cores=inventory.cores,
        memory_gib=half_gib,
        gpu_profiles=_gpu_profiles(inventory, half_gib),
    )


def _gpu_profiles(inventory: Inventory, half_gib: int) -> str:
    """Give profiles for labs with one and with all of this machine's GPUs."""
    gpus = len(inventory.gpus)
    if gpus == 0:
        return ""
    share = max(1, inventory.cores // gpus), max(1, half_gib // gpus)
    text = _profile(
        "gpu",
        "One GPU",
        "For trying out what needs a GPU. Nobody else has it meanwhile.",
        1,
        share,
    )
    if gpus > 1:
        every = inventory.cores, half_gib
        text += _profile(
            "gpus",
            "All GPUs",
            "For work across GPUs. Waits until all of them are free.",
            gpus,
            every,
        )
    return text


def _profile(
    name: str, title: str, description: str, gpus: int, share: tuple[int, int]
) -> str:
    cpus, memory_gib = share
    return f"""
[[profiles]]
name = "{name}"
title = "{title}"
description = "{description}"
gpus = {gpus}
cpus = {cpus}
memory_gib = {memory_gib}
"""


def load(path: Path, inventory: Inventory) -> Site:
    """Read a site's declaration and check it against this machine.

    Raises:
        SiteFileError: the file cannot be read, or something in it is wrong; each
            problem is one line with file, line and remedy.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        msg = f"{path} is not there: `waylab up` writes a default one."
        raise SiteFileError(msg) from error
    except (OSError, UnicodeDecodeError) as error:
        msg = f"{path} cannot be read: {error}. Make it a readable UTF-8 text."
        raise SiteFileError(msg) from error
    return parse(text, str(path), inventory)


def parse(text: str, name: str, inventory: Inventory) -> Site:
    """Read a declaration from text; `name` stands for the file in messages.

    Raises:
        SiteFileError: as `load`.
    """
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        line = re.search(r"at line (\d+)", str(error))
        where = line[1] if line else str(text.count("\n") + 1)
        msg = f"{name}:{where}: this is not TOML: {error}. Correct that line."
        raise SiteFileError(msg) from error
    try:
        site = Site.model_validate(data)
    except ValidationError as error:
        found = _from_pydantic(error.errors())
        raise SiteFileError(_report(name, text, found)) from error
    unfit = problems(site, inventory)
    if unfit:
        raise SiteFileError(_report(name, text, list(unfit)))
    return site


def _report(name: str, text: str, found: list[Problem]) -> str:
    lines = dict.fromkeys(
        f"{name}:{line_of(text, problem.path)}: {problem.message}. {problem.remedy}"
        for problem in found
    )
    return "\n".join(lines)


def _from_pydantic(details: list[ErrorDetails]) -> list[Problem]:
    by_path: dict[TomlPath, list[ErrorDetails]] = {}
    for detail in details:
        by_path.setdefault(_toml_path(detail["loc"]), []).append(detail)
    return [_explain(path, group) for path, group in by_path.items()]


def _explain(path: TomlPath, details: list[ErrorDetails]) -> Problem:
    key = ".".join(str(part) for part in path)
    detail = details[0]
    if detail["type"] == "extra_forbidden":
        return Problem(path, f"the key {key!r} is unknown", _suggest(path))
    if detail["type"] == "missing":
        kind = {1: f"the table [[{key}]]"}.get(len(path), f"the key {key!r}")
        return Problem(path, f"{kind} is missing", "Add it.")
    what, colon, remedy = detail["msg"].removeprefix("Value error, ").partition(": ")
    if detail["type"] == "value_error" and colon:
        return Problem(path, f"{key}: {what}", f"{remedy[:1].upper()}{remedy[1:]}.")
    value = detail["input"]
    is_told = isinstance(value, str | int | float) and not _PASSWORD.search(str(value))
    shown = f" (it is {value!r})" if is_told else ""
    wanted = " or ".join(dict.fromkeys(_wanted(path, detail) for detail in details))
    return Problem(path, f"{key} is not what it must be{shown}", f"Make it {wanted}.")


def _wanted(path: TomlPath, detail: ErrorDetails) -> str:
    if detail["type"] == "string_pattern_mismatch":
        return _PATTERNS.get(
            str(path[-1]), "a name of lower-case letters, digits and single hyphens"
        )
    if detail["type"] in {"tuple_type", "model_type"}:
        return "a list" if detail["type"] == "tuple_type" else "a table"
    said = detail["msg"].removeprefix("Value error, write ")
    return _lower(said.removeprefix("Input should be "))


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]


def _toml_path(loc: tuple[int | str, ...]) -> TomlPath:
    """Leave out what pydantic adds to a location for the branches of a union."""
    kept: list[str | int] = []
    for part in loc:
        if isinstance(part, str) and not re.fullmatch(r"[A-Za-z0-9_-]+", part):
            continue
        if part in {"constrained-int", "constrained-str", "int", "float", "str"}:
            continue
        kept.append(part)
    return tuple(kept)


def _suggest(path: TomlPath) -> str:
    known = _known_keys(path[:-1])
    close = difflib.get_close_matches(str(path[-1]), known, n=1)
    if close:
        return f"Did you mean {close[0]!r}?"
    return f"Known here: {', '.join(known)}."


def _known_keys(path: TomlPath) -> list[str]:
    model: type[BaseModel] = Site
    for part in path:
        if isinstance(part, str) and part in model.model_fields:
            found = _model_in(model.model_fields[part].annotation)
            if found is not None:
                model = found
    return list(model.model_fields)


def _model_in(annotation: object) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for argument in get_args(annotation):
        found = _model_in(argument)
        if found is not None:
            return found
    return None
