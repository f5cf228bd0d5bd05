from __future__ import annotations

from pathlib import Path

import pytest

from waylab_agent.errors import JournalError
from waylab_agent.journal import GrantEntry, JobEntry, Journal, Phase, StopCause


def entry(task_id: str = "0a1b") -> JobEntry:
    return JobEntry(
        task_id=task_id,
        queue="vision",
        queue_id="q1",
        grant=GrantEntry(id="g", slot="gpu0", devices=("GPU-a",)),
        claim="c0ffee",
    )


def test_an_entry_comes_back_as_written(tmp_path: Path) -> None:
    folder = Journal(tmp_path).create(entry())
    changed = entry().model_copy(
        update={"phase": Phase.RUNNING, "stop": StopCause.ABORTED}
    )
    folder.write(changed)
    (found,) = Journal(tmp_path).folders()
    assert found.read() == changed


def test_a_folder_without_an_entry_is_swept_up(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    half_made = tmp_path / "jobs" / "half"
    half_made.mkdir()
    assert list(journal.folders()) == []
    assert not half_made.exists()


def test_a_removed_job_is_forgotten(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.create(entry()).remove()
    assert list(journal.folders()) == []


@pytest.mark.parametrize("task_id", ["", "../x", "a/b", "a" * 65, "ü"])
def test_a_task_id_cannot_lead_out_of_the_folder(tmp_path: Path, task_id: str) -> None:
    with pytest.raises(JournalError, match="task id"):
        Journal(tmp_path).create(entry(task_id))


def test_a_damaged_entry_is_told(tmp_path: Path) -> None:
    folder = Journal(tmp_path).create(entry())
    (folder.path / "job.json").write_text("{}")
    with pytest.raises(JournalError, match=r"job\.json"):
        folder.read()
