"""Images between files and engines, and from one engine to another."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from waylab_engine.engine import Engine
from waylab_rig.errors import RigError

_SECONDS = 600.0
_CHUNK = 1 << 20


def copy(source: Engine, target: Engine, reference: str) -> None:
    """Bring an image from one engine to another.

    Raises:
        EngineError: one of them does not do it.
    """
    if target.has_image(reference):
        return

    def give(client: Any) -> None:
        chunks = source.connection.run(lambda own: own.get_image(reference), _SECONDS)
        for _ in client.load_image(chunks):
            pass

    target.connection.run(give, _SECONDS)


def import_root(engine: Engine, path: Path, reference: str) -> None:
    """Make an image of a file that holds a root folder.

    Raises:
        EngineError: the engine does not take it.
    """
    name, _, tag = reference.rpartition(":")

    def give(client: Any) -> None:
        with path.open("rb") as file:
            # A generator, as the SDK announces chunks and would send none for a file.
            chunks = iter(lambda: file.read(_CHUNK), b"")
            client.import_image_from_stream(chunks, name, tag)

    engine.connection.run(give, _SECONDS)


def tag(engine: Engine, reference: str, also: str) -> None:
    """Give an image a second name.

    Raises:
        EngineError: the engine does not do it.
    """
    name, _, own = also.rpartition(":")
    engine.connection.run(lambda client: client.tag(reference, name, own, force=True))


def keep_only(engine: Engine, name: str, kept: Sequence[str]) -> None:
    """Drop all tags of a name but the ones kept; a layer in use stays.

    Raises:
        EngineError: the engine does not do it.
    """

    def work(client: Any) -> None:
        for image in client.images(name):
            for own in image["RepoTags"] or ():
                if own.rpartition(":")[0] == name and own not in kept:
                    client.remove_image(own)

    engine.connection.run(work, _SECONDS)


def build(engine: Engine, context: Path, reference: str, **arguments: str) -> None:
    """Build an image from a folder with a Dockerfile, without a network.

    Raises:
        RigError: a step of it fails; the text has the last words.
        EngineError: the engine does not answer.
    """

    def work(client: Any) -> list[str]:
        said: list[str] = []
        for event in client.build(
            path=str(context),
            tag=reference,
            buildargs=arguments,
            network_mode="none",
            rm=True,
            forcerm=True,
            decode=True,
        ):
            if "error" in event:
                msg = (
                    f"{reference} cannot be built: {''.join(said[-5:])}{event['error']}"
                )
                raise RigError(msg)
            said.append(str(event.get("stream", "")))
        return said

    engine.connection.run(work, _SECONDS)
