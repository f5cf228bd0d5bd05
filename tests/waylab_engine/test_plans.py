from typing import Any

import pytest
from docker.types import HostConfig
from tests.waylab_engine.values import (
    FOLDERS,
    GIB,
    GPU,
    LIMITS,
    OTHER_GPU,
    PROGRAM,
    ground,
    job_of,
    profile,
)

from waylab_engine import arguments, plans
from waylab_engine.errors import DeviceRefused, ImageRefused, LimitRefused
from waylab_engine.info import EngineInfo
from waylab_engine.mounts import Mount
from waylab_engine.names import home_volume
from waylab_engine.plan import ContainerPlan
from waylab_engine.plans import Program, Wish
from waylab_ledger.values import Holder


def a_job(options: str = "", image: str | None = None, **who: Any) -> ContainerPlan:
    wish = Wish(image=image, options=arguments.parse(options))
    return plans.job(ground(), job_of(**who), LIMITS, PROGRAM, wish)


def a_lab(image: str | None = None, **fields: Any) -> ContainerPlan:
    who = job_of(holder=Holder.lab("ann"), devices=fields.pop("devices", ()))
    return plans.lab(ground(), who, profile(**fields), PROGRAM, image=image)


def sent(plan: ContainerPlan) -> dict[str, Any]:
    return dict(HostConfig(version="1.41", **plan.host_kwargs()))


def test_a_container_has_no_privilege_and_cannot_gain_one() -> None:
    host = sent(a_job())

    assert "Privileged" not in host
    assert host["CapDrop"] == ["ALL"]
    assert "CapAdd" not in host
    assert host["SecurityOpt"] == ["no-new-privileges"]
    assert host["IpcMode"] == "private"
    assert host["RestartPolicy"] == {"Name": "no"}
    assert {"PidMode", "UTSMode", "UsernsMode", "Devices", "VolumesFrom"} & set(
        host
    ) == set()


def test_exactly_the_leased_devices_are_asked_for_by_uuid() -> None:
    plan = a_job(devices=(GPU, OTHER_GPU))

    assert sent(plan)["DeviceRequests"] == [
        {
            "Driver": "nvidia",
            "Count": 0,
            "DeviceIDs": [GPU, OTHER_GPU],
            "Capabilities": [["gpu"]],
            "Options": {},
        }
    ]
    assert plan.environment["NVIDIA_VISIBLE_DEVICES"] == f"{GPU},{OTHER_GPU}"
    assert "CUDA_VISIBLE_DEVICES" not in plan.environment


def test_an_engine_with_cdi_is_asked_for_devices_by_name() -> None:
    info = EngineInfo("ID", cdi=True, cpus=8)

    plan = plans.job(ground(engine=info), job_of(), LIMITS, PROGRAM, Wish())

    (request,) = sent(plan)["DeviceRequests"]
    assert request["Driver"] == "cdi"
    assert request["DeviceIDs"] == [f"nvidia.com/gpu={GPU}"]
    assert plan.environment["NVIDIA_VISIBLE_DEVICES"] == "void"


def test_without_a_gpu_nothing_is_visible_whatever_the_image_says() -> None:
    plan = a_job(devices=("cpu:vision:0",))

    assert not sent(plan).get("DeviceRequests")
    assert plan.environment["NVIDIA_VISIBLE_DEVICES"] == "void"
    assert plan.labels["org.waylab.devices"] == "cpu:vision:0"


def test_the_variables_of_devices_are_nobody_elses() -> None:
    program = Program(("x",), {"NVIDIA_VISIBLE_DEVICES": "all", "A": "1"})

    plan = plans.job(ground(), job_of(devices=()), LIMITS, program, Wish())

    assert plan.environment["NVIDIA_VISIBLE_DEVICES"] == "void"
    assert plan.environment["A"] == "1"


def test_what_is_no_device_is_refused() -> None:
    with pytest.raises(DeviceRefused, match="'all' is no device"):
        a_job(devices=("all",))


def test_a_job_sees_home_and_shares_of_its_user_and_groups() -> None:
    plan = a_job(user="ann", groups=("nlp",))

    assert plan.mounts == (
        Mount("/home/lab", volume=home_volume("site", "ann"), is_given=True),
        Mount("/data", folder="/srv/data", read_only=True),
        Mount("/scratch/ann", folder="/srv/s/ann", is_made=True, is_given=True),
        Mount("/models", volume="models", is_given=True),
    )
    assert [mount.target for mount in a_job(user="ann").mounts] == [
        "/home/lab",
        "/data",
        "/scratch/ann",
    ]


@pytest.mark.parametrize(
    "user", ["../../etc", "a/../b", "..", "a:b", "A b", "ä", "{user}"]
)
def test_a_users_name_never_leads_out_of_a_folder(user: str) -> None:
    plan = plans.job(ground(homes=FOLDERS), job_of(user), LIMITS, PROGRAM, Wish())

    home, scratch = plan.mounts[0], plan.mounts[2]
    for folder, base in ((home.folder, "/srv/homes/"), (scratch.folder, "/srv/s/")):
        assert folder is not None
        name = folder.removeprefix(base)
        assert not set(name) & set("/.:{}")


