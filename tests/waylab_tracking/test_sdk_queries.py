"""Finding, changing and moving tasks, and the numbers of projects."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.waylab_tracking.sdk import Sdk

pytestmark = pytest.mark.clearml
SitDown = Callable[[str], Sdk]


def test_tasks_are_found_by_every_filter(sdk: SitDown) -> None:
    result = sdk("quinn").run(
        """
        import time
        from datetime import datetime, timezone
        from clearml import Task
        from clearml.backend_api.session.client import APIClient
        made = {}
        def make(name, kind="training", project="queries", tags=(), parent=None):
            task = Task.create(project, name, task_type=kind)
            if tags:
                task.set_tags(list(tags))
            if parent:
                task.set_parent(parent)
            made[name] = task.id
            return task
        first = make("first run", tags=["a", "b"])
        second = make("second run", "testing", tags=["a"], parent=first)
        third = make("third (odd)", "inference", "queries/below", tags=["b", "c"])
        middle = datetime.now(timezone.utc).isoformat()
        fourth = make("fourth run", "qc", tags=["ünï"])
        fourth.set_comment("find me by my comment")
        fourth.set_archived(True)
        second.set_user_properties(rank=3)
        for task, value in ((first, 1), (second, 2)):
            task.mark_started(force=True)
            task.get_logger().report_scalar("loss", "x", value=value, iteration=value)
            task.flush(wait_for_uploads=True)
        first.mark_completed()
        second.mark_failed(status_message="broke")
        by_id = {one: name for name, one in made.items()}
        projects = ["queries", "queries/below"]
        def found(**how):
            return [by_id[one.id] for one in Task.get_tasks(
                project_name=how.pop("project", projects), **how)]
        def names(**how):
            return sorted(found(**how))
        def query(**how):
            return [by_id[one] for one in Task.query_tasks(
                project_name=projects, task_filter=how)]
        ordered = dict(order_by=["name"])
        [[metric, variants]] = Task.get_task(first.id).data.last_metrics.items()
        [variant] = variants
        curve = f"last_metrics.{metric}.{variant}"
        client = APIClient()
        def listed(**how):
            return sorted(by_id[one.id] for one in client.tasks.get_all(
                _allow_extra_fields_=True, id=list(made.values()), **how))
        result = dict(
            all=names(), project=names(project="queries/below"),
            name=names(task_name="run$"),
            exact=names(task_name="^third \\\\(odd\\\\)$"),
            any_tag=names(tags=["a", "c"]), all_tags=names(tags=["__$all", "a", "b"]),
            no_tag=names(tags=["-a"]), mixed=names(tags=["__$all", "b", "__$not", "a"]),
            unicode=names(tags=["ünï"]),
            live=names(allow_archived=False),
            status=names(task_filter=dict(status=["failed", "completed"])),
            kind=names(task_filter=dict(type=["testing", "qc"])),
            parent=names(task_filter=dict(parent=first.id)),
            text=names(task_filter=dict(search_text="my comment")),
            any=names(task_filter=dict(_any_=dict(
                fields=["comment", "name"], pattern="comment|third"))),
            every=names(task_filter=dict(_all_=dict(
                fields=["comment", "name"], pattern="f"))),
            order=query(**ordered), down=query(order_by=["-created"]),
            page=query(**ordered, page=1, page_size=2),
            by_value=query(order_by=[f"-{curve}.value"],
                           status=["completed", "failed"]),
            after=listed(created=[f">{middle}"]),
            before=listed(created=[f"<={middle}"]),
            changed=listed(_or_=dict(fields=["last_update", "last_change"],
                                     datetime=[f">{middle}"])),
            high=listed(**{f"{curve}.max_value": [1.5, None]}),
            low=listed(**{f"{curve}.min_value": [None, 1.5]}),
            fields=Task.query_tasks(project_name="queries", task_name="^first run$",
                additional_return_fields=["tags", "comment"])[0],
            property=Task.get_task(second.id).get_user_properties(value_only=True),
            by_name=Task.get_by_name("second run").id == second.id,
            by_tags=Task.get_task(project_name="queries", task_name="first run",
                                  tags=["a"]).id == first.id,
            reason=Task.get_task(second.id).data.status_message,
        )
        """
    )

    fields = result.pop("fields")
    assert fields["tags"] == ["a", "b"]
    assert fields["comment"].startswith("Auto-generated")
    everything = ["first run", "fourth run", "second run", "third (odd)"]
    assert result == {
        "all": everything,
        "project": ["third (odd)"],
        "name": ["first run", "fourth run", "second run"],
        "exact": ["third (odd)"],
        "any_tag": ["first run", "second run", "third (odd)"],
        "all_tags": ["first run"],
        "no_tag": ["fourth run", "third (odd)"],
        "mixed": ["third (odd)"],
        "unicode": ["fourth run"],
        "live": ["first run", "second run", "third (odd)"],
        "status": ["first run", "second run"],
        "kind": ["fourth run", "second run"],
        "parent": ["second run"],
        "text": ["fourth run"],
        "any": ["fourth run", "third (odd)"],
        "every": ["fourth run"],
        "order": everything,
        "down": ["fourth run", "third (odd)", "second run", "first run"],
        "page": ["second run", "third (odd)"],
        "by_value": ["second run", "first run"],
        "after": ["fourth run"],
        "before": ["first run", "second run", "third (odd)"],
        "changed": ["first run", "fourth run", "second run"],
        "high": ["second run"],
        "low": ["first run"],
        "property": {"rank": "3"},
        "by_name": True,
        "by_tags": True,
        "reason": "broke",
    }


def test_a_task_is_copied_moved_and_brought_back(sdk: SitDown) -> None:
    result = sdk("cora").run(
        """
        from clearml import Task
        from clearml.backend_api.session.client import APIClient
        source = Task.create("copies", "source", script="s.py",
                             add_task_init_call=False, docker="python:3.11",
                             packages=["six"])
        source.set_parameters({"Args/lr": 0.1, "Net/deep/er": "x"})
        source.connect_configuration({"layers": [1]}, name="net")
        source.set_tags(["t"])
        clone = Task.clone(source, name="clone", comment="a copy")
        def states():
            return Task.get_task(task_id=clone.id).get_status()
        life = [states()]
        Task.enqueue(clone, queue_name="default"); life.append(states())
        waiting = Task.get_num_enqueued_tasks(queue_name="default")
        Task.dequeue(clone); life.append(states())
        Task.enqueue(clone, queue_name="services"); life.append(states())
        clone.mark_started(force=True); life.append(states())
        clone.get_logger().report_scalar("a", "b", 1, iteration=4)
        clone.upload_artifact("thing", {"a": 1}, wait_on_upload=True)
        clone.flush(wait_for_uploads=True)
        clone.mark_stopped(); life.append(states())
        Task.enqueue(clone, queue_name="default"); life.append(states())
        clone.mark_stopped(force=True)
        clone.reset(force=True); life.append(states())
        fresh = Task.get_task(task_id=clone.id)
        kept = (fresh.get_last_iteration(), list(fresh.artifacts),
                fresh.get_reported_scalars(), fresh.get_parameters()["Args/lr"])
        clone.mark_started(force=True)
        clone.mark_completed(); life.append(states())
        clone.publish(); life.append(states())
        clone.rename("renamed")
        clone.move_to_project(new_project_name="copies/elsewhere")
        exported = source.export_task()
        exported["name"] = "imported"
        imported = Task.import_task(exported)
        updated = Task.import_task({**exported, "comment": "changed"},
                                   target_task=imported, update=True)
        again = Task.get_task(task_id=imported.id)
        source.update_task({"comment": "by update", "tags": ["u"]})
        source.delete_parameter("Net/deep/er")
        moved = Task.get_task(task_id=clone.id)
        extra = Task.create("copies", "doomed")
        gone = extra.delete(raise_on_error=True)
        client = APIClient()
        missing = not list(client.tasks.get_all(id=[extra.id]))
        back = Task.get_task(task_id=source.id)
        stats = {one.name: one for one in client.projects.get_all(
            _allow_extra_fields_=True, include_stats=True, name="^copies")}
        top = stats["copies"].stats
        result = dict(
            life=life, waiting=waiting, kept=kept,
            moved=[moved.name, moved.get_project_name(), moved.comment],
            parent=moved.parent == source.id,
            imported=[again.name, again.comment, again.get_parameters(),
                      again.get_configuration_object_as_dict("net"),
                      again.get_base_docker()],
            source=[back.comment, back.get_tags(), back.get_parameters()],
            gone=bool(gone), missing=missing,
            projects=sorted(one.name for one in Task.get_projects()
                            if one.name.startswith("copies")),
            stats=sorted(stats), total=top.active.total_tasks,
            by_status=top.active.status_count,
        )
        """
    )

    by_status = result.pop("by_status")
    assert by_status["published"] == 1
    assert result == {
        "life": [
            *("created", "queued", "created", "queued", "in_progress", "stopped"),
            *("queued", "created", "completed", "published"),
        ],
        "waiting": 1,
        "kept": [0, [], {}, "0.1"],
        "moved": ["renamed", "copies/elsewhere", "a copy"],
        "parent": True,
        "imported": [
            "imported",
            "changed",
            {"Args/lr": "0.1", "Net/deep/er": "x"},
            {"layers": [1]},
            "python:3.11",
        ],
        "source": ["by update", ["u"], {"Args/lr": "0.1"}],
        "gone": True,
        "missing": True,
        "projects": ["copies", "copies/elsewhere"],
        "stats": ["copies", "copies/elsewhere"],
        "total": 3,
    }
