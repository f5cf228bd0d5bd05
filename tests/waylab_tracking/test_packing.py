from __future__ import annotations

import math
import random

from hypothesis import given
from hypothesis import strategies as st

from waylab_tracking.packing import (
    MAX_INTEGER,
    pack_floats,
    pack_integers,
    unpack_floats,
    unpack_integers,
)
from waylab_tracking.spans import first_rows

INTEGERS = st.integers(-MAX_INTEGER, MAX_INTEGER)


@given(st.lists(INTEGERS, min_size=1, max_size=200))
def test_integers_come_back_as_they_went(values: list[int]) -> None:
    assert list(unpack_integers(pack_integers(values))) == values


@given(INTEGERS, st.integers(-(1 << 40), 1 << 40), st.integers(1, 300))
def test_even_rows_take_a_few_bytes(first: int, step: int, count: int) -> None:
    values = [
        one
        for one in (first + step * place for place in range(count))
        if abs(one) <= MAX_INTEGER
    ]

    packed = pack_integers(values)

    assert list(unpack_integers(packed)) == values
    assert len(packed) == 25


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=200))
def test_numbers_come_back_to_the_last_bit(values: list[float]) -> None:
    assert list(unpack_floats(pack_floats(values))) == values


def test_curves_shrink() -> None:
    dice = random.Random(3)  # noqa: S311
    times = [1_763_890_000_000 + 37 * n + dice.randrange(9) for n in range(4096)]
    smooth = [float(round(math.exp(-n / 900), 4)) for n in range(4096)]

    assert len(pack_integers(times)) < 8 * 4096 / 4
    assert len(pack_floats(smooth)) < 8 * 4096 / 2


@given(
    st.lists(
        st.lists(st.integers(0, 30), min_size=1, max_size=8), min_size=1, max_size=8
    ),
    st.integers(1, 20),
    st.booleans(),
)
def test_pieces_that_overlap_are_walked_in_order(
    pieces: list[list[int]], size: int, down: bool
) -> None:
    numbered = [
        [(key, place * 100 + index) for index, key in enumerate(piece)]
        for place, piece in enumerate(pieces)
    ]
    edge = max if down else min
    spans = sorted(
        ((edge(row[0] for row in piece), piece) for piece in numbered),
        key=lambda span: span[0],
        reverse=down,
    )
    every = sorted((row for piece in numbered for row in piece), reverse=down)

    found = first_rows(spans, list, size, down=down)

    assert found == every[: len(found)]
    assert len(found) >= min(size, len(every))
    rest = every[len(found) :]
    assert not rest or rest[0][0] != found[-1][0]
