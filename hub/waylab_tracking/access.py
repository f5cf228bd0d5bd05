"""Who may do what, with what: one table, and nothing that is not in it.

A row says for each endpoint which roles may call it and what it needs of the things
that its body names: that the caller sees them, or that they are the caller's own.
`registry` checks all of it before a handler runs, and the tests are made of the same
rows. A job's token has the role `user` and the things of the task's owner. What a list
leaves out is `sight`'s affair.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """What a principal may do."""

    SYSTEM = "system"
    ADMIN = "admin"
    AGENT = "agent"
    USER = "user"


class Kind(StrEnum):
    """What a field of a body names."""

    TASK = "task"
    MODEL = "model"
    PROJECT = "project"
    REPORTER = "reporter"
    """What has reported: a task or a model."""
    WORKER = "worker"


class Right(StrEnum):
    """What a caller needs of a thing."""

    SEE = "see"
    OWN = "own"
    """It is the caller's; admins own everything, agents the tasks that they took."""
    TAKE = "take"
    """As `OWN`, but agents take what waits."""


@dataclass(frozen=True)
class Need:
    """What must be so of the thing that a field names.

    `metrics.task` is the field `task` of each element of `metrics`; `lines.task` that
    of each line of a batch. With `each`, the answer says for each thing alone whether
    it was refused.
    """

    field: str
    kind: Kind
    right: Right = Right.SEE
    each: bool = False


@dataclass(frozen=True)
class Row:
    """What the table says of one endpoint."""

    roles: frozenset[Role]
    needs: tuple[Need, ...]


EVERYONE = frozenset(Role)
PEOPLE = frozenset({Role.SYSTEM, Role.ADMIN, Role.USER})
OPERATORS = frozenset({Role.SYSTEM, Role.ADMIN, Role.AGENT})
ADMINS = frozenset({Role.SYSTEM, Role.ADMIN})
AGENTS = frozenset({Role.SYSTEM, Role.AGENT})
SYSTEM_ONLY = frozenset({Role.SYSTEM})

NOTHING: tuple[Need, ...] = ()
TASK = Need("task", Kind.TASK)
TASKS = Need("tasks", Kind.TASK)
OWN_TASK = Need("task", Kind.TASK, Right.OWN)
OWN_TASKS = Need("tasks", Kind.TASK, Right.OWN)
EACH_TASK = Need("ids", Kind.TASK, Right.OWN, each=True)
MODEL = Need("model", Kind.MODEL)
OWN_MODEL = Need("model", Kind.MODEL, Right.OWN)
EACH_MODEL = Need("ids", Kind.MODEL, Right.OWN, each=True)
PROJECT = Need("project", Kind.PROJECT)
PROJECTS = Need("projects", Kind.PROJECT)
OWN_PROJECT = Need("project", Kind.PROJECT, Right.OWN)
REPORTER = Need("task", Kind.REPORTER)
REPORTERS = Need("tasks", Kind.REPORTER)
OF_METRICS = Need("metrics.task", Kind.REPORTER)
WORKER = Need("worker", Kind.WORKER, Right.OWN)

