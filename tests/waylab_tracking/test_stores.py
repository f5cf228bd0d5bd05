"""Every store of files keeps to one contract; the file server does the same on each."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from tests.waylab_tracking.door import Door

from waylab_tracking import byte_ranges
from waylab_tracking.errors import ApiError
from waylab_tracking.stores import FileStore, FolderStore, RemoteStore, open_store
from waylab_tracking.testing import running_server

KINDS = ("folder", "memory", "file", "s3")
BUCKET = "waylab-tests"
KEYS = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}
CONTENT = bytes(range(256)) * 20_000  # Several pieces.
NAMES = (
    "plain.txt",
    "project/sub/task.0123/artifacts/data.bin",
    "some/där/ü %20 +&=#?*[x]{y}.bin",
    "a/~/$HOME/'quoted\"",
    "a/s3:/bucket/x",
    "x" * 250,
)


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Give the address of a server that speaks S3, with an empty bucket."""
    log = tmp_path_factory.mktemp("s3") / "log"
    with log.open("wb") as written:
        process = subprocess.Popen(
            [sys.executable, "-u", "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"],
            stdout=written,
            stderr=written,
        )
    try:
        while not (found := re.search(r"http://127.0.0.1:\d+", log.read_text())):
            assert process.poll() is None, log.read_text()
        httpx.put(f"{found[0]}/{BUCKET}", trust_env=False).raise_for_status()
        yield found[0]
    finally:
        process.terminate()
        process.wait(10)


