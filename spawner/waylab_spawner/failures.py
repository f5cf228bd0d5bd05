"""How a start that cannot be is told to its user.

Each gives a `SpawnException`: JSON over REST, HTML on the pages, no traceback.
"""

from __future__ import annotations

import html

from jupyterhub.spawner import SpawnException

from waylab_spawner.errors import (
    BoardAway,
    LeaseRefused,
    NoDeviceFree,
    OptionsError,
    SpawnerError,
    TrackingError,
)

WAITING_PATH = "/services/gpus/wait/"
_CONFLICT = 409
_UNAVAILABLE = 503
_ERROR = 500


def refused(message: str, reason: str, status_code: int = 400) -> SpawnException:
    """Say in a sentence why the lab does not start."""
    return _made(message, html.escape(message), reason, status_code)


def capacity(ticket: str, place_in_line: str = "") -> SpawnException:
    """Say that no device is free, and lead to the ticket's page.

    The hub's pages follow the link of class `waylab-wait` by themselves.
    """
    message = (
        "No GPU of this kind is free now. You are in line"
        f"{f' ({place_in_line})' if place_in_line else ''}; the lab starts by itself "
        "when it is your turn."
    )
    link = html.escape(f"{WAITING_PATH}{ticket}")
    shown = f'<a class="waylab-wait" href="{link}">Show the line</a>'
    return _made(
        f"{message} See {WAITING_PATH}{ticket}",
        f"{html.escape(message)} {shown}",
        "gpu-capacity",
        _UNAVAILABLE,
    )


def board_away(detail: str) -> SpawnException:
    """Say that nobody grants GPUs at the moment."""
    message = (
        "The board, which grants the GPUs, does not answer now. Try again in a minute, "
        "or start a lab without a GPU; what runs goes on."
    )
    shown = html.escape(message)
    return _made(message, shown, "board-away", _UNAVAILABLE, f"{message} ({detail})")


def ended(exit_words: str, log: str, remedy: str = "") -> SpawnException:
    """Show how the lab ended while it started, and the end of its log."""
    message = f"The lab ended while it started ({exit_words})."
    if remedy:
        message = f"{message} {remedy}"
    text = f"{message} The end of its log:\n{log}" if log else message
    shown = html.escape(message) + (_log(log) or " Its log is empty.")
    return _made(text, shown, "lab-ended", _ERROR, message)


def too_slow(seconds: float, log: str) -> SpawnException:
    """Say that the lab was not ready in time, and show the end of its log."""
    message = (
        f"The lab did not answer within {seconds:g} seconds. Start it again; if that "
        "happens again, ask the admin for a longer start_timeout_seconds."
    )
    return _made(message, html.escape(message) + _log(log), "timeout", _UNAVAILABLE)


def told(error: SpawnerError) -> SpawnException:
    """Tell an error of this package to the lab's user."""
    match error:
        case NoDeviceFree():
            return capacity(error.ticket, error.place)
        case BoardAway():
            return board_away(str(error))
        case OptionsError():
            return refused(str(error), "options")
        case LeaseRefused():
            return refused(str(error), "gpu-refused", _CONFLICT)
        case TrackingError():
            return refused(str(error), "tracking", _UNAVAILABLE)
    return refused(str(error), "place", _UNAVAILABLE)


def _log(log: str) -> str:
    if not log:
        return ""
    return f' The end of its log:<pre class="waylab-log">{html.escape(log)}</pre>'


def _made(
    message: str, message_html: str, reason: str, status_code: int, log: str = ""
) -> SpawnException:
    error = SpawnException(
        message,
        reason=reason,
        message_html=message_html,
        status_code=status_code,
    )
    # JupyterHub's own argument of this name is lost; Tornado formats it with `%`.
    error.log_message = (log or message).replace("%", "%%")
    # What the page of a failed start reads; REST answers with `reason` and these.
    error.jupyterhub_message = message
    error.jupyterhub_html_message = message_html
    return error
