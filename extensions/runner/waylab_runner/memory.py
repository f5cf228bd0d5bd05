"""Evidence that the kernel of the operating system killed a process for its memory."""

from __future__ import annotations

from pathlib import Path

PROC = Path("/proc")
CGROUP_ROOT = Path("/sys/fs/cgroup")


class MemoryWitness:
    """Reads the count of out-of-memory kills of this process's own cgroup.

    `note` is called now and then while all is well (before each cell); `killed_since`
    compares with the last note. Without a readable counter of the cgroup the machine's
    own is read; without that there is no evidence, and no claim.
    """

    def __init__(self, *, proc: Path = PROC, cgroup_root: Path = CGROUP_ROOT) -> None:
        """Note the count as it is now; other folders are for tests."""
        self._counter = _counter_file(proc, cgroup_root)
        self._before = self._count()

    def note(self) -> None:
        """Forget kills that happened until now: they killed something else."""
        self._before = self._count()

    def killed_since(self) -> bool:
        """Tell whether something was killed for memory since the last note."""
        now = self._count()
        return now is not None and self._before is not None and now > self._before

    def _count(self) -> int | None:
        if self._counter is None:
            return None
        try:
            text = self._counter.read_text(encoding="ascii")
        except OSError:
            return None
        for line in text.splitlines():
            name, _, value = line.partition(" ")
            if name == "oom_kill" and value.strip().isdecimal():
                return int(value)
        return None


def _counter_file(proc: Path, root: Path) -> Path | None:
    candidates: list[Path] = []
    try:
        lines = (proc / "self" / "cgroup").read_text("utf-8").splitlines()
    except OSError:
        lines = []
    for line in lines:
        _, controllers, group = line.split(":", 2)
        group = group.lstrip("/")
        # In a container the group's path may be the host's, while only its own part
        # is mounted: so the root is looked at as well.
        if not controllers:  # cgroup v2
            candidates += [root / group / "memory.events", root / "memory.events"]
            candidates.append(root / "unified" / group / "memory.events")
        elif "memory" in controllers.split(","):  # cgroup v1
            folder = root / "memory"
            candidates += [folder / group / "memory.oom_control"]
            candidates.append(folder / "memory.oom_control")
    candidates.append(proc / "vmstat")
    return next((file for file in candidates if file.is_file()), None)
