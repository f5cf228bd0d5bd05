"""What `jupyterhub -f` reads: the settings file of the supervisor, assembled."""

import os
from pathlib import Path

from waylab_hub.assemble import assemble, board_url
from waylab_hub.settings import HubSettings
from waylab_spawner.presence import announce

_settings = HubSettings.model_validate_json(
    Path(os.environ["WAYLAB_HUB_SETTINGS"]).read_text(encoding="utf-8")
)
c = get_config()  # type: ignore[name-defined]  # noqa: F821 - JupyterHub gives it.
c.merge(assemble(_settings))
announce(board_url(_settings), _settings.board_token_file)
