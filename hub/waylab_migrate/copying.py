"""Copying in three passes: projects and empty records, then their content.

A record is made before its content, so that every id is known when links and
references are rewritten. Each made record bears a system tag with the id of its
source: what was made just before a kill is found by it, and is not made again.
"""

from __future__ import annotations

import hashlib
import tempfile
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from waylab_migrate import records
from waylab_migrate.errors import MigrationError
from waylab_migrate.journal import Journal
from waylab_migrate.remote import Json, RefusedError, Remote
from waylab_migrate.rewriting import Rewriter

NOT_UNIQUE = 801
RUNNING = "in_progress"
ENDS = {
    "completed": "tasks.completed",
    "closed": "tasks.completed",
    "stopped": "tasks.stopped",
    "failed": "tasks.failed",
    "published": "tasks.completed",
}


@dataclass
class Found:
    """What the source has, and the paths of its files that are gone."""

    projects: list[Json] = field(default_factory=list)
    tasks: list[Json] = field(default_factory=list)
    models: list[Json] = field(default_factory=list)
    running: list[str] = field(default_factory=list)

    def counts(self) -> dict[str, int]:
        """Give how many there are of each."""
        names = ("projects", "tasks", "models", "running")
        return {name: len(getattr(self, name)) for name in names}


def look(source: Remote) -> Found:
    """List what there is to copy; running tasks stay out."""
    found = Found(
        projects=list(source.listed("projects")),
        models=list(source.listed("models")),
    )
    for task in source.listed("tasks"):
        if task["status"] == RUNNING:
            found.running.append(task["id"])
        else:
            found.tasks.append(task)
    return found


