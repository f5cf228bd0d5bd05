"""Runs scripts with the unmodified SDK, each in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from waylab_tracking.testing import Server

SETTINGS = """
sdk.development.report_use_subprocess: false
sdk.development.worker.report_period_sec: 0.5
"""
END = """
import json as _json, os as _os, pathlib as _pathlib
_pathlib.Path(_os.environ["RESULT"]).write_text(_json.dumps(result))
"""


@dataclass(frozen=True)
class Sdk:
    """A user at a keyboard: a home folder and keys."""

    server: Server
    home: Path
    keys: tuple[str, str]

    @property
    def output(self) -> Path:
        """Give the file with what the last script printed."""
        return self.home / "output.txt"

    def environment(self, **more: str) -> dict[str, str]:
        """Give the environment in which the SDK acts as the user."""
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("CLEARML", "TRAINS", "JUPYTER"))
        }
        settings = self.home / "clearml.conf"
        settings.write_text(SETTINGS, encoding="utf-8")
        return {
            **kept,
            "HOME": str(self.home),
            "CLEARML_CONFIG_FILE": str(settings),
            "CLEARML_CACHE_DIR": str(self.home / "cache"),
            "CLEARML_API_HOST": self.server.url,
            "CLEARML_WEB_HOST": self.server.web_url,
            "CLEARML_FILES_HOST": self.server.files_url,
            "CLEARML_API_ACCESS_KEY": self.keys[0],
            "CLEARML_API_SECRET_KEY": self.keys[1],
            "CLEARML_SUPPRESS_UPDATE_MESSAGE": "1",
            "MPLBACKEND": "agg",
            **more,
        }

    def run(self, script: str, *, seconds: float = 120, **more: str) -> Any:
        """Run a script and give what it left in `result`."""
        file = self.home / "script.py"
        file.write_text(textwrap.dedent(script) + END, encoding="utf-8")
        answer = self.home / "result.json"
        answer.unlink(missing_ok=True)
        done = subprocess.run(
            [sys.executable, str(file)],
            env=self.environment(RESULT=str(answer), **more),
            cwd=self.home,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
        output = f"{done.stdout}\n{done.stderr}"
        self.output.write_text(output, encoding="utf-8")
        assert done.returncode == 0, output
        for bad in ("Failed parsing", "Traceback", "Action failed"):
            assert bad not in output, output
        return json.loads(answer.read_text("utf-8"))
