"""Notebooks that run through: what they leave behind, and what is seen meanwhile."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from bs4 import BeautifulSoup
from tests.served import OWN_SERVER
from tests.waylab_runner.rig import Job, Rig, wait_until

from waylab_clearml.errors import NotFound
from waylab_clearml.live import index_of
from waylab_clearml.runs import RunState
from waylab_clearml.verdict import Outcome, Reason, Verdict

pytestmark = pytest.mark.clearml
Submit = Callable[..., Job]


def test_a_notebook_leaves_its_outputs_and_a_verdict(submit: Submit) -> None:
    job = submit(
        "print('got', alpha, mode)",
        "alpha * 2",
        declared="alpha: float = 0.5\nmode = 'it\\'s'",
        parameters={"alpha": "0.25"},
    ).start()
    assert job.wait() == 0
    run = job.run()
    assert (run.state, run.reason) == (RunState.COMPLETED, "completed")
    assert run.message == "All cells ran through (4)."
    assert {one.key for one in run.artifacts} == {"bundle", "html", "notebook"}
    assert run.progress is not None
    assert run.progress.percent == 100
    assert job.texts() == ["", "", "got 0.25 it's\n", ""]
    assert run.verdict == Verdict(Outcome.COMPLETED, Reason.COMPLETED, run.message)
    left = Verdict.from_json((job.folder / "job" / "verdict.json").read_text())
    assert left == run.verdict
    assert "got 0.25 it's" in job.log


def test_the_output_notebook_is_signed_for_its_account(
    submit: Submit, tmp_path: Path
) -> None:
    job = submit("from IPython.display import HTML\nHTML('<b>rich</b>')").start()
    job.wait()
    path = tmp_path / "fetched.ipynb"
    path.write_bytes(job.artifact("notebook"))
    data = tmp_path / ".local" / "share" / "jupyter"
    notary = importlib.import_module("nbformat.sign").NotebookNotary(data_dir=str(data))
    notebook = importlib.import_module("nbformat").read(path, 4)
    assert notary.check_signature(notebook)
    notary.store.close()


def test_files_and_folders_of_the_bundle_are_beside_the_notebook(
    submit: Submit, tmp_path: Path
) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.txt").write_text("from the file")
    (tmp_path / "helper.py").write_text("def greet(): return 'from the module'")
    job = submit(
        "print(open('data/a.txt').read())",
        "import helper; print(helper.greet())",
        files=(tmp_path / "data", tmp_path / "helper.py"),
    ).start()
    assert job.wait() == 0
    assert job.texts() == ["from the file\n", "from the module\n"]


def test_the_page_runs_and_fetches_nothing(submit: Submit) -> None:
    job = submit(
        "from IPython.display import HTML, Javascript, Markdown, display\n"
        "display(HTML('<b onclick=\"alert(1)\">bold</b><script>alert(2)</script>'))\n"
        "display(Javascript('alert(3)'))\n"
        "display(HTML('<img src=\"http://elsewhere.example/x.png\">'))",
        name="page of it.ipynb",
    ).start()
    assert job.wait() == 0
    page = job.artifact("html").decode()
    assert "bold" in page
    assert "default-src 'none'" in page
    soup = BeautifulSoup(page, "html.parser")
    assert soup.find_all("script") == []
    assert soup.find_all("link") == []
    assert soup.find_all(onclick=True) == []
    assert [one["src"] for one in soup.find_all("img")] == []
    assert "<title>page of it</title>" in page


def test_what_a_finished_cell_gave_is_seen_while_the_next_runs(
    submit: Submit, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    job = submit(
        "print('first')",
        f"import os, time\nwhile not os.path.exists({str(gate)!r}): time.sleep(0.05)",
        "print('last')",
    ).start()
    try:
        wait_until(
            lambda: (
                index_of(
                    job.user.call("tasks.get_by_id", {"task": job.task_id})["task"]
                )
                is not None
                and job.texts()[0] == "first\n"
            ),
            "the first cell's output",
        )
        run = job.run()
        assert run.state is RunState.RUNNING
        assert run.progress is not None
        assert (run.progress.cells_total, run.progress.cell_current) == (3, 1)
        assert run.progress.percent == 33
    finally:
        gate.touch()
    assert job.wait() == 0
    assert job.texts() == ["first\n", "", "last\n"]


def test_a_display_updated_by_a_later_cell_is_updated_live(
    submit: Submit, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    hold = f"import os, time\nwhile not os.path.exists({str(gate)!r}): time.sleep(0.05)"
    job = submit(
        "from IPython.display import display\nh = display('before', display_id=True)",
        "h.update('after')",
        hold,
    ).start()

    def shown() -> bool:
        try:
            outputs = job.notebook()["cells"][0]["outputs"]
        except NotFound:
            return False
        return bool(outputs) and outputs[0]["data"]["text/plain"] == "'after'"

    try:
        wait_until(shown, "the updated display")
        assert job.run().state is RunState.RUNNING
    finally:
        gate.touch()
    assert job.wait() == 0
    assert shown()


def test_a_large_output_is_stored_once(
    submit: Submit, rig: Rig, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    job = submit(
        "from IPython.display import HTML, display\nbig = HTML('x' * 500_000)",
        "display(big)",
        "display(big)",
        f"import os, time\nwhile not os.path.exists({str(gate)!r}): time.sleep(0.05)",
    ).start()

    def whole() -> bool:
        try:
            cells = job.notebook()["cells"]
        except NotFound:
            return False
        return all(
            cell["outputs"] and len(cell["outputs"][0]["data"]["text/html"]) == 500_000
            for cell in cells[1:3]
        )

    try:
        wait_until(whole, "both displays")
        files = [path for path in rig.server.state.rglob("*") if path.is_file()]
        large = [path for path in files if path.stat().st_size > 400_000]
        assert len([path for path in large if "live" in str(path)]) <= 1
    finally:
        gate.touch()
    assert job.wait() == 0


def test_a_flood_does_not_fill_the_console(submit: Submit) -> None:
    job = submit("for _ in range(300): print('x' * 20_000)", "print('after')").start()
    assert job.wait() == 0
    assert len(job.log) < 3_000_000
    assert "characters left out here" in job.log
    assert "after" in job.log
    assert len(job.texts()[0]) == 300 * 20_001


def test_widget_state_is_kept(submit: Submit) -> None:
    job = submit(
        "import ipywidgets\nslider = ipywidgets.IntSlider(value=7)\nslider",
        "out = ipywidgets.Output()\nwith out: print('inside')\nout",
    ).start()
    assert job.wait() == 0
    widgets = job.notebook()["metadata"]["widgets"]
    assert "IntSliderModel" in json.dumps(widgets)


def test_widget_state_that_cannot_be_kept_costs_no_other_result(
    submit: Submit,
) -> None:
    """Deeper than Python's recursion may go where nbclient copies it."""
    job = submit(
        "import comm\nstate = inner = {'_model_name': 'X', '_model_module': 'x'}\n"
        "for _ in range(600): inner['in'] = inner = {}\n"
        "comm.create_comm(target_name='jupyter.widget', data={'state': state})\n"
        "print('opened')"
    ).start()
    assert job.wait() == 0
    run = job.run()
    assert (run.state, run.reason) == (RunState.COMPLETED, "completed")
    assert {one.key for one in run.artifacts} == {"bundle", "html", "notebook"}
    assert job.texts() == ["opened\n"]
    assert "A part of the result could not be kept" in job.log


