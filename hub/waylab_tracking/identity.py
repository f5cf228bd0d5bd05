"""Who is asking: principals, key pairs and tokens.

A token is a JWT with the claims that the official SDK reads. A job's token acts for
the task's owner, and only while the task is claimed or runs.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
import time
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

import jwt
import sqlalchemy as sa

from waylab_tracking.database import credentials, entries, tasks, users
from waylab_tracking.errors import unauthorized
from waylab_tracking.moment import new_id, now

API_VERSION = "2.23"
SERVER_VERSION = "2.0.0"
TOKEN_SECONDS = 30 * 24 * 3600
JOB_TOKEN_SECONDS = 2 * 3600
COMPANY = "waylab"
SYSTEM_ID = "system"


class Role(StrEnum):
    """What a principal may do."""

    SYSTEM = "system"
    ADMIN = "admin"
    AGENT = "agent"
    USER = "user"


@dataclass(frozen=True)
class Principal:
    """Who is asking; `task` is set for a job's token."""

    id: str
    name: str
    role: Role
    task: str | None = None

    @property
    def is_operator(self) -> bool:
        """Whether every task may be changed."""
        return self.role in (Role.SYSTEM, Role.ADMIN)


SYSTEM = Principal(SYSTEM_ID, "system", Role.SYSTEM)


class Identity:
    """Issues and checks tokens with the server's own secret."""

    def __init__(self, state: Path, system_key_file: Path | None) -> None:
        """Read the secrets, making them on the first start."""
        self._secret = _own_file(
            state / "jwt.secret", lambda: secrets.token_hex(32)
        ).strip()
        self.cookie_secret = digest(f"cookies {self._secret}")
        path = system_key_file or state / "system.json"
        self.system_keys = json.loads(
            _own_file(
                path,
                lambda: json.dumps(
                    {
                        "access_key": secrets.token_hex(16),
                        "secret_key": secrets.token_urlsafe(32),
                    }
                ),
            )
        )

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
            claims["task"] = who.task
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
        found = find_user(db, user)
        task = claims.get("task")
        if task is not None and not is_active(db, str(task)):
            msg = "the job of this token is over"
            raise unauthorized(msg)
        return replace(found, task=task)

    def by_keys(self, db: sa.Connection, access: str, secret: str) -> Principal:
        """Give whose keys these are; 401 if they are nobody's."""
        known = self.system_keys
        if hmac.compare_digest(access, known["access_key"]):
            if hmac.compare_digest(secret, known["secret_key"]):
                return SYSTEM
            msg = "invalid credentials"
            raise unauthorized(msg, 22)
        row = db.execute(
            sa.select(credentials.c.user, credentials.c.secret_hash).where(
                credentials.c.access_key == access
            )
        ).first()
        if row is None or not hmac.compare_digest(row.secret_hash, digest(secret)):
            msg = "invalid credentials"
            raise unauthorized(msg, 22)
        return find_user(db, row.user)


def find_user(db: sa.Connection, user: str) -> Principal:
    """Give a user by id or name; 401 if there is none."""
    row = db.execute(
        sa.select(users).where(sa.or_(users.c.id == user, users.c.name == user))
    ).first()
    if row is None:
        msg = "no such user"
        raise unauthorized(msg)
    return Principal(row.id, row.name, Role(row.role))


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


def _own_file(path: Path, make: Any) -> str:
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_name(path.name + ".new")
        fresh.touch(mode=0o600)
        fresh.write_text(make(), encoding="utf-8")
        fresh.replace(path)
    return path.read_text(encoding="utf-8")
