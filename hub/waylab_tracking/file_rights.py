"""Who may read and write which file, and how much each user may keep."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import unquote

import sqlalchemy as sa

from waylab_tracking import sight
from waylab_tracking.access import Role
from waylab_tracking.database import files, projects, tasks
from waylab_tracking.errors import ApiError, forbidden
from waylab_tracking.identity import Principal
from waylab_tracking.moment import now

TASK_FOLDER = re.compile(r"\.([0-9a-f]{32})$")
MIB = 1 << 20
Noted = Mapping[str, Any]
# Whose files are that nothing names any more: nobody's, until they are deleted.
NOBODY = ""
AT_ONCE = 500


def may_read(db: sa.Connection, who: Principal, key: str) -> bool:
    """Say whether somebody may read the file at a path."""
    if who.is_operator:
        return True
    wanted = tasks.c.id.in_(_task_ids(key))
    seen = sight.tasks_seen(db, who)
    found = db.execute(sa.select(seen).select_from(tasks).where(wanted)).scalars().all()
    if found:
        return all(found)
    owner = db.execute(sa.select(files.c.user).where(files.c.path == key)).scalar()
    if owner == who.id:
        return True
    return _is_open(db, who, key)


def check_write(db: sa.Connection, who: Principal, key: str) -> None:
    """Refuse to write, replace or delete what is another's.

    Raises:
        ApiError: 403.
    """
    if who.is_operator:
        return
    of_tasks = sa.select(tasks.c.user).where(tasks.c.id.in_(_task_ids(key)))
    found = db.execute(of_tasks).all()
    if any(row.user != who.id for row in found):
        msg = f"{key!r} is in the folder of another user's task"
        raise forbidden(msg)
    if found:
        return
    owner = db.execute(sa.select(files.c.user).where(files.c.path == key)).scalar()
    if owner not in (who.id, None):
        msg = f"{key!r} belongs to another user"
        raise forbidden(msg)
    if owner is None and not _is_open(db, who, key):
        msg = f"{key!r} is in the folder of a project that you do not see"
        raise forbidden(msg)


def used_bytes(db: sa.Connection, who: Principal, but: str) -> int:
    """Give what somebody keeps here beside the file at one path."""
    mine = sa.and_(files.c.user == who.id, files.c.path != but)
    total = sa.select(sa.func.sum(files.c.size_bytes)).where(mine)
    return int(db.execute(total).scalar() or 0)


def require_room(who: Principal, used: int, size: int, quota: int) -> None:
    """Refuse what would be over somebody's quota; 0 is none.

    Raises:
        ApiError: 507, with the figures and the remedy.
    """
    if not quota or who.role is Role.SYSTEM or used + size <= quota:
        return
    msg = (
        f"{who.name} keeps {used / MIB:.1f} MiB of files here, and each user may keep "
        f"{quota / MIB:.1f} MiB: {size / MIB:.1f} MiB more do not fit. Delete runs, "
        "datasets or models that you no longer need, or ask an admin for a larger "
        "files_quota_gib of the site."
    )
    raise ApiError(507, 0, msg)


def note(
    db: sa.Connection, who: Principal, key: str, size: int, quota: int
) -> Noted | None:
    """Note whose a file is, if it has room; give what was noted of it before.

    Raises:
        ApiError: 507 over the quota.
    """
    require_room(who, used_bytes(db, who, key) if quota else 0, size, quota)
    found = db.execute(sa.select(files).where(files.c.path == key)).mappings().first()
    before = None if found is None else {str(name): found[name] for name in found}
    row = {"path": key, "user": who.id, "size_bytes": size, "created": now()}
    put_back(db, key, row)
    return before


def put_back(db: sa.Connection, key: str, noted: Noted | None) -> None:
    """Have of a file what `note` gave; None: nothing is kept."""
    db.execute(files.delete().where(files.c.path == key))
    if noted is not None:
        db.execute(files.insert().values(noted))


def abandon(db: sa.Connection, keys: Sequence[str]) -> None:
    """Have files that are to be deleted: they are nobody's, and count for nobody."""
    for start in range(0, len(keys), AT_ONCE):
        some = files.c.path.in_(keys[start : start + AT_ONCE])
        db.execute(files.update().where(some).values(user=NOBODY))


def abandoned(db: sa.Connection, count: int) -> list[str]:
    """Name some of the files that are to be deleted."""
    left = sa.select(files.c.path).where(files.c.user == NOBODY).limit(count)
    return list(db.execute(left).scalars())


def is_abandoned(db: sa.Connection, key: str) -> bool:
    """Say whether a file is still to be deleted, and nobody stored it anew."""
    owner = db.execute(sa.select(files.c.user).where(files.c.path == key)).scalar()
    return owner == NOBODY


def _task_ids(key: str) -> list[str]:
    return [found[1] for part in key.split("/") if (found := TASK_FOLDER.search(part))]


def _is_open(db: sa.Connection, who: Principal, key: str) -> bool:
    """Say whether the project whose name a path begins with, if any, is seen."""
    parts = unquote(key).split("/")
    names = ["/".join(parts[:depth]) for depth in range(1, len(parts) + 1)]
    seen = sight.projects_seen(db, who)
    length = sa.func.length(projects.c.name)
    nearest = sa.select(seen).select_from(projects).where(projects.c.name.in_(names))
    found = db.execute(nearest.order_by(length.desc()).limit(1)).scalar()
    return found is None or bool(found)
