"""What callers send, read leniently: unknown fields pass by, known ones are checked.

The official clients send fields that no schema has (the SDK's `method`, flags of
newer servers), so that only the type of what a handler reads is checked here. Which
fields must be there is for each handler to say.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from waylab_tracking.errors import validation
from waylab_tracking.settings import LONGEST_DAYS

MAX_NAME = 1024
MAX_PAGE = 1_000_000


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


Names = Annotated[list[str], BeforeValidator(_listed)]
Strings = Annotated[list[str | None], BeforeValidator(_listed)]


class Request(BaseModel):
    """Fields that mean the same in every service."""

    model_config = ConfigDict(extra="allow", coerce_numbers_to_str=True)

    task: str | None = None
    tasks: list[str] | None = None
    ids: list[str] | None = None
    queue: str | None = None
    queue_name: str | None = None
    model: str | None = None
    worker: str | None = None
    name: str | None = Field(default=None, max_length=MAX_NAME)
    comment: str | None = None
    description: str | None = None
    tags: Strings | None = None
    system_tags: Strings | None = None
    status_reason: str | None = None
    status_message: str | None = None
    force: bool | None = None
    publish: bool | None = None
    expiration_sec: int | None = None
    label: str | None = None
    access_key: str | None = None
    role: str | None = None
    keys: list[str] | None = None
    names: list[str] | None = None
    message: str | None = None
    count: int | None = Field(default=None, ge=-MAX_PAGE, le=MAX_PAGE)
    project_name: str | None = None
    destination_project: str | None = None
    new_location: str | None = None
    model_events: bool | None = None


class Enqueuing(Request):
    """Which task goes into which queue; of calls with the same key one counts."""

    idempotency_key: str | None = Field(default=None, max_length=MAX_NAME)


class Listing(Request):
    """Filters, order, page and projection of a `get_all`."""

    id: Strings | None = None
    user: Strings | None = None
    project: Strings | None = None
    status: Strings | None = None
    type: Strings | None = None
    parent: Strings | None = None
    only_fields: Names | None = None
    order_by: Names | None = None
    page: int | None = Field(default=None, ge=0, le=MAX_PAGE)
    page_size: int | None = Field(default=None, ge=0, le=MAX_PAGE)
    start: int | None = Field(default=None, ge=0)
    size: int | None = Field(default=None, ge=0, le=MAX_PAGE)
    search_hidden: bool | None = None
    include_subprojects: bool | None = None
    task: Strings | None = None  # type: ignore[assignment] # Models: of which tasks.


class Queues(Listing):
    """Which queues, with how many of their entries."""

    queue: str | None = None
    max_task_entries: int | None = Field(default=None, ge=0, le=MAX_PAGE)


class Parts(Request):
    """Whole fields of a task, a model or a project."""

    project: str | None = None
    tags: list[str] | None = None  # type: ignore[assignment] # Kept, not searched by.
    system_tags: list[str] | None = None  # type: ignore[assignment] # Kept as well.
    default_output_destination: str | None = None
    design: dict[str, Any] | None = None
    type: str | None = None
    parent: str | None = None
    script: dict[str, Any] | None = None
    hyperparams: dict[str, dict[str, dict[str, Any]]] | None = None
    configuration: dict[str, dict[str, Any]] | None = None
    execution: dict[str, Any] | None = None
    container: dict[str, Any] | None = None
    runtime: dict[str, Any] | None = None
    models: dict[str, Any] | None = None
    output_dest: str | None = None
    uri: str | None = None
    framework: str | None = None
    labels: dict[str, Any] | None = None
    ready: bool | None = None
    metadata: list[dict[str, Any]] | dict[str, dict[str, Any]] | None = None


class Clone(Request):
    """What a copy of a task has of its own."""

    new_task_name: str | None = Field(default=None, max_length=MAX_NAME)
    new_task_comment: str | None = None
    new_task_tags: list[str] | None = None
    new_task_system_tags: list[str] | None = None
    new_task_parent: str | None = None
    new_task_project: str | None = None
    new_task_input_models: list[dict[str, Any]] | None = None
    new_task_hyperparams: dict[str, dict[str, dict[str, Any]]] | None = None
    new_task_configuration: dict[str, dict[str, Any]] | None = None
    new_task_container: dict[str, Any] | None = None
    new_project_name: str | None = Field(default=None, max_length=MAX_NAME)
    execution_overrides: dict[str, Any] | None = None


class Removal(Request):
    """What goes with what a task produced, or with a project."""

    project: str | None = None
    delete_contents: bool | None = None
    delete_output_models: bool | None = None
    return_file_urls: bool | None = None
    clear_all: bool | None = None


class Publication(Request):
    """Whether tasks are published with their models."""

    publish_task: bool | None = None
    publish_tasks: bool | None = None
    force_publish_task: bool | None = None


class Dequeue(Request):
    """What a task is once it waits no more."""

    new_status: str | None = None
    update_task_status: bool | None = None


class Requirements(Request):
    """The packages that a task needs."""

    requirements: dict[str, Any]


class Named(BaseModel):
    """An item of a list that a name tells from its siblings."""

    model_config = ConfigDict(extra="allow", coerce_numbers_to_str=True)

    name: str
    section: str | None = None
    value: str | None = None
    type: str | None = None
    description: str | None = None


class HyperParams(Request):
    """Parameters to set."""

    hyperparams: list[Named]
    replace_hyperparams: str | None = None


class ParamKey(BaseModel):
    """A parameter, or a whole section of them."""

    section: str
    name: str | None = None


class HyperParamKeys(Request):
    """Parameters to drop."""

    hyperparams: list[ParamKey]


class Configuration(Request):
    """Configuration items to set."""

    configuration: list[Named]
    replace_configuration: bool | str | None = None


class ConfigurationKeys(Request):
    """Configuration items to drop."""

    configuration: list[str]


class Artifact(BaseModel):
    """An artifact's record."""

    model_config = ConfigDict(extra="allow", coerce_numbers_to_str=True)

    key: str
    mode: str = "output"
    type: str | None = None
    uri: str | None = None
    content_size: int | None = None
    hash: str | None = None
    timestamp: int | None = None


