"""Choosing the Python that the environment is made from."""

import os
import sys
from pathlib import Path

import pytest

import bootstrap
from waylab_install.errors import InstallError
from waylab_install.interpreter import barrier, choose, probe


def fake_python(path: Path, version: tuple[int, int], *, venv: bool = True) -> Path:
    """Write a program that answers the probe as a Python of that version would."""
    answer = (
        f'{{"version": [{version[0]}, {version[1]}], "prefix": "{path.parent}", '
        f'"executable": "{path}", "venv": {str(venv).lower()}}}'
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho '{answer}'\n")
    path.chmod(0o755)
    return path


def test_an_old_python_is_refused_in_one_sentence() -> None:
    sentence = bootstrap.refusal((3, 9, 2))  # type: ignore[no-untyped-call]

    assert "Python 3.11 or newer, and this is 3.9" in sentence
    assert "make up PYTHON=" in sentence


def test_the_running_python_is_accepted() -> None:
    assert bootstrap.refusal(sys.version_info) is None  # type: ignore[no-untyped-call]


def test_the_entry_parses_with_the_grammar_of_old_pythons() -> None:
    source = Path(bootstrap.__file__).read_text("utf-8")

    compile(source, "bootstrap.py", "exec", dont_inherit=True)
    assert "f'" not in source
    assert 'f"' not in source


def test_a_probe_tells_what_a_python_is() -> None:
    found = probe(Path(sys.executable))

    assert found is not None
    assert found.version == sys.version_info[:2]
    assert found.prefix == Path(sys.base_prefix)


def test_a_program_that_is_no_python_is_not_taken(tmp_path: Path) -> None:
    silent = tmp_path / "python3"
    silent.write_text("#!/bin/sh\nexit 3\n")
    silent.chmod(0o755)

    assert probe(silent) is None
    assert probe(tmp_path / "absent") is None


def test_the_first_python_that_fits_is_chosen(tmp_path: Path) -> None:
    old = fake_python(tmp_path / "old" / "python3", (3, 9))
    bare = fake_python(tmp_path / "bare" / "python3", (3, 12), venv=False)
    good = fake_python(tmp_path / "good" / "python3", (3, 12))
    later = fake_python(tmp_path / "later" / "python3", (3, 13))

    chosen = choose([old, bare, good, later], for_other_accounts=False)

    assert chosen.executable == good


def test_every_objection_and_the_remedy_are_named(tmp_path: Path) -> None:
    old = fake_python(tmp_path / "old" / "python3", (3, 9))
    bare = fake_python(tmp_path / "bare" / "python3", (3, 12), venv=False)

    with pytest.raises(InstallError) as refusal:
        choose([old, bare], for_other_accounts=False)

    text = str(refusal.value)
    assert f"{old} is 3.9, and 3.11 or newer is needed" in text
    assert "apt-get install python3.12-venv" in text
    assert "WAYLAB_PYTHON=" in text


@pytest.fixture
def enterable() -> Path:
    """Return a folder that every account can enter (pytest's own are private)."""
    folder = Path(os.path.realpath("/usr/bin"))
    assert barrier(folder) is None
    return folder


def test_a_python_that_other_accounts_can_execute_is_preferred(
    tmp_path: Path, enterable: Path
) -> None:
    private = fake_python(tmp_path / "private" / "python3", (3, 12))
    (tmp_path / "private").chmod(0o700)
    shared = enterable / "python3"
    fits = probe(shared)
    if fits is None or fits.objection():
        pytest.skip(f"{shared} is not there, or cannot make environments")

    assert choose([private, shared], for_other_accounts=True) == fits
    assert choose([private, shared], for_other_accounts=False).executable == private


def test_the_folder_that_bars_other_accounts_is_named(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    (closed / "open").mkdir(parents=True)
    closed.chmod(0o700)
    tmp_path.chmod(0o755)

    assert barrier(closed / "open") in (closed, *closed.parents)
    assert barrier(Path("/")) is None


def test_a_private_python_serves_if_there_is_no_other(tmp_path: Path) -> None:
    private = fake_python(tmp_path / "private" / "python3", (3, 12))
    (tmp_path / "private").chmod(0o700)

    assert choose([private], for_other_accounts=True).executable == private
