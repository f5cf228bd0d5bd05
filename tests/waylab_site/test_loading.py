from __future__ import annotations

from pathlib import Path

import pytest

from waylab_site.errors import SiteFileError
from waylab_site.inventory import GIB, Gpu, Inventory, cpu_slots, this_machine
from waylab_site.loading import default_text, load, parse
from waylab_site.model import GpuGroup, Site

MACHINE = Inventory(gpus=(), cores=8, memory_bytes=32 * GIB)
GPUS = Inventory(
    gpus=(Gpu("GPU-1", "NVIDIA A100", 80 * GIB), Gpu("GPU-2", "NVIDIA A100", 80 * GIB)),
    cores=8,
    memory_bytes=32 * GIB,
)
DEFAULT = default_text(MACHINE)
SITES = Path(__file__).parents[2] / "templates" / "sites"
TWO_NODES = SITES / "two-nodes.toml"
SIMULATED = SITES / "two-nodes-simulated.toml"


def _complaint(text: str, inventory: Inventory = MACHINE) -> str:
    with pytest.raises(SiteFileError) as caught:
        parse(text, "waylab.toml", inventory)
    return str(caught.value)


def _line(text: str, part: str) -> int:
    return text[: text.index(part)].count("\n") + 1


def test_the_default_site_is_this_machine_with_the_four_queues() -> None:
    site = parse(DEFAULT, "waylab.toml", MACHINE)

    assert [node.name for node in site.nodes] == ["local"]
    assert site.queues_of(site.nodes[0]) == ("vision", "nlp", "regression", "default")
    assert cpu_slots(site.nodes[0], MACHINE) == 4
    assert site.profiles[1].cpus == 8


def test_the_default_site_of_a_machine_with_gpus_offers_them_to_labs() -> None:
    one = Inventory(GPUS.gpus[:1], cores=8, memory_bytes=32 * GIB)

    offered = {
        len(machine.gpus): [
            (profile.title, profile.gpus, profile.cpus, profile.memory_gib)
            for profile in parse(default_text(machine), "waylab.toml", machine).profiles
        ]
        for machine in (MACHINE, one, GPUS)
    }

    standard, wide = ("Standard", 0, 1, 1), ("All cores", 0, 8, 16)
    assert offered == {
        0: [standard, wide],
        1: [standard, wide, ("One GPU", 1, 8, 16)],
        2: [standard, wide, ("One GPU", 1, 4, 8), ("All GPUs", 2, 8, 16)],
    }


def test_the_default_site_fits_this_very_machine() -> None:
    inventory = this_machine()

    site = parse(default_text(inventory), "waylab.toml", inventory)

    assert cpu_slots(site.nodes[0], inventory) >= 1


def test_the_example_declares_the_vision_and_the_nlp_node() -> None:
    site = load(TWO_NODES, MACHINE)

    assert {node.name: node.devices for node in site.nodes} == {
        "vision": (GpuGroup(model="RTX 4090", count=2, memory_gib=24),),
        "nlp": (GpuGroup(model="A100", count=4, memory_gib=80),),
    }
    assert [site.queues_of(node) for node in site.nodes] == [
        ("vision", "default"),
        ("nlp", "regression", "default"),
    ]


