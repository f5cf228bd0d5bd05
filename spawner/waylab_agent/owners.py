"""Acting for a task's owner: with a token of the job's, or with keys they entered.

The embedded server makes a token for each claimed task. A ClearML Server makes none:
there users enter a key pair at the hub once. Either way the board hands it to the node
that holds the task's lease, and to no other; only an agent without a board asks the
embedded server itself.
"""

from __future__ import annotations

from typing import Protocol

from waylab_agent.errors import GateAway, StartError
from waylab_agent.journal import JobEntry
from waylab_agent.settings import AgentSettings
from waylab_clearml.client import Client
from waylab_clearml.credentials import Credentials
from waylab_ledger.client import BoardForbids, NodeBoard, OwnerToken, OwnKeys
from waylab_ledger.errors import Conflict, LedgerError, NotFound


class Owners(Protocol):
    """Gives what a job acts with."""

    agent_may_edit: bool
    """Whether the agent's own keys are enough to edit any task."""

    def of(self, entry: JobEntry) -> tuple[Credentials, str]:
        """Give credentials that act for the task's owner while it runs, and their name.

        Raises:
            ClearMLError, GateAway: the server, or the board, does not answer.
            StartError: nobody can act for the owner.
        """


class TokenOwners:
    """Asks the embedded server for a token of each job."""

    agent_may_edit = False

    def __init__(self, client: Client, settings: AgentSettings) -> None:
        """Nothing is asked before `of`."""
        self._client = client
        self._settings = settings

    def of(self, entry: JobEntry) -> tuple[Credentials, str]:
        """Give the job's token."""
        body = {"task": entry.task_id}
        answer = self._client.call("waylab.job_token", body, execution=entry.claim)
        try:
            token, user = str(answer["token"]), str(answer["user"]["name"])
        except (KeyError, TypeError) as error:
            msg = f"The server's answer about the task's owner lacks {error}."
            raise StartError(msg) from error
        settings = self._settings
        credentials = Credentials(
            api_url=settings.api_url,
            web_url=settings.web_url,
            files_url=settings.files_url,
            token=token,
        )
        return credentials, user


class BoardOwners:
    """Asks the board, which looks at the lease."""

    def __init__(
        self, board: NodeBoard, settings: AgentSettings, *, agent_may_edit: bool
    ) -> None:
        """Nothing is asked before `of`."""
        self.agent_may_edit = agent_may_edit
        self._board = board
        self._settings = settings

    def of(self, entry: JobEntry) -> tuple[Credentials, str]:
        """Give the job's token, or the owner's keys."""
        try:
            given = self._board.owner_keys(entry.grant.id)
        except (BoardForbids, Conflict, NotFound) as error:
            raise StartError(str(error)) from error
        except (LedgerError, ValueError, KeyError, TypeError) as error:
            raise GateAway(str(error)) from error
        settings = self._settings
        credentials = Credentials(
            api_url=settings.api_url,
            web_url=settings.web_url,
            files_url=settings.files_url,
            access_key=given.access_key if isinstance(given, OwnKeys) else None,
            secret_key=given.secret_key if isinstance(given, OwnKeys) else None,
            token=given.token if isinstance(given, OwnerToken) else None,
        )
        return credentials, given.user
