"""Freezing and unpacking: equal bytes for equal input, nothing out of bounds."""

import hashlib
import json
import os
import stat
import unicodedata
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nbformat as nbformat_module
import pytest

from waylab_clearml import bundle
from waylab_clearml.errors import BundleError, NotebookError

nbformat: Any = nbformat_module  # It has no types.


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    (root / "data" / ".hidden").mkdir(parents=True)
    (root / "data" / "a.csv").write_text("1,2\n")
    (root / "data" / ".hidden" / "b").write_text("x")
    cell = nbformat.v4.new_code_cell("1", execution_count=3)
    cell.outputs = [nbformat.v4.new_output("stream", text="old")]
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), root / "a{b}.ipynb")
    return root


def freeze(folder: Path, into: Path, files: Sequence[str] = ("data",)) -> bundle.Bundle:
    return bundle.freeze(
        folder / "a{b}.ipynb",
        files=[folder / name for name in files],
        root=folder,
        into=into,
    )


def test_equal_input_gives_equal_bytes(folder: Path, tmp_path: Path) -> None:
    first = freeze(folder, tmp_path / "one")
    os.utime(folder / "data" / "a.csv", (1, 1))
    second = freeze(folder, tmp_path / "two")
    assert first.path.read_bytes() == second.path.read_bytes()
    assert first.sha256 == second.sha256


def test_old_outputs_do_not_change_the_bundle(folder: Path, tmp_path: Path) -> None:
    first = freeze(folder, tmp_path)
    path = folder / "a{b}.ipynb"
    notebook = nbformat.read(path, 4)
    notebook.cells[0].outputs = []
    notebook.cells[0].execution_count = None
    nbformat.write(notebook, path)
    assert freeze(folder, tmp_path).sha256 == first.sha256


def test_unpacking_gives_the_files_without_hidden_ones(
    folder: Path, tmp_path: Path
) -> None:
    frozen = freeze(folder, tmp_path)
    manifest = bundle.unpack(frozen.path, tmp_path / "out", frozen.sha256)
    assert manifest == frozen.manifest
    assert manifest.notebook == "a{b}.ipynb"
    names = sorted(
        path.relative_to(tmp_path / "out").as_posix()
        for path in (tmp_path / "out").rglob("*")
        if path.is_file()
    )
    assert names == ["a{b}.ipynb", "data/a.csv"]
    assert (tmp_path / "out" / "data" / "a.csv").read_text() == "1,2\n"


def test_the_notebook_can_be_read_without_unpacking(
    folder: Path, tmp_path: Path
) -> None:
    frozen = freeze(folder, tmp_path)
    assert json.loads(bundle.read_notebook_bytes(frozen.path))["nbformat"] == 4


def test_a_changed_bundle_is_refused(folder: Path, tmp_path: Path) -> None:
    frozen = freeze(folder, tmp_path)
    with frozen.path.open("ab") as file:
        file.write(b"x")
    with pytest.raises(BundleError, match="hash is"):
        bundle.unpack(frozen.path, tmp_path / "out", frozen.sha256)
    assert not (tmp_path / "out").exists()


def test_a_file_outside_of_the_root_is_refused(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("x")
    (folder / "link").symlink_to(tmp_path / "secret")
    with pytest.raises(BundleError, match="lies outside of"):
        freeze(folder, tmp_path, files=["link"])


def test_a_missing_file_is_named(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"There is no file .*nope"):
        freeze(folder, tmp_path, files=["nope"])


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "does not hold JSON"),
        (b"[]", "no `nbformat`"),
        (b'{"nbformat": 5}', "notebook format 5"),
        (b'{"nbformat": 4, "nbformat_minor": 5, "cells": 3, "metadata": {}}', "valid"),
        (b'{"nbformat": 4}', "valid"),
    ],
)
def test_a_file_that_is_no_notebook_is_refused(
    tmp_path: Path, content: Any, told: str
) -> None:
    path = tmp_path / "x.ipynb"
    path.write_bytes(content)
    with pytest.raises(NotebookError, match=told):
        bundle.freeze(path, files=[], root=tmp_path, into=tmp_path)


