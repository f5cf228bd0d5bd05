"""The journal: what is done, kept in a file that survives a kill at any point."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from waylab_migrate.errors import MigrationError


class Journal:
    """Facts by kind and id, each written through to the disk before it counts."""

    def __init__(self, path: Path, route: tuple[str, str]) -> None:
        """Read what an earlier run left; `route` names the two servers.

        Raises:
            MigrationError: the file belongs to other servers, or is no journal.
        """
        self._facts: dict[tuple[str, str], Any] = {}
        whole = 0
        if path.exists():
            for line in path.read_bytes().splitlines(keepends=True):
                if not line.endswith(b"\n"):
                    break  # The kill came in the middle of this line.
                try:
                    kind, key, value = json.loads(line)
                except ValueError as error:
                    msg = f"{path} is no journal of a migration"
                    raise MigrationError(msg) from error
                self._facts[kind, key] = value
                whole += len(line)
            os.truncate(path, whole)
        self._file = path.open("ab")
        path.chmod(0o600)
        known = self.get("route", "")
        if known is None:
            self.note("route", "", list(route))
        elif known != list(route):
            msg = f"{path} is the journal of another migration, {' -> '.join(known)}"
            raise MigrationError(msg)

    def get(self, kind: str, key: str) -> Any:
        """Give what was noted, None if nothing was."""
        return self._facts.get((kind, key))

    def of_kind(self, kind: str) -> dict[str, Any]:
        """Give all facts of a kind by id."""
        return {key: value for (one, key), value in self._facts.items() if one == kind}

    def note(self, kind: str, key: str, value: Any = True) -> None:
        """Write a fact down; it is on the disk when this returns."""
        line = json.dumps([kind, key, value]) + "\n"
        self._file.write(line.encode())
        self._file.flush()
        os.fsync(self._file.fileno())
        self._facts[kind, key] = value

    def close(self) -> None:
        """Let the file go."""
        self._file.close()
