# ruff: noqa: N818 - conditions are named as the HTTP world names them.
"""What can go wrong between Waylab and a ClearML server.

::

    ClearMLError
    ├── CredentialsError        no usable credentials on this machine
    ├── Unreachable             no answer, or only "busy", within the time allowed
    ├── ProtocolError           an answer that is not ClearML's
    ├── ApiError                the server said no
    │   ├── BadRequest          400
    │   │   └── NotFound        400 with an "invalid id" subcode, or 404
    │   ├── Unauthorized        401
    │   └── Forbidden           403
    ├── ParameterError          a value or name that the notebook does not take
    ├── NotebookError           a file that is no runnable notebook
    ├── BundleError             a bundle that is damaged, unsafe or of another format
    └── SubmitError             a submission that cannot be enqueued as asked
        └── GpusError           its GPUs are not to be had in that queue
"""


class ClearMLError(Exception):
    """Root of everything that this package raises on purpose."""


class CredentialsError(ClearMLError):
    """No usable credentials: the message says where they were looked for."""


class Unreachable(ClearMLError):
    """The server did not answer usefully within the time allowed."""


class ProtocolError(ClearMLError):
    """Something answered that does not speak ClearML's protocol."""


class ApiError(ClearMLError):
    """The server refused a request; `status`, `subcode` and `endpoint` say which."""

    def __init__(
        self, message: str, *, endpoint: str = "", status: int = 0, subcode: int = 0
    ) -> None:
        """Keep the numbers of the answer beside its text."""
        super().__init__(message)
        self.endpoint = endpoint
        self.status = status
        self.subcode = subcode


class BadRequest(ApiError):
    """The request itself is at fault (400)."""


class NotFound(BadRequest):
    """There is no such task, project, queue or file (or it may not be seen)."""


class Unauthorized(ApiError):
    """The credentials are wrong, revoked or expired (401)."""


class Forbidden(ApiError):
    """The credentials are good, but do not permit this (403)."""


class ParameterError(ClearMLError):
    """A parameter's name or value is not one that the notebook takes."""


class NotebookError(ClearMLError):
    """The file is not a notebook that could be run."""


class BundleError(ClearMLError):
    """The bundle is damaged, unsafe, too large or of an unknown format."""


class SubmitError(ClearMLError):
    """The submission cannot be enqueued as asked."""


class GpusError(SubmitError):
    """The GPUs that are asked for are not to be had; `field` is the option at fault.

    It is one of `options.WISHES`: `gpus` (their number), `gpu_model`, ...
    """

    def __init__(self, message: str, *, field: str) -> None:
        """Keep the field beside the text."""
        super().__init__(message)
        self.field = field
