"""Values that the tests of plans share."""

from __future__ import annotations

from waylab_engine.info import EngineInfo
from waylab_engine.plans import Ground, Limits, Occupant, Program
from waylab_ledger.values import Holder
from waylab_site.model import Homes, HomesKind, Image, Profile, Share

GPU = "GPU-6d72b3af-74b6-52cf-ae36-0457ee0caf15"
OTHER_GPU = "GPU-ddff299a-5b33-5b72-bea6-bc413ae71977"
GIB = 1024**3

IMAGES = (
    Image(name="torch", title="Torch", reference="registry.example/torch:2.5"),
    Image(name="base", title="Base", reference="waylab/base:1", nodes=("vision",)),
    Image(name="llm", title="LLM", reference="waylab/llm:1", nodes=("nlp",)),
)
SHARES = (
    Share(name="data", mount="/data", path="/srv/data"),
    Share(name="scratch", mount="/scratch/{user}", path="/srv/s/{user}", mode="rw"),
    Share(name="models", mount="/models", volume="models", mode="rw", groups=("nlp",)),
)
FOLDERS = Homes(kind=HomesKind.FOLDER, path="/srv/homes/{user}")
LIMITS = Limits(cpus=4, memory_bytes=8 * GIB)
PROGRAM = Program(("jupyterhub-singleuser",), {"JUPYTERHUB_USER": "ann"}, ports=(8888,))


def ground(**fields: object) -> Ground:
    values: dict[str, object] = {
        "site_id": "site",
        "node": "vision",
        "engine": EngineInfo("ID", cpus=16),
        "images": IMAGES,
        "shares": SHARES,
        "host": "127.0.0.2",
    }
    return Ground(**{**values, **fields})  # type: ignore[arg-type]


def job_of(user: str = "ann", **fields: object) -> Occupant:
    values: dict[str, object] = {
        "holder": Holder.job("t1"),
        "user": user,
        "lease": "lease-1",
        "devices": (GPU,),
    }
    return Occupant(**{**values, **fields})  # type: ignore[arg-type]


def profile(**fields: object) -> Profile:
    values: dict[str, object] = {"name": "p", "title": "P", "cpus": 2, "memory_gib": 4}
    return Profile.model_validate({**values, **fields})
