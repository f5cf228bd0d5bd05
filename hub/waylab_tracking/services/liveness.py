"""What happens to tasks of which nothing is heard any more."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from waylab_tracking.database import tasks
from waylab_tracking.moment import now
from waylab_tracking.services import documents

MESSAGE = "Forced stop (non-responsive)"


def stop_silent(db: sa.Connection, silence: timedelta) -> list[str]:
    """Stop running tasks that neither reported nor pinged for so long.

    The SDK pings twice a minute, and so do agents for their jobs: a silent task's
    process, such as a kernel that was killed, is gone.
    """
    oldest = (datetime.now(UTC) - silence).isoformat(timespec="microseconds")
    last = tasks.c.head["last_update"].as_string()
    silent = sa.and_(tasks.c.status == "in_progress", last < oldest)
    stopped = []
    for task in db.execute(sa.select(tasks.c.id).where(silent)).scalars().all():
        doc = documents.get_task(db, task)
        doc["status"], doc["status_reason"] = "stopped", MESSAGE
        doc["status_message"] = "Nothing was heard of it any more."
        doc["status_changed"] = doc["completed"] = now()
        documents.save_task(db, doc)
        stopped.append(task)
    return stopped
