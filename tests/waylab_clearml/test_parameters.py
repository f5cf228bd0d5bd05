"""What a notebook declares, and which values it takes."""

from typing import Any

import nbformat as nbformat_module
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from waylab_clearml.errors import ParameterError
from waylab_clearml.parameters import (
    Parameter,
    ParameterType,
    format_value,
    infer,
    is_plain_name,
    parse_value,
    type_label,
    validate,
)

nbformat: Any = nbformat_module  # It has no types.


def notebook(source: str, *, tag: str = "parameters", language: str = "python") -> Any:
    cell = nbformat.v4.new_code_cell(source)
    cell.metadata["tags"] = [tag]
    return nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_markdown_cell("# Title"), cell],
        metadata={
            "kernelspec": {"language": language, "name": "x", "display_name": "X"}
        },
    )


def one(source: str) -> Parameter:
    (parameter,) = infer(notebook(source))
    return parameter


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("a = 3", Parameter("a", ParameterType.INT, 3, default_source="3")),
        ("a = -2.5", Parameter("a", ParameterType.FLOAT, -2.5, default_source="-2.5")),
        ("a = True", Parameter("a", ParameterType.BOOL, True, default_source="True")),
        (
            'a = "http://h/#x"  # where',
            Parameter(
                "a",
                ParameterType.STR,
                "http://h/#x",
                help="where",
                default_source='"http://h/#x"',
            ),
        ),
        (
            'name="a=b"',
            Parameter("name", ParameterType.STR, "a=b", default_source='"a=b"'),
        ),
        (
            "a: float = 1",
            Parameter("a", ParameterType.FLOAT, 1.0, default_source="1"),
        ),
        (
            "a: float | None = None",
            Parameter("a", ParameterType.FLOAT, optional=True, default_source="None"),
        ),
        (
            "a: Optional[int] = 4",
            Parameter("a", ParameterType.INT, 4, optional=True, default_source="4"),
        ),
        (
            "a: typing.Union[int, float, None] = 4",
            Parameter("a", ParameterType.FLOAT, 4.0, optional=True, default_source="4"),
        ),
        (
            'a: Literal["adam", "sgd"] = "sgd"',
            Parameter(
                "a",
                ParameterType.STR,
                "sgd",
                choices=("adam", "sgd"),
                default_source='"sgd"',
            ),
        ),
        (
            "a: Literal[1, 2] | None = None",
            Parameter(
                "a",
                ParameterType.INT,
                choices=(1, 2),
                optional=True,
                default_source="None",
            ),
        ),
        (
            'a: "list[int]" = [1, 2]',
            Parameter("a", ParameterType.LIST, [1, 2], default_source="[1, 2]"),
        ),
        (
            "a = (1, 2)",
            Parameter("a", ParameterType.LIST, [1, 2], default_source="(1, 2)"),
        ),
        (
            'a: dict[str, int] = {"x": 1}',
            Parameter("a", ParameterType.DICT, {"x": 1}, default_source='{"x": 1}'),
        ),
        (
            "a: str = os.environ['HOME']",
            Parameter(
                "a",
                ParameterType.STR,
                computed=True,
                default_source="os.environ['HOME']",
            ),
        ),
    ],
)
def test_a_declaration_is_read_with_its_type(source: str, expected: Any) -> None:
    assert one(source) == expected


def test_the_comment_lines_above_are_the_help() -> None:
    assert one("# How far\n# it goes\na = 1\n").help == "How far it goes"


def test_a_comment_behind_a_value_of_several_lines_is_the_help() -> None:
    assert one("a = [\n  1,\n]  # numbers").help == "numbers"


def test_what_is_computed_from_others_is_no_parameter() -> None:
    names = [one.name for one in infer(notebook("a = 1\nb = a * 2\nc, d = 1, 2"))]
    assert names == ["a"]


def test_magics_do_not_hide_the_parameters() -> None:
    names = [one.name for one in infer(notebook("%matplotlib inline\n!ls\na = 1"))]
    assert names == ["a"]


@pytest.mark.parametrize("source", ["a = (", "a = 1 +", "x" * 10])
def test_a_cell_that_does_not_parse_has_no_parameters(source: str) -> None:
    assert infer(notebook(source)) == ()


