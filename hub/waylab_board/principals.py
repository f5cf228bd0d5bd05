"""Who speaks to the board."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from waylab_board.errors import forbidden
from waylab_ledger.values import HolderKind, Lease


class Role(StrEnum):
    """The three kinds of callers."""

    HUB = "hub"
    """The hub's own process: its spawner."""
    NODE = "node"
    """A node's agent."""
    USER = "user"
    """A person, or a program with a person's hub token."""


@dataclass(frozen=True)
class Principal:
    """A caller that proved who it is. `queues` and `node` are a node's."""

    role: Role
    name: str
    admin: bool = False
    groups: tuple[str, ...] = ()
    node: str = ""
    queues: tuple[str, ...] = ()

    def require_admin(self, what: str) -> None:
        """Let only admins pass.

        Raises:
            Denied: it is none.
        """
        if not self.admin:
            msg = f"Only an admin may {what}."
            raise forbidden(msg)

    def require_role(self, role: Role) -> None:
        """Let only one kind of callers pass.

        Raises:
            Denied: it is of another.
        """
        if self.role is not role:
            msg = f"This is for {role.value}s' tokens, not for a {self.role.value}'s."
            raise forbidden(msg)

    def whose_keys(self, user: str = "") -> str:
        """Give whose keys are asked for: the caller's own, or those of a named user.

        Raises:
            Denied: it is no user, or no admin and names another.
        """
        self.require_role(Role.USER)
        if user and user != self.name and not self.admin:
            msg = f"These are {user}'s keys, not yours."
            raise forbidden(msg)
        return user or self.name

    def may_end(self, user: str) -> bool:
        """Tell whether it may end what belongs to a user, or give it up."""
        return (
            self.admin
            or self.role is Role.HUB
            or (self.role is Role.USER and self.name == user)
        )

    def may_drive(self, lease: Lease) -> bool:
        """Tell whether it starts and ends the holder of a lease: hub or its node."""
        if self.role is Role.HUB:
            return lease.request.holder.kind is HolderKind.LAB
        return (
            self.role is Role.NODE
            and lease.request.holder.kind is HolderKind.JOB
            and lease.node == self.node
            and (lease.request.queue is None or lease.request.queue in self.queues)
        )
