"""Versions of datasets, in scripts and on the command line."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.waylab_tracking.sdk import Sdk

pytestmark = pytest.mark.clearml
SitDown = Callable[[str], Sdk]


def test_versions_tell_their_parents_differences_and_chunks(sdk: SitDown) -> None:
    result = sdk("dia").run(
        """
        import pathlib
        from clearml import Dataset, Task
        folder = pathlib.Path("data"); folder.mkdir()
        for name in "abc":
            (folder / f"{name}.bin").write_bytes(name.encode() * 1_200_000)
        def names(path):
            return sorted(one.name for one in pathlib.Path(path).glob("*.bin"))
        def version(number, *parents, name="numbers"):
            made = Dataset.create(dataset_project="lineage", dataset_name=name,
                                  parent_datasets=[one.id for one in parents],
                                  dataset_version=number)
            return made
        def close(made, **how):
            made.upload(show_progress=False, compression=0, **how)
            made.finalize()
            return made
        first = version("1.0.0")
        first.add_files(str(folder))
        first.set_description("three files")
        first.set_metadata({"source": "camera"}, metadata_name="origin")
        close(first, chunk_size=1)
        (folder / "a.bin").write_bytes(b"changed")
        (folder / "d.bin").write_bytes(b"new")
        second = version("1.1.0", first)
        changes = second.sync_folder(str(folder))
        second.remove_files("c.bin")
        close(second)
        side = version("2.0.0", name="letters")
        (folder / "e.bin").write_bytes(b"side")
        side.add_files(str(folder / "e.bin"))
        close(side)
        merged = close(version("3.0.0", second, side))
        second = Dataset.get(dataset_id=second.id)
        squashed = Dataset.squash("squashed", [first.id, second.id])
        target = merged.get_mutable_local_copy("copy")
        parts = [names(Dataset.get(dataset_id=first.id).get_local_copy(
            part=one, num_parts=3)) for one in range(3)]
        merged.add_tags(["whole"])
        merged.publish()
        result = dict(
            chunks=[first.get_num_chunks(),
                    second.get_num_chunks(include_parents=False)],
            changes=[int(one) for one in changes],
            added=second.list_added_files(), removed=second.list_removed_files(),
            modified=second.list_modified_files(),
            graph=merged.get_dependency_graph() == {
                merged.id: [second.id, side.id], second.id: [first.id],
                first.id: [], side.id: []},
            merged=names(target), squashed=squashed.list_files(), parts=sorted(parts),
            hashes=merged.verify_dataset_hash(local_copy_path=target),
            metadata=Dataset.get(dataset_id=first.id).get_metadata("origin"),
            published=Task.get_task(task_id=merged.id).get_status(),
            by_tag=Dataset.get(dataset_project="lineage", dataset_name="numbers",
                               dataset_tags=["whole"]).id == merged.id,
            by_version=Dataset.get(dataset_project="lineage", dataset_name="numbers",
                                   dataset_version="1.0.0").id == first.id,
            listed=sorted((one["name"], one["version"]) for one
                          in Dataset.list_datasets(dataset_project="lineage")),
        )
        Dataset.rename("digits", dataset_project="lineage", dataset_name="numbers")
        Dataset.move_to_project("archive", dataset_project="lineage",
                                dataset_name="letters")
        result["renamed"] = bool(Task.get_project_id(
            "lineage/.datasets/digits"))
        result["moved"] = sorted(
            (one["project"], one["name"]) for one in Dataset.list_datasets()
            if one["name"] == "letters")
        Dataset.delete(second.id)
        Dataset.delete(dataset_project="lineage", dataset_name="squashed",
                       entire_dataset=True, force=True)
        left = Dataset.list_datasets(dataset_project="lineage")
        result.update(left=sorted(one["version"] for one in left))
        """,
        seconds=180,
    )

    assert result == {
        "chunks": [3, 1],
        "changes": [0, 1, 1],
        "added": ["d.bin"],
        "removed": ["c.bin"],
        "modified": ["a.bin"],
        "graph": True,
        "merged": ["a.bin", "b.bin", "d.bin", "e.bin"],
        "squashed": ["a.bin", "b.bin", "c.bin", "d.bin"],
        "parts": [["a.bin"], ["b.bin"], ["c.bin"]],
        "hashes": [],
        "metadata": {"source": "camera"},
        "published": "published",
        "by_tag": True,
        "by_version": True,
        "listed": [
            ["letters", "2.0.0"],
            ["numbers", "1.0.0"],
            ["numbers", "1.1.0"],
            ["numbers", "3.0.0"],
            ["squashed", "1.0.0"],
        ],
        "renamed": True,
        "moved": [["archive", "letters"]],
        "left": ["1.0.0", "3.0.0"],
    }


@pytest.mark.timeout(200)
def test_the_command_line_handles_versions(sdk: SitDown) -> None:
    """One interpreter forks for each command, which spares the imports."""
    result = sdk("cleo").run(
        """
        import os, pathlib, sys
        from clearml.cli.data.__main__ import main
        pathlib.Path("data").mkdir()
        pathlib.Path("data/x.txt").write_text("x")
        def clearml_data(*words):
            sys.stdout.flush()
            child = os.fork()
            if not child:
                sys.argv = ["clearml-data", *words]
                output = os.open("said", os.O_RDWR | os.O_CREAT | os.O_TRUNC)
                os.dup2(output, 1)
                os.dup2(output, 2)
                code = 1
                try:
                    main()
                    code = 0
                except SystemExit as error:
                    code = error.code or 0
                finally:
                    sys.stdout.flush()
                    os._exit(code)
            status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            said = pathlib.Path("said").read_text()
            assert status == 0, said
            return said
        made = clearml_data("create", "--project", "shell", "--name", "words",
                            "--version", "0.1.0")
        first = made.split("id=")[1].split()[0]
        clearml_data("add", "--files", "data")
        clearml_data("close")
        pathlib.Path("data/y.txt").write_text("y")
        clearml_data("sync", "--project", "shell", "--name", "words",
                     "--folder", "data", "--parents", first)
        listed = clearml_data("list", "--project", "shell", "--name", "words")
        found = clearml_data("search", "--project", "shell")
        second = [word for line in found.splitlines() for word in line.split()
                  if len(word) == 32 and word != first]
        compared = clearml_data("compare", "--source", first, "--target", second[0])
        clearml_data("get", "--id", second[0], "--copy", "there")
        verified = clearml_data("verify", "--id", second[0], "--folder", "there")
        clearml_data("publish", "--id", second[0])
        clearml_data("delete", "--id", first)
        after = clearml_data("search", "--project", "shell")
        result = dict(
            listed="Total 2 files" in listed, found=len(second), first=first in found,
            added="1 files added" in compared,
            got=sorted(os.listdir("there")), verified="no errors" in verified,
            after=[first in after, second[0] in after],
        )
        """,
        seconds=180,
    )

    assert result == {
        "listed": True,
        "found": 1,
        "first": True,
        "added": True,
        "got": ["x.txt", "y.txt"],
        "verified": True,
        "after": [False, True],
    }
