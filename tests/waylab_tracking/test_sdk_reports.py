"""Reports of every kind, and what the official SDK reads back of them."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from tests.waylab_tracking.door import Door
from tests.waylab_tracking.sdk import Sdk

pytestmark = pytest.mark.clearml
SitDown = Callable[[str], Sdk]


def test_every_kind_of_report_is_read_back(sdk: SitDown) -> None:
    result = sdk("rae").run(
        """
        import io, json, pathlib
        import IPython  # Else threads may meet it half imported.
        import matplotlib.pyplot as plt
        import numpy as np, pandas as pd
        from clearml import Logger, StorageManager, Task
        task = Task.init("reports", "all kinds", auto_connect_streams=True,
                         auto_connect_frameworks=False)
        log = task.get_logger()
        for number in range(30):
            log.report_scalar("loss", "train", value=30 - number, iteration=number)
        log.report_scalar("odd", "nan", value=float("nan"), iteration=0)
        log.report_scalar("time/ünit", "a/b.c", value=1.5, iteration=7)
        log.report_single_value("best", 0.75)
        log.report_single_value("best", 0.8)
        log.report_histogram("histogram", "s", [[1, 2], [3, 4]], 1,
                             labels=["p", "q"], xlabels=["a", "b"])
        log.report_vector("vector", "s", [1, 2, 3], 1, labels=["v"])
        log.report_table("table", "frame", 1,
                         table_plot=pd.DataFrame({"n": [1], "t": ["<b>"]}))
        pathlib.Path("t.csv").write_text("x,y\\n1,2\\n")
        log.report_table("table", "csv", 1, csv="t.csv")
        log.report_line_plot("lines", series=[dict(name="one", data=np.ones((3, 2)))],
                             xaxis="x", yaxis="y", iteration=1)
        log.report_scatter2d("scatter", "2d", [[1, 2], [3, 4]], 1, mode="markers")
        log.report_scatter3d("scatter", "3d", [[1, 2, 3], [4, 5, 6]], 1)
        log.report_confusion_matrix("confusion", "s", [[1, 2], [3, 4]], 1)
        log.report_matrix("matrix", "s", [[1, 2], [3, 4]], 1)
        log.report_surface("surface", "s", [[1, 2], [3, 4]], 1)
        log.report_plotly("plotly", "bars", iteration=1, figure={
            "data": [{"type": "bar", "x": ["a"], "y": [1]}], "layout": {}})
        figure, axes = plt.subplots()
        axes.plot([1, 2])
        log.report_matplotlib_figure("matplotlib", "image", figure, 1,
                                     report_interactive=False)
        for number in range(4):
            log.report_image("samples", "noise", number,
                             image=np.full((4, 4, 3), number, dtype="uint8"))
        log.report_media("sound", "beep", 0, stream=io.BytesIO(b"RIFF"),
                         file_extension=".wav")
        pathlib.Path("page.html").write_text("<p>page</p>")
        log.report_media("pages", "html", 0, local_path="page.html")
        log.report_media("links", "url", 0, url="https://media.example/film.mp4")
        log.report_text("a warning", level=30)
        for number in range(3):
            print("line", number)
        task.flush(wait_for_uploads=True)
        task.close()

        back = Task.get_task(task_id=task.id)
        plots = back.get_reported_plots()
        samples = back.get_debug_samples("samples", "noise")
        def fetch(title, series):
            [sample] = back.get_debug_samples(title, series)
            return pathlib.Path(
                StorageManager.get_local_copy(sample["url"])).read_bytes().decode()
        console = "\\n".join(back.get_reported_console_output(100))
        thinned = back.get_reported_scalars(max_samples=10)["loss"]["train"]
        result = dict(
            scalars=back.get_all_reported_scalars(),
            thinned=[len(thinned["x"]), thinned["x"][0], thinned["x"][-1]],
            times=back.get_reported_scalars(x_axis="iso_time")["loss"]["train"]["x"][0],
            last=back.get_last_scalar_metrics()["loss"]["train"],
            one=back.get_reported_single_value("best"),
            singles=back.get_reported_single_values(),
            plots=sorted({(one["metric"], one["variant"]) for one in plots}),
            parsed=all(isinstance(json.loads(one["plot_str"]), dict) for one in plots),
            samples=[one["iter"] for one in samples],
            last_two=len(back.get_debug_samples("samples", "noise", 2)),
            sound=fetch("sound", "beep"), page=fetch("pages", "html"),
            link=[one["url"] for one in back.get_debug_samples("links", "url")],
            console=[one for one in console.splitlines()
                     if one.startswith(("line", "a warning"))],
            last_iteration=back.get_last_iteration(),
            id=task.id,
        )
        """
    )

    curve = result["scalars"]["loss"]["train"]
    assert curve["x"] == list(range(30))
    assert curve["y"] == [30 - number for number in range(30)]
    assert result["scalars"]["time/ünit"]["a/b.c"]["y"] == [1.5]
    assert result["thinned"] == [10, 0, 29]
    assert result["times"].startswith("20")
    assert result["last"] == {"last": 1.0, "min": 1.0, "max": 30.0}
    assert result["one"] == 0.8
    assert result["singles"] == {"best": 0.8}
    assert {tuple(one) for one in result["plots"]} >= {
        ("confusion", "s"),
        ("histogram", "s"),
        ("lines", ""),
        ("matrix", "s"),
        ("plotly", "bars"),
        ("scatter", "2d"),
        ("scatter", "3d"),
        ("surface", "s"),
        ("table", "csv"),
        ("table", "frame"),
        ("vector", "s"),
    }
    assert result["parsed"] is True
    assert result["samples"] == [3, 2, 1, 0]
    assert result["last_two"] == 2
    assert (result["sound"], result["page"]) == ("RIFF", "<p>page</p>")
    assert result["link"] == ["https://media.example/film.mp4"]
    assert result["console"] == ["a warning", "line 0", "line 1", "line 2"]
    assert result["last_iteration"] == 29


def test_a_model_has_lineage_metadata_and_reports(sdk: SitDown, ann: Door) -> None:
    result = sdk("mia").run(
        """
        import pathlib
        from clearml import InputModel, Model, OutputModel, Task
        task = Task.init("lineage of models", "trains", output_uri=True,
                         auto_connect_frameworks=False)
        pathlib.Path("w.bin").write_bytes(b"weights")
        pathlib.Path("folder").mkdir()
        pathlib.Path("folder/part.bin").write_bytes(b"part")
        parent = OutputModel(task, name="parent", framework="PyTorch", tags=["a", "b"],
                             comment="the first", config_dict={"layers": 2},
                             label_enumeration={"cat": 1})
        parent.update_weights("w.bin", auto_delete_file=False, iteration=3)
        parent.set_metadata("rank", "3", "int")
        parent.set_all_metadata({"depth": {"type": "float", "value": "0.5"}},
                                replace=False)
        package = OutputModel(task, name="package")
        package.update_weights_package(weights_path="folder",
                                       auto_delete_file=False)
        parent.report_scalar("quality", "f1", value=0.5, iteration=1)
        parent.report_single_value("size", 7)
        parent.report_table("table", "t", 1, table_plot=[["a"], [1]])
        parent.wait_for_uploads()
        task.flush(wait_for_uploads=True)
        task.close()

        tuned = Task.init("lineage of models", "tunes", reuse_last_task_id=False,
                          auto_connect_frameworks=False)
        source = InputModel(model_id=parent.id)
        tuned.connect(source, name="base")
        child = OutputModel(tuned, name="child")
        child.update_weights(register_uri="s3://bucket/child.bin")
        child.tags = ["c"]
        parent.publish()
        tuned.close()
        def names(**how):
            return sorted(one.name for one in Model.query_models(
                project_name="lineage of models", **how))
        back = Model(parent.id)
        with_package = Model(package.id).get_weights_package(return_path=True)
        Model(child.id).archive()
        result = dict(
            all=names(include_archived=True), visible=names(), tag=names(tags=["a"]),
            not_tag=names(tags=["-a"]), both=names(tags=["__$all", "a", "b"]),
            published=names(only_published=True), named=names(model_name="parent"),
            ranked=names(metadata={"rank": "3"}),
            newest=[one.name for one in Model.query_models(
                project_name="lineage of models", max_results=1)],
            metadata=back.get_all_metadata_casted(), labels=back.labels,
            config=back.config_dict, comment="the first" in back.comment,
            framework=back.framework, tags=sorted(back.tags),
            weights=pathlib.Path(back.get_local_copy()).read_text(),
            package=sorted(one.name for one
                           in pathlib.Path(with_package).rglob("*.bin")),
            inputs=[(one.name, one.id == parent.id) for one
                    in Task.get_task(task_id=tuned.id).models["input"]],
            by_key=Task.get_task(task_id=tuned.id).models["input"]["base"].id
                == parent.id,
            made_by=back.task == task.id,
            again=[InputModel(name="parent", project="lineage of models").id
                   == parent.id],
            id=parent.id,
        )
        """
    )

    model = result.pop("id")
    assert result == {
        "all": ["child", "package", "parent"],
        "visible": ["package", "parent"],
        "tag": ["parent"],
        "not_tag": ["package"],
        "both": ["parent"],
        "published": ["parent"],
        "named": ["parent"],
        "ranked": ["parent"],
        "newest": ["package"],
        "metadata": {"rank": 3, "depth": 0.5},
        "labels": {"cat": 1},
        "config": {"layers": 2},
        "comment": True,
        "framework": "PyTorch",
        "tags": ["a", "b"],
        "weights": "weights",
        "package": ["part.bin"],
        "inputs": [["parent", True]],
        "by_key": True,
        "made_by": True,
        "again": [True],
    }
    curves = ann.call(
        "events.scalar_metrics_iter_histogram", task=model, model_events=True
    )
    assert curves["quality"]["f1"]["y"] == [0.5]


def test_artifacts_of_every_type_come_back(sdk: SitDown) -> None:
    result = sdk("art").run(
        """
        import pathlib
        import numpy as np, pandas as pd
        from PIL import Image
        from clearml import Task
        task = Task.init("artifacts", "all types", auto_connect_frameworks=False)
        pathlib.Path("folder/below").mkdir(parents=True)
        pathlib.Path("folder/one.txt").write_text("1")
        pathlib.Path("folder/below/two.txt").write_text("2")
        pathlib.Path("file.bin").write_bytes(b"x" * 3_000_000)
        given = dict(
            numbers={"a": [1, None, "é"]}, text="words", array=np.arange(4),
            frame=pd.DataFrame({"a": [1, 2]}), image=Image.new("RGB", (2, 2)),
            file=pathlib.Path("file.bin"), folder="folder", anything={1, 2},
        )
        for name, thing in given.items():
            assert task.upload_artifact(name, thing, metadata={"kind": name},
                                        wait_on_upload=True)
        task.upload_artifact("text", "other words", wait_on_upload=True)
        task.upload_artifact("ünï/cödé", "odd name", wait_on_upload=True)
        task.close()
        back = Task.get_task(task_id=task.id).artifacts
        folder = pathlib.Path(back["folder"].get())
        result = dict(
            names=sorted(back), numbers=back["numbers"].get(),
            text=back["text"].get(), array=back["array"].get().tolist(),
            frame=back["frame"].get()["a"].tolist(), image=back["image"].get().size,
            file=pathlib.Path(back["file"].get_local_copy()).stat().st_size,
            size=back["file"].size, hash=len(back["file"].hash),
            folder=sorted(one.name for one in folder.rglob("*.txt")),
            anything=sorted(back["anything"].get()), odd=back["ünï/cödé"].get(),
            metadata=back["array"].metadata,
        )
        """
    )

    assert result == {
        "names": sorted(
            [
                *("numbers", "text", "array", "frame", "image", "file", "folder"),
                *("anything", "ünï/cödé"),
            ]
        ),
        "numbers": json.loads('{"a": [1, null, "é"]}'),
        "text": "other words",
        "array": [0, 1, 2, 3],
        "frame": [1, 2],
        "image": [2, 2],
        "file": 3_000_000,
        "size": 3_000_000,
        "hash": 64,
        "folder": ["one.txt", "two.txt"],
        "anything": [1, 2],
        "odd": "odd name",
        "metadata": {"kind": "array"},
    }
