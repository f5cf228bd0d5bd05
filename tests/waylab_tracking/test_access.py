"""Who may do what: roles, owners, keys and tokens."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import jwt
import pytest
from tests.waylab_tracking.door import Door, Enter

from waylab_tracking.registry import ENDPOINTS
from waylab_tracking.testing import Server, running_server


def take(owner: Door, agent: Door, task: str) -> str:
    """Have an agent take a task out of its queue; give the queue."""
    queue = str(owner.call("queues.get_default")["id"])
    owner.call("tasks.enqueue", task=task, queue=queue)
    removed = agent.call("queues.remove_task", queue=queue, task=task)
    assert removed == {"removed": 1}
    return queue


@pytest.fixture
def claimed(ann: Door, agent: Door) -> Iterator[str]:
    """Give a task of ann's that the agent took out of its queue."""
    task = ann.task("claimed task")
    take(ann, agent, task)
    yield task
    ann.call("tasks.stopped", task=task, force=True)


def test_every_endpoint_demands_authentication(ann: Door) -> None:
    answers = {
        name: ann.http.post(f"/{name}", json={}).status_code for name in ENDPOINTS
    }

    assert answers == dict.fromkeys(ENDPOINTS, 401)
    assert ann.http.get("/debug.ping").json()["meta"]["result_code"] == 200


def test_a_body_is_not_kept_or_read_before_its_sender_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What writes answers down keeps whole bodies.
    monkeypatch.delenv("WAYLAB_TRACKING_RECORD", raising=False)

    def megabytes() -> Iterator[bytes]:
        for _ in range(48):
            yield b"[" * (1 << 20)

    def peak_kib(server: Server) -> int:
        status = Path(f"/proc/{server.pid}/status").read_text("utf-8")
        return int(status.partition("VmHWM:")[2].split()[0])

    with running_server(tmp_path / "plain") as server:
        ann = Door(server, server.create_user("ann"))
        before = peak_kib(server)
        answers = [
            ann.http.post(f"/{name}", content=megabytes(), headers=headers)
            for name, headers in (
                ("tasks.edit", {"Authorization": "Bearer nonsense"}),
                ("tasks.edit", {}),
                ("waylab.ensure_user", ann.headers),
            )
        ]
        grown = peak_kib(server) - before
        ann.close()

    assert [one.status_code for one in answers] == [401, 401, 403]
    assert grown < 24 * 1024


def test_a_batch_for_another_users_task_is_refused(ann: Door, bob: Door) -> None:
    line = '{"type": "log", "task": "%s", "msg": "x"}' % ann.task()  # noqa: UP031

    answer = bob.http.post(
        "/events.add_batch",
        content=line,
        headers={**bob.headers, "Content-Type": "application/json-lines"},
    )

    assert answer.status_code == 403


def test_admins_change_everything(ann: Door, admin: Door) -> None:
    task = ann.task()

    admin.call("tasks.edit", task=task, name="renamed by an admin")

    name = ann.call("tasks.get_by_id", task=task)["task"]["name"]
    assert name == "renamed by an admin"


def test_another_users_model_and_project_are_not_changed(ann: Door, bob: Door) -> None:
    model = ann.call("models.create", name="ann's model", uri="https://x.example/y")
    project = ann.call("projects.create", name="ann's project", description="")

    refused = [
        bob.refused("models.edit", model=model["id"], name="stolen"),
        bob.refused("models.delete", model=model["id"]),
        bob.refused("projects.update", project=project["id"], description="x"),
        bob.refused("projects.delete", project=project["id"]),
    ]

    assert refused == [(403, 0)] * 4


def test_an_agent_marks_and_reports_and_does_no_more(agent: Door, claimed: str) -> None:
    agent.call("tasks.started", task=claimed)
    agent.call("events.add", type="log", task=claimed, msg="from the agent")
    item = {"name": "waylab_verdict", "type": "json", "value": "{}"}
    agent.call("tasks.edit_configuration", task=claimed, configuration=[item])
    agent.call("tasks.failed", task=claimed, status_reason="agent-lost")

    assert agent.refused("tasks.delete", task=claimed) == (403, 0)
    assert agent.refused("tasks.edit", task=claimed, name="renamed") == (403, 0)
    assert agent.refused("tasks.create", name="a task") == (403, 0)


def test_a_job_acts_for_its_owner_while_it_is_claimed_or_runs(
    server: Server, ann: Door, agent: Door, claimed: str
) -> None:
    given = agent.call("waylab.job_token", task=claimed)
    job = Door(server, ("", ""), given["token"])
    claims = jwt.decode(given["token"], options={"verify_signature": False})

    me = job.call("users.get_current_user")["user"]
    job.call("tasks.started", task=claimed)
    child = job.task("a child of the job")
    renewed = job.call("auth.login")["token"]
    keys = job.refused("auth.create_credentials")
    job.call("tasks.completed", task=claimed)
    afterwards = [job.refused("tasks.get_by_id", task=claimed)]
    job.token = renewed
    afterwards.append(job.refused("auth.login"))
    job.close()

    assert given["user"] == {"id": me["id"], "name": "ann"}
    assert claims["exp"] - time.time() == pytest.approx(7200, abs=60)
    assert ann.call("tasks.get_by_id", task=child)["task"]["user"] == me["id"]
    assert keys == (401, 30)
    assert afterwards == [(401, 30), (401, 30)]


