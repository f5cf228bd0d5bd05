"""Values of parameters: as typed by people, as stored in a task, as injected."""

from __future__ import annotations

import ast
import json
import math
from collections.abc import Mapping, Sequence
from typing import cast

from waylab_clearml.errors import ParameterError
from waylab_clearml.parameter_types import (
    Parameter,
    ParameterType,
    ParameterValue,
    describe,
    plain_value,
    type_of,
)

TRUE = frozenset({"true", "yes", "on", "1"})
FALSE = frozenset({"false", "no", "off", "0"})
NONE = frozenset({"None", "none", "null"})


def validate(
    parameters: Sequence[Parameter], given: Mapping[str, ParameterValue]
) -> dict[str, ParameterValue]:
    """Give every parameter's value: the given one, checked, or the default.

    A given value may be of the parameter's type or text as typed (`"0.1"`). Computed
    parameters are in the result only if given.

    Raises:
        ParameterError: an unknown name, or a value of the wrong type; it names both.
    """
    known = {parameter.name for parameter in parameters}
    unknown = sorted(set(given) - known)
    if unknown:
        msg = (
            f"{unknown[0]!r} is not a parameter of this notebook; it has: "
            f"{describe(parameters)}."
        )
        raise ParameterError(msg)
    values: dict[str, ParameterValue] = {}
    for parameter in parameters:
        if parameter.name in given:
            values[parameter.name] = _check(parameter, given[parameter.name])
        elif not parameter.computed:
            values[parameter.name] = parameter.default
    return values


def parse_value(parameter: Parameter, text: str) -> ParameterValue:
    """Read a value as a person types it into a form, a command line or ClearML's UI.

    Raises:
        ParameterError: the text is no value of this parameter.
    """
    if parameter.type is ParameterType.STR:
        # "" is a text; only the words for nothing mean nothing, and only if allowed.
        value: ParameterValue = text
        if parameter.optional and text in NONE and text not in parameter.choices:
            value = None
        return _chosen(parameter, value)
    stripped = text.strip()
    if parameter.optional and (not stripped or stripped in NONE):
        return None
    if parameter.type is ParameterType.ANY:
        found = _literal(stripped)
        return _chosen(
            parameter,
            text if found is _NO_LITERAL else cast("ParameterValue", found),
        )
    return _chosen(parameter, _parse(parameter, stripped))


def format_value(parameter: Parameter, value: ParameterValue) -> str:
    """Give the text that `parse_value` reads back as `value`."""
    if isinstance(value, str):
        plain = parameter.type is ParameterType.STR or _literal(value) is _NO_LITERAL
        return value if plain else json.dumps(value, ensure_ascii=False)
    if value is None or isinstance(value, bool | int):
        return repr(value)
    return json.dumps(value, ensure_ascii=False)


def type_label(parameter: Parameter) -> str:
    """Give the type as people write it, e.g. `Optional[float]` or `Literal['a', 'b']`.

    It is shown, never read back: the notebook says what a parameter is.
    """
    label = parameter.type.value
    if parameter.choices:
        label = f"Literal[{', '.join(map(repr, parameter.choices))}]"
    return f"Optional[{label}]" if parameter.optional else label


def _check(parameter: Parameter, value: ParameterValue) -> ParameterValue:
    if isinstance(value, str):
        return parse_value(parameter, value)
    if value is None and parameter.optional:
        return None
    kind = type_of(value)
    if parameter.type is ParameterType.FLOAT and kind is ParameterType.INT:
        return _chosen(parameter, float(cast("int", value)))
    if parameter.type is ParameterType.INT and kind is ParameterType.FLOAT:
        number = cast("float", value)
        if number.is_integer():  # JSON and forms know no int.
            return _chosen(parameter, int(number))
    if parameter.type not in {kind, ParameterType.ANY} or value is None:
        raise _wrong(parameter, repr(value))
    return _chosen(parameter, value)


def _parse(parameter: Parameter, text: str) -> ParameterValue:
    match parameter.type:
        case ParameterType.BOOL:
            if text.lower() in TRUE | FALSE:
                return text.lower() in TRUE
        case ParameterType.INT:
            return _integer(parameter, text)
        case ParameterType.FLOAT:
            try:
                return float(text)
            except ValueError:
                pass
        case kind:
            value = _literal(text)
            if value is not _NO_LITERAL:
                plain = cast("ParameterValue", value)
                if type_of(plain) is kind:
                    return plain
    raise _wrong(parameter, text)


def _integer(parameter: Parameter, text: str) -> int:
    try:
        return int(text.replace("_", ""), 10)
    except ValueError:
        pass
    try:
        number = float(text)  # "1e6" is an integer to a person.
    except ValueError:
        raise _wrong(parameter, text) from None
    if not math.isfinite(number) or not number.is_integer():
        raise _wrong(parameter, text)
    return int(number)


_NO_LITERAL = object()


def _literal(text: str) -> object:
    try:
        return plain_value(json.loads(text))
    except (ValueError, TypeError, RecursionError):
        pass
    try:
        return plain_value(ast.literal_eval(text))
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return _NO_LITERAL


def _chosen(parameter: Parameter, value: ParameterValue) -> ParameterValue:
    if parameter.choices and value is not None and value not in parameter.choices:
        allowed = ", ".join(map(repr, parameter.choices))
        msg = f"{parameter.name} is {value!r}, but takes only {allowed}."
        raise ParameterError(msg)
    return value


EXAMPLES = {
    ParameterType.INT: "a whole number such as 3",
    ParameterType.FLOAT: "a number such as 0.1",
    ParameterType.BOOL: "True or False",
    ParameterType.STR: "a text",
    ParameterType.LIST: "a list such as [1, 2]",
    ParameterType.DICT: 'a dictionary such as {"a": 1}',
    ParameterType.ANY: "a value",
}


def _wrong(parameter: Parameter, shown: str) -> ParameterError:
    expected = EXAMPLES[parameter.type]
    if parameter.optional:
        expected += ", or None"
    msg = f"{parameter.name} is {shown[:80]!r}, but takes {expected}."
    return ParameterError(msg)
