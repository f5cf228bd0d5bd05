from __future__ import annotations

import json
import signal
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import SecretStr

from waylab_engine.address import EngineAddress
from waylab_hub.engines import NodeEngine
from waylab_hub.errors import StartError
from waylab_hub.ports import Ports
from waylab_hub.programs import Blueprint, programs
from waylab_hub.settings import Environment
from waylab_site.inventory import GIB, Gpu, Inventory
from waylab_site.loading import default_text, load, parse
from waylab_site.model import Node
from waylab_site.state import State

CPUS = Inventory((), 8, 32 * GIB)
GPUS = Inventory((Gpu("GPU-1", "A100", GIB), Gpu("GPU-2", "A100", GIB)), 8, 32 * GIB)
SITES = Path(__file__).parents[2] / "templates" / "sites"


def _blueprint(tmp_path: Path, inventory: Inventory = CPUS) -> Blueprint:
    return Blueprint(
        state=State.open(tmp_path / "state", open_root=tmp_path / "open"),
        site=parse(default_text(inventory), "waylab.toml", inventory),
        ports=Ports(public=8000, proxy_api=8001, hub=8002, tracking=8003, board=8004),
        inventory=inventory,
        engines=(),
        templates=Path("/opt/templates"),
        proxy_command=("/opt/proxy",),
        base_environment={"PATH": "/usr/bin"},
    )


def test_no_secret_is_on_a_command_line(tmp_path: Path) -> None:
    blueprint = _blueprint(tmp_path)

    made = programs(blueprint)

    secrets = {path.read_text() for path in blueprint.state.secrets.iterdir()}
    assert len(secrets) == 3
    lines = json.dumps([program.argv for program in made])
    assert not any(secret in lines for secret in secrets)
    assert not any(secret in repr(made) for secret in secrets)


def test_the_ledger_is_a_file_or_the_database_of_the_environment(
    tmp_path: Path,
) -> None:
    url = "postgresql+psycopg://waylab:a-password@db/ledger"
    given = Environment(ledger_url=SecretStr(url))
    blueprint = _blueprint(tmp_path)

    def database(blueprint: Blueprint) -> str:
        board = next(p for p in programs(blueprint) if p.name == "board")
        return board.environment["WAYLAB_BOARD_DATABASE_URL"]

    made = programs(replace(blueprint, ledger_url=given.ledger_database()))
    assert database(blueprint).startswith("sqlite:///")
    assert database(replace(blueprint, ledger_url=given.ledger_database())) == url
    assert "a-password" not in repr(made)
    with pytest.raises(StartError, match="PostgreSQL") as caught:
        Environment(ledger_url=SecretStr("mysql://u:a-password@db")).ledger_database()
    assert "a-password" not in str(caught.value)


def test_the_runs_are_in_a_file_or_the_database_of_environment_or_site(
    tmp_path: Path,
) -> None:
    url, of_site = (
        "postgresql+psycopg://u:a-password@db/runs",
        "postgresql+psycopg:///r",
    )
    blueprint = _blueprint(tmp_path)
    tracking = blueprint.site.tracking.model_copy(update={"database": of_site})
    site = blueprint.site.model_copy(update={"tracking": tracking})
    given = Environment(tracking_database_url=SecretStr(url))

    made = programs(replace(blueprint, tracking_url=given.tracking_database(site)))
    plain = programs(blueprint)

    name = "WAYLAB_TRACKING_DATABASE_URL"
    assert [p.environment[name] for p in made if name in p.environment] == [url]
    assert [p.environment[name] for p in plain if name in p.environment] == [""]
    assert "a-password" not in repr(made)
    assert Environment().databases(site) == {"tracking": of_site}
    assert given.databases() == {"tracking": url}
    with pytest.raises(StartError, match=f"^{name} is no address") as caught:
        Environment(
            tracking_database_url=SecretStr("mysql://u:a-password@db")
        ).databases()
    assert "a-password" not in str(caught.value)


def test_the_keys_of_the_files_store_are_for_tracking_alone(tmp_path: Path) -> None:
    keys = {"AWS_SECRET_ACCESS_KEY": "a-secret"}
    plain = replace(_blueprint(tmp_path), store_environment=keys)
    tracking = plain.site.tracking.model_copy(update={"files": "s3://bucket/folder"})
    remote = replace(plain, site=plain.site.model_copy(update={"tracking": tracking}))

    def informed(blueprint: Blueprint) -> list[str]:
        return [
            p.name
            for p in programs(blueprint)
            if keys.items() <= dict(p.environment).items()
        ]

    assert informed(plain) == []
    assert informed(remote) == ["tracking"]
    [server] = [p for p in programs(remote) if p.name == "tracking"]
    assert server.environment["WAYLAB_TRACKING_FILES_STORE"] == "s3://bucket/folder"
    assert "a-secret" not in repr(programs(remote)) + repr(remote)


def test_the_days_that_old_runs_are_kept_reach_the_tracking_server(
    tmp_path: Path,
) -> None:
    plain = _blueprint(tmp_path)
    days = {"archived_days": 90.0, "logs_days": 30.5, "images_days": 0.0}
    tracking = plain.site.tracking.model_copy(update=days)
    changed = replace(plain, site=plain.site.model_copy(update={"tracking": tracking}))

    [server] = [p for p in programs(changed) if p.name == "tracking"]

    prefix = "WAYLAB_TRACKING_"
    told = {name: server.environment[f"{prefix}{name.upper()}"] for name in days}
    assert {name: float(text) for name, text in told.items()} == days


