from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from tests.waylab_tracking.conformance import violations
from tests.waylab_tracking.door import Door

from waylab_tracking.testing import Server, running_server

ON_POSTGRES = True

SINGLE = -(1 << 31)


def batch(door: Door, *events: dict[str, Any]) -> Any:
    answer = door.http.post(
        "/events.add_batch",
        content="\n".join(json.dumps(event) for event in events),
        headers={**door.headers, "Content-Type": "application/json-lines"},
    )
    return answer.json()


def line(task: str, text: str, timestamp: int) -> dict[str, Any]:
    return {"type": "log", "task": task, "msg": text, "timestamp": timestamp}


def point(task: str, number: int, value: Any, **more: Any) -> dict[str, Any]:
    return {
        "type": "training_stats_scalar",
        "task": task,
        "metric": "loss",
        "variant": "train",
        "iter": number,
        "value": value,
        "timestamp": 1_000 + number,
        **more,
    }


def test_the_log_is_walked_in_both_directions_without_a_gap(ann: Door) -> None:
    task = ann.task()
    # Several lines bear one time, across the ends of batches.
    batch(ann, *(line(task, str(n), 1_000 + n // 4) for n in range(100)))

    def walk(**body: Any) -> list[str]:
        texts: list[str] = []
        while True:
            page = ann.call("events.get_task_log", task=task, batch_size=7, **body)
            if not page["events"]:
                assert page["total"] == 100
                return texts
            texts += [event["msg"] for event in page["events"]]
            body["from_timestamp"] = page["events"][-1]["timestamp"]

    expected = [str(number) for number in range(100)]
    assert walk(navigate_earlier=False) == expected
    assert walk(navigate_earlier=True) == expected[::-1]


def test_the_end_of_the_log_is_given_in_the_order_asked_for(ann: Door) -> None:
    task = ann.task()
    batch(ann, *(line(task, str(n), n + 1) for n in range(10)))

    def texts(**body: Any) -> list[str]:
        page = ann.call("events.get_task_log", task=task, batch_size=3, **body)
        return [event["msg"] for event in page["events"]]

    assert texts() == ["9", "8", "7"]
    assert texts(order="asc") == ["7", "8", "9"]
    assert texts(navigate_earlier=False) == ["0", "1", "2"]
    assert texts(navigate_earlier=False, order="desc") == ["2", "1", "0"]


def test_a_batch_that_comes_twice_is_stored_once(ann: Door) -> None:
    task = ann.task()
    events = [line(task, "once", 1), point(task, 0, 1.0)]

    first = batch(ann, *events)["data"]
    second = batch(ann, *events)["data"]

    log = ann.call("events.get_task_log", task=task)
    assert (first["added"], second["added"]) == (2, 2)
    assert log["total"] == 1


def test_what_was_answered_for_survives_a_kill(tmp_path: Path) -> None:
    with running_server(tmp_path, record=True) as server:
        door = Door(server, server.create_user("ann"))
        task = door.task()
        for number in range(50):
            batch(door, line(task, str(number), number + 1), point(task, number, 1.0))
        door.upload(f"lab/run.{task}/file.bin", b"kept")

        server.restart()

        log = door.call("events.get_task_log", task=task, order="asc")
        curves = door.call("events.scalar_metrics_iter_histogram", task=task)
        file = door.get(f"/files/lab/run.{task}/file.bin").content
        door.close()
        assert [event["msg"] for event in log["events"]] == [
            str(number) for number in range(50)
        ]
        assert curves["loss"]["train"]["x"] == list(range(50))
        assert file == b"kept"
        assert violations(server.recorded()) == []


def test_curves_come_in_order_with_their_last_and_extreme_values(ann: Door) -> None:
    task = ann.task()
    batch(ann, *(point(task, n, abs(n - 5)) for n in (3, 1, 2, 9, 5)))

    curves = ann.call("events.scalar_metrics_iter_histogram", task=task)
    doc = ann.call("tasks.get_by_id", task=task)["task"]

    [[metric]] = [list(group.values()) for group in doc["last_metrics"].values()]
    assert curves == {
        "loss": {"train": {"name": "train", "x": [1, 2, 3, 5, 9], "y": [4, 3, 2, 0, 4]}}
    }
    assert (metric["min_value"], metric["min_value_iteration"]) == (0, 5)
    assert (metric["max_value"], metric["max_value_iteration"]) == (4, 1)
    assert (metric["value"], metric["count"]) == (0, 5)
    assert doc["last_iteration"] == 9


def test_a_new_point_is_seen_at_once_and_a_reset_forgets_all(ann: Door) -> None:
    task = ann.task()

    def curves() -> Any:
        return ann.call("events.scalar_metrics_iter_histogram", task=task)

    batch(ann, point(task, 0, 1.0))
    before = curves()["loss"]["train"]["y"]
    batch(ann, point(task, 1, 2.0))
    after = curves()["loss"]["train"]["y"]
    ann.call("tasks.reset", task=task, force=True)
    empty = curves()
    batch(ann, point(task, 0, 7.0), point(task, 1, 8.0))

    assert (before, after, empty) == ([1.0], [1.0, 2.0], {})
    assert curves()["loss"]["train"]["y"] == [7.0, 8.0]


@pytest.mark.parametrize(("count", "samples"), [(1000, 100), (101, 100), (7, 2)])
def test_long_curves_are_thinned_evenly_and_keep_their_ends(
    ann: Door, count: int, samples: int
) -> None:
    task = ann.task()
    batch(ann, *(point(task, number * 10, number) for number in range(count)))

    answer = ann.call(
        "events.scalar_metrics_iter_histogram", task=task, samples=samples
    )

    y = answer["loss"]["train"]["y"]
    gaps = [right - left for left, right in pairwise(y)]
    assert len(y) == samples
    assert (y[0], y[-1]) == (0, count - 1)
    assert max(gaps) - min(gaps) <= 1


def test_a_curve_that_is_asked_for_again_is_the_same_and_grows(ann: Door) -> None:
    def curve() -> tuple[list[int], list[float]]:
        [variants] = ann.call(
            "events.scalar_metrics_iter_histogram", task=task
        ).values()
        [found] = variants.values()
        return found["x"], found["y"]

    task = ann.task()
    batch(ann, *(point(task, number, number) for number in range(20_000)))
    first = curve()
    again = curve()
    batch(ann, point(task, 20_000, 7.0))
    xs, ys = curve()

    assert again == first
    assert 1000 < len(first[0]) <= 6000
    assert (first[0][0], first[0][-1]) == (0, 19_999)
    assert (xs[-1], ys[-1]) == (20_000, 7.0)


def test_single_values_have_no_iteration(ann: Door) -> None:
    task = ann.task()
    batch(
        ann,
        point(task, 4, 1.0),
        point(task, SINGLE, 0.5, metric="Summary", variant="r2"),
        point(task, SINGLE, 0.6, metric="Summary", variant="r2", timestamp=5),
    )

    single = ann.call("events.get_task_single_value_metrics", tasks=[task])
    doc = ann.call("tasks.get_by_id", task=task)["task"]
    curves = ann.call("events.scalar_metrics_iter_histogram", task=task)

    [values] = [one["values"] for one in single["tasks"]]
    assert [(one["variant"], one["value"]) for one in values] == [("r2", 0.6)]
    assert doc["last_iteration"] == 4
    assert list(curves) == ["loss"]


def test_bad_events_do_not_take_the_good_ones_with_them(ann: Door) -> None:
    task = ann.task()

    answer = batch(
        ann,
        point(task, 0, 1.0),
        point(task, 1, "no number"),
        point(task, 2, float("nan")),
        {**point(task, 3, 1.0), "iter": "no number"},
        {"type": "nonsense", "task": task},
        line("0" * 32, "no such task", 1),
        point(task, 4, 2.0),
    )

    curves = ann.call("events.scalar_metrics_iter_histogram", task=task)
    assert (answer["data"]["added"], answer["data"]["errors"]) == (2, 5)
    assert curves["loss"]["train"]["x"] == [0, 4]


@pytest.mark.parametrize(
    "body", ["", "not json", "[1]", '{"type": "log"}', '{"type": "x", "task": "y"}']
)
def test_a_batch_without_one_good_event_is_refused(ann: Door, body: str) -> None:
    answer = ann.http.post(
        "/events.add_batch",
        content=body,
        headers={**ann.headers, "Content-Type": "application/json-lines"},
    )

    if body:
        assert answer.status_code == 400
    else:
        assert answer.json()["data"]["added"] == 0


def test_bytes_that_are_no_text_do_not_lose_a_line(ann: Door) -> None:
    task = ann.task()

    batch(ann, line(task, "half \udc80 of a character, \0, and 😀", 1))

    [event] = ann.call("events.get_task_log", task=task)["events"]
    assert event["msg"] == "half � of a character, \0, and 😀"


def test_the_last_plot_and_image_of_each_variant_are_given(ann: Door) -> None:
    task = ann.task()
    plot = {"type": "plot", "task": task, "metric": "cm", "variant": "v"}
    image = {**plot, "type": "training_debug_image", "metric": "images"}
    batch(
        ann,
        *({**plot, "iter": n, "plot_str": f'{{"n": {n}}}'} for n in range(5)),
        {**plot, "iter": 4, "plot_str": '{"n": "again"}'},
        *({**image, "iter": n, "url": f"https://x.example/{n}"} for n in range(5)),
        {**image, "iter": 1, "variant": "w", "url": "https://x.example/w"},
    )

    plots = ann.call("events.get_task_plots", task=task)["plots"]
    two = ann.call("events.get_task_plots", task=task, iters=2)["plots"]
    wanted = [{"task": task, "metric": "images", "variants": ["v"]}]
    images = ann.call("events.debug_images", metrics=wanted, iters=2)
    further = ann.call(
        "events.debug_images", metrics=wanted, scroll_id=images["scroll_id"]
    )

    assert [one["plot_str"] for one in plots] == ['{"n": "again"}']
    assert [one["iter"] for one in two] == [3, 4]
    assert [one["iter"] for one in images["metrics"][0]["iterations"]] == [4, 3]
    assert further["metrics"] == []


def test_raw_events_are_scrolled_through(ann: Door) -> None:
    task = ann.task()
    batch(ann, *(point(task, number, number) for number in range(25)))

    values: list[float] = []
    scroll = None
    while True:
        body: dict[str, Any] = {"scroll_id": scroll} if scroll else {}
        page = ann.call(
            "events.get_task_events",
            task=task,
            event_type="training_stats_scalar",
            batch_size=10,
            **body,
        )
        if not page["events"]:
            break
        values += [event["value"] for event in page["events"]]
        scroll = page["scroll_id"]

    assert values == list(range(25))
    assert page["total"] == 25


def test_events_of_an_unknown_task_are_refused(server: Server, ann: Door) -> None:
    refused = ann.refused("events.add", type="log", task="0" * 32, msg="x")

    assert refused == (400, 131)
    assert ann.refused("events.get_task_log", task="0" * 32) == (400, 101)


def test_raw_points_come_in_portions(ann: Door) -> None:
    task = ann.task()
    batch(ann, *(point(task, n, n / 2) for n in range(5000)))
    batch(ann, *(point(task, n, float(n), variant="test") for n in range(10)))
    batch(ann, point(task, SINGLE, 9.0, variant="test"), point(task, 1, 1, metric="m"))
    wanted = {"task": task, "metric": {"metric": "loss"}}

    seen: dict[str, list[float]] = {}
    sizes, scroll = [], None
    while True:
        page = ann.call(
            "events.scalar_metrics_iter_raw",
            **wanted,
            batch_size=2000,
            scroll_id=scroll,
        )
        sizes.append(page["returned"])
        for variant, found in page["variants"].items():
            assert len(found["iter"]) == len(found["y"])
            seen.setdefault(variant, []).extend(found["y"])
        scroll = page["scroll_id"]
        if scroll is None:
            break

    assert sizes == [2000, 2000, 1011]
    assert seen["test"] == [9.0, *map(float, range(10))]
    assert seen["train"] == [n / 2 for n in range(5000)]
    one = {"task": task, "metric": {"metric": "loss", "variants": ["test"]}}
    by_time = {"key": "timestamp", "count_total": True, "batch_size": 2}
    page = ann.call("events.scalar_metrics_iter_raw", **one, **by_time)
    assert page["variants"] == {
        "test": {"timestamp": [1_000 + SINGLE, 1_000], "y": [9.0, 0.0]}
    }
    assert (page["total"], page["returned"], page["scroll_id"]) == (11, 2, "2")
    odd = {**one, "scroll_id": "beyond"}
    assert ann.refused("events.scalar_metrics_iter_raw", **odd) == (400, 800)


def test_raw_points_that_came_late_are_in_their_place(ann: Door) -> None:
    task = ann.task()
    batch(ann, *(point(task, n, float(n)) for n in range(4096, 9000)))
    batch(ann, *(point(task, n, float(n)) for n in range(4096)))
    wanted = {"task": task, "metric": {"metric": "loss"}, "batch_size": 10}

    page = ann.call("events.scalar_metrics_iter_raw", **wanted, scroll_id="4090")

    assert page["variants"]["train"]["iter"] == list(range(4090, 4100))
