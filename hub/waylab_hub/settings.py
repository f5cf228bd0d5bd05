"""Settings: the environment of `waylab up`, and what the hub's process is told."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from waylab_hub.errors import StartError
from waylab_site.model import Site
from waylab_spawner.offers import NodePlace, PlaceKind

_POSTGRES = "postgresql+psycopg://"


class Environment(BaseSettings):
    """The variables `WAYLAB_*` that an operator may set; read only here."""

    model_config = SettingsConfigDict(
        env_prefix="WAYLAB_", frozen=True, env_ignore_empty=True
    )

    port: int = Field(default=8000, ge=1, le=65535)
    """`WAYLAB_PORT`: the one public port, on the loopback address."""
    admin_password: SecretStr | None = None
    """`WAYLAB_ADMIN_PASSWORD`: the first admin's password at the first start."""
    ledger_url: SecretStr | None = None
    """`WAYLAB_LEDGER_URL`: a PostgreSQL database in place of the ledger's file."""
    tracking_database_url: SecretStr | None = None
    """`WAYLAB_TRACKING_DATABASE_URL`: the same in place of the file of the runs."""
    proxy_command: Path | None = None
    """`WAYLAB_PROXY_COMMAND`: configurable-http-proxy, if it is not beside Python."""
    templates_root: Path | None = None
    """`WAYLAB_TEMPLATES_ROOT`: the folder `templates`, if it is not found."""

    @classmethod
    def read(cls) -> Environment:
        """Read the process's environment.

        Raises:
            StartError: a variable's value makes no sense.
        """
        try:
            return cls()
        except ValidationError as error:
            detail = error.errors()[0]
            name = f"WAYLAB_{'_'.join(str(part) for part in detail['loc'])}".upper()
            msg = (
                f"{name} is {detail['input']!r}: {detail['msg'].lower()}. Set another "
                "value, or none for the default."
            )
            raise StartError(msg) from error

    def ledger_database(self) -> str:
        """Give the URL of the ledger's database; empty for a file of the state folder.

        Raises:
            StartError: it is no URL of PostgreSQL. The text does not show it, as a
                password may be in it.
        """
        return _database("WAYLAB_LEDGER_URL", self.ledger_url)

    def tracking_database(self, site: Site | None = None) -> str:
        """Give the URL of the runs' database; empty for a file of the state folder.

        Without one in the environment it is the site's, if that is known.

        Raises:
            StartError: as `ledger_database`.
        """
        url = _database("WAYLAB_TRACKING_DATABASE_URL", self.tracking_database_url)
        return url or (site.tracking.database if site else None) or ""

    def databases(self, site: Site | None = None) -> dict[str, str]:
        """Give the URLs of what is in PostgreSQL instead of files, by name.

        Raises:
            StartError: one is no URL of PostgreSQL.
        """
        named = {
            "ledger": self.ledger_database(),
            "tracking": self.tracking_database(site),
        }
        return {name: url for name, url in named.items() if url}


def _database(variable: str, given: SecretStr | None) -> str:
    url = given.get_secret_value() if given else ""
    if url and not url.startswith(_POSTGRES):
        msg = (
            f"{variable} is no address of a PostgreSQL database: write "
            f"{_POSTGRES}user:password@host/database, or leave it out for a file."
        )
        raise StartError(msg)
    return url


SHARED_NOTICE = (
    "All labs and jobs here run under one system account: whoever may run a notebook "
    "can read and change everybody's files."
)


class HubSettings(BaseModel):
    """All that the hub's process has to know; it reads no other variable or file.

    The supervisor writes it to a 0600 file, as it holds secrets.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    site: Site
    site_id: str
    isolated: bool
    first_admin: str
    public_port: int
    hub_port: int
    proxy_api_port: int
    tracking_port: int
    board_port: int
    internal_address: str
    places: tuple[NodePlace, ...]
    cookie_secret: str = Field(repr=False)
    proxy_token: str = Field(repr=False)
    supervisor_token: str = Field(repr=False)
    oauth_secret: str = Field(repr=False)
    board_token: str = Field(repr=False)
    board_token_file: Path
    tracking_key_file: Path
    folder: Path
    logs: Path
    homes: Path
    pages: Path
    notebooks: Path

    @property
    def public_url(self) -> str:
        """The address that browsers use."""
        return f"http://127.0.0.1:{self.public_port}"

    @property
    def proxy_api_url(self) -> str:
        """The proxy's own interface."""
        return f"http://127.0.0.1:{self.proxy_api_port}"

    @property
    def tracking_url(self) -> str:
        """The tracking server as programs on this machine and containers reach it."""
        if self.site.tracking.api_url is not None:
            return self.site.tracking.api_url
        return f"http://{self.internal_address}:{self.tracking_port}"

    @property
    def tracking_files_url(self) -> str:
        """The tracking server's files, as these reach them."""
        return self.site.tracking.files_url or f"{self.tracking_url}/files"

    @property
    def tracking_web_url(self) -> str | None:
        """The pages of a ClearML Server; None: the embedded server's."""
        return self.site.tracking.web_url

    @property
    def hub_url(self) -> str:
        """The hub itself as programs on this machine and containers reach it."""
        return f"http://{self.internal_address}:{self.hub_port}"

    @property
    def board_url(self) -> str:
        """The board as programs on this machine reach it, without its prefix."""
        return f"http://{self.internal_address}:{self.board_port}"

    @property
    def has_processes(self) -> bool:
        """Whether some labs are processes."""
        return any(place.kind is PlaceKind.PROCESS for place in self.places)

    @property
    def shared_notice(self) -> str:
        """What every page says where labs share one system account; else nothing."""
        return SHARED_NOTICE if not self.isolated and self.has_processes else ""
