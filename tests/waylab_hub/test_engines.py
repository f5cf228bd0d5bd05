"""How the hub's machine meets container engines, real ones."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.waylab_engine.tiny import IMAGE, build
from tests.waylab_engine.values import LIMITS

from waylab_engine import plans
from waylab_engine.address import EngineAddress
from waylab_engine.engine import Engine
from waylab_engine.plans import Ground, Occupant, Program, Wish
from waylab_hub.checks import Verdict
from waylab_hub.engine_checks import engine_checks
from waylab_hub.engines import NodeEngine, engines_of, machines_own
from waylab_hub.lab_containers import end_containers
from waylab_ledger.values import Holder
from waylab_rig.requirements import requirements
from waylab_rig.rig import RunningEngine, start_engine
from waylab_site.inventory import this_machine
from waylab_site.loading import load
from waylab_site.state import State

pytestmark = pytest.mark.docker

_SITE = """
[site]
internal_address = "127.0.0.1"

[[nodes]]
name = "n1"
address = "local"
devices = "cpu"
engine = "{engine}"

[[queues]]
name = "default"
nodes = "all"

[[images]]
name = "{image}"
title = "An image"
reference = "{reference}"

[[profiles]]
name = "standard"
title = "Standard"
"""


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningEngine]:
    missing = requirements()
    if missing is not None:
        pytest.skip(missing)
    folder = tmp_path_factory.mktemp("node")
    with start_engine("n1", (), folder) as node:
        with node.engine() as engine:
            build(engine, folder)
        yield node


@pytest.fixture
def state(tmp_path: Path, node: RunningEngine) -> State:
    state = State.open(tmp_path / "state", open_root=tmp_path / "open")
    _declare(state, node.address.url)
    return state


def _declare(state: State, engine: str, reference: str = IMAGE.reference) -> None:
    text = _SITE.format(engine=engine, image=IMAGE.name, reference=reference)
    state.site_file.write_text(text, "utf-8")


def _run(engine: Engine, holder: Holder, site: str = "site") -> str:
    ground = Ground(
        site_id=site,
        node="n1",
        engine=engine.info(),
        images=(IMAGE,),
        host="127.0.0.1",
    )
    occupant = Occupant(holder, "ann")
    program = Program(("/do", "stubborn", "wait"), {}, working_dir="/")
    container = engine.create(plans.job(ground, occupant, LIMITS, program, Wish()))
    engine.start(container)
    return container


def _nodes(state: State) -> tuple[NodeEngine, ...]:
    return engines_of(load(state.site_file, this_machine()), state.engines)


def test_a_full_stop_ends_the_labs_on_engines_and_nothing_else(
    state: State, node: RunningEngine
) -> None:
    with node.engine() as engine:
        labs = [_run(engine, Holder.lab("ann", name)) for name in ("", "two")]
        job = _run(engine, Holder.job("t1"))
        foreign = _run(engine, Holder.lab("ann", ""), site="other")

        told = end_containers(_nodes(state), "site")

        left = {c["Id"] for site in ("site", "other") for c in engine.find(site)}
        for container in (job, foreign):
            engine.remove(container, force=True)
    assert told == ()
    assert left == {job, foreign}
    assert not left & set(labs)


def test_a_full_stop_tells_of_an_engine_that_does_not_answer(
    state: State, tmp_path: Path
) -> None:
    _declare(state, f"unix://{tmp_path}/nobody.sock")

    (told,) = end_containers(_nodes(state), "site")

    assert told.startswith("Labs on n1 may go on:")


def _own(state: State, address: EngineAddress) -> NodeEngine:
    site = load(state.site_file, this_machine())
    return machines_own(site.nodes[0], site, address)


def test_a_machines_engine_is_used_where_it_answers_and_has_an_image(
    state: State, node: RunningEngine, tmp_path: Path
) -> None:
    used = _own(state, node.address)
    absent = _own(state, EngineAddress(f"unix://{tmp_path}/nobody.sock"))
    dead = tmp_path / "dead.sock"
    dead.touch()
    silent = _own(state, EngineAddress(f"unix://{dead}"))
    _declare(state, node.address.url, reference="waylab/elsewhere")
    lacking = _own(state, node.address)

    assert used.address == node.address
    assert used.why.endswith(f"which has {IMAGE.reference}")
    assert absent.address is silent.address is lacking.address is None
    assert absent.why.startswith("processes, as there is no container engine here")
    assert "does not answer" in silent.why
    assert lacking.why.endswith("has none of the images waylab/elsewhere")


def test_the_doctor_looks_at_engines_and_their_images(
    state: State, node: RunningEngine, tmp_path: Path
) -> None:
    (well,) = engine_checks(state)
    _declare(state, node.address.url, reference="waylab/elsewhere")
    (lacking,) = engine_checks(state)
    _declare(state, f"unix://{tmp_path}/nobody.sock")
    (away,) = engine_checks(state)

    assert well.verdict is Verdict.OK
    assert well.text.startswith(f"containers of {node.address}; Docker ")
    assert lacking.verdict is Verdict.WARNING
    assert lacking.text.endswith("not there yet, pulled at need: waylab/elsewhere")
    assert away.verdict is Verdict.BAD
    assert "Labs and jobs of n1 wait for it" in away.text
