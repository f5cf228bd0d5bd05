"""Notebooks in containers: the runner of the image, on the leased device."""

from __future__ import annotations

import pytest
from tests.waylab_agent.docker_rig import BARE, LAB, DockerRig
from tests.waylab_agent.test_notebooks import artifacts, submit_cells

pytestmark = [
    pytest.mark.docker,
    pytest.mark.timeout(600),
    # docker's SDK leaves some of its sockets to the garbage collector.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.mark.parametrize("catalogue", [(LAB,)], scope="module")
def test_a_notebook_runs_to_its_artifacts_and_aborts_with_what_it_has(
    docker: DockerRig,
) -> None:
    docker.start_agent(GRACE_SECONDS="20")
    task = submit_cells(docker.rig, "print('first')", "1 / 0")
    assert docker.rig.end_of(task, 120) == ("failed", "cell-error")
    assert {"bundle", "notebook", "html"} <= artifacts(docker.rig, task)
    aborted = submit_cells(
        docker.rig, "print('kept')", "import time; print('waits here'); time.sleep(600)"
    )
    docker.rig.wait_for_line(aborted, "waits here", 120)
    docker.rig.user.call("tasks.stop", {"task": aborted})
    assert docker.rig.end_of(aborted, 30) == ("stopped", "aborted")
    assert "notebook" in artifacts(docker.rig, aborted)
    docker.ledger.wait_for_release()


@pytest.mark.parametrize("catalogue", [(LAB,)], scope="module")
def test_a_kernel_that_outgrows_its_container_is_told_and_its_results_are_kept(
    docker: DockerRig,
) -> None:
    docker.rig.stop_agents()
    task = submit_cells(
        docker.rig,
        "print('kept')",
        "hoard = [bytearray(1 << 24) for _ in range(200)]",
        "print('never')",
    )
    call = docker.rig.user.call
    call("tasks.dequeue", {"task": task})
    call("tasks.edit", {"task": task, "container": {"arguments": "--memory 700m"}})
    call("tasks.enqueue", {"task": task, "queue_name": docker.rig.queue})
    docker.start_agent()
    assert docker.rig.end_of(task, 120) == ("failed", "out-of-memory")
    assert "cell 2" in docker.rig.task(task)["status_message"]
    assert {"bundle", "notebook", "html"} <= artifacts(docker.rig, task)
    docker.ledger.wait_for_release()


@pytest.mark.parametrize("catalogue", [(BARE,)], scope="module")
def test_an_image_without_the_runner_is_unfit_and_says_so(docker: DockerRig) -> None:
    docker.start_agent()
    task = submit_cells(docker.rig, "print('never')")
    assert docker.rig.end_of(task, 60) == ("failed", "image-unfit")
    assert "pip install waylab" in docker.rig.task(task)["status_message"]
