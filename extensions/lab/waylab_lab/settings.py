"""What a lab is told by its environment; the only reader of it in this package."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from waylab_clearml.credentials import Credentials
from waylab_clearml.errors import CredentialsError

OUTPUT_FOLDER = "waylab-runs"


@dataclass(frozen=True)
class LabSettings:
    """Where the runs are, and where the starters lie.

    `credentials` is None where the lab has none; `credentials_problem` then says why
    in one sentence. `starters` is a folder of notebooks (it need not exist). `notice`
    is a sentence that the lab shows. The keys are renewed when they are `keys_days`
    old; never if that is 0.
    """

    credentials: Credentials | None
    starters: Path
    credentials_problem: str = field(default="")
    notice: str = ""
    keys_days: float = 0.0

    @classmethod
    def from_environ(cls, env: Mapping[str, str]) -> LabSettings:
        """Read `CLEARML_*`, `WAYLAB_TEMPLATES`, `_NO_CLEARML`, `_NOTICE`, `_KEYS_DAYS`.

        `WAYLAB_NO_CLEARML` is a sentence of whoever starts the lab: why it has no
        credentials.

        Missing credentials are no error here: the lab works without, and its views
        tell what is missing.
        """
        templates = env.get("WAYLAB_TEMPLATES") or str(
            Path(sys.prefix) / "share" / "waylab" / "templates"
        )
        starters = Path(templates) / "notebooks"
        notice = env.get("WAYLAB_NOTICE", "")
        try:
            days = float(env.get("WAYLAB_KEYS_DAYS") or 0)
            given = Credentials.from_environ(env)
            return cls(given, starters, notice=notice, keys_days=days)
        except CredentialsError as error:
            problem = env.get("WAYLAB_NO_CLEARML") or str(error)
            return cls(None, starters, problem, notice)
