"""Tokens with which jobs act for their owners; the embedded server makes them."""

from __future__ import annotations

from dataclasses import dataclass, field

from waylab_clearml.client import Client
from waylab_clearml.errors import ProtocolError


@dataclass(frozen=True)
class JobToken:
    """A token of a task's owner, good while the task is claimed or runs."""

    user: str
    token: str = field(repr=False)


class JobTokens:
    """Asks for tokens as the `system` principal; for threads."""

    def __init__(self, client: Client) -> None:
        """Nothing is sent before `make`."""
        self._client = client

    def make(self, task: str) -> JobToken:
        """Give a token for a task that is claimed or runs.

        Raises:
            ClearMLError: the server is away, or the task is neither.
        """
        answer = self._client.call("waylab.job_token", {"task": task})
        try:
            return JobToken(str(answer["user"]["name"]), str(answer["token"]))
        except (KeyError, TypeError) as error:
            msg = f"The answer about the owner of {task} lacks {error}."
            raise ProtocolError(msg) from error
