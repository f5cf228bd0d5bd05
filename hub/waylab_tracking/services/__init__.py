"""The API's services, a module each; importing this registers every endpoint."""

from waylab_tracking.services import (
    auth,
    console,
    curves,
    events,
    lifecycle,
    liveness,
    models,
    projects,
    queues,
    reports,
    task_parts,
    tasks,
    users,
    waiting,
    waylab,
    workers,
)

__all__ = [
    "auth",
    "console",
    "curves",
    "events",
    "lifecycle",
    "liveness",
    "models",
    "projects",
    "queues",
    "reports",
    "task_parts",
    "tasks",
    "users",
    "waiting",
    "waylab",
    "workers",
]
