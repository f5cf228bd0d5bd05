"""The hub's configuration: a pure function of its settings."""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import BaseModel
from traitlets.config import Config

from waylab_hub.settings import HubSettings
from waylab_hub.tracking_users import SignInHook
from waylab_site.model import Site

SUPERVISOR = "waylab-supervisor"
TRACKING = "clearml"
TRACKING_CLIENT = f"service-{TRACKING}"
TRACKING_PREFIX = f"/services/{TRACKING}"
BOARD_SERVICE = "gpus"
BOARD_CLIENT = f"service-{BOARD_SERVICE}"
BOARD_PREFIX = f"/services/{BOARD_SERVICE}"
BOARD_CALLBACK = f"{BOARD_PREFIX}/oauth_callback"
TRACKING_CALLBACK = f"{TRACKING_PREFIX}/oauth_callback"

NOTICE_VARIABLE = "WAYLAB_NOTICE"
"""Of a lab's environment: a sentence that the lab shows to whoever uses it."""


def assemble(settings: HubSettings) -> Config:
    """Give the hub's whole configuration."""
    config = Config()
    _hub(config, settings)
    _sign_in(config, settings)
    _services(config, settings)
    _labs(config, settings)
    return config


def _hub(config: Config, settings: HubSettings) -> None:
    hub = config.JupyterHub
    hub.bind_url = settings.public_url
    hub.hub_bind_url = settings.hub_url
    hub.db_url = f"sqlite:///{settings.folder / 'jupyterhub.sqlite'}"
    hub.cookie_secret = bytes.fromhex(settings.cookie_secret)
    # The supervisor owns the proxy, and labs outlive the hub.
    hub.cleanup_servers = False
    hub.cleanup_proxy = False
    config.ConfigurableHTTPProxy.should_start = False
    config.ConfigurableHTTPProxy.api_url = settings.proxy_api_url
    config.ConfigurableHTTPProxy.auth_token = settings.proxy_token
    hub.template_paths = [str(settings.pages)]
    hub.template_vars = _page_variables(settings)
    hub.logo_file = str(settings.pages / "logo.svg")
    hub.hub_routespec = "/"
    hub.allow_named_servers = settings.site.labs.named_servers_per_user > 0
    hub.named_server_limit_per_user = settings.site.labs.named_servers_per_user
    # Many labs starting at once only wait for the same cores.
    hub.concurrent_spawn_limit = 20
    hub.show_config = False
    # The page "starting" shows the progress; the request itself need not wait long.
    hub.tornado_settings = {"slow_spawn_timeout": 1.0}
    # No call home for the version check of news.
    hub.log_format = "%(asctime)s %(levelname)s %(name)s: %(message)s"
    hub.log_datefmt = "%Y-%m-%d %H:%M:%S"


def _page_variables(settings: HubSettings) -> dict[str, object]:
    return {
        "site_name": settings.site.site.name,
        "shared_notice": settings.shared_notice,
        "tracking_path": settings.tracking_web_url or f"{TRACKING_PREFIX}/",
        "own_keys_path": (
            f"{BOARD_PREFIX}/clearml" if settings.site.tracking.is_external else ""
        ),
        "pc_path": "" if settings.site.tracking.is_external else f"{BOARD_PREFIX}/pc",
        "gpus_path": f"{BOARD_PREFIX}/",
    }


def _sign_in(config: Config, settings: HubSettings) -> None:
    config.JupyterHub.authenticator_class = (
        "waylab_hub.authenticator.WaylabAuthenticator"
    )
    sign_in = config.WaylabAuthenticator
    sign_in.users_file = str(settings.folder / "users.sqlite")
    sign_in.allow_all = True
    sign_in.only_user = only_user(
        settings.site, settings.first_admin, isolated=settings.isolated
    )
    sign_in.manage_groups = bool(settings.site.groups)
    sign_in.members = settings.site.members
    # Short, so that the sessions of a removed user end at once; it costs one look
    # into a small local file.
    sign_in.auth_refresh_age = 5
    sign_in.auth_refresh_strict = True
    if not settings.site.tracking.is_external:
        sign_in.post_auth_hook = SignInHook(
            settings.tracking_url,
            settings.tracking_key_file,
            settings.site.tracking.keys_days,
        )


