"""Parameters of a notebook: found by reading, never by running.

Every top-level assignment of a literal to a plain name in the first cell tagged
`parameters` is a parameter. Annotations give the type (`int`, `float | None`,
`Literal["a", "b"]`, `list[int]`, ...), else the default's own type does; the comment
on the line, or the comment lines right above it, are the help text.
"""

from __future__ import annotations

import ast
import io
import tokenize
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from waylab_clearml.parameter_types import (
    Parameter,
    ParameterType,
    ParameterValue,
    is_plain_name,
    plain_value,
    type_of,
)

TAG = "parameters"


def infer(notebook: Mapping[str, Any]) -> tuple[Parameter, ...]:
    """Give the parameters of a notebook (nbformat 4 JSON), in the cell's order.

    A notebook without a cell tagged `parameters`, in another language than Python, or
    whose cell does not parse has none.
    """
    if _language(notebook) not in {"", "python"}:
        return ()
    source = _parameters_source(notebook)
    if source is None:
        return ()
    # Magics and shell lines are no Python; blanked, they keep the line numbers right.
    source = "\n".join(
        "" if line.lstrip().startswith(("%", "!")) else line
        for line in source.splitlines()
    )
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError):
        return ()
    comments = _comments(source)
    found: dict[str, Parameter] = {}
    for statement in tree.body:
        parameter = _from_statement(statement, source, comments)
        if parameter is not None:
            found[parameter.name] = parameter  # The last assignment is what counts.
    return tuple(found.values())


def _language(notebook: Mapping[str, Any]) -> str:
    metadata = notebook.get("metadata") or {}
    for section, key in (("language_info", "name"), ("kernelspec", "language")):
        value = (metadata.get(section) or {}).get(key)
        if value:
            return str(value).lower()
    return ""


def _parameters_source(notebook: Mapping[str, Any]) -> str | None:
    for cell in notebook.get("cells") or ():
        tags = (cell.get("metadata") or {}).get("tags") or ()
        if cell.get("cell_type") == "code" and TAG in tags:
            source = cell.get("source", "")
            return source if isinstance(source, str) else "".join(source)
    return None


def _comments(source: str) -> dict[int, tuple[str, bool]]:
    """Map line numbers to (comment, whether it stands alone on its line)."""
    found: dict[int, tuple[str, bool]] = {}
    try:
        for token in tokenize.generate_tokens(io.StringIO(source).readline):
            if token.type == tokenize.COMMENT:
                alone = not token.line[: token.start[1]].strip()
                found[token.start[0]] = (token.string.lstrip("#").strip(), alone)
    except (tokenize.TokenError, SyntaxError):
        return {}
    return found


def _from_statement(
    statement: ast.stmt, source: str, comments: Mapping[int, tuple[str, bool]]
) -> Parameter | None:
    annotation: ast.expr | None = None
    target: ast.expr
    if isinstance(statement, ast.AnnAssign) and statement.value is not None:
        target, value, annotation = (
            statement.target,
            statement.value,
            statement.annotation,
        )
    elif isinstance(statement, ast.Assign) and len(statement.targets) == 1:
        target, value = statement.targets[0], statement.value
    else:
        return None
    if not isinstance(target, ast.Name) or not is_plain_name(target.id):
        return None
    default, computed = _literal(value)
    if computed and annotation is None:
        return None  # A name worked out from others is not one to fill in.
    declared = _Declared.read(annotation)
    kind = declared.type
    if kind is None:
        kind = type_of(declared.choices[0] if declared.choices else default)
    if kind is ParameterType.FLOAT and _is_int(default):
        default = float(default)  # type: ignore[arg-type] # An int, just checked.
    return Parameter(
        name=target.id,
        type=kind,
        default=default,
        help=_help(statement, comments),
        choices=declared.choices,
        optional=declared.optional or (default is None and not computed),
        computed=computed,
        default_source=(ast.get_source_segment(source, value) or "").strip(),
    )


def _literal(node: ast.expr) -> tuple[ParameterValue, bool]:
    """Give (value, False), or (None, True) if the expression is no literal of ours."""
    try:
        value = ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return None, True
    try:
        return plain_value(value), False
    except TypeError:
        return None, True


def _help(statement: ast.stmt, comments: Mapping[int, tuple[str, bool]]) -> str:
    for line in (statement.end_lineno or statement.lineno, statement.lineno):
        text, alone = comments.get(line, ("", True))
        if text and not alone:
            return text
    above: list[str] = []
    line = statement.lineno - 1
    while line in comments and comments[line][1]:
        above.append(comments[line][0])
        line -= 1
    return " ".join(text for text in reversed(above) if text)


_NAMES = {
    "int": ParameterType.INT,
    "float": ParameterType.FLOAT,
    "bool": ParameterType.BOOL,
    "str": ParameterType.STR,
    "list": ParameterType.LIST,
    "tuple": ParameterType.LIST,
    "sequence": ParameterType.LIST,
    "dict": ParameterType.DICT,
    "mapping": ParameterType.DICT,
    "any": ParameterType.ANY,
    "object": ParameterType.ANY,
}


@dataclass(frozen=True)
class _Declared:
    """What an annotation says; `type` None leaves it to the default."""

    type: ParameterType | None = None
    choices: tuple[ParameterValue, ...] = ()
    optional: bool = False

    @classmethod
    def read(cls, node: ast.expr | None) -> _Declared:
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            try:  # A quoted annotation.
                node = ast.parse(node.value, mode="eval").body
            except SyntaxError:
                return cls()
        match node:
            case ast.Constant(value=None):
                return cls(optional=True)
            case ast.Name() | ast.Attribute():
                return cls(type=_NAMES.get(_last_name(node).lower()))
            case ast.BinOp(left=left, op=ast.BitOr(), right=right):
                return cls._union([left, right])
            case ast.Subscript(value=base, slice=inner):
                return cls._subscript(_last_name(base).lower(), _items(inner))
        return cls()

    @classmethod
    def _subscript(cls, base: str, items: list[ast.expr]) -> _Declared:
        if base == "literal":
            values = [value for value, computed in map(_literal, items) if not computed]
            choices = tuple(value for value in values if value is not None)
            kinds = {type_of(choice) for choice in choices}
            kind = kinds.pop() if len(kinds) == 1 else ParameterType.ANY
            return cls(type=kind, choices=choices, optional=None in values)
        if base == "optional":
            return cls._union([*items, ast.Constant(value=None)])
        if base == "union":
            return cls._union(items)
        if base in {"annotated", "final"}:
            return cls.read(items[0])
        return cls(type=_NAMES.get(base))

    @classmethod
    def _union(cls, members: list[ast.expr]) -> _Declared:
        read = [cls.read(member) for member in members]
        optional = any(one.optional for one in read)
        choices = tuple(choice for one in read for choice in one.choices)
        kinds = {one.type for one in read if one.type is not None}
        if kinds == {ParameterType.INT, ParameterType.FLOAT}:
            kinds = {ParameterType.FLOAT}
        kind = kinds.pop() if len(kinds) == 1 else None
        if kind is None and (len(kinds) > 1):
            kind = ParameterType.ANY
        free = any(one.type is not None and not one.choices for one in read)
        return cls(type=kind, choices=() if free else choices, optional=optional)


def _last_name(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def _items(node: ast.expr) -> list[ast.expr]:
    return list(node.elts) if isinstance(node, ast.Tuple) else [node]


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
