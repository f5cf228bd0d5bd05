from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from waylab_agent.console import MESSAGE_LIMIT_CHARS, Position, Slice, take


def text_of(content: bytes, *, flush: bool = True) -> str:
    return "".join(take(Position(), content, flush=flush).messages)


def test_an_incomplete_line_waits() -> None:
    assert take(Position(), b"one\ntwo", flush=False) == Slice(
        ("one\n",), Position(offset=4)
    )


def test_an_incomplete_line_goes_at_the_end() -> None:
    assert take(Position(4), b"two", flush=True) == Slice(("two",), Position(offset=7))


def test_of_a_progress_bar_the_last_state_is_kept() -> None:
    assert text_of(b"10%\r20%\r100%\ndone\r\n") == "100%\ndone\n"


def test_a_character_is_not_cut_in_two() -> None:
    content = "añ€".encode()
    piece = take(Position(), content[:-1], flush=True)
    assert piece == Slice(("añ",), Position(offset=3))


def test_half_a_character_at_the_very_end_is_not_lost() -> None:
    assert text_of("€".encode()[:2]) == "�"


def test_bytes_that_are_no_text_are_replaced() -> None:
    assert text_of(b"\xff\xfe\n") == "��\n"


def test_the_listing_of_the_configuration_is_left_out() -> None:
    content = (
        b"Using environment access token CLEARML_AUTH_TOKEN=********\n"
        b"Current configuration (clearml_agent v3.0.3, location: /x):\n"
        b"----------------------\nagent.a = 1\nagent.b = 2\n\nExecuting task\n"
    )
    assert text_of(content) == (
        "Using environment access token CLEARML_AUTH_TOKEN=********\nExecuting task\n"
    )


def test_the_listing_may_be_cut_anywhere() -> None:
    content = b"a\nCurrent configuration (clearml_agent v3):\n--\nx = 1\n\nb\nc\n"
    for cut in range(len(content)):
        first = take(Position(), content[:cut], flush=False)
        second = take(first.end, content[first.end.offset :], flush=True)
        assert "".join((*first.messages, *second.messages)) == "a\nb\nc\n"


def test_long_output_is_split_into_messages() -> None:
    messages = take(Position(), b"x" * (2 * MESSAGE_LIMIT_CHARS + 1), flush=True)
    assert [len(m) for m in messages.messages] == [
        MESSAGE_LIMIT_CHARS,
        MESSAGE_LIMIT_CHARS,
        1,
    ]


@given(
    lines=st.lists(st.text(st.characters(exclude_characters="\n\r\b"))),
    cuts=st.lists(st.integers(min_value=0, max_value=400)),
)
def test_however_it_arrives_no_line_is_lost_or_changed(
    lines: list[str], cuts: list[int]
) -> None:
    text = "".join(f"| {line}\n" for line in lines)
    content = text.encode("utf-8", "surrogatepass")
    position, seen = Position(), ""
    for cut in sorted(cuts):
        piece = take(position, content[position.offset : cut], flush=False)
        position, seen = piece.end, seen + "".join(piece.messages)
    piece = take(position, content[position.offset :], flush=True)
    seen += "".join(piece.messages)
    assert seen == content.decode("utf-8", "replace")