_TABLE: tuple[tuple[str, frozenset[Role], tuple[Need, ...], str], ...] = (
    (
        "auth",
        EVERYONE,
        NOTHING,
        "login logout create_credentials get_credentials edit_credentials"
        " revoke_credentials",
    ),
    ("auth", ADMINS, NOTHING, "edit_user"),
    ("debug", EVERYONE, NOTHING, "ping_auth echo ex apiex"),
    ("events", EVERYONE, (Need("task", Kind.REPORTER, Right.OWN),), "add"),
    (
        "events",
        EVERYONE,
        (Need("lines.task", Kind.REPORTER, Right.OWN, each=True),),
        "add_batch",
    ),
    ("events", EVERYONE, (REPORTER,), "get_task_log"),
    ("events", PEOPLE, (TASK,), "download_task_log"),
    ("events", PEOPLE, (OWN_TASK,), "clear_task_log"),
    (
        "events",
        PEOPLE,
        (REPORTER,),
        "get_task_events get_task_plots scalar_metrics_iter_histogram"
        " scalar_metrics_iter_raw get_scalar_metrics_and_variants"
        " get_task_latest_scalar_values get_debug_image_sample"
        " next_debug_image_sample get_plot_sample next_plot_sample"
        " get_scalar_metric_data get_vector_metrics_and_variants"
        " vector_metrics_iter_histogram",
    ),
    (
        "events",
        PEOPLE,
        (REPORTERS,),
        "get_task_metrics get_multi_task_plots get_task_single_value_metrics"
        " multi_task_scalar_metrics_iter_histogram",
    ),
    ("events", PEOPLE, (OF_METRICS,), "plots"),
    ("events", PEOPLE, (OF_METRICS, REPORTER), "debug_images"),
    ("events", PEOPLE, NOTHING, "clear_scroll"),
    ("events", PEOPLE, (OWN_TASK,), "delete_for_task"),
    ("events", PEOPLE, (OWN_MODEL,), "delete_for_model"),
    ("models", PEOPLE, (MODEL,), "get_by_id"),
    ("models", PEOPLE, (TASK,), "get_by_task_id"),
    ("models", PEOPLE, NOTHING, "get_all get_all_ex get_frameworks"),
    ("models", PEOPLE, (PROJECT, TASK), "create"),
    ("models", PEOPLE, (OWN_TASK, PROJECT), "update_for_task"),
    ("models", PEOPLE, (OWN_MODEL, PROJECT, TASK), "edit update"),
    (
        "models",
        PEOPLE,
        (OWN_MODEL,),
        "set_ready delete add_or_update_metadata delete_metadata",
    ),
    (
        "models",
        PEOPLE,
        (EACH_MODEL,),
        "publish_many delete_many archive_many unarchive_many",
    ),
    (
        "models",
        PEOPLE,
        (Need("ids", Kind.MODEL, Right.OWN),),
        "make_public make_private",
    ),
    ("models", PEOPLE, (Need("ids", Kind.MODEL, Right.OWN), PROJECT), "move"),
    ("organization", PEOPLE, (PROJECTS,), "get_tags"),
    ("projects", PEOPLE, NOTHING, "get_all get_all_ex"),
    ("projects", PEOPLE, (PROJECT,), "get_by_id validate_delete"),
    (
        "projects",
        PEOPLE,
        (PROJECT, PROJECTS),
        "get_task_tags get_model_tags get_task_parents get_unique_metric_variants"
        " get_project_tags get_hyper_parameters get_hyperparam_values"
        " get_model_metadata_keys get_model_metadata_values",
    ),
    ("projects", PEOPLE, NOTHING, "create"),
    ("projects", PEOPLE, (OWN_PROJECT,), "update delete move"),
    (
        "projects",
        PEOPLE,
        (OWN_PROJECT, Need("destination_project", Kind.PROJECT, Right.OWN)),
        "merge",
    ),
    (
        "projects",
        PEOPLE,
        (Need("ids", Kind.PROJECT, Right.OWN),),
        "make_public make_private",
    ),
    ("pipelines", PEOPLE, (TASK,), "start_pipeline"),
    (
        "queues",
        EVERYONE,
        NOTHING,
        "get_all get_all_ex get_by_id get_default get_num_entries peek_task"
        " get_queue_metrics",
    ),
    (
        "queues",
        EVERYONE,
        (OWN_TASK,),
        "add_task move_task_to_front move_task_to_back move_task_forward"
        " move_task_backward",
    ),
    ("queues", EVERYONE, (Need("task", Kind.TASK, Right.TAKE),), "remove_task"),
    # Hands out whoever's task is next. The stock agent's jobs use its keys for
    # everything, so that it needs an admin's.
    ("queues", OPERATORS, NOTHING, "get_next_task"),
    (
        "queues",
        ADMINS,
        NOTHING,
        "create update delete add_or_update_metadata delete_metadata",
    ),
    ("reports", PEOPLE, NOTHING, "get_all_ex get_tags"),
    ("reports", PEOPLE, (PROJECT,), "create"),
    ("reports", PEOPLE, (OWN_TASK,), "update publish archive unarchive delete"),
    ("reports", PEOPLE, (OWN_TASK, PROJECT), "move"),
    ("routers", PEOPLE, NOTHING, "get_routes"),
    ("server", EVERYONE, NOTHING, "info config"),
    (
        "serving",
        PEOPLE,
        NOTHING,
        "register_container container_status_report get_endpoints",
    ),
    ("tasks", EVERYONE, (TASK,), "get_by_id get_by_id_ex"),
    ("tasks", EVERYONE, NOTHING, "get_all get_all_ex"),
    ("tasks", PEOPLE, NOTHING, "get_types validate"),
    (
        "tasks",
        PEOPLE,
        (TASKS,),
        "get_hyper_params get_configurations get_configuration_names",
    ),
    # What an agent says of the jobs that it runs.
    (
        "tasks",
        EVERYONE,
        (OWN_TASK,),
        "started stop stopped failed completed close ping dequeue edit_configuration"
        " set_requirements",
    ),
    ("tasks", PEOPLE, (PROJECT,), "create"),
    ("tasks", PEOPLE, (OWN_TASK, PROJECT), "edit update"),
    (
        "tasks",
        PEOPLE,
        (OWN_TASK,),
        "edit_hyper_params delete_hyper_params delete_configuration"
        " add_or_update_artifacts delete_artifacts add_or_update_model delete_models"
        " delete enqueue reset publish",
    ),
    ("tasks", PEOPLE, (OWN_TASKS,), "archive unarchive share"),
    (
        "tasks",
        PEOPLE,
        (EACH_TASK,),
        "delete_many archive_many unarchive_many enqueue_many dequeue_many stop_many"
        " reset_many publish_many",
    ),
    ("tasks", PEOPLE, (TASK, Need("new_task_project", Kind.PROJECT)), "clone"),
    ("tasks", PEOPLE, (Need("ids", Kind.TASK, Right.OWN), PROJECT), "move"),
    (
        "tasks",
        PEOPLE,
        (Need("ids", Kind.TASK, Right.OWN),),
        "make_public make_private",
    ),
    ("tasks", PEOPLE, (Need("lines.task", Kind.TASK, Right.OWN),), "update_batch"),
    (
        "users",
        EVERYONE,
        NOTHING,
        "get_current_user get_all get_all_ex get_by_id get_preferences get_vaults",
    ),
    ("waylab", SYSTEM_ONLY, NOTHING, "ensure_user remove_user end_keys"),
    ("waylab", ADMINS, NOTHING, "get_expired"),
    ("waylab", AGENTS, (OWN_TASK,), "job_token"),
    ("waylab", PEOPLE, (PROJECTS,), "get_sharing"),
    ("waylab", PEOPLE, (OWN_PROJECT,), "share_project"),
    ("waylab", PEOPLE, NOTHING, "renew_keys"),
    (
        "workers",
        EVERYONE,
        NOTHING,
        "get_all get_count get_runtime_properties get_stats get_activity_report"
        " get_metric_keys",
    ),
    ("workers", OPERATORS, NOTHING, "cluster_unregister"),
    (
        "workers",
        OPERATORS,
        (WORKER,),
        "register unregister status_report set_runtime_properties cluster_report",
    ),
)