@pytest.mark.parametrize(
    ("before", "after", "complaint"),
    [
        ("cpu_slots", "cpu_slot", "'nodes.0.cpu_slot' is unknown. Did you mean"),
        ("[jobs]", "[jbos]", "'jbos' is unknown. Did you mean 'jobs'?"),
        (
            'description = "Computer vision"',
            "colour = 1",
            "'queues.0.colour' is unknown. Known here: name, description, priority",
        ),
        (
            "services_slots = 8",
            "services_slots = true",
            "jobs.services_slots is not what it must be (it is True)",
        ),
        ('devices = "auto"', 'devices = "gpu"', "Make it 'auto' or 'cpu' or a list."),
        ('priority = "low"', 'priority = "urgent"', "'high', 'medium' or 'low'"),
        ('priority = "low"', 'on_lost = "shrug"', "'fail' or 'requeue'"),
        ('priority = "low"', "requeues = -1", "greater than or equal to 0"),
        ('name = "wide"', 'name = "Wide One"', "lower-case letters, digits and"),
        ('name = "nlp"', 'name = "vision"', "there are two queues called 'vision'"),
        ('name = "nlp"', 'name = "services"', "is there by itself. Remove it here"),
        ("memory_gib = 1\n", "memory_gib = 64\n", "no node can satisfy the profile"),
        ("memory_gib = 1\n", "gpus = 1\n", "local has 0 GPUs, 1 are asked for"),
    ],
)
def test_a_mistake_is_named_with_its_line_and_a_remedy(
    before: str, after: str, complaint: str
) -> None:
    text = DEFAULT.replace(before, after, 1)

    said = _complaint(text)

    assert complaint in said
    line = int(said.split(":")[1])
    shown = text.splitlines()[line - 1]
    assert shown == "[[profiles]]" or after.strip() in shown
    assert "\n" not in said


def test_a_queue_without_a_node_is_refused() -> None:
    text = DEFAULT.replace('nodes = ["local"]', "nodes = []", 1)

    assert "no node serves the queue 'vision'. Name at least one of 'local'" in (
        _complaint(text)
    )


def test_an_unknown_node_is_refused() -> None:
    text = DEFAULT.replace('nodes = ["local"]', 'nodes = ["gpu1"]', 1)

    line = _line(text, 'nodes = ["gpu1"]')
    assert _complaint(text) == (
        f"waylab.toml:{line}: there is no node 'gpu1'. Name one of 'local'."
    )


def test_a_gpu_profile_fits_where_the_gpus_are() -> None:
    text = DEFAULT.replace(
        "memory_gib = 1\n", 'gpus = 2\ngpu_model = "A100"\nmemory_gib = 1\n', 1
    )

    assert isinstance(parse(text, "waylab.toml", GPUS), Site)
    assert "local has 0 H100 GPUs" in _complaint(text.replace("A100", "H100"), GPUS)


def test_another_machine_must_declare_its_devices() -> None:
    text = DEFAULT.replace(
        'description = "This machine"', 'address = "gpu1.example.org"'
    )

    assert "the devices of 'local' cannot be found by themselves" in _complaint(text)


def test_two_nodes_cannot_both_be_this_machine() -> None:
    text = f'{DEFAULT}\n[[nodes]]\nname = "second"\n'

    assert "'second' and 'local' are both the hub's own machine" in _complaint(text)


def test_missing_tables_are_named() -> None:
    assert _complaint('[[nodes]]\nname = "a"\n') == (
        "waylab.toml:1: the table [[queues]] is missing. Add it.\n"
        "waylab.toml:1: the table [[profiles]] is missing. Add it."
    )
    assert "there are no nodes" in _complaint("nodes = []\nqueues=[]\nprofiles=[]")


def test_what_is_not_toml_is_named_with_its_line() -> None:
    assert _complaint("[site]\nname = \n").startswith("waylab.toml:2: this is not TOML")
    assert "waylab.toml:1:" in _complaint("x = [")


