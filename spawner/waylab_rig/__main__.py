"""`python -m waylab_rig engine`: runs one simulated node's engine until told to end.

`python -m waylab_rig image` has the image of labs and jobs on an engine that runs.

SIGINT ends the engine with everything that runs on it. SIGTERM ends it too, and
leaves its containers running if it was started with `--keep-containers`; the next start
with the same folder finds them again.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from waylab_engine.address import LOCAL_SOCKET, EngineAddress
from waylab_engine.engine import Engine
from waylab_engine.errors import EngineError
from waylab_rig import devices, lab_images
from waylab_rig.errors import RigError
from waylab_rig.rig import RunningEngine, start_engine

_IMAGE_SECONDS = 600.0
"""A gigabyte is copied to an engine that may have a slow disk."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; give the exit status, with one sentence if it failed."""
    parser = argparse.ArgumentParser(prog="waylab_rig", description=__doc__)
    verbs = parser.add_subparsers(required=True)
    engine = verbs.add_parser("engine", help="run a simulated node's engine")
    engine.add_argument("--node", required=True, help="the node's name")
    engine.add_argument("--state", required=True, type=Path, help="its folder")
    engine.add_argument("--devices", default="[]", help="its GPUs as JSON")
    engine.add_argument("--keep-containers", action="store_true")
    engine.set_defaults(run=_run_engine)
    image = verbs.add_parser("image", help="have the image of labs on an engine")
    image.add_argument("--engine", default=LOCAL_SOCKET, help="the engine's address")
    image.set_defaults(run=_have_image)
    options = parser.parse_args(argv)
    status: int = options.run(options)
    return status


def _have_image(options: argparse.Namespace) -> int:
    try:
        with Engine(
            EngineAddress(options.engine), slow_seconds=_IMAGE_SECONDS
        ) as there:
            had = lab_images.ensure(there)
    except (RigError, EngineError, ValueError) as error:
        print(f"The image cannot be had. {error}", file=sys.stderr)
        return 1
    print(f"{options.engine} has {lab_images.REFERENCE} ({had}).")
    return 0


def _run_engine(options: argparse.Namespace) -> int:
    asked: list[int] = []
    over = threading.Event()

    def end(number: int, _frame: object) -> None:
        asked.append(number)
        over.set()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    try:
        running = start_engine(
            options.node,
            devices.parse(options.devices, options.node),
            options.state,
            keep_containers=options.keep_containers,
        )
    except (RigError, EngineError) as error:
        print(
            f"The simulated node {options.node} cannot start. {error}", file=sys.stderr
        )
        return 1
    _tell(running)
    threading.Thread(target=_watch, args=(running, over), daemon=True).start()
    over.wait()
    if asked and asked[-1] == signal.SIGTERM and options.keep_containers:
        running.halt()
        return 0
    running.stop()
    if not asked:
        print(f"The engine of {options.node} ended by itself.", file=sys.stderr)
    return 0 if asked else 1


def _tell(running: RunningEngine) -> None:
    fields = {
        "node": running.node,
        "url": running.address.url,
        "host": running.address.host,
        "engine_id": running.engine_id,
        "environment": running.environment,
    }
    print(json.dumps(fields), flush=True)


def _watch(running: RunningEngine, over: threading.Event) -> None:
    running.wait()
    over.set()


if __name__ == "__main__":
    sys.exit(main())
