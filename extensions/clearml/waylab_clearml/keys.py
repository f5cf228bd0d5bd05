"""The key pair that a client signs in with, exchanged for a fresh one."""

from __future__ import annotations

from dataclasses import replace

from waylab_clearml.client import Client
from waylab_clearml.credentials import Credentials
from waylab_clearml.errors import ProtocolError


def renew(client: Client) -> Credentials:
    """Give fresh keys of a lab; those of the client stay valid until the next time.

    Raises:
        BadRequest: the keys are no lab's of the embedded server.
        ClearMLError: the server refuses, or does not answer.
    """
    answer = client.call("waylab.renew_keys", {})
    try:
        made = answer["credentials"]
        access, secret = str(made["access_key"]), str(made["secret_key"])
    except (KeyError, TypeError) as error:
        # Not the answer itself: half of it may be secret.
        msg = f"The server's answer has no key pair ({type(error).__name__})."
        raise ProtocolError(msg) from error
    return replace(client.credentials, access_key=access, secret_key=secret)
