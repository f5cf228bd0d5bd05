"""Set Waylab up in this folder: `python3 hub/install/bootstrap.py [--dev]`.

Needs nothing but Python. This file keeps to old syntax, so that an old Python
gets a sentence and not a SyntaxError; the work is in the package beside it.
"""

import sys

NEEDED = (3, 11)


def refusal(version):  # type: ignore[no-untyped-def]  # Old syntax, see above.
    """Return why a Python of this version cannot set Waylab up, or None."""
    if tuple(version[:2]) >= NEEDED:
        return None
    return (
        "Waylab needs Python %d.%d or newer, and this is %d.%d (%s): install a newer "  # noqa: UP031
        "one and name it, for example `make up PYTHON=python3.12`."
        % (NEEDED + tuple(version[:2]) + (sys.executable,))
    )


if __name__ == "__main__":
    WHY_NOT = refusal(sys.version_info)  # type: ignore[no-untyped-call]
    if WHY_NOT:
        sys.exit(WHY_NOT)
    from waylab_install.cli import main

    sys.exit(main())
