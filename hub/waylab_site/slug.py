"""Names of users as names of folders and system accounts.

A slug holds lower-case letters, digits, `_` and `-` only. Two users never share one:
where something had to be changed, a hash of the user's whole name is added behind
`--`, and a name that holds `--` itself is always hashed.
"""

from __future__ import annotations

import hashlib
import re

_PLAIN = re.compile(r"[a-z0-9](?:-?[a-z0-9_])*")
_HASH_LENGTH = 8


def slug(name: str, *, max_length: int = 48) -> str:
    """Give the slug of a user's name, at most `max_length` characters long.

    Raises:
        ValueError: `max_length` leaves no room for the hash.
    """
    if max_length <= _HASH_LENGTH + 2:
        msg = f"max_length is {max_length}: ask for more than {_HASH_LENGTH + 2}."
        raise ValueError(msg)
    if len(name) <= max_length and _PLAIN.fullmatch(name):
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:_HASH_LENGTH]
    readable = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    kept = readable[: max_length - _HASH_LENGTH - 2].rstrip("-")
    return f"{kept or 'u'}--{digest}"
