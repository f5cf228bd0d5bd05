from __future__ import annotations

from pathlib import Path

import pytest

from waylab_agent.shim import oom_kills


@pytest.mark.parametrize(
    ("membership", "counter", "text"),
    [
        ("0::/job", "job/memory.events", "low 0\noom 9\noom_kill 3\n"),
        ("0::/job", "memory.events", "oom_kill 3\n"),
        (
            "9:cpu:/x\n4:memory:/job\n0::/",
            "memory/job/memory.oom_control",
            "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n",
        ),
        (
            "4:cpu,memory:/hidden",
            "memory/memory.oom_control",
            "under_oom 0\noom_kill 3\n",
        ),
    ],
)
def test_the_kernel_s_count_is_found_in_either_kind_of_control_group(
    tmp_path: Path, membership: str, counter: str, text: str
) -> None:
    (tmp_path / "proc" / "self").mkdir(parents=True)
    (tmp_path / "proc" / "self" / "cgroup").write_text(f"{membership}\n")
    (tmp_path / "proc" / "vmstat").write_text("oom_kill 77\n")
    path = tmp_path / "groups" / counter
    path.parent.mkdir(parents=True)
    path.write_text(text)
    assert oom_kills(tmp_path / "proc", tmp_path / "groups") == 3


def test_without_control_groups_the_machine_s_count_has_to_do(tmp_path: Path) -> None:
    (tmp_path / "vmstat").write_text("pgfault 1\noom_kill 2\n")
    assert oom_kills(tmp_path, tmp_path / "none") == 2
    assert oom_kills(tmp_path / "none", tmp_path / "none") == 0
