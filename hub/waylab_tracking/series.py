"""Scalars, stored a curve at a time in packed chunks.

Each batch adds one small chunk to each of its curves; sixteen loose ones are folded
into chunks of `FULL` points. A chunk's points are in order of iteration, and full ones
carry a sketch, each sixteenth point, which is all that a thinned curve reads.
"""

from __future__ import annotations

import struct
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from itertools import accumulate, pairwise
from typing import Any

import sqlalchemy as sa

from waylab_tracking import spans
from waylab_tracking.database import chunks, curves
from waylab_tracking.packing import (
    Floats,
    Integers,
    pack_floats,
    pack_integers,
    unpack_floats,
    unpack_integers,
)

# The iteration that the SDK gives to single values.
SINGLE = -(1 << 31)
FULL = 4096
LOOSE = 16
SKETCHED = 16
# A sketch serves when it shifts no point by more than a quarter of a gap.
SKETCH_FROM = 4 * SKETCHED
KNOWN_TASKS = 64
KNOWN = "series"
HEADS = struct.Struct("<II")

Point = tuple[str, str, int, int, float]
"""Metric, variant, iteration, time in milliseconds, value."""


@dataclass
class Curve:
    """What is known of a curve without its points; the row of `curves`."""

    id: int
    task: str
    metric: str
    variant: str
    single: bool
    count: int
    loose: int
    last_number: int
    timestamp: int
    value: float
    first_value: float
    first_iteration: int
    min_value: float
    min_iteration: int
    max_value: float
    max_iteration: int
    mean_value: float


@dataclass(frozen=True)
class Points:
    """Points in the order of their iterations."""

    iters: Integers
    times: Integers
    values: Floats
    numbers: Integers

    def __len__(self) -> int:
        """Give how many there are."""
        return len(self.values)

    def part(self, places: Sequence[int]) -> Points:
        """Give those at some places."""
        return Points(*([column[n] for n in places] for column in self._columns()))

    def cut(self, start: int, stop: int) -> Points:
        """Give a stretch."""
        return Points(*(column[start:stop] for column in self._columns()))

    def ordered(self) -> Points:
        """Give them in order of iteration; those of one stay as they came."""
        if all(a <= b for a, b in pairwise(self.iters)):
            return self
        return self.part(sorted(range(len(self)), key=self.iters.__getitem__))

    def _columns(self) -> tuple[Any, ...]:
        return self.iters, self.times, self.values, self.numbers


Arrived = tuple[int, int, Curve, int, int, float]
"""A point's number, twice, its curve, iteration, time and value."""


def append(db: sa.Connection, task: str, points: Iterable[Point]) -> None:
    """Add points to a task's curves."""
    known = _known(db, task)
    number = max((curve.last_number for curve in known.values()), default=0)
    groups: dict[tuple[str, str, bool], tuple[list[Any], ...]] = {}
    for metric, variant, iteration, time, value in points:
        number += 1
        key = (metric, variant, iteration == SINGLE)
        group = groups.get(key)
        if group is None:
            group = groups[key] = ([], [], [], [])
        for column, one in zip(group, (iteration, time, value, number), strict=True):
            column.append(one)
    changed: list[Curve] = []
    pieces: list[dict[str, Any]] = []
    for key, columns in groups.items():
        came = Points(*columns)
        curve = known.get(key)
        if curve is None:
            curve = known[key] = _begin(db, task, key, came)
        else:
            _note(curve, came)
        pieces += _pieces(db, curve, came.ordered())
        changed.append(curve)
    if not changed:
        return
    db.execute(chunks.insert(), pieces)
    db.execute(UPDATE, [{"its_id": one.id, **_row(one)} for one in changed])


def of_task(db: sa.Connection, task: str) -> list[Curve]:
    """Give a task's curves, those that were reported to last at the end."""
    return sorted(_known(db, task).values(), key=lambda curve: curve.last_number)


def of_tasks(db: sa.Connection, ids: Sequence[str]) -> Iterator[Curve]:
    """Give the curves of several tasks, those that were reported to last at the end."""
    mine = curves.c.task.in_(ids)
    for row in db.execute(sa.select(curves).where(mine).order_by(curves.c.last_number)):
        yield Curve(**row._mapping)


def clear(db: sa.Connection, task: str) -> None:
    """Drop all curves of a task."""
    mine = sa.select(curves.c.id).where(curves.c.task == task)
    db.execute(chunks.delete().where(chunks.c.curve.in_(mine)))
    db.execute(curves.delete().where(curves.c.task == task))
    db.info.get(KNOWN, {}).pop(task, None)