def test_a_job_of_an_admins_has_no_admins_powers(
    server: Server, admin: Door, ann: Door, agent: Door
) -> None:
    task = admin.task("an admin's job")
    take(admin, agent, task)
    agent.call("tasks.started", task=task)
    job = Door(server, ("", ""), agent.call("waylab.job_token", task=task)["token"])

    refused = job.refused("tasks.edit", task=ann.task(), name="stolen")
    job.close()

    assert refused == (403, 0)


def test_there_is_no_job_token_for_a_task_that_nobody_runs(
    server: Server, ann: Door, agent: Door, claimed: str
) -> None:
    draft, waiting = ann.task(), ann.task()
    ann.call("tasks.enqueue", task=waiting)
    ann.call("tasks.stopped", task=claimed)
    system = Door(server, server.system)

    refused = [
        agent.refused("waylab.job_token", task=draft),
        agent.refused("waylab.job_token", task=waiting),
        agent.refused("waylab.job_token", task=claimed),
        *(system.refused("waylab.job_token", task=one) for one in (draft, waiting)),
        ann.refused("waylab.job_token", task=draft),
    ]
    system.close()

    assert refused == [
        (400, 101),
        (403, 0),
        (400, 110),
        *[(400, 110)] * 2,
        (403, 0),
    ]


def test_an_agent_says_nothing_of_what_another_took(
    enter: Enter, ann: Door, agent: Door, claimed: str
) -> None:
    other = enter("agent-two", "agent")

    refused = [
        other.refused("tasks.started", task=claimed),
        other.refused("tasks.failed", task=claimed),
        other.refused("events.add", task=claimed, type="log", msg="not mine"),
        other.refused("waylab.job_token", task=claimed),
        agent.refused("tasks.failed", task=ann.task("never queued")),
    ]

    assert refused == [(400, 101)] * 5


def test_an_agent_gives_a_task_back_and_has_no_say_once_it_is_enqueued_anew(
    enter: Enter, ann: Door, agent: Door
) -> None:
    task = ann.task()
    queue = take(ann, agent, task)
    other = enter("agent-two", "agent")

    back = agent.call("queues.add_task", queue=queue, task=task)
    agent.call("queues.move_task_to_front", queue=queue, task=task)
    taken = other.call("queues.remove_task", queue=queue, task=task)
    refused = [agent.refused("tasks.started", task=task)]
    other.call("tasks.started", task=task)
    other.call("tasks.failed", task=task)
    ann.call("tasks.enqueue", task=task, queue=queue)
    refused.append(other.refused("events.add", task=task, type="log", msg="late"))
    ann.call("tasks.dequeue", task=task)

    assert (back, taken) == ({"added": 1}, {"removed": 1})
    assert refused == [(400, 101), (403, 0)]


def test_what_an_agent_took_is_remembered_over_a_restart(tmp_path: Path) -> None:
    with running_server(tmp_path / "again") as server:
        ann = Door(server, server.create_user("ann"))
        agent = Door(server, server.create_user("agent-n1", role="agent"))
        task = ann.task()
        take(ann, agent, task)
        server.restart()

        agent.call("tasks.started", task=task)
        ended = agent.call("tasks.completed", task=task)
        for door in (ann, agent):
            door.close()

    assert ended["updated"] == 1


def test_an_agent_reports_for_its_own_workers_and_jobs_alone(
    enter: Enter, ann: Door, agent: Door, claimed: str
) -> None:
    other = enter("agent-two", "agent")
    agent.call("workers.register", worker="one:gpu0", queues=[])
    other.call("workers.register", worker="two:gpu0", queues=[])
    agent.call("tasks.started", task=claimed)

    refused = other.refused("workers.status_report", worker="one:gpu0", task=claimed)
    other.call("workers.status_report", worker="two:gpu0", task=claimed)
    agent.call("workers.status_report", worker="one:gpu0", task=claimed)

    workers = ann.call("workers.get_all")["workers"]
    told = {one["id"]: (one.get("task") or {}).get("id") for one in workers}
    seen = ann.call("tasks.get_by_id", task=claimed)["task"]["last_worker"]
    assert refused == (403, 0)
    assert (told["one:gpu0"], told["two:gpu0"], seen) == (claimed, None, "one:gpu0")


