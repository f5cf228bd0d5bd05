#!/usr/bin/env python3
"""Writes what a ClearML Server of its own needs: secrets, users, and nginx's part.

    python3 set-up.py clearml.example waylab ann bob

Nothing that is there is written over: secrets that change end every key pair.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import secrets
import sys
from pathlib import Path
from string import Template

SECRETS = (
    "SESSION_SECRET",
    "TOKEN_SECRET",
    "APISERVER_KEY",
    "APISERVER_SECRET",
    "FILESERVER_KEY",
    "FILESERVER_SECRET",
    "WEBSERVER_KEY",
    "WEBSERVER_SECRET",
    "SERVICES_AGENT_KEY",
    "SERVICES_AGENT_SECRET",
    "TESTS_KEY",
    "TESTS_SECRET",
)
# The databases' and the server's images run as this account or as root.
CONTAINER_ACCOUNT = 1000
API = """\
auth {
  # Nobody else can sign in.
  fixed_users {
    enabled: true
    pass_hashed: false
    users: $users
  }
  cookies {
    httponly: true
    secure: true
    domain: ".$domain"
    max_age: 1209600
  }
}
cors {
  origins: "https://app.$domain"
  supports_credentials: true
}
"""
FILES = """\
auth {
  enabled: true
}
cors {
  origins: "https://app.$domain"
  supports_credentials: true
}
"""


def secret(length: int) -> str:
    """Give a random text that nothing can read as a number."""
    return "k" + secrets.token_hex((length - 1) // 2 + 1)[: length - 1]


def dotenv() -> str:
    """Give `.env`: ClearML uses 30 characters for a key, and 60 for a secret."""
    lines = [f"{name}={secret(30 if 'KEY' in name else 60)}" for name in SECRETS]
    return "\n".join(lines) + "\n"


def users(names: list[str]) -> str:
    """Give the users with passwords of their own, as JSON, which is HOCON too."""
    found = [
        {"username": name, "password": secrets.token_urlsafe(15), "name": name}
        for name in names
    ]
    return json.dumps(found, indent=2)


def write(path: Path, text: str) -> None:
    """Write a file for nobody else to read, unless it is there."""
    if path.exists():
        print(f"{path} is there already, and stays as it is.")
        return
    path.touch(mode=0o600)
    path.write_text(text, encoding="utf-8")
    if os.geteuid() == 0 and path.parent.name == "config":
        os.chown(path, CONTAINER_ACCOUNT, CONTAINER_ACCOUNT)
    print(f"{path} is written.")


def main() -> int:
    """Read the command line and write the files."""
    given = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    given.add_argument("domain", help="app., api. and files. of it are the server's")
    given.add_argument("user", nargs="+", help="who may sign in, the service user too")
    given.add_argument("--certificate", help="file of the certificate and its chain")
    given.add_argument("--key", help="file of the certificate's key")
    asked = given.parse_args()
    if not re.fullmatch(r"[a-z0-9-]+(\.[a-z0-9-]+)+", asked.domain):
        sys.stderr.write(f"{asked.domain!r} is no domain, such as clearml.example.\n")
        return 2
    if wrong := [name for name in asked.user if not re.fullmatch(r"[\w.@-]+", name)]:
        sys.stderr.write(f"{wrong[0]!r} is no user name: use letters and digits.\n")
        return 2
    folder = Path(__file__).resolve().parent
    config = folder / "config"
    config.mkdir(mode=0o755, exist_ok=True)
    live = f"/etc/letsencrypt/live/{asked.domain}"
    names = {
        "domain": asked.domain,
        "folder": str(folder),
        "certificate": asked.certificate or f"{live}/fullchain.pem",
        "key": asked.key or f"{live}/privkey.pem",
    }
    write(folder / ".env", dotenv())
    api = Template(API).substitute(names, users=users(asked.user))
    write(config / "apiserver.conf", api)
    write(config / "fileserver.conf", Template(FILES).substitute(names))
    for name in ("nginx.conf", "nginx-common.conf"):
        text = (folder / f"{name}.template").read_text(encoding="utf-8")
        # What is none of these names is nginx's.
        write(folder / name, Template(text).safe_substitute(names))
    print(f"The passwords of {', '.join(asked.user)} are in config/apiserver.conf.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
