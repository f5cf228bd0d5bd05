"""Writing a verdict into a task whose runner did not."""

from __future__ import annotations

import logging
from typing import Any

from waylab_clearml.client import Client
from waylab_clearml.errors import BadRequest, Forbidden
from waylab_clearml.verdict import CONFIGURATION_NAME, Outcome, Verdict

logger = logging.getLogger(__name__)

_ENDPOINTS = {
    Outcome.COMPLETED: "tasks.completed",
    Outcome.FAILED: "tasks.failed",
    Outcome.STOPPED: "tasks.stopped",
}


def write(client: Client, task_id: str, verdict: Verdict) -> bool:
    """Give the task its end, if it has none; False if the server refuses it.

    Raises:
        ClearMLError: the server does not answer; try again.
    """
    logger.info("Task %s: %s, %s", task_id, verdict.outcome, verdict.reason)
    item = {"name": CONFIGURATION_NAME, "type": "json", "value": verdict.to_json()}
    _call(
        client,
        "tasks.edit_configuration",
        {
            "task": task_id,
            "configuration": [item],
            "replace_configuration": "none",
            "force": True,
        },
    )
    # Not forced: an end that the task got meanwhile is left as it is.
    return _call(
        client,
        _ENDPOINTS[verdict.outcome],
        {
            "task": task_id,
            "status_reason": verdict.reason.value,
            "status_message": verdict.message,
        },
    )


def _call(client: Client, endpoint: str, body: dict[str, Any]) -> bool:
    try:
        client.call(endpoint, body)
    except (BadRequest, Forbidden) as error:
        logger.warning("The verdict was refused: %s", error)
        return False
    return True
