"""What the runner is told by its environment; the only reader of it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from waylab_clearml.credentials import Credentials
from waylab_clearml.errors import CredentialsError


@dataclass(frozen=True)
class Settings:
    """The task to run, the folder to run it in, and whose credentials to use.

    `environment` is what the kernel inherits.
    """

    task_id: str
    job_dir: Path
    credentials: Credentials
    environment: Mapping[str, str]

    @classmethod
    def from_environ(cls) -> Settings:
        """Read the environment.

        Raises:
            CredentialsError: the task's id or the credentials are missing.
        """
        env = dict(os.environ)
        task_id = env.get("CLEARML_TASK_ID", "")
        if not task_id:
            msg = (
                "CLEARML_TASK_ID is not set: the runner is started by an agent, not by "
                "hand. To run a notebook, use `waylab run`."
            )
            raise CredentialsError(msg)
        given = env.get("WAYLAB_JOB_DIR")
        job_dir = Path(given or tempfile.mkdtemp(prefix="waylab-job-"))
        job_dir.mkdir(parents=True, exist_ok=True)
        return cls(task_id, job_dir, Credentials.from_environ(env), env)
