"""Settings of the board: the only reader of its environment."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class BoardSettings(BaseSettings):
    """Read from `WAYLAB_BOARD_*`."""

    model_config = SettingsConfigDict(
        env_prefix="WAYLAB_BOARD_", frozen=True, env_ignore_empty=True
    )

    database_url: str = Field(
        description="The ledger's database: sqlite:////path or postgresql+psycopg://…"
    )
    site_file: Path = Field(description="The site as JSON.")
    node_keys_folder: Path = Field(
        description="Folder of the nodes' tokens, hashed, and of open invitations."
    )
    host: str = Field(default="127.0.0.1", description="Address to listen on.")
    port: int = Field(default=8010, ge=0, le=65535, description="Port to listen on.")
    prefix: str = Field(
        default="/services/gpus",
        description="Path under which the board answers, behind the proxy too.",
    )
    public_url: str = Field(
        default="", description="Base that a browser uses, prefix included."
    )
    service: str = Field(
        default="gpus", description="Name of the board among the hub's services."
    )
    hub_api_url: str = Field(
        default="", description="The hub's REST API; without it nobody signs in."
    )
    hub_path: str = Field(
        default="/hub/", description="Path of the hub's pages for a browser."
    )
    hub_token_file: Path | None = Field(
        default=None,
        description="The token of the board as a hub service; the hub's own for it.",
    )
    operator_file: Path | None = Field(
        default=None,
        description="JSON file with address and token for the command line; made here.",
    )
    oauth_client_id: str = Field(default="", description="OAuth2 client of the pages.")
    oauth_secret_file: Path | None = Field(
        default=None, description="File that holds the OAuth2 client's secret."
    )
    tracking_api_url: str = Field(
        default="", description="The ClearML API; without it no queue is mirrored."
    )
    tracking_key_file: Path | None = Field(
        default=None, description="JSON file with the keys of the system principal."
    )
    tracking_web_url: str = Field(
        default="", description="Base of ClearML's pages for agents that join."
    )
    keyring_folder: Path | None = Field(
        default=None,
        description="Folder of the users' ClearML keys, encrypted (ClearML Server).",
    )
    keyring_key_file: Path | None = Field(
        default=None, description="File with the key of those; made here."
    )
    site_id: str = Field(
        default="", description="The site's id, which containers carry as a label."
    )
    tracking_path: str = Field(
        default="/services/clearml/", description="Path of ClearML's pages."
    )
    templates: Path | None = Field(
        default=None, description="Folder of the site's hub pages."
    )
    shared_notice: str = Field(
        default="", description="Sentence that every page shows, if any."
    )
    mirror_seconds: float = Field(
        default=1.0, gt=0, description="How often the ClearML queues are looked at."
    )

    @field_validator("prefix")
    @classmethod
    def _prefix(cls, value: str) -> str:
        return "/" + value.strip("/") if value.strip("/") else ""

    @property
    def base_url(self) -> str:
        """The board's address on its own machine."""
        return f"http://{self.host}:{self.port}{self.prefix}"
