"""What the board waits for, in sentences; each is logged when it comes and goes."""

from __future__ import annotations

import logging

_log = logging.getLogger(__name__)


class Troubles:
    """The present troubles, by what they are about."""

    def __init__(self) -> None:
        """All is well at first."""
        self._present: dict[str, str] = {}

    def begin(self, about: str, sentence: str) -> None:
        """Note a trouble; a second sentence about the same replaces the first."""
        if about not in self._present:
            _log.warning("%s", sentence)
        self._present[about] = sentence

    def end(self, about: str) -> None:
        """Note that a trouble is over."""
        if self._present.pop(about, None) is not None:
            _log.info("%s: well again", about)

    def sentences(self) -> tuple[str, ...]:
        """Give what there is now."""
        return tuple(self._present.values())

    def of(self, about: str) -> str:
        """Give the sentence about one thing, empty if it is well."""
        return self._present.get(about, "")

    def names(self) -> tuple[str, ...]:
        """Give what the present troubles are about."""
        return tuple(self._present)
