"""What can go wrong while Waylab is set up.

InstallError            one sentence for the person at the terminal
└── StepError           a tool failed; the sentence names the log with its output
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


class InstallError(Exception):
    """Set-up cannot go on; the text says why and what to do."""


class StepError(InstallError):
    """A tool of a step failed."""

    def __init__(self, sentence: str, log: Path) -> None:
        """Keep the sentence and the file that holds the tool's output."""
        super().__init__(f"{sentence}\nThe tool's own words are in {log}")
        self.log = log
