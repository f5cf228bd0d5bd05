"""The parts of documents as ClearML's answers have them.

What a request says beyond these fields is dropped, and what it says in another type is
refused: a part is answered as it was stored, to clients that know these fields only.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    TypeAdapter,
    ValidationError,
)

from waylab_tracking.errors import validation


def _worded(value: Any) -> Any:
    return str(value) if isinstance(value, bool) else value


Text = Annotated[str | None, BeforeValidator(_worded)]
LENIENT = ConfigDict(extra="ignore", coerce_numbers_to_str=True)


class _Shape(BaseModel):
    model_config = LENIENT


class _Script(_Shape):
    binary: Text = None
    branch: Text = None
    diff: Text = None
    entry_point: Text = None
    repository: Text = None
    requirements: dict[str, Any] | None = None
    tag: Text = None
    version_num: Text = None
    working_dir: Text = None


class _Param(_Shape):
    section: Text = None
    name: Text = None
    value: Text = None
    type: Text = None
    description: Text = None


class _Item(_Shape):
    name: Text = None
    value: Text = None
    type: Text = None
    description: Text = None


class _TypeData(_Shape):
    content_type: Text = None
    data_hash: Text = None
    preview: Text = None


class _Artifact(_Shape):
    key: str
    mode: Literal["input", "output"] | None = None
    type: Text = None
    uri: Text = None
    content_size: int | None = None
    hash: Text = None
    timestamp: int | None = None
    type_data: _TypeData | None = None
    display_data: list[list[Any]] | None = None


class _Execution(_Shape):
    artifacts: list[dict[str, Any]] | None = None
    dataviews: list[dict[str, Any]] | None = None
    docker_cmd: Text = None
    framework: Text = None
    model: Text = None
    model_desc: dict[str, Any] | None = None
    model_labels: dict[str, int] | None = None
    parameters: dict[str, Any] | None = None
    queue: Text = None
    test_split: int | None = None


class _Named(_Shape):
    name: str
    model: str


class _Models(_Shape):
    input: list[_Named] | None = None
    output: list[_Named] | None = None


class _Metadata(_Shape):
    key: Text = None
    type: Text = None
    value: Text = None


_KINDS: dict[str, TypeAdapter[Any]] = {
    "artifact": TypeAdapter(_Artifact),
    "configuration": TypeAdapter(dict[str, _Item]),
    "container": TypeAdapter(dict[str, Text], config=LENIENT),
    "execution": TypeAdapter(_Execution),
    "hyperparams": TypeAdapter(dict[str, dict[str, _Param]]),
    "item": TypeAdapter(_Item),
    "labels": TypeAdapter(dict[str, int]),
    "metadata": TypeAdapter(dict[str, _Metadata]),
    "models": TypeAdapter(_Models),
    "param": TypeAdapter(_Param),
    "script": TypeAdapter(_Script),
}


def shaped(kind: str, value: Any) -> Any:
    """Give a part of a document in its shape; 400/800 names what does not fit.

    Kinds without a shape of their own pass as they are.
    """
    adapter = _KINDS.get(kind)
    if adapter is None or value is None:
        return value
    try:
        found = adapter.validate_python(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, (kind, *first["loc"])))[:200]
        msg = f"field {where!r}: {first['msg']}"
        raise validation(msg) from error
    told = adapter.dump_python(
        found, exclude_unset=True, exclude_none=kind == "artifact"
    )
    if kind == "execution" and told.get("artifacts"):
        told["artifacts"] = [shaped("artifact", one) for one in told["artifacts"]]
    return told
