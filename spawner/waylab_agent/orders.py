"""The order for a job's processes: owner, token, environment, command."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from waylab_agent.environment import (
    BEGIN_NAME,
    CONFIG_NAME,
    Who,
    begin_order,
    job_configuration,
    job_environment,
)
from waylab_agent.journal import JobEntry
from waylab_agent.launch import Order
from waylab_agent.means import Place
from waylab_agent.tasks import wishes
from waylab_clearml.environment import sdk_environment
from waylab_clearml.verdict import FILE_NAME
from waylab_engine.marks import lease_mark, scope
from waylab_ledger.values import Holder

BEGIN = Path(__file__).with_name("begin.py")


def for_processes(place: Place, entry: JobEntry) -> Order:
    """Ask for a token of the task's owner and lay down what is to be run for them.

    Raises:
        ClearMLError: the server does not answer, or gives no token for this task.
        AccountError: the owner can have no account.
        StartError: nobody can act for the task's owner.
    """
    settings = place.settings
    credentials, user = place.owners.of(entry)
    wanted = wishes(place.client, entry.task_id)
    account = place.accounts.ensure(user)
    cache = account.home / ".cache" / "waylab"
    work = cache / "jobs" / entry.task_id
    worker = worker_of(place, entry)
    kind = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    here = scope(settings.site_id, settings.node)
    holder = str(Holder.job(entry.task_id))
    return Order(
        argv=(sys.executable, str(BEGIN)),
        environment=job_environment(
            os.environ,
            sdk_environment(credentials),
            Who(entry.task_id, entry.claim, worker, account.name, work),
            home=account.home,
            devices=entry.grant.devices,
            lease=lease_mark(here, entry.grant.id, holder, entry.grant.devices),
        ),
        claim=entry.claim,
        home=account.home,
        work=work,
        files={
            BEGIN_NAME: begin_order(entry.task_id, wanted, work=work, tools=None),
            CONFIG_NAME: job_configuration(
                work=work, cache=cache / "clearml-agent", worker=worker, kind=kind
            ),
        },
        verdict=FILE_NAME,
        uid=account.uid if settings.isolated else None,
        gid=account.gid if settings.isolated else None,
    )


def worker_of(place: Place, entry: JobEntry) -> str:
    """Name the ClearML worker that runs a job."""
    return f"{place.settings.node}:{entry.grant.slot}"
