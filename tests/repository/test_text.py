"""What may not stand in any tracked file."""

import re
from pathlib import Path

# Put together here, so that this file does not contain them.
REGISTRY_HOSTS = [
    "pypi" + ".org",
    "pypi" + ".python.org",
    "python" + "hosted.org",
    "registry.npm" + "js.org",
    "registry.yarn" + "pkg.com",
    "npm" + "mirror.com",
    "conda.ana" + "conda.org",
]
MACHINE_PATHS = [
    "/r" + r"oot/[\w.]",
    "/w" + "ork/(main|shared|plan)",
    "/opt/p" + "ypi",
    "/opt/w" + "heels",
]


def hits(files: tuple[Path, ...], pattern: str) -> list[str]:
    found = []
    for path in files:
        try:
            text = path.read_text("utf-8")
        except UnicodeDecodeError:
            continue
        for number, line in enumerate(text.splitlines(), 1):
            if re.search(pattern, line):
                found.append(f"{path}:{number}: {line.strip()[:120]}")
    return found


def test_no_file_names_the_host_of_a_package_registry(
    tracked: tuple[Path, ...],
) -> None:
    pattern = "|".join(re.escape(host) for host in REGISTRY_HOSTS)

    assert hits(tracked, pattern) == []


def test_no_file_names_a_path_of_the_machine_it_was_written_on(
    tracked: tuple[Path, ...],
) -> None:
    assert hits(tracked, "|".join(MACHINE_PATHS)) == []
