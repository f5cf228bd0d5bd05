"""Writing a verdict into a task whose runner did not."""

from __future__ import annotations

import logging

from waylab_clearml.client import Client
from waylab_clearml.errors import BadRequest, Forbidden
from waylab_clearml.verdict import CONFIGURATION_NAME, Outcome, Verdict

logger = logging.getLogger(__name__)

_ENDPOINTS = {
    Outcome.COMPLETED: "tasks.completed",
    Outcome.FAILED: "tasks.failed",
    Outcome.STOPPED: "tasks.stopped",
}


def write(client: Client, task_id: str, verdict: Verdict) -> None:
    """Give the task its end; one that ended by itself meanwhile is left as it is.

    Raises:
        ClearMLError: the server does not answer; try again.
    """
    logger.info("Task %s: %s, %s", task_id, verdict.outcome, verdict.reason)
    item = {"name": CONFIGURATION_NAME, "type": "json", "value": verdict.to_json()}
    ending = {
        "task": task_id,
        "status_reason": verdict.reason.value,
        "status_message": verdict.message,
    }
    try:
        client.call(
            "tasks.edit_configuration",
            {"task": task_id, "configuration": [item], "replace_configuration": "none"},
        )
        client.call(_ENDPOINTS[verdict.outcome], ending)
    except (BadRequest, Forbidden) as error:
        logger.warning("The verdict on %s was refused: %s", task_id, error)
