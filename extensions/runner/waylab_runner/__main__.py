"""`python -m waylab_runner`."""

import sys

from waylab_runner import main

sys.exit(main())
