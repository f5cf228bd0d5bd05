"""What can go wrong in the board.

    BoardError
    ├── Denied          a caller may not do that; it becomes the HTTP answer
    ├── HubAway         the hub does not answer, or not usefully
    ├── HubRefuses      the hub says no; its words
    ├── SignInError     a sign-in failed; its text is for the user
    └── ConfigurationError   settings or files with which the board cannot start

What the ledger refuses is a `waylab_ledger.errors.LedgerError`.
"""

from __future__ import annotations


class BoardError(Exception):
    """The root of this package's errors."""


class Denied(BoardError):  # noqa: N818 - the name is the answer.
    """A request that is refused, with its HTTP status and a code for programs."""

    def __init__(self, status: int, code: str, message: str) -> None:
        """Keep what the answer is made of."""
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message


class HubAway(BoardError):  # noqa: N818 - a condition that passes.
    """The hub does not answer, or not usefully."""


class HubRefuses(BoardError):  # noqa: N818 - the hub's word.
    """The hub says no."""

    def __init__(self, status: int, message: str) -> None:
        """Keep the answer."""
        super().__init__(message)
        self.status = status


class SignInError(BoardError):
    """The sign-in failed; its text is for the user."""


class KeysError(BoardError):
    """A user's ClearML keys cannot be taken; its text is for the user."""


class ConfigurationError(BoardError):
    """With these settings or files the board cannot start."""


def bad_request(message: str) -> Denied:
    """Refuse what makes no sense."""
    return Denied(400, "invalid", message)


def not_signed_in(message: str) -> Denied:
    """Refuse a caller whom nobody knows."""
    return Denied(401, "unauthorized", message)


def forbidden(message: str) -> Denied:
    """Refuse a caller who may not."""
    return Denied(403, "forbidden", message)
