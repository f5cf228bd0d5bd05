"""Who sees a project, as its owner sets it and as the projects below take it over."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from waylab_tracking.access import Role
from waylab_tracking.database import memberships, projects, shares, users
from waylab_tracking.errors import validation
from waylab_tracking.sight import GROUP, USER

Json = dict[str, Any]
MAX_MEMBERS = 1000
NOBODY = ""


class Visibility(StrEnum):
    """Who sees a project."""

    PUBLIC = "public"
    PRIVATE = "private"
    GROUP = "group"
    INHERIT = "inherit"


def rescope(db: sa.Connection) -> None:
    """Work out anew whose members see which project, after one moved or was shared."""
    rows = db.execute(
        sa.select(
            projects.c.id,
            projects.c.name,
            projects.c.visibility,
            projects.c.scope,
            projects.c.doc["company"].as_string().label("company"),
        )
    ).all()
    scopes: dict[str, str | None] = {}
    for row in sorted(rows, key=lambda one: one.name.count("/")):
        if row.company == "" or row.visibility == Visibility.PUBLIC:
            scope = None
        elif row.visibility:
            scope = row.id
        else:
            scope = scopes.get(row.name.rpartition("/")[0])
        scopes[row.name] = scope
        if scope != row.scope:
            mine = projects.c.id == row.id
            db.execute(projects.update().where(mine).values(scope=scope))


def scope_of(db: sa.Connection, project: str | None) -> str | None:
    """Give whose members see a project, for those that come below it."""
    mine = projects.c.id == project
    return db.execute(sa.select(projects.c.scope).where(mine)).scalar()


def share(
    db: sa.Connection,
    doc: Json,
    visibility: Visibility,
    members: Iterable[str],
    groups: Iterable[str],
) -> None:
    """Set who sees a project: its owner, and users and groups by name.

    Raises:
        ApiError: 400 for a user or group that is not known, and for members of a
            project that is everybody's.
    """
    people, named = _users(db, set(members)), _groups(db, set(groups))
    limited = visibility in (Visibility.PRIVATE, Visibility.GROUP)
    if (people or named) and not limited:
        msg = f"a {visibility.value} project has no members: make it private or group"
        raise validation(msg)
    if visibility is Visibility.GROUP and not named:
        msg = "field 'groups' is required: name the groups that see the project"
        raise validation(msg)
    if visibility is Visibility.PRIVATE and named:
        msg = "a private project is seen by users: visibility 'group' is for groups"
        raise validation(msg)
    db.execute(shares.delete().where(shares.c.project == doc["id"]))
    rows = []
    if limited:
        rows += [(USER, one) for one in {doc["user"], *people}]
        rows += [(GROUP, one) for one in named]
    for kind, member in rows:
        row = {"project": doc["id"], "kind": kind, "member": member}
        db.execute(shares.insert().values(row))
    kept = None if visibility is Visibility.INHERIT else visibility.value
    mine = projects.c.id == doc["id"]
    db.execute(projects.update().where(mine).values(visibility=kept, doc=doc))
    rescope(db)


def set_groups(db: sa.Connection, user: str, groups: Iterable[str]) -> None:
    """Set the groups that a user is in."""
    db.execute(memberships.delete().where(memberships.c.user == user))
    for group in sorted(set(groups)):
        db.execute(memberships.insert().values(user=user, group=group))


def take_groups(db: sa.Connection, groups: Mapping[str, Iterable[str]]) -> None:
    """Let all users be in these groups alone; who is not known yet comes later."""
    db.execute(memberships.delete())
    people = sa.select(users.c.id, users.c.name).where(users.c.active)
    ids = {row.name: row.id for row in db.execute(people)}
    for group, members in groups.items():
        # Nobody's: the group is there before any of its members has signed in.
        for user in {NOBODY, *(ids[one] for one in members if one in ids)}:
            db.execute(memberships.insert().values(user=user, group=group))


def known_users(db: sa.Connection) -> list[str]:
    """Name the people whom a project can be shared with."""
    roles = users.c.role.in_((Role.USER.value, Role.ADMIN.value))
    names = sa.select(users.c.name).where(users.c.active, roles)
    return sorted(db.execute(names).scalars())


def known_groups(db: sa.Connection) -> list[str]:
    """Name the groups that a project can be shared with."""
    return sorted(db.execute(sa.select(memberships.c.group).distinct()).scalars())


def told(db: sa.Connection, doc: Json) -> Json:
    """Tell who sees a project, what it says itself, and which above says it else."""
    row = db.execute(sa.select(projects).where(projects.c.id == doc["id"])).one()
    above = sa.select(projects.c.name, projects.c.visibility, projects.c.doc)
    ruling = db.execute(above.where(projects.c.id == row.scope)).first()
    people: list[str] = []
    groups: list[str] = []
    if ruling is not None:
        mine = shares.c.project == row.scope
        known = sa.select(users.c.name).join(shares, users.c.id == shares.c.member)
        by_user = known.where(mine, shares.c.kind == USER)
        people = sorted(db.execute(by_user).scalars())
        by_group = sa.select(shares.c.member).where(mine, shares.c.kind == GROUP)
        groups = sorted(db.execute(by_group).scalars())
    owner = sa.select(users.c.name).where(users.c.id == doc["user"])
    inherited = ruling is not None and row.scope != doc["id"]
    return {
        "id": doc["id"],
        "name": doc["name"],
        "owner": db.execute(owner).scalar() or doc["user"],
        "visibility": ruling.visibility if ruling else Visibility.PUBLIC.value,
        "own": row.visibility or Visibility.INHERIT.value,
        "inherited_from": ruling.name if inherited and ruling else None,
        "users": people,
        "groups": groups,
    }


def _users(db: sa.Connection, names: set[str]) -> set[str]:
    if len(names) > MAX_MEMBERS:
        msg = f"field 'users': at most {MAX_MEMBERS}, got {len(names)}: use a group"
        raise validation(msg)
    wanted = sa.and_(users.c.active, users.c.name.in_(names))
    found = {
        row.name: row.id
        for row in db.execute(sa.select(users.c.id, users.c.name).where(wanted))
    }
    if missing := sorted(names - set(found)):
        msg = f"field 'users': nobody here is named {missing[0][:100]!r}"
        raise validation(msg)
    return set(found.values())


def _groups(db: sa.Connection, names: set[str]) -> set[str]:
    known = known_groups(db)
    if missing := sorted(names - set(known)):
        listed = ", ".join(known) or "none"
        msg = (
            f"field 'groups': no group {missing[0][:100]!r} is known here (known: "
            f"{listed}). A group is known once one of its members has signed in, or "
            "the site declares it."
        )
        raise validation(msg)
    return names
