"""Tables and the one thread that uses them.

Documents (tasks, projects, ...) are JSON with the columns that queries need beside
them; what grows without bound (console lines, scalars, plots) has tables of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import sqlalchemy as sa

from waylab_tracking import dialects
from waylab_tracking.dialects import KEY, TEXT

T = TypeVar("T")
READERS = 3
"""Python runs one thread at a time: more would only take turns."""
metadata = sa.MetaData()

users = sa.Table(
    "users",
    metadata,
    sa.Column("id", sa.String, primary_key=True),
    sa.Column("name", sa.String, nullable=False, unique=True),
    sa.Column("role", sa.String, nullable=False),
    sa.Column("created", sa.String, nullable=False),
    sa.Column("active", sa.Boolean, nullable=False, server_default=sa.true()),
)
credentials = sa.Table(
    "credentials",
    metadata,
    sa.Column("access_key", sa.String, primary_key=True),
    sa.Column("secret_hash", sa.String, nullable=False),
    sa.Column("user", sa.String, nullable=False, index=True),
    sa.Column("label", sa.String, nullable=False),
    sa.Column("created", sa.String, nullable=False),
)
projects = sa.Table(
    "projects",
    metadata,
    sa.Column("id", sa.String, primary_key=True),
    sa.Column("name", sa.String, nullable=False, unique=True),
    sa.Column("doc", sa.JSON, nullable=False),
    # What was set on the project itself; NULL: it is as the project above.
    sa.Column("visibility", sa.String, nullable=True),
    # The project whose members alone see this one; NULL: everybody does.
    sa.Column("scope", sa.String, nullable=True, index=True),
)
shares = sa.Table(  # Who sees a project that is not everybody's, its owner among them.
    "shares",
    metadata,
    sa.Column("project", sa.String, primary_key=True),
    sa.Column("kind", sa.String, primary_key=True),
    sa.Column("member", sa.String, primary_key=True),
)
memberships = sa.Table(
    "memberships",
    metadata,
    sa.Column("user", sa.String, primary_key=True),
    sa.Column("group", sa.String, primary_key=True),
)
claims = sa.Table(  # Which agent took a task last; NULL: any, from before this table.
    "claims",
    metadata,
    sa.Column("task", sa.String, primary_key=True),
    sa.Column("user", sa.String, nullable=True, index=True),
)
tasks = sa.Table(
    "tasks",
    metadata,
    sa.Column("id", sa.String, primary_key=True),
    sa.Column("project", sa.String, nullable=False, index=True),
    sa.Column("user", sa.String, nullable=False, index=True),
    sa.Column("status", sa.String, nullable=False, index=True),
    sa.Column("created", sa.String, nullable=False, index=True),
    # The few fields that lists filter by and show: a tenth of the document or less.
    sa.Column("head", sa.JSON, nullable=False),
    sa.Column("doc", sa.JSON, nullable=False),
)
listed = sa.Table(  # What lists filter and order tasks by, in short rows: `listing`.
    "listed",
    metadata,
    sa.Column("id", sa.String, primary_key=True),
    sa.Column("project", sa.String, nullable=True, index=True),
    sa.Column("user", sa.String, nullable=False),
    sa.Column("status", TEXT, nullable=False),
    sa.Column("type", sa.String, nullable=False),
    sa.Column("parent", sa.String, nullable=True, index=True),
    sa.Column("created", TEXT, nullable=False, index=True),
    sa.Column("started", TEXT, nullable=True),
    sa.Column("completed", TEXT, nullable=True),
    sa.Column("status_changed", TEXT, nullable=True),
    sa.Column("last_update", TEXT, nullable=True, index=True),
    sa.Column("last_iteration", sa.BigInteger, nullable=True),
    # Without case.
    sa.Column("name", TEXT, nullable=False, index=True),
    sa.Column("comment", sa.String, nullable=False),
)
labels = sa.Table(  # The tags of tasks.
    "labels",
    metadata,
    sa.Column("tag", sa.String, primary_key=True),
    sa.Column("system", sa.Boolean, primary_key=True),
    sa.Column("task", sa.String, primary_key=True, index=True),
)
models = sa.Table(
    "models",
    metadata,
    sa.Column("id", sa.String, primary_key=True),
    sa.Column("project", sa.String, nullable=False, index=True),
    sa.Column("task", sa.String, nullable=False, index=True),
    sa.Column("created", sa.String, nullable=False),
    sa.Column("doc", sa.JSON, nullable=False),
)
queues = sa.Table(
    "queues",
    metadata,
    sa.Column("id", sa.String, primary_key=True),
    sa.Column("name", sa.String, nullable=False, unique=True),
    sa.Column("doc", sa.JSON, nullable=False),
)
entries = sa.Table(
    "queue_entries",
    metadata,
    sa.Column("task", sa.String, primary_key=True),
    sa.Column("queue", sa.String, nullable=False, index=True),
    sa.Column("place", sa.BigInteger, nullable=False),
    sa.Column("added", sa.String, nullable=False),
    # The same in seconds since 1970, for averages.
    sa.Column("since", sa.Double, nullable=False, server_default="0"),
)
popped = sa.Table(  # Taken by `get_next_task` and not begun yet.
    "popped",
    metadata,
    sa.Column("task", sa.String, primary_key=True),
    sa.Column("queue", sa.String, nullable=False),
    sa.Column("until", sa.Double, nullable=False),
)
executions = sa.Table(  # Which execution of a task counts: see `executions`.
    "executions",
    metadata,
    sa.Column("task", sa.String, primary_key=True),
    sa.Column("id", sa.String, nullable=False),
    sa.Column("queue", sa.String, nullable=False),
    sa.Column("ours", sa.Boolean, nullable=False),
    sa.Column("lost", sa.String),
    sa.Column("losses", sa.Integer, nullable=False),
)
fences = sa.Table(  # Machines whose execution of a task was given up.
    "fences",
    metadata,
    sa.Column("task", sa.String, primary_key=True),
    sa.Column("host", sa.String, primary_key=True),
)
enqueue_keys = sa.Table(  # Under which keys tasks were enqueued lately.
    "enqueue_keys",
    metadata,
    sa.Column("digest", sa.String, primary_key=True),
    sa.Column("task", sa.String, nullable=False),
    sa.Column("at", sa.Double, nullable=False, index=True),
)
batches = sa.Table(  # Batches of events that were stored lately.
    "batches",
    metadata,
    sa.Column("digest", sa.String, primary_key=True),
    sa.Column("at", sa.Double, nullable=False, index=True),
)
files = sa.Table(
    "files",
    metadata,
    sa.Column("path", sa.String, primary_key=True),
    sa.Column("user", sa.String, nullable=False, index=True),
    sa.Column("size_bytes", sa.BigInteger, nullable=False),
    sa.Column("created", sa.String, nullable=False),
)
workers = sa.Table(
    "workers",
    metadata,
    sa.Column("id", sa.String, primary_key=True),
    sa.Column("last_seen", sa.Double, nullable=False),
    sa.Column("doc", sa.JSON, nullable=False),
)
worker_figures = sa.Table(  # What workers used: see `history`.
    "worker_figures",
    metadata,
    sa.Column("span", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("start", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("worker", sa.String, primary_key=True),
    sa.Column("busy", sa.Boolean, nullable=False),
    sa.Column("figures", sa.JSON, nullable=False),
)
queue_figures = sa.Table(  # How long tasks waited: see `history`.
    "queue_figures",
    metadata,
    sa.Column("span", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("start", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("queue", sa.String, primary_key=True),
    sa.Column("wait", sa.Double, nullable=False),
    sa.Column("length", sa.BigInteger, nullable=False),
)
servings = sa.Table(  # Models that are served, by the container that does.
    "servings",
    metadata,
    sa.Column("id", sa.String, primary_key=True),
    sa.Column("last_seen", sa.Double, nullable=False),
    sa.Column("doc", sa.JSON, nullable=False),
)
lines = sa.Table(  # Console lines in chunks: see `journal`.
    "lines",
    metadata,
    sa.Column("id", KEY, primary_key=True, autoincrement=True),
    sa.Column("task", sa.String, nullable=False),
    sa.Column("number", sa.BigInteger, nullable=False),
    sa.Column("length", sa.Integer, nullable=False),
    sa.Column("size", sa.Integer, nullable=False),
    sa.Column("first", sa.BigInteger, nullable=False),
    sa.Column("last", sa.BigInteger, nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False),
    sa.Index("lines_by_number", "task", "number", "length", "size"),
    sa.Index("lines_by_first", "task", "first", "last", "number"),
    sa.Index("lines_by_last", "task", "last", "first", "number"),
)
curves = sa.Table(  # What is known of a curve without its points: see `series`.
    "curves",
    metadata,
    sa.Column("id", KEY, primary_key=True, autoincrement=True),
    sa.Column("task", sa.String, nullable=False, index=True),
    sa.Column("metric", sa.String, nullable=False),
    sa.Column("variant", sa.String, nullable=False),
    sa.Column("single", sa.Boolean, nullable=False),
    sa.Column("count", sa.BigInteger, nullable=False),
    sa.Column("loose", sa.Integer, nullable=False),
    sa.Column("last_number", sa.BigInteger, nullable=False),
    sa.Column("timestamp", sa.BigInteger, nullable=False),
    sa.Column("value", sa.Double, nullable=False),
    sa.Column("first_value", sa.Double, nullable=False),
    sa.Column("first_iteration", sa.BigInteger, nullable=False),
    sa.Column("min_value", sa.Double, nullable=False),
    sa.Column("min_iteration", sa.BigInteger, nullable=False),
    sa.Column("max_value", sa.Double, nullable=False),
    sa.Column("max_iteration", sa.BigInteger, nullable=False),
    sa.Column("mean_value", sa.Double, nullable=False),
)
chunks = sa.Table(  # Points of curves. Readers of sketches never reach what follows.
    "chunks",
    metadata,
    sa.Column("id", KEY, primary_key=True, autoincrement=True),
    sa.Column("curve", sa.BigInteger, nullable=False),
    sa.Column("length", sa.Integer, nullable=False),
    sa.Column("first", sa.BigInteger, nullable=False),
    sa.Column("last", sa.BigInteger, nullable=False),
    sa.Column("low", sa.BigInteger, nullable=False),
    sa.Column("high", sa.BigInteger, nullable=False),
    sa.Column("sketch", sa.LargeBinary, nullable=False),
    sa.Column("iters", sa.LargeBinary, nullable=False),
    sa.Column("data", sa.LargeBinary, nullable=False),
    sa.Column("times", sa.LargeBinary, nullable=False),
    sa.Column("numbers", sa.LargeBinary, nullable=False),
    sa.Index("chunks_by_curve", "curve", "first", "last", "length"),
)
reports = sa.Table(
    "reports",
    metadata,
    sa.Column("seq", KEY, primary_key=True, autoincrement=True),
    sa.Column("task", sa.String, nullable=False),
    sa.Column("type", sa.String, nullable=False),
    sa.Column("metric", sa.String, nullable=False),
    sa.Column("variant", sa.String, nullable=False),
    sa.Column("iter", sa.BigInteger, nullable=False),
    sa.Column("timestamp", sa.BigInteger, nullable=False),
    sa.Column("doc", sa.JSON, nullable=False),
    sa.Index("reports_by_task", "task", "type", "metric", "variant", "iter"),
)


class Database:
    """SQLite or PostgreSQL: one thread writes, some others only read.

    Writers never wait for each other, and readers wait for no writer. What was answered
    to was committed, and every reading that begins afterwards sees it. In SQLite (WAL
    mode, synchronous=NORMAL) a killed process loses nothing; a power cut may lose the
    last moments.
    """

    def __init__(self, place: Path | str) -> None:
        """Open a file of SQLite, or the database of a URL, and bring it up to date.

        Raises:
            ValueError: it is no such URL.
            sqlalchemy.exc.DatabaseError: it cannot be used.
        """
        self._engine = dialects.open_engine(place)
        self._reading = dialects.open_readers(place, READERS)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="database")
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="reader")
        try:
            self._thread.submit(self._migrate).result()
        except BaseException:
            self.close()
            raise

    async def run(self, work: Callable[[sa.Connection], T]) -> T:
        """Do some work in one transaction; an exception undoes it."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, self.do, work)

    async def read(self, work: Callable[[sa.Connection], T]) -> T:
        """Do some work that only reads, of what there is as it begins.

        It waits for no writer, nor for other readers as long as these are few.
        """
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._readers, self._look, work)

    def do(self, work: Callable[[sa.Connection], T]) -> T:
        """Do some work in one transaction, in this thread: where no other uses it."""
        with self._engine.connect() as connection:
            try:
                with connection.begin():
                    return work(connection)
            except BaseException:
                # What the connection remembers may be of what is now undone.
                if not connection.invalidated:
                    connection.info.clear()
                raise

    def close(self) -> None:
        """Finish what was begun and close the connections."""
        for threads in (self._readers, self._thread):
            threads.shutdown()
        for engine in (self._reading, self._engine):
            engine.dispose()

    def _look(self, work: Callable[[sa.Connection], T]) -> T:
        with self._reading.connect() as connection:
            # What it remembers may have been changed by the writer since.
            connection.info.clear()
            with connection.begin():
                return work(connection)

    def _migrate(self) -> None:
        # alembic costs 0.2 s of imports.
        from alembic import command  # noqa: PLC0415
        from alembic.config import Config  # noqa: PLC0415

        config = Config()
        config.set_main_option(
            "script_location", str(Path(__file__).with_name("migrations"))
        )
        with self._engine.begin() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
            dialects.settle(connection, metadata)
