"""The ClearML keys that users have entered, encrypted with a key of the site."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import threading
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken

from waylab_board.errors import ConfigurationError, KeysError
from waylab_clearml.client import Client
from waylab_clearml.credentials import Credentials
from waylab_clearml.errors import Unauthorized
from waylab_clearml.names import current_user
from waylab_site.model import Tracking
from waylab_site.state import write_private

_log = logging.getLogger(__name__)
_TIMEOUT_SECONDS = 10.0


@dataclass(frozen=True)
class Keys:
    """A user's key pair, and as whom ClearML knows its owner."""

    user: str
    clearml_id: str
    clearml_name: str
    access_key: str
    secret_key: str = field(repr=False)
    entered_at: str = ""


class Keyring:
    """One encrypted file for each user; for threads."""

    def __init__(self, folder: Path, key_file: Path, server: Tracking) -> None:
        """Read the key, or make one where there is none; `server` checks what comes.

        Raises:
            ConfigurationError: the key or the folder cannot be used.
        """
        self._folder = folder
        self._server = server
        self._lock = threading.Lock()
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not key_file.exists():
                write_private(key_file, Fernet.generate_key().decode("ascii"))
            self._box = Fernet(key_file.read_text("ascii").strip())
        except (OSError, ValueError) as error:
            msg = f"The key in {key_file} of the users' ClearML keys is of no use."
            raise ConfigurationError(msg) from error

    def enter(self, user: str, access_key: str, secret_key: str) -> Keys:
        """Check a key pair against the server and keep it for a user.

        Raises:
            KeysError: the server does not know it, or it is another user's.
            ClearMLError: the server is away.
        """
        clearml_id, clearml_name = self._owner(access_key, secret_key)
        keys = Keys(
            user=user,
            clearml_id=clearml_id,
            clearml_name=clearml_name,
            access_key=access_key,
            secret_key=secret_key,
            entered_at=datetime.now(UTC).isoformat(timespec="seconds"),
        )
        with self._lock:
            other = self._of_clearml(clearml_id)
            if other is not None and other.user != user:
                msg = (
                    f"These are keys of {clearml_name}, and {other.user} has entered "
                    "some of that ClearML user: make keys of your own there."
                )
                raise KeysError(msg)
            text = self._box.encrypt(json.dumps(asdict(keys)).encode())
            write_private(self._path(user), text.decode("ascii"))
        _log.info("ClearML keys of %s are kept: ClearML's %s", user, clearml_name)
        return keys

    def of_user(self, user: str) -> Keys | None:
        """Give a user's keys."""
        keys = self._read(self._path(user))
        return keys if keys is not None and keys.user == user else None

    def of_clearml(self, clearml_id: str) -> Keys | None:
        """Give the keys of whom ClearML knows by this id."""
        with self._lock:
            return self._of_clearml(clearml_id)

    def forget(self, user: str) -> bool:
        """Forget a user's keys; False if there were none."""
        with self._lock:
            known = self._path(user).exists()
            self._path(user).unlink(missing_ok=True)
        return known

    def _owner(self, access_key: str, secret_key: str) -> tuple[str, str]:
        server = self._server
        asked = Credentials(
            api_url=str(server.api_url),
            web_url=str(server.web_url),
            files_url=str(server.files_url),
            access_key=access_key,
            secret_key=secret_key,
        )
        try:
            with Client(asked, timeout_seconds=_TIMEOUT_SECONDS) as client:
                return current_user(client)
        except Unauthorized as error:
            msg = (
                f"The ClearML Server at {server.api_url} does not accept these keys: "
                "copy both from its page Settings, Workspace, App Credentials."
            )
            raise KeysError(msg) from error

    def _of_clearml(self, clearml_id: str) -> Keys | None:
        for path in sorted(self._folder.glob("*.key")):
            keys = self._read(path)
            if keys is not None and keys.clearml_id == clearml_id:
                return keys
        return None

    def _read(self, path: Path) -> Keys | None:
        try:
            text = self._box.decrypt(path.read_bytes())
            return Keys(**json.loads(text))
        except FileNotFoundError:
            return None
        except (InvalidToken, OSError, ValueError, TypeError):
            _log.warning("%s cannot be read: its user enters the keys anew", path)
            return None

    def _path(self, user: str) -> Path:
        return keys_file(self._folder, user)


def keys_file(folder: Path, user: str) -> Path:
    """Give the file of a user's keys in a keyring's folder."""
    name = hashlib.sha256(os.fsencode(user)).hexdigest()[:32]
    return folder / f"{name}.key"


class Owners:
    """Tells under whose account and keys the tasks of a ClearML Server run."""

    def __init__(self, keyring: Keyring, unknown_owner: str | None) -> None:
        """`unknown_owner` runs the tasks of those who have entered no keys."""
        self._keyring = keyring
        self._unknown_owner = unknown_owner

    def of_task(self, clearml_id: str, clearml_name: str) -> tuple[str, str]:
        """Give the user who runs a task, and why nobody does (one of them is empty)."""
        keys = self._keyring.of_clearml(clearml_id) if clearml_id else None
        if keys is not None:
            return keys.user, ""
        name = clearml_name or clearml_id or "nobody"
        remedy = 'on the hub\'s page "My ClearML", and enqueue the task again'
        if self._unknown_owner is None:
            return "", f"{name} has entered no ClearML keys: enter them {remedy}."
        if self._keyring.of_user(self._unknown_owner) is None:
            return "", (
                f"{name} has entered no ClearML keys, nor has {self._unknown_owner}, "
                f"who runs such tasks here: enter them {remedy}."
            )
        return self._unknown_owner, ""
