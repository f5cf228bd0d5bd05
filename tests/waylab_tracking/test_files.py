from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.waylab_tracking.door import Door

from waylab_tracking.testing import Server, running_server

HOSTILE = [
    "../outside.txt",
    "a/../../outside.txt",
    "a/%2e%2e/%2e%2e/outside.txt",
    "a\\..\\outside.txt",
    "a/%00b",
    "",
    "/",
    "x" * 300,
]


def folder(task: str) -> str:
    return f"lab/vision/run.{task}/artifacts"


def test_an_upload_is_read_back_whole_and_in_ranges(ann: Door) -> None:
    content = bytes(range(256)) * 20_000

    stored = ann.upload("some/där/data.bin", content)
    whole = ann.get("/files/some/där/data.bin")
    part = ann.get("/files/some/där/data.bin", Range="bytes=1000-1999")

    assert stored.json() == ["some/där/data.bin"]
    assert whole.content == content
    assert (part.status_code, part.content) == (206, content[1000:2000])
    assert whole.headers["content-disposition"].startswith("attachment")
    assert ann.http.head("/files/some/där/data.bin", headers=ann.headers).is_success


def test_a_small_upload_lies_below_the_files_folder(server: Server, ann: Door) -> None:
    ann.upload("plain/file.txt", b"text")

    assert (server.state / "files/plain/file.txt").read_bytes() == b"text"
    assert list((server.state / "incoming").iterdir()) == []


@pytest.mark.parametrize("name", HOSTILE)
def test_paths_that_leave_the_folder_are_refused(
    server: Server, ann: Door, name: str
) -> None:
    before = {path for path in server.state.rglob("*") if "log" not in path.name}

    answer = ann.upload(name)

    after = {path for path in server.state.rglob("*") if "log" not in path.name}
    assert answer.status_code == 400
    assert after <= before


@pytest.mark.parametrize("name", ["../tracking.sqlite", "%2e%2e/tracking.sqlite"])
def test_no_file_outside_is_read(server: Server, ann: Door, name: str) -> None:
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        request = (
            f"GET /files/{name} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
            f"Authorization: Bearer {ann.token}\r\n\r\n"
        )
        connection.sendall(request.encode())
        answer = b"".join(iter(lambda: connection.recv(65536), b""))

    assert answer.split()[1] in (b"400", b"404")
    assert b"SQLite" not in answer


def test_html_is_shown_in_a_sandbox_without_scripts(ann: Door) -> None:
    ann.upload("pages/report.html", b"<script>alert(1)</script>")

    answer = ann.get("/files/pages/report.html")

    policy = answer.headers["content-security-policy"]
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert policy.startswith("sandbox;")
    assert "allow-scripts" not in policy
    assert "default-src 'none'" in policy


def test_strangers_get_nothing(server: Server, ann: Door) -> None:
    ann.upload("private/file.txt")
    url = f"{server.url}/files/private/file.txt"

    answers = [
        ann.http.get(url),
        ann.http.get(url, headers={"Authorization": "Bearer nonsense"}),
        ann.http.delete(url),
        ann.http.post(f"{server.url}/files/", files={"x/y": ("y", b"y")}),
        ann.http.post(f"{server.url}/files/delete_many", json={"files": ["x"]}),
    ]

    assert [answer.status_code for answer in answers] == [401] * len(answers)


def test_only_a_tasks_owner_writes_into_its_folder(
    ann: Door, bob: Door, admin: Door
) -> None:
    task = ann.task()
    path = f"{folder(task)}/a.txt"
    ann.upload(path, b"ann's")

    refused = [
        bob.upload(path, b"bob's").status_code,
        bob.upload(f"{folder(task)}/new.txt").status_code,
        bob.http.delete(f"/files/{path}", headers=bob.headers).status_code,
    ]

    assert refused == [403, 403, 403]
    assert bob.get(f"/files/{path}").content == b"ann's"
    assert admin.upload(path, b"root's").is_success


def test_a_refused_upload_of_many_bytes_is_answered(ann: Door, bob: Door) -> None:
    path = f"{folder(ann.task())}/large.bin"

    answer = bob.upload(path, bytes(30_000_000))

    assert answer.status_code == 403


def test_only_its_maker_replaces_or_deletes_another_file(ann: Door, bob: Door) -> None:
    ann.upload("shared/file.txt", b"ann's")

    refused = bob.upload("shared/file.txt", b"bob's")
    one = bob.http.post(
        "/files/delete_many", json={"files": ["shared/file.txt"]}, headers=bob.headers
    )
    replaced = ann.upload("shared/file.txt", b"newer")
    kept = bob.get("/files/shared/file.txt").content
    gone = ann.http.delete("/files/shared/file.txt", headers=ann.headers)

    assert refused.status_code == 403
    assert one.json()["deleted"] == {}
    assert replaced.is_success
    assert kept == b"newer"
    assert gone.is_success
    assert ann.get("/files/shared/file.txt").status_code == 404


