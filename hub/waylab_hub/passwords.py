"""Passwords: made, judged, hashed (argon2id) and compared."""

from __future__ import annotations

import secrets

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from waylab_hub.errors import PasswordError

SHORTEST = 10
LONGEST = 256
# Neither 0/O nor 1/l/I: a generated password is also read and typed.
_ALPHABET = "abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"
_GENERATED_LENGTH = 16

_hasher = PasswordHasher()
# Compared with when there is no such user, so that the answer takes as long.
_NOBODY = _hasher.hash(secrets.token_hex(16))


def generate() -> str:
    """Give a random password of 93 bits."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(_GENERATED_LENGTH))


def check(password: str, user: str) -> None:
    """Refuse a password that is too short, too long or the user's name.

    Raises:
        PasswordError: with what to do instead; the password is not in it.
    """
    if len(password) < SHORTEST:
        msg = (
            f"The password has {len(password)} characters: take {SHORTEST} or more, "
            "for example four words."
        )
        raise PasswordError(msg)
    if len(password) > LONGEST:
        msg = f"The password has {len(password)} characters: take {LONGEST} or fewer."
        raise PasswordError(msg)
    if user and user in password.lower() and len(password) < len(user) + SHORTEST:
        msg = "The password is little more than the user's name: take another one."
        raise PasswordError(msg)


def hash_password(password: str) -> str:
    """Give the hash to store. Takes tens of milliseconds: not in an event loop."""
    return _hasher.hash(password)


def matches(stored: str | None, password: str) -> bool:
    """Compare a password with a stored hash; None stands for an unknown user.

    Takes tens of milliseconds either way: not in an event loop.
    """
    if len(password) > LONGEST:
        password = password[:LONGEST] + "\0too long"
    try:
        return _hasher.verify(stored or _NOBODY, password) and stored is not None
    except (VerificationError, InvalidHashError):
        return False
