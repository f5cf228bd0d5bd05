"""What stays of a run: the output notebook, its page, the verdict, the status."""

from __future__ import annotations

import hashlib
import importlib
import logging
import os
import time
from pathlib import Path
from typing import Any

from waylab_clearml.client import Client
from waylab_clearml.errors import BadRequest, Forbidden
from waylab_clearml.verdict import CONFIGURATION_NAME, FILE_NAME, Outcome, Verdict
from waylab_runner.json_text import notebook_bytes
from waylab_runner.page_process import PageProcess

logger = logging.getLogger(__name__)

ENDPOINTS = {
    Outcome.COMPLETED: "tasks.completed",
    Outcome.FAILED: "tasks.failed",
    Outcome.STOPPED: "tasks.stopped",
}


class Results:
    """Puts a run's results where they stay; each step may be repeated."""

    def __init__(self, client: Client, task_id: str, folder: str) -> None:
        """Write for a task; `folder` is its place on the file server."""
        self._client = client
        self._task_id = task_id
        self._folder = f"{folder}/artifacts"

    def keep_notebook(self, notebook: Any, path: Path, stem: str) -> None:
        """Write the output notebook to `path`, upload it, sign it for this account."""
        content = notebook_bytes(notebook)
        path.write_bytes(content)
        self._add("notebook", f"{stem}.ipynb", content, "application/x-ipynb+json")
        importlib.import_module("nbformat.sign").NotebookNotary().sign(notebook)

    def keep_page(self, maker: PageProcess, notebook: Any, stem: str) -> None:
        """Have the notebook's page finished, and upload it.

        Raises:
            PageError: it could not be made.
        """
        page = maker.finish(notebook)
        self._add("html", f"{stem}.html", page, "text/html")

    def conclude(self, verdict: Verdict) -> None:
        """Write the verdict into the task, its status last."""
        item = {
            "name": CONFIGURATION_NAME,
            "type": "json",
            "description": "How the run ended, and why.",
            "value": verdict.to_json(),
        }
        body = {"task": self._task_id, "configuration": [item], "force": True}
        self._client.call("tasks.edit_configuration", body)
        ending = {
            "task": self._task_id,
            "status_reason": verdict.reason.value,
            "status_message": verdict.message,
        }
        try:
            self._client.call(ENDPOINTS[verdict.outcome], ending)
        except (BadRequest, Forbidden) as error:
            # Somebody has ended, reset or deleted the task meanwhile: theirs stands.
            logger.warning("The task's status was not changed: %s", error)

    def _add(self, key: str, name: str, content: bytes, kind: str) -> None:
        uri = self._client.upload(f"{self._folder}/{key}/{name}", content, kind)
        artifact = {
            "key": key,
            "type": "custom",
            "mode": "output",
            "uri": uri,
            "hash": hashlib.sha256(content).hexdigest(),
            "content_size": len(content),
            "timestamp": int(time.time()),
            "type_data": {"content_type": kind},
        }
        body = {"task": self._task_id, "artifacts": [artifact], "force": True}
        self._client.call("tasks.add_or_update_artifacts", body)


def write_verdict(verdict: Verdict, job_dir: Path) -> None:
    """Leave the verdict in the job's folder, whole or not at all."""
    draft = job_dir / f".{FILE_NAME}.part"
    with draft.open("w", encoding="utf-8") as file:
        file.write(verdict.to_json())
        file.flush()
        os.fsync(file.fileno())
    draft.replace(job_dir / FILE_NAME)