def test_two_users_never_share_a_home() -> None:
    names = ["Ann", "ann", "ANN", "a-nn", "a.nn", "a/nn", "ann ", "änn"]

    homes = {a_job(user=name).mounts[0].source for name in names}

    assert len(homes) == len(names)


def test_homes_of_two_sites_on_one_engine_are_apart() -> None:
    homes = {
        plans.job(ground(site_id=site), job_of(), LIMITS, PROGRAM, Wish())
        .mounts[0]
        .source
        for site in ("one", "two")
    }

    assert len(homes) == 2


def test_labels_tell_recovery_everything() -> None:
    assert a_job(devices=(GPU, OTHER_GPU)).labels == {
        "org.waylab.site": "site",
        "org.waylab.lease": "lease-1",
        "org.waylab.holder": "job:t1",
        "org.waylab.devices": f"{GPU},{OTHER_GPU}",
        "org.waylab.kind": "job",
        "org.waylab.user": "ann",
        "org.waylab.image": "torch",
    }


def test_a_lab_has_the_limits_of_its_profile() -> None:
    host = sent(a_lab(cpus=2, memory_gib=8, pids=1000))

    assert host["NanoCpus"] == 2_000_000_000
    assert host["Memory"] == host["MemorySwap"] == 8 * GIB
    assert host["ShmSize"] == 2 * GIB
    assert host["PidsLimit"] == 1000
    assert host["PortBindings"] == {
        "8888/tcp": [{"HostIp": "127.0.0.2", "HostPort": ""}]
    }


def test_more_cpus_than_the_engine_has_are_not_asked_for() -> None:
    info = EngineInfo("ID", cpus=2)
    who = job_of(holder=Holder.lab("ann"))

    plan = plans.lab(ground(engine=info), who, profile(cpus=8), PROGRAM, image=None)

    assert plan.cpus == 2


def test_a_task_may_ask_for_less_and_for_shared_memory() -> None:
    host = sent(a_job("--cpus 1 -m 2g --shm-size 1g --ulimit memlock=-1 -e A=1"))

    assert host["NanoCpus"] == 1_000_000_000
    assert host["Memory"] == 2 * GIB
    assert host["ShmSize"] == GIB
    assert host["Ulimits"] == [{"Name": "memlock", "Soft": -1, "Hard": -1}]


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ("--cpus 64", "--cpus"),
        ("-m 64g", "--memory"),
        ("--shm-size 64g", "--shm-size"),
        ("-m 1g --shm-size 2g", "--shm-size"),
    ],
)
def test_a_task_may_not_ask_for_more(options: str, named: str) -> None:
    with pytest.raises(LimitRefused, match=named):
        a_job(options)


@pytest.mark.parametrize(
    ("wanted", "name"),
    [
        (None, "torch"),
        ("", "torch"),
        ("base", "base"),
        ("waylab/base:1", "base"),
        ("docker.io/waylab/base:1", "base"),
    ],
)
def test_an_image_goes_by_name_or_reference(wanted: str | None, name: str) -> None:
    assert a_job(image=wanted).labels["org.waylab.image"] == name


@pytest.mark.parametrize(
    "wanted", ["ubuntu", "llm", "waylab/base", "waylab/base:2", "-v", "torch:2.5"]
)
def test_an_image_that_is_not_offered_is_refused(wanted: str) -> None:
    with pytest.raises(ImageRefused, match=r"choose one of torch .*, base"):
        a_job(image=wanted)


def test_a_profile_may_narrow_the_images_and_its_first_is_the_default() -> None:
    assert a_lab(images=("base", "torch")).image == "waylab/base:1"
    with pytest.raises(ImageRefused):
        a_lab("torch", images=("base",))


def test_a_node_without_an_image_is_told_so() -> None:
    with pytest.raises(ImageRefused, match=r"\[\[images\]\]"):
        plans.job(ground(images=()), job_of(), LIMITS, PROGRAM, Wish())


def test_waylabs_own_variables_win_over_a_tasks() -> None:
    program = Program(("x",), {"A": "ours"})
    wish = Wish(options=arguments.parse("-e A=theirs -e B=theirs"))

    plan = plans.job(ground(), job_of(), LIMITS, program, wish)

    assert plan.environment["A"] == "ours"
    assert plan.environment["B"] == "theirs"


def test_a_holder_has_one_name_and_another_holder_another() -> None:
    holders = [
        Holder.lab("a"),
        Holder.lab("a", "b"),
        Holder.lab("a-b"),
        Holder.lab("a.b"),
        Holder.lab("A"),
        Holder.job("a"),
        Holder.job("a-b"),
    ]

    names = {a_job(holder=holder).name for holder in holders}

    assert len(names) == len(holders)
