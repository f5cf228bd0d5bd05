"""Routes of the form "Run remotely": what it asks, and what it sends."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from waylab_clearml import parameters, submit
from waylab_clearml.errors import NotFound
from waylab_clearml.names import MIN_NAME
from waylab_clearml.notebooks import read_notebook
from waylab_clearml.submit import Submission
from waylab_lab import answers
from waylab_lab.base import FormError, WaylabHandler, route
from waylab_lab.form_fields import GpuFields, wrong_parameters
from waylab_lab.paths import PathError, common_folder


class _Question(BaseModel):
    """Either a file's path, or the notebook as it is in the editor (no outputs)."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    path: str | None = None
    notebook: dict[str, Any] | None = None


class _Form(GpuFields):
    path: str = Field(min_length=1)
    queue: str = Field(min_length=1)
    name: str = Field(min_length=MIN_NAME, max_length=200)
    project: str = Field(min_length=MIN_NAME, max_length=200)
    parameters: dict[str, Any] = Field(default_factory=dict)
    files: tuple[str, ...] = ()
    time_limit_seconds: int | None = Field(None, ge=1)
    idempotency_key: str = Field(min_length=8, max_length=100)


class ParametersHandler(WaylabHandler):
    """`POST parameters {path | notebook}`: the fields that a notebook declares."""

    @route
    async def post(self) -> None:
        """Answer `{parameters}`."""
        question = self.body(_Question)
        if question.notebook is not None:
            notebook = question.notebook
        else:
            notebook = read_notebook(self.root.resolve(question.path or ""))
        found = parameters.infer(notebook)
        self.finish(
            {"parameters": [answers.parameter_field(parameter) for parameter in found]}
        )


class SubmitHandler(WaylabHandler):
    """`POST submit`: freeze a notebook and enqueue it."""

    @route
    async def post(self) -> None:
        """Answer where the new run stands, or the fields at fault."""
        form = self.body(_Form)
        submission = self._checked(form)
        try:
            result = await self.connection.act(submit.submit, submission)
        except NotFound as error:
            raise FormError({"queue": str(error)}) from error
        self.set_status(201)
        self.finish(answers.submitted(result))

    def _checked(self, form: _Form) -> Submission:
        """Raise FormError with every field at fault at once."""
        notebook = self.root.resolve(form.path)
        files, wrong = self._files(form.files)
        wrong |= wrong_parameters(
            parameters.infer(read_notebook(notebook)), form.parameters
        )
        if wrong:
            raise FormError(wrong)
        return Submission(
            notebook=notebook,
            queue=form.queue,
            name=form.name,
            project=form.project,
            parameters=form.parameters,
            files=tuple(files),
            root=common_folder([notebook, *files]),
            time_limit_seconds=form.time_limit_seconds,
            gpus=form.gpus,
            gpu_model=form.gpu_model or None,
            node=form.node or None,
            gpu_min_memory_gib=form.gpu_min_memory_gib,
            mig_profile=form.mig_profile or None,
            idempotency_key=form.idempotency_key,
        )

    def _files(
        self, contents_paths: tuple[str, ...]
    ) -> tuple[list[Path], dict[str, str]]:
        files: list[Path] = []
        for contents_path in contents_paths:
            try:
                path = self.root.resolve(contents_path)
            except PathError as error:
                return files, {"files": str(error)}
            if not path.exists():
                return files, {"files": f"There is no {contents_path!r}: remove it."}
            files.append(path)
        return files, {}
