"""`waylab credentials`."""

from __future__ import annotations

import shlex
import sys
from dataclasses import replace

from waylab_clearml.cli.connection import connected, tell
from waylab_clearml.cli.options import Json, User
from waylab_clearml.cli.output import print_json
from waylab_clearml.environment import sdk_environment
from waylab_clearml.errors import ProtocolError

LABEL = "waylab credentials"


def credentials(as_json: Json = False, user: User = None) -> None:
    """Print the environment that makes ClearML's SDK on this machine talk to Waylab.

    Use it with `eval "$(waylab credentials)"`. For another user (`--user`) a new key
    pair is made, which that user can see and revoke. The output is a secret.
    """
    with connected(user, as_json=as_json) as client:
        found = client.credentials
        if user is not None:
            answer = client.call("auth.create_credentials", {"label": LABEL})
            pair = answer.get("credentials") or {}
            if not pair.get("access_key") or not pair.get("secret_key"):
                msg = "The server made no key pair."
                raise ProtocolError(msg)
            found = replace(
                found,
                access_key=pair["access_key"],
                secret_key=pair["secret_key"],
                impersonate=None,
            )
            tell(f"A new key pair of {user}: {pair['access_key']} ({LABEL!r}).")
        environment = sdk_environment(found)
    if as_json:
        print_json(environment)
        return
    for name, value in environment.items():
        sys.stdout.write(f"export {name}={shlex.quote(value)}\n")
