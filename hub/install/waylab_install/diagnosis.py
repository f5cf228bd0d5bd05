"""One sentence, with the remedy, for what a tool said when it failed."""

from __future__ import annotations

import re

_DIAGNOSES = (
    (
        r"No space left on device|ENOSPC|os error 28\b|Disk quota exceeded",
        "The disk is full: free some space (about 3 GB are needed) and run the same "
        "command again.",
    ),
    (
        r"CERTIFICATE_VERIFY_FAILED|invalid peer certificate|UnknownIssuer"
        r"|SELF_SIGNED_CERT|UNABLE_TO_(VERIFY|GET_ISSUER)|self.signed certificate",
        "A download was refused because its certificate is not trusted: set "
        "SSL_CERT_FILE to a file with your organisation's certificate authority.",
    ),
    (
        r"DO NOT MATCH THE HASHES|[Hh]ash mismatch|EINTEGRITY|YN0018",
        "A downloaded file is not the one that Waylab was tested with, and was "
        "refused: empty the caches of pip, uv and npm and try again; if it stays, the "
        "package index serves altered files.",
    ),
    (
        r"NewConnectionError|[Nn]ame resolution|Name or service not known|dns error"
        r"|failed to lookup address|Network is unreachable|ENETUNREACH|ENOTFOUND"
        r"|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|Connection refused"
        r"|ConnectTimeoutError|ReadTimeoutError|tcp connect error|operation timed out"
        r"|error sending request|Could not connect|No route to host|Tunnel|ProxyError",
        "The network cannot be reached, and the first set-up downloads what Waylab "
        "needs: connect this machine, or configure a package index that it can reach "
        "(pip's and npm's own configuration are honoured).",
    ),
    (
        r"No matching distribution|No solution found|not found in the (package )?"
        r"(registry|index)|was not found|\bETARGET\b|\bE404\b|YN0035|YN0082",
        "The package index lacks a version that Waylab is pinned to: use an index "
        "that mirrors everything, or try again when it has caught up.",
    ),
    (
        r"Read-only file system|EROFS|Permission denied|EACCES|EPERM",
        "A file could not be written: make this folder and your home's cache folder "
        "writable for this account.",
    ),
    (
        r"heap out of memory|Killed|MemoryError|Cannot allocate memory",
        "Memory ran out: set-up needs about 3 GB of free memory.",
    ),
)


def explain(step: str, output: str) -> str:
    """Return why `step` failed, judged by its output's end."""
    for pattern, sentence in _DIAGNOSES:
        if re.search(pattern, output):
            return sentence
    said = [line.strip() for line in output.splitlines() if line.strip()]
    return f"{step} failed: {said[-1][:200] if said else 'the tool said nothing'}"
