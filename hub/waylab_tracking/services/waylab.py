"""`waylab.*`: what a ClearML Server has no endpoint for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from waylab_tracking import executions, fencing, requests, sharing, sight
from waylab_tracking.access import Role
from waylab_tracking.database import credentials, projects, users
from waylab_tracking.errors import (
    ApiError,
    forbidden,
    invalid_status,
    unauthorized,
    validation,
)
from waylab_tracking.identity import (
    COMPANY,
    JOB_TOKEN_SECONDS,
    LIKE_ID,
    as_job,
    is_active,
    make_credentials,
    user_by_id,
)
from waylab_tracking.moment import new_id, now
from waylab_tracking.registry import Call, Json, endpoint
from waylab_tracking.services import documents, retention
from waylab_tracking.settings import Retention

MAX_NAME = 200
SHOWN = 100
LAB = "lab:"
"""What the labels of labs' keys begin with."""


@endpoint("waylab.ensure_user", takes=requests.Member)
def ensure_user(call: Call) -> Json:
    """Make a user, or give the one of that name this role and these groups."""
    name = str(call.need("name"))
    try:
        role = Role(call.body.get("role") or "user")
    except ValueError as error:
        msg = f"there is no role {call.body.get('role')!r}"
        raise validation(msg) from error
    if LIKE_ID.fullmatch(name) or len(name) > MAX_NAME or not name.isprintable():
        msg = f"{name[:MAX_NAME]!r} cannot be a user's name"
        raise validation(msg)
    if role is Role.SYSTEM or name == "system":
        msg = "the system principal is not a user"
        raise validation(msg)
    row = call.db.execute(sa.select(users).where(users.c.name == name)).first()
    if row is not None:
        if (groups := call.body.get("groups")) is not None:
            sharing.set_groups(call.db, row.id, groups)
        call.db.execute(
            users.update().where(users.c.id == row.id).values(role=role.value)
        )
        return {"id": row.id, "created": False}
    user = new_id()
    call.db.execute(
        users.insert().values(
            id=user, name=name, role=role.value, created=now(), active=True
        )
    )
    sharing.set_groups(call.db, user, call.body.get("groups") or ())
    return {"id": user, "created": True}


@endpoint("waylab.remove_user")
def remove_user(call: Call) -> Json:
    """Remove a user and all keys; what the user made stays."""
    name = str(call.need("name"))
    row = call.db.execute(sa.select(users).where(users.c.name == name)).first()
    if row is None:
        return {"removed": 0}
    call.db.execute(credentials.delete().where(credentials.c.user == row.id))
    sharing.set_groups(call.db, row.id, ())
    # The row stays, under another name: tasks refer to it.
    call.db.execute(
        users.update()
        .where(users.c.id == row.id)
        .values(name=f"{name} (removed {row.id[:6]})", active=False)
    )
    return {"removed": 1}


@endpoint("waylab.end_keys", takes=requests.OldKeys)
def end_keys(call: Call) -> Json:
    """Revoke a user's keys of so many seconds whose label begins so; some are kept."""
    seconds = float(call.need("older_than_seconds"))
    oldest = (datetime.now(UTC) - timedelta(seconds=seconds)).isoformat()
    user = sa.select(users.c.id).where(users.c.name == call.need("user"))
    done = call.db.execute(
        credentials.delete().where(
            credentials.c.user.in_(user),
            credentials.c.label.startswith(call.need("label"), autoescape=True),
            credentials.c.label.not_in(call.body.get("keep") or []),
            credentials.c.created < oldest,
        )
    )
    return {"revoked": done.rowcount}


@endpoint("waylab.renew_keys")
def renew_keys(call: Call) -> Json:
    """Give a lab that uses its keys fresh ones, and revoke those before these."""
    mine = sa.and_(
        credentials.c.user == call.who.id, credentials.c.access_key == call.who.key
    )
    used = call.db.execute(sa.select(credentials).where(mine)).first()
    if used is None or call.who.task or not used.label.startswith(LAB):
        msg = "only a lab's own keys are renewed"
        raise validation(msg)
    call.db.execute(
        credentials.delete().where(
            credentials.c.user == call.who.id,
            credentials.c.label == used.label,
            credentials.c.created < used.created,
        )
    )
    return {"credentials": make_credentials(call.db, call.who.id, used.label)}


