"""Turning a tool's failure into one sentence."""

import pytest

from waylab_install.diagnosis import explain

NO_NETWORK = "The network cannot be reached"


@pytest.mark.parametrize(
    ("output", "beginning"),
    [
        (
            "NewConnectionError: Failed to establish a new connection: [Errno -3]\n"
            "ERROR: No matching distribution found for uv==0.13.9",
            NO_NETWORK,
        ),
        ("error: Failed to fetch\n  Caused by: dns error: failed", NO_NETWORK),
        ("npm error code ENOTFOUND\nnpm error network request failed", NO_NETWORK),
        ("OSError: [Errno 28] No space left on device", "The disk is full"),
        ("npm error code ENOSPC", "The disk is full"),
        ("invalid peer certificate: UnknownIssuer", "A download was refused"),
        ("THESE PACKAGES DO NOT MATCH THE HASHES", "A downloaded file is not"),
        ("npm error code EINTEGRITY", "A downloaded file is not"),
        ("ERROR: No matching distribution found for x", "The package index lacks"),
        ("[Errno 13] Permission denied: '/x'", "A file could not be written"),
        ("FATAL ERROR: JavaScript heap out of memory", "Memory ran out"),
    ],
)
def test_known_failures_get_their_remedy(output: str, beginning: str) -> None:
    assert explain("Installing uv", output).startswith(beginning)


def test_an_unknown_failure_shows_the_last_words() -> None:
    output = "doing this\nsrc/index.ts(3,1): error TS1005: ';' expected.\n\n"

    assert explain("Building the lab extension", output) == (
        "Building the lab extension failed: "
        "src/index.ts(3,1): error TS1005: ';' expected."
    )
