"""Who may call what: one table, and nothing that is not in it.

The table speaks of roles; that a user changes only what is theirs is checked where
the thing is read (`documents.own_task` and its like). A job's token has the role
`user` and the things of the task's owner.
"""

from __future__ import annotations

from enum import StrEnum


class Role(StrEnum):
    """What a principal may do."""

    SYSTEM = "system"
    ADMIN = "admin"
    AGENT = "agent"
    USER = "user"


EVERYONE = frozenset(Role)
PEOPLE = frozenset({Role.SYSTEM, Role.ADMIN, Role.USER})
OPERATORS = frozenset({Role.SYSTEM, Role.ADMIN, Role.AGENT})
ADMINS = frozenset({Role.SYSTEM, Role.ADMIN})
AGENTS = frozenset({Role.SYSTEM, Role.AGENT})
SYSTEM_ONLY = frozenset({Role.SYSTEM})

_TABLE: tuple[tuple[str, frozenset[Role], str], ...] = (
    (
        "auth",
        EVERYONE,
        "login logout create_credentials get_credentials edit_credentials"
        " revoke_credentials",
    ),
    ("auth", ADMINS, "edit_user"),
    ("debug", EVERYONE, "ping_auth echo ex apiex"),
    (
        "events",
        EVERYONE,
        "add add_batch get_task_log get_task_events"
        " get_task_metrics get_task_plots get_multi_task_plots debug_images"
        " get_task_single_value_metrics scalar_metrics_iter_histogram"
        " scalar_metrics_iter_raw multi_task_scalar_metrics_iter_histogram"
        " get_scalar_metrics_and_variants get_task_latest_scalar_values plots"
        " get_debug_image_sample next_debug_image_sample get_plot_sample"
        " next_plot_sample clear_scroll download_task_log get_scalar_metric_data"
        " get_vector_metrics_and_variants vector_metrics_iter_histogram",
    ),
    ("events", PEOPLE, "delete_for_task delete_for_model clear_task_log"),
    (
        "models",
        EVERYONE,
        "get_by_id get_by_task_id get_all get_all_ex get_frameworks",
    ),
    (
        "models",
        PEOPLE,
        "create update_for_task edit update set_ready publish_many delete delete_many"
        " archive_many unarchive_many move add_or_update_metadata delete_metadata"
        " make_public make_private",
    ),
    ("organization", EVERYONE, "get_tags"),
    (
        "projects",
        EVERYONE,
        "get_all get_all_ex get_by_id get_task_tags get_model_tags get_task_parents"
        " get_unique_metric_variants get_project_tags get_hyper_parameters"
        " get_hyperparam_values get_model_metadata_keys get_model_metadata_values"
        " validate_delete",
    ),
    (
        "projects",
        PEOPLE,
        "create update delete move merge make_public make_private",
    ),
    ("pipelines", PEOPLE, "start_pipeline"),
    (
        "queues",
        EVERYONE,
        "get_all get_all_ex get_by_id get_default get_num_entries peek_task"
        " add_task remove_task move_task_to_front move_task_to_back"
        " move_task_forward move_task_backward get_queue_metrics",
    ),
    # `get_next_task` hands out whoever's task is next. The stock agent's jobs use its
    # keys for everything, so that it needs an admin's.
    (
        "queues",
        OPERATORS,
        "create update delete get_next_task add_or_update_metadata delete_metadata",
    ),
    ("reports", EVERYONE, "get_all_ex get_tags"),
    (
        "reports",
        PEOPLE,
        "create update publish archive unarchive move delete",
    ),
    ("routers", EVERYONE, "get_routes"),
    ("server", EVERYONE, "info config"),
    (
        "serving",
        EVERYONE,
        "register_container container_status_report get_endpoints",
    ),
    (
        "tasks",
        EVERYONE,
        "get_by_id get_by_id_ex get_all get_all_ex get_types get_hyper_params"
        " get_configurations get_configuration_names validate"
        # What an agent says of the jobs it runs.
        " started stop stopped failed completed close ping dequeue"
        " edit_configuration set_requirements",
    ),
    (
        "tasks",
        PEOPLE,
        "create edit update edit_hyper_params delete_hyper_params"
        " delete_configuration add_or_update_artifacts delete_artifacts"
        " add_or_update_model delete_models clone move delete delete_many archive"
        " archive_many unarchive unarchive_many enqueue enqueue_many dequeue_many"
        " stop_many reset reset_many publish publish_many update_batch share"
        " make_public make_private",
    ),
    (
        "users",
        EVERYONE,
        "get_current_user get_all get_all_ex get_by_id get_preferences get_vaults",
    ),
    ("waylab", SYSTEM_ONLY, "ensure_user remove_user"),
    ("waylab", AGENTS, "job_token"),
    (
        "workers",
        EVERYONE,
        "get_all get_count get_runtime_properties get_stats get_activity_report"
        " get_metric_keys",
    ),
    (
        "workers",
        OPERATORS,
        "register unregister status_report set_runtime_properties"
        " cluster_report cluster_unregister",
    ),
)

ROLES: dict[str, frozenset[Role]] = {
    f"{service}.{action}": roles
    for service, roles, actions in _TABLE
    for action in actions.split()
}
"""Endpoint -> the roles that may call it."""
