"""The state folder of a site: what lies where, and how it is written.

Everything that Waylab keeps lies below one folder, `WAYLAB_HOME`, which belongs to
the account that runs it. As root the folder itself can be passed through (0711), so
that the users' own accounts reach their homes and jobs; what lies in it stays closed.
Where a parent folder bars the way (`/root` is 0700), homes and jobs live below
`/var/lib/waylab` instead; the choice is made once and kept in `places.json`.
"""

from __future__ import annotations

import json
import os
import secrets
import stat
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from platformdirs import user_data_path

from waylab_site.errors import StateError
from waylab_site.lock import Lock
from waylab_site.slug import slug

OPEN_ROOT = Path("/var/lib/waylab")


def default_root(environ: Mapping[str, str]) -> Path:
    """Give the state folder: `WAYLAB_HOME`, else the user's data folder."""
    named = environ.get("WAYLAB_HOME", "")
    root = Path(named).expanduser() if named else user_data_path("waylab")
    return Path(os.path.abspath(root))  # noqa: PTH100 - links stay as they are.


@dataclass(frozen=True)
class State:
    """The places of one site's state; `open` makes them."""

    root: Path
    site_id: str
    homes: Path
    agents: Path
    isolated: bool

    @classmethod
    def open(cls, root: Path, *, open_root: Path = OPEN_ROOT) -> Self:
        """Make what is missing of a state folder and give its places.

        Raises:
            StateError: the folder cannot be made or written, belongs to another
                account, or its `places.json` is damaged.
        """
        isolated = os.geteuid() == 0
        _make_folder(root, 0o711 if isolated else 0o700)
        for name in ("secrets", "hub", "board", "tracking", "logs", "run"):
            _make_folder(root / name, 0o700)
        places = _read_places(root) or _choose_places(root, open_root, isolated)
        for folder in (places.homes, places.agents):
            _make_folder(folder, 0o711 if isolated else 0o700)
        return cls._at(root, places)

    @classmethod
    def _at(cls, root: Path, places: _Places) -> Self:
        return cls(
            root=root,
            site_id=places.site_id,
            homes=places.homes,
            agents=places.agents,
            isolated=os.geteuid() == 0,
        )

    @classmethod
    def existing(cls, root: Path) -> Self:
        """Give the places of a state folder that `open` has made before.

        Raises:
            StateError: there is no such folder, or it may not be read.
        """
        try:
            places = _read_places(root)
        except PermissionError as error:
            msg = (
                f"{root} may not be read: run this as the account that runs Waylab, "
                "or name another folder in WAYLAB_HOME."
            )
            raise StateError(msg) from error
        if places is None:
            msg = (
                f"{root} is not the state folder of a site: start it with `waylab "
                "up`, or name the right folder in WAYLAB_HOME."
            )
            raise StateError(msg)
        return cls._at(root, places)

    @property
    def site_file(self) -> Path:
        """The site's declaration."""
        return self.root / "waylab.toml"

    @property
    def ports_file(self) -> Path:
        """The ports that were chosen at the first start."""
        return self.root / "ports.json"

    @property
    def secrets(self) -> Path:
        """The folder of secrets, 0700."""
        return self.root / "secrets"

    @property
    def hub(self) -> Path:
        """The hub's own folder: its database and users."""
        return self.root / "hub"

    @property
    def tracking(self) -> Path:
        """The embedded tracking server's folder."""
        return self.root / "tracking"

    @property
    def board(self) -> Path:
        """The board's folder: the ledger, and the nodes' tokens."""
        return self.root / "board"

    @property
    def node_keys(self) -> Path:
        """The folder of the nodes' tokens for the board."""
        return self.board / "nodes"

    @property
    def engines(self) -> Path:
        """The engines of simulated nodes, a folder each."""
        return self.root / "engines"

    @property
    def run(self) -> Path:
        """Locks and sockets of what runs."""
        return self.root / "run"

    @property
    def supervisor_socket(self) -> Path:
        """The supervisor's control socket."""
        return self.run / "supervisor.sock"

    @property
    def operator_file(self) -> Path:
        """The credentials with which the command line acts as the first admin."""
        return self.secrets / "operator.json"

    def agent(self, node: str) -> Path:
        """Give the folder of a node's agent."""
        return self.agents / slug(node)

    def log(self, program: str) -> Path:
        """Give the log file of a program."""
        return self.root / "logs" / f"{program}.log"

    def lock(self, program: str) -> Lock:
        """Give the lock of a program, not yet taken."""
        return Lock(program, self.run / f"{program}.lock")

    def secret_file(self, name: str) -> Path:
        """Give the 0600 file of a secret word, made on first use and kept.

        Raises:
            StateError: it cannot be written.
        """
        path = self.secrets / name
        if not path.exists():
            write_private(path, secrets.token_hex(32))
        return path

    def secret(self, name: str) -> str:
        """Give a secret word of 256 bits, made on first use and kept, 0600.

        Raises:
            StateError: it cannot be read or written.
        """
        path = self.secret_file(name)
        try:
            value = path.read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError) as error:
            msg = f"The secret {path} cannot be read: {error}. Restore or delete it."
            raise StateError(msg) from error
        if not value:
            msg = f"The secret {path} is empty: restore it, or delete it."
            raise StateError(msg)
        return value


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner may read, wholly or not at all.

    Raises:
        StateError: it cannot be written.
    """
    try:
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        temporary = Path(name)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    except OSError as error:
        msg = (
            f"Cannot write {path}: {error.strerror}. Make {path.parent} writable, or "
            "name another folder in WAYLAB_HOME."
        )
        raise StateError(msg) from error


def _make_folder(path: Path, mode: int) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
        found = path.stat()
        if found.st_uid != os.geteuid():
            msg = (
                f"{path} belongs to user id {found.st_uid}: run Waylab as that "
                "account, or name another folder in WAYLAB_HOME."
            )
            raise StateError(msg)
        if stat.S_IMODE(found.st_mode) != mode:
            path.chmod(mode)
    except OSError as error:
        msg = (
            f"Cannot use the state folder {path}: {error.strerror}. Make it writable, "
            "or name another folder in WAYLAB_HOME."
        )
        raise StateError(msg) from error
    if not os.access(path, os.W_OK | os.X_OK):
        msg = (
            f"Cannot write to the state folder {path}: make it writable, or name "
            "another folder in WAYLAB_HOME."
        )
        raise StateError(msg)


@dataclass(frozen=True)
class _Places:
    site_id: str
    homes: Path
    agents: Path


def _read_places(root: Path) -> _Places | None:
    path = root / "places.json"
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        return _Places(str(data["site_id"]), Path(data["homes"]), Path(data["agents"]))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except PermissionError:
        raise
    except (OSError, ValueError, KeyError, TypeError) as error:
        msg = f"{path} is damaged ({error}): restore it from a backup."
        raise StateError(msg) from error


def _choose_places(root: Path, open_root: Path, isolated: bool) -> _Places:
    site_id = secrets.token_hex(4)
    if isolated and barrier(root.parent) is not None:
        homes, agents = open_root / "homes" / site_id, open_root / "agents" / site_id
    else:
        homes, agents = root / "homes", root / "agents"
    places = {"site_id": site_id, "homes": str(homes), "agents": str(agents)}
    write_private(root / "places.json", json.dumps(places, indent=2) + "\n")
    return _Places(site_id, homes, agents)


def barrier(path: Path) -> Path | None:
    """Give the first folder on the way to `path` that others may not pass.

    None means that every account of the machine reaches it.
    """
    way = path.resolve()
    for folder in (*reversed(way.parents), way):
        if not folder.stat().st_mode & stat.S_IXOTH:
            return folder
    return None
