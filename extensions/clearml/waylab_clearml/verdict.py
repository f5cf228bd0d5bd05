"""How a run ended, and why: one closed list of reasons.

The runner writes the verdict; where the runner is gone, the agent does. It is kept
in three places: the task's status with `status_reason` (the reason's code) and
`status_message` (one sentence), the task's configuration item `waylab_verdict`, and
the file `verdict.json` in the folder named by the environment's `WAYLAB_JOB_DIR`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

CONFIGURATION_NAME = "waylab_verdict"
FILE_NAME = "verdict.json"
FORMAT = 1


class Reason(StrEnum):
    """Why a run ended; the codes are part of the product's contract."""

    COMPLETED = "completed"
    CELL_ERROR = "cell-error"
    SYSTEM_EXIT = "system-exit"
    KERNEL_DIED = "kernel-died"
    OUT_OF_MEMORY = "out-of-memory"
    TIMEOUT = "timeout"
    ABORTED = "aborted"
    AGENT_LOST = "agent-lost"
    KERNEL_MISSING = "kernel-missing"
    NOTEBOOK_INVALID = "notebook-invalid"
    BUNDLE_INVALID = "bundle-invalid"
    PARAMETER_INVALID = "parameter-invalid"
    IMAGE_MISSING = "image-missing"
    IMAGE_UNFIT = "image-unfit"
    START_FAILED = "start-failed"


class Outcome(StrEnum):
    """The task's final status that a verdict stands for."""

    COMPLETED = "completed"
    FAILED = "failed"
    STOPPED = "stopped"


@dataclass(frozen=True)
class Verdict:
    """The end of one run.

    `cell` is the cell's place in the output notebook, from 0 and code and markdown
    alike, for programs. `number` counts the code cells that run, from 1, as the
    console, the progress and `message` do: it is what people are shown. `message` is
    one sentence for people; `traceback` has no colour codes.
    """

    outcome: Outcome
    reason: Reason
    message: str
    cell: int | None = None
    cell_id: str | None = None
    ename: str | None = None
    evalue: str | None = None
    traceback: tuple[str, ...] = ()
    number: int | None = None

    def to_json(self) -> str:
        """Give the verdict as stored in the task and in `verdict.json`."""
        return json.dumps(
            {
                "format": FORMAT,
                "outcome": self.outcome.value,
                "reason": self.reason.value,
                "message": self.message,
                "cell": self.cell,
                "cell_id": self.cell_id,
                "number": self.number,
                "ename": self.ename,
                "evalue": self.evalue,
                "traceback": list(self.traceback),
            }
        )

    @classmethod
    def from_json(cls, text: str) -> Verdict | None:
        """Read a stored verdict; None if it is not one (of a format known here)."""
        try:
            data = json.loads(text)
        except ValueError:
            return None
        if not isinstance(data, Mapping) or data.get("format") != FORMAT:
            return None
        try:
            return cls(
                outcome=Outcome(data["outcome"]),
                reason=Reason(data["reason"]),
                message=str(data["message"]),
                cell=_optional_int(data.get("cell")),
                cell_id=_optional_str(data.get("cell_id")),
                number=_optional_int(data.get("number")),
                ename=_optional_str(data.get("ename")),
                evalue=_optional_str(data.get("evalue")),
                traceback=tuple(str(line) for line in data.get("traceback") or ()),
            )
        except (KeyError, TypeError, ValueError):
            return None


def _optional_str(value: object) -> str | None:
    return None if value is None else str(value)


def _optional_int(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