def hostile(
    tmp_path: Path,
    manifest: object,
    entries: Sequence[tuple[str, bytes]] = (("files/n.ipynb", b"{}"),),
) -> tuple[Path, str]:
    path = tmp_path / "hostile.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("manifest.json", json.dumps(manifest))
        for name, content in entries:
            archive.writestr(name, content)
    return path, bundle.hash_of(path)


def manifest_of(
    *files: tuple[str, int, str], notebook: str = "n.ipynb", format: int = 1
) -> dict[str, Any]:
    return {
        "format": format,
        "notebook": notebook,
        "files": [{"path": p, "size": s, "sha256": h} for p, s, h in files],
    }


GOOD = (
    "n.ipynb",
    2,
    "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
)


@pytest.mark.parametrize(
    "path",
    [
        *("../evil", "/etc/evil", "a/../../evil", "a\\..\\evil", "./n", "a//b", ""),
        *("..", ".", "/", "//etc/evil", "a/..", "evil\0.txt", "a/./b", "a/"),
    ],
)
def test_a_path_that_leaves_the_folder_is_refused(tmp_path: Path, path: str) -> None:
    archive, digest = hostile(tmp_path, manifest_of(GOOD, (path, 0, "")))
    with pytest.raises(BundleError, match="leaves its folder"):
        bundle.unpack(archive, tmp_path / "out", digest)
    assert not (tmp_path / "evil").exists()


@pytest.mark.parametrize(
    "path",
    ["n" * 300, "a/" * 2500 + "b", "\N{GRINNING FACE}" * 80, "n.ipynb/inside"],
    ids=["a name of 300", "a path of 5000", "a name of 320 bytes", "below a file"],
)
def test_a_path_that_no_disk_takes_is_refused(tmp_path: Path, path: str) -> None:
    empty = hashlib.sha256().hexdigest()
    entries = [("files/n.ipynb", b"{}"), (f"files/{path}", b"")]
    archive, digest = hostile(tmp_path, manifest_of(GOOD, (path, 0, empty)), entries)

    with pytest.raises(BundleError, match="Cannot unpack"):
        bundle.unpack(archive, tmp_path / "out", digest)


@pytest.mark.parametrize(
    "path",
    ["%2e%2e/evil", "%252e%252e/evil", "..%2fevil", "C:evil", ".../evil", "a\nb"],
)
def test_an_odd_path_stays_in_the_folder(tmp_path: Path, path: str) -> None:
    empty = hashlib.sha256().hexdigest()
    entries = [("files/n.ipynb", b"{}"), (f"files/{path}", b"")]
    archive, digest = hostile(tmp_path, manifest_of(GOOD, (path, 0, empty)), entries)

    bundle.unpack(archive, tmp_path / "out", digest)

    assert (tmp_path / "out" / path).is_file()
    assert {one.name for one in tmp_path.iterdir()} == {"hostile.zip", "out"}


def test_a_link_in_a_bundle_is_a_plain_file(tmp_path: Path) -> None:
    target = b"/etc/passwd"
    link = ("link", len(target), hashlib.sha256(target).hexdigest())
    path = tmp_path / "links.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("manifest.json", json.dumps(manifest_of(GOOD, link)))
        archive.writestr("files/n.ipynb", b"{}")
        entry = zipfile.ZipInfo("files/link")
        entry.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(entry, target)

    bundle.unpack(path, tmp_path / "out", bundle.hash_of(path))

    assert not (tmp_path / "out/link").is_symlink()
    assert (tmp_path / "out/link").read_bytes() == target


