"""What every route has in common: sign-in, JSON in, JSON out, errors as JSON."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from typing import Any, Concatenate, ParamSpec, TypeVar

from jupyter_server.auth.decorator import authorized
from jupyter_server.base.handlers import APIHandler
from pydantic import BaseModel, ValidationError
from tornado import web

from waylab_clearml.errors import (
    ApiError,
    BundleError,
    ClearMLError,
    CredentialsError,
    Forbidden,
    GpusError,
    NotebookError,
    NotFound,
    ParameterError,
    SubmitError,
    Unauthorized,
    Unreachable,
)
from waylab_lab.connection import Connection
from waylab_lab.outputs import Outputs
from waylab_lab.paths import PathError, ServerRoot

P = ParamSpec("P")
M = TypeVar("M", bound=BaseModel)

# The first class that fits: (status, code, form field at fault).
_ERRORS: tuple[tuple[type[Exception], int, str, str], ...] = (
    (CredentialsError, 503, "not-configured", ""),
    (Unreachable, 503, "unreachable", ""),
    (Unauthorized, 502, "credentials-refused", ""),
    (Forbidden, 403, "forbidden", ""),
    (NotFound, 404, "not-found", ""),
    (ApiError, 502, "refused", ""),
    (ParameterError, 422, "invalid", "parameters"),
    (NotebookError, 422, "invalid", "notebook"),
    (BundleError, 422, "invalid", "files"),
    (SubmitError, 422, "invalid", "queue"),
    (ClearMLError, 502, "refused", ""),
    (PathError, 422, "invalid", "path"),
)


class FormError(Exception):
    """Input that cannot be taken: `fields` maps form fields to what is wrong there."""

    def __init__(self, fields: dict[str, str]) -> None:
        """Keep the fields; the message joins what they say."""
        super().__init__(" ".join(fields.values()))
        self.fields = fields


class WaylabHandler(APIHandler):
    """A route of this extension. Every method must be wrapped by `route`."""

    auth_resource = "waylab"

    def initialize(
        self, connection: Connection, root: ServerRoot, outputs: Outputs
    ) -> None:
        """Take what the routes share."""
        self.connection = connection
        self.root = root
        self.outputs = outputs

    def body(self, model: type[M]) -> M:
        """Give the request's body. Raises FormError naming each wrong field."""
        try:
            return model.model_validate_json(self.request.body or b"{}")
        except ValidationError as error:
            raise FormError(
                {
                    ".".join(str(part) for part in problem["loc"]) or "body": (
                        problem["msg"]
                    )
                    for problem in error.errors()
                }
            ) from error

    def refuse(self, status: int, code: str, message: str, **more: Any) -> None:
        """Answer with an error that the browser can show at its place."""
        self.set_status(status)
        self.finish({"message": message, "code": code, **more})


Handler = TypeVar("Handler", bound=WaylabHandler)


def route(
    method: Callable[Concatenate[Handler, P], Awaitable[None]],
) -> Callable[Concatenate[Handler, P], Awaitable[None]]:
    """Make a coroutine an HTTP method: for the signed-in user, with errors as JSON."""

    @functools.wraps(method)
    async def guarded(self: Handler, /, *args: P.args, **kwargs: P.kwargs) -> None:
        try:
            await method(self, *args, **kwargs)
        except FormError as error:
            self.refuse(422, "invalid", str(error), fields=error.fields)
        except GpusError as error:
            fields = {error.field: str(error)}
            self.refuse(422, "invalid", str(error), fields=fields)
        except (ClearMLError, PathError) as error:
            for kind, status, code, field in _ERRORS:
                if isinstance(error, kind):
                    fields = {field: str(error)} if field else {}
                    self.log.debug("Refused with %s: %s", code, error)
                    self.refuse(status, code, str(error), fields=fields)
                    break

    allowed: Callable[Concatenate[Handler, P], Awaitable[None]] = authorized(guarded)
    # tornado types the wrapped method as one that may also return nothing at once.
    return web.authenticated(allowed)  # type: ignore[return-value]
