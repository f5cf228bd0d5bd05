from __future__ import annotations

import asyncio

from waylab_spawner.steps import Steps


async def test_whoever_comes_late_hears_everything() -> None:
    steps = Steps()
    steps.tell(5, "Asking the board.")
    steps.tell(60, "Pulling the image: 40 %")
    steps.tell(60, "Pulling the image: 40 %")
    heard: list[tuple[object, object]] = []

    async def watch() -> None:
        async for step in steps.watch():
            heard.append((step["progress"], step["message"]))
            if len(heard) == 3:
                return

    watching = asyncio.create_task(watch())
    await asyncio.sleep(0)
    steps.tell(20, "The bar never goes back.")
    await asyncio.wait_for(watching, 5)

    assert heard == [
        (5, "Asking the board."),
        (60, "Pulling the image: 40 %"),
        (60, "The bar never goes back."),
    ]
