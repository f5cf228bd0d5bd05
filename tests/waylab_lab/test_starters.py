from __future__ import annotations

from pathlib import Path

import pytest
from tests.waylab_lab.rig import Lab, write_notebook

from waylab_lab.starters import UnknownStarterError, copy_starter, list_starters


@pytest.fixture
def starters(tmp_path: Path) -> Path:
    folder = tmp_path / "starters"
    write_notebook(folder / "one.ipynb", "x = 1")
    (folder / "broken.ipynb").write_text("{", "utf-8")
    (folder / "notes.txt").write_text("no notebook", "utf-8")
    return folder


def test_only_readable_notebooks_are_listed(starters: Path) -> None:
    assert [starter.name for starter in list_starters(starters)] == ["one.ipynb"]


def test_a_missing_folder_has_no_starters(tmp_path: Path) -> None:
    assert list_starters(tmp_path / "nowhere") == ()


def test_a_copy_never_overwrites(starters: Path, tmp_path: Path) -> None:
    names = [copy_starter(starters, "one.ipynb", tmp_path).name for _ in range(3)]
    assert names == ["one.ipynb", "one-1.ipynb", "one-2.ipynb"]


@pytest.mark.parametrize("name", ["two.ipynb", "../one.ipynb", "notes.txt", ""])
def test_what_is_not_listed_is_not_copied(
    starters: Path, tmp_path: Path, name: str
) -> None:
    with pytest.raises(UnknownStarterError, match="no starter"):
        copy_starter(starters, name, tmp_path)


def test_the_lab_offers_the_starters_and_copies_one(lab: Lab) -> None:
    starters = lab.get("starters")["starters"]
    assert all(starter["title"] and starter["description"] for starter in starters)
    (lab.root / "new").mkdir()
    wish = {"name": starters[0]["name"], "folder": "new"}
    made = lab.post("starters", wish, 201)
    assert made == {"path": f"new/{starters[0]['name']}"}
    assert (lab.root / made["path"]).is_file()
    wrong = lab.post("starters", {**wish, "folder": ".."}, 422)
    assert set(wrong["fields"]) == {"path"}
