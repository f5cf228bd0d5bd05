"""Hostile wishes of users, and a judge of what the engine would be asked for.

The judge knows nothing of how plans are made: it reads the request that would go to the
engine, and holds it against what the site and the lease allow.
"""

from __future__ import annotations

import posixpath
import random
import re
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from docker.types import ContainerConfig, HostConfig
from tests.benchmarks.faults import Findings

from waylab_engine import arguments, plans
from waylab_engine.errors import PlanError
from waylab_engine.info import EngineInfo
from waylab_engine.plan import ContainerPlan
from waylab_engine.plans import Ground, Limits, Occupant, Program, Wish
from waylab_ledger.values import Holder
from waylab_site.model import Homes, HomesKind, Image, Profile, Share
from waylab_spawner.errors import OptionsError
from waylab_spawner.offers import NodePlace, Offers, PlaceKind
from waylab_spawner.options import choose

ROUND = 100_000
GIB = 1024**3
GPUS = tuple(f"GPU-0000000{n}-0000-4000-8000-000000000000" for n in range(6))
_IMAGES = (
    Image(name="torch", title="T", reference="waylab/torch:2"),
    Image(name="base", title="B", reference="waylab/base:1", nodes=("vision",)),
    Image(name="llm", title="L", reference="waylab/llm:1", nodes=("nlp",)),
)
_SHARES = (
    Share(name="data", mount="/data", path="/srv/data"),
    Share(name="own", mount="/scratch/{user}", path="/srv/s/{user}", mode="rw"),
    Share(name="nlp", mount="/nlp", volume="nlp", mode="rw", groups=("nlp",)),
)
_LIMITS = Limits(cpus=8, memory_bytes=32 * GIB)
_OURS = {"CLEARML_API_HOST": "http://here", "JUPYTERHUB_API_TOKEN": "secret"}
_NAMES = (
    *("ann", "bob", "Ann", "root", "../ann", "..", "ann/../bob", "/", "a:b", "a b"),
    *("{user}", "ann\n", "ä", "-v", "$HOME", "", "a" * 300, "ann--275c1c10", "%2e"),
)
_WORDS = (
    *("--privileged", "--privileged=true", "-v", "-v/:/h", "--volume=/:/h", "--mount"),
    *("--device=/dev/sda", "--gpus", "--gpus=all", "--runtime=nvidia", "--pid=host"),
    *(
        "--net=host",
        "--network",
        "--ipc=host",
        "--ipc",
        "private",
        "host",
        "--uts=host",
    ),
    *("--cap-add=ALL", "--security-opt=seccomp=unconfined", "-u0", "--user=0", "-it"),
    *("--entrypoint=sh", "--cgroup-parent=/", "--userns=host", "--volumes-from=x"),
    *("-e", "--env", "--env-file=/etc/shadow", "--label=org.waylab.lease=x", "--", "-"),
    *("-m", "--memory", "--cpus", "--shm-size", "--ulimit", "--name=x", "--rm", "-d"),
    *(
        "/var/run/docker.sock:/s",
        "ubuntu",
        "$(id)",
        "`id`",
        ";",
        "&&",
        "\n",
        "\t",
        "\0",
    ),
)
_VALUES = (
    *("all", "8g", "1t", "-1", "0", "1e9", "nan", "inf", "999999999999g", "memlock=-1"),
    *("stack=1:2", "nofile=1", "A=1", "NVIDIA_VISIBLE_DEVICES=all", "LD_PRELOAD=/x"),
    *("CUDA_VISIBLE_DEVICES=0", "nvidia_visible_devices=all", "HOME=/", "A=\n", "=x"),
    *(
        "WAYLAB_DEVICES=x",
        "CLEARML_API_HOST=http://evil",
        "A=1,NVIDIA_VISIBLE_DEVICES=a",
    ),
    *("JUPYTERHUB_API_TOKEN=x", GPUS[5], "type=bind,src=/,dst=/h", "4", "1.5"),
)
_WANTED_IMAGES = (
    *(None, "", "torch", "base", "llm", "waylab/torch:2", "waylab/torch", "ubuntu"),
    *("docker.io/waylab/torch:2", "waylab/llm:1", "evil/torch:2", "-v", "torch:2", " "),
    *("waylab/torch:2@sha256:" + "0" * 64, "TORCH", "../torch", "torch\0", "torch\n"),
)
_PROFILES = (
    Profile(name="cpu", title="C", cpus=4, memory_gib=16),
    Profile(name="some", title="S", cpus=4, memory_gib=16, gpus=1, max_gpus=3),
    Profile(name="one", title="O", cpus=4, memory_gib=16, gpus=1, images=("base",)),
)
_OFFERS = Offers(
    _PROFILES,
    _IMAGES,
    (NodePlace(node="vision", kind=PlaceKind.ENGINE, engine_url="unix:///v.sock"),),
)
_ODD_KEYS = (
    *("privileged", "mounts", "volumes", "user", "command", "environment", "cap_add"),
    *("devices", "network_mode", "host_config", "__class__", "profile ", "", "Image"),
)
_ODD: tuple[object, ...] = (
    *(None, True, False, 0, -1, 2, 7, 10**30, 1.5, float("nan"), float("inf")),
    *("", "2", "vision", "nlp", "../x", "a" * 300, "\0", "one\n", ["torch"], [], {}),
    *({"$ref": "/"}, [GPUS[5]], ("torch",), b"torch"),
)


