"""Routes for looking at runs, and for stopping and repeating them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from waylab_clearml import queues, runs
from waylab_clearml.client import Client
from waylab_clearml.names import MIN_NAME
from waylab_clearml.runs import RunQuery, RunState
from waylab_lab import answers
from waylab_lab.base import FormError, WaylabHandler, route
from waylab_lab.form_fields import GpuFields, repeatable, wrong_parameters
from waylab_lab.outputs import SavedOutput

_PAGE_LIMIT = 200


class _Query(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
    user: str = ""
    project: str = ""
    queue: str = ""
    state: RunState | None = None
    text: str = ""
    page: int = Field(0, ge=0)
    page_size: int = Field(50, ge=1, le=_PAGE_LIMIT)


class _Rerun(GpuFields):
    parameters: dict[str, Any] = Field(default_factory=dict)
    queue: str = Field(min_length=1)
    name: str = Field(min_length=MIN_NAME, max_length=200)
    idempotency_key: str = Field(min_length=8, max_length=100)


class WatchHandler(WaylabHandler):
    """A route that views ask again and again.

    Being watched is no activity: an idle lab with its sidebar open may still be culled.
    """

    _track_activity = False


class RunsHandler(WatchHandler):
    """`GET runs`: a page of the list."""

    @route
    async def get(self) -> None:
        """Answer `{runs, total}`."""
        given = {
            name: value
            for name in self.request.query_arguments
            if (value := self.get_query_argument(name))
        }
        try:
            query = _Query.model_validate(given)
        except ValidationError as error:
            raise FormError(
                {str(one["loc"][0]): one["msg"] for one in error.errors()}
            ) from error
        page = await self.connection.glance(
            runs.list_runs,
            RunQuery(
                user=query.user or None,
                project=query.project or None,
                queue=query.queue or None,
                state=query.state,
                text=query.text,
                page=query.page,
                page_size=query.page_size,
            ),
        )
        self.finish(
            {"runs": [answers.run_row(run) for run in page.runs], "total": page.total}
        )


class RunHandler(WatchHandler):
    """`GET runs/<id>`: one run with its details."""

    @route
    async def get(self, run_id: str) -> None:
        """Answer the run."""
        run = await self.connection.glance(runs.get_run, run_id)
        client = self.connection.client()
        rights = await self.connection.rights()
        may_change = rights.may_change(run.owner_id)
        files_url = client.credentials.files_url
        self.finish(answers.run_details(run, files_url, may_change=may_change))


class LogHandler(WatchHandler):
    """`GET runs/<id>/log?after=<cursor>`: the console log, page by page."""

    @route
    async def get(self, run_id: str) -> None:
        """Answer `{lines, cursor, complete}`."""
        after = self.get_query_argument("after", None) or None
        page = await self.connection.glance(runs.read_log, run_id, after=after)
        self.finish(answers.log_page(page))


class ScalarsHandler(WatchHandler):
    """`GET runs/<id>/scalars`: curves and single values."""

    @route
    async def get(self, run_id: str) -> None:
        """Answer `{series, values}`."""
        series, values = await asyncio.gather(
            self.connection.glance(runs.scalars, run_id),
            self.connection.glance(runs.single_values, run_id),
        )
        self.finish(answers.curves(series, values))


class AbortHandler(WaylabHandler):
    """`POST runs/<id>/abort`."""

    @route
    async def post(self, run_id: str) -> None:
        """Ask for the stop and answer the run as it then is."""
        run = await self.connection.act(runs.abort, run_id)
        self.finish(answers.run_row(run))


class RerunHandler(WaylabHandler):
    """`GET runs/<id>/rerun`: the fields to edit; `POST` runs it again with them."""

    @route
    async def get(self, run_id: str) -> None:
        """Answer `{parameters}`, each with the value that the run had."""
        declared, given = await self.connection.act(repeatable, run_id)
        self.finish(
            {
                "parameters": [
                    answers.parameter_field(parameter, given.get(parameter.name))
                    for parameter in declared
                ]
            }
        )

    @route
    async def post(self, run_id: str) -> None:
        """Clone, enqueue, and answer where the clone stands."""
        wish = self.body(_Rerun)
        if wish.parameters:
            declared, _ = await self.connection.act(repeatable, run_id)
            wrong = wrong_parameters(declared, wish.parameters)
            if wrong:
                raise FormError(wrong)
        result = await self.connection.act(
            runs.rerun,
            run_id,
            wish.parameters,
            wish.queue,
            wish.name,
            gpus=wish.gpu_wish,
            idempotency_key=wish.idempotency_key,
        )
        self.set_status(201)
        self.finish(answers.submitted(result))


class OutputHandler(WaylabHandler):
    """`POST runs/<id>/output`: save the output notebook into the user's folder."""

    @route
    async def post(self, run_id: str) -> None:
        """Answer `{path, final, changed}`; the path is the file browser's."""
        saved = await self.connection.act(
            self._save, run_id, await self.connection.user_id()
        )
        self.finish(
            {
                "path": self.root.contents_path(saved.path),
                "final": saved.final,
                "changed": saved.changed,
            }
        )

    def _save(self, client: Client, run_id: str, user_id: str) -> SavedOutput:
        return self.outputs.save(client, run_id, user_id)


class ArtifactHandler(WaylabHandler):
    """`GET runs/<id>/artifacts/<key>`: a file of a run, to be saved and not shown."""

    @route
    async def get(self, run_id: str, quoted_key: str) -> None:
        """Send the file as an attachment: what a run made never renders in the lab."""
        key = unquote(quoted_key)
        found = await self.connection.glance(runs.artifacts, run_id)
        artifact = next((one for one in found if one.key == key), None)
        if artifact is None:
            self.refuse(404, "not-found", f"The run has no artifact {key!r}.")
            return
        pieces = await self.connection.act(Client.download, artifact.uri)
        piece = await self.connection.thread(_next, pieces)
        name = PurePosixPath(unquote(urlsplit(artifact.uri).path)).name or key
        self.set_header(
            "Content-Disposition", f"attachment; filename*=UTF-8''{quote(name)}"
        )
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Content-Type", "application/octet-stream")
        while piece is not None:
            self.write(piece)
            await self.flush()
            piece = await self.connection.thread(_next, pieces)
        self.finish(set_content_type="application/octet-stream")


class QueuesHandler(WatchHandler):
    """`GET queues`: what the form offers."""

    @route
    async def get(self) -> None:
        """Answer `{queues}`."""
        found = await self.connection.glance(queues.list_queues)
        self.finish({"queues": [answers.queue_choice(queue) for queue in found]})


class ProjectsHandler(WatchHandler):
    """`GET projects`: names for the filter and the form."""

    @route
    async def get(self) -> None:
        """Answer `{projects}`."""
        self.finish({"projects": await self.connection.glance(_project_names)})


def _project_names(client: Client) -> list[str]:
    answer = client.call(
        "projects.get_all", {"only_fields": ["name"], "order_by": ["name"]}
    )
    return [str(project["name"]) for project in answer.get("projects", [])]


def _next(pieces: Iterator[bytes]) -> bytes | None:
    return next(pieces, None)
