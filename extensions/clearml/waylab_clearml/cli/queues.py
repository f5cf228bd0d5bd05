"""`waylab queues`."""

from __future__ import annotations

from waylab_clearml.cli.connection import connected
from waylab_clearml.cli.options import Json, User
from waylab_clearml.cli.output import print_json, print_table
from waylab_clearml.queues import list_queues


def queues(as_json: Json = False, user: User = None) -> None:
    """Show the queues: how many runs wait, and what is free for the next."""
    with connected(user, as_json=as_json) as client:
        found = list_queues(client)
    if as_json:
        print_json(found)
        return
    print_table(
        ["QUEUE", "WAITING", "SLOTS", "FREE", "GPUS FREE"],
        [
            [
                one.name,
                str(one.length),
                str(one.slots),
                str(one.free_slots),
                ", ".join(
                    f"{gpu.node}: {gpu.free} of {gpu.count} {gpu.what}"
                    for gpu in one.gpus
                ),
            ]
            for one in found
        ],
    )
