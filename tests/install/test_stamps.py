"""Knowing what is done already."""

from pathlib import Path

from waylab_install.stamps import Stamps, digest


def test_a_stamp_outlives_the_program(tmp_path: Path) -> None:
    Stamps(tmp_path / "stamps.json").keep("venv", "abc")

    assert Stamps(tmp_path / "stamps.json").get("venv") == "abc"


def test_a_forgotten_stamp_stays_forgotten(tmp_path: Path) -> None:
    stamps = Stamps(tmp_path / "stamps.json")
    stamps.keep("venv", "abc")

    stamps.forget("venv")

    assert Stamps(tmp_path / "stamps.json").get("venv") == ""


def test_a_damaged_file_means_that_nothing_is_done(tmp_path: Path) -> None:
    (tmp_path / "stamps.json").write_text('{"venv": "a')

    assert Stamps(tmp_path / "stamps.json").get("venv") == ""


def test_a_digest_follows_sources_and_not_what_builds_leave(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "index.ts").write_text("one")
    before = digest([tmp_path])

    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "index.js").write_text("built")
    (tmp_path / "tsconfig.tsbuildinfo").write_text("built")
    assert digest([tmp_path]) == before

    (tmp_path / "src" / "index.ts").write_text("two")
    changed = digest([tmp_path])
    assert changed != before

    (tmp_path / "src" / "index.ts").rename(tmp_path / "src" / "main.ts")
    assert digest([tmp_path]) != changed


def test_a_digest_tells_apart_texts_that_join_to_the_same() -> None:
    assert digest(["ab", "c"]) != digest(["a", "bc"])
