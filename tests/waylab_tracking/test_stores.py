"""Every store of files keeps to one contract; the file server does the same on each.

S3 is moto's server here.
"""

from __future__ import annotations

import re
import resource
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.waylab_tracking.door import Door
from tests.waylab_tracking.s3 import BUCKET, SECRET, environment, running_s3

from waylab_tracking import byte_ranges, remote_store
from waylab_tracking.errors import ApiError
from waylab_tracking.remote_store import RemoteStore
from waylab_tracking.stores import FileStore, FolderStore, open_store
from waylab_tracking.testing import Server, running_server

KINDS = ("folder", "memory", "file", "s3")
CONTENT = bytes(range(256)) * 100
MIB = 1 << 20
NAMES = (
    "plain.txt",
    "project/sub/task.0123/artifacts/data.bin",
    "some/där/ü %20 +&=#?*[x]{y}.bin",
    "a/~/$HOME/'quoted\"",
    "a/s3:/bucket/x",
    "a/file::memory",
    "x" * 250,
)
# Nobody listens at port 1.
NOBODY = "http://127.0.0.1:1"


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_s3(tmp_path_factory.mktemp("s3")) as address:
        yield address


@pytest.fixture(params=KINDS)
def url(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> str:
    """Give the URL of each kind of store in turn; none for a folder."""
    if request.param == "s3":
        reach(monkeypatch, request.getfixturevalue("s3"))
    urls = {
        "folder": "",
        "memory": f"memory://{tmp_path.name}",
        "file": f"file://{tmp_path}/remote",
        "s3": f"s3://{BUCKET}/{tmp_path.name}",
    }
    return urls[request.param]


@pytest.fixture
def store(url: str, tmp_path: Path) -> FileStore:
    return open_store(url, tmp_path / "files")


@pytest.fixture
def in_s3(s3: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RemoteStore:
    reach(monkeypatch, s3)
    return RemoteStore(f"s3://{BUCKET}/{tmp_path.name}")


def reach(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    for name, text in environment(address).items():
        monkeypatch.setenv(name, text)


def put(store: FileStore, tmp_path: Path, key: str, content: bytes) -> None:
    source = tmp_path / "incoming"
    source.write_bytes(content)
    store.put(source, key)


def part(store: FileStore, key: str, start: int, stop: int | None = None) -> bytes:
    found = store.find(key)
    assert found is not None
    stop = found.size_bytes if stop is None else stop
    return b"".join(store.read(key, found, start, stop))


def check(url: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "waylab_tracking", "--check-files"],
        env={
            **environment(NOBODY),
            "WAYLAB_TRACKING_STATE": "unused",
            "WAYLAB_TRACKING_FILES_STORE": url,
        },
        capture_output=True,
        text=True,
        check=False,
    )


def test_what_is_put_is_read_back(store: FileStore, tmp_path: Path) -> None:
    assert [store.find(key) for key in NAMES] == [None] * len(NAMES)

    for number, key in enumerate(NAMES):
        put(store, tmp_path, key, CONTENT + bytes([number]))

    for number, key in enumerate(NAMES):
        assert part(store, key, 0) == CONTENT + bytes([number])
        assert part(store, key, 7, 300) == CONTENT[7:300]
    assert store.problem() == ""


def test_an_empty_file_is_one(store: FileStore, tmp_path: Path) -> None:
    put(store, tmp_path, "empty", b"")

    assert part(store, "empty", 0) == b""


def test_a_file_is_replaced_and_no_reader_gets_a_mixture(
    store: FileStore, tmp_path: Path
) -> None:
    put(store, tmp_path, "a/b", b"first")
    before = store.find("a/b")
    assert before is not None
    assert before == store.find("a/b")

    put(store, tmp_path, "a/b", b"other")

    after = store.find("a/b")
    assert after is not None
    assert before.tag != after.tag
    assert part(store, "a/b", 0) == b"other"
    with pytest.raises(ApiError, match="being replaced"):
        list(store.read("a/b", before, 0, 5))


def test_what_is_deleted_is_gone_and_the_rest_stays(
    store: FileStore, tmp_path: Path
) -> None:
    put(store, tmp_path, "a/b", b"one")
    put(store, tmp_path, "a/c", b"two")
    found = store.find("a/b")
    assert found is not None

    store.delete("a/b")

    assert store.find("a/b") is None
    assert part(store, "a/c", 0) == b"two"
    with pytest.raises(FileNotFoundError):
        store.delete("a/b")
    with pytest.raises(FileNotFoundError):
        list(store.read("a/b", found, 0, 1))


def test_a_folder_of_files_is_no_file(store: FileStore, tmp_path: Path) -> None:
    put(store, tmp_path, "a/b", b"one")

    assert store.find("a") is None


def test_a_folder_refuses_a_file_where_another_files_folder_is(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "files")
    put(store, tmp_path, "a/b", b"one")

    for key in ("a", "a/b/c"):
        with pytest.raises(ApiError, match="The path is taken"):
            put(store, tmp_path, key, b"two")
    assert part(store, "a/b", 0) == b"one"


def test_a_large_file_is_sent_in_parts_and_is_whole_or_not_there(
    in_s3: RemoteStore, tmp_path: Path
) -> None:
    content = bytes(range(256)) * (17 * MIB // 256) + b"end"
    assert len(content) > 2 * remote_store.PART_BYTES

    put(in_s3, tmp_path, "large", content)

    found = in_s3.find("large")
    assert found is not None
    # The mark of a file of parts: their number.
    assert found.tag.endswith("-3")
    assert part(in_s3, "large", 0) == content
    seam = 8 * MIB - 5, 8 * MIB + 5
    assert part(in_s3, "large", *seam) == content[slice(*seam)]


@pytest.mark.parametrize(
    "key", ["a?versionId=1", "a?VERSIONID=null", "a#12", "k" * 1020]
)
def test_a_path_that_the_store_takes_for_another_is_refused(
    in_s3: RemoteStore, tmp_path: Path, key: str
) -> None:
    put(in_s3, tmp_path, "a", b"another's")

    with pytest.raises(ApiError, match="cannot keep") as refused:
        put(in_s3, tmp_path, key, b"mine")

    assert refused.value.status == 400
    assert in_s3.find(key) is None
    with pytest.raises(FileNotFoundError):
        in_s3.delete(key)
    assert part(in_s3, "a", 0) == b"another's"


def test_a_bucket_that_is_not_there_is_a_store_that_fails(
    s3: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reach(monkeypatch, s3)
    store = RemoteStore("s3://no-such-bucket/x")

    with pytest.raises(ApiError) as refused:
        put(store, tmp_path, "a", b"x")

    assert refused.value.status == 503
    assert "bucket" in store.problem()


def test_a_full_disk_that_is_mounted_is_told_as_one(tmp_path: Path) -> None:
    store = RemoteStore(f"file://{tmp_path}/mounted")
    source = tmp_path / "incoming"
    source.write_bytes(CONTENT)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

    resource.setrlimit(resource.RLIMIT_FSIZE, (len(CONTENT) // 2, hard))
    try:
        with pytest.raises(OSError, match="File too large"):
            store.put(source, "a")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("url", ["nonsense://bucket", "://"])
def test_a_url_that_no_library_knows_is_refused_at_the_start(url: str) -> None:
    with pytest.raises(ValueError, match=re.escape(repr(url))):
        RemoteStore(url)

    done = check(url)

    assert done.returncode == 2
    assert "no files can be kept" in done.stderr
    assert "Traceback" not in done.stderr


def test_keys_that_others_can_read_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = tmp_path / "credentials"
    keys.write_text("[default]\n")
    reach(monkeypatch, NOBODY)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(keys))

    keys.chmod(0o640)
    with pytest.raises(ValueError, match=f"chmod 600 {keys}"):
        RemoteStore("s3://bucket")
    keys.chmod(0o600)

    RemoteStore("s3://bucket")


def test_a_store_that_is_away_is_told_before_the_start() -> None:
    done = check("s3://bucket/folder")

    assert done.returncode == 1
    assert "Could not connect" in done.stderr
    assert "Traceback" not in done.stderr
    assert SECRET not in done.stderr


@pytest.mark.parametrize("url", ["folder", "s3"], indirect=True)
def test_the_file_server_does_the_same_in_every_store(url: str, tmp_path: Path) -> None:
    with running_server(
        tmp_path / "state", files_store=url, files_quota_bytes="30000"
    ) as server:
        door = Door(server, server.create_user("ann"))
        path = "/files/some/där/data.bin"
        assert door.upload("some/där/data.bin", CONTENT).is_success

        asked = ("", "bytes=1000-1999", "bytes=-5", "bytes=25500-", "x=1-2")
        answers = [door.get(path, **({"Range": one} if one else {})) for one in asked]
        beyond = door.get(path, Range=f"bytes={len(CONTENT)}-")
        head = door.http.head(path, headers=door.headers)
        tag, dated = head.headers["etag"], head.headers["last-modified"]
        resumed = [
            door.get(path, Range="bytes=0-3", **{"If-Range": one}).status_code
            for one in (tag, dated, '"other"')
        ]
        full = door.upload("other.bin", CONTENT)
        gone = door.http.delete(path, headers=door.headers)
        again = door.upload("other.bin", CONTENT)
        deleted = door.http.post(
            "/files/delete_many",
            json={"files": ["other.bin", "no.bin"]},
            headers=door.headers,
        ).json()
        after = door.get(path)
        left = list((server.state / "incoming").iterdir())
        door.close()

    assert [answer.status_code for answer in answers] == [200, 206, 206, 206, 200]
    assert answers[0].content == answers[4].content == CONTENT
    assert answers[1].content == CONTENT[1000:2000]
    assert answers[1].headers["content-range"] == f"bytes 1000-1999/{len(CONTENT)}"
    assert answers[2].content == CONTENT[-5:]
    assert answers[3].content == CONTENT[25500:]
    assert beyond.status_code == 416
    assert beyond.headers["content-range"] == f"bytes */{len(CONTENT)}"
    assert (head.content, head.headers["content-length"]) == (b"", str(len(CONTENT)))
    assert resumed == [206, 206, 200]
    assert (full.status_code, gone.status_code, again.status_code) == (507, 200, 200)
    assert deleted == {
        "deleted": {"other.bin": "other.bin"},
        "errors": {"no.bin": "No such file"},
    }
    assert after.status_code == 404
    assert left == []


def test_no_large_file_is_in_memory_on_its_way(
    s3: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reach(monkeypatch, s3)
    # What is recorded is in memory.
    monkeypatch.delenv("WAYLAB_TRACKING_RECORD", raising=False)
    size = 48 * MIB
    url = f"s3://{BUCKET}/{tmp_path.name}"
    with running_server(tmp_path / "state", files_store=url) as server:
        door = Door(server, server.create_user("ann"))
        door.upload("small.bin", b"x").raise_for_status()
        door.get("/files/small.bin").raise_for_status()
        before = most_memory(server)

        door.upload("large.bin", bytes(size)).raise_for_status()
        with door.http.stream(
            "GET", "/files/large.bin", headers=door.headers
        ) as answer:
            got = sum(map(len, answer.iter_raw(MIB)))
        grown = most_memory(server) - before
        door.close()

    assert got == size
    assert grown < 40 * MIB


def most_memory(server: Server) -> int:
    text = Path(f"/proc/{server.pid}/status").read_text()
    found = re.search(r"VmHWM:\s+(\d+) kB", text)
    assert found is not None
    return int(found[1]) * 1024


def test_a_store_that_hangs_holds_up_nobody_and_is_told_when_it_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        reach(monkeypatch, f"http://127.0.0.1:{listener.getsockname()[1]}")
        with running_server(
            tmp_path / "state", files_store="s3://bucket", files_quota_bytes="100000"
        ) as server:
            door = Door(server, server.create_user("ann"))
            hanging = Door(server, ("", ""), door.token)
            listener.settimeout(30)
            answers = []

            def ask() -> None:
                answers.append(hanging.upload("a.bin", CONTENT))

            asking = threading.Thread(target=ask)
            asking.start()
            connection, _ = listener.accept()
            started = time.monotonic()
            for _ in range(20):
                door.call("users.get_current_user")
            took = time.monotonic() - started
            connection.close()
            listener.close()
            asking.join(60)
            # What was not stored does not count.
            rows = door.upload("b.bin", bytes(99_000))
            for one in (door, hanging):
                one.close()
        log = server.log.read_text()

    assert took < 5
    assert [answer.status_code for answer in answers] == [503]
    assert "try again later" in answers[0].json()["message"]
    assert rows.status_code == 503
    assert "The files' store s3://bucket fails" in log
    assert SECRET not in log


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
        ("bytes=0-" + "9" * 5000, (0, 10)),
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
