"""Models and datasets as the official SDK uses them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.served import EACH
from tests.waylab_tracking.sdk import Sdk

pytestmark = [pytest.mark.clearml, EACH]
SitDown = Callable[[str], Sdk]


def test_models_are_registered_found_published_and_archived(sdk: SitDown) -> None:
    result = sdk("ann").run(
        """
        from clearml import InputModel, Model, OutputModel, Task
        task = Task.init("registry", "trains", output_uri=True,
                         auto_connect_frameworks=False)
        open("w.pt", "wb").write(b"w")
        first = OutputModel(task, name="first", tags=["best"], framework="PyTorch",
                            label_enumeration={"cat": 1})
        first.update_weights("w.pt", auto_delete_file=False)
        first.set_metadata("rank", "3", "int")
        second = OutputModel(task, name="second")
        second.update_weights(register_uri="https://models.example/second.pt")
        taken = InputModel.import_model("https://models.example/third.pt",
                                        name="third", project="registry")
        task.connect(taken)
        task.close()
        tagged = Model.query_models(project_name="registry", tags=["best"])
        ranked = Model.query_models(metadata={"rank": "3"})
        first.publish()
        Model(second.id).archive()
        visible = Model.query_models(project_name="registry")
        back = Task.get_task(task_id=task.id)
        result = dict(
            tagged=[m.name for m in tagged],
            ranked=[m.name for m in ranked],
            visible=sorted(m.name for m in visible),
            published=Model(first.id).published,
            labels=Model(first.id).labels,
            inputs=[m.name for m in back.models["input"]],
            outputs=[m.name for m in back.models["output"]],
            removed=Model.remove(Model(second.id), delete_weights_file=False),
        )
        """
    )

    assert result == {
        "tagged": ["first"],
        "ranked": ["first"],
        "visible": ["first", "third"],
        "published": True,
        "labels": {"cat": 1},
        "inputs": ["third"],
        "outputs": ["first", "second"],
        "removed": True,
    }


def test_datasets_have_versions_that_inherit_files(sdk: SitDown) -> None:
    result = sdk("bob").run(
        """
        import pathlib
        from clearml import Dataset
        folder = pathlib.Path("data"); folder.mkdir()
        (folder / "a.txt").write_text("a" * 1000)
        (folder / "b.txt").write_text("b")
        first = Dataset.create(dataset_project="sets", dataset_name="digits",
                               dataset_version="1.0.0")
        first.add_files(str(folder))
        first.upload(show_progress=False)
        first.finalize()
        (folder / "c.txt").write_text("c")
        child = Dataset.create(dataset_project="sets", dataset_name="digits",
                               parent_datasets=[first.id], dataset_version="1.1.0")
        child.add_files(str(folder / "c.txt"))
        child.remove_files("b.txt")
        child.upload(show_progress=False)
        child.finalize()
        got = Dataset.get(dataset_project="sets", dataset_name="digits")
        copy = pathlib.Path(got.get_local_copy())
        listed = Dataset.list_datasets(dataset_project="sets", only_completed=True)
        result = dict(
            latest=got.id == child.id,
            version=got.version,
            files=sorted(p.name for p in copy.iterdir() if p.suffix == ".txt"),
            text=len((copy / "a.txt").read_text()),
            versions=sorted(one["version"] for one in listed),
        )
        Dataset.delete(child.id)
        result["left"] = [
            one["version"]
            for one in Dataset.list_datasets(dataset_project="sets")
        ]
        """
    )

    assert result == {
        "latest": True,
        "version": "1.1.0",
        "files": ["a.txt", "c.txt"],
        "text": 1000,
        "versions": ["1.0.0", "1.1.0"],
        "left": ["1.0.0"],
    }
