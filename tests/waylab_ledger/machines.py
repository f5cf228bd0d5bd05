"""What happens to nodes, programs and clocks."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from tests.waylab_ledger.ground import Ground
from tests.waylab_ledger.parts import (
    IDLE,
    Container,
    Start,
)


class Machines(Ground):
    """Looks, late calls, losses, restarts and jumps."""

    def exit_by_itself(self) -> object:
        node = self._any_node()
        running = [one for one in node.containers.values() if one.state == "running"]
        if not running:
            return IDLE
        self.dice.choice(running).state = "exited"
        return None

    def look(self) -> None:
        node = self._any_node()
        seen = self._look(
            node,
            complete=self.dice.random() < 0.85,
            is_right=self.dice.random() < 0.96,
            has_engine=self.dice.random() < 0.97,
        )
        node.looks.append(seen)

    def deliver(self) -> object:
        node = self._any_node()
        if not node.reachable or not node.looks:
            return IDLE
        told = self.dice.choice((node.looks[-1], node.looks[-1], *node.looks))
        if self.dice.random() < 0.9:
            node.looks.remove(told)
        self._tell(node, told, is_heard=self.dice.random() < 0.9)
        return None

    def finish_late_call(self) -> object:
        if not self.late:
            return IDLE
        self.late.pop(self.dice.randrange(len(self.late)))()
        return None

    def lose_node(self) -> None:
        self._any_node().reachable = False

    def find_node(self) -> object:
        lost = [one for one in self.nodes.values() if not one.reachable]
        if not lost:
            return IDLE
        self.dice.choice(lost).reachable = True
        return None

    def reboot_node(self) -> None:
        node = self._any_node()
        for box in list(node.containers.values()):
            if box.state == "running":
                box.state = "exited"
        self._restart_agent(node.name)
        if self.dice.random() < 0.2:  # Set up anew: another engine, and empty.
            node.engine = f"e{next(self.numbers)}"
            node.containers.clear()

    def restart_hub(self) -> None:
        for start in self.hub.starts:
            self._leave_behind(start)
        self.hub = self._begin("hub")

    def restart_agent(self) -> None:
        self._restart_agent(self._any_node().name)

    def _restart_agent(self, name: str) -> None:
        node = self.nodes[name]
        begun = {one.lease.id for one in self.agents[name].starts}
        for start in self.agents[name].starts:
            self._leave_behind(start)
        owed = self.agents[name].owed
        self.agents[name] = self._begin(f"agent:{name}")
        self.agents[name].owed = owed
        node.seen = 0
        for lease in [one for one in node.journal if one in begun]:
            if self.dice.random() < 0.5 or self._known(lease):
                continue
            never = self._never(self.agents[name])
            self._release(self.agents[name], lease, replace(never, by=f"agent:{name}"))
        node.journal.clear()

    def _leave_behind(self, start: Start) -> None:
        """A call that a program had sent when it died may still take effect."""
        node = self.nodes[start.lease.node]
        lease = start.lease
        if start.stage == "taken" and self.dice.random() < 0.3:
            id_ = f"c{next(self.numbers)}"
            box = Container(id_, lease.id, str(lease.request.holder), lease.devices)
            self.late.append(lambda: node.containers.__setitem__(id_, box))
        elif start.stage == "created" and self.dice.random() < 0.3:

            def run() -> None:
                found = node.containers.get(start.container or "")
                if found and found.state == "created":
                    found.state = "running"

            self.late.append(run)

    def jump(self) -> None:
        seconds = self.dice.choice((-7200, -600, -30, -1, 1, 30, 600, 7200))
        self.jumped += timedelta(seconds=seconds)

    def wait(self) -> None:
        self.seconds += self.dice.choice((0.1, 1, 5, 20))
