"""What the agent's parts work with."""

from __future__ import annotations

from dataclasses import dataclass

from waylab_agent.gate import Gate
from waylab_agent.journal import JobEntry, Journal
from waylab_agent.owners import Owners
from waylab_agent.runtime import NoEngine, Runtime
from waylab_agent.settings import AgentSettings
from waylab_clearml.client import Client
from waylab_site.accounts import Accounts


@dataclass(frozen=True)
class Place:
    """What jobs are started with; `epoch` names this process of the agent."""

    settings: AgentSettings
    client: Client
    accounts: Accounts
    owners: Owners
    epoch: str


@dataclass(frozen=True)
class Means(Place):
    """What jobs work with.

    New jobs are started by `containers` where the node has an engine, else by
    `processes`.
    """

    gate: Gate
    journal: Journal
    processes: Runtime
    containers: Runtime | None = None

    def runtime_for(self, entry: JobEntry) -> Runtime:
        """Give what has started a job, or will, whatever the settings are now."""
        if not entry.in_container:
            return self.processes
        return self.containers or NoEngine()
