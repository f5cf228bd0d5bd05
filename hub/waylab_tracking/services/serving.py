"""`serving.*`, `routers.*`: models that are served, as those tell who serve them."""

from __future__ import annotations

import time

import sqlalchemy as sa

from waylab_tracking import worker_requests
from waylab_tracking.database import servings
from waylab_tracking.errors import forbidden
from waylab_tracking.moment import now
from waylab_tracking.registry import Call, Json, endpoint

KEPT_SECONDS = 3600.0
COUNTS = ("requests_num", "requests_min", "uptime_sec")


@endpoint(
    "serving.register_container",
    "serving.container_status_report",
    takes=worker_requests.Serving,
)
def report(call: Call) -> Json:
    """A container serves a model, and tells how much."""
    container = str(call.need("container_id"))
    mine = servings.c.id == container
    known = call.db.execute(sa.select(servings.c.doc).where(mine)).scalar()
    if known is not None and known["user"] != call.who.id and not call.who.is_operator:
        msg = f"container {container} belongs to another user"
        raise forbidden(msg)
    told = {name: one for name, one in call.body.items() if one is not None}
    doc = {**(known or {}), **told, "user": call.who.id, "last_update": now()}
    call.db.execute(servings.delete().where(mine))
    call.db.execute(
        servings.insert().values(id=container, last_seen=time.time(), doc=doc)
    )
    return {}


@endpoint("serving.get_endpoints")
def get_endpoints(call: Call) -> Json:
    """List the endpoints that were heard of in the last hour, with what they did."""
    found: dict[tuple[str, str], Json] = {}
    alive = servings.c.last_seen >= time.time() - KEPT_SECONDS
    docs = call.db.execute(
        sa.select(servings.c.doc).where(alive).order_by(servings.c.id)
    )
    for doc in docs.scalars():
        url, name = str(doc.get("endpoint_url") or ""), str(doc.get("endpoint_name"))
        one = found.setdefault((name, url), {"instances": 0, **_named(doc)})
        one["instances"] += 1
        one["last_update"] = doc["last_update"]
        for count in COUNTS:
            one[count] = one.get(count, 0) + (doc.get(count) or 0)
        one["latency_ms"] = max(one.get("latency_ms", 0), doc.get("latency_ms") or 0)
    return {"endpoints": list(found.values())}


@endpoint("routers.get_routes", takes=worker_requests.Routes)
def get_routes(_: Call) -> Json:
    """List the routes of a server that routes to endpoints: this one has none."""
    return {"routes": []}


def forget(db: sa.Connection, at: float) -> None:
    """Drop the containers of which nothing was heard for long."""
    db.execute(servings.delete().where(servings.c.last_seen < at - KEPT_SECONDS))


def _named(doc: Json) -> Json:
    return {
        "endpoint": doc.get("endpoint_name"),
        "model": doc.get("model_name"),
        "url": doc.get("endpoint_url"),
    }
