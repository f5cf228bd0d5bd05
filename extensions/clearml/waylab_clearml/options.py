"""What a run asks of Waylab itself, as ClearML shows and edits it."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from waylab_clearml.errors import GpusError

OPTION_SECTION = "Waylab"
TIME_LIMIT = "time_limit_seconds"
GPUS = "gpus"
GPU_MODEL = "gpu_model"
NODE = "node"
GPU_MIN_MEMORY = "gpu_min_memory_gib"
MIG_PROFILE = "mig_profile"
WISHES = (GPUS, GPU_MODEL, NODE, GPU_MIN_MEMORY, MIG_PROFILE)
"""The options that make up a `GpuWish`."""
MOST_GPUS = 64
MODEL_LENGTH = 80
NODE_LENGTH = 80
MOST_MEMORY_GIB = 65536
PROFILE_LENGTH = 40
_MIG_PROFILE = re.compile(r"[0-9]+g\.[0-9]+gb(\+\w+)*", re.ASCII)


@dataclass(frozen=True)
class GpuWish:
    """How many GPUs, of which kind, and where; None leaves it to the queue.

    `model` is a part of the model's name, `min_memory_gib` of each GPU. A
    `mig_profile` (`1g.10gb`) asks for slices in place of whole GPUs. `node` names one
    of those that serve the queue, for a job without a GPU, too.
    """

    count: int | None = None
    model: str | None = None
    node: str | None = None
    min_memory_gib: float | None = None
    mig_profile: str | None = None

    @property
    def kinds(self) -> dict[str, str]:
        """Give what of it only a GPU has, by its option, in words."""
        found = {}
        if self.mig_profile:
            found[MIG_PROFILE] = f"a slice {self.mig_profile}"
        if self.model:
            found[GPU_MODEL] = f"a {self.model!r}"
        if self.min_memory_gib:
            found[GPU_MIN_MEMORY] = f"of {self.min_memory_gib:g} GiB"
        return found


def item(section: str, name: str, value: str, kind: str, text: str) -> dict[str, str]:
    """Give a parameter as ClearML keeps it; `text` explains it."""
    return {
        "section": section,
        "name": name,
        "value": value,
        "type": kind,
        "description": text,
    }


def gpu_options(wish: GpuWish) -> dict[str, dict[str, str]]:
    """Give the options of a wish by name; what is left to the queue is left out.

    Raises:
        GpusError: it makes no sense anywhere.
    """
    _check_sense(wish)
    found = {}
    if wish.count is not None:
        text = "GPUs that the run needs; empty: as many as its queue says."
        found[GPUS] = _option(GPUS, str(wish.count), "Optional[int]", text)
    if model := (wish.model or "").strip():
        text = "A part of the GPUs' model; empty: any."
        found[GPU_MODEL] = _option(GPU_MODEL, model, "Optional[str]", text)
    if (memory := wish.min_memory_gib) is not None:
        text = "GiB that each GPU must have; empty: any."
        kind = "Optional[float]"
        found[GPU_MIN_MEMORY] = _option(GPU_MIN_MEMORY, f"{memory:g}", kind, text)
    if profile := wish.mig_profile:
        text = "The profile of MIG slices, in place of whole GPUs; empty: whole ones."
        found[MIG_PROFILE] = _option(MIG_PROFILE, profile, "Optional[str]", text)
    if node := wish.node:
        text = "The node that it must run on; empty: any that serves the queue."
        found[NODE] = _option(NODE, node, "Optional[str]", text)
    return found


def _check_sense(wish: GpuWish) -> None:
    if wish.count is not None and not 0 <= wish.count <= MOST_GPUS:
        msg = f"The number of GPUs is {wish.count}, but must be 0 to {MOST_GPUS}."
        raise GpusError(msg, field=GPUS)
    model = (wish.model or "").strip()
    if len(model) > MODEL_LENGTH or not model.isprintable():
        msg = f"{model[:MODEL_LENGTH]!r} is no model of a GPU."
        raise GpusError(msg, field=GPU_MODEL)
    memory = wish.min_memory_gib
    if memory is not None and not 0 <= memory < math.inf:
        msg = f"The least memory of a GPU is {memory:g} GiB, but must be 0 or more."
        raise GpusError(msg, field=GPU_MIN_MEMORY)
    profile = wish.mig_profile
    if profile and not _MIG_PROFILE.fullmatch(profile):
        msg = f"{profile[:PROFILE_LENGTH]!r} is no profile of a slice, as 1g.10gb is."
        raise GpusError(msg, field=MIG_PROFILE)
    node = wish.node or ""
    if len(node) > NODE_LENGTH or not node.isprintable():
        msg = f"{node[:NODE_LENGTH]!r} is no name of a node."
        raise GpusError(msg, field=NODE)
    if wish.count == 0:
        for name, kind in wish.kinds.items():
            msg = f"No GPUs are asked for, so none can be {kind}."
            raise GpusError(msg, field=name)


def _option(name: str, value: str, kind: str, text: str) -> dict[str, str]:
    return item(OPTION_SECTION, name, value, kind, text)