class Copying:
    """One migration, from where its journal says it stopped."""

    def __init__(
        self,
        source: Remote,
        target: Remote,
        journal: Journal,
        say: Callable[[str], None],
    ) -> None:
        """`say` is told of progress."""
        self._source = source
        self._target = target
        self._journal = journal
        self._say = say

    def run(self, found: Found) -> None:
        """Copy all that is not copied yet.

        Raises:
            MigrationError: a server refuses or does not answer; it can be run again.
        """
        for number, project in enumerate(
            sorted(found.projects, key=lambda one: str(one["name"])), 1
        ):
            self._project(project)
            self._say(f"project {number} of {len(found.projects)}")
        for service, docs in (("tasks", found.tasks), ("models", found.models)):
            for doc in docs:
                self._make(service, doc)
        rewriter = self.rewriter()
        for number, model in enumerate(found.models, 1):
            self._fill("models", model, rewriter)
            self._say(f"model {number} of {len(found.models)}: {model['name']}")
        for number, task in enumerate(found.tasks, 1):
            self._fill("tasks", task, rewriter)
            self._say(f"task {number} of {len(found.tasks)}: {task['name']}")

    def rewriter(self) -> Rewriter:
        """Give what turns the source's ids and links into the target's."""
        ids = {
            old: str(new)
            for kind in ("projects", "tasks", "models")
            for old, new in self._journal.of_kind(kind).items()
        }
        return Rewriter(ids, self._source.files_url, self._target.files_url)

    def _project(self, project: Json) -> None:
        if self._journal.get("projects", project["id"]):
            return
        name = str(project["name"])
        try:
            made = self._target.call(
                "projects.create",
                name=name,
                description=project.get("description") or "",
                tags=project.get("tags") or [],
                system_tags=project.get("system_tags") or [],
            )["id"]
        except RefusedError as refusal:
            if refusal.subcode != NOT_UNIQUE:
                raise
            # Made by a child's name, or before: by the source's tags it is whole.
            [made] = [
                one["id"]
                for one in self._target.listed("projects")
                if one["name"] == name
            ]
        self._journal.note("projects", project["id"], made)

    def _make(self, service: str, doc: Json) -> None:
        old = doc["id"]
        if self._journal.get(service, old):
            return
        mark = records.marked(old)
        twins = list(self._target.listed(service, system_tags=[mark]))
        if twins:
            self._journal.note(service, old, twins[0]["id"])
            return
        fields = records.labels(doc)
        fields["system_tags"] = [*fields["system_tags"], mark]
        if doc.get("project"):
            fields["project"] = self._journal.get("projects", doc["project"])
        if service == "tasks":
            fields["type"] = doc.get("type") or "training"
        else:
            fields["uri"] = doc.get("uri") or ""
        made = self._target.call(f"{service}.create", **fields)
        self._journal.note(service, old, made["id"])

    def _fill(self, service: str, doc: Json, rewriter: Rewriter) -> None:
        old = doc["id"]
        if self._journal.get("whole", old):
            return
        new = str(self._journal.get(service, old))
        of_model = service == "models"
        self._files(doc, rewriter)
        if not self._journal.get("events", old):
            self._events(old, new, rewriter, of_model=of_model)
            self._journal.note("events", old)
        if of_model:
            self._fill_model(doc, new, rewriter)
        else:
            self._fill_task(doc, new, rewriter)
        self._journal.note("whole", old)

    def _fill_task(self, doc: Json, new: str, rewriter: Rewriter) -> None:
        parts = rewriter.value(records.task_parts(doc))
        for artifact in parts["execution"].get("artifacts") or []:
            self._correct(artifact)
        parts["runtime"]["migrated_created"] = str(doc.get("created") or "")
        parent = doc.get("parent")
        if parent:
            parts["parent"] = rewriter.text(parent)
        destination = (doc.get("output") or {}).get("destination")
        if destination:
            parts["output_dest"] = rewriter.text(destination)
        self._target.call("tasks.edit", task=new, force=True, **parts)
        status = doc["status"]
        if status not in ENDS:
            return
        reason = {
            "status_reason": doc.get("status_reason") or "",
            "status_message": doc.get("status_message") or "",
        }
        self._target.call("tasks.started", task=new, force=True)
        self._target.call(ENDS[status], task=new, force=True, **reason)
        if status == "published":
            self._target.call("tasks.publish", task=new, force=True, **reason)

    def _fill_model(self, doc: Json, new: str, rewriter: Rewriter) -> None:
        fields = {name: doc[name] for name in records.MODEL_PARTS if doc.get(name)}
        for name in ("task", "parent"):
            if doc.get(name):
                fields[name] = doc[name]
        self._target.call("models.edit", model=new, **rewriter.value(fields))
        metadata = doc.get("metadata") or {}
        if metadata:
            entries = metadata if isinstance(metadata, list) else metadata.values()
            self._target.call(
                "models.add_or_update_metadata",
                model=new,
                metadata=rewriter.value(list(entries)),
                replace_metadata=True,
            )
        if doc.get("ready"):
            self._target.call("models.set_ready", model=new, force=True)

    def _events(
        self, old: str, new: str, rewriter: Rewriter, *, of_model: bool
    ) -> None:
        """Copy all events; what a killed run had copied of them goes first."""
        if not of_model:
            self._target.call("events.delete_for_task", task=new, allow_locked=True)
        attempt = uuid.uuid4().hex
        for kind in records.KINDS:
            # A model's events cannot be deleted: those that are there are passed over.
            there = self._target.events(new, kind, of_model=True) if of_model else ()
            known = sum(map(len, there))
            for whole in self._source.events(old, kind, of_model=of_model):
                piece = whole[known:]
                known = max(0, known - len(whole))
                if not piece:
                    continue
                self._files(piece, rewriter)
                self._target.add_events(
                    [
                        {
                            **rewriter.value(records.event(one)),
                            "type": kind,
                            "task": new,
                            "allow_locked": True,
                            "model_event": of_model,
                            # All clients send such a field, and no server reads it.
                            # A batch that comes again after a deletion differs by it
                            # from the one that was deleted.
                            "method": attempt,
                        }
                        for one in piece
                    ]
                )

    def _files(self, holder: object, rewriter: Rewriter) -> None:
        for path in sorted(rewriter.links(holder)):
            if self._journal.get("files", path) is None:
                self._journal.note("files", path, self._file(path, rewriter))

    def _file(self, path: str, rewriter: Rewriter) -> list[object]:
        """Copy one file; give its path there, SHA-256 and size (None if it is gone)."""
        there = rewriter.path(path)
        with tempfile.TemporaryDirectory(prefix="waylab-migrate-") as folder:
            kept = Path(folder) / "file"
            taken = self._source.download(path, kept)
            if taken is None:
                return [there, None, 0]
            if "/artifacts/state/" in path:
                # A dataset's state names its parents by their ids.
                text = kept.read_text("utf-8", "surrogateescape")
                kept.write_text(rewriter.text(text), "utf-8", "surrogateescape")
                content = kept.read_bytes()
                taken = hashlib.sha256(content).hexdigest(), len(content)
            self._target.upload(there, kept)
        return [there, *taken]

    def _correct(self, artifact: Json) -> None:
        """Note the hash and size of a file whose content had to change."""
        link = str(artifact.get("uri") or "")
        if "/artifacts/state/" not in link:
            return
        there = link.removeprefix(f"{self._target.files_url}/")
        for path, digest, size in self._journal.of_kind("files").values():
            if path == there and digest:
                artifact["hash"], artifact["content_size"] = digest, size


def refuse_same(source: Remote, target: Remote) -> None:
    """Raise where both names are of one server."""
    if source.url == target.url:
        msg = f"{source.url} is both the source and the target"
        raise MigrationError(msg)
