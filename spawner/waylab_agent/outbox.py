"""Leases that are to be given back: kept on disk until the board has heard of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from waylab_agent.errors import JournalError
from waylab_agent.journal import replace_file
from waylab_ledger.values import Proof

_LEASE_ID = re.compile(r"[A-Za-z0-9_.:-]{1,128}")
_PROOF = TypeAdapter(Proof)


class Outbox:
    """One file for each lease and the proof on which it is given back."""

    def __init__(self, state: Path) -> None:
        """Make the folder (0700) if there is none.

        Raises:
            JournalError: it cannot be made.
        """
        self._folder = state / "releases"
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            msg = f"Cannot make the folder {self._folder}: {error.strerror}."
            raise JournalError(msg) from error

    def put(self, lease: str, proof: Proof) -> None:
        """Note durably that a lease is to be given back; the first proof stays.

        Raises:
            JournalError: the id is no plain word, or the disk refuses.
        """
        path = self._path(lease)
        if not path.exists():
            replace_file(path, _PROOF.dump_json(proof).decode(), durable=True)

    def entries(self) -> Iterator[tuple[str, Proof]]:
        """Give what is to be told; what is damaged is left out and swept up.

        Without its note a lease is freed by the node's reports, later.
        """
        for path in sorted(self._folder.glob("*.json")):
            try:
                yield path.stem, _PROOF.validate_json(path.read_bytes())
            except (OSError, ValidationError):
                path.unlink(missing_ok=True)

    def forget(self, lease: str) -> None:
        """Forget a lease that the board has heard of."""
        self._path(lease).unlink(missing_ok=True)

    def __contains__(self, lease: object) -> bool:
        """Say whether a lease is still to be told."""
        return isinstance(lease, str) and self._path(lease).exists()

    def _path(self, lease: str) -> Path:
        if not _LEASE_ID.fullmatch(lease):
            msg = f"The lease's id {lease!r} is not one that the board makes."
            raise JournalError(msg)
        return self._folder / f"{lease}.json"
