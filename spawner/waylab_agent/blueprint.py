"""From a task and its lease to the plan of a container."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from waylab_agent.environment import (
    BEGIN_NAME,
    CONFIG_NAME,
    Who,
    begin_order,
    container_environment,
    job_configuration,
)
from waylab_agent.errors import ImageError, StartError
from waylab_agent.journal import JobEntry, JobFolder
from waylab_agent.limits import share_of
from waylab_agent.means import Place
from waylab_agent.orders import worker_of
from waylab_agent.tasks import Wishes, wishes
from waylab_agent.tools import DEFAULTS, TARGET, Tools
from waylab_clearml.environment import sdk_environment
from waylab_clearml.verdict import Reason
from waylab_engine import arguments, plans
from waylab_engine.catalogue import choose
from waylab_engine.errors import ImageRefused, PlanError
from waylab_engine.info import EngineInfo
from waylab_engine.mounts import HOME, Mount
from waylab_engine.plan import ContainerPlan
from waylab_engine.plans import Ground, Identity, Occupant, Program, Wish
from waylab_ledger.values import Device, Holder
from waylab_site.model import Site

WORK = "/run/waylab/job"
"""Where a container sees the folder of its job."""
_OPEN_MODE, _CLOSED_MODE = 0o777, 0o700


@dataclass(frozen=True)
class Drawing:
    """A plan, and the files that are to lie in the job's folder."""

    plan: ContainerPlan
    files: dict[str, str]
    user: str


@dataclass(frozen=True)
class Grounds:
    """What is the same for all containers of a node's jobs."""

    place: Place
    site: Site
    tools: Tools


def draw(
    grounds: Grounds,
    engine: EngineInfo,
    inventory: tuple[Device, ...],
    entry: JobEntry,
    folder: JobFolder,
) -> Drawing:
    """Plan the container of a job: the token is its owner's, the devices its lease's.

    Raises:
        ClearMLError: the server does not answer, or gives no token for this task.
        ImageError: the task's image is not in the site's catalogue.
        StartError: the task asks for what a job cannot have; the text names it.
    """
    place, site, tools = grounds.place, grounds.site, grounds.tools
    credentials, user = place.owners.of(entry)
    wanted = wishes(place.client, entry.task_id)
    wish = _wish(site, wanted, entry.queue)
    ground = _ground(place, site, engine)
    _check_image(ground, wish)
    work = PurePosixPath(WORK)
    worker = worker_of(place, entry)
    who = Who(entry.task_id, entry.claim, worker, user, Path(work))
    environment = container_environment(os.environ, sdk_environment(credentials), who)
    program = Program(
        command=("python3", f"{TARGET}/begin.py"),
        environment={**environment, "CLEARML_CONFIG_PATH": f"{TARGET}/{DEFAULTS}"},
        mounts=(
            Mount(WORK, folder=str(folder.work)),
            Mount(TARGET, folder=str(tools.folder), read_only=True),
        ),
    )
    occupant = Occupant(
        holder=Holder.job(entry.task_id),
        user=user,
        groups=entry.grant.groups,
        lease=entry.grant.id,
        devices=entry.grant.devices,
    )
    limits = share_of(entry.grant.devices, inventory, engine.cpus, engine.memory_bytes)
    try:
        plan = plans.job(ground, occupant, limits, program, wish)
    except PlanError as error:
        raise StartError(str(error)) from error
    cache = Path(HOME) / ".cache" / "waylab" / "clearml-agent"
    files = {
        BEGIN_NAME: begin_order(
            entry.task_id, wanted, work=Path(work), tools=tools.as_order()
        ),
        CONFIG_NAME: job_configuration(
            work=Path(work), cache=cache, worker=worker, kind=_plain(plan.image)
        ),
    }
    return Drawing(plan=plan, files=files, user=user)


def lay_out(folder: JobFolder, files: dict[str, str], identity: Identity) -> None:
    """Make the job's own folder anew, writable for the container's account.

    Raises:
        StartError: the disk refuses.
    """
    try:
        folder.work.mkdir(exist_ok=True)
        for name, text in files.items():
            (folder.work / name).write_text(text, "utf-8")
        for path in (folder.work, *folder.work.iterdir()):
            if os.geteuid() == 0:
                os.chown(path, identity.uid, identity.gid, follow_symlinks=False)
        # Whose it is only root can change; the folder above is closed to all others.
        folder.work.chmod(_CLOSED_MODE if os.geteuid() == 0 else _OPEN_MODE)
    except OSError as error:
        msg = f"The job's folder cannot be made: {error.strerror}."
        raise StartError(msg) from error


def _wish(site: Site, wanted: Wishes, queue: str) -> Wish:
    if wanted.setup_script:
        msg = (
            "The task has a set-up script for its container (container."
            "setup_shell_script), and jobs run none: put it into an image."
        )
        raise StartError(msg)
    try:
        options = arguments.parse(wanted.arguments)
    except PlanError as error:
        raise StartError(str(error)) from error
    default = next((q.image for q in site.queues if q.name == queue), None)
    return Wish(image=wanted.image or None, default_image=default, options=options)


def _check_image(ground: Ground, wish: Wish) -> None:
    try:
        choose(wish.image, ground.images, ground.node, default=wish.default_image)
    except ImageRefused as error:
        raise ImageError(str(error), Reason.IMAGE_MISSING) from error


def _ground(place: Place, site: Site, engine: EngineInfo) -> Ground:
    settings = place.settings
    return Ground(
        site_id=settings.site_id,
        node=settings.node,
        engine=engine,
        images=site.images,
        homes=site.homes,
        shares=site.shares,
        network=settings.network,
    )


def _plain(reference: str) -> str:
    return "".join(c if c.isalnum() or c in "._-" else "-" for c in reference)
