"""`events.*` that turn the pages of debug images and plots, one after the other.

A reader goes through what a task reported by iteration, then metric, then variant. The
`scroll_id` says where the reader is; nothing is kept between two calls.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from typing import NamedTuple

import sqlalchemy as sa

from waylab_tracking import requests
from waylab_tracking.database import reports
from waylab_tracking.errors import validation
from waylab_tracking.registry import Call, Json, endpoint
from waylab_tracking.services import documents
from waylab_tracking.services.events import IMAGE, PLOT
from waylab_tracking.services.reports import END, last_reports, shown


class Place(NamedTuple):
    """Where a reader is; plots of one metric are read together, so have no variant."""

    iteration: int
    metric: str
    variant: str


class Reader(NamedTuple):
    """Where a reader is, and whether only in the metric where it began."""

    place: Place
    stays: bool


@endpoint("events.get_debug_image_sample", takes=requests.Sample)
def get_debug_image_sample(call: Call) -> Json:
    """Give an image of a metric and a variant: that of an iteration, or the last."""
    call.need("metric")
    call.need("variant")
    return _image(*_open(call, IMAGE))


@endpoint("events.next_debug_image_sample", takes=requests.Sample)
def next_debug_image_sample(call: Call) -> Json:
    """Give the image after the one that `scroll_id` stands for."""
    return _image(*_turn(call, IMAGE))


@endpoint("events.get_plot_sample", takes=requests.Sample)
def get_plot_sample(call: Call) -> Json:
    """Give the plots of a metric: those of an iteration, or the last."""
    call.need("metric")
    return _plots(*_open(call, PLOT))


@endpoint("events.next_plot_sample", takes=requests.Sample)
def next_plot_sample(call: Call) -> Json:
    """Give the plots after those that `scroll_id` stands for."""
    return _plots(*_turn(call, PLOT))


@endpoint("events.plots", takes=requests.Series)
def plots(call: Call) -> Json:
    """Give the last plots of metrics, by iteration."""
    if call.body.get("scroll_id"):
        return {"metrics": [], "scroll_id": END}
    iters = call.body.get("iters") or 1
    answer = []
    for wanted in call.need("metrics"):
        task = documents.require_reporter(call, wanted.get("task"))
        names = {name: wanted.get(name) for name in ("metric", "variants")}
        groups: dict[int, list[Json]] = {}
        for one in last_reports(call.db, [task], PLOT, iters, **names):
            groups.setdefault(one["iter"], []).append(one)
        iterations = [
            {"iter": number, "events": events}
            for number, events in sorted(groups.items(), reverse=True)
        ]
        answer.append({"task": task, "iterations": iterations})
    return {"metrics": answer, "scroll_id": END}


@endpoint("events.clear_scroll")
def clear_scroll(call: Call) -> Json:
    """Let go of a `scroll_id`: nothing is kept for one."""
    call.need("scroll_id")
    return {}


def _open(call: Call, kind: str) -> tuple[Call, str, str, list[Place], Reader | None]:
    task = documents.require_reporter(call, call.need("task"))
    metric = str(call.body["metric"])
    variant = str(call.body.get("variant") or "") if kind == IMAGE else ""
    places = _places(call.db, task, kind)
    here = [one for one in places if (one.metric, one.variant) == (metric, variant)]
    wanted = call.body.get("iteration")
    exact = [one for one in here if one.iteration == wanted]
    stays = bool(call.body.get("navigate_current_metric"))
    found = Reader((exact or here)[0], stays) if here else None
    return call, task, kind, places, found


def _turn(call: Call, kind: str) -> tuple[Call, str, str, list[Place], Reader | None]:
    task = documents.require_reporter(call, call.need("task"))
    before = _read(str(call.need("scroll_id")))
    places = [
        one
        for one in _places(call.db, task, kind)
        if not before.stays or one.metric == before.place.metric
    ]
    earlier = call.body.get("navigate_earlier") is not False
    ahead = _ahead(places, before.place, earlier=earlier)
    if call.body.get("next_iteration"):
        ahead = [one for one in ahead if one.iteration != before.place.iteration]
    found = Reader(ahead[0], before.stays) if ahead else None
    return call, task, kind, places, found


def _ahead(places: Sequence[Place], at: Place, *, earlier: bool) -> list[Place]:
    """Give the places still to come, the next one first."""
    here = _key(at)
    if earlier:
        return [one for one in places if _key(one) > here]
    return [one for one in reversed(places) if _key(one) < here]


def _key(place: Place) -> tuple[int, str, str]:
    # The last iteration comes first; within it, in the order of the alphabet.
    return -place.iteration, place.metric, place.variant


def _places(db: sa.Connection, task: str, kind: str) -> list[Place]:
    columns = reports.c
    rows = db.execute(
        sa.select(columns.iter, columns.metric, columns.variant)
        .where(columns.task == task, columns.type == kind)
        .distinct()
    )
    found = {
        Place(row.iter, row.metric, row.variant if kind == IMAGE else "")
        for row in rows
    }
    return sorted(found, key=_key)


def _image(
    call: Call, task: str, kind: str, places: list[Place], found: Reader | None
) -> Json:
    events = _events(call.db, task, kind, found)
    return {"event": events[-1] if events else None, **_around(places, found)}


def _plots(
    call: Call, task: str, kind: str, places: list[Place], found: Reader | None
) -> Json:
    return {"events": _events(call.db, task, kind, found), **_around(places, found)}


def _events(
    db: sa.Connection, task: str, kind: str, found: Reader | None
) -> list[Json]:
    """Give what was reported at a place; of a variant, what came last."""
    if found is None:
        return []
    columns, at = reports.c, found.place
    here = [columns.task == task, columns.type == kind, columns.iter == at.iteration]
    here.append(columns.metric == at.metric)
    if kind == IMAGE:
        here.append(columns.variant == at.variant)
    rows = db.execute(sa.select(reports).where(*here).order_by(columns.seq))
    last = {row.variant: row for row in rows}
    return [shown(row) for _, row in sorted(last.items())]


def _around(places: Sequence[Place], found: Reader | None) -> Json:
    if found is None:
        return {"min_iteration": None, "max_iteration": None, "scroll_id": None}
    at = found.place
    same = [
        one.iteration
        for one in places
        if (one.metric, one.variant) == (at.metric, at.variant)
    ]
    return {
        "min_iteration": min(same),
        "max_iteration": max(same),
        "scroll_id": _write(found),
    }


def _write(reader: Reader) -> str:
    text = json.dumps([*reader.place, reader.stays])
    return base64.urlsafe_b64encode(text.encode()).decode()


def _read(text: str) -> Reader:
    try:
        iteration, metric, variant, stays = json.loads(base64.urlsafe_b64decode(text))
        place = Place(int(iteration), str(metric), str(variant))
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        msg = f"field 'scroll_id': {text[:100]!r} is none that this server gave"
        raise validation(msg) from error
    return Reader(place, bool(stays))
