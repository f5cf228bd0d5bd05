"""Who may do what: roles, owners, keys and tokens."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jwt
import pytest
from tests.waylab_tracking.door import Door, Enter

from waylab_tracking import services
from waylab_tracking.access import ROLES, Role
from waylab_tracking.registry import ENDPOINTS
from waylab_tracking.testing import Server, running_server

WRITES: dict[str, dict[str, Any]] = {
    "tasks.edit": {"name": "stolen"},
    "tasks.edit_hyper_params": {"hyperparams": [{"section": "a", "name": "b"}]},
    "tasks.edit_configuration": {"configuration": [{"name": "a", "value": "b"}]},
    "tasks.add_or_update_artifacts": {"artifacts": [{"key": "a", "type": "b"}]},
    "tasks.delete_artifacts": {"artifacts": [{"key": "a"}]},
    "tasks.add_or_update_model": {"type": "input", "name": "a", "model": "b"},
    "tasks.set_requirements": {"requirements": {"pip": "x"}},
    "tasks.enqueue": {},
    "tasks.dequeue": {},
    "tasks.started": {},
    "tasks.stop": {},
    "tasks.stopped": {"force": True},
    "tasks.failed": {"force": True},
    "tasks.completed": {"force": True},
    "tasks.publish": {"force": True},
    "tasks.reset": {"force": True},
    "tasks.delete": {"force": True},
    "tasks.ping": {},
    "events.add": {"type": "log", "msg": "x"},
    "events.delete_for_task": {},
}


@pytest.fixture
def claimed(ann: Door, agent: Door) -> Iterator[str]:
    """Give a task of ann's that the agent took out of its queue."""
    task = ann.task("claimed task")
    queue = ann.call("queues.get_default")["id"]
    ann.call("tasks.enqueue", task=task, queue=queue)
    removed = agent.call("queues.remove_task", queue=queue, task=task)
    assert removed == {"removed": 1}
    yield task
    ann.call("tasks.stopped", task=task, force=True)


def test_every_endpoint_is_in_the_table_and_nothing_else() -> None:
    assert services.__all__
    assert set(ENDPOINTS) == set(ROLES)


def test_every_endpoint_demands_authentication(ann: Door) -> None:
    answers = {
        name: ann.http.post(f"/{name}", json={}).status_code for name in ENDPOINTS
    }

    assert answers == dict.fromkeys(ENDPOINTS, 401)
    assert ann.http.get("/debug.ping").json()["meta"]["result_code"] == 200


@pytest.mark.parametrize("role", ["user", "agent", "admin"])
def test_every_endpoint_refuses_the_roles_that_the_table_leaves_out(
    enter: Enter, role: str
) -> None:
    door = enter(f"{role}-of-table", role)
    closed = [name for name, roles in ROLES.items() if Role(role) not in roles]

    answers = {name: door.refused(name) for name in closed}

    assert answers == dict.fromkeys(closed, (403, 0))


@pytest.mark.parametrize("endpoint", WRITES)
def test_another_users_task_is_read_and_not_changed(
    ann: Door, bob: Door, endpoint: str
) -> None:
    task = ann.task("ann's task")
    before = ann.call("tasks.get_by_id", task=task)

    refused = bob.refused(endpoint, task=task, **WRITES[endpoint])

    assert refused == (403, 0)
    assert bob.call("tasks.get_by_id", task=task) == before


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
    admin.call("tasks.started", task=task)
    job = Door(server, ("", ""), agent.call("waylab.job_token", task=task)["token"])

    refused = job.refused("tasks.edit", task=ann.task(), name="stolen")
    job.close()

    assert refused == (403, 0)


@pytest.mark.parametrize("status", ["created", "queued", "stopped"])
def test_there_is_no_job_token_for_a_task_that_nobody_runs(
    ann: Door, agent: Door, status: str
) -> None:
    task = ann.task()
    if status == "queued":
        ann.call("tasks.enqueue", task=task)
    if status == "stopped":
        ann.call("tasks.stopped", task=task)

    assert agent.refused("waylab.job_token", task=task) == (400, 110)
    assert ann.refused("waylab.job_token", task=task) == (403, 0)


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
        ann.call("tasks.started", task=task)

        refused = agent.refused("waylab.job_token", task=task)
        given = strict.call("waylab.job_token", {"task": task})
        for door in (ann, agent):
            door.close()

    assert refused == (403, 0)
    assert given["user"]["name"] == "ann"
