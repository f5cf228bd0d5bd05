"""Out of memory is said only on the kernel's evidence."""

from __future__ import annotations

from pathlib import Path

import pytest

from waylab_runner.memory import MemoryWitness


@pytest.fixture(params=["v2", "v2 in a container", "v1", "the machine's"])
def machine(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, Path, Path]:
    """Give (proc, cgroup root, counter file) of a made-up machine."""
    proc, root = tmp_path / "proc", tmp_path / "cgroup"
    (proc / "self").mkdir(parents=True)
    lines, counter = {
        "v2": ("0::/job", root / "job" / "memory.events"),
        "v2 in a container": ("0::/docker/abc", root / "memory.events"),
        "v1": ("3:cpu:/\n5:memory:/job", root / "memory/job/memory.oom_control"),
        "the machine's": ("0::/job", proc / "vmstat"),
    }[request.param]
    (proc / "self" / "cgroup").write_text(f"{lines}\n")
    counter.parent.mkdir(parents=True, exist_ok=True)
    counter.write_text("oom 1\noom_kill 2\n")
    return proc, root, counter


def test_a_kill_since_the_last_note_is_evidence(
    machine: tuple[Path, Path, Path],
) -> None:
    proc, root, counter = machine
    witness = MemoryWitness(proc=proc, cgroup_root=root)
    assert not witness.killed_since()
    counter.write_text("oom 2\noom_kill 3\n")
    assert witness.killed_since()
    witness.note()
    assert not witness.killed_since()


def test_without_a_counter_there_is_no_claim(tmp_path: Path) -> None:
    witness = MemoryWitness(proc=tmp_path, cgroup_root=tmp_path)
    assert not witness.killed_since()
