# ruff: noqa: N818 - what went wrong says more than the word Error.
"""What can go wrong between Waylab and a node's container engine.

    EngineError
    ├── EngineUnreachable      no answer that tells anything: refused, cut off, not
    │   │                      an engine; what was asked for may have happened
    │   └── EngineTimeout      no answer within the time given
    ├── EngineRefused          the engine answered with an error (status, its message)
    │   ├── ContainerMissing   there is no such container
    │   ├── ContainerConflict  the name is taken, or the container is in another state
    │   ├── ImageMissing       the image is not on the node
    │   └── StartRefused       the container exists and cannot be started
    ├── PullFailed             the registry does not give the image
    └── PlanError              what was asked for is not allowed; no engine was asked
        ├── ImageRefused       the image is not in the site's catalogue
        ├── DeviceRefused      a device that no container can be given
        ├── LimitRefused       more CPU or memory than is to be had
        └── ArgumentsRefused   an option of `container.arguments` is not allowed

Each message says what happened, the value seen, and what to do.
"""

from __future__ import annotations


class EngineError(Exception):
    """Any error of this package."""


class EngineUnreachable(EngineError):
    """The engine gave no answer; what was asked for may or may not have happened."""


class EngineTimeout(EngineUnreachable):
    """The engine gave no answer within the time it had."""


class EngineRefused(EngineError):
    """The engine answered with an error; `status` is that of HTTP."""

    def __init__(self, message: str, status: int) -> None:
        """Keep the status beside the message."""
        super().__init__(message)
        self.status = status


class ContainerMissing(EngineRefused):
    """There is no such container. Not a proof by itself: see `absence`."""


class ContainerConflict(EngineRefused):
    """The container's name is taken, or its state does not allow what was asked."""


class ImageMissing(EngineRefused):
    """The image is not on the node."""


class StartRefused(EngineRefused):
    """The container exists, and the engine cannot start it."""


class PullFailed(EngineError):
    """The registry, or the way to it, does not give the image."""


class PlanError(EngineError):
    """What was asked for is not allowed; no engine was asked."""


class ImageRefused(PlanError):
    """The image is not in the site's catalogue, or not for this node."""


class DeviceRefused(PlanError):
    """A device that no container can be given."""


class LimitRefused(PlanError):
    """More CPU, memory or processes than is to be had."""


class ArgumentsRefused(PlanError):
    """An option of a task's `container.arguments` is not allowed."""
