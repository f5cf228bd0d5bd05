"""The order for a job's processes: owner, token, environment, command."""

from __future__ import annotations

import os
import sys

from waylab_agent.environment import (
    CONFIG_NAME,
    job_command,
    job_configuration,
    job_environment,
)
from waylab_agent.errors import StartError
from waylab_agent.journal import JobEntry
from waylab_agent.launch import Order
from waylab_agent.means import Means
from waylab_clearml.credentials import Credentials
from waylab_clearml.environment import sdk_environment
from waylab_clearml.verdict import FILE_NAME


def build(means: Means, entry: JobEntry, worker: str, *, repository: bool) -> Order:
    """Ask for a token of the task's owner and lay down what is to be run for them.

    Raises:
        ClearMLError: the server does not answer, or gives no token for this task.
        AccountError: the owner can have no account.
        StartError: the server's answer names no owner.
    """
    credentials, user = owner_of(means, entry.task_id)
    account = means.accounts.ensure(user)
    cache = account.home / ".cache" / "waylab"
    work = cache / "jobs" / entry.task_id
    return Order(
        argv=job_command(sys.executable, entry.task_id, repository=repository),
        environment=job_environment(
            os.environ,
            sdk_environment(credentials),
            task_id=entry.task_id,
            claim=entry.claim,
            worker=worker,
            user=account.name,
            home=account.home,
            work=work,
            devices=entry.grant.devices,
        ),
        claim=entry.claim,
        home=account.home,
        work=work,
        files={
            CONFIG_NAME: job_configuration(
                work=work, cache=cache / "clearml-agent", worker=worker
            )
        },
        verdict=FILE_NAME,
        uid=account.uid if means.settings.isolated else None,
        gid=account.gid if means.settings.isolated else None,
    )


def owner_of(means: Means, task_id: str) -> tuple[Credentials, str]:
    """Give credentials that act for the task's owner while it runs, and their name.

    Raises:
        ClearMLError: the server does not answer, or gives no token for this task.
        StartError: the server's answer names no owner.
    """
    settings = means.settings
    answer = means.client.call("waylab.job_token", {"task": task_id})
    try:
        token, user = str(answer["token"]), str(answer["user"]["name"])
    except (KeyError, TypeError) as error:
        msg = f"The server's answer about the task's owner lacks {error}."
        raise StartError(msg) from error
    credentials = Credentials(
        api_url=settings.api_url,
        web_url=settings.web_url,
        files_url=settings.files_url,
        token=token,
    )
    return credentials, user