def thinned(db: sa.Connection, curve: Curve, samples: int) -> Points:
    """Give a curve's points; of more than `samples`, evenly spread ones and both ends.

    Of very long curves a point may be off its place by a quarter of a gap.
    """
    if curve.count <= samples:
        return whole(db, curve)
    metas = _metas(db, curve)
    parts, last = max(samples - 1, 1), curve.count - 1
    places = [0, *(-(-part * last // parts) for part in range(1, parts + 1))]
    if _overlap(metas):
        return whole(db, curve).part(places)
    starts = list(accumulate((meta.length for meta in metas), initial=0))
    sketched = last >= SKETCH_FROM * parts
    by_chunk: dict[int, list[int]] = {}
    for place in places:
        index = bisect_right(starts, place) - 1
        by_chunk.setdefault(index, []).append(place - starts[index])
    wanted = list(by_chunk.items())
    ids = [metas[index].id for index, _ in wanted]
    found: tuple[list[Any], ...] = ([], [], [], [])
    for turn, points in _loaded(db, ids, sketched):
        index, local = wanted[turn]
        if len(points) != metas[index].length:
            end = metas[index].length - 1
            local = [len(points) - 1 if n == end else n // SKETCHED for n in local]
        picked = points.part(local)
        for column, more in zip(
            found,
            (picked.iters, picked.times, picked.values, picked.numbers),
            strict=True,
        ):
            column.extend(more)
    return Points(*found)


def whole(db: sa.Connection, curve: Curve) -> Points:
    """Give all points of a curve."""
    ids = [meta.id for meta in _metas(db, curve)]
    return _joined([points for _, points in _loaded(db, ids)])


def stretch(db: sa.Connection, curve: Curve, start: int, stop: int) -> Points:
    """Give the points from a place on to another; chunks beside them are not read."""
    metas = _metas(db, curve)
    if _overlap(metas):
        return whole(db, curve).cut(start, stop)
    begins = list(accumulate((meta.length for meta in metas), initial=0))
    some = [
        (begin, meta.id)
        for begin, meta in zip(begins, metas, strict=False)
        if begin < stop and begin + meta.length > start
    ]
    joined = _joined([points for _, points in _loaded(db, [one for _, one in some])])
    skipped = some[0][0] if some else 0
    return joined.cut(start - skipped, stop - skipped)


def in_order_of_arrival(
    db: sa.Connection, task: str, after: int | None, size: int, *, down: bool
) -> list[Arrived]:
    """Give points as they came, after (`down`: before) a number, `size` at most."""
    by_id = {curve.id: curve for curve in of_task(db, task)}
    columns = chunks.c
    edge = columns.high if down else columns.low
    statement = (
        sa.select(edge, columns.id, columns.curve)
        .join(curves, curves.c.id == columns.curve)
        .where(curves.c.task == task)
        .order_by(edge.desc() if down else edge)
    )
    if after is not None:
        beyond = columns.low < after if down else columns.high > after
        statement = statement.where(beyond)

    def load(piece: tuple[int, int]) -> list[spans.Row]:
        [(_, points)] = _loaded(db, [piece[0]])
        return [
            (number, number, by_id[piece[1]], iteration, time, value)
            for number, iteration, time, value in zip(
                points.numbers, points.iters, points.times, points.values, strict=True
            )
            if after is None or (number < after if down else number > after)
        ]

    pieces = [(row[0], (row.id, row.curve)) for row in db.execute(statement)]
    return spans.first_rows(pieces, load, size, down=down)


def packed(points: Points) -> dict[str, Any]:
    """Give the columns of a chunk with these points, which are in order."""
    sketch = b""
    if len(points) >= FULL:
        some = points.part([*range(0, len(points), SKETCHED), len(points) - 1])
        parts = (pack_integers(some.iters), pack_integers(some.times))
        sizes = HEADS.pack(*map(len, parts))
        sketch = b"".join((sizes, *parts, pack_floats(some.values)))
    return {
        "length": len(points),
        "first": points.iters[0],
        "last": points.iters[-1],
        "low": min(points.numbers),
        "high": max(points.numbers),
        "sketch": sketch,
        "iters": pack_integers(points.iters),
        "data": pack_floats(points.values),
        "times": pack_integers(points.times),
        "numbers": pack_integers(points.numbers),
    }


def begun(task: str, key: tuple[str, str, bool], came: Points) -> dict[str, Any]:
    """Give the columns of a new curve, whose first points these are."""
    value, number = came.values[0], _shown(came.iters[0])
    curve = Curve(
        *(0, task, *key, 0, 0, 0, 0),
        *(value, value, number, value, number, value, number, value),
    )
    _note(curve, came)
    return _row(curve)


def _known(db: sa.Connection, task: str) -> dict[tuple[str, str, bool], Curve]:
    # One thread uses the database, and its connection carries what it remembers.
    cache: OrderedDict[str, Any] = db.info.setdefault(KNOWN, OrderedDict())
    if task not in cache:
        rows = db.execute(sa.select(curves).where(curves.c.task == task))
        found = [Curve(**row._mapping) for row in rows]
        cache[task] = {(one.metric, one.variant, one.single): one for one in found}
    cache.move_to_end(task)
    while len(cache) > KNOWN_TASKS:
        cache.popitem(last=False)
    known: dict[tuple[str, str, bool], Curve] = cache[task]
    return known


def _begin(
    db: sa.Connection, task: str, key: tuple[str, str, bool], came: Points
) -> Curve:
    row = begun(task, key, came)
    added = curves.insert().values(row).returning(curves.c.id)
    return Curve(id=db.execute(added).scalar_one(), **row)


def _pieces(
    db: sa.Connection, curve: Curve, points: Points
) -> Iterator[dict[str, Any]]:
    """Give the chunks to add to a curve, with its loose ones if that is worth it."""
    # Loose chunks are a curve's last: full ones would lie across them otherwise.
    if curve.loose and (len(points) >= FULL or curve.loose + 1 >= LOOSE):
        points = _joined([*_take_loose(db, curve), points])
    for start in range(0, len(points), FULL):
        piece = points.cut(start, start + FULL)
        curve.loose += len(piece) < FULL
        yield {"curve": curve.id, **packed(piece)}


def _take_loose(db: sa.Connection, curve: Curve) -> list[Points]:
    columns = chunks.c
    loose = sa.and_(columns.curve == curve.id, columns.length < FULL)
    ids = db.execute(sa.select(columns.id).where(loose).order_by(columns.id)).scalars()
    taken = [points for _, points in _loaded(db, list(ids))]
    db.execute(chunks.delete().where(loose))
    curve.loose = 0
    return taken


def _loaded(
    db: sa.Connection, ids: list[int], sketched: bool = False
) -> Iterator[tuple[int, Points]]:
    """Give chunks in the order of `ids`, with their places in it."""
    columns = chunks.c
    light = sa.select(columns.id, columns.sketch)
    heavy = sa.select(
        columns.id, columns.iters, columns.times, columns.data, columns.numbers
    )
    for start in range(0, len(ids), LOOSE):
        some = ids[start : start + LOOSE]
        found: dict[int, Points] = {}
        if sketched:
            rows = db.execute(light.where(columns.id.in_(some)))
            found = {row.id: _sketch(row.sketch) for row in rows if row.sketch}
        if missing := [one for one in some if one not in found]:
            rows = db.execute(heavy.where(columns.id.in_(missing)))
            found |= {row.id: _points(row) for row in rows}
        for place, one in enumerate(some):
            yield start + place, found[one]


def _metas(db: sa.Connection, curve: Curve) -> Sequence[Any]:
    columns = chunks.c
    return db.execute(
        sa.select(columns.id, columns.length, columns.first, columns.last)
        .where(columns.curve == curve.id)
        .order_by(columns.first, columns.id)
    ).all()


def _overlap(metas: Sequence[Any]) -> bool:
    return any(
        b.first < a.last or (b.first == a.last and b.id < a.id)
        for a, b in pairwise(metas)
    )


def _points(row: Any) -> Points:
    return Points(
        unpack_integers(row.iters),
        unpack_integers(row.times),
        unpack_floats(row.data),
        unpack_integers(row.numbers),
    )


def _sketch(raw: bytes) -> Points:
    a, b = HEADS.unpack_from(raw)
    start = HEADS.size
    values = unpack_floats(raw[start + a + b :])
    return Points(
        unpack_integers(raw[start : start + a]),
        unpack_integers(raw[start + a : start + a + b]),
        values,
        range(len(values)),
    )


def _joined(pieces: list[Points]) -> Points:
    joined = Points(
        [one for piece in pieces for one in piece.iters],
        [one for piece in pieces for one in piece.times],
        [one for piece in pieces for one in piece.values],
        [one for piece in pieces for one in piece.numbers],
    )
    return joined.ordered()


def _note(curve: Curve, came: Points) -> None:
    """Take new points, in order of arrival, into what is known of the curve."""
    values = came.values
    low, high = min(values), max(values)
    if low < curve.min_value:
        curve.min_value = low
        curve.min_iteration = _shown(came.iters[values.index(low)])
    if high > curve.max_value:
        curve.max_value = high
        curve.max_iteration = _shown(came.iters[values.index(high)])
    before, curve.count = curve.count, curve.count + len(values)
    # In parts: the sum of the largest numbers there are is none.
    parts = sum(value / curve.count for value in values)
    curve.mean_value = curve.mean_value * (before / curve.count) + parts
    curve.value, curve.timestamp = values[-1], came.times[-1]
    curve.last_number = came.numbers[-1]


def _shown(iteration: int) -> int:
    return 0 if iteration == SINGLE else iteration


UPDATE = curves.update().where(curves.c.id == sa.bindparam("its_id"))
NAMES = tuple(field.name for field in fields(Curve) if field.name != "id")


def _row(curve: Curve) -> dict[str, Any]:
    return {name: getattr(curve, name) for name in NAMES}
