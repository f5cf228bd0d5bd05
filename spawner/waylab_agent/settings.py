"""The agent's settings: environment variables `WAYLAB_AGENT_*`, read only here."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from waylab_agent.errors import SettingsError

SERVICES_QUEUE = "services"
ALL_DEVICES = ("auto",)
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
    """Jobs that run at once (without the services); with a board, those without a
    GPU."""
    services_slots: int = Field(default=0, ge=0)
    """Controllers of the queue `services` that run at once; never on a device."""
    devices: CommaList = ()
    """UUIDs of the GPUs (or slices) that jobs and labs may use, as NVML tells them.

    With a board, `auto` stands for all that NVML finds. Without one, slot i gets device
    i, and none are slots of CPU."""
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
    board_url: str | None = None
    """Base of the board, as `http://127.0.0.1:8010/services/gpus`; it grants a lease
    for each job. None: the agent counts its slots by itself."""
    board_token_file: Path | None = None
    """File with the node's token for the board."""
    board_seconds: float = Field(default=2.0, gt=0)
    """Time between two reports to the board."""
    engine: str | None = None
    """Address of the node's own container engine (`unix:///var/run/docker.sock`), in
    which jobs run. None: jobs are processes."""
    engine_tls: Path | None = None
    """Folder with `ca.pem`, `cert.pem`, `key.pem` for an engine at `tcp://`."""
    site_file: Path | None = None
    """The site as JSON: images, homes and shares of containers."""
    site_id: str = Field(default="waylab", min_length=1)
    """Tells the containers of this site from others on the same engine."""
    network: str = "bridge"
    """The engine's network for jobs."""
    poll_seconds: float = Field(default=0.5, gt=0)
    """Time between two looks at the queues and at the running tasks' status."""
    grace_seconds: float = Field(default=20.0, ge=0)
    """Time that an aborted job has to save its work before it is killed: the runner
    needs about 5 s to keep a partial notebook, a slow server more."""
    report_seconds: float = Field(default=10.0, gt=0)
    """Time between two reports of a worker whose task did not change: a job of which
    the embedded server hears nothing for 40 s is lost."""

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
        self._check_gate()
        self._check_engine()
        if self.slots and not self.queues:
            msg = f"{PREFIX}SLOTS is {self.slots}, but {PREFIX}QUEUES is empty"
            raise ValueError(msg)
        if not self.slots and not self.services_slots and not self.devices:
            msg = f"{PREFIX}SLOTS and {PREFIX}SERVICES_SLOTS are both 0"
            raise ValueError(msg)
        return self

    def _check_gate(self) -> None:
        if self.board_url is not None:
            if self.board_token_file is None:
                msg = f"{PREFIX}BOARD_URL is set, but {PREFIX}BOARD_TOKEN_FILE is not"
                raise ValueError(msg)
            return
        if self.devices == ALL_DEVICES:
            msg = (
                f"{PREFIX}DEVICES=auto needs {PREFIX}BOARD_URL: without a board, name "
                "the devices"
            )
            raise ValueError(msg)
        if self.devices and self.slots != len(self.devices):
            msg = (
                f"{PREFIX}SLOTS is {self.slots}, but {PREFIX}DEVICES names "
                f"{len(self.devices)} devices: slot i gets device i"
            )
            raise ValueError(msg)

    def _check_engine(self) -> None:
        if self.engine is not None and self.site_file is None:
            msg = (
                f"{PREFIX}ENGINE is set, but {PREFIX}SITE_FILE is not: it names the "
                "images"
            )
            raise ValueError(msg)


def read_settings(defaults: Mapping[str, str] | None = None) -> AgentSettings:
    """Read the environment; `defaults` are variables for what is not set there.

    Raises:
        SettingsError: with one sentence for each setting at fault.
    """
    try:
        missing: dict[str, Any] = {
            name.removeprefix(PREFIX).lower(): value
            for name, value in (defaults or {}).items()
            if name not in os.environ
        }
        return AgentSettings(**missing)
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
