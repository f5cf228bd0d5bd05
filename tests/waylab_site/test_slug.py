from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waylab_site.slug import slug


@pytest.mark.parametrize("name", ["ann", "ann-lee", "a1_b", "x" * 48])
def test_plain_names_are_their_own_slug(name: str) -> None:
    assert slug(name) == name


@pytest.mark.parametrize("name", ["Ann", "ann.lee", "a--b", "-a", "", "../..", "日本"])
def test_other_names_carry_a_hash(name: str) -> None:
    assert "--" in slug(name)


@given(st.text(max_size=80), st.text(max_size=80), st.integers(11, 60))
def test_two_names_never_share_a_slug(one: str, other: str, length: int) -> None:
    first, second = slug(one, max_length=length), slug(other, max_length=length)

    assert (first == second) == (one == other)
    assert len(first) <= length
    assert set(first) <= set("abcdefghijklmnopqrstuvwxyz0123456789_-")


def test_no_room_for_the_hash_is_an_error() -> None:
    with pytest.raises(ValueError, match="max_length is 5"):
        slug("ann", max_length=5)
