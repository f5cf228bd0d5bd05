"""A registry of one image, as an engine on this machine can pull from."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
_CONFIG = "application/vnd.docker.container.image.v1+json"
_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"
_LAYERS = 3
_BYTES = 2_000_000


@contextmanager
def running_registry() -> Iterator[str]:
    """Serve `<address>/tiny:1`, which no engine has yet; give the address."""
    blobs, manifest = _image()

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.do_GET()

        def do_GET(self) -> None:
            kind, content = _find(self.path)
            self.send_response(200 if content is not None else 404)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content or b"")))
            if kind == _MANIFEST and content:
                digest = hashlib.sha256(content).hexdigest()
                self.send_header("Docker-Content-Digest", f"sha256:{digest}")
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(content or b"")

        def log_message(self, *_: object) -> None:
            return

    def _find(path: str) -> tuple[str, bytes | None]:
        if path == "/v2/":
            return "application/json", b"{}"
        if path.startswith("/v2/tiny/manifests/"):
            wanted = path.rpartition("/")[2]
            known = {"1", f"sha256:{hashlib.sha256(manifest).hexdigest()}"}
            return _MANIFEST, manifest if wanted in known else None
        return "application/octet-stream", blobs.get(path.rpartition("/")[2])

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(
        target=server.serve_forever, kwargs={"poll_interval": 0.01}
    )
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _image() -> tuple[dict[str, bytes], bytes]:
    blobs: dict[str, bytes] = {}
    layers, digests = [], []
    for number in range(_LAYERS):
        tar = io.BytesIO()
        with tarfile.open(fileobj=tar, mode="w") as archive:
            entry = tarfile.TarInfo(f"file{number}")
            entry.size = _BYTES
            archive.addfile(entry, io.BytesIO(os.urandom(_BYTES)))
        digests.append(f"sha256:{hashlib.sha256(tar.getvalue()).hexdigest()}")
        layers.append(_blob(blobs, gzip.compress(tar.getvalue(), 1), _LAYER))
    config = {
        "architecture": "amd64",
        "os": "linux",
        "config": {},
        "rootfs": {"type": "layers", "diff_ids": digests},
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": _MANIFEST,
        "config": _blob(blobs, json.dumps(config).encode(), _CONFIG),
        "layers": layers,
    }
    return blobs, json.dumps(manifest).encode()


def _blob(blobs: dict[str, bytes], content: bytes, kind: str) -> dict[str, object]:
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    blobs[digest] = content
    return {"mediaType": kind, "size": len(content), "digest": digest}