def run_round(folder: Path, dice: random.Random) -> Findings:
    """Plan a round's number of wishes: a suite of `make soak`."""
    del folder
    return run(dice, ROUND)


def run(dice: random.Random, count: int) -> Findings:
    """Plan so many wishes, and judge every plan."""
    findings = Findings()
    owners: dict[str, str] = {}
    planned = {True: 0, False: 0}
    for number in range(count):
        wish = _Wished(dice)
        try:
            plan = wish.plan()
        except (PlanError, OptionsError, ValueError) as refusal:
            if not str(refusal):
                findings.wrong.append(f"{number}: {wish}: refused without a word")
            continue
        planned[wish.is_lab] += 1
        wrong = [*_wrong(plan, wish), *_foreign(plan, wish, owners)]
        findings.wrong += [f"{number}: {wish}: {one}" for one in wrong]
    findings.summary = (
        f"{count} wishes; planned: {planned[True]} labs, {planned[False]} jobs"
    )
    return findings


def counted(findings: Findings) -> tuple[int, int]:
    """Give how many labs and jobs a run has planned."""
    found = re.search(r"planned: (\d+) labs, (\d+) jobs", findings.summary)
    return (int(found[1]), int(found[2])) if found else (0, 0)


class _Wished:
    """One wish; some of its parts are reasonable, so that many come through."""

    def __init__(self, dice: random.Random) -> None:
        self.user = dice.choice(_NAMES)
        self.groups = tuple(dice.sample(("nlp", "vision", "admin"), dice.randrange(3)))
        self.image = dice.choice(_WANTED_IMAGES)
        self.gpus = tuple(dice.sample(GPUS, dice.randrange(3)))
        self.is_lab = dice.random() < 0.3
        self.cdi = dice.random() < 0.3
        self.folders = dice.random() < 0.5
        self.arguments = "" if dice.random() < 0.2 else _arguments(dice)
        self.options = _options(dice) if self.is_lab else {}

    def __str__(self) -> str:
        return repr(vars(self))

    def plan(self) -> ContainerPlan:
        choice = choose(self.options, _OFFERS) if self.is_lab else None
        if choice is not None:  # The ledger gives as many as were chosen.
            self.gpus = GPUS[: choice.gpus]
        homes = Homes(kind=HomesKind.FOLDER, path="/srv/homes/{user}")
        ground = Ground(
            site_id="site",
            node="vision",
            engine=EngineInfo("ID", cdi=self.cdi, cpus=16),
            images=_IMAGES,
            homes=homes if self.folders else Homes(),
            shares=_SHARES,
        )
        holder = Holder.lab(self.user) if self.is_lab else Holder.job("t1")
        who = Occupant(holder, self.user, self.groups, "lease-1", self.gpus)
        program = Program(("clearml-agent",), _OURS)
        if choice is not None and choice.image is not None:
            return plans.lab(
                ground, who, choice.profile, program, image=choice.image.reference
            )
        options = arguments.parse(self.arguments)
        wish = Wish(image=self.image, options=options)
        return plans.job(ground, who, _LIMITS, program, wish)


def _options(dice: random.Random) -> dict[str, object]:
    """Write what a user might send over REST instead of the form's options."""
    options: dict[str, object] = {}
    if dice.random() < 0.9:
        options["profile"] = dice.choice(("cpu", "some", "some", "one", "p"))
    if dice.random() < 0.5:
        options["image"] = dice.choice(_WANTED_IMAGES)
    if dice.random() < 0.4:
        options["gpus"] = dice.choice((0, 1, 2, 3, 4, *_ODD))
    if dice.random() < 0.3:
        options["time_limit_hours"] = dice.choice((1.0, 0.1, 1e300, *_ODD))
    if dice.random() < 0.3:
        options["node"] = dice.choice(("vision", "nlp", *_ODD))
    if dice.random() < 0.3:
        options[dice.choice(_ODD_KEYS)] = dice.choice(_ODD)
    if dice.random() < 0.1:
        options["lease"] = dice.choice(_ODD)
    return options


