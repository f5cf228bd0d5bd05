"""The API's services, a module each; importing this registers every endpoint."""

from waylab_tracking.services import (
    auth,
    events,
    models,
    projects,
    queues,
    tasks,
    users,
    waiting,
    waylab,
    workers,
)

__all__ = [
    "auth",
    "events",
    "models",
    "projects",
    "queues",
    "tasks",
    "users",
    "waiting",
    "waylab",
    "workers",
]
