"""Schemas of answers that the official packages have none of, written by hand.

What ClearML's own pages call (`*_get_all_ex`) is as the plain lists are; the rest is
what its documentation, or the code of the clients that read it, says.
"""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]

# Answered as another endpoint is, whose schema the SDK has.
ALIASES = {
    "models.get_all_ex": "models.get_all",
    "projects.get_all_ex": "projects.get_all",
    "queues.get_all_ex": "queues.get_all",
    "reports.archive": "tasks.archive",
    "reports.move": "tasks.move",
    "reports.publish": "tasks.publish",
    "reports.update": "tasks.edit",
    "tasks.get_all_ex": "tasks.get_all",
    "tasks.get_by_id_ex": "tasks.get_by_id",
}


def _object(optional: tuple[str, ...] = (), /, **fields: Any) -> Json:
    required = [name for name in fields if name not in optional]
    return {"type": "object", "properties": fields, "required": required}


def _list(item: Json) -> Json:
    return {"type": "array", "items": item}


def _map(item: Json) -> Json:
    return {"type": "object", "additionalProperties": item}


def _or_null(schema: Json) -> Json:
    return {"anyOf": [schema, {"type": "null"}]}


TEXT: Json = {"type": "string"}
TEXT_OR_NULL: Json = {"type": ["string", "null"]}
INTEGER: Json = {"type": "integer"}
NUMBER: Json = {"type": "number"}
TRUTH: Json = {"type": "boolean"}
NOTHING = _object()
ANYTHING: Json = {"type": "object"}
USER = _object(id=TEXT, name=TEXT, company=TEXT)
NAMED = _object(id=TEXT, name=TEXT)
PROPERTY = _object(
    ("type", "value", "expiry"),
    key=TEXT,
    value=TEXT_OR_NULL,
    type=TEXT_OR_NULL,
    expiry=TEXT_OR_NULL,
)
EXPIRED = _object(
    task=TEXT,
    name=TEXT,
    user=TEXT,
    part={"enum": ["run", "log", "images"]},
    last_update=TEXT,
    size_bytes=INTEGER,
    kept_by=TEXT_OR_NULL,
)
ROLE: Json = {"enum": ["system", "admin", "agent", "user"]}
ACROSS = {"anyOf": [_list(INTEGER), _list(TEXT)]}
CURVE = _object(name=TEXT, x=ACROSS, y=_list(NUMBER))
ENDPOINT = _object(
    endpoint=TEXT_OR_NULL,
    model=TEXT_OR_NULL,
    url=TEXT_OR_NULL,
    instances=INTEGER,
    last_update=TEXT,
    requests_num=NUMBER,
    requests_min=NUMBER,
    uptime_sec=NUMBER,
    latency_ms=NUMBER,
)
SHARING = _object(
    id=TEXT,
    name=TEXT,
    owner=TEXT,
    visibility={"enum": ["public", "private", "group"]},
    own={"enum": ["public", "private", "group", "inherit"]},
    inherited_from=TEXT_OR_NULL,
    users=_list(TEXT),
    groups=_list(TEXT),
    may_change=TRUTH,
)

SCHEMAS: dict[str, Json] = {
    "debug.echo": ANYTHING,
    "debug.ex": NOTHING,
    "debug.apiex": NOTHING,
    "events.multi_task_scalar_metrics_iter_histogram": _map(_map(_map(CURVE))),
    "events.scalar_metrics_iter_histogram": _map(_map(CURVE)),
    "reports.create": _object(id=TEXT, project_id=TEXT),
    "reports.delete": _object(deleted=TRUTH),
    "reports.get_tags": _object(tags=_list(TEXT)),
    "reports.unarchive": _object(unarchived=INTEGER),
    "routers.get_routes": _object(routes=_list(ANYTHING)),
    "server.config": _object(config=NOTHING),
    "server.info": _object(
        version=TEXT, build=TEXT, commit=TEXT, uid=TEXT, api_version=TEXT
    ),
    "serving.container_status_report": NOTHING,
    "serving.get_endpoints": _object(endpoints=_list(ENDPOINT)),
    "serving.register_container": NOTHING,
    "tasks.unarchive": _object(unarchived=INTEGER),
    "users.get_all": _object(users=_list(USER)),
    "users.get_all_ex": _object(users=_list(USER)),
    "users.get_by_id": _object(user=_or_null(USER)),
    "users.get_current_user": _object(
        user=_object(id=TEXT, name=TEXT, role=ROLE, company=NAMED)
    ),
    "users.get_preferences": _object(preferences=NOTHING),
    "users.get_vaults": _object(vaults=_list(ANYTHING)),
    "waylab.end_keys": _object(revoked=INTEGER),
    "waylab.ensure_user": _object(id=TEXT, created=TRUTH),
    "waylab.get_expired": _object(
        rules=_object(archived_days=NUMBER, logs_days=NUMBER, images_days=NUMBER),
        total=INTEGER,
        runs=_list(EXPIRED),
    ),
    "waylab.get_sharing": _object(
        projects=_list(SHARING),
        known_users=_list(TEXT),
        known_groups=_list(TEXT),
    ),
    "waylab.job_token": _object(token=TEXT, user=NAMED, expires_in=INTEGER),
    "waylab.remove_user": _object(removed=INTEGER),
    "waylab.renew_keys": _object(
        credentials=_object(access_key=TEXT, secret_key=TEXT, label=TEXT)
    ),
    "waylab.share_project": _object(project=SHARING),
    "workers.cluster_report": NOTHING,
    "workers.cluster_unregister": NOTHING,
    "workers.get_count": _object(count=INTEGER),
    "workers.get_runtime_properties": _object(runtime_properties=_list(PROPERTY)),
    "workers.set_runtime_properties": _object(
        added=_list(TEXT), removed=_list(TEXT), errors=_list(TEXT)
    ),
}
