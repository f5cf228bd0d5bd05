"""Tokens of nodes: made by spending a one-time invitation, kept hashed, revocable.

Each is a file of its own. A token is read from disk at every use, so that revoking it
works at once, also from another process.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import secrets
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from waylab_site.state import write_private

INVITATION_HOURS = 24
_INVITED = "invited by "
_ID_DIGITS = 16
_ID = re.compile(rf"^[0-9a-f]{{{_ID_DIGITS}}}$")


@dataclass(frozen=True)
class NodeKey:
    """A token of a node, or an invitation to make one, without the secret."""

    id: str
    node: str
    by: str
    made_at: datetime
    expires_at: datetime | None = None

    @property
    def is_invited(self) -> bool:
        """Whether it was made by spending an invitation."""
        return self.by.startswith(_INVITED)


class NodeKeys:
    """The tokens of all nodes, in a folder."""

    def __init__(self, folder: Path) -> None:
        """Make the folder if it is missing."""
        self._tokens = folder / "tokens"
        self._invitations = folder / "invitations"
        for path in (self._tokens, self._invitations):
            path.mkdir(parents=True, exist_ok=True, mode=0o700)

    def invite(
        self, node: str, by: str, now: datetime, key: str | None = None
    ) -> tuple[NodeKey, str]:
        """Make an invitation for a node and give it with the one-time token.

        Of those that are asked for with the same `key` only the last one is good: an
        answer that was lost leaves nothing behind.
        """
        until = now + timedelta(hours=INVITATION_HOURS)
        named = _hash(f"{by}\n{node}\n{key}")[:_ID_DIGITS]
        id_ = _fresh_id() if key is None else named
        return self._make(self._invitations, NodeKey(id_, node, by, now, until))

    def invited(self, invitation: str, now: datetime) -> str | None:
        """Give the node that an invitation is for; None if it is not good."""
        known = self._invitation(invitation, now)
        return None if known is None else known.node

    def join(self, invitation: str, now: datetime) -> tuple[NodeKey, str] | None:
        """Spend an invitation and give the node's new token; None if it is not good.

        The node's earlier tokens end.
        """
        known = self._invitation(invitation, now)
        if known is None:
            return None
        path = self._invitations / f"{known.id}.json"
        try:
            path.unlink()  # Of two that spend it at once, one gets this far.
        except FileNotFoundError:
            return None
        return self.issue(known.node, f"{_INVITED}{known.by}", now)

    def issue(self, node: str, by: str, now: datetime) -> tuple[NodeKey, str]:
        """Make a token for a node, without an invitation; its earlier ones end."""
        made = self._make(self._tokens, NodeKey(_fresh_id(), node, by, now))
        for old in self.tokens():
            if old.node == node and old.id != made[0].id:
                self.revoke(old.id)
        return made

    def node_of(self, token: str) -> str | None:
        """Give the node that a token belongs to; None if it is not good."""
        known = self._find(self._tokens, token)
        return None if known is None else known.node

    def tokens(self) -> tuple[NodeKey, ...]:
        """Give the tokens that are good."""
        return _all(self._tokens)

    def invitations(self, now: datetime) -> tuple[NodeKey, ...]:
        """Give the invitations that can still be spent."""
        return tuple(
            one
            for one in _all(self._invitations)
            if one.expires_at is None or one.expires_at >= now
        )

    def revoke(self, key: str) -> bool:
        """End a token or an invitation; False if there is none of that id."""
        if not _ID.match(key):
            return False
        ended = False
        for folder in (self._tokens, self._invitations):
            try:
                (folder / f"{key}.json").unlink()
            except FileNotFoundError:
                continue
            ended = True
        return ended

    def _make(self, folder: Path, key: NodeKey) -> tuple[NodeKey, str]:
        secret = secrets.token_urlsafe(32)
        stored = {**asdict(key), "sha256": _hash(secret)}
        write_private(folder / f"{key.id}.json", json.dumps(stored, default=str))
        return key, f"node-{key.id}-{secret}"

    def _invitation(self, token: str, now: datetime) -> NodeKey | None:
        known = self._find(self._invitations, token)
        is_over = known and known.expires_at is not None and known.expires_at < now
        return None if is_over else known

    def _find(self, folder: Path, token: str) -> NodeKey | None:
        kind, _, rest = token.partition("-")
        key, _, secret = rest.partition("-")
        if kind != "node" or not _ID.match(key):
            return None
        stored = _read(folder / f"{key}.json")
        if stored is None or not hmac.compare_digest(stored["sha256"], _hash(secret)):
            return None
        return _key(stored)


def _fresh_id() -> str:
    return secrets.token_hex(_ID_DIGITS // 2)


def _all(folder: Path) -> tuple[NodeKey, ...]:
    found = (_read(path) for path in folder.glob("*.json"))
    keys = [_key(stored) for stored in found if stored is not None]
    return tuple(sorted(keys, key=lambda key: (key.node, key.made_at)))


def _read(path: Path) -> dict[str, Any] | None:
    try:
        stored: dict[str, Any] = json.loads(path.read_text("utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    return stored


def _key(stored: dict[str, Any]) -> NodeKey:
    ends = stored["expires_at"]
    return NodeKey(
        id=stored["id"],
        node=stored["node"],
        by=stored["by"],
        made_at=datetime.fromisoformat(stored["made_at"]),
        expires_at=datetime.fromisoformat(ends) if ends else None,
    )


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
