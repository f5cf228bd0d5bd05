"""Parameters of a notebook: what it declares, and which values it takes."""

from waylab_clearml.parameter_source import infer
from waylab_clearml.parameter_types import (
    Parameter,
    ParameterType,
    ParameterValue,
    is_plain_name,
)
from waylab_clearml.parameter_values import (
    format_value,
    parse_value,
    type_label,
    validate,
)

__all__ = [
    "Parameter",
    "ParameterType",
    "ParameterValue",
    "format_value",
    "infer",
    "is_plain_name",
    "parse_value",
    "type_label",
    "validate",
]
