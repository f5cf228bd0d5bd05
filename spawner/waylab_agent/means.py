"""What the agent's parts work with."""

from __future__ import annotations

from dataclasses import dataclass

from waylab_agent.gate import Gate
from waylab_agent.journal import Journal
from waylab_agent.settings import AgentSettings
from waylab_clearml.client import Client
from waylab_site.accounts import Accounts


@dataclass(frozen=True)
class Means:
    """What jobs work with."""

    settings: AgentSettings
    client: Client
    gate: Gate
    accounts: Accounts
    journal: Journal
