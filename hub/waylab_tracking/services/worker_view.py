"""Workers as lists show them: with their queues, their task and its project."""

from __future__ import annotations

from datetime import UTC, datetime

import sqlalchemy as sa

from waylab_tracking import sight
from waylab_tracking.database import entries, projects, queues, tasks, users
from waylab_tracking.identity import COMPANY
from waylab_tracking.registry import Call, Json


class Views:
    """Reads what several workers share once."""

    def __init__(self, call: Call) -> None:
        """Nothing is read before the first worker; what its caller sees is shown."""
        self._db, self._who = call.db, call.who
        self._queues: dict[str, Json | None] = {}
        self._users: dict[str, str] = {}

    def of(self, doc: Json, last_seen: float) -> Json:
        """Give a worker as lists show it."""
        seen = datetime.fromtimestamp(last_seen, UTC).isoformat()
        shown: Json = {
            "id": doc["id"],
            "user": {"id": doc["user"], "name": self._user(doc["user"])},
            "company": {"id": COMPANY, "name": COMPANY},
            "ip": doc["ip"],
            "register_time": doc["register_time"],
            "last_activity_time": doc.get("last_activity") or seen,
            "last_report_time": seen,
            # The SDK's optimizer reads names: ids alone end its report thread.
            "queues": [found for one in doc["queues"] if (found := self._queue(one))],
            "tags": doc["tags"],
            "system_tags": doc["system_tags"],
        }
        if doc.get("task"):
            shown |= self._work(doc["task"])
        if doc.get("queue") and (queue := self._queue(doc["queue"])):
            shown["queue"] = queue
        return shown

    def _work(self, task: str) -> Json:
        """Give the task at hand, and its project."""
        seen = sight.tasks_seen(self._db, self._who)
        head = self._db.execute(
            sa.select(tasks.c.head).where(tasks.c.id == task, seen)
        ).scalar()
        if head is None:
            return {}
        shown: Json = {
            "task": {
                "id": head["id"],
                "name": head["name"],
                "running_time": _seconds_since(head.get("started")),
                "last_iteration": head.get("last_iteration") or 0,
            }
        }
        name = self._db.execute(
            sa.select(projects.c.name).where(
                projects.c.id == head["project"],
                sight.projects_seen(self._db, self._who),
            )
        ).scalar()
        if name is not None:
            shown["project"] = {"id": head["project"], "name": name}
        return shown

    def _user(self, user: str) -> str:
        if user not in self._users:
            found = sa.select(users.c.name).where(users.c.id == user)
            self._users[user] = self._db.execute(found).scalar() or "system"
        return self._users[user]

    def _queue(self, queue: str) -> Json | None:
        if queue not in self._queues:
            self._queues[queue] = self._read_queue(queue)
        return self._queues[queue]

    def _read_queue(self, queue: str) -> Json | None:
        db, waits = self._db, entries.c.queue == queue
        name = db.execute(sa.select(queues.c.name).where(queues.c.id == queue)).scalar()
        if name is None:
            return None
        count = sa.select(sa.func.count()).select_from(entries).where(waits)
        first = (
            sa.select(tasks.c.id, tasks.c.head["name"].as_string().label("name"))
            .join(entries, entries.c.task == tasks.c.id)
            .where(waits)
            .order_by(entries.c.place)
            .limit(1)
        )
        row = db.execute(first).first()
        known = sa.select(tasks.c.id).where(sight.tasks_seen(db, self._who))
        if row and db.execute(known.where(tasks.c.id == row.id)).first() is None:
            row = None  # Somebody waits, and the caller may not know who.
        return {
            "id": queue,
            "name": name,
            "next_task": {"id": row.id, "name": row.name} if row else None,
            "num_tasks": int(db.execute(count).scalar_one()),
        }


def _seconds_since(moment: str | None) -> int:
    if not moment:
        return 0
    passed = datetime.now(UTC) - datetime.fromisoformat(moment)
    return max(0, int(passed.total_seconds()))
