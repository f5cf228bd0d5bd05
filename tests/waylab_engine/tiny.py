"""An image of some kilobytes: one static program that does what its arguments say."""

from __future__ import annotations

import subprocess
import tarfile
from pathlib import Path

from waylab_engine.engine import Engine
from waylab_rig import archives
from waylab_site.model import Image

REFERENCE = "waylab-test/tiny:1"
IMAGE = Image(name="tiny", title="Tiny", reference=REFERENCE)

# Verbs: say TEXT, touch PATH, show PATH, env NAME, end CODE, stubborn, wait.
_PROGRAM = r"""
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    char line[4096];
    setvbuf(stdout, NULL, _IONBF, 0);
    for (int i = 1; i < argc; i++) {
        const char *verb = argv[i], *value = i + 1 < argc ? argv[i + 1] : "";
        if (!strcmp(verb, "say")) { puts(value); i++; }
        else if (!strcmp(verb, "touch")) {
            int file = open(value, O_CREAT | O_WRONLY, 0600);
            printf("touch %s: %s\n", value, file < 0 ? "refused" : "done");
            i++;
        } else if (!strcmp(verb, "stat")) {
            struct stat s;
            if (stat(value, &s)) puts("missing");
            else printf("%s %u %o\n", value, s.st_uid, s.st_mode & 07777);
            i++;
        } else if (!strcmp(verb, "show")) {
            FILE *file = fopen(value, "r");
            while (file && fgets(line, sizeof line, file)) fputs(line, stdout);
            i++;
        } else if (!strcmp(verb, "env")) {
            const char *found = getenv(value);
            printf("%s=%s\n", value, found ? found : "(unset)");
            i++;
        } else if (!strcmp(verb, "end")) return atoi(value);
        else if (!strcmp(verb, "stubborn")) signal(SIGTERM, SIG_IGN);
        else if (!strcmp(verb, "wait")) {
            puts("here");
            for (;;) pause();
        }
    }
    return 0;
}
"""


def build(engine: Engine, folder: Path) -> None:
    """Have the image on an engine."""
    source, program = folder / "tiny.c", folder / "tiny"
    source.write_text(_PROGRAM, "utf-8")
    subprocess.run(
        ["/usr/bin/cc", "-static", "-O1", "-o", str(program), str(source)],
        check=True,
        timeout=60,
    )
    root = folder / "tiny.tar"
    with tarfile.open(root, "w") as archive:
        archive.add(program, "do")
        for name in ("files", "home", "home/lab", "proc", "dev", "run"):
            entry = tarfile.TarInfo(name)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            archive.addfile(entry)
    archives.import_root(engine, root, REFERENCE)
