"""Makes the set-up program importable, as it is when it is run."""

import sys
from pathlib import Path

INSTALL = Path(__file__).parents[2] / "hub" / "install"

sys.path.insert(0, str(INSTALL))