class Artifacts(Request):
    """Artifacts to record or to drop."""

    artifacts: list[Artifact]


class ModelKey(BaseModel):
    """A task's reference to a model."""

    name: str
    type: str


class ModelKeys(Request):
    """A task's references to drop."""

    models: list[ModelKey]


class Entry(BaseModel):
    """A key with a value."""

    model_config = ConfigDict(extra="allow", coerce_numbers_to_str=True)

    key: str
    value: str | None = None
    type: str | None = None


class Metadata(Request):
    """Metadata entries to set."""

    metadata: list[Entry]
    replace_metadata: bool | None = None


class LogText(Request):
    """A log to download, or what of it to drop."""

    line_type: Literal["json", "text"] | None = None
    line_format: str | None = Field(default=None, max_length=MAX_NAME)
    threshold_sec: int | None = Field(default=None, ge=0)


class ScalarEvents(Request):
    """Which events of a metric, and where to go on."""

    metric: str | None = None
    batch_size: int | None = Field(default=None, ge=0)
    no_scroll: bool | None = None
    scroll_id: str | None = Field(default=None, max_length=5_000)


class WrittenReport(Request):
    """A report's parts."""

    project: str | None = None
    tags: list[str] | None = None  # type: ignore[assignment] # Kept, not searched by.
    report: str | None = None
    report_assets: list[str] | None = None


class Series(Request):
    """Which events of which tasks."""

    batch_size: int | None = Field(default=None, ge=0)
    navigate_earlier: bool | None = None
    from_timestamp: float | None = None
    order: str | None = Field(default=None, pattern="^(asc|desc)$")
    iters: int | None = Field(default=None, ge=1)
    samples: int | None = Field(default=None, ge=1)
    key: str | None = Field(default=None, pattern="^(iter|timestamp|iso_time)$")
    event_type: str | None = None
    scroll_id: str | None = None
    metrics: list[dict[str, Any]] | None = None


class Curve(BaseModel):
    """A metric, or some variants of it."""

    metric: str
    variants: list[str] | None = None


class RawSeries(Request):
    """Which points of a metric, in what portions."""

    metric: Curve
    key: str | None = Field(default=None, pattern="^(iter|timestamp|iso_time)$")
    batch_size: int | None = Field(default=None, ge=0)
    scroll_id: str | None = Field(default=None, max_length=5_000)
    count_total: bool | None = None


class Contents(Request):
    """What the tasks or models of which projects hold."""

    project: str | None = None
    projects: list[str] | None = None
    include_subprojects: bool | None = None
    include_system: bool | None = None
    section: str | None = None
    key: str | None = None
    page: int | None = Field(default=None, ge=0, le=MAX_PAGE)
    page_size: int | None = Field(default=None, ge=0, le=MAX_PAGE)


class Member(Request):
    """A user as the hub knows it."""

    role: str | None = None
    groups: list[Annotated[str, Field(min_length=1, max_length=MAX_NAME)]] | None = None


class OldKeys(Request):
    """Which keys of a user to end."""

    user: str | None = None
    label: str | None = Field(default=None, min_length=1)
    older_than_seconds: float | None = Field(default=None, ge=0, le=1e9)
    keep: list[str] | None = None


class Expiry(Request):
    """Rules of what is not kept, for which to tell what they remove."""

    archived_days: float | None = Field(default=None, ge=0, le=LONGEST_DAYS)
    logs_days: float | None = Field(default=None, ge=0, le=LONGEST_DAYS)
    images_days: float | None = Field(default=None, ge=0, le=LONGEST_DAYS)
    limit: int | None = Field(default=None, ge=1, le=1000)


class Membership(Request):
    """Who sees a project."""

    project: str | None = None
    visibility: Literal["public", "private", "group", "inherit"] | None = None
    users: list[str] | None = None
    groups: list[str] | None = None


class Sharing(Request):
    """Whether tasks are shared."""

    share: bool | None = None


class Argument(BaseModel):
    """A parameter of a pipeline's start."""

    model_config = ConfigDict(extra="ignore", coerce_numbers_to_str=True)

    name: str
    value: str | None = None


class Pipeline(Request):
    """A pipeline's controller, and the arguments of its next start."""

    args: list[Argument] | None = None


class Sample(Request):
    """Which image or plots, and where to go from there."""

    metric: str | None = None
    variant: str | None = None
    iteration: int | None = None
    scroll_id: str | None = Field(default=None, max_length=5_000)
    navigate_current_metric: bool | None = None
    navigate_earlier: bool | None = None
    next_iteration: bool | None = None


def read(kind: type[Request], body: dict[str, Any]) -> dict[str, Any]:
    """Check a body against a kind of request; 400/800 names what is wrong."""
    try:
        return kind.model_validate(body).model_dump(exclude_unset=True)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        shown = repr(first.get("input"))[:100]
        msg = f"field {where!r}: {first['msg']}, got {shown}"
        raise validation(msg) from error
