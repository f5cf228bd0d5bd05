"""Console lines, stored in deflated chunks.

Each batch adds one small chunk; sixteen loose ones are folded into full ones. Lines
are numbered as they come, from 0 on in each task; chunks know the span of their
numbers and of their times, so that a page reads only the chunks around it.
"""

from __future__ import annotations

import json
import zlib
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import sqlalchemy as sa

from waylab_tracking import spans
from waylab_tracking.database import lines
from waylab_tracking.dialects import above, below

FULL_BYTES = 256 * 1024
LOOSE = 16
LEVEL = 1
KNOWN_TASKS = 256
KNOWN = "journal"

Line = tuple[int, str, str, str]
"""Time in milliseconds, worker, level, text."""
Shown = tuple[int, int, str, str, str]
"""A line with its number in front of worker, level and text: time, number, ..."""

Piece = tuple[list[Line], int, str]
"""The lines of a chunk, the bytes that they take, their JSON."""


def append(db: sa.Connection, task: str, came: Sequence[Line]) -> None:
    """Add lines to a task's log."""
    state = _known(db, task)
    # Loose chunks are a log's last.
    size = sum(len(line[3]) for line in came)
    if state[1] and (size >= FULL_BYTES or state[1] + 1 >= LOOSE):
        came = [*_take_loose(db, task, state), *came]
    for piece in _pieces(came):
        _insert(db, task, state[0], piece)
        state[0] += len(piece[0])
        state[1] = 0 if piece[1] >= FULL_BYTES else state[1] + 1


def count(db: sa.Connection, task: str) -> int:
    """Give how many lines a task has."""
    return int(_known(db, task)[0])


def clear(db: sa.Connection, task: str) -> None:
    """Drop a task's log."""
    db.execute(lines.delete().where(lines.c.task == task))
    db.info.get(KNOWN, {}).pop(task, None)


def drop(db: sa.Connection, task: str, before: float | None) -> int:
    """Drop a task's lines, or those before a time; give how many there were."""
    if before is None:
        dropped = count(db, task)
        clear(db, task)
        return dropped
    columns, dropped = lines.c, 0
    parts = (columns.id, columns.number, columns.length, columns.first, columns.last)
    mine = sa.select(*parts).where(columns.task == task).order_by(columns.number)
    for row in db.execute(mine).all():
        its = columns.id == row.id
        kept: list[Line] | None = [] if row.last < before else None
        if row.first < before <= row.last:
            loaded = _load(db, row.id, row.number)
            kept = [
                (time, worker, level, text)
                for time, _, worker, level, text in loaded
                if time >= before
            ]
        # The lines that stay are numbered without a gap.
        number = row.number - dropped
        if kept is None:
            db.execute(lines.update().where(its).values(number=number))
            continue
        dropped += row.length - len(kept)
        db.execute(lines.delete().where(its))
        for piece in _pieces(kept):
            _insert(db, task, number, piece)
    db.info.get(KNOWN, {}).pop(task, None)
    return dropped


def by_time(
    db: sa.Connection, task: str, start: float | None, size: int, *, down: bool
) -> list[Shown]:
    """Give lines after (`down`: before) a time, in this order.

    These are `size`, or more, where several are of the last one's moment; less at
    the end.
    """
    columns = lines.c
    edge = columns.last if down else columns.first
    statement = (
        sa.select(edge, columns.id, columns.number)
        .where(columns.task == task)
        .order_by(edge.desc() if down else edge, columns.id)
    )
    if start is not None:
        beyond = below(columns.first, start) if down else above(columns.last, start)
        statement = statement.where(beyond)

    def load(piece: tuple[int, int]) -> list[spans.Row]:
        loaded = _load(db, *piece)
        if start is None:
            return list(loaded)
        if down:
            return [one for one in loaded if one[0] < start]
        return [one for one in loaded if one[0] > start]

    with db.execute(statement) as rows:
        pieces = ((row[0], (row.id, row.number)) for row in rows)
        return spans.first_rows(pieces, load, size, down=down)