def test_a_message_that_is_no_widget_s_ends_no_run(submit: Submit) -> None:
    job = submit(
        "import comm\n"
        "def open(data): comm.create_comm(target_name='jupyter.widget', data=data)\n"
        "open({'state': {'_model_name': 'X'}})\n"
        "open({'state': 5})\n"
        "open({})\n"
        "open({'state': {}, 'buffer_paths': [['a']]})\n"
        "print('all sent')",
    ).start()
    assert job.wait() == 0
    assert job.texts() == ["all sent\n"]
    assert "A widget's message could not be read: KeyError" in job.log


def test_the_kernel_is_what_goes_first_where_memory_runs_out(submit: Submit) -> None:
    job = submit(
        "print(int(open('/proc/self/oom_score_adj').read())"
        " - int(open('/proc/%d/oom_score_adj' % __import__('os').getppid()).read()))"
    ).start()
    assert job.wait() == 0
    assert int(job.texts()[0]) > 0


def test_the_input_may_have_been_run_before(
    submit: Submit, rig: Rig, tmp_path: Path
) -> None:
    first = submit("print(alpha)", declared="alpha = 1").start()
    assert first.wait() == 0
    again = tmp_path / "again.ipynb"
    again.write_bytes(first.artifact("notebook"))
    job = rig.submit(again, parameters={"alpha": 5}).start()
    assert job.wait() == 0
    assert job.texts()[-1] == "5\n"


def test_a_parameter_edited_in_another_client_is_what_runs(
    submit: Submit, rig: Rig
) -> None:
    job = submit("print(alpha, type(alpha).__name__)", declared="alpha: float = 1")
    body = {
        "task": job.task_id,
        "force": True,
        "hyperparams": [{"section": "Notebook", "name": "alpha", "value": "3"}],
    }
    rig.user.call("tasks.edit_hyper_params", body)
    assert job.start().wait() == 0
    assert job.texts()[-1] == "3.0 float\n"


def test_an_empty_notebook_runs_through(submit: Submit) -> None:
    job = submit().start()
    assert job.wait() == 0
    assert job.run().state is RunState.COMPLETED


@OWN_SERVER
def test_the_run_outlasts_a_restart_of_the_server(
    submit: Submit, rig: Rig, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    hold = f"import os, time\nwhile not os.path.exists({str(gate)!r}): time.sleep(0.05)"
    job = submit("print('one')", hold, "print('two')").start()
    job.wait_for_line("Cell 2 of 3")
    rig.server.kill()
    gate.touch()
    job.wait_for_line("two")
    rig.server.start()
    assert job.wait() == 0
    run = job.run()
    assert (run.state, run.reason) == (RunState.COMPLETED, "completed")
    assert job.texts() == ["one\n", "", "two\n"]
