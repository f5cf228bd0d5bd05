"""Uploads of ill will: nothing lands elsewhere, and nothing runs in a browser."""

from __future__ import annotations

import io
import json
import socket
import tarfile
import unicodedata
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.waylab_tracking.door import Door

from waylab_tracking.testing import Server, running_server
from waylab_tracking.uploads import MAX_FILES

BAIT = b"<script>document.title='broken'</script>"
NFC, NFD = (
    unicodedata.normalize(form, "h/r\N{LATIN SMALL LETTER A WITH DIAERESIS}t.txt")
    for form in ("NFC", "NFD")
)
REFUSED = {
    "traversal": "../outside.txt",
    "traversal within": "a/b/../../../outside.txt",
    "traversal at the end": "a/..",
    "only dots": "..",
    "encoded": "%2e%2e/outside.txt",
    "encoded slash": "a/..%2f..%2foutside.txt",
    "encoded in capitals": "a/%2E%2E/%2E%2E/outside.txt",
    "backslash": "..\\outside.txt",
    "encoded NUL": "a/file.txt%00.png",
    "NUL": "a/file.txt\0.png",
    "a name of 300": "a/" + "n" * 300,
    "a name of 300 bytes": "a/" + "\N{GRINNING FACE}" * 75,
    "a folder of 300": "n" * 300 + "/file.txt",
    "a path of 6000": "deep/" * 1200 + "file.txt",
    "nothing": "",
    "the folder itself": "/",
    "dot": ".",
}
"""What has no place below the folder of files."""
KEPT = {
    "absolute": "/etc/cron.d/evil",
    "absolute twice": "//etc/evil",
    "encoded twice": "%252e%252e/%252e%252e/outside",
    "three dots": ".../file.txt",
    "hidden": ".ssh/authorized_keys",
    "a drive": "C:/evil.txt",
    "a line": "h/a\nSet-Cookie: b.html",
    "a quote": 'h/a"; filename="b.html',
    "right to left": "h/\N{RIGHT-TO-LEFT OVERRIDE}gpj.html",
    "full-width dots": "\N{FULLWIDTH FULL STOP}\N{FULLWIDTH FULL STOP}/x.txt",
}
"""What is odd, and lies below the folder of files all the same."""
NAMES = (
    *("page.html", "page.HTML", "page.htm", "page.xhtml", "page.shtml", "page.svg"),
    *("page.xml", "page.xsl", "code.js", "code.mjs", "code.css", "code.wasm"),
    *("app.swf", "doc.pdf", "data.json", "data.csv", "notes.md", "page.html.gz"),
    *("image.png", "image.svgz", "page", ".html", "page.html.", "feed.rss", "x.hta"),
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Give a server of this module's own, with nothing else around its state."""
    with running_server(tmp_path_factory.mktemp("outside") / "state") as server:
        yield server


@pytest.fixture
def below(server: Server) -> Iterator[Path]:
    """Give the folder of files; afterwards nothing new may lie anywhere else."""
    outside = server.state.parent
    before = set(_others(outside, server.state))
    yield server.state / "files"
    assert set(_others(outside, server.state)) <= before
    assert list((server.state / "incoming").iterdir()) == []


def _others(folder: Path, state: Path) -> Iterator[Path]:
    for path in folder.rglob("*"):
        if not path.is_relative_to(state / "files") and "sqlite-" not in path.name:
            yield path


def raw_form(name: str, content: bytes = BAIT) -> bytes:
    """Give a form whose name no client's library has made harmless."""
    head = f'Content-Disposition: form-data; name="{name}"; filename="f"\r\n\r\n'
    return b"--x\r\n" + head.encode() + content + b"\r\n--x--\r\n"


def send(door: Door, body: bytes) -> int:
    kind = {"Content-Type": "multipart/form-data; boundary=x"}
    headers = {**door.headers, **kind}
    answer = door.http.post("/files/", content=body, headers=headers, timeout=120)
    return answer.status_code


@pytest.mark.parametrize("name", REFUSED.values(), ids=REFUSED)
def test_what_has_no_place_is_refused(ann: Door, below: Path, name: str) -> None:
    before = set(below.rglob("*"))

    uploaded = send(ann, raw_form(name))
    deleted = ann.http.post(
        "/files/delete_many", json={"files": [name]}, headers=ann.headers
    )

    assert uploaded == 400
    assert deleted.status_code == 200
    assert deleted.json()["deleted"] == {}
    assert set(below.rglob("*")) == before


@pytest.mark.parametrize("name", KEPT.values(), ids=KEPT)
def test_what_is_odd_stays_below_the_folder(ann: Door, below: Path, name: str) -> None:
    before = {path for path in below.rglob("*") if path.is_file()}

    ann.upload(name, BAIT).raise_for_status()

    [made] = {path for path in below.rglob("*") if path.is_file()} - before
    assert made.resolve().is_relative_to(below.resolve())
    assert made.read_bytes() == BAIT


@pytest.mark.parametrize(
    "path",
    [
        "../tracking.sqlite",
        "..%2ftracking.sqlite",
        "%2e%2e/tracking.sqlite",
        "%252e%252e/tracking.sqlite",
        "%252e%252e%252ftracking.sqlite",
        "a/%2e%2e/%2e%2e/tracking.sqlite",
        "..;/tracking.sqlite",
        "/../tracking.sqlite",
        "..%5ctracking.sqlite",
        "%c0%ae%c0%ae/tracking.sqlite",
        "%00/../tracking.sqlite",
        "x" * 300,
        "deep/" * 1200,
        "%ff%fe",
    ],
)
@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_nothing_outside_is_had(
    server: Server, ann: Door, path: str, method: str
) -> None:
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        request = (
            f"{method} /files/{path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
            f"Authorization: Bearer {ann.token}\r\n\r\n"
        )
        connection.sendall(request.encode("latin-1"))
        answer = b"".join(iter(lambda: connection.recv(65536), b""))

    assert answer.split()[1] in (b"400", b"404")
    assert b"SQLite" not in answer
    assert (server.state / "tracking.sqlite").exists()


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_served_as_a_script(ann: Door, name: str) -> None:
    ann.upload(f"served/{name}", BAIT).raise_for_status()

    answer = ann.get(f"/files/served/{name}")

    headers = answer.headers
    kind, shown = headers["content-type"].split(";")[0], headers["content-disposition"]
    policy = headers["content-security-policy"]
    assert answer.content == BAIT
    assert headers["x-content-type-options"] == "nosniff"
    assert policy.startswith("sandbox;")
    assert "allow-" not in policy
    assert "default-src 'none'" in policy
    assert "script" not in policy
    assert "script" not in kind
    if kind == "application/octet-stream":
        assert shown.startswith("attachment")
    else:
        assert kind.startswith(("image/", "text/", "application/json"))


@pytest.mark.parametrize("name", ['h/a";x="b.html', "h/ä€.html", "h/a; x=y.html"])
def test_a_name_adds_no_header(ann: Door, name: str) -> None:
    [stored] = ann.upload(name, BAIT).raise_for_status().json()

    answer = ann.http.get(
        ann.http.base_url.join("/files/").copy_with(path=f"/files/{stored}"),
        headers=ann.headers,
    )

    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["content-security-policy"].startswith("sandbox;")


def test_twins_of_unicode_are_two_files(ann: Door, below: Path) -> None:
    assert NFC != NFD

    for name, content in ((NFC, b"composed"), (NFD, b"decomposed")):
        ann.upload(name, content).raise_for_status()

    assert [ann.get(f"/files/{one}").content for one in (NFC, NFD)] == [
        b"composed",
        b"decomposed",
    ]


def _links() -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, target in (("evil", "/etc/passwd"), ("up", "../tracking.sqlite")):
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = tarfile.SYMTYPE, target
            archive.addfile(entry)
    return packed.getvalue()


def _bomb() -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros", bytes(50_000_000))
    return packed.getvalue()


def _many() -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for number in range(100_000):
            archive.writestr(f"{number}", b"")
    return packed.getvalue()


@pytest.mark.parametrize(
    ("name", "make"),
    [("links.tar.gz", _links), ("bomb.zip", _bomb), ("many.zip", _many)],
)
def test_archives_stay_what_they_are(
    ann: Door, below: Path, name: str, make: type
) -> None:
    content = make()
    before = set(below.rglob("*"))

    ann.upload(f"archives-{name}/{name}", content).raise_for_status()

    made = set(below.rglob("*")) - before
    assert sorted(path.name for path in made) == sorted([f"archives-{name}", name])
    answer = ann.get(f"/files/archives-{name}/{name}")
    assert answer.content == content
    assert answer.headers["content-disposition"].startswith("attachment")


def test_a_form_of_a_hundred_thousand_files_is_refused_and_leaves_none(
    ann: Door, below: Path
) -> None:
    before = set(below.rglob("*"))
    one = (
        b'--x\r\nContent-Disposition: form-data; name="m/%d"; filename="f"\r\n\r\na\r\n'
    )
    body = b"".join(one % number for number in range(100_000)) + b"--x--\r\n"

    refused = send(ann, body)
    kept = send(ann, b"".join(one % number for number in range(20)) + b"--x--\r\n")

    assert MAX_FILES < 100_000
    assert refused == 400
    assert kept == 200
    made = {path.name for path in set(below.rglob("*")) - before}
    assert made == {"m", *map(str, range(20))}


def test_plain_fields_without_end_are_taken_for_nothing(ann: Door, below: Path) -> None:
    field = b'--x\r\nContent-Disposition: form-data; name="f%d"\r\n\r\nvalue\r\n'
    before = set(below.rglob("*"))

    status = send(ann, b"".join(field % n for n in range(20_000)) + b"--x--\r\n")

    assert status == 400
    assert set(below.rglob("*")) == before


@pytest.mark.parametrize("files", [["x"] * 3, [None, 7, {}, [], "\ud800"], "text", {}])
def test_odd_lists_of_files_to_delete_are_answered(ann: Door, files: object) -> None:
    body = {"files": files}

    # Escaped by the library: some of it has no bytes of its own.
    text = json.dumps(body).encode()
    answer = ann.http.post("/files/delete_many", content=text, headers=ann.headers)

    assert answer.status_code == 200
    assert answer.json()["deleted"] == {}
