"""Who speaks to which ClearML server."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from waylab_clearml.errors import CredentialsError


@dataclass(frozen=True)
class Credentials:
    """The addresses of a server and what proves who is asking.

    Either a key pair or a token (a job's) is set. `impersonate` names the user in
    whose place the embedded server's `system` principal acts.
    """

    api_url: str
    web_url: str
    files_url: str
    access_key: str | None = None
    secret_key: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)
    impersonate: str | None = None

    def __post_init__(self) -> None:
        """Refuse credentials that cannot log in.

        Raises:
            CredentialsError: no address, or neither a key pair nor a token.
        """
        for name in ("api_url", "web_url", "files_url"):
            value = str(getattr(self, name)).rstrip("/")
            if not value.startswith(("http://", "https://")):
                msg = (
                    f"{name} is {value!r}: give an address that begins with http:// "
                    "or https://."
                )
                raise CredentialsError(msg)
            object.__setattr__(self, name, value)
        if not self.token and not (self.access_key and self.secret_key):
            msg = (
                f"There is neither a key pair nor a token for {self.api_url}: set "
                "CLEARML_API_ACCESS_KEY and CLEARML_API_SECRET_KEY."
            )
            raise CredentialsError(msg)

    @classmethod
    def from_environ(cls, env: Mapping[str, str]) -> Credentials:
        """Read the variables that the official SDK reads.

        Raises:
            CredentialsError: `CLEARML_API_HOST` or every proof is missing.
        """
        api_url = env.get("CLEARML_API_HOST", "")
        if not api_url:
            msg = (
                "CLEARML_API_HOST is not set: run this in a lab, or set the "
                "environment that `waylab credentials` prints."
            )
            raise CredentialsError(msg)
        return cls(
            api_url=api_url,
            web_url=env.get("CLEARML_WEB_HOST") or api_url,
            files_url=env.get("CLEARML_FILES_HOST") or f"{api_url.rstrip('/')}/files",
            access_key=env.get("CLEARML_API_ACCESS_KEY") or None,
            secret_key=env.get("CLEARML_API_SECRET_KEY") or None,
            token=env.get("CLEARML_AUTH_TOKEN") or None,
        )

    @classmethod
    def from_file(cls, path: Path) -> Credentials:
        """Read a JSON file with the fields of this class (others are ignored).

        Raises:
            CredentialsError: the file is missing, unreadable or incomplete.
        """
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            msg = f"Cannot read the credentials in {path}: {error.strerror}."
            raise CredentialsError(msg) from error
        except ValueError as error:
            msg = f"{path} does not hold JSON: {error}."
            raise CredentialsError(msg) from error
        if not isinstance(data, dict) or "api_url" not in data:
            msg = f'{path} has no "api_url": it is not a credentials file.'
            raise CredentialsError(msg)
        api_url = str(data["api_url"])
        return cls(
            api_url=api_url,
            web_url=str(data.get("web_url") or api_url),
            files_url=str(data.get("files_url") or f"{api_url.rstrip('/')}/files"),
            access_key=data.get("access_key"),
            secret_key=data.get("secret_key"),
            token=data.get("token"),
            impersonate=data.get("impersonate"),
        )
