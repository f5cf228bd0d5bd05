"""What a notebook's parameter is: the values that all modules pass around."""

from __future__ import annotations

import keyword
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

ParameterValue: TypeAlias = (
    "bool | int | float | str | list[ParameterValue] | dict[str, ParameterValue] | None"
)


class ParameterType(StrEnum):
    """What kind of value a parameter takes; `ANY` takes every literal."""

    INT = "int"
    FLOAT = "float"
    BOOL = "bool"
    STR = "str"
    LIST = "list"
    DICT = "dict"
    ANY = "any"


@dataclass(frozen=True)
class Parameter:
    """One parameter as the notebook declares it.

    `choices` is not empty if only those values are allowed; `optional` tells whether
    None is allowed. `computed` parameters are annotated, but their default is an
    expression (its source is `default_source`) that only the run evaluates: `default`
    is None then, and the value is left alone unless one is given.
    """

    name: str
    type: ParameterType
    default: ParameterValue = None
    help: str = ""
    choices: tuple[ParameterValue, ...] = ()
    optional: bool = False
    computed: bool = False
    default_source: str = ""


def is_plain_name(name: str) -> bool:
    """Tell whether a name may be written into a cell: an identifier, no keyword."""
    return (
        name.isascii()
        and name.isidentifier()
        and not keyword.iskeyword(name)
        and not name.startswith("__")
    )


def describe(parameters: Sequence[Parameter]) -> str:
    """Give the names as a sentence's part, for messages."""
    names = [parameter.name for parameter in parameters]
    return ", ".join(names) if names else "none (no cell is tagged `parameters`)"


def type_of(value: ParameterValue) -> ParameterType:
    """Give the type that a value is of."""
    if isinstance(value, bool):
        return ParameterType.BOOL
    for kind, name in (
        (int, ParameterType.INT),
        (float, ParameterType.FLOAT),
        (str, ParameterType.STR),
        (list, ParameterType.LIST),
        (dict, ParameterType.DICT),
    ):
        if isinstance(value, kind):
            return name
    return ParameterType.ANY


def plain_value(value: object) -> ParameterValue:
    """Give a literal in terms of JSON's types; TypeError if it has none."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list | tuple):
        return [plain_value(item) for item in value]
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return {key: plain_value(item) for key, item in value.items()}
    msg = f"{type(value).__name__} is not a parameter's type"
    raise TypeError(msg)