def by_number(
    db: sa.Connection, task: str, after: int | None, size: int, *, down: bool
) -> list[Shown]:
    """Give `size` lines after (`down`: before) a number, in this order."""
    columns = lines.c
    order = columns.number.desc() if down else columns.number
    statement = (
        sa.select(columns.id, columns.number)
        .where(columns.task == task)
        .order_by(order)
    )
    if after is not None:
        end = columns.number + columns.length
        statement = statement.where(columns.number < after if down else end > after + 1)
    found: list[Shown] = []
    with db.execute(statement) as rows:
        for row in rows:
            loaded = [
                one
                for one in _load(db, row.id, row.number)
                if after is None or (one[1] < after if down else one[1] > after)
            ]
            found += reversed(loaded) if down else loaded
            if len(found) >= size:
                break
    return found[:size]


def packed(task: str, came: Iterable[Line]) -> Iterator[dict[str, Any]]:
    """Give the chunks of a whole log."""
    number = 0
    for piece in _pieces(came):
        yield _row(task, number, piece)
        number += len(piece[0])


def _row(task: str, number: int, piece: Piece) -> dict[str, Any]:
    came, size, text = piece
    times = [line[0] for line in came]
    return {
        "task": task,
        "number": number,
        "length": len(came),
        "size": size,
        "first": min(times),
        "last": max(times),
        "body": zlib.compress(text.encode("ascii"), LEVEL),
    }


def _known(db: sa.Connection, task: str) -> list[int]:
    """Give the next line's number and how many chunks are loose; may be changed."""
    cache: OrderedDict[str, list[int]] = db.info.setdefault(KNOWN, OrderedDict())
    if task not in cache:
        mine = lines.c.task == task
        end = sa.func.max(lines.c.number + lines.c.length)
        number = db.execute(sa.select(end).where(mine)).scalar()
        full = sa.select(sa.func.max(lines.c.number)).where(
            mine, lines.c.size >= FULL_BYTES
        )
        last = db.execute(full).scalar()
        loose = sa.select(sa.func.count()).where(
            mine, lines.c.number > (-1 if last is None else last)
        )
        cache[task] = [int(number or 0), int(db.execute(loose).scalar_one())]
    cache.move_to_end(task)
    while len(cache) > KNOWN_TASKS:
        cache.popitem(last=False)
    return cache[task]


def _pieces(came: Iterable[Line]) -> Iterator[Piece]:
    """Cut lines into chunks of about `FULL_BYTES`: lines, size, JSON."""
    some: list[Line] = []
    texts: list[str] = []
    size = 0
    for line in came:
        text = json.dumps(line, separators=(",", ":"))
        some.append(line)
        texts.append(text)
        size += len(text) + 1
        if size >= FULL_BYTES:
            yield some, size + 1, f"[{','.join(texts)}]"
            some, texts, size = [], [], 0
    if some:
        yield some, size + 1, f"[{','.join(texts)}]"


def _insert(db: sa.Connection, task: str, number: int, piece: Piece) -> None:
    db.execute(lines.insert().values(_row(task, number, piece)))


def _take_loose(db: sa.Connection, task: str, state: list[int]) -> list[Line]:
    """Take the lines of loose chunks out of the log's end."""
    columns = lines.c
    loose = sa.and_(columns.task == task, columns.size < FULL_BYTES)
    rows = db.execute(
        sa.select(columns.id, columns.number).where(loose).order_by(columns.number)
    ).all()[-state[1] :]
    taken = [
        (time, worker, level, text)
        for row in rows
        for time, _, worker, level, text in _load(db, row.id, row.number)
    ]
    db.execute(lines.delete().where(lines.c.id.in_([row.id for row in rows])))
    state[0], state[1] = rows[0].number, 0
    return taken


def _load(db: sa.Connection, chunk: int, number: int) -> list[Shown]:
    body = db.execute(sa.select(lines.c.body).where(lines.c.id == chunk)).scalar_one()
    return [
        (time, number + place, worker, level, text)
        for place, (time, worker, level, text) in enumerate(
            json.loads(zlib.decompress(body))
        )
    ]
