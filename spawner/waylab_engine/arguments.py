"""The options that a task's `container.arguments` may ask for.

ClearML hands this text to `docker run`; here it is read into values, and what would
reach beyond the job's own container is refused by name. The text comes from a user.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from waylab_engine import sizes
from waylab_engine.errors import ArgumentsRefused

MOST_CHARACTERS = 8192
MOST_VARIABLES = 100
LEAST_MEMORY_BYTES = 16 * 1024**2
"""An engine takes no less than 6 MiB, and no Python starts in that."""
LEAST_SHM_BYTES = 1024**2
_SHOWN = 60

OURS = ("NVIDIA_", "WAYLAB_", "JUPYTERHUB_", "JPY_", "CUDA_VISIBLE_DEVICES")
OURS_OF_CLEARML = (
    *("CLEARML_API_", "CLEARML_WEB_", "CLEARML_FILES_", "CLEARML_AUTH_"),
    *("CLEARML_CONFIG_FILE", "CLEARML_TASK_ID", "CLEARML_WORKER_", "TRAINS_"),
)
"""Beginnings of the variables that Waylab sets itself; a task cannot set them."""


@dataclass(frozen=True)
class Ulimit:
    """A limit of the kernel; -1 is none."""

    name: str
    soft: int
    hard: int


@dataclass(frozen=True)
class Options:
    """What a task asks of its container; None where it does not say."""

    cpus: float | None = None
    memory_bytes: int | None = None
    shm_bytes: int | None = None
    environment: tuple[tuple[str, str], ...] = ()
    ulimits: tuple[Ulimit, ...] = ()


def parse(text: str) -> Options:
    """Read the text of `container.arguments`.

    Raises:
        ArgumentsRefused: it is no command line, or holds an option that is not
            allowed or whose value makes no sense; the message names the option and
            says what to do instead.
    """
    if len(text) > MOST_CHARACTERS or "\0" in text:
        msg = (
            f"The container's arguments have {len(text)} characters: write plain text "
            f"of at most {MOST_CHARACTERS}."
        )
        raise ArgumentsRefused(msg)
    try:
        words = shlex.split(text)
    except ValueError as error:
        msg = f"The container's arguments {text[:_SHOWN]!r} are cut off: {error}."
        raise ArgumentsRefused(msg) from error
    options = Options()
    for name, value in _pairs(words):
        options = _READERS[name](options, name, value)
    if len(options.environment) > MOST_VARIABLES:
        msg = (
            f"The container's arguments set {len(options.environment)} variables: "
            f"set at most {MOST_VARIABLES}."
        )
        raise ArgumentsRefused(msg)
    return options


def _pairs(words: list[str]) -> Iterator[tuple[str, str]]:
    rest = iter(words)
    for word in rest:
        name, value = _split(word)
        if name not in _READERS:
            raise _refusal(name)
        if value is None:
            value = next(rest, None)
        if value is None:
            msg = f"The container's argument {name} has no value: write {name}=VALUE."
            raise ArgumentsRefused(msg)
        yield name, value


def _split(word: str) -> tuple[str, str | None]:
    """Take a word apart: `--name=value`, `-nvalue`, or a name alone."""
    if word.startswith("--"):
        name, equals, value = word.partition("=")
        return name, value if equals else None
    if word.startswith("-") and len(word) > 1:
        name, value = word[:2], word[2:]
        # Several letters at once, as -it, are options without a value.
        if name in _READERS:
            return name, value.removeprefix("=") if value else None
        return word if word in _REMEDIES else name, None
    return word, None


def _environment(options: Options, name: str, value: str) -> Options:
    variable, equals, content = value.partition("=")
    if not equals or not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", variable):
        msg = (
            f"The container's argument {name} {value[:_SHOWN]!r} sets no variable: "
            f"write {name} NAME=VALUE."
        )
        raise ArgumentsRefused(msg)
    if variable.upper().startswith((*OURS, *OURS_OF_CLEARML)):
        msg = (
            f"The container's argument {name} sets {variable}, which Waylab sets "
            "itself: leave it out."
        )
        raise ArgumentsRefused(msg)
    kept = tuple(pair for pair in options.environment if pair[0] != variable)
    return replace(options, environment=(*kept, (variable, content)))


def _cpus(options: Options, name: str, value: str) -> Options:
    if not re.fullmatch(r"\d{1,4}(\.\d{1,4})?", value) or float(value) <= 0:
        raise _bad_value(name, value, "a number of CPUs above 0, as 4 or 1.5")
    return replace(options, cpus=float(value))


def _memory(options: Options, name: str, value: str) -> Options:
    return replace(options, memory_bytes=_size(name, value, LEAST_MEMORY_BYTES))


def _shm(options: Options, name: str, value: str) -> Options:
    return replace(options, shm_bytes=_size(name, value, LEAST_SHM_BYTES))


def _size(name: str, value: str, least: int) -> int:
    try:
        size = sizes.parse(value)
    except ValueError as error:
        raise _bad_value(name, value, "a size, as 8g or 512m") from error
    if size < least:
        raise _bad_value(name, value, f"a size of at least {sizes.show(least)}")
    return size


def _ulimit(options: Options, name: str, value: str) -> Options:
    found = re.fullmatch(r"(memlock|stack)=(-1|\d{1,15})(?::(-1|\d{1,15}))?", value)
    if found is None:
        raise _bad_value(name, value, "memlock=-1 or stack=67108864")
    kind, soft, hard = found[1], int(found[2]), int(found[3] or found[2])
    if hard != -1 and (soft == -1 or soft > hard):
        raise _bad_value(name, value, "a soft limit that is not above the hard one")
    kept = tuple(limit for limit in options.ulimits if limit.name != kind)
    return replace(options, ulimits=(*kept, Ulimit(kind, soft, hard)))


def _ipc(options: Options, name: str, value: str) -> Options:
    if value != "private":
        msg = (
            f"The container's argument {name}={value[:_SHOWN]} is not allowed: leave "
            "it out, and ask for more shared memory with --shm-size=8g."
        )
        raise ArgumentsRefused(msg)
    return options


_Reader = Callable[[Options, str, str], Options]
_READERS: dict[str, _Reader] = {
    "-e": _environment,
    "--env": _environment,
    "--cpus": _cpus,
    "-m": _memory,
    "--memory": _memory,
    "--shm-size": _shm,
    "--ulimit": _ulimit,
    "--ipc": _ipc,
}
ALLOWED = tuple(_READERS)
"""The options that are read."""

_SHARES = "what every job sees are its user's home and the site's shares"
_GPUS = "its devices come from its lease; ask for their number in the task's parameters"
_REMEDIES = {
    "-v": _SHARES,
    "--volume": _SHARES,
    "--mount": _SHARES,
    "--volumes-from": _SHARES,
    "--tmpfs": "shared memory has the size given by --shm-size",
    "--gpus": _GPUS,
    "--device": _GPUS,
    "--runtime": _GPUS,
    "--privileged": "a job runs without privileges",
    "--cap-add": "a job runs without privileges",
    "--security-opt": "a job runs without privileges",
    "--pid": "a job sees its own processes only",
    "--network": "a job is on its node's network as it is",
    "--net": "a job is on its node's network as it is",
    "--env-file": "set each variable with -e NAME=VALUE",
    "-u": "a job runs as the image's own account for labs",
    "--user": "a job runs as the image's own account for labs",
    "--entrypoint": "a job is started by ClearML's agent",
    "--rm": "containers are cleared away in any case",
}


def _refusal(name: str) -> ArgumentsRefused:
    shown = name[:_SHOWN]
    why = _REMEDIES.get(name, f"allowed are {', '.join(ALLOWED)}")
    if not name.startswith("-"):
        return ArgumentsRefused(
            f"The container's arguments hold {shown!r}, which is no option; {why}."
        )
    return ArgumentsRefused(
        f"The container's argument {shown} is not allowed: {why}. Remove it."
    )


def _bad_value(name: str, value: str, wanted: str) -> ArgumentsRefused:
    return ArgumentsRefused(
        f"The container's argument {name} has the value {value[:_SHOWN]!r}: "
        f"write {wanted}."
    )