@endpoint("waylab.job_token")
def job_token(call: Call) -> Json:
    """Give the token with which a claimed task's job acts for its owner."""
    if call.who.role is Role.AGENT and not call.identity.agents_get_tokens:
        msg = "the board hands out the tokens of jobs here"
        raise forbidden(msg)
    task = documents.get_task(call.db, call.need("task"))
    if not is_active(call.db, task["id"]):
        msg = f"task {task['id']} is neither claimed nor running"
        raise invalid_status(msg)
    owner = user_by_id(call.db, task["user"])
    if owner.role is Role.AGENT:
        msg = "an agent owns no tasks"
        raise unauthorized(msg)
    fencing.refuse_given_up(call.db, call.origin, task["id"])
    execution = executions.current(call.db, task["id"])
    job = as_job(owner, task["id"], execution)
    token = call.identity.token(job, JOB_TOKEN_SECONDS)
    return {
        "token": token,
        "user": {"id": owner.id, "name": owner.name},
        "expires_in": JOB_TOKEN_SECONDS,
    }


@endpoint("waylab.get_sharing", takes=requests.Contents)
def get_sharing(call: Call) -> Json:
    """Tell who sees projects: those that are named, or all that the caller sees."""
    seen = sight.projects_seen(call.db, call.who)
    statement = sa.select(projects.c.doc).where(seen).order_by(projects.c.name)
    if wanted := call.body.get("projects"):
        statement = statement.where(projects.c.id.in_(wanted))
    docs = call.db.execute(statement).scalars().all()
    return {
        "projects": [
            {**sharing.told(call.db, doc), "may_change": _may_share(call, doc)}
            for doc in docs
        ],
        "known_users": sharing.known_users(call.db),
        "known_groups": sharing.known_groups(call.db),
    }


@endpoint("waylab.share_project", takes=requests.Membership)
def share_project(call: Call) -> Json:
    """Set who sees a project, and those below it that say nothing else.

    What is below another's project that is not everybody's is shared by that one.
    """
    doc = documents.own_project(call, call.need("project"))
    if (above := sharing.scope_of(call.db, doc.get("parent"))) is not None:
        documents.own_project(call, above)
    doc["company"] = COMPANY
    members, groups = call.body.get("users") or (), call.body.get("groups") or ()
    sharing.share(
        call.db, doc, sharing.Visibility(call.need("visibility")), members, groups
    )
    told = sharing.told(call.db, doc)
    return {"project": {**told, "may_change": _may_share(call, doc)}}


@endpoint("waylab.get_expired", takes=requests.Expiry)
def get_expired(call: Call) -> Json:
    """Tell what rules remove of old runs: those given, else the site's own.

    `kept_by` names the model that keeps an archived run from going wholly; `total` is
    of how many runs something is due, those among them.
    """
    given = {
        name: value
        for name in Retention.model_fields
        if (value := call.body.get(name)) is not None
    }
    rules = Retention(**given) if given else call.retention
    found = retention.due(call.db, rules, datetime.now(UTC))
    names = dict(call.db.execute(sa.select(users.c.id, users.c.name)).tuples().all())
    limit = call.body.get("limit") or SHOWN
    runs: list[Json] = []
    whole: set[str] = set()
    for one in found:
        if one.task in whole:
            continue
        if len(runs) == limit:
            break
        kept_by = retention.kept_by(call.db, one)
        if one.part is retention.Part.RUN and not kept_by:
            whole.add(one.task)
        shown = {
            "task": one.task,
            "name": one.name,
            "user": names.get(one.user, one.user),
            "part": one.part.value,
            "last_update": one.last_update,
            "size_bytes": retention.size_bytes(call.db, one),
            "kept_by": kept_by or None,
        }
        runs.append(shown)
    total = len({one.task for one in found})
    return {"rules": rules.model_dump(), "total": total, "runs": runs}


def _may_share(call: Call, doc: Json) -> bool:
    """Say whether `share_project` would be refused for whose the project is."""
    owned = [doc["id"], sharing.scope_of(call.db, doc.get("parent"))]
    try:
        for one in owned:
            if one is not None:
                documents.own_project(call, one)
    except ApiError:
        return False
    return True
