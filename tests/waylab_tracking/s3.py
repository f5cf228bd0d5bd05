"""A server that speaks S3: moto's, which keeps everything in memory."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

BUCKET = "waylab-tests"
SECRET = "a-secret-of-the-store"  # noqa: S105 - made up here.


@contextmanager
def running_s3(folder: Path) -> Iterator[str]:
    """Run one with an empty bucket, and give its address."""
    log = folder / "s3.log"
    with log.open("wb") as written:
        process = subprocess.Popen(
            [sys.executable, "-u", "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"],
            stdin=subprocess.DEVNULL,
            stdout=written,
            stderr=written,
        )
    try:
        while not (found := re.search(r"http://127\.0\.0\.1:\d+", log.read_text())):
            assert process.poll() is None, log.read_text()
            time.sleep(0.05)
        httpx.put(f"{found[0]}/{BUCKET}", trust_env=False).raise_for_status()
        yield found[0]
    finally:
        process.terminate()
        process.wait(10)


def environment(address: str) -> dict[str, str]:
    """Give what the store is reached by, and nothing of this machine's own."""
    return {
        "AWS_ACCESS_KEY_ID": "a-key",
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": address,
        "AWS_CONFIG_FILE": "/nowhere/config",
        "AWS_SHARED_CREDENTIALS_FILE": "/nowhere/credentials",
    }
