"""Who is asking: principals, key pairs and tokens.

A token is a JWT with the claims that the official SDK reads. A job's token acts for
the task's owner, and only while the task is claimed or runs.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import jwt
import sqlalchemy as sa

from waylab_tracking import executions
from waylab_tracking.access import Role
from waylab_tracking.database import credentials, entries, tasks, users
from waylab_tracking.errors import unauthorized
from waylab_tracking.moment import new_id, now

API_VERSION = "2.23"
SERVER_VERSION = "2.0.0"
TOKEN_SECONDS = 30 * 24 * 3600
JOB_TOKEN_SECONDS = 2 * 3600
COMPANY = "waylab"
SYSTEM_ID = "system"
# Nobody may bear such a name: they could be taken for the one with that id.
LIKE_ID = re.compile("[0-9a-f]{32}")


@dataclass(frozen=True)
class Principal:
    """Who is asking; `task` and `execution` are a job's token's, `key` a key pair's."""

    id: str
    name: str
    role: Role
    task: str | None = None
    key: str | None = None
    execution: str = ""

    @property
    def is_operator(self) -> bool:
        """Whether every task may be changed."""
        return self.role in (Role.SYSTEM, Role.ADMIN)


SYSTEM = Principal(SYSTEM_ID, "system", Role.SYSTEM)


class Identity:
    """Issues and checks tokens with the server's own secret."""

    def __init__(
        self,
        state: Path,
        system_key_file: Path | None,
        *,
        agents_get_tokens: bool = True,
    ) -> None:
        """Read the secrets, making them on the first start.

        `agents_get_tokens`: of jobs, for their owners.

        Raises:
            ValueError: the file of the system principal's keys cannot be used.
        """
        self._secret = _own_file(
            state / "jwt.secret", lambda: secrets.token_hex(32)
        ).strip()
        self.agents_get_tokens = agents_get_tokens
        self.cookie_secret = digest(f"cookies {self._secret}")
        self.system_keys = _key_pair(system_key_file or state / "system.json")

    def token(self, who: Principal, seconds: int = TOKEN_SECONDS) -> str:
        """Give a token for a principal."""
        issued = int(time.time())
        claims: dict[str, Any] = {
            "auth_type": "Bearer",
            "identity": {
                "user": who.id,
                "user_name": who.name,
                "company": COMPANY,
                "company_name": COMPANY,
                "role": who.role.value,
            },
            "iat": issued,
            "exp": issued + seconds,
            "env": "waylab",
            "session_id": new_id(),
            "api_version": API_VERSION,
            "server_version": SERVER_VERSION,
            "server_build": "waylab",
            "feature_set": "basic",
        }
        if who.task:
            claims["task"], claims["execution"] = who.task, who.execution
        if who.key:
            claims["key"] = who.key
        return jwt.encode(claims, self._secret, algorithm="HS256")

    def by_token(self, db: sa.Connection, token: str) -> Principal:
        """Give whose token this is; 401 if it is not valid (any more)."""
        try:
            claims = jwt.decode(token, self._secret, algorithms=["HS256"])
        except jwt.PyJWTError as error:
            msg = "invalid or expired token"
            raise unauthorized(msg) from error
        user = str(claims["identity"]["user"])
        if user == SYSTEM_ID:
            return SYSTEM
        found = user_by_id(db, user)
        task, key = claims.get("task"), claims.get("key")
        if key is not None and not _holds(db, user, key):
            msg = "the keys of this token were revoked"
            raise unauthorized(msg)
        if task is None:
            return replace(found, key=key)
        if not is_active(db, str(task)):
            msg = "the job of this token is over"
            raise unauthorized(msg)
        # One of a server that did not know executions yet names none.
        execution = str(claims.get("execution") or "")
        if execution != executions.current(db, str(task)):
            msg = f"this execution of task {task} was given up: another has its place"
            raise unauthorized(msg)
        return as_job(found, str(task), execution)

    def by_keys(self, db: sa.Connection, access: str, secret: str) -> Principal:
        """Give whose keys these are; 401 if they are nobody's."""
        known = self.system_keys
        if _same(access, known["access_key"]):
            if _same(secret, known["secret_key"]):
                return SYSTEM
            msg = "invalid credentials"
            raise unauthorized(msg, 22)
        row = db.execute(
            sa.select(credentials.c.user, credentials.c.secret_hash).where(
                credentials.c.access_key == access
            )
        ).first()
        if row is None or not _same(row.secret_hash, digest(secret)):
            msg = "invalid credentials"
            raise unauthorized(msg, 22)
        return replace(user_by_id(db, row.user), key=access)


