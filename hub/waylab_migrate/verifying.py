"""Whether the target has what the source has: by counts and hashes."""

from __future__ import annotations

from collections.abc import Iterator

from waylab_migrate import records
from waylab_migrate.copying import Found
from waylab_migrate.journal import Journal
from waylab_migrate.remote import Json, Remote
from waylab_migrate.rewriting import Rewriter

STATUS = {"queued": "created", "closed": "completed"}


def differences(
    source: Remote, target: Remote, journal: Journal, found: Found, rewriter: Rewriter
) -> Iterator[str]:
    """Give a sentence for each thing that is not there, or is not the same."""
    known = {one["id"]: one["name"] for one in target.listed("projects")}
    for project in found.projects:
        if known.get(str(journal.get("projects", project["id"]))) != project["name"]:
            yield f"project {project['name']} is missing"
    for service, docs in (("tasks", found.tasks), ("models", found.models)):
        there = {
            one["id"]: one
            for one in target.listed(service)
            if any(tag.startswith(records.MARK) for tag in one["system_tags"])
        }
        for doc in docs:
            copy = there.get(str(journal.get(service, doc["id"])))
            what = f"{service[:-1]} {doc['id']} ({doc['name']})"
            if copy is None:
                yield f"{what} is missing"
                continue
            yield from _records(what, service, doc, copy, rewriter)
            of_model = service == "models"
            for kind in records.KINDS:
                ours = _sum(source, doc["id"], kind, rewriter, of_model)
                theirs = _sum(target, copy["id"], kind, None, of_model)
                if ours != theirs:
                    yield f"{what} has {ours[0]} events of {kind}, {theirs[0]} there"
    for path, digest, _ in journal.of_kind("files").values():
        if digest is None:
            continue
        told = target.download(path)
        if told is None or told[0] != digest:
            yield f"file {path} is {'missing' if told is None else 'another'}"


def gone(journal: Journal) -> list[str]:
    """Give the files that links name and the source does not have."""
    files = journal.of_kind("files")
    return [path for path, (_, digest, _) in files.items() if digest is None]


def _records(
    what: str, service: str, doc: Json, copy: Json, rewriter: Rewriter
) -> Iterator[str]:
    ours, theirs = records.labels(doc), records.labels(copy)
    if service == "tasks":
        ours |= rewriter.value(records.task_parts(doc))
        theirs |= records.task_parts(copy)
        for one in (ours, theirs):
            for artifact in one["execution"].get("artifacts") or []:
                if "/artifacts/state/" in str(artifact.get("uri") or ""):
                    artifact.pop("hash", None)
                    artifact.pop("content_size", None)
        ours["status"] = STATUS.get(doc["status"], doc["status"])
        theirs["status"] = copy["status"]
    else:
        parts = (*records.MODEL_PARTS, "ready", "task", "metadata")
        ours |= rewriter.value({name: doc.get(name) for name in parts})
        theirs |= {name: copy.get(name) for name in parts}
    for name, value in ours.items():
        if value != theirs.get(name):
            yield f"{what} differs in {name}"


def _sum(
    server: Remote, owner: str, kind: str, rewriter: Rewriter | None, of_model: bool
) -> tuple[int, str]:
    total = records.Sum()
    for piece in server.events(owner, kind, of_model=of_model):
        for one in piece:
            plain = records.event(one)
            total.add(rewriter.value(plain) if rewriter else plain)
    return total.told()
