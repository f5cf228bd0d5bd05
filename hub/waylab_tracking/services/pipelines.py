"""`pipelines.*`: starting a pipeline anew."""

from __future__ import annotations

from waylab_tracking import requests
from waylab_tracking.registry import Call, Json, endpoint
from waylab_tracking.services import documents, lifecycle, tasks


@endpoint("pipelines.start_pipeline", takes=requests.Pipeline)
def start_pipeline(call: Call) -> Json:
    """Clone a pipeline's controller with other arguments, and enqueue the clone."""
    base = documents.get_task(call.db, call.need("task"))
    made = tasks.clone(
        call.like(
            task=base["id"], new_task_name=base["name"], new_task_parent=base["id"]
        )
    )["id"]
    doc = documents.get_task(call.db, made)
    section = doc["hyperparams"].setdefault("Args", {})
    for one in call.body.get("args") or []:
        known = section.get(one["name"]) or {"section": "Args", "name": one["name"]}
        section[one["name"]] = {**known, "value": one.get("value")}
    documents.save_task(call.db, doc)
    wanted = {"queue": call.body["queue"]} if call.body.get("queue") else {}
    enqueued = lifecycle.enqueue(call.like(task=made, **wanted))
    return {"pipeline": made, "enqueued": bool(enqueued["queued"])}
