"""The manifest of a backup: what it holds, with sizes and hashes.

It is written last: a folder without one is no backup, however full it is.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from waylab_backup.errors import DamagedError

NAME = "manifest.json"
PIECE_BYTES = 1 << 20


def _inner(text: str) -> str:
    parts = PurePosixPath(text).parts
    if not parts or text.startswith("/") or ".." in parts or "\0" in text:
        msg = "must be a relative path without '..'"
        raise ValueError(msg)
    return text


InnerPath = Annotated[str, AfterValidator(_inner)]


class Kind(StrEnum):
    """How a file of a backup came to be."""

    FILE = "file"
    """A file of the state folder."""
    SQLITE = "sqlite"
    """A database of the state folder, as it was at one moment."""
    POSTGRES = "postgres"
    """A database of PostgreSQL, as `pg_dump` writes it."""


class Entry(BaseModel):
    """One file of a backup; `path` is relative to the backup and the state folder."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: InnerPath
    kind: Kind
    size_bytes: int = Field(ge=0)
    sha256: str
    mode: int = Field(ge=0, le=0o777)


class Manifest(BaseModel):
    """All that a backup holds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = 1
    waylab: str
    made_at: AwareDatetime
    root: str
    """The state folder that it was made of."""
    with_secrets: bool
    entries: tuple[Entry, ...]
    gone: tuple[str, ...]
    """Files that were seen, and deleted before they were copied."""
    elsewhere: str = ""
    """The store of the users' files where that is not the state folder."""
    digest: str
    """SHA-256 of the entries: none was added, changed or taken out."""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.digest != digest_of(self.entries):
            msg = "the list of files was changed"
            raise ValueError(msg)
        return self

    @property
    def size_bytes(self) -> int:
        """What all files take together."""
        return sum(entry.size_bytes for entry in self.entries)

    def of(self, kind: Kind) -> tuple[Entry, ...]:
        """Give the entries of a kind."""
        return tuple(entry for entry in self.entries if entry.kind is kind)

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read the manifest of a backup.

        Raises:
            DamagedError: there is none, or it was changed.
        """
        path = folder / NAME
        try:
            return cls.model_validate_json(path.read_bytes())
        except FileNotFoundError as error:
            msg = (
                f"{folder} is no backup, or one that was not finished: {NAME} is "
                "missing. Name the folder that `waylab backup` was given."
            )
            raise DamagedError(msg) from error
        except (OSError, ValidationError) as error:
            detail = (
                error.errors()[0]["msg"] if isinstance(error, ValueError) else error
            )
            msg = f"{path} cannot be read ({detail}): take another backup."
            raise DamagedError(msg) from error


def made(  # noqa: PLR0913 - the fields of a manifest.
    *,
    waylab: str,
    made_at: datetime,
    root: Path,
    with_secrets: bool,
    entries: Sequence[Entry],
    gone: Sequence[str],
    elsewhere: str = "",
) -> Manifest:
    """Give the manifest of what was copied."""
    ordered = tuple(sorted(entries, key=lambda entry: entry.path))
    return Manifest(
        waylab=waylab,
        made_at=made_at,
        root=str(root),
        with_secrets=with_secrets,
        entries=ordered,
        gone=tuple(gone),
        elsewhere=elsewhere,
        digest=digest_of(ordered),
    )


def digest_of(entries: Sequence[Entry]) -> str:
    """Give the hash of a list of entries."""
    listed = [entry.model_dump(mode="json") for entry in entries]
    text = json.dumps(listed, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def hash_of(path: Path) -> str:
    """Give the SHA-256 of a file."""
    found = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(PIECE_BYTES):
            found.update(piece)
    return found.hexdigest()