def board_url(settings: HubSettings) -> str:
    """Give where the hub reaches the board's interface."""
    return f"{settings.board_url}{BOARD_PREFIX}"


def only_user(site: Site, first_admin: str, *, isolated: bool) -> str:
    """Name the only user who may sign in; empty if all may."""
    return "" if isolated or site.site.shared_account else first_admin


def _services(config: Config, settings: HubSettings) -> None:
    embedded = {
        "name": TRACKING,
        "url": settings.tracking_url,
        "api_token": settings.oauth_secret,
        "oauth_client_id": TRACKING_CLIENT,
        "oauth_redirect_uri": TRACKING_CALLBACK,
        "oauth_no_confirm": True,
        "oauth_client_allowed_scopes": [f"access:services!service={TRACKING}"],
        "display": False,
    }
    config.JupyterHub.services = [
        *(() if settings.site.tracking.is_external else (embedded,)),
        {
            "name": BOARD_SERVICE,
            "url": settings.board_url,
            "api_token": settings.board_token,
            "oauth_client_id": BOARD_CLIENT,
            "oauth_redirect_uri": BOARD_CALLBACK,
            "oauth_no_confirm": True,
            "oauth_client_allowed_scopes": [f"access:services!service={BOARD_SERVICE}"],
            "display": False,
        },
        {"name": SUPERVISOR, "api_token": settings.supervisor_token, "display": False},
    ]
    config.JupyterHub.load_roles = [
        {
            "name": "user",
            "scopes": [
                "self",
                *(
                    ()
                    if settings.site.tracking.is_external
                    else (f"access:services!service={TRACKING}",)
                ),
                f"access:services!service={BOARD_SERVICE}",
            ],
        },
        {
            "name": BOARD_SERVICE,
            "description": "Starts the lab of whose turn it is, ends one whose time "
            "is up.",
            "services": [BOARD_SERVICE],
            "scopes": ["servers", "read:users", "list:users"],
        },
        {
            "name": SUPERVISOR,
            "description": "Ends labs, removes users, renews the proxy's routes.",
            "services": [SUPERVISOR],
            "scopes": [
                "list:users",
                "admin:users",
                "delete:servers",
                "read:servers",
                "proxy",
            ],
        },
    ]


def _labs(config: Config, settings: HubSettings) -> None:
    config.JupyterHub.spawner_class = "waylab_spawner.spawner.WaylabSpawner"
    labs, site = config.WaylabSpawner, settings.site
    labs.site_id = settings.site_id
    labs.profiles = _tables(site.profiles)
    labs.images = _tables(site.images)
    labs.shares = _tables(site.shares)
    labs.places = _tables(settings.places)
    labs.container_homes = site.homes.model_dump(mode="json")
    labs.container_hub_url = settings.hub_url
    labs.board_url = board_url(settings)
    labs.board_token_file = str(settings.board_token_file)
    labs.homes = str(settings.homes)
    labs.isolated = settings.isolated
    labs.lab_logs = str(settings.logs)
    labs.notebook_templates = str(settings.notebooks)
    labs.tracking_api_url = settings.tracking_url
    labs.tracking_web_url = (
        settings.tracking_web_url or f"{settings.public_url}{TRACKING_PREFIX}"
    )
    labs.tracking_files_url = settings.tracking_files_url
    labs.keys_days = settings.site.tracking.keys_days
    labs.own_keys = settings.site.tracking.is_external
    labs.tracking_key_file = str(settings.tracking_key_file)
    labs.idle_hours = settings.site.labs.idle_hours
    if settings.shared_notice:
        # Of the labs that are processes, and not of those in containers.
        notice = {NOTICE_VARIABLE: settings.shared_notice}
        config.LocalProcessSpawner.environment = notice
    labs.start_timeout = settings.site.labs.start_timeout_seconds
    labs.http_timeout = 30


def _tables(models: Iterable[BaseModel]) -> list[dict[str, object]]:
    return [model.model_dump(mode="json") for model in models]
