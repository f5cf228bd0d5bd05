"""`events.*` that give vectors: lists of numbers by iteration."""

from __future__ import annotations

import sqlalchemy as sa

from waylab_tracking import requests
from waylab_tracking.database import reports
from waylab_tracking.registry import Call, Json, endpoint
from waylab_tracking.services import documents
from waylab_tracking.services.reports import shown

VECTOR = "training_stats_vector"


@endpoint("events.get_vector_metrics_and_variants")
def get_vector_metrics_and_variants(call: Call) -> Json:
    """List a task's metrics that are vectors, with their variants."""
    task = documents.require_reporter(call, call.need("task"))
    columns = reports.c
    mine = sa.and_(columns.task == task, columns.type == VECTOR)
    rows = call.db.execute(
        sa.select(columns.metric, columns.variant)
        .where(mine)
        .distinct()
        .order_by(columns.metric, columns.variant)
    )
    metrics: dict[str, list[str]] = {}
    for row in rows:
        metrics.setdefault(row.metric, []).append(row.variant)
    return {
        "metrics": [
            {"metric": metric, "variants": variants}
            for metric, variants in metrics.items()
        ]
    }


@endpoint("events.vector_metrics_iter_histogram", takes=requests.Sample)
def vector_metrics_iter_histogram(call: Call) -> Json:
    """Give the vectors of a variant by iteration; of one reported twice, the last."""
    task = documents.require_reporter(call, call.need("task"))
    columns = reports.c
    rows = call.db.execute(
        sa.select(reports)
        .where(
            columns.task == task,
            columns.type == VECTOR,
            columns.metric == call.need("metric"),
            columns.variant == call.need("variant"),
        )
        .order_by(columns.iter, columns.seq)
    )
    last = {row.iter: shown(row) for row in rows}
    return {"images": list(last.values())}
