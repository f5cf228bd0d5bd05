"""Which endpoints only read: they are answered beside what is written.

A reader's connection can change nothing, so that a wrong row here is an error and no
damage.
"""

from __future__ import annotations

_TAKES = "queues.get_next_task"
OTHERS = frozenset(
    {
        "auth.login",
        "events.debug_images",
        "events.download_task_log",
        "events.multi_task_scalar_metrics_iter_histogram",
        "events.next_debug_image_sample",
        "events.next_plot_sample",
        "events.plots",
        "events.scalar_metrics_iter_histogram",
        "events.scalar_metrics_iter_raw",
        "events.vector_metrics_iter_histogram",
        "projects.validate_delete",
        "queues.peek_task",
        "server.config",
        "server.info",
    }
)


def only_reads(name: str) -> bool:
    """Say whether an endpoint of that name changes nothing."""
    action = name.partition(".")[2]
    return name in OTHERS or (action.startswith("get_") and name != _TAKES)