def as_job(owner: Principal, task: str, execution: str) -> Principal:
    """Give who a job acts as: its owner, without an admin's powers."""
    role = Role.USER if owner.role is Role.ADMIN else owner.role
    return Principal(owner.id, owner.name, role, task=task, execution=execution)


def user_by_id(db: sa.Connection, user: str) -> Principal:
    """Give an active user by id; 401 if there is none."""
    return _one(db, users.c.id == user)


def user_by_name(db: sa.Connection, name: str) -> Principal:
    """Give an active user by name; 401 if there is none."""
    return _one(db, users.c.name == name)


def _one(db: sa.Connection, condition: sa.ColumnElement[bool]) -> Principal:
    row = db.execute(sa.select(users).where(condition, users.c.active)).first()
    if row is None:
        msg = "no such user"
        raise unauthorized(msg)
    return Principal(row.id, row.name, Role(row.role))


def _holds(db: sa.Connection, user: str, key: str) -> bool:
    mine = sa.and_(credentials.c.user == user, credentials.c.access_key == key)
    return db.execute(sa.select(credentials.c.user).where(mine)).first() is not None


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(), other.encode())


def is_active(db: sa.Connection, task: str) -> bool:
    """Say whether a task is claimed (queued, in no queue) or runs."""
    status = db.execute(sa.select(tasks.c.status).where(tasks.c.id == task)).scalar()
    if status == "queued":
        waiting = sa.select(entries.c.task).where(entries.c.task == task)
        return db.execute(waiting).first() is None
    return status == "in_progress"


def make_credentials(db: sa.Connection, user: str, label: str) -> dict[str, str]:
    """Make a key pair; only the secret's hash is kept."""
    access, secret = secrets.token_hex(16).upper(), secrets.token_urlsafe(36)
    db.execute(
        credentials.insert().values(
            access_key=access,
            # The secret has 288 random bits: a slow hash would add nothing.
            secret_hash=digest(secret),
            user=user,
            label=label,
            created=now(),
        )
    )
    return {"access_key": access, "secret_key": secret, "label": label}


def digest(secret: str) -> str:
    """Give what is kept of a secret."""
    return hashlib.sha256(secret.encode()).hexdigest()


def _key_pair(path: Path) -> dict[str, str]:
    def make() -> str:
        secret = secrets.token_urlsafe(32)
        keys = {"access_key": secrets.token_hex(16), "secret_key": secret}
        return json.dumps(keys)

    try:
        keys = json.loads(_own_file(path, make))
        found = {name: str(keys[name]) for name in ("access_key", "secret_key")}
    except (OSError, ValueError, KeyError, TypeError) as error:
        # Not the content: it is secret.
        problem = getattr(error, "strerror", None) or type(error).__name__
        msg = f"{path} must hold JSON with access_key and secret_key ({problem})"
        raise ValueError(msg) from error
    if not all(found.values()):
        msg = f"{path} has an empty key"
        raise ValueError(msg)
    return found


def _own_file(path: Path, make: Callable[[], str]) -> str:
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_name(path.name + ".new")
        fresh.touch(mode=0o600)
        fresh.write_text(make(), encoding="utf-8")
        fresh.replace(path)
    return path.read_text(encoding="utf-8")