def test_an_upload_does_not_replace_what_another_stored_meanwhile(
    ann: Door, bob: Door
) -> None:
    def form() -> Iterator[bytes]:
        yield b'--x\r\nContent-Disposition: form-data; name="shared/raced.txt"; '
        yield b'filename="raced.txt"\r\n\r\nann'
        bob.upload("shared/raced.txt", b"bob's").raise_for_status()
        yield b"'s\r\n--x--\r\n"

    answer = ann.http.post(
        "/files/",
        content=form(),
        headers={**ann.headers, "Content-Type": "multipart/form-data; boundary=x"},
    )

    assert answer.status_code == 403
    assert bob.get("/files/shared/raced.txt").content == b"bob's"


def test_a_path_that_is_too_long_as_a_whole_is_refused_clearly(ann: Door) -> None:
    path = "/".join(["x" * 200] * 30)

    answers = [ann.upload(path), ann.get(f"/files/{path}")]

    # Newer Pythons take such a path for one of no file.
    assert [answer.status_code for answer in answers] in ([400, 400], [400, 404])


def test_a_file_in_the_place_of_a_folder_is_refused_clearly(ann: Door) -> None:
    ann.upload("taken/by/file")

    inside = ann.upload("taken/by/file/inside")
    instead = ann.upload("taken/by")

    assert (inside.status_code, instead.status_code) == (400, 400)
    assert "taken" in inside.json()["message"]


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("text/plain", b"hello"),
        ("multipart/form-data", b"hello"),
        ("multipart/form-data; boundary=x", b"hello"),
        ("multipart/form-data; boundary=x", b"--x\r\nContent-Disp"),
        (
            "multipart/form-data; boundary=x",
            b'--x\r\nContent-Disposition: form-data; name="a/b"; filename="b"\r\n'
            b"\r\nhalf of it",
        ),
    ],
)
def test_what_is_no_form_is_refused_and_leaves_nothing(
    server: Server, ann: Door, kind: str, body: bytes
) -> None:
    answer = ann.http.post(
        "/files/", content=body, headers={**ann.headers, "Content-Type": kind}
    )

    assert answer.status_code == 400
    assert list((server.state / "incoming").iterdir()) == []
    assert not Path(server.state / "files/a/b").exists()


def test_links_go_out_with_the_address_that_the_caller_uses(
    server: Server, ann: Door
) -> None:
    task = ann.task()
    uri = f"{server.url}/files/x/y.bin"
    ann.call(
        "tasks.add_or_update_artifacts",
        task=task,
        artifacts=[{"key": "one", "type": "custom", "uri": uri}],
    )

    answers = [
        ann.http.post(
            f"http://{host}:{server.port}/tasks.get_by_id",
            json={"task": task},
            headers=ann.headers,
        )
        for host in ("127.0.0.1", "localhost")
    ]

    uris = [
        answer.json()["data"]["task"]["execution"]["artifacts"][0]["uri"]
        for answer in answers
    ]
    assert uris == [uri, uri.replace("127.0.0.1", "localhost")]


def test_an_upload_over_the_quota_is_refused_with_the_figures(tmp_path: Path) -> None:
    with running_server(tmp_path / "small", files_quota_bytes="10000000") as small:
        ann, bob = (Door(small, small.create_user(name)) for name in ("ann", "bob"))
        ann.upload("a/one.bin", bytes(6_000_000)).raise_for_status()

        refused = ann.upload("a/two.bin", bytes(6_000_000))
        replaced = ann.upload("a/one.bin", bytes(9_000_000))
        others = bob.upload("b/one.bin", bytes(6_000_000))
        chunked = ann.http.post(
            "/files/", content=_pieces(11_000_000), headers={**ann.headers, **FORM}
        )
        ann.http.delete("/files/a/one.bin", headers=ann.headers)
        room = ann.upload("a/two.bin", bytes(6_000_000))
        left = list((small.state / "incoming").iterdir())
        for door in (ann, bob):
            door.close()

    assert (refused.status_code, chunked.status_code) == (507, 507)
    assert refused.json()["message"] == (
        "ann keeps 5.7 MiB of files here, and each user may keep 9.5 MiB: 5.7 MiB more "
        "do not fit. Delete runs, datasets or models that you no longer need, or ask "
        "an admin for a larger files_quota_gib of the site."
    )
    assert [one.status_code for one in (replaced, others, room)] == [200] * 3
    assert left == []


FORM = {"Content-Type": "multipart/form-data; boundary=x"}


def _pieces(size: int) -> Iterator[bytes]:
    """Give a form without telling its length beforehand."""
    yield b'--x\r\nContent-Disposition: form-data; name="c/d"; filename="d"\r\n\r\n'
    for _ in range(size // 100_000):
        yield bytes(100_000)
    yield b"\r\n--x--\r\n"
