"""Which agents run on the hub's machine, and with what."""

from __future__ import annotations

from dataclasses import dataclass

from waylab_site.inventory import Inventory, cpu_slots
from waylab_site.model import HUB_NODE, Node, Site

AGENT = "agent"


@dataclass(frozen=True)
class AgentPlan:
    """One agent: its node, the queues in their order, its slots of CPU.

    `devices` is `auto` where the driver tells the GPUs. `node` is None for the agent
    of a hub that is no node itself: it has nothing but slots for services.
    """

    name: str
    node: Node | None
    queues: tuple[str, ...]
    slots: int
    services_slots: int
    devices: str

    @property
    def program(self) -> str:
        """The program's name: the hub's own agent is simply the agent."""
        own = self.node is None or self.node.is_local
        return AGENT if own else f"{AGENT}-{self.name}"


def agents_here(site: Site, inventory: Inventory) -> tuple[AgentPlan, ...]:
    """Give the agents that `waylab up` keeps running.

    Controllers run on the hub's machine, so one agent is always there for them.
    """
    plans = [
        _plan(node, site, inventory)
        for node in site.nodes
        if node.is_simulated or node.is_local
    ]
    if site.local_node is None:
        services = site.jobs.services_slots
        plans.append(AgentPlan(HUB_NODE, None, (), 0, services, ""))
    return tuple(plans)


def _plan(node: Node, site: Site, inventory: Inventory) -> AgentPlan:
    return AgentPlan(
        name=node.name,
        node=node,
        queues=site.queues_of(node),
        slots=cpu_slots(node, inventory),
        services_slots=site.jobs.services_slots if node.is_local else 0,
        devices="" if node.devices == "cpu" else "auto",
    )
