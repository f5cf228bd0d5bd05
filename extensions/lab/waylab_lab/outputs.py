"""Output notebooks of runs, saved where their user sees them."""

from __future__ import annotations

import json
import os
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path

from waylab_clearml import runs
from waylab_clearml.client import Client
from waylab_clearml.notebooks import sign
from waylab_clearml.runs import Progress, RunState

METADATA = "waylab"
_READ_ONLY = 0o444
_NAME_LENGTH = 80
_FINAL = frozenset({RunState.COMPLETED, RunState.FAILED, RunState.ABORTED})


@dataclass(frozen=True)
class SavedOutput:
    """Where an output notebook lies; `final` if nothing will be added to it.

    `changed` tells whether the file differs from what was there before.
    """

    path: Path
    final: bool
    changed: bool


class Outputs:
    """The folder of output notebooks, and how far those of live runs have been read."""

    def __init__(self, folder: Path) -> None:
        """Take the folder; it is made when first needed."""
        self.folder = folder
        self._read: dict[str, Progress | None] = {}

    def save(self, client: Client, run_id: str, user_id: str) -> SavedOutput:
        """Write a run's output notebook, as it stands, read-only.

        The outputs of the user's own runs are signed, so that rich outputs show. Those
        of others are not: their scripts must not run in this user's lab unasked.

        Raises:
            NotFound: no such run, or it has no output notebook (yet).
        """
        run = runs.get_run(client, run_id)
        path = self.folder / output_name(run.name, run.id)
        final = run.state in _FINAL
        if not final and path.exists() and self._read.get(run_id) == run.progress:
            return SavedOutput(path, final=False, changed=False)
        notebook = runs.live_notebook(client, run_id)
        # By this, a tab that the lab restores is known as a run's output, and followed.
        metadata = notebook["metadata"]
        metadata[METADATA] = {"run": run_id, "final": final}
        # A lab adds what is missing here when it opens a notebook, and takes it for
        # changed by its reader from then on.
        kernel = metadata.setdefault("kernelspec", {"name": "", "display_name": ""})
        metadata.setdefault("language_info", {"name": kernel.get("language", "")})
        content = json.dumps(notebook, ensure_ascii=False)
        self.folder.mkdir(parents=True, exist_ok=True)
        changed = not _holds(path, content)
        if changed:
            _replace(path, content)
            if run.owner_id == user_id:
                sign(path)
        if not final:
            self._read[run_id] = run.progress
        return SavedOutput(path, final, changed)


def output_name(name: str, run_id: str) -> str:
    """Give the file name for a run: readable, short, safe, and its own."""
    bare = re.sub(r"\.ipynb$", "", name)
    safe = re.sub(r"[^\w.{}()+=@ -]+", "_", bare).strip(" ._")[:_NAME_LENGTH].rstrip()
    return f"{safe or 'run'}-{run_id[:8]}.ipynb"


def _holds(path: Path, content: str) -> bool:
    try:
        return path.read_text(encoding="utf-8") == content
    except (OSError, UnicodeDecodeError):
        return False


def _replace(path: Path, content: str) -> None:
    """Write a file at once, so that no reader sees half of it."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".waylab-")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(content)
        Path(temporary).chmod(_READ_ONLY)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
