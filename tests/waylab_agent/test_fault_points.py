"""The agent dies, or an answer is lost, at each request of a job's life."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.waylab_agent.conditions import wait_until
from tests.waylab_agent.faulty import Fault, FaultyServer, Moment, faulty
from tests.waylab_agent.rig import Rig

POINTS = [
    "queues.remove_task",
    "tasks.started",
    "waylab.job_token",
    "events.add",
    "tasks.edit_configuration",
    "tasks.completed",
]
SCRIPT = "open({path!r}, 'a').write('ran '); print('line 0'); print('line 1')"


@pytest.fixture(scope="module")
def proxy(lasting_rig: Rig) -> Iterator[FaultyServer]:
    with faulty(lasting_rig.server.url) as proxy:
        yield proxy
        lasting_rig.stop_agents()


def check(rig: Rig, task: str, fault: Fault) -> None:
    """The task ran once, completed, and has each line once."""
    assert rig.end_of(task) == ("completed", "completed")
    assert fault.struck.is_set()
    assert (rig.folder / "runs").read_text() == "ran "
    jobs = rig.home / "agents/n1/jobs"
    wait_until(lambda: not list(jobs.iterdir()), "the end of the job's last trace")
    lines = [x for x in rig.console(task).splitlines() if x.startswith("line ")]
    assert lines == ["line 0", "line 1"]


@pytest.mark.parametrize("moment", list(Moment))
@pytest.mark.parametrize("endpoint", POINTS)
def test_wherever_the_agent_is_killed_a_task_runs_once(
    rig: Rig, proxy: FaultyServer, endpoint: str, moment: Moment
) -> None:
    agent = rig.start_agent(API_URL=proxy.url)
    proxy.fault = fault = Fault(endpoint, moment, agent.process.kill)
    task = rig.enqueue(SCRIPT.format(path=str(rig.folder / "runs")))
    assert fault.struck.wait(60)
    agent.process.wait(20)
    rig.start_agent(API_URL=proxy.url)
    check(rig, task, fault)


@pytest.mark.parametrize("endpoint", POINTS)
def test_whichever_answer_is_lost_a_task_runs_once(
    rig: Rig, proxy: FaultyServer, endpoint: str
) -> None:
    rig.start_agent(API_URL=proxy.url)
    proxy.fault = fault = Fault(endpoint, Moment.AFTER)
    task = rig.enqueue(SCRIPT.format(path=str(rig.folder / "runs")))
    check(rig, task, fault)
