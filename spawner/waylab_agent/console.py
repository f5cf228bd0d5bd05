"""Turning a growing console log into log events: pure rules.

Complete lines are sent as they come, joined into messages. A line that is not complete
yet is kept back for a while: it may be a progress bar, of which only the last state
(after the last carriage return) is worth keeping.
"""

from __future__ import annotations

from dataclasses import dataclass

MESSAGE_LIMIT_CHARS = 64 * 1024
_LONGEST_CHARACTER = 4
_PREAMBLE_START = "Current configuration (clearml_agent"


@dataclass(frozen=True)
class Position:
    """How far a console log has been turned into events.

    `offset` counts bytes; `in_preamble`: the position is inside the listing of its
    configuration with which `clearml-agent` opens each log (left out: it is the same
    for every job, and of no use to its owner).
    """

    offset: int = 0
    in_preamble: bool = False


@dataclass(frozen=True)
class Slice:
    """The next messages of a log, and the position behind them."""

    messages: tuple[str, ...]
    end: Position


def take(position: Position, content: bytes, *, flush: bool) -> Slice:
    """Turn bytes from `position` on into messages.

    `flush` takes an incomplete last line too (up to a complete character unless
    nothing else is left): the log has ended, or the line has waited long enough.
    """
    cut = content.rfind(b"\n") + 1
    if flush:
        cut = _whole_characters(content) or len(content)
    lines = content[:cut].decode("utf-8", errors="replace").split("\n")
    texts: list[str] = []
    in_preamble = position.in_preamble
    for number, line in enumerate(lines):
        last = number == len(lines) - 1
        if in_preamble:
            in_preamble = bool(line.strip()) or last
            continue
        if line.startswith(_PREAMBLE_START):
            in_preamble = True
            continue
        shown = _last_state(line)
        texts.append(shown if last else f"{shown}\n")
    return Slice(
        messages=_join(texts),
        end=Position(offset=position.offset + cut, in_preamble=in_preamble),
    )


def _last_state(line: str) -> str:
    """Give what a terminal would show of a line with carriage returns."""
    return line.rstrip("\r").rpartition("\r")[2].replace("\b", "")


def _whole_characters(content: bytes) -> int:
    """Give the length of the content without an incomplete character at its end."""
    for length in range(len(content), max(len(content) - _LONGEST_CHARACTER, 0), -1):
        try:
            content[length - 1 :].decode("utf-8")
        except UnicodeDecodeError as error:
            if error.reason == "unexpected end of data":
                return length - 1
        else:
            break
    return len(content)


def _join(texts: list[str]) -> tuple[str, ...]:
    messages: list[str] = []
    message = ""
    for text in texts:
        rest = text
        while rest:
            room = MESSAGE_LIMIT_CHARS - len(message)
            message += rest[:room]
            rest = rest[room:]
            if len(message) >= MESSAGE_LIMIT_CHARS:
                messages.append(message)
                message = ""
    if message:
        messages.append(message)
    return tuple(messages)
