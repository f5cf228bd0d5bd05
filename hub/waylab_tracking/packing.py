"""Columns of numbers, packed into bytes and back. Pure.

The first byte says how: `R` an even row (first, step, count), `A` the numbers as they
are, `Z` the same deflated, `D` deflated differences. Eight bytes a number, the least
significant first. Files keep this: a new way gets a new letter.
"""

from __future__ import annotations

import struct
import sys
import zlib
from array import array
from collections.abc import Sequence
from itertools import accumulate, pairwise

LITTLE = sys.byteorder == "little"
ROW = struct.Struct("<qqq")
# Shorter columns are not worth deflating.
FEW = 64
# Random numbers hardly shrink, and more effort shrinks them no further.
LEVEL = 1
MAX_INTEGER = (1 << 63) - 1

Integers = Sequence[int]
Floats = Sequence[float]


def pack_integers(values: Integers) -> bytes:
    """Pack integers of 64 bits."""
    step = values[1] - values[0] if len(values) > 1 else 0
    row = range(values[0], values[0] + step * len(values), step) if step else ()
    if len(values) == 1 or (abs(step) <= MAX_INTEGER and _same(values, row, step)):
        return b"R" + ROW.pack(values[0], step, len(values))
    if len(values) < FEW:
        return b"A" + _bytes(array("q", values))
    try:
        steps = array("q", [values[0], *(b - a for a, b in pairwise(values))])
    except OverflowError:
        return b"Z" + zlib.compress(_bytes(array("q", values)), LEVEL)
    return b"D" + zlib.compress(_bytes(steps), LEVEL)


def unpack_integers(packed: bytes) -> Integers:
    """Give back what `pack_integers` packed."""
    way, body = packed[:1], packed[1:]
    if way == b"R":
        first, step, count = ROW.unpack(body)
        return range(first, first + step * count, step) if step else (first,) * count
    if way == b"D":
        return array("q", accumulate(_array("q", zlib.decompress(body))))
    return _array("q", zlib.decompress(body) if way == b"Z" else body)


def pack_floats(values: Floats) -> bytes:
    """Pack numbers of double precision."""
    plain = _bytes(array("d", values))
    if len(values) >= FEW:
        small = zlib.compress(plain, LEVEL)
        # What saves less than an eighth costs more time than it is worth.
        if len(small) < len(plain) - len(plain) // 8:
            return b"Z" + small
    return b"A" + plain


def unpack_floats(packed: bytes) -> Floats:
    """Give back what `pack_floats` packed."""
    body = packed[1:]
    return _array("d", zlib.decompress(body) if packed[:1] == b"Z" else body)


def _same(values: Integers, row: Integers, step: int) -> bool:
    if not step:
        return all(one == values[0] for one in values)
    return list(values) == list(row)


def _bytes(values: array[int] | array[float]) -> bytes:
    if not LITTLE:
        values = values[:]
        values.byteswap()
    return values.tobytes()


def _array(kind: str, raw: bytes) -> array[int]:
    values: array[int] = array(kind)
    values.frombytes(raw)
    if not LITTLE:
        values.byteswap()
    return values