@pytest.fixture(params=KINDS)
def url(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> str:
    """Give the URL of each kind of store in turn; none for a folder."""
    if request.param == "s3":
        for name, text in environment(request.getfixturevalue("s3")).items():
            monkeypatch.setenv(name, text)
        return f"s3://{BUCKET}/{tmp_path.name}"
    urls = {
        "folder": "",
        "memory": f"memory://{tmp_path.name}",
        "file": f"file://{tmp_path}/remote",
    }
    return urls[request.param]


@pytest.fixture
def store(url: str, tmp_path: Path) -> FileStore:
    return open_store(url, tmp_path / "files")


def environment(address: str) -> dict[str, str]:
    # Not this machine's own settings.
    return {**KEYS, "AWS_ENDPOINT_URL": address, "AWS_CONFIG_FILE": os.devnull}


def put(store: FileStore, tmp_path: Path, key: str, content: bytes) -> None:
    source = tmp_path / "incoming"
    source.write_bytes(content)
    store.put(source, key)
    assert not source.exists()


def whole(store: FileStore, key: str) -> bytes:
    found = store.find(key)
    assert found is not None
    return b"".join(store.read(key, 0, found.size_bytes))


@pytest.mark.parametrize("key", NAMES)
def test_what_is_put_is_read_back(store: FileStore, tmp_path: Path, key: str) -> None:
    assert store.find(key) is None

    put(store, tmp_path, key, CONTENT)

    found = store.find(key)
    assert found is not None
    assert found.size_bytes == len(CONTENT)
    assert whole(store, key) == CONTENT
    part = b"".join(store.read(key, 1_048_570, 2_097_200))
    assert part == CONTENT[1_048_570:2_097_200]
    assert b"".join(store.read(key, 7, 8)) == CONTENT[7:8]


def test_an_empty_file_is_one(store: FileStore, tmp_path: Path) -> None:
    put(store, tmp_path, "empty", b"")

    assert whole(store, "empty") == b""


def test_a_file_is_replaced_and_its_tag_tells(store: FileStore, tmp_path: Path) -> None:
    put(store, tmp_path, "a/b", b"first")
    before = store.find("a/b")
    assert before == store.find("a/b")

    put(store, tmp_path, "a/b", b"other")

    after = store.find("a/b")
    assert before is not None
    assert after is not None
    assert before.tag != after.tag
    assert whole(store, "a/b") == b"other"


def test_what_is_deleted_is_gone_and_the_rest_stays(
    store: FileStore, tmp_path: Path
) -> None:
    put(store, tmp_path, "a/b", b"one")
    put(store, tmp_path, "a/c", b"two")

    store.delete("a/b")

    assert store.find("a/b") is None
    assert whole(store, "a/c") == b"two"
    with pytest.raises(FileNotFoundError):
        store.delete("a/b")
    with pytest.raises(FileNotFoundError):
        list(store.read("a/b", 0, 1))


def test_a_folder_of_files_is_no_file(store: FileStore, tmp_path: Path) -> None:
    put(store, tmp_path, "a/b", b"one")

    assert store.find("a") is None


def test_a_folder_refuses_a_file_where_another_files_folder_is(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "files")
    put(store, tmp_path, "a/b", b"one")

    for key in ("a", "a/b/c"):
        with pytest.raises(ApiError, match="The path is taken"):
            put(store, tmp_path, key, b"two")
        assert not (tmp_path / "incoming").exists()
    assert whole(store, "a/b") == b"one"


@pytest.mark.parametrize("url", ["nonsense://bucket", "://"])
def test_a_url_that_no_library_knows_is_refused_at_the_start(url: str) -> None:
    with pytest.raises(ValueError, match=re.escape(repr(url))):
        RemoteStore(url)


def test_a_store_that_does_not_answer_is_told_as_503(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Nobody listens at port 1.
    for name, text in environment("http://127.0.0.1:1").items():
        monkeypatch.setenv(name, text)
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    store = RemoteStore("s3://nowhere/x")

    with pytest.raises(ApiError, match="does not answer") as refused:
        store.find("a")

    assert refused.value.status == 503


def test_the_file_server_does_the_same_in_every_store(url: str, tmp_path: Path) -> None:
    with running_server(tmp_path / "state", files_store=url) as server:
        door = Door(server, server.create_user("ann"))
        path = "/files/some/där/data.bin"
        assert door.upload("some/där/data.bin", CONTENT).is_success

        answers = {
            asked: door.get(path, **({"Range": asked} if asked else {}))
            for asked in ("", "bytes=1000-1999", "bytes=-5", "bytes=5119990-", "x=1-2")
        }
        beyond = door.get(path, Range=f"bytes={len(CONTENT)}-")
        head = door.http.head(path, headers=door.headers)
        same = door.get(path, Range="bytes=0-3", **{"If-Range": head.headers["etag"]})
        other = door.get(path, Range="bytes=0-3", **{"If-Range": '"other"'})
        gone = door.http.delete(path, headers=door.headers)
        after = door.get(path)
        door.close()

    assert {asked: answer.status_code for asked, answer in answers.items()} == {
        "": 200,
        "bytes=1000-1999": 206,
        "bytes=-5": 206,
        "bytes=5119990-": 206,
        "x=1-2": 200,
    }
    assert answers[""].content == answers["x=1-2"].content == CONTENT
    assert answers["bytes=1000-1999"].content == CONTENT[1000:2000]
    assert (
        answers["bytes=1000-1999"].headers["content-range"]
        == f"bytes 1000-1999/{len(CONTENT)}"
    )
    assert answers["bytes=-5"].content == CONTENT[-5:]
    assert answers["bytes=5119990-"].content == CONTENT[5119990:]
    assert beyond.status_code == 416
    assert beyond.headers["content-range"] == f"bytes */{len(CONTENT)}"
    assert (head.content, head.headers["content-length"]) == (b"", str(len(CONTENT)))
    assert (same.status_code, other.status_code) == (206, 200)
    assert (gone.status_code, after.status_code) == (200, 404)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("", (0, 10)),
        ("bytes=0-", (0, 10)),
        ("bytes=3-5", (3, 6)),
        ("bytes=3-99", (3, 10)),
        ("bytes=-3", (7, 10)),
        ("bytes=-99", (0, 10)),
        ("bytes=-0", None),
        ("bytes=10-", None),
        ("bytes=5-3", (0, 10)),
        ("bytes=-", (0, 10)),
        ("bytes=0-1,3-4", (0, 10)),
        ("lines=1-2", (0, 10)),
    ],
)
def test_a_range_is_read_as_http_says(
    header: str, expected: tuple[int, int] | None
) -> None:
    assert byte_ranges.wanted(header, 10) == expected


def test_a_range_of_an_empty_file_has_nothing() -> None:
    assert byte_ranges.wanted("bytes=0-", 0) is None
    assert byte_ranges.wanted("", 0) == (0, 0)
