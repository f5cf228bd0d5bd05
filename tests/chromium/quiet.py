"""Become Chromium, deaf to the machine's network interfaces.

Chromium breaks off its requests (`ERR_NETWORK_CHANGED`), those of loopback too, when an
address comes or goes, as they do with every container that other tests start. It hears
of them by netlink; see netlink(7).
"""

from __future__ import annotations

import errno
import os
import socket
import sys

import pyseccomp


def main(program: str, *arguments: str) -> None:
    """Replace this process by the program."""
    allowed = pyseccomp.SyscallFilter(pyseccomp.ALLOW)
    netlink = pyseccomp.Arg(0, pyseccomp.EQ, socket.AF_NETLINK)
    allowed.add_rule(pyseccomp.ERRNO(errno.EAFNOSUPPORT), "socket", netlink)
    allowed.load()
    os.execv(program, [program, *arguments])  # noqa: S606 - the purpose


if __name__ == "__main__":
    main(*sys.argv[1:])
