import pytest
from tests.waylab_engine.registry import running_registry

from waylab_engine.engine import Engine
from waylab_engine.errors import PullFailed
from waylab_engine.pulling import Progress, follow

MIB = 1024**2


def event(
    layer: str, status: str, current: int = 0, total: int = 0
) -> dict[str, object]:
    detail = {"current": current, "total": total} if total else {}
    return {"id": layer, "status": status, "progressDetail": detail}


def test_progress_weighs_layers_by_their_size() -> None:
    events: list[dict[str, object]] = [
        {"status": "Pulling from torch", "id": "1"},
        event("big", "Pulling fs layer"),
        event("small", "Pulling fs layer"),
        event("big", "Downloading", 0, 9 * MIB),
        event("small", "Downloading", MIB, MIB),
        event("big", "Downloading", 9 * MIB, 9 * MIB),
        event("big", "Extracting", 9 * MIB, 9 * MIB),
        event("big", "Pull complete"),
        event("small", "Pull complete"),
        {"status": "Status: Downloaded newer image"},
    ]

    steps = list(follow(events, "torch:1"))

    assert [round(step.percent) for step in steps] == [7, 70, 97, 99, 100]
    assert steps[-1] == Progress(100.0, "torch:1 is here")


def test_progress_never_falls_when_more_layers_become_known() -> None:
    events = [
        event("a", "Downloading", 5, 10),
        event("b", "Pulling fs layer"),
        event("b", "Downloading", 1, 1000),
        event("a", "Already exists"),
    ]

    percents = [step.percent for step in follow(events, "x:1")]

    assert percents == sorted(percents)


def test_an_error_among_the_events_names_the_image_and_the_remedy() -> None:
    with pytest.raises(
        PullFailed, match=r"x:1 cannot be pulled: no space.*waylab\.toml"
    ):
        list(follow([{"error": "no space left"}], "x:1"))


@pytest.mark.docker
def test_a_real_pull_tells_its_progress(engine: Engine) -> None:
    steps: list[Progress] = []
    with running_registry() as address:
        reference = f"{address}/tiny:1"
        engine.pull(reference, steps.append)
    percents = [step.percent for step in steps]

    assert engine.has_image(reference)
    assert percents == sorted(set(percents))
    assert len(percents) > 3
    assert percents[-1] == 100


@pytest.mark.docker
def test_an_image_that_the_registry_lacks_is_said_so(engine: Engine) -> None:
    with running_registry() as address, pytest.raises(PullFailed, match="tiny:2"):
        engine.pull(f"{address}/tiny:2")


@pytest.mark.docker
def test_a_registry_that_is_away_is_said_so(engine: Engine) -> None:
    with pytest.raises(PullFailed, match=r"127\.0\.0\.1:1"):
        engine.pull("127.0.0.1:1/tiny:1")
