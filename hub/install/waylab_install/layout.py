"""Where set-up finds its inputs and leaves its outputs in a clone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Layout:
    """The paths of one clone."""

    root: Path

    @property
    def venv(self) -> Path:
        """The virtual environment, made by set-up."""
        return self.root / ".venv"

    @property
    def bin(self) -> Path:
        """The programs of the virtual environment."""
        return self.venv / "bin"

    @property
    def python(self) -> Path:
        """The environment's interpreter."""
        return self.bin / "python"

    @property
    def records(self) -> Path:
        """What set-up remembers of itself: stamps and logs."""
        return self.venv / "waylab-install"

    @property
    def install(self) -> Path:
        """The locks, and this program."""
        return self.root / "hub" / "install"

    @property
    def proxy(self) -> Path:
        """The npm project that pins the proxy."""
        return self.install / "proxy"

    @property
    def lab(self) -> Path:
        """The lab extension, a distribution of its own."""
        return self.root / "extensions" / "lab"

    @property
    def ui(self) -> Path:
        """The views, which the lab and the tracking server's pages are made of."""
        return self.root / "extensions" / "ui"

    @property
    def web(self) -> Path:
        """The tracking server's pages, built."""
        return self.root / "hub" / "waylab_tracking" / "web"

    def lock(self, profile: str) -> Path:
        """Return the lock of a profile: `users`, or `dev` with the tests' tools."""
        name = "requirements-dev.txt" if profile == "dev" else "requirements.txt"
        return self.install / name
