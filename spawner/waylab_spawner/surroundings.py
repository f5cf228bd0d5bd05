"""What the site gives to every lab, whatever runs it."""

from __future__ import annotations

from dataclasses import dataclass, field

from waylab_site.model import Homes, Image, Share


@dataclass(frozen=True)
class Surroundings:
    """Folders, addresses and manners; addresses are those that labs reach."""

    site_id: str
    homes: str = ""
    isolated: bool = False
    logs: str = ""
    notebook_templates: str = ""
    idle_hours: float = 0.0
    grace_seconds: float = 10.0
    hub_url: str = ""
    """The hub as containers reach it; empty is the hub's own word for it."""
    images: tuple[Image, ...] = ()
    container_homes: Homes = field(default_factory=Homes)
    shares: tuple[Share, ...] = ()

    @property
    def lab_arguments(self) -> list[str]:
        """The arguments of the lab's program."""
        if not self.idle_hours:
            return []
        seconds = int(self.idle_hours * 3600)
        return [
            f"--ServerApp.shutdown_no_activity_timeout={seconds}",
            f"--MappingKernelManager.cull_idle_timeout={seconds}",
        ]
