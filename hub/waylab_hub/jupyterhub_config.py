"""What `jupyterhub -f` reads: the settings file of the supervisor, assembled."""

import os
from pathlib import Path

from waylab_hub.assemble import assemble
from waylab_hub.settings import HubSettings

_settings = Path(os.environ["WAYLAB_HUB_SETTINGS"]).read_text(encoding="utf-8")
c = get_config()  # type: ignore[name-defined]  # noqa: F821 - JupyterHub gives it.
c.merge(assemble(HubSettings.model_validate_json(_settings)))
