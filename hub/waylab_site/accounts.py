"""The system account under which a hub user's labs and jobs run.

Isolated (the site's programs run as root): every hub user has an unprivileged system
account of their own, made on first use. Not isolated: all share the current account,
each with a home folder of their own, which is order and not protection.

An account counts as ours only if its comment and its home folder say so; any other
account of that name is left alone and a name with a hash is taken instead.
"""

from __future__ import annotations

import fcntl
import grp
import hashlib
import os
import pwd
import shutil
import stat
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from waylab_site.errors import AccountError
from waylab_site.slug import slug

_PREFIX = "waylab-"
_NAME_LENGTH = 32  # The limit of useradd.
_LOCK_FILE = ".accounts.lock"
_USERADD_SECONDS = 60.0
_HOME_MODE = 0o700


@dataclass(frozen=True)
class Account:
    """Where and as whom a user's processes run; `home` exists."""

    user: str
    name: str
    uid: int
    gid: int
    home: Path


class Accounts:
    """Gives every hub user an account and a home folder below `homes`."""

    def __init__(self, homes: Path, isolated: bool) -> None:
        """Nothing is made or changed before `ensure` is called."""
        self.homes = homes
        self.isolated = isolated

    def home(self, user: str) -> Path:
        """Name the home folder of a user; it need not exist."""
        return self.homes / slug(user)

    def ensure(self, user: str) -> Account:
        """Give the account of a hub user, making it and its home if need be.

        Safe to call at once from several processes. It may run `useradd`: call it
        through a thread from async code.

        Raises:
            AccountError: the account or the home cannot be made, or the home
                belongs to someone else.
        """
        if not user:
            msg = "A user without a name has no account: give the hub user's name."
            raise AccountError(msg)
        if not self.isolated:
            return self._shared(user)
        if os.geteuid() != 0:
            msg = (
                f"The account of {user!r} can be made by root only: run Waylab as "
                "root, or without isolated accounts."
            )
            raise AccountError(msg)
        with self._lock():
            entry = self._find(user) or self._create(user)
            home = self._make_home(user, entry.pw_uid, entry.pw_gid)
        return Account(user, entry.pw_name, entry.pw_uid, entry.pw_gid, home)

    def _shared(self, user: str) -> Account:
        uid = os.geteuid()
        try:
            name = pwd.getpwuid(uid).pw_name
        except KeyError:  # A container's user may have no entry.
            name = str(uid)
        try:
            self.homes.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _home_error(user, self.homes, error) from error
        home = self._make_home(user, None, None)
        return Account(user, name, uid, os.getegid(), home)

    @contextmanager
    def _lock(self) -> Iterator[None]:
        try:
            self.homes.mkdir(parents=True, exist_ok=True, mode=0o711)
            descriptor = os.open(
                self.homes / _LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600
            )
        except OSError as error:
            msg = (
                f"Cannot use the folder of homes {self.homes}: {error.strerror}. "
                "Make it writable for root."
            )
            raise AccountError(msg) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _candidates(self, user: str) -> tuple[str, str]:
        plain = _PREFIX + slug(user, max_length=_NAME_LENGTH - len(_PREFIX))
        digest = hashlib.sha256(f"{self.homes}\0{user}".encode()).hexdigest()[:8]
        kept = plain[: _NAME_LENGTH - len(digest) - 1].rstrip("-")
        return plain, f"{kept}-{digest}"

    def _comment(self, user: str) -> str:
        digest = hashlib.sha256(user.encode()).hexdigest()[:16]
        return f"Waylab account {digest}"

    def _find(self, user: str) -> pwd.struct_passwd | None:
        for name in self._candidates(user):
            entry = _entry(name)
            if entry is not None and self._is_ours(entry, user):
                return entry
        return None

    def _is_ours(self, entry: pwd.struct_passwd, user: str) -> bool:
        return (
            entry.pw_uid != 0
            and entry.pw_gecos == self._comment(user)
            and Path(entry.pw_dir) == self.home(user)
        )

    def _create(self, user: str) -> pwd.struct_passwd:
        free = [name for name in self._candidates(user) if not _taken(name)]
        if not free:
            msg = (
                f"No account for {user!r}: {' and '.join(self._candidates(user))} "
                "exist and are not Waylab's. Rename or remove one of them."
            )
            raise AccountError(msg)
        name = free[0]
        useradd = shutil.which("useradd", path="/usr/sbin:/sbin:/usr/bin:/bin")
        if useradd is None:
            msg = (
                f"No account for {user!r}: useradd is not on this machine. Install "
                "the package passwd (or shadow-utils)."
            )
            raise AccountError(msg)
        command = [useradd, "--system", "--user-group", "--no-create-home"]
        command += ["--home-dir", str(self.home(user)), "--shell", "/bin/bash"]
        command += ["--comment", self._comment(user), name]
        try:
            subprocess.run(  # noqa: S603 - no shell; every part is built above.
                command,
                check=True,
                capture_output=True,
                text=True,
                timeout=_USERADD_SECONDS,
            )
        except subprocess.CalledProcessError as error:
            said = error.stderr.strip() or f"exit status {error.returncode}"
            msg = f"No account for {user!r}: useradd {name} says: {said}"
            raise AccountError(msg) from error
        except subprocess.TimeoutExpired as error:
            msg = (
                f"No account for {user!r}: useradd {name} did not end within "
                f"{_USERADD_SECONDS:g} s. Look for a held /etc/passwd.lock."
            )
            raise AccountError(msg) from error
        entry = _entry(name)
        if entry is None:
            msg = (
                f"No account for {user!r}: useradd made {name}, yet it is not in the "
                "account database. Look at /etc/nsswitch.conf."
            )
            raise AccountError(msg)
        return entry

    def _make_home(self, user: str, uid: int | None, gid: int | None) -> Path:
        home = self.home(user)
        try:
            home.mkdir(mode=_HOME_MODE, exist_ok=True)
            # Followed links would let a user point root's chown anywhere.
            descriptor = os.open(
                home, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
            )
        except OSError as error:
            raise _home_error(user, home, error) from error
        try:
            found = os.fstat(descriptor)
            owner = os.geteuid() if uid is None else uid
            fresh = found.st_uid == os.geteuid() and not any(home.iterdir())
            if found.st_uid != owner and not fresh:
                msg = (
                    f"The home folder {home} of {user!r} belongs to user id "
                    f"{found.st_uid}, not to {owner}: give it to its owner with "
                    f"chown -R {owner}:{owner if gid is None else gid} {home}, or move "
                    "it away."
                )
                raise AccountError(msg)
            if uid is not None and gid is not None and found.st_uid != uid:
                os.fchown(descriptor, uid, gid)
            if stat.S_IMODE(found.st_mode) != _HOME_MODE:
                os.fchmod(descriptor, _HOME_MODE)
        except OSError as error:
            raise _home_error(user, home, error) from error
        finally:
            os.close(descriptor)
        return home


def _entry(name: str) -> pwd.struct_passwd | None:
    try:
        return pwd.getpwnam(name)
    except KeyError:
        return None


def _taken(name: str) -> bool:
    if _entry(name) is not None:
        return True
    try:
        grp.getgrnam(name)
    except KeyError:
        return False
    return True


def _home_error(user: str, home: Path, error: OSError) -> AccountError:
    return AccountError(
        f"No home folder for {user!r}: {home}: {error.strerror}. "
        "Make its parent writable, or move away what is in its place."
    )
