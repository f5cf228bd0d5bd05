"""ClearML's patterns (case aside), found in a time that only grows with the text."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import re2

from waylab_tracking.errors import validation

# No name, comment or list of a few hundred escaped names is longer.
MAX_LENGTH = 10_000
# What one pattern may take once compiled: some thousand steps.
MAX_MEMORY_BYTES = 1 << 20


def search(pattern: str, text: object) -> bool:
    """Say whether a pattern is found in a text; 400/800 for what is no pattern.

    Patterns are those of RE2, which has neither backreferences nor looking around:
    what no pattern of the official clients has, and what lets one run for hours.
    """
    # Half of a surrogate pair, which JSON can hold, is found by nothing.
    read = str(text or "").encode(errors="replace")
    return _expression(str(pattern)).search(read) is not None


@lru_cache(256)
def _expression(pattern: str) -> Any:
    if len(pattern) > MAX_LENGTH:
        msg = (
            f"the pattern {pattern[:100]!r}... has {len(pattern)} characters, and "
            f"{MAX_LENGTH} are read; name less at once"
        )
        raise validation(msg)
    try:
        return re2.compile(pattern.encode(), _options())
    except (re2.error, UnicodeEncodeError) as error:
        why = str(error.args[0] if isinstance(error, re2.error) else error)
        msg = f"{pattern[:100]!r} is no pattern of RE2: {why}"
        raise validation(msg) from error


def _options() -> Any:
    options = re2.Options()
    options.case_sensitive = False
    options.never_capture = True
    options.log_errors = False
    options.max_mem = MAX_MEMORY_BYTES
    return options