ROWS: dict[str, Row] = {
    f"{service}.{action}": Row(roles, needs)
    for service, roles, needs, actions in _TABLE
    for action in actions.split()
}
"""Endpoint -> what the table says of it."""


class Entrance(StrEnum):
    """How a route that is no endpoint lets callers in."""

    OPEN = "open"
    """Whoever asks: nothing that is stored is told."""
    API = "api"
    """By `ROWS`."""
    FILES = "files"
    """People, with a token or keys; to read, a browser's session will do."""
    PAGES = "pages"
    """As files; who is not signed in is asked to."""


_FOLDERS = ("/projects/{project}", "/pipelines/{project}", "/datasets/simple/{project}")
_TABS = ("", "/{tab:path}")
_PAGES: tuple[tuple[tuple[Need, ...], tuple[str, ...]], ...] = (
    (
        NOTHING,
        (
            *("/", "/dashboard", "/projects", "/pipelines", "/datasets", "/tasks"),
            *("/workers-and-queues", "/workers-and-queues/{tab:path}"),
        ),
    ),
    (
        (TASK,),
        (
            *(
                f"{folder}/{word}/{{task}}{tab}"
                for folder in _FOLDERS
                for word in ("experiments", "tasks")
                for tab in _TABS
            ),
            *(f"/tasks/{{task}}{tab}" for tab in _TABS),
        ),
    ),
    ((MODEL,), tuple(f"/projects/{{project}}/models/{{model}}{tab}" for tab in _TABS)),
    # Lists, and comparisons: what they name is looked at by the calls that read it.
    ((PROJECT,), tuple(f"{folder}{tab}" for folder in _FOLDERS for tab in _TABS)),
)
PAGES = tuple(path for _, paths in _PAGES for path in paths)
"""The paths of pages, those that name most before those that others contain."""

ROUTES: dict[tuple[str, str], tuple[Entrance, tuple[Need, ...]]] = {
    (method, path): (entrance, needs)
    for methods, entrance, needs, paths in (
        ("GET", Entrance.OPEN, NOTHING, ("/openapi.json", "/oauth_callback")),
        ("GET", Entrance.OPEN, NOTHING, ("/files/",)),
        (
            "GET POST PUT",
            Entrance.API,
            NOTHING,
            ("/v{version:version}/{endpoint:endpoint}", "/{endpoint:endpoint}"),
        ),
        ("POST", Entrance.FILES, NOTHING, ("/files", "/files/", "/files/delete_many")),
        ("GET DELETE", Entrance.FILES, NOTHING, ("/files/{path:path}",)),
        ("GET", Entrance.OPEN, NOTHING, ("/plot-frame", "/assets/{name}")),
        *(("GET", Entrance.PAGES, needs, paths) for needs, paths in _PAGES),
    )
    for method in methods.split()
    for path in paths
}
"""Method and path -> how one gets in, and what is needed of what the path names.

`HEAD` goes with `GET`. What a file's path names is `files`' affair."""
