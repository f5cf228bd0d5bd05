"""What a site tells the spawner: the traits, and the values made of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError
from traitlets import (
    Bool,
    Dict,
    Float,
    HasTraits,
    List,
    TraitError,
    Unicode,
    validate,
)

from waylab_site.model import Homes, Image, Profile, Share
from waylab_spawner.keys import TrackingPlace
from waylab_spawner.offers import NodePlace, Offers
from waylab_spawner.surroundings import Surroundings

_TABLES: Mapping[str, TypeAdapter[Any]] = {
    "profiles": TypeAdapter(tuple[Profile, ...]),
    "images": TypeAdapter(tuple[Image, ...]),
    "places": TypeAdapter(tuple[NodePlace, ...]),
    "shares": TypeAdapter(tuple[Share, ...]),
    "container_homes": TypeAdapter(Homes),
}


class SiteTraits(HasTraits):
    """The settings of `WaylabSpawner`."""

    site_id = Unicode(
        help="""The site's id: labels and marks of every lab begin with it. Example:
        `a1b2c3d4`.""",
    ).tag(config=True)
    profiles: Any = List(
        help="""The profiles of the site as tables of waylab.toml; those that no node
        can run are not offered. Example: `[{"name": "small", "title": "Small"}]`.""",
    ).tag(config=True)
    images: Any = List(
        help="""The images of the site as tables of waylab.toml; labs in containers use
        no other. Example: `[{"name": "lab", "title": "Lab", "reference": "lab:1"}]`.
        """,
    ).tag(config=True)
    places: Any = List(
        [{"node": "local", "kind": "process"}],
        help="""The nodes that run labs, in the order of preference, and how: as
        processes (the hub's own machine only) or by a container engine, whose ports
        are published on `host`. Example: `[{"node": "vision", "kind": "engine",
        "engine_url": "tcp://vision:2376", "engine_tls": "/etc/waylab/vision",
        "host": "10.0.0.5"}]`. By default labs are processes.""",
    ).tag(config=True)
    homes = Unicode(
        help="""The folder of the homes of labs that are processes. Example:
        `/srv/waylab/homes`.""",
    ).tag(config=True)
    container_homes: Any = Dict(
        help="""The table `[homes]` of waylab.toml: what a home is in a container. A
        named volume by default. Example: `{"kind": "folder", "path": "/srv/{user}"}`.
        """,
    ).tag(config=True)
    shares: Any = List(
        help="""The shares of the site as tables of waylab.toml. Example:
        `[{"name": "data", "mount": "/data", "path": "/srv/data"}]`.""",
    ).tag(config=True)
    isolated = Bool(
        False,
        help="""Run labs that are processes under a system account of their user; needs
        root. Off by default, as a hub that is not root cannot.""",
    ).tag(config=True)
    lab_logs = Unicode(
        help="The folder of the labs' logs. Example: `/srv/waylab/logs`.",
    ).tag(config=True)
    notebook_templates = Unicode(
        help="The folder of starter notebooks, offered in the lab's launcher.",
    ).tag(config=True)
    tracking_api_url = Unicode(
        help="""The tracking server as the hub reaches it, and labs that are processes.
        Example: `http://127.0.0.1:8008`.""",
    ).tag(config=True)
    tracking_web_url = Unicode(
        help="The tracking server's pages as browsers reach them.",
    ).tag(config=True)
    tracking_files_url = Unicode(
        help="The tracking server's files as labs that are processes reach them.",
    ).tag(config=True)
    tracking_key_file = Unicode(
        help="The 0600 file with the keys of the `system` principal.",
    ).tag(config=True)
    keys_days = Float(
        0.0,
        min=0.0,
        help="""Days after which a lab that still runs renews its keys for the embedded
        tracking server. Default: 0, never. Example: `30`.""",
    ).tag(config=True)
    own_keys = Bool(
        False,
        help="""Whether users bring their own ClearML keys, which the board keeps, as
        with a ClearML Server. Default: false, the hub makes each lab's. Example:
        `true`.""",
    ).tag(config=True)
    container_tracking_api_url = Unicode(
        help="""The tracking server as containers reach it; empty, the default, is
        `tracking_api_url`. Example: `http://172.29.0.1:8008`.""",
    ).tag(config=True)
    container_tracking_files_url = Unicode(
        help="""The tracking server's files as containers reach them; empty, the
        default, is `tracking_files_url`.""",
    ).tag(config=True)
    container_hub_url = Unicode(
        help="""The hub as containers reach it (scheme, address and port); empty, the
        default, is what the hub says of itself. Example: `http://172.29.0.1:8081`.""",
    ).tag(config=True)
    board_url = Unicode(
        help="""The board, which grants the GPUs, as the hub reaches it; empty, the
        default, is none: then only labs without a GPU start. Example:
        `http://127.0.0.1:8010/services/gpus`.""",
    ).tag(config=True)
    board_token_file = Unicode(
        help="The 0600 file with the hub's own token for the board.",
    ).tag(config=True)
    idle_hours = Float(
        0.0,
        help="Hours after which an unused lab ends; 0, the default, is never.",
    ).tag(config=True)

    @validate(*_TABLES)
    def _check_table(self, proposal: Mapping[str, Any]) -> Any:
        name, value = proposal["trait"].name, proposal["value"]
        try:
            _TABLES[name].validate_python(value)
        except ValidationError as error:
            msg = f"WaylabSpawner.{name} do not fit: {error}"
            raise TraitError(msg) from error
        return value

    @property
    def offers(self) -> Offers:
        """What the site offers for labs."""
        read = {
            name: _TABLES[name].validate_python(getattr(self, name))
            for name in ("profiles", "images", "places")
        }
        return Offers(**read)

    @property
    def surroundings(self) -> Surroundings:
        """What the site gives to every lab."""
        return Surroundings(
            site_id=self.site_id,
            homes=self.homes,
            isolated=self.isolated,
            logs=self.lab_logs,
            notebook_templates=self.notebook_templates,
            idle_hours=self.idle_hours,
            hub_url=self.container_hub_url,
            images=_TABLES["images"].validate_python(self.images),
            container_homes=_TABLES["container_homes"].validate_python(
                self.container_homes
            ),
            shares=_TABLES["shares"].validate_python(self.shares),
        )

    def tracking_place(self, *, in_container: bool) -> TrackingPlace:
        """Say where tracking is for a lab."""
        api_url, files_url = self.tracking_api_url, self.tracking_files_url
        if in_container:
            api_url = self.container_tracking_api_url or api_url
            files_url = self.container_tracking_files_url or files_url
        return TrackingPlace(
            hub_url=self.tracking_api_url,
            api_url=api_url,
            web_url=self.tracking_web_url,
            files_url=files_url,
            key_file=Path(self.tracking_key_file),
        )
