"""The agent's settings: environment variables `WAYLAB_AGENT_*`, read only here."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from waylab_agent.errors import SettingsError

SERVICES_QUEUE = "services"
PREFIX = "WAYLAB_AGENT_"

CommaList = Annotated[tuple[str, ...], NoDecode]


class AgentSettings(BaseSettings):
    """What one agent serves, where it reports, and where it keeps its state."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True)

    node: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$")
    """The node's name; workers are called `<node>:cpu0`, `<node>:gpu0`, …"""
    queues: CommaList = ()
    """Queues by name, the most urgent first."""
    slots: int = Field(default=1, ge=0)
    """Jobs that run at once (without the services)."""
    services_slots: int = Field(default=0, ge=0)
    """Controllers of the queue `services` that run at once; never on a device."""
    devices: CommaList = ()
    """UUIDs of the node's GPUs; slot i gets device i. Empty: slots of CPU."""
    api_url: str
    web_url: str
    files_url: str
    key_file: Path
    """JSON file with the agent's `access_key` and `secret_key`."""
    state: Path
    """Folder of the journal and the console logs; the agent's own."""
    homes: Path
    """Folder of the users' homes."""
    isolated: bool = False
    """Run each job under its owner's account (needs root)."""
    poll_seconds: float = Field(default=0.5, gt=0)
    """Time between two looks at the queues and at the running tasks' status."""
    grace_seconds: float = Field(default=20.0, ge=0)
    """Time that an aborted job has to save its work before it is killed: the runner
    needs about 5 s to keep a partial notebook, a slow server more."""
    report_seconds: float = Field(default=30.0, gt=0)
    """Time between two reports of a worker whose task did not change."""

    @field_validator("queues", "devices", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        for name, values in (("QUEUES", self.queues), ("DEVICES", self.devices)):
            if len(set(values)) != len(values):
                msg = f"{PREFIX}{name} names something twice: {', '.join(values)}"
                raise ValueError(msg)
        if SERVICES_QUEUE in self.queues:
            msg = (
                f"{PREFIX}QUEUES must not name {SERVICES_QUEUE!r}: "
                f"{PREFIX}SERVICES_SLOTS serves it"
            )
            raise ValueError(msg)
        if self.devices and self.slots != len(self.devices):
            msg = (
                f"{PREFIX}SLOTS is {self.slots}, but {PREFIX}DEVICES names "
                f"{len(self.devices)} devices: slot i gets device i"
            )
            raise ValueError(msg)
        if self.slots and not self.queues:
            msg = f"{PREFIX}SLOTS is {self.slots}, but {PREFIX}QUEUES is empty"
            raise ValueError(msg)
        if not self.slots and not self.services_slots:
            msg = f"{PREFIX}SLOTS and {PREFIX}SERVICES_SLOTS are both 0"
            raise ValueError(msg)
        return self


def read_settings() -> AgentSettings:
    """Read the environment.

    Raises:
        SettingsError: with one sentence for each setting at fault.
    """
    try:
        return AgentSettings()
    except ValidationError as error:
        raise SettingsError("; ".join(_sentences(error))) from error


def _sentences(error: ValidationError) -> list[str]:
    sentences = []
    for detail in error.errors(include_url=False):
        message = detail["msg"].removeprefix("Value error, ")
        if not detail["loc"]:
            sentences.append(message)
            continue
        name = f"{PREFIX}{'.'.join(str(part) for part in detail['loc']).upper()}"
        if detail["type"] == "missing":
            sentences.append(f"{name} is not set")
        else:
            sentences.append(f"{name}={detail['input']!r}: {message}")
    return sentences
