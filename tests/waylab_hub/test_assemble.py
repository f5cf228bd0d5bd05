from __future__ import annotations

from pathlib import Path

import pytest
from jupyterhub.app import JupyterHub
from traitlets.config import Config

from waylab_hub.assemble import assemble, only_user
from waylab_hub.settings import HubSettings
from waylab_site.inventory import GIB, Inventory
from waylab_site.loading import default_text, parse
from waylab_spawner.offers import NodePlace
from waylab_spawner.spawner import WaylabSpawner

SITE = parse(
    default_text(Inventory((), 8, 32 * GIB)), "waylab.toml", Inventory((), 8, 32 * GIB)
)
SECRETS = ("proxy_token", "supervisor_token", "oauth_secret", "board_token")


@pytest.fixture
def settings(tmp_path: Path) -> HubSettings:
    return HubSettings(
        site=SITE,
        site_id="a1b2c3d4",
        isolated=False,
        first_admin="admin",
        public_port=8000,
        hub_port=8001,
        proxy_api_port=8002,
        tracking_port=8003,
        board_port=8004,
        internal_address="127.0.0.1",
        places=(NodePlace(node="local"),),
        board_token_file=tmp_path / "board-token",
        cookie_secret="00" * 32,
        **{name: name.replace("_", "-") for name in SECRETS},
        tracking_key_file=tmp_path / "system.json",
        folder=tmp_path,
        logs=tmp_path / "logs",
        homes=tmp_path / "homes",
        pages=tmp_path / "pages",
        notebooks=tmp_path / "notebooks",
    )


def test_the_same_settings_give_the_same_configuration(settings: HubSettings) -> None:
    assert assemble(settings) == assemble(settings)
    again = HubSettings.model_validate_json(settings.model_dump_json())
    assert assemble(again) == assemble(settings)


def test_the_hub_starts_no_proxy_and_leaves_labs_alone(settings: HubSettings) -> None:
    config = assemble(settings)

    assert config.ConfigurableHTTPProxy.should_start is False
    assert config.JupyterHub.cleanup_servers is False
    assert config.JupyterHub.cleanup_proxy is False


def test_everything_listens_on_loopback_only(settings: HubSettings) -> None:
    config = assemble(settings)

    addresses = [
        config.JupyterHub.bind_url,
        config.JupyterHub.hub_bind_url,
        config.ConfigurableHTTPProxy.api_url,
        *(service.get("url") for service in config.JupyterHub.services),
    ]
    assert all(a.startswith("http://127.0.0.1:") for a in addresses if a)


def test_the_supervisor_may_end_labs_and_nothing_more(settings: HubSettings) -> None:
    roles = {role["name"]: role for role in assemble(settings).JupyterHub.load_roles}

    assert roles["waylab-supervisor"]["scopes"] == [
        "list:users",
        "admin:users",
        "delete:servers",
        "read:servers",
        "proxy",
    ]


def test_every_configured_trait_exists(settings: HubSettings) -> None:
    config: Config = assemble(settings)

    known = JupyterHub.class_traits(config=True)
    assert set(config.JupyterHub) <= set(known)
    assert set(config.WaylabSpawner) <= set(WaylabSpawner.class_traits(config=True))


def test_no_secret_shows_when_settings_are_printed(settings: HubSettings) -> None:
    shown = repr(settings)

    for secret in ("proxy-token", "supervisor-token", "oauth-secret", "00" * 32):
        assert f"={secret!r}" not in shown


@pytest.mark.parametrize(
    ("isolated", "shared", "expected"),
    [(False, False, "admin"), (False, True, ""), (True, False, "")],
)
def test_who_may_sign_in_where_labs_share_an_account(
    isolated: bool, shared: bool, expected: str
) -> None:
    general = SITE.site.model_copy(update={"shared_account": shared})
    site = SITE.model_copy(update={"site": general})

    assert only_user(site, "admin", isolated=isolated) == expected
