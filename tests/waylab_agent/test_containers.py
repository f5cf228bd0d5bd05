"""Jobs as containers of a real engine, with simulated GPUs, under real leases."""

from __future__ import annotations

import ast
import signal
import time
from collections.abc import Iterator

import pytest
from tests.waylab_agent.conditions import wait_until
from tests.waylab_agent.docker_rig import (
    BARE_REFERENCE,
    NOTHING,
    DockerRig,
    notes,
)
from tests.waylab_agent.faulty import FaultyServer
from tests.waylab_agent.faulty_engine import (
    CREATE,
    INSPECT,
    LOGS,
    REMOVE,
    START,
    Fault,
    Moment,
    faulty_engine,
)
from tests.waylab_agent.test_faults import COUNT, expected, lines

from waylab_engine.labels import Labels
from waylab_ledger.values import Holder, LeaseState

pytestmark = [
    pytest.mark.docker,
    pytest.mark.timeout(600),
    # docker's SDK leaves some of its sockets to the garbage collector.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
WAIT = "import time; print('up', flush=True); time.sleep(600)"


def test_a_job_sees_exactly_its_leased_gpu_and_leaves_nothing(
    docker: DockerRig,
) -> None:
    docker.start_agent()
    task = docker.enqueue("import os, time; os.system('nvidia-smi -L')", gpus=1)
    lease = docker.ledger.wait_for_lease(task, LeaseState.ACTIVE)
    assert docker.rig.end_of(task) == ("completed", "completed")
    shown = [x for x in docker.rig.console(task).splitlines() if x.startswith("GPU ")]
    assert len(shown) == 1
    assert lease.devices[0] in shown[0]
    docker.ledger.wait_for_release()
    wait_until(lambda: not docker.containers(), "the container's removal")
    wait_until(lambda: not notes(docker.rig.home), "the journal's end")


def test_a_line_longer_than_the_engine_s_own_arrives_whole(docker: DockerRig) -> None:
    docker.start_agent()
    task = docker.enqueue("print('<' + 'x' * 100_000 + '>')")
    assert docker.rig.end_of(task) == ("completed", "completed")
    console = docker.rig.console(task).replace("\n", "")
    assert "<" + "x" * 100_000 + ">" in console


def test_a_job_finds_its_owner_s_token_and_nothing_of_the_agent(
    docker: DockerRig,
) -> None:
    docker.start_agent()
    task = docker.enqueue(
        "import os\n"
        "print('ENV', sorted(os.environ.items()))\n"
        "print('ID', os.getuid(), os.path.exists('/var/run/docker.sock'))\n"
        "status = open('/proc/self/status').read()\n"
        "print('CAPS', status.split('CapEff:')[1].split()[0])\n"
        "print('FILES', sorted(os.listdir('/run/waylab/job')))\n"
        "open('/home/lab/kept', 'a').write('x')"
    )
    assert docker.rig.end_of(task) == ("completed", "completed")
    console = docker.rig.console(task)
    (line,) = (part for part in console.splitlines() if part.startswith("ENV "))
    environ = dict(ast.literal_eval(line.removeprefix("ENV ")))
    assert "hush" not in console
    assert not any(name.startswith("WAYLAB_AGENT_") for name in environ)
    assert "CLEARML_API_SECRET_KEY" not in environ
    assert environ["NVIDIA_VISIBLE_DEVICES"] == "void"
    assert environ["USER"] == "ada"
    assert "ID 1000 False" in console
    assert "CAPS 0000000000000000" in console
    assert "FILES ['begin.json', 'clearml.conf', 'code']" in console
    secret = docker.rig.agent[1]
    assert secret not in console


def test_an_abort_ends_what_ignores_it(docker: DockerRig) -> None:
    docker.start_agent()
    task = docker.enqueue(
        "import signal, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "print('up', flush=True)\n"
        "time.sleep(600)",
        gpus=1,
    )
    docker.rig.wait_for_line(task, "up")
    docker.rig.user.call("tasks.stop", {"task": task})
    assert docker.rig.end_of(task, 20) == ("stopped", "aborted")
    docker.ledger.wait_for_release()


def test_an_exit_status_and_memory_that_ran_out_are_told(docker: DockerRig) -> None:
    docker.start_agent()
    seven = docker.enqueue("raise SystemExit(7)")
    assert docker.rig.end_of(seven) == ("failed", "system-exit")
    assert "exit status 7" in docker.rig.task(seven)["status_message"]
    greedy = docker.enqueue(
        "x = bytearray(400 << 20); print(len(x))",
        container={"arguments": "--memory 200m --shm-size 20m"},
    )
    assert docker.rig.end_of(greedy) == ("failed", "out-of-memory")


REFUSED: list[tuple[dict[str, str], str, str]] = [
    ({"image": "evil/image:latest"}, "image-missing", "evil/image:latest"),
    ({"image": NOTHING}, "image-unfit", "has no python3"),
    ({"setup_shell_script": "id"}, "start-failed", "set-up script"),
    ({"arguments": "--privileged"}, "start-failed", "--privileged"),
    ({"arguments": "-v /:/host"}, "start-failed", "-v"),
    ({"arguments": "--network=host"}, "start-failed", "--network"),
    ({"arguments": "--gpus all"}, "start-failed", "--gpus"),
    ({"arguments": "-e NVIDIA_VISIBLE_DEVICES=all"}, "start-failed", "NVIDIA"),
    ({"arguments": "--user 0"}, "start-failed", "--user"),
    ({"arguments": "--memory 9999g"}, "start-failed", "--memory"),
]


def test_what_a_job_cannot_have_is_refused_by_name(docker: DockerRig) -> None:
    docker.start_agent()
    tasks = [
        docker.enqueue("print('ran')", container=container)
        for container, _, _ in REFUSED
    ]
    for task, (container, reason, words) in zip(tasks, REFUSED, strict=True):
        assert docker.rig.end_of(task) == ("failed", reason), container
        assert words in docker.rig.task(task)["status_message"], container
        assert "ran" not in docker.rig.console(task), container
    docker.ledger.wait_for_release()
    wait_until(lambda: not docker.containers(), "no container")


def test_a_job_outlives_its_killed_agent_with_each_line_once(
    docker: DockerRig,
) -> None:
    agent = docker.start_agent()
    task = docker.enqueue(COUNT.format(n=60, pause=0.1), gpus=1)
    docker.rig.wait_for_line(task, "line 5\n")
    agent.kill()
    again = docker.start_agent()
    assert docker.rig.end_of(task) == ("completed", "completed")
    assert "attached again" in again.said()
    assert lines(docker.rig.console(task)) == expected(60)
    docker.ledger.wait_for_release()


def test_a_job_that_ends_without_its_agent_is_settled_truthfully(
    docker: DockerRig,
) -> None:
    agent = docker.start_agent()
    task = docker.enqueue(COUNT.format(n=5, pause=0.2) + "raise SystemExit(3)", gpus=1)
    docker.rig.wait_for_line(task, "line 0\n")
    agent.kill()
    wait_until(lambda: _status(docker, task) == "exited", "the container's end")
    assert docker.ledger.lease_of(task) is not None
    docker.start_agent()
    assert docker.rig.end_of(task) == ("failed", "system-exit")
    assert lines(docker.rig.console(task)) == expected(5)
    docker.ledger.wait_for_release()


def test_a_hung_engine_frees_nothing_and_kills_nothing(docker: DockerRig) -> None:
    docker.start_agent()
    task = docker.enqueue(COUNT.format(n=150, pause=0.1), gpus=1)
    lease = docker.ledger.wait_for_lease(task, LeaseState.ACTIVE)
    docker.rig.wait_for_line(task, "line 2\n")
    docker.node.freeze()
    try:
        docker.rig.user.call("tasks.stop", {"task": task})
        deadline = time.monotonic() + 8
        while time.monotonic() < deadline:
            held = docker.ledger.lease_of(task)
            assert held is not None
            assert held.id == lease.id
            assert docker.rig.task(task)["status"] == "in_progress"
    finally:
        docker.node.thaw()
    assert docker.rig.end_of(task, 60) == ("stopped", "aborted")
    docker.ledger.wait_for_release()


def test_a_container_that_an_admin_removed_was_no_success(docker: DockerRig) -> None:
    docker.start_agent()
    task = docker.enqueue(WAIT, gpus=1)
    docker.rig.wait_for_line(task, "up")
    container = docker.container(task)
    assert container is not None
    docker.engine.remove(container.id, force=True)
    assert docker.rig.end_of(task)[0] == "failed"
    docker.ledger.wait_for_release()


def test_a_container_without_a_lease_is_ended_before_its_device_is_given_away(
    docker: DockerRig,
) -> None:
    docker.rig.stop_agents()
    gpus = docker.node.uuids
    labels = Labels(
        site=docker.rig.queue,
        holder=Holder.job("0123456789abcdef"),
        user="ada",
        lease="nobody-knows-it",
        devices=gpus,
    )
    made = docker.engine.connection.run(
        lambda client: client.create_container(
            BARE_REFERENCE,
            ["python3", "-c", "import time; time.sleep(600)"],
            labels=labels.as_dict(),
        )
    )
    docker.engine.start(made["Id"])
    docker.start_agent()
    task = docker.enqueue("print('mine')", gpus=2)
    assert docker.rig.end_of(task) == ("completed", "completed")
    assert "it has no lease" in docker.rig.agents[0].said()
    wait_until(lambda: not docker.containers(), "the removal")


def test_an_engine_that_the_settings_forgot_keeps_what_runs_in_it(
    docker: DockerRig,
) -> None:
    agent = docker.start_agent()
    task = docker.enqueue(COUNT.format(n=120, pause=0.1), gpus=1)
    lease = docker.ledger.wait_for_lease(task, LeaseState.ACTIVE)
    docker.rig.wait_for_line(task, "line 2\n")
    agent.kill()
    without = docker.ledger.start_agent("n1", None, SLOTS="1", DEVICES="auto")
    wait_until(lambda: "attached again" in without.said(), "the attachment")
    deadline = time.monotonic() + 3
    while time.monotonic() < deadline:
        held = docker.ledger.lease_of(task)
        assert held is not None
        assert held.id == lease.id
    without.kill()
    docker.start_agent()
    assert docker.rig.end_of(task, 60) == ("completed", "completed")
    assert lines(docker.rig.console(task)) == expected(120)
    docker.ledger.wait_for_release()


def test_sigint_aborts_containers_too(docker: DockerRig) -> None:
    agent = docker.start_agent()
    task = docker.enqueue(WAIT, gpus=1)
    docker.rig.wait_for_line(task, "up")
    assert agent.end(signal.SIGINT) == 0
    assert docker.rig.end_of(task) == ("stopped", "aborted")
    docker.ledger.wait_for_release()


@pytest.fixture(scope="module")
def engine_proxy(lasting_docker: DockerRig) -> Iterator[FaultyServer]:
    path = lasting_docker.node.address.url.removeprefix("unix://")
    with faulty_engine(path) as proxy:
        yield proxy
        lasting_docker.rig.stop_agents()


@pytest.mark.parametrize("moment", list(Moment))
@pytest.mark.parametrize("call", [CREATE, START, INSPECT, LOGS, REMOVE])
def test_wherever_the_agent_is_killed_a_container_runs_once(
    docker: DockerRig, engine_proxy: FaultyServer, call: str, moment: Moment
) -> None:
    agent = docker.start_agent(ENGINE=engine_proxy.url)
    engine_proxy.fault = fault = Fault(call, moment, agent.process.kill)
    runs = f"/home/lab/{docker.rig.folder.name}"
    task = docker.enqueue(
        f"open({runs!r}, 'a').write('ran ')\n"
        "print('line', 0); print('line', 1)\n"
        f"print('RUNS', open({runs!r}).read())",
        gpus=1,
    )
    assert fault.struck.wait(60)
    agent.process.wait(20)
    docker.start_agent(ENGINE=engine_proxy.url)
    assert docker.rig.end_of(task) == ("completed", "completed")
    console = docker.rig.console(task)
    assert lines(console) == ["line 0", "line 1"]
    assert "RUNS ran \n" in console
    docker.ledger.wait_for_release()
    wait_until(lambda: not docker.containers(), "the removal")


def _status(docker: DockerRig, task: str) -> str:
    container = docker.container(task)
    return container.status if container is not None else ""
