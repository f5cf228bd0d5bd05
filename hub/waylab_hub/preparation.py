"""What has to be there before a program is started: checked, and made if missing."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from waylab_hub import passwords, ports
from waylab_hub.agents import agents_here
from waylab_hub.assemble import SUPERVISOR
from waylab_hub.engines import NodeEngine, engines_of, internal_address, places_of
from waylab_hub.errors import HubError, StartError
from waylab_hub.places import proxy_command, templates_root
from waylab_hub.programs import (
    BOARD,
    HUB,
    PROXY,
    TRACKING,
    hub_settings_file,
    site_json_file,
    system_key_file,
)
from waylab_hub.provisioning import ensure_system_keys
from waylab_hub.reachable import check_reachable
from waylab_hub.settings import Environment, HubSettings
from waylab_hub.supervised import end_holder
from waylab_hub.users import User, Users
from waylab_site.errors import StateError
from waylab_site.inventory import Inventory, this_machine
from waylab_site.loading import default_text, load
from waylab_site.model import Site
from waylab_site.state import State, write_private
from waylab_spawner.environment import SYSTEM_PATH, kept

FIRST_ADMIN = "admin"
# The last is for tests of what the tracking server answers.
_PASSED_ON = ("HOME", "TMPDIR", "WAYLAB_TRACKING_RECORD")


@dataclass(frozen=True)
class FirstSignIn:
    """What is told once, at the first start; `password` is None if it was preset."""

    name: str
    password: str | None = field(repr=False)


@dataclass(frozen=True)
class Prepared:
    """All that has to be there before a program is started."""

    state: State
    environment: Environment
    inventory: Inventory
    ports: ports.Ports
    users: Users
    admin: User
    first: FirstSignIn | None
    templates: Path
    proxy: tuple[str, ...]
    engines: tuple[NodeEngine, ...]


def prepare(
    state: State, environment: Environment, site_file: Path | None = None
) -> Prepared:
    """Check what can be checked, and make what is missing of a state folder.

    The caller holds the supervisor's lock.

    Raises:
        StartError: a port in use, a proxy that is not there, a closed folder.
        SiteFileError: the site's declaration is wrong.
        StateError: the state folder cannot be used.
    """
    environment.databases()
    inventory = this_machine()
    templates = templates_root(environment.templates_root)
    proxy = proxy_command(environment.proxy_command)
    if state.isolated:
        check_reachable(templates)
    _place_site(state, site_file, inventory)
    site = load(state.site_file, inventory)
    agents = [plan.program for plan in agents_here(site, inventory)]
    engines = engines_of(site, state.engines)
    internal = internal_address(site, engines, state.site_id)
    _end_leftovers(state, (*agents, BOARD, HUB, TRACKING, PROXY))
    ensure_system_keys(state, site)
    server = site.tracking
    urls = (str(server.api_url), str(server.web_url), str(server.files_url))
    clearml = urls if server.is_external else None
    chosen = ports.choose(state.ports_file, environment.port, internal, clearml)
    users = Users(state.hub / "users.sqlite")
    admin, first = _ensure_admin(users, environment)
    return Prepared(
        state=state,
        environment=environment,
        inventory=inventory,
        ports=chosen,
        users=users,
        admin=admin,
        first=first,
        templates=templates,
        proxy=proxy,
        engines=engines,
    )


def write_hub_settings(prepared: Prepared, site: Site) -> HubSettings:
    """Write what hub, board and agents have to know of the site, each file 0600."""
    state, chosen = prepared.state, prepared.ports
    settings = HubSettings(
        site=site,
        site_id=state.site_id,
        isolated=state.isolated,
        first_admin=prepared.admin.name,
        public_port=chosen.public,
        hub_port=chosen.hub,
        proxy_api_port=chosen.proxy_api,
        tracking_port=chosen.tracking,
        board_port=chosen.board,
        internal_address=chosen.internal,
        places=places_of(prepared.engines, prepared.inventory),
        board_token=state.secret("board-token"),
        board_token_file=state.secret_file("board-token"),
        cookie_secret=state.secret("cookie-secret"),
        proxy_token=state.secret("proxy-token"),
        supervisor_token=state.secret(f"{SUPERVISOR}-token"),
        oauth_secret=state.secret("oauth-secret"),
        tracking_key_file=system_key_file(state, site),
        folder=state.hub,
        logs=state.root / "logs",
        homes=state.homes,
        pages=prepared.templates / "hub",
        notebooks=prepared.templates,
    )
    write_private(hub_settings_file(state), settings.model_dump_json())
    write_private(site_json_file(state), site.model_dump_json())
    return settings


def base_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Give what every program gets of the operator's environment."""
    own = {name: environ[name] for name in _PASSED_ON if name in environ}
    # The programs may need what the operator's PATH has (node); labs get their own.
    path = f"{Path(sys.executable).parent}:{environ.get('PATH', SYSTEM_PATH)}"
    return {
        **kept(environ),
        **own,
        "PATH": path,
        "VIRTUAL_ENV": sys.prefix,
        "PYTHONUNBUFFERED": "1",
    }


def _place_site(state: State, given: Path | None, inventory: Inventory) -> None:
    default = default_text(inventory)
    if given is not None:
        load(given, inventory)
        wanted = given.read_text(encoding="utf-8")
        if state.site_file.exists():
            present = state.site_file.read_text(encoding="utf-8")
            if present not in {wanted, default}:
                msg = (
                    f"{state.site_file} declares another site than {given}: move it "
                    "away, or start without --site."
                )
                raise StateError(msg)
        write_private(state.site_file, wanted)
    elif not state.site_file.exists():
        write_private(state.site_file, default)


def _ensure_admin(
    users: Users, environment: Environment
) -> tuple[User, FirstSignIn | None]:
    admin = users.first_admin()
    if admin is not None:
        return admin, None
    preset = environment.admin_password
    password = preset.get_secret_value() if preset else passwords.generate()
    try:
        admin = users.add(FIRST_ADMIN, password, admin=True, first=True)
    except HubError as error:
        msg = f"WAYLAB_ADMIN_PASSWORD is not accepted: {error}"
        raise StartError(msg) from error
    return admin, FirstSignIn(admin.name, None if preset else password)


def _end_leftovers(state: State, names: Iterable[str]) -> None:
    """End what a supervisor that was killed left running; labs and jobs go on."""
    for name in names:
        end_holder(state.lock(name), grace_seconds=10.0)
