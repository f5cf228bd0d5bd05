"""Who sees what: the one predicate behind every list, record, page and file.

A project is everybody's, or its members' alone; what it holds is seen by who sees it,
by its own owner, and by everybody where it was made public itself. Admins see all. An
agent sees the tasks that wait and those that it took, and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa

from waylab_tracking.access import Kind, Role
from waylab_tracking.database import (
    claims,
    entries,
    memberships,
    models,
    projects,
    shares,
    tasks,
    workers,
)
from waylab_tracking.errors import (
    forbidden,
    invalid_model,
    invalid_project,
    invalid_task,
)
from waylab_tracking.identity import Principal

Condition = sa.ColumnElement[bool]
USER, GROUP = "user", "group"


def tasks_seen(db: sa.Connection, who: Principal) -> Condition:
    """Give the condition on `tasks` under which somebody sees one."""
    if who.role is Role.AGENT:
        waiting = tasks.c.id.in_(sa.select(entries.c.task))
        return sa.or_(waiting, tasks.c.id.in_(_taken(who)))
    if _sees_all(db, who):
        return sa.true()
    return sa.or_(
        tasks.c.project.not_in(_hidden(who)),
        tasks.c.user == who.id,
        tasks.c.head["company"].as_string() == "",
    )


def models_seen(db: sa.Connection, who: Principal) -> Condition:
    """Give the condition on `models` under which somebody sees one."""
    if who.role is Role.AGENT:
        return sa.false()
    if _sees_all(db, who):
        return sa.true()
    return sa.or_(
        models.c.project.not_in(_hidden(who)),
        models.c.doc["user"].as_string() == who.id,
        models.c.doc["company"].as_string() == "",
    )


def projects_seen(db: sa.Connection, who: Principal) -> Condition:
    """Give the condition on `projects` under which somebody sees one."""
    if who.role is Role.AGENT:
        return sa.false()
    if _sees_all(db, who):
        return sa.true()
    return sa.or_(projects.c.scope.is_(None), projects.c.scope.in_(_mine(who)))


def seen(db: sa.Connection, who: Principal, table: sa.Table) -> Condition:
    """Give the condition on `tasks`, `models` or `projects`, whichever it is."""
    return {tasks: tasks_seen, models: models_seen, projects: projects_seen}[table](
        db, who
    )


def reporters_seen(db: sa.Connection, who: Principal, column: Any) -> Condition:
    """Give the condition under which somebody sees the task or model of a column."""
    conditions = [seen(db, who, table) for table in (tasks, models)]
    if all(one.compare(sa.true()) for one in conditions):
        return sa.true()
    return sa.or_(
        column.in_(sa.select(tasks.c.id).where(conditions[0])),
        column.in_(sa.select(models.c.id).where(conditions[1])),
    )


def require(
    db: sa.Connection, who: Principal, kind: Kind, ids: Iterable[object]
) -> None:
    """Refuse what somebody does not see as what is not there; the rest passes.

    Raises:
        ApiError: 400 with the code of an unknown id.
    """
    wanted = [one for one in ids if isinstance(one, str)]
    for table, condition, error in _kinds(db, who, kind):
        if condition.compare(sa.true()) or not wanted:
            continue
        unseen = sa.select(table.c.id).where(table.c.id.in_(wanted), ~condition)
        found = db.execute(unseen.limit(1)).scalar()
        if found is not None:
            raise error(found)


def require_own(
    db: sa.Connection, who: Principal, kind: Kind, ids: Iterable[object]
) -> None:
    """Refuse what somebody may see and not change; what is not there passes.

    Raises:
        ApiError: 403.
    """
    for one in ids:
        for table in _TABLES[kind]:
            owner = _owner(db, table, one)
            if owner is None:
                continue
            worker = kind is Kind.WORKER
            mine = who.is_operator or owner == who.id
            if not (mine if worker else may_change(db, who, one, owner)):
                msg = f"{kind.value} {one} belongs to another user"
                raise forbidden(msg)


def may_change(db: sa.Connection, who: Principal, one: object, owner: str) -> bool:
    """Say whether somebody may change a thing of that owner: agents, what they took."""
    if who.role is Role.AGENT:
        return holds(db, who, one)
    return who.is_operator or owner == who.id


def holds(db: sa.Connection, who: Principal, task: object) -> bool:
    """Say whether an agent is the last who took this task."""
    taken = _taken(who).where(claims.c.task == task)
    return db.execute(taken).first() is not None


def _sees_all(db: sa.Connection, who: Principal) -> bool:
    """Say whether there is nothing to hide: then lists cost nothing more."""
    if who.is_operator:
        return True
    scoped = sa.select(projects.c.id).where(projects.c.scope.is_not(None)).limit(1)
    return db.execute(scoped).first() is None


def _hidden(who: Principal) -> sa.Select[Any]:
    scope = projects.c.scope
    return sa.select(projects.c.id).where(scope.is_not(None), scope.not_in(_mine(who)))


def _mine(who: Principal) -> sa.Select[Any]:
    """Select the projects whose members somebody is among, alone or by a group."""
    groups = sa.select(memberships.c.group).where(memberships.c.user == who.id)
    alone = sa.and_(shares.c.kind == USER, shares.c.member == who.id)
    by_group = sa.and_(shares.c.kind == GROUP, shares.c.member.in_(groups))
    return sa.select(shares.c.project).where(sa.or_(alone, by_group))


def _taken(who: Principal) -> sa.Select[Any]:
    return sa.select(claims.c.task).where(
        sa.or_(claims.c.user == who.id, claims.c.user.is_(None))
    )


_TABLES = {
    Kind.TASK: (tasks,),
    Kind.MODEL: (models,),
    Kind.PROJECT: (projects,),
    Kind.REPORTER: (tasks, models),
    Kind.WORKER: (workers,),
}


def _kinds(db: sa.Connection, who: Principal, kind: Kind) -> Iterable[Any]:
    known: dict[sa.Table, Any] = {
        tasks: (tasks_seen, invalid_task),
        models: (models_seen, invalid_model),
        projects: (projects_seen, invalid_project),
    }
    for table in _TABLES[kind]:
        if table not in known:
            continue  # Everybody sees who works here.
        condition, error = known[table]
        yield table, condition(db, who), error


def _owner(db: sa.Connection, table: sa.Table, one: object) -> str | None:
    column = table.c.user if table is tasks else table.c.doc["user"].as_string()
    found = db.execute(sa.select(column).where(table.c.id == one)).scalar()
    return None if found is None else str(found)