def test_a_full_stop_aborts_jobs_and_a_restart_does_not(tmp_path: Path) -> None:
    stops = {p.name: p.full_stop for p in programs(_blueprint(tmp_path))}

    assert stops == {
        "tracking": signal.SIGTERM,
        "proxy": signal.SIGTERM,
        "hub": signal.SIGTERM,
        "board": signal.SIGTERM,
        "agent": signal.SIGINT,
    }


def test_tracking_is_told_what_becomes_of_lost_jobs(tmp_path: Path) -> None:
    text = default_text(CPUS).replace(
        'name = "nlp"', 'name = "nlp"\non_lost = "requeue"\nrequeues = 5', 1
    )
    site = parse(text, "waylab.toml", CPUS)

    made = programs(replace(_blueprint(tmp_path), site=site))

    environment = next(p for p in made if p.name == "tracking").environment
    rules = json.loads(environment["WAYLAB_TRACKING_ON_LOST"])
    assert rules["nlp"] == {"action": "requeue", "requeues": 5}
    assert rules["vision"] == {"action": "fail", "requeues": 2}


def test_the_agent_serves_the_queues_by_priority_in_cpu_slots(tmp_path: Path) -> None:
    agent = programs(_blueprint(tmp_path))[-1].environment

    assert agent["WAYLAB_AGENT_QUEUES"] == "vision,nlp,regression,default"
    assert agent["WAYLAB_AGENT_SLOTS"] == "4"
    assert agent["WAYLAB_AGENT_SERVICES_SLOTS"] == "8"
    assert agent["WAYLAB_AGENT_DEVICES"] == "auto"


def test_a_node_that_must_not_use_its_gpus_does_not(tmp_path: Path) -> None:
    blueprint = _blueprint(tmp_path, GPUS)
    text = default_text(CPUS).replace('devices = "auto"', 'devices = "cpu"')
    site = parse(text, "waylab.toml", GPUS)

    agent = programs(replace(blueprint, site=site))[-1].environment

    assert agent["WAYLAB_AGENT_DEVICES"] == ""
    assert "WAYLAB_AGENT_ENGINE" not in agent


def _with_site(blueprint: Blueprint, name: str) -> Blueprint:
    site = load(SITES / name, CPUS)
    return replace(blueprint, site=site, engines=tuple(map(_engine, site.nodes)))


def _engine(node: Node) -> NodeEngine:
    address = EngineAddress(f"unix:///run/{node.name}.sock", "127.66.0.1")
    return NodeEngine(node, address, "", {"LD_LIBRARY_PATH": f"/{node.name}"})


def test_a_site_without_this_machine_has_an_agent_for_services(tmp_path: Path) -> None:
    remote = _with_site(_blueprint(tmp_path), "two-nodes.toml")

    made = {program.name: program.environment for program in programs(remote)}

    assert "agent-vision" not in made
    assert made["agent"]["WAYLAB_AGENT_NODE"] == "hub"
    assert made["agent"]["WAYLAB_AGENT_SLOTS"] == "0"
    assert made["agent"]["WAYLAB_AGENT_SERVICES_SLOTS"] == "8"


def test_simulated_nodes_have_their_agents_here(tmp_path: Path) -> None:
    simulated = _with_site(_blueprint(tmp_path), "two-nodes-simulated.toml")

    queues = {
        program.name: program.environment["WAYLAB_AGENT_QUEUES"]
        for program in programs(simulated)
        if program.name.startswith("agent")
    }

    assert queues == {
        "agent-vision": "vision,default",
        "agent-nlp": "nlp,regression,default",
        "agent": "",
    }


def test_a_simulated_node_has_an_engine_that_its_agent_uses(tmp_path: Path) -> None:
    simulated = _with_site(_blueprint(tmp_path), "two-nodes-simulated.toml")

    made = {program.name: program for program in programs(simulated)}

    engine = made["engine-vision"]
    assert list(made).index("engine-vision") < list(made).index("hub")
    assert engine.full_stop is signal.SIGINT
    devices = json.loads(engine.argv[engine.argv.index("--devices") + 1])
    assert devices == [{"model": "RTX 4090", "count": 2, "memory_gib": 24}]
    agent = made["agent-vision"].environment
    assert agent["WAYLAB_AGENT_ENGINE"] == "unix:///run/vision.sock"
    assert agent["LD_LIBRARY_PATH"] == "/vision"
    assert "WAYLAB_AGENT_ENGINE" not in made["agent"].environment


@pytest.mark.parametrize("name", ["tracking", "proxy", "hub", "board", "agent"])
def test_programs_get_nothing_else_of_the_operators_environment(
    tmp_path: Path, name: str
) -> None:
    program = next(p for p in programs(_blueprint(tmp_path)) if p.name == name)

    own = {k for k in program.environment if not k.startswith("WAYLAB_")}
    assert own <= {"PATH", "CONFIGPROXY_AUTH_TOKEN"}
