"""`tasks.*` that change parts: parameters, configuration, artifacts, models."""

from __future__ import annotations

from typing import Any

from waylab_tracking import requests
from waylab_tracking.access import Role
from waylab_tracking.errors import invalid_status
from waylab_tracking.registry import Call, Json, endpoint
from waylab_tracking.services import documents
from waylab_tracking.shapes import shaped


@endpoint("tasks.edit_hyper_params", takes=requests.HyperParams)
def edit_hyper_params(call: Call) -> Json:
    """Set parameters: all of them, a section's, or those that are named."""
    doc = documents.own_task(call)
    _require_draft(call, doc)
    mode = call.body.get("replace_hyperparams")
    given: dict[str, dict[str, Any]] = {}
    for item in call.need("hyperparams"):
        items = given.setdefault(str(item.get("section") or "Args"), {})
        items[str(item["name"])] = shaped("param", item)
    old: dict[str, Any] = {} if mode == "all" else doc["hyperparams"]
    for section, items in given.items():
        kept = {} if mode == "section" else old.get(section) or {}
        old[section] = {**kept, **items}
    doc["hyperparams"] = old
    documents.save_task(call.db, doc)
    return {"updated": 1}


@endpoint("tasks.delete_hyper_params", takes=requests.HyperParamKeys)
def delete_hyper_params(call: Call) -> Json:
    """Drop parameters or whole sections."""
    doc = documents.own_task(call)
    _require_draft(call, doc)
    for item in call.need("hyperparams"):
        section = doc["hyperparams"].get(item.get("section"), {})
        if item.get("name"):
            section.pop(item["name"], None)
        else:
            doc["hyperparams"].pop(item.get("section"), None)
    documents.save_task(call.db, doc)
    return {"deleted": 1}


@endpoint("tasks.get_hyper_params")
def get_hyper_params(call: Call) -> Json:
    """Give the parameters of tasks."""
    found = []
    for task in call.need("tasks"):
        sections = documents.get_task(call.db, task)["hyperparams"]
        items = [item for one in sections.values() for item in one.values()]
        found.append({"task": task, "hyperparams": items})
    return {"params": found}


@endpoint("tasks.edit_configuration", takes=requests.Configuration)
def edit_configuration(call: Call) -> Json:
    """Set configuration items; the others stay unless all are replaced."""
    doc = documents.own_task(call)
    _require_draft(call, doc)
    given = {
        str(item["name"]): shaped("item", item) for item in call.need("configuration")
    }
    # "none" says so in words.
    replace = call.body.get("replace_configuration") not in (None, False, "none", "")
    old = {} if replace else doc["configuration"]
    doc["configuration"] = {**old, **given}
    documents.save_task(call.db, doc)
    return {"updated": 1}


@endpoint("tasks.get_configurations")
def get_configurations(call: Call) -> Json:
    """Give the configuration items of tasks."""
    names = call.body.get("names")
    found = []
    for task in call.need("tasks"):
        items = documents.get_task(call.db, task)["configuration"].values()
        kept = [item for item in items if not names or item["name"] in names]
        found.append({"task": task, "configuration": kept})
    return {"configurations": found}


@endpoint("tasks.get_configuration_names")
def get_configuration_names(call: Call) -> Json:
    """Name the configuration items of a task: the schema has room for one."""
    task = call.need("tasks")[0]
    skip_empty = call.body.get("skip_empty") is not False
    items = documents.get_task(call.db, task)["configuration"].values()
    kept = [one for one in items if one.get("value") or not skip_empty]
    names = sorted(str(one["name"]) for one in kept)
    return {"configurations": {"task": task, "names": names}}


@endpoint("tasks.delete_configuration", takes=requests.ConfigurationKeys)
def delete_configuration(call: Call) -> Json:
    """Drop configuration items."""
    doc = documents.own_task(call)
    for name in call.need("configuration"):
        doc["configuration"].pop(name, None)
    documents.save_task(call.db, doc)
    return {"deleted": 1}


@endpoint("tasks.set_requirements", takes=requests.Requirements)
def set_requirements(call: Call) -> Json:
    """Note the packages."""
    doc = documents.own_task(call)
    doc["script"]["requirements"] = call.need("requirements")
    documents.save_task(call.db, doc)
    return {"updated": 1, "fields": {}}


@endpoint("tasks.add_or_update_artifacts", takes=requests.Artifacts)
def add_or_update_artifacts(call: Call) -> Json:
    """Add artifacts, or replace those of the same key and mode."""
    doc = documents.own_task(call)
    items = [shaped("artifact", one) for one in call.need("artifacts")]
    given = {
        (one["key"], mode): {**one, "mode": mode}
        for one in items
        for mode in [one.get("mode") or "output"]
    }
    kept = [
        one
        for one in doc["execution"].get("artifacts") or []
        if (one["key"], one.get("mode") or "output") not in given
    ]
    doc["execution"]["artifacts"] = [*kept, *given.values()]
    documents.save_task(call.db, doc)
    return {"updated": 1}


@endpoint("tasks.delete_artifacts", takes=requests.Artifacts)
def delete_artifacts(call: Call) -> Json:
    """Drop artifacts from the record."""
    doc = documents.own_task(call)
    gone = {(one["key"], one.get("mode") or "output") for one in call.need("artifacts")}
    doc["execution"]["artifacts"] = [
        one
        for one in doc["execution"].get("artifacts") or []
        if (one["key"], one.get("mode") or "output") not in gone
    ]
    documents.save_task(call.db, doc)
    return {"deleted": 1}


@endpoint("tasks.add_or_update_model")
def add_or_update_model(call: Call) -> Json:
    """Name a model as a task's input or output."""
    doc = documents.own_task(call)
    side = "input" if call.need("type") == "input" else "output"
    name, model = call.need("name"), call.need("model")
    rest = [one for one in doc["models"][side] if one["name"] != name]
    doc["models"][side] = [*rest, {"name": name, "model": model}]
    documents.save_task(call.db, doc)
    return {"updated": 1}


@endpoint("tasks.delete_models", takes=requests.ModelKeys)
def delete_models(call: Call) -> Json:
    """Drop a task's references to models."""
    doc = documents.own_task(call)
    for one in call.need("models"):
        side = one["type"]
        doc["models"][side] = [
            model for model in doc["models"][side] if model["name"] != one["name"]
        ]
    documents.save_task(call.db, doc)
    return {"updated": 1}


def _require_draft(call: Call, doc: Json) -> None:
    # An agent completes the record of a task that runs.
    if call.who.role is Role.AGENT:
        return
    if doc["status"] != "created" and not call.body.get("force"):
        msg = f"task {doc['id']} is {doc['status']}, no draft: use force"
        raise invalid_status(msg)