def test_an_unreadable_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SiteFileError, match="is not there"):
        load(tmp_path / "waylab.toml", MACHINE)
    (tmp_path / "waylab.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(SiteFileError, match="readable UTF-8"):
        load(tmp_path / "waylab.toml", MACHINE)


@pytest.mark.parametrize(
    ("added", "complaint"),
    [
        (
            '[[images]]\nname = "lab"\ntitle = "Lab"\nreference = "Lab Image"\n',
            "Make it an image's reference, as 'waylab/vision:1'.",
        ),
        (
            '[[images]]\nname="lab"\ntitle="Lab"\nreference="lab:1"\nnodes=["gpu1"]\n',
            "there is no node 'gpu1'. Name one of 'local'.",
        ),
        (
            '[[profiles]]\nname = "a"\ntitle = "A"\nimages = ["lab"]\n',
            "there is no image 'lab'. Name one of 'lab-small'.",
        ),
        (
            '[[queues]]\nname = "a"\nimage = "lab"\n',
            "there is no image 'lab'. Name one of 'lab-small'.",
        ),
        (
            '[[profiles]]\nname="a"\ntitle="A"\ngpus=2\nmax_gpus=1\n',
            "gives 2 GPUs, more than its max_gpus of 1",
        ),
        (
            '[[profiles]]\nname="a"\ntitle="A"\ngpus=1\nmax_gpus=3\n',
            "local has 2 GPUs, 3 are asked for",
        ),
        (
            '[[profiles]]\nname="a"\ntitle="A"\ngpus=1\ngpu_min_memory_gib=141\n',
            "local has 0 GPUs with 141 GiB, 1 are asked for",
        ),
        (
            '[[profiles]]\nname="a"\ntitle="A"\ntime_limit_hours=9\n'
            "max_time_limit_hours=8\n",
            "lasts 9 hours, longer than its max_time_limit_hours of 8",
        ),
        (
            '[[shares]]\nname = "data"\nmount = "/data"\n',
            "the share 'data' needs either a path or a volume",
        ),
        (
            '[[groups]]\nname = "nlp"\n[[groups]]\nname = "nlp"\n',
            "there are two groups called 'nlp'",
        ),
        (
            '[[groups]]\nname="nlp"\n[[shares]]\nname="a"\nmount="/a"\npath="/a"\n'
            'groups=["vision"]\n',
            "there is no group 'vision'",
        ),
        (
            '[[shares]]\nname="data"\nmount="/data"\npath="/srv"\nvolume="data"\n',
            "the share 'data' needs either a path or a volume",
        ),
        (
            '[[shares]]\nname="a"\nmount="/data"\npath="/a"\n'
            '[[shares]]\nname="b"\nmount="/data"\npath="/b"\n',
            "'b' and 'a' are both mounted at /data",
        ),
        (
            '[[shares]]\nname="a"\nmount="/data"\npath="/srv/../etc"\n',
            "Make it an absolute path without '..' and ':'.",
        ),
        (
            '[[nodes]]\nname = "hub"\naddress = "b.org"\ndevices = "cpu"\n',
            "'hub' is what the hub's own machine is called",
        ),
        (
            '[homes]\nkind = "folder"\npath = "/srv/homes"\n',
            "the same for every user. Write one with {user} in it",
        ),
        (
            '[[nodes]]\nname = "b"\nengine = "simulated"\n',
            "cannot be found by themselves, as they are simulated",
        ),
        (
            '[[nodes]]\nname="b"\naddress="b.org"\nengine="simulated"\ndevices="cpu"\n',
            "'b' is simulated, and thus on the hub's machine",
        ),
        (
            '[[nodes]]\nname="b"\naddress="b.org"\nengine="ssh://b"\n'
            'engine_tls="/etc/tls"\ndevices="cpu"\n',
            "the engine of 'b' is 'ssh://b', which uses no TLS",
        ),
        (
            '[[nodes]]\nname="b"\naddress="b.org"\nengine="docker"\ndevices="cpu"\n',
            "'simulated' or an address that begins with unix://, tcp:// or ssh://",
        ),
    ],
)
def test_a_mistake_about_containers_is_named(added: str, complaint: str) -> None:
    text = f"{DEFAULT}\n{added}"

    said = _complaint(text, GPUS)

    assert complaint in said
    assert int(said.split(":")[1]) > DEFAULT.count("\n")


def test_files_are_in_a_store_of_a_url_or_in_the_state_folder() -> None:
    named = DEFAULT + '\n[tracking]\nfiles = "s3://bucket/a/folder"\n'

    given, default = (
        parse(text, "waylab.toml", MACHINE).tracking for text in (named, DEFAULT)
    )

    assert (given.files, default.files) == ("s3://bucket/a/folder", None)


@pytest.mark.parametrize(
    ("files", "complaint"),
    [
        ("/srv/files", "(it is '/srv/files'). Make it a URL such as 's3://bucket/f"),
        ("s3://a-key:a-secret@bucket", "not what it must be. Make it a URL such as"),
        ('s3://bucket"\napi_url = "http://ab', "files is of the embedded server"),
    ],
)
def test_a_store_of_files_that_is_none_is_named(files: str, complaint: str) -> None:
    text = f'{DEFAULT}\n[tracking]\nfiles = "{files}"\n'

    said = _complaint(text)

    assert complaint in said
    assert "a-secret" not in said


@pytest.mark.parametrize(
    ("database", "complaint"),
    [
        ("sqlite:///runs", "Make it a URL such as 'postgresql+psycopg://waylab@host/"),
        ("postgresql+psycopg://u:a-secret@db/runs", "Make it a URL such as"),
        ("postgresql+psycopg:///r?password=a-secret", "without a password"),
        (
            'postgresql+psycopg:///r"\napi_url = "http://ab',
            "database is of the embedded",
        ),
    ],
)
def test_a_database_that_is_none_or_has_a_password_is_named(
    database: str, complaint: str
) -> None:
    named = f'{DEFAULT}\n[tracking]\ndatabase = "postgresql+psycopg://w@db:5433/runs"\n'

    said = _complaint(f'{DEFAULT}\n[tracking]\ndatabase = "{database}"\n')

    assert complaint in said
    assert "a-secret" not in said
    assert parse(named, "waylab.toml", MACHINE).tracking.database is not None


@pytest.mark.parametrize("name", ["archived_days", "logs_days", "images_days"])
def test_old_runs_are_kept_unless_days_are_named_for_the_embedded_server(
    name: str,
) -> None:
    named = parse(f"{DEFAULT}\n[tracking]\n{name} = 90\n", "waylab.toml", MACHINE)
    plain = parse(DEFAULT, "waylab.toml", MACHINE)

    assert getattr(named.tracking, name) == 90
    assert getattr(plain.tracking, name) == 0
    external = f'{DEFAULT}\n[tracking]\n{name} = 90\napi_url = "http://ab"\n'
    assert f"{name} is of the embedded server" in _complaint(external)


def test_shared_memory_is_a_quarter_of_the_memory_unless_given() -> None:
    text = DEFAULT.replace("memory_gib = 1\n", "memory_gib = 1\nshm_gib = 0.75\n", 1)

    given, default = parse(text, "waylab.toml", MACHINE).profiles

    assert given.shared_memory_gib == 0.75
    assert default.shared_memory_gib == default.memory_gib / 4


def test_the_simulated_example_has_the_nodes_of_the_real_one() -> None:
    real, simulated = load(TWO_NODES, MACHINE), load(SIMULATED, MACHINE)

    assert [node.name for node in simulated.nodes] == ["vision", "nlp"]
    assert [node.devices for node in simulated.nodes] == [
        node.devices for node in real.nodes
    ]
    assert all(node.is_simulated and node.is_here for node in simulated.nodes)
    assert simulated.queues == real.queues


def test_homes_must_follow_users_between_engines() -> None:
    text = TWO_NODES.read_text("utf-8")
    volumes = text.replace('kind = "folder"', 'kind = "volume"')
    assert volumes != text
    said = _complaint(volumes)
    line = _line(volumes, 'kind = "volume"')
    assert f":{line}" in said
    assert "'vision' and 'nlp' have one each" in said
    assert "/srv/homes/{user}" in said
    one = volumes.replace('engine = "tcp://nlp.internal:2376"', 'engine = "none"')
    one = one.replace('engine_tls = "/etc/waylab/tls/nlp"', "")
    assert parse(one, "waylab.toml", MACHINE).homes.kind == "volume"


def test_the_example_of_two_servers_runs_labs_on_both() -> None:
    site = load(TWO_NODES, MACHINE)
    assert all(node.names_engine for node in site.nodes)
    assert site.images
    assert str(site.site.internal_address) != "auto"
    for profile in site.profiles:
        assert any(profile.may_use(node) for node in site.nodes)