def test_a_link_that_was_there_before_leads_nowhere(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a").symlink_to(tmp_path / "outside")
    empty = hashlib.sha256().hexdigest()
    entries = [("files/n.ipynb", b"{}"), ("files/a/evil", b"")]
    archive, digest = hostile(
        tmp_path, manifest_of(GOOD, ("a/evil", 0, empty)), entries
    )

    with pytest.raises(BundleError, match="outside of its folder"):
        bundle.unpack(archive, tmp_path / "out", digest)

    assert list((tmp_path / "outside").iterdir()) == []


def test_twins_of_unicode_are_two_files_or_a_refusal(tmp_path: Path) -> None:
    twins = [unicodedata.normalize(form, "h\u00e4t") for form in ("NFC", "NFD")]
    files = [
        (name, 1, hashlib.sha256(content).hexdigest())
        for name, content in zip(twins, (b"c", b"d"), strict=True)
    ]
    archive, digest = hostile(
        tmp_path,
        manifest_of(GOOD, *files),
        [
            ("files/n.ipynb", b"{}"),
            (f"files/{twins[0]}", b"c"),
            (f"files/{twins[1]}", b"d"),
        ],
    )

    bundle.unpack(archive, tmp_path / "out", digest)

    found = {one.read_bytes() for one in (tmp_path / "out").iterdir()}
    assert found == {b"{}", b"c", b"d"}


def test_a_hundred_thousand_files_are_refused_before_unpacking(tmp_path: Path) -> None:
    many = [(f"{number}", 0, "") for number in range(100_000)]
    archive, digest = hostile(tmp_path, manifest_of(GOOD, *many))

    with pytest.raises(BundleError, match="claims 100001 files"):
        bundle.unpack(archive, tmp_path / "out", digest)

    assert not (tmp_path / "out").exists()


def test_entries_that_no_manifest_names_are_left_alone(tmp_path: Path) -> None:
    entries = [("files/n.ipynb", b"{}"), ("../evil", b"x"), ("/etc/evil", b"x")]
    entries += [(f"files/{number}", b"") for number in range(1000)]
    archive, digest = hostile(tmp_path, manifest_of(GOOD), entries)

    bundle.unpack(archive, tmp_path / "out", digest)

    assert [one.name for one in (tmp_path / "out").iterdir()] == ["n.ipynb"]


@pytest.mark.parametrize("claimed", [2, 10**12])
def test_a_bomb_is_not_read_into_memory_either(tmp_path: Path, claimed: int) -> None:
    archive, _ = hostile(
        tmp_path,
        manifest_of(("n.ipynb", claimed, "")),
        [("files/n.ipynb", b"\0" * 50_000_000)],
    )

    with pytest.raises(BundleError, match=r"too much|not what its manifest says"):
        bundle.read_notebook_bytes(archive)


def test_a_bomb_stops_at_the_size_it_claimed(tmp_path: Path) -> None:
    archive, digest = hostile(
        tmp_path,
        manifest_of(GOOD),
        [("files/n.ipynb", b"\0" * 50_000_000)],
    )
    with pytest.raises(BundleError, match="not what its manifest says"):
        bundle.unpack(archive, tmp_path / "out", digest)
    assert (tmp_path / "out" / "n.ipynb").stat().st_size < 2_000_000


def test_a_claim_of_too_much_is_refused_before_unpacking(tmp_path: Path) -> None:
    archive, digest = hostile(tmp_path, manifest_of(("n.ipynb", 10**12, "")))
    with pytest.raises(BundleError, match="too much"):
        bundle.unpack(archive, tmp_path / "out", digest)


def test_an_unknown_format_says_what_to_do(tmp_path: Path) -> None:
    archive, digest = hostile(tmp_path, manifest_of(GOOD, format=99))
    with pytest.raises(BundleError, match=r"format 99; .* Update Waylab"):
        bundle.unpack(archive, tmp_path / "out", digest)


@pytest.mark.parametrize(
    "manifest",
    [{}, {"format": 1}, manifest_of(GOOD, notebook="other"), manifest_of(GOOD, GOOD)],
)
def test_a_damaged_manifest_is_refused(
    tmp_path: Path, manifest: dict[str, Any]
) -> None:
    archive, digest = hostile(tmp_path, manifest)
    with pytest.raises(BundleError, match="manifest"):
        bundle.unpack(archive, tmp_path / "out", digest)


def test_a_file_that_is_no_zip_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    path.write_bytes(b"PK nonsense")
    with pytest.raises(BundleError, match="not a readable zip"):
        bundle.unpack(path, tmp_path / "out", bundle.hash_of(path))
