"""Settings of the tracking server: the only reader of its environment."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

POSTGRES = "postgresql+psycopg://"
LONGEST_DAYS = 36_500.0


class OnLoss(StrEnum):
    """What is done with a job that is given up."""

    FAIL = "fail"
    REQUEUE = "requeue"


class LossRule(BaseModel):
    """A queue's rule; `requeues`: how often a job goes back before it fails."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    action: OnLoss = OnLoss.FAIL
    requeues: int = Field(default=2, ge=0)


class Retention(BaseModel):
    """After how many days without a change what goes of runs; 0: never."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    archived_days: float = Field(default=0.0, ge=0, le=LONGEST_DAYS)
    logs_days: float = Field(default=0.0, ge=0, le=LONGEST_DAYS)
    images_days: float = Field(default=0.0, ge=0, le=LONGEST_DAYS)


class TrackingSettings(BaseSettings):
    """Read from `WAYLAB_TRACKING_*`."""

    model_config = SettingsConfigDict(env_prefix="WAYLAB_TRACKING_", frozen=True)

    state: Path = Field(description="Folder of the database, the files and the keys.")
    host: str = Field(default="127.0.0.1", description="Address to listen on.")
    port: int = Field(default=8008, ge=0, le=65535, description="Port to listen on.")
    prefix: str = Field(
        default="", description="Path under which a proxy shows the server."
    )
    public_url: str = Field(
        default="", description="Base that a browser uses, prefix included."
    )
    notice: str = Field(default="", description="Sentence that every page shows.")
    system_key_file: Path | None = Field(
        default=None,
        description="JSON file with the keys of the system principal; made if absent.",
    )
    agents_get_tokens: bool = Field(
        default=True,
        description="Whether agents get tokens of jobs; else `system` alone does, and "
        "a board hands them out.",
    )
    strict: bool = Field(
        default=False,
        description="Whether every extension is off, as on an open ClearML Server.",
    )
    database_url: SecretStr = Field(
        default=SecretStr(""),
        description="Database in PostgreSQL, as "
        "`postgresql+psycopg://user:password@host/database`; else a file in the state "
        "folder.",
    )
    files_store: str = Field(
        default="",
        description="URL that fsspec knows, such as `s3://bucket/folder`, where files "
        "are kept; else they are in the state folder.",
    )
    files_quota_bytes: int = Field(
        default=0,
        ge=0,
        description="Bytes of files that each user may keep here; 0 for no limit.",
    )
    archived_days: float = Field(
        default=0.0,
        ge=0,
        le=LONGEST_DAYS,
        description="Archived runs that nothing was changed of for so many days are "
        "deleted with their files; 0 for never.",
    )
    logs_days: float = Field(
        default=0.0,
        ge=0,
        le=LONGEST_DAYS,
        description="The same for the console lines of runs that are over.",
    )
    images_days: float = Field(
        default=0.0,
        ge=0,
        le=LONGEST_DAYS,
        description="The same for their debug images.",
    )
    record: Path | None = Field(
        default=None,
        description="Folder to which every call and its answer is written, for tests; "
        "it grows without bound.",
    )
    silence_seconds: float = Field(
        default=7200.0,
        gt=0,
        description="Running tasks of which nothing is heard for so long are stopped.",
    )
    lost_seconds: float = Field(
        default=40.0,
        gt=0,
        description="Jobs from queues of which nothing is heard for so long are lost.",
    )
    give_up_seconds: float = Field(
        default=80.0,
        gt=0,
        description="Lost jobs of which nothing is heard for so long are given up.",
    )
    on_lost: dict[str, LossRule] = Field(
        default_factory=dict,
        description="JSON: what is done with given-up jobs, by the name of their queue,"
        ' as in {"train": {"action": "requeue", "requeues": 2}}.',
    )
    groups: dict[str, list[str]] | None = Field(
        default=None,
        description="JSON: the members of all groups by name, as in"
        ' {"vision": ["maria"]}; taken over at each start. Without it, groups are as'
        " `waylab.ensure_user` last said.",
    )
    oauth_client_id: str = Field(default="", description="OAuth2 client of the pages.")
    oauth_client_secret_file: Path | None = Field(
        default=None, description="File that holds the OAuth2 client's secret."
    )
    oauth_client_secret: SecretStr = Field(
        default=SecretStr(""),
        description="The OAuth2 client's secret, where no file holds it.",
    )
    oauth_authorize_url: str = Field(
        default="",
        description="Where a browser is sent to sign in: a path, for a provider at our "
        "own public address, or a whole address.",
    )
    oauth_token_url: str = Field(default="", description="Where codes become tokens.")
    oauth_userinfo_url: str = Field(default="", description="Who a token belongs to.")
    oauth_scope: str = Field(
        default="", description="Scopes to ask for, such as `openid profile`."
    )
    oauth_name_claim: str = Field(
        default="name", description="Field of the user information with the name."
    )

    @field_validator("database_url")
    @classmethod
    def _of_postgres(cls, url: SecretStr) -> SecretStr:
        if url and not url.get_secret_value().startswith(POSTGRES):
            # Not the value: it may have a password.
            msg = f"it must be empty or begin with {POSTGRES}"
            raise ValueError(msg)
        return url

    @property
    def retention(self) -> Retention:
        """What is kept of old runs; an open server keeps everything."""
        if self.strict:
            return Retention()
        return Retention(
            archived_days=self.archived_days,
            logs_days=self.logs_days,
            images_days=self.images_days,
        )

    @property
    def database(self) -> Path | str:
        """Where the runs are: a file of SQLite, or the URL of a database."""
        return self.database_url.get_secret_value() or self.state / "tracking.sqlite"
