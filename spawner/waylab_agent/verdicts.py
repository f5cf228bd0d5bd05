"""Writing a verdict into a task whose runner did not."""

from __future__ import annotations

import logging

from waylab_agent.errors import GateAway, StartError
from waylab_agent.journal import JobEntry
from waylab_agent.means import Place
from waylab_clearml.client import Client
from waylab_clearml.errors import ApiError
from waylab_clearml.verdict import CONFIGURATION_NAME, Outcome, Verdict

logger = logging.getLogger(__name__)

_ENDPOINTS = {
    Outcome.COMPLETED: "tasks.completed",
    Outcome.FAILED: "tasks.failed",
    Outcome.STOPPED: "tasks.stopped",
}


def write(place: Place, entry: JobEntry, verdict: Verdict) -> bool:
    """Give the task its end, if it has none; False if the server refuses it.

    Raises:
        ClearMLError: the server does not answer; try again.
    """
    task_id = entry.task_id
    outcome, reason = verdict.outcome, verdict.reason
    logger.info("Task %s: %s, %s. %s", task_id, outcome, reason, verdict.message)
    try:
        _keep_details(place, entry, verdict)
    except (ApiError, GateAway, StartError) as error:
        # Its reason and sentence are in the task's status all the same.
        logger.warning("The details of the verdict were refused: %s", error)
    body = {
        "task": task_id,
        "status_reason": verdict.reason.value,
        "status_message": verdict.message,
    }
    try:
        # Not forced: an end that the task got meanwhile is left as it is.
        place.client.call(_ENDPOINTS[verdict.outcome], body, execution=entry.claim)
    except ApiError as error:
        logger.warning("The verdict was refused: %s", error)
        return False
    return True


def _keep_details(place: Place, entry: JobEntry, verdict: Verdict) -> None:
    """Store the verdict as a configuration item.

    Where an agent may mark tasks, but not edit them, that is done as their owner.
    """
    item = {"name": CONFIGURATION_NAME, "type": "json", "value": verdict.to_json()}
    body = {"task": entry.task_id, "configuration": [item], "force": True}
    if place.owners.agent_may_edit:
        place.client.call("tasks.edit_configuration", body, execution=entry.claim)
        return
    credentials, _ = place.owners.of(entry)
    timeout_seconds = place.client.timeout_seconds
    with Client(credentials, timeout_seconds=timeout_seconds) as owner:
        owner.call("tasks.edit_configuration", body, execution=entry.claim)
