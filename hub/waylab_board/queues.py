"""The ClearML queues as the board reads them; synchronous, for a thread."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from waylab_board.keyring import Owners
from waylab_board.wants import Entry, parameters_of
from waylab_clearml.client import Client
from waylab_clearml.offer import RENEWED_SECONDS, Offer, as_item
from waylab_clearml.verdict import CONFIGURATION_NAME, Outcome, Reason, Verdict

_CHUNK = 200
_FIELDS = ["id", "name", "user", "project", "hyperparams"]
_Key = tuple[str, str]


class Queues:
    """Reads queues with a client of the `system` principal; remembers tasks."""

    def __init__(self, client: Client, owners: Owners | None = None) -> None:
        """Nothing is sent before `look`.

        `owners` tells whose tasks are whose where users bring their own keys; else
        ClearML's users are the hub's.
        """
        self._client = client
        self._owners = owners
        self._known: dict[_Key, Entry] = {}
        self._ids: dict[str, str] = {}
        self._users: dict[str, str] = {}
        self._projects: dict[str, str] = {}
        self._published: dict[str, tuple[Offer, datetime]] = {}

    def look(self, names: Sequence[str]) -> dict[str, tuple[Entry, ...]]:
        """Give the tasks of some queues, each in its order; a missing one is empty.

        Raises:
            ClearMLError: the server is away or refuses.
        """
        answer = self._client.call("queues.get_all", {})
        found = {str(one["name"]): one for one in answer.get("queues") or ()}
        self._ids = {name: str(one["id"]) for name, one in found.items()}
        keys: dict[str, list[_Key]] = {
            name: [
                (str(entry["task"]), str(entry.get("added") or ""))
                for entry in (found.get(name) or {}).get("entries") or ()
            ]
            for name in names
        }
        present = {key for some in keys.values() for key in some}
        self._known = {k: e for k, e in self._known.items() if k in present}
        self._learn(present - self._known.keys())
        return {
            name: tuple(self._known[key] for key in some if key in self._known)
            for name, some in keys.items()
        }

    def publish(self, offers: Mapping[str, Offer]) -> None:
        """Write into each queue what its nodes have to offer.

        It is written when it changes, and once a minute, so that readers can tell an
        offer of a board that is away.

        Raises:
            ClearMLError: the server is away or refuses.
        """
        now = datetime.now(UTC)
        for name, offer in offers.items():
            known, at = self._published.get(name, (None, now))
            is_fresh = (now - at).total_seconds() < RENEWED_SECONDS
            if name not in self._ids or (known == offer and is_fresh):
                continue
            body = {"queue": self._ids[name], "metadata": [as_item(offer, now)]}
            self._client.call("queues.add_or_update_metadata", body)
            self._published[name] = offer, now

    def refuse(
        self,
        entry: Entry,
        queue: str,
        sentence: str,
        reason: Reason = Reason.PARAMETER_INVALID,
    ) -> bool:
        """Take a task out of its queue and mark it failed; False if it had left.

        Raises:
            ClearMLError: the server is away or refuses.
        """
        where = {"queue": self._ids[queue], "task": entry.task}
        if not self._client.call("queues.remove_task", where).get("removed"):
            return False
        verdict = Verdict(Outcome.FAILED, reason, sentence)
        item = {
            "name": CONFIGURATION_NAME,
            "type": "json",
            "value": verdict.to_json(),
        }
        self._client.call(
            "tasks.edit_configuration",
            {"task": entry.task, "configuration": [item], "force": True},
        )
        self._client.call(
            "tasks.failed",
            {
                "task": entry.task,
                "force": True,
                "status_reason": verdict.reason.value,
                "status_message": sentence,
            },
        )
        return True

    def running(self) -> dict[str, str]:
        """Give task -> worker of every task that a worker says it runs.

        Raises:
            ClearMLError: the server is away or refuses.
        """
        answer = self._client.call("workers.get_all", {"last_seen": 60})
        return {
            str(worker["task"]["id"]): str(worker["id"])
            for worker in answer.get("workers") or ()
            if (worker.get("task") or {}).get("id")
        }

    def statuses(self, tasks: Iterable[str]) -> dict[str, str]:
        """Give task -> ClearML's status; tasks that are gone are left out.

        Raises:
            ClearMLError: the server is away or refuses.
        """
        docs = self._tasks(sorted(set(tasks)), ["id", "status"])
        return {str(doc["id"]): str(doc.get("status") or "") for doc in docs}

    def _learn(self, keys: Iterable[_Key]) -> None:
        added = dict(keys)
        docs = self._tasks(sorted(added), _FIELDS)
        self._learn_names(docs)
        for doc in docs:
            task = str(doc["id"])
            user, refusal = self._owner(_id(doc.get("user")))
            self._known[task, added[task]] = Entry(
                task=task,
                added=added[task],
                name=str(doc.get("name") or ""),
                user=user,
                refusal=refusal,
                project=self._projects.get(_id(doc.get("project")), ""),
                parameters=parameters_of(doc),
            )

    def _owner(self, clearml_id: str) -> tuple[str, str]:
        name = self._users.get(clearml_id, "")
        if self._owners is None:
            return name or "unknown", ""
        return self._owners.of_task(clearml_id, name)

    def _learn_names(self, docs: Sequence[dict[str, Any]]) -> None:
        if {_id(doc.get("user")) for doc in docs} - self._users.keys():
            answer = self._client.call("users.get_all", {"only_fields": ["id", "name"]})
            self._users.update(_names(answer.get("users")))
        unknown = {_id(doc.get("project")) for doc in docs} - self._projects.keys()
        unknown.discard("")
        if unknown:
            asked = {"id": sorted(unknown), "only_fields": ["id", "name"]}
            answer = self._client.call("projects.get_all", asked)
            self._projects.update(_names(answer.get("projects")))

    def _tasks(self, ids: Sequence[str], fields: list[str]) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        for start in range(0, len(ids), _CHUNK):
            asked = {
                "id": list(ids[start : start + _CHUNK]),
                "only_fields": fields,
                "search_hidden": True,
                "page": 0,
                "page_size": _CHUNK,
            }
            found += self._client.call("tasks.get_all", asked).get("tasks") or []
        return found


def _names(found: object) -> dict[str, str]:
    items = found if isinstance(found, list) else []
    return {str(one["id"]): str(one.get("name") or "") for one in items}


def _id(value: object) -> str:
    """Give an id, that some servers write as an object."""
    if isinstance(value, dict):
        return str(value.get("id") or "")
    return str(value or "")
