"""Errors in ClearML's own numbers.

`ApiError` carries HTTP status and subcode as the clients know them:
`BadRequest` 400, `Unauthorized` 401, `Forbidden` 403, `NotFound` 404.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class ApiError(Exception):
    """A refusal: HTTP status, ClearML's subcode and a sentence."""

    status: int
    subcode: int
    message: str

    def __str__(self) -> str:
        """Give the sentence."""
        return self.message


def invalid_task(task: object) -> ApiError:
    """No such task."""
    return ApiError(400, 101, f"Invalid task id: id={task}")


def invalid_status(message: str) -> ApiError:
    """The task's status does not allow it."""
    return ApiError(400, 110, message)


def invalid_model(model: object) -> ApiError:
    """No such model."""
    return ApiError(400, 201, f"Invalid model id: id={model}")


def invalid_project(project: object) -> ApiError:
    """No such project."""
    return ApiError(400, 401, f"Invalid project id: id={project}")


def invalid_queue(queue: object) -> ApiError:
    """No such queue."""
    return ApiError(400, 701, f"Invalid queue id: id={queue}")


def validation(message: str) -> ApiError:
    """A field of the request is missing or wrong."""
    return ApiError(400, 800, f"Validation error ({message})")


def not_unique(message: str) -> ApiError:
    """The name is taken."""
    return ApiError(400, 801, f"Value combination already exists ({message})")


def unauthorized(message: str, subcode: int = 30) -> ApiError:
    """No valid token or key."""
    return ApiError(401, subcode, f"Unauthorized ({message})")


def forbidden(message: str) -> ApiError:
    """Known, but not allowed."""
    return ApiError(403, 0, f"Forbidden ({message})")
