"""What a page asks first, answered ahead: it shows its content with no further call.

The questions are those of `extensions/ui/web`, to the letter: an answer to another
question would be left unread, which `tests/waylab_tracking/test_browser.py` would see.
"""

from __future__ import annotations

import re
from typing import Any

from waylab_tracking.errors import ApiError
from waylab_tracking.registry import Call, dispatch

Json = dict[str, Any]
Question = tuple[str, Json]

NAMES: tuple[Question, ...] = (
    ("users.get_current_user", {}),
    ("users.get_all_ex", {"only_fields": ["id", "name"]}),
    (
        "projects.get_all_ex",
        {
            "check_own_contents": True,
            "only_fields": [
                "id",
                "name",
                "description",
                "last_update",
                "system_tags",
                "own_tasks",
            ],
            "search_hidden": True,
        },
    ),
    ("queues.get_all", {}),
)
LIST_FIELDS = [
    "id",
    "name",
    "project",
    "user",
    "status",
    "status_reason",
    "status_message",
    "created",
    "started",
    "completed",
    "tags",
    "execution.queue",
    "last_worker",
    "runtime.progress",
    "configuration.waylab_live",
]
PAGE_SIZE = 50
TASKS = r"(?:experiments|tasks)"
RUN = re.compile(rf"/(?:(?:projects|pipelines)/[^/]+/{TASKS}|tasks)/([^/]+)")
DATASET = re.compile(rf"/datasets/.*{TASKS}/([^/]+)")
MODEL = re.compile(r"/projects/[^/]+/models/([^/]+)")
PROJECT = re.compile(rf"/(?:projects|pipelines)/([^/;]+)(?:/{TASKS})?/?")
HOME = re.compile(r"/(?:dashboard|projects|pipelines)?/?")


def questions(path: str) -> tuple[Question, ...]:
    """Give what the page at a path asks before it can show anything."""
    if found := RUN.match(path) or DATASET.match(path):
        return (*NAMES, ("tasks.get_by_id_ex", {"task": found[1]}))
    if found := MODEL.match(path):
        return (*NAMES, ("models.get_by_id", {"model": found[1]}))
    if HOME.fullmatch(path):
        busy = {"status": ["in_progress"], "only_fields": ["id", "project"]}
        return (*NAMES, ("tasks.get_all_ex", busy), _newest_runs())
    if (project := PROJECT.fullmatch(path)) and project[1] == "*":
        return (*NAMES, _newest_runs())
    if project:
        runs = _newest_runs(project=[project[1]], include_subprojects=True)
        return (*NAMES, runs, ("projects.get_by_id", {"project": project[1]}))
    return NAMES


def answers(call: Call, path: str) -> list[Json]:
    """Answer a page's first questions; a refusal is an answer too."""
    found = []
    for endpoint, body in questions(path):
        asked: Json = {"endpoint": endpoint, "body": body}
        try:
            found.append({**asked, "data": dispatch(endpoint, call.like(**body))})
        except ApiError as error:
            found.append({**asked, "error": error.message})
    return found


def _newest_runs(**filters: Any) -> Question:
    part = {"start": 0, "size": PAGE_SIZE + 1}
    order = {"order_by": ["-created"], "only_fields": LIST_FIELDS}
    return "tasks.get_all_ex", {
        **filters,
        "system_tags": ["-archived"],
        **part,
        **order,
    }
