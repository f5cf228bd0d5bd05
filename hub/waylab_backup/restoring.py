"""Checking a backup, and making a state folder of it."""

from __future__ import annotations

import json
import shutil
import stat
from collections.abc import Callable, Mapping
from pathlib import Path

from waylab_backup import postgres, sqlite
from waylab_backup.errors import BackupError, DamagedError
from waylab_backup.making import dump_path
from waylab_backup.manifest import Entry, Kind, Manifest, hash_of
from waylab_site.lock import Lock

VARIABLES = {
    "ledger": "WAYLAB_LEDGER_URL",
    "tracking": "WAYLAB_TRACKING_DATABASE_URL",
}

Say = Callable[[str], None]


def verify(folder: Path) -> Manifest:
    """Compare a backup with its manifest, and look through its databases.

    Raises:
        DamagedError: a file is missing, was changed, or is a damaged database.
    """
    manifest = Manifest.read(folder)
    for entry in manifest.entries:
        wrong = _wrong(folder, entry)
        if wrong:
            msg = f"{folder / entry.path} {wrong}: take another backup."
            raise DamagedError(msg)
        if entry.kind is Kind.SQLITE:
            sqlite.check(folder / entry.path)
    return manifest


def restore(folder: Path, root: Path, *, urls: Mapping[str, str], say: Say) -> Manifest:
    """Make a state folder of a backup, wholly or not at all.

    `urls` are the databases in PostgreSQL by name; these must be empty.

    Raises:
        BackupError: Waylab runs with this state folder, or it is not empty, or
            databases are where the backup has none.
        DamagedError: the backup is not what its manifest says.
        DatabaseError: a database cannot be filled.
    """
    refuse_used(root)
    say("checking the backup")
    manifest = verify(folder)
    _refuse_databases(manifest, urls)
    partial = root.with_name(f"{root.name}.restoring")
    try:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True, mode=0o700)
        say(f"copying {len(manifest.entries)} files")
        for entry in manifest.entries:
            if entry.kind is not Kind.POSTGRES:
                _copy(folder, partial, entry)
        _move_places(partial, Path(manifest.root), root)
        for name, url in urls.items():
            say(f"filling the database of the {name}")
            postgres.fill(name, url, folder / dump_path(name))
        refuse_used(root)
        partial.rename(root)
    except OSError as error:
        msg = f"{root} cannot be written: {error.strerror} ({error.filename})."
        raise BackupError(msg) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return manifest


def refuse_used(root: Path) -> None:
    """See that nothing is lost by making this state folder.

    Raises:
        BackupError: a program runs with it, or something is in it.
    """
    for path in sorted(root.glob("run/*.lock")):
        lock = Lock(path.stem, path)
        if lock.is_held():
            msg = (
                f"Waylab runs with {root} ({lock.program}, process {lock.holder()}): "
                "stop it, and move that folder away."
            )
            raise BackupError(msg)
    if root.exists() and (not root.is_dir() or any(root.iterdir())):
        msg = (
            f"The state folder {root} is not empty: move it away, or name another in "
            "WAYLAB_HOME."
        )
        raise BackupError(msg)


def _refuse_databases(manifest: Manifest, urls: Mapping[str, str]) -> None:
    dumped = {Path(entry.path).stem for entry in manifest.of(Kind.POSTGRES)}
    for name in sorted(dumped - set(urls)):
        msg = (
            f"The backup's {name} is of PostgreSQL: set "
            f"{VARIABLES.get(name, 'its variable')} to an empty "
            "database."
        )
        raise BackupError(msg)
    for name in sorted(set(urls) - dumped):
        msg = f"The backup's {name} is no dump of PostgreSQL: unset {VARIABLES[name]}."
        raise BackupError(msg)
    for name, url in urls.items():
        postgres.refuse_filled(name, url)


def _wrong(folder: Path, entry: Entry) -> str:
    path = folder / entry.path
    try:
        found = path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return "is missing"
    # A link among its folders would let it be any file of this machine.
    elsewhere = path.resolve() != folder.resolve() / entry.path
    if elsewhere or not stat.S_ISREG(found.st_mode):
        return "is no file"
    if found.st_size != entry.size_bytes:
        return f"has {found.st_size} bytes instead of {entry.size_bytes}"
    return "" if hash_of(path) == entry.sha256 else "was changed"


def _copy(folder: Path, partial: Path, entry: Entry) -> None:
    target = partial / entry.path
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    shutil.copyfile(folder / entry.path, target)
    target.chmod(entry.mode)


def _move_places(partial: Path, before: Path, root: Path) -> None:
    """Let folders that lay in the old state folder lie in the new one."""
    path = partial / "places.json"
    if before == root or not path.exists():
        return
    places = json.loads(path.read_text("utf-8"))
    for name in ("homes", "agents"):
        place = Path(places[name])
        if place.is_relative_to(before):
            places[name] = str(root / place.relative_to(before))
    path.write_text(json.dumps(places, indent=2) + "\n", "utf-8")