def test_revoked_keys_end_their_tokens_too(server: Server, ann: Door) -> None:
    made = ann.call("auth.create_credentials", label="lab:ann/")["credentials"]
    lab = Door(server, (made["access_key"], made["secret_key"]))
    renewed = Door(server, ("", ""), lab.call("auth.login")["token"])
    listed = ann.call("auth.get_credentials")["credentials"]

    revoked = ann.call("auth.revoke_credentials", access_key=made["access_key"])

    ends = [lab.refused("queues.get_all"), renewed.refused("queues.get_all")]
    login = lab.http.post("/auth.login", auth=(made["access_key"], made["secret_key"]))
    lab.close()
    renewed.close()
    assert {"access_key": made["access_key"], "label": "lab:ann/"} in listed
    assert revoked == {"revoked": 1}
    assert ends == [(401, 30), (401, 30)]
    assert login.json()["meta"]["result_subcode"] == 22


def test_a_removed_user_is_out_at_once_and_a_namesake_is_another(
    server: Server,
) -> None:
    eve = Door(server, server.create_user("eve"))
    first = eve.call("users.get_current_user")["user"]["id"]
    task = eve.task("eve's task")

    removed = server.call("waylab.remove_user", {"name": "eve"})
    refused = eve.refused("queues.get_all")
    namesake = Door(server, server.create_user("eve"))
    second = namesake.call("users.get_current_user")["user"]["id"]
    stolen = namesake.refused("tasks.edit", task=task, name="mine now")
    eve.close()
    namesake.close()

    assert removed == {"removed": 1}
    assert refused == (401, 30)
    assert first != second
    assert stolen == (403, 0)


def test_only_the_system_principal_acts_for_others(
    server: Server, ann: Door, admin: Door
) -> None:
    def me(door: Door, name: str) -> tuple[int, str]:
        headers = {**door.headers, "X-Clearml-Impersonate-As": name}
        answer = door.http.post("/users.get_current_user", json={}, headers=headers)
        user = (answer.json()["data"] or {}).get("user") or {}
        return answer.status_code, user.get("name", "")

    system = Door(server, server.system)

    answers = [me(system, "ann"), me(admin, "ann"), me(ann, "root"), me(ann, "ann")]
    nobody = me(system, "nobody")
    system.close()

    assert answers == [(200, "ann"), (403, ""), (403, ""), (200, "ann")]
    assert nobody == (401, "")


@pytest.mark.parametrize("name", ["system", "0" * 32, "a\nb", "x" * 300])
def test_names_that_could_pass_for_others_are_refused(
    server: Server, name: str
) -> None:
    system = Door(server, server.system)

    refused = system.refused("waylab.ensure_user", name=name)
    system.close()

    assert refused == (400, 800)


@pytest.mark.parametrize(
    "keys", [("", ""), ("x", "y"), ("é", "ü"), ("A" * 32, "wrong")]
)
def test_wrong_keys_are_refused(ann: Door, keys: tuple[str, str]) -> None:
    meta = ann.http.post("/auth.login", auth=keys).json()["meta"]

    assert (meta["result_code"], meta["result_subcode"]) == (401, 22)


def test_a_forged_or_expired_token_is_refused(server: Server, ann: Door) -> None:
    claims = jwt.decode(ann.token, options={"verify_signature": False})
    secret = (server.state / "jwt.secret").read_text("utf-8").strip()
    forged = jwt.encode(claims, "x" * 32, algorithm="HS256")
    unsigned = jwt.encode(claims, "", algorithm="none")
    expired = jwt.encode({**claims, "exp": 1}, secret, algorithm="HS256")

    answers = [
        ann.http.post(
            "/queues.get_all", headers={"Authorization": f"Bearer {token}"}
        ).status_code
        for token in (forged, unsigned, expired)
    ]

    assert answers == [401, 401, 401]


def test_secrets_are_files_for_the_owner_alone(server: Server) -> None:
    modes = {
        name: oct((server.state / name).stat().st_mode & 0o777)
        for name in ("jwt.secret", "system.json")
    }

    assert modes == {"jwt.secret": "0o600", "system.json": "0o600"}


def test_no_secret_is_logged(server: Server, ann: Door) -> None:
    made = ann.call("auth.create_credentials")["credentials"]
    ann.http.post("/auth.login", auth=(made["access_key"], "wrong"))
    ann.refused("tasks.get_by_id", task="nonsense")
    ann.post("no.such_endpoint")

    log = server.log.read_text("utf-8")

    assert ann.token not in log
    assert made["secret_key"] not in log
    assert server.system[1] not in log


def test_where_a_board_hands_out_tokens_agents_get_none(tmp_path: Path) -> None:
    with running_server(tmp_path / "strict", agents_get_tokens="false") as strict:
        ann = Door(strict, strict.create_user("ann"))
        agent = Door(strict, strict.create_user("agent-n1", role="agent"))
        task = ann.task()
        take(ann, agent, task)

        refused = agent.refused("waylab.job_token", task=task)
        given = strict.call("waylab.job_token", {"task": task})
        for door in (ann, agent):
            door.close()

    assert refused == (403, 0)
    assert given["user"]["name"] == "ann"
