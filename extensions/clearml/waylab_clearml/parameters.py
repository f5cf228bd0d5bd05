"""Parameters of a notebook: found by reading its `parameters` cell, never by running it.

Every top-level assignment of a literal to a plain name in the first cell tagged
`parameters` is a parameter. Annotations give the type (`int`, `float | None`,
`Literal["a", "b"]`, `list[int]`, ...), else the default's own type does; the comment
on the line, or the comment lines above it, are the help text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeAlias

ParameterValue: TypeAlias = (
    "None | bool | int | float | str | list[ParameterValue] | dict[str, ParameterValue]"
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


def infer(notebook: Mapping[str, Any]) -> tuple[Parameter, ...]:
    """Give the parameters of a notebook (nbformat 4 JSON), in the cell's order.

    A notebook without a cell tagged `parameters`, in another language than Python, or
    whose cell does not parse has none.
    """
    raise NotImplementedError


def validate(
    parameters: Sequence[Parameter], given: Mapping[str, ParameterValue]
) -> dict[str, ParameterValue]:
    """Give every parameter's value: the given one, checked and converted, or the default.

    A given value may be of the parameter's type or text as typed (`"0.1"`).

    Raises:
        ParameterError: an unknown name, or a value of the wrong type; it names both.
    """
    raise NotImplementedError


def parse_value(parameter: Parameter, text: str) -> ParameterValue:
    """Read a value as a person types it into a form, a command line or ClearML's UI.

    Raises:
        ParameterError: the text is no value of this parameter.
    """
    raise NotImplementedError


def format_value(parameter: Parameter, value: ParameterValue) -> str:
    """Give the text that `parse_value` reads back as `value`."""
    raise NotImplementedError
