"""Which Python the virtual environment is made from.

Started as root, labs and jobs run under other accounts, so the interpreter must be
one that those accounts can execute; a Python in root's home is not.
"""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from waylab_install.errors import InstallError

OLDEST = (3, 11)
_PROBE = """
import json, sys
found = {"version": sys.version_info[:2], "prefix": sys.base_prefix}
found["executable"] = getattr(sys, "_base_executable", sys.executable)
try:
    import ensurepip, venv
    found["venv"] = True
except ImportError:
    found["venv"] = False
print(json.dumps(found))
"""


@dataclass(frozen=True)
class Interpreter:
    """A Python that was asked what it is."""

    executable: Path
    prefix: Path
    version: tuple[int, int]
    has_venv: bool

    def barrier(self) -> Path | None:
        """Return the folder that keeps other accounts from executing it, or None."""
        return barrier(self.executable.resolve()) or barrier(self.prefix)

    def objection(self) -> str | None:
        """Return why no environment can be made from it, or None."""
        shown = ".".join(map(str, self.version))
        if self.version < OLDEST:
            return f"{self.executable} is {shown}, and 3.11 or newer is needed"
        if not self.has_venv:
            return (
                f"{self.executable} lacks the venv module; on Debian: "
                f"apt-get install python{shown}-venv"
            )
        return None


def barrier(path: Path) -> Path | None:
    """Return the first folder on the way, or the end, that not every account enters."""
    for place in (*reversed(path.parents), path):
        if not place.stat().st_mode & stat.S_IXOTH:
            return place
    return None


def probe(executable: Path) -> Interpreter | None:
    """Ask a Python what it is; None if it is no Python that answers."""
    try:
        answer = subprocess.run(
            [executable, "-I", "-c", _PROBE],
            capture_output=True,
            check=True,
            text=True,
            timeout=30,
        )
        found = json.loads(answer.stdout)
        return Interpreter(
            Path(found["executable"]),
            Path(found["prefix"]),
            (found["version"][0], found["version"][1]),
            found["venv"],
        )
    except (OSError, subprocess.SubprocessError, ValueError, KeyError):
        return None


def candidates() -> tuple[Path, ...]:
    """Return the Pythons to consider, the one that runs this program first."""
    named = [Path(sys.executable)]
    folders = [*os.environ.get("PATH", "").split(os.pathsep), "/usr/bin"]
    named += [Path(folder) / "python3" for folder in folders if folder]
    for minor in (13, 12, 11, 14):
        named += [Path("/usr/bin") / f"python3.{minor}"]
    named += [Path("/usr/local/bin/python3")]
    return tuple(dict.fromkeys(path for path in named if path.exists()))


def choose(among: Iterable[Path], *, for_other_accounts: bool) -> Interpreter:
    """Return the first Python that fits.

    With `for_other_accounts`, one that other accounts can execute is preferred, and
    any other serves only if there is none. Raises InstallError with every objection.
    """
    objections = []
    second_best = None
    for path in among:
        interpreter = probe(path)
        if interpreter is None:
            objections.append(f"{path} does not answer")
        elif why := interpreter.objection():
            objections.append(why)
        elif for_other_accounts and interpreter.barrier():
            second_best = second_best or interpreter
        else:
            return interpreter
    if second_best is not None:
        return second_best
    found = "; ".join(dict.fromkeys(objections)) or "none was found"
    message = (
        "Waylab needs a Python 3.11 or newer that can make virtual environments "
        f"({found}). Install one, or name one with WAYLAB_PYTHON=/path/to/python3."
    )
    raise InstallError(message)