def test_another_language_has_no_parameters() -> None:
    assert infer(notebook("a = 1", language="R")) == ()


def test_a_notebook_without_a_tagged_cell_has_no_parameters() -> None:
    assert infer(notebook("a = 1", tag="other")) == ()


@pytest.mark.parametrize("name", ["class", "a b", "a\nimport os", "1a", "", "__x", "é"])
def test_only_plain_names_are_names(name: str) -> None:
    assert not is_plain_name(name)


@pytest.mark.parametrize(
    ("source", "text", "expected"),
    [
        ("a = 1", "7", 7),
        ("a = 1", " 1e6 ", 1_000_000),
        ("a = 1", "1_000", 1000),
        ("a = 1.0", "3", 3.0),
        ("a = 1.0", "1e-4", 1e-4),
        ("a = True", "false", False),
        ("a = True", "on", True),
        ("a = 'x'", " y ", " y "),
        ("a = 'x'", "None", "None"),
        ("a: str | None = None", "None", None),
        ("a: str | None = None", "", ""),
        ("a: int | None = 3", "", None),
        ("a = [1]", "[1, 'b']", [1, "b"]),
        ("a = {}", '{"a": [true]}', {"a": [True]}),
        ("a = None", "[1]", [1]),
        ("a = None", "plain text", "plain text"),
    ],
)
def test_text_is_read_as_the_declared_type(
    source: str, text: str, expected: Any
) -> None:
    value = parse_value(one(source), text)
    assert value == expected
    assert type(value) is type(expected)


@pytest.mark.parametrize(
    ("source", "text", "told"),
    [
        ("a = 1", "1.5", "a is '1.5', but takes a whole number such as 3."),
        ("a = 1.0", "x", "a is 'x', but takes a number such as 0.1."),
        ("a: float | None = 1.0", "x", "or None"),
        ("a = True", "maybe", "True or False"),
        ("a = [1]", "{}", "a list such as"),
        ("a: Literal['b', 'c'] = 'b'", "d", "a is 'd', but takes only 'b', 'c'."),
    ],
)
def test_a_wrong_value_is_named_with_the_remedy(
    source: str, text: str, told: str
) -> None:
    with pytest.raises(ParameterError) as caught:
        parse_value(one(source), text)
    assert told in str(caught.value)


def test_defaults_fill_in_what_is_not_given() -> None:
    declared = infer(notebook("a = 1\nb: str = f()\nc = 2.0"))
    assert validate(declared, {"c": 3}) == {"a": 1, "c": 3.0}


def test_an_unknown_name_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ParameterError, match=r"'epohcs' is not .* it has: a, b"):
        validate(infer(notebook("a = 1\nb = 2")), {"epohcs": "3"})


def test_values_of_forms_are_checked_by_type() -> None:
    declared = infer(notebook("a = 1\nb = 'x'"))
    assert validate(declared, {"a": 2.0, "b": "y"}) == {"a": 2, "b": "y"}
    with pytest.raises(ParameterError, match="a is"):
        validate(declared, {"a": [1]})


@pytest.mark.parametrize(
    ("source", "label"),
    [
        ("a = 1", "int"),
        ("a: int | None = 1", "Optional[int]"),
        ("a: Literal['b', 'c'] = 'b'", "Literal['b', 'c']"),
    ],
)
def test_the_type_is_labelled_as_people_write_it(source: str, label: str) -> None:
    assert type_label(one(source)) == label


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(st.lists(values))
@example([float("inf")])
def test_a_formatted_list_is_read_back_the_same(value: Any) -> None:
    parameter = Parameter("a", ParameterType.LIST, [])
    assert parse_value(parameter, format_value(parameter, value)) == value


@given(values)
@example("3")
def test_a_formatted_value_of_any_type_is_read_back_the_same(value: Any) -> None:
    parameter = Parameter("a", ParameterType.ANY, 1)
    text = format_value(parameter, value)
    assert parse_value(parameter, text) == (value if text else "")


@given(st.text())
def test_a_formatted_text_is_read_back_the_same(value: Any) -> None:
    parameter = Parameter("a", ParameterType.STR, "")
    assert parse_value(parameter, format_value(parameter, value)) == value


@given(st.text())
def test_no_cell_makes_the_inference_fail(source: str) -> None:
    infer(notebook(source))