def _arguments(dice: random.Random) -> str:
    harmless = ("-e A=1", "--cpus 2", "-m 4g", "--shm-size=1g", "--ipc private")
    if dice.random() < 0.4:
        return " ".join(dice.sample(harmless, dice.randrange(1, 4)))
    words = [
        dice.choice(_WORDS if dice.random() < 0.6 else _VALUES)
        for _ in range(dice.randrange(1, 6))
    ]
    if dice.random() < 0.2:
        words.append("".join(chr(dice.randrange(1, 0x250)) for _ in range(8)))
    return " ".join(words) if dice.random() < 0.5 else shlex.join(words)


def _wrong(plan: ContainerPlan, wish: _Wished) -> Sequence[str]:
    """Say what of the request to the engine is not allowed."""
    kwargs = plan.create_kwargs()
    del kwargs["name"], kwargs["use_config_proxy"]
    host = HostConfig(version="1.41", **plan.host_kwargs())
    config: dict[str, Any] = ContainerConfig(
        version="1.41", host_config=host, **{"detach": True, **kwargs}
    )
    environment = dict(entry.split("=", 1) for entry in config["Env"])
    asked = [one for r in host.get("DeviceRequests") or () for one in r["DeviceIDs"]]
    visible = "void" if wish.cdi or not wish.gpus else ",".join(wish.gpus)
    uuids = {name.removeprefix("nvidia.com/gpu=") for name in asked}
    allowed = {
        "a privilege": not host.get("Privileged") and host["CapDrop"] == ["ALL"],
        "a capability": not host.get("CapAdd"),
        "a security option": host["SecurityOpt"] == ["no-new-privileges"],
        "a namespace": host["IpcMode"] == "private"
        and host["NetworkMode"] == "bridge"
        and not {"PidMode", "UTSMode", "UsernsMode", "CgroupParent"} & set(host),
        "a device": not {"Devices", "DeviceCgroupRules", "Runtime"} & set(host),
        "another's GPU": uuids == set(wish.gpus) and len(asked) == len(wish.gpus),
        "visible GPUs": environment["NVIDIA_VISIBLE_DEVICES"] == visible,
        "a variable twice": len(environment) == len(config["Env"]),
        "our variables": all(environment[k] == v for k, v in _OURS.items()),
        "an image": config["Image"] in {"waylab/torch:2", "waylab/base:1"},
        "a user": config["User"] == "1000:1000",
        "an entry point": not config["Entrypoint"]
        and config["Cmd"] == ["clearml-agent"],
        "limits": 0 < host["NanoCpus"] <= 8e9
        and 0 < host["Memory"] <= 32 * GIB
        and host["MemorySwap"] == host["Memory"]
        and 0 < host["ShmSize"] <= host["Memory"]
        and host["PidsLimit"] == 4096,
        "a ulimit": all(
            limit["Name"] in {"memlock", "stack"} for limit in host.get("Ulimits") or ()
        ),
        "a label": config["Labels"]["org.waylab.lease"] == "lease-1"
        and config["Labels"]["org.waylab.devices"] == ",".join(wish.gpus),
        "a line break": not any("\n" in one for one in (plan.name, plan.image)),
    }
    return [name for name, is_right in allowed.items() if not is_right]


def _foreign(
    plan: ContainerPlan, wish: _Wished, owners: dict[str, str]
) -> Sequence[str]:
    """Say which mounts are neither the user's own nor a share of the user's groups."""
    host = HostConfig(version="1.41", **plan.host_kwargs())
    seen = [(m["Source"], m["Target"], m["ReadOnly"]) for m in host.get("Mounts") or ()]
    for bind in host.get("Binds") or ():
        source, target, mode = bind.split(":")
        seen.append((source, target, mode == "ro"))
    wrong = []
    for source, target, read_only in seen:
        own = re.fullmatch(
            r"/srv/(?:homes|s)/[a-z0-9_-]+|waylab-[0-9a-f]{8}-home-[a-z0-9_-]+", source
        )
        if own and owners.setdefault(source, wish.user) != wish.user:
            wrong.append(f"the folder {source} of {owners[source]!r}")
        shared = {"/srv/data": ("/data", True), "nlp": ("/nlp", False)}.get(source)
        if source == "nlp" and "nlp" not in wish.groups:
            wrong.append("a share of another group")
        if not own and shared != (target, read_only):
            wrong.append(f"the mount {source} at {target}")
        if own and not re.fullmatch(r"/home/lab|/scratch/[a-z0-9_-]+", target):
            wrong.append(f"the place {target}")
        if posixpath.normpath(source) != source or posixpath.normpath(target) != target:
            wrong.append(f"a way out in {source} or {target}")
    return wrong
