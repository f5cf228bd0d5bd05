"""What an answer says when the database could not do its work."""

from __future__ import annotations

import sqlalchemy as sa

from waylab_tracking.dialects import Trouble, trouble

SAID = {
    Trouble.DISK: (507, "The server's disk refuses to write"),
    Trouble.BUSY: (503, "The server's database is busy: try again"),
    Trouble.LIMIT: (400, "A name is too long for the server's database"),
    Trouble.OTHER: (500, "The server's database failed: its log has the details"),
}


def told(error: sa.exc.DBAPIError) -> tuple[int, str]:
    """Give the HTTP status and the sentence for a fault of the database.

    507 is for a disk that refuses, 503 for what is over in a moment (the official
    clients then try again), 500 for all else.
    """
    return SAID[trouble(error)]
