"""The life of a task as the official SDK lives it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.served import EACH
from tests.waylab_tracking.sdk import Sdk

pytestmark = [pytest.mark.clearml, EACH]
SitDown = Callable[[str], Sdk]


def test_a_script_reports_everything_and_reads_it_back(sdk: SitDown) -> None:
    result = sdk("ann").run(
        """
        import pandas as pd, numpy as np
        from clearml import Task, Logger, OutputModel
        task = Task.init("lab/vision", "first run", tags=["a"], output_uri=True)
        params = task.connect({"lr": 0.1, "name": "x", "deep": {"er": 1}})
        task.connect({"z": 1}, name="Other")
        task.connect_configuration({"layers": [1, 2]}, name="net")
        task.set_comment("hello")
        task.add_tags(["b"])
        task.set_progress(40)
        log = task.get_logger()
        for i in range(20):
            log.report_scalar("loss", "train", value=1 / (i + 1), iteration=i)
            log.report_scalar("loss", "test", value=2 / (i + 1), iteration=i)
        log.report_single_value("accuracy", 0.93)
        log.report_histogram("h", "s", values=[1, 2, 3], iteration=1)
        log.report_confusion_matrix("cm", "s", matrix=[[1, 2], [3, 4]], iteration=1)
        log.report_table("t", "s", iteration=1, table_plot=pd.DataFrame({"a": [1, 2]}))
        log.report_scatter2d("sc", "s", scatter=[[1, 2], [3, 4]], iteration=1)
        log.report_image("img", "s", iteration=1,
                         image=np.zeros((8, 8, 3), dtype="uint8"))
        log.report_text("a line of the log")
        print("printed")
        task.upload_artifact("numbers", {"a": [1, 2, 3]})
        task.upload_artifact("frame", pd.DataFrame({"a": [1, 2]}))
        model = OutputModel(task=task, name="net one", framework="PyTorch")
        with open("weights.pt", "wb") as file:
            file.write(b"weights")
        model.update_weights("weights.pt", auto_delete_file=False)
        model.set_metadata("m", "5", "int")
        task.flush(wait_for_uploads=True)
        task.close()
        back = Task.get_task(task_id=task.id)
        result = dict(
            status=back.get_status(),
            parameters=back.get_parameters(),
            configuration=back.get_configuration_object_as_dict("net"),
            tags=sorted(back.get_tags()),
            comment=back.comment,
            last_iteration=back.get_last_iteration(),
            metrics=back.get_last_scalar_metrics(),
            scalars=back.get_reported_scalars(),
            single=back.get_reported_single_values(),
            plots=sorted(p["metric"] for p in back.get_reported_plots()),
            log=back.get_reported_console_output(5),
            artifact=back.artifacts["numbers"].get(),
            frame=back.artifacts["frame"].get().to_dict(),
            weights=open(back.models["output"][0].get_local_copy(), "rb").read()
                .decode(),
            metadata=back.models["output"][0].get_all_metadata(),
            progress=back.data.runtime.get("progress"),
            page=back.get_output_log_web_page(),
        )
        """
    )

    assert result["status"] == "completed"
    assert result["parameters"]["General/lr"] == "0.1"
    assert result["parameters"]["General/deep/er"] == "1"
    assert result["parameters"]["Other/z"] == "1"
    assert result["configuration"] == {"layers": [1, 2]}
    assert result["tags"] == ["a", "b"]
    assert result["comment"] == "hello"
    assert result["last_iteration"] == 19
    assert result["metrics"]["loss"]["train"]["last"] == pytest.approx(0.05)
    assert result["scalars"]["loss"]["test"]["x"] == list(range(20))
    assert result["single"] == {"accuracy": 0.93}
    assert result["plots"] == ["cm", "h", "sc", "t"]
    assert "printed" in "".join(result["log"])
    assert result["artifact"] == {"a": [1, 2, 3]}
    assert result["frame"] == {"a": {"0": 1, "1": 2}}
    assert result["weights"] == "weights"
    assert result["metadata"]["m"]["value"] == "5"
    assert result["progress"] == "100"
    assert result["page"].endswith("/output/log")
