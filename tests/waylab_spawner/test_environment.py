from __future__ import annotations

from pathlib import Path

from waylab_site.accounts import Account
from waylab_site.model import Profile
from waylab_spawner.environment import kept, lab_environment

ACCOUNT = Account("ann", "waylab-ann", 990, 990, Path("/srv/homes/ann"))


def test_a_lab_gets_its_own_surroundings_and_no_gpu() -> None:
    profile = Profile(name="small", title="Small", cpus=2, memory_gib=1.5)

    environment = lab_environment(
        ACCOUNT, profile, mark="a1b2/ann/", templates=Path("/srv/notebooks")
    )

    assert environment["HOME"] == "/srv/homes/ann"
    assert environment["USER"] == "waylab-ann"
    assert environment["WAYLAB_TEMPLATES"] == "/srv/notebooks"
    assert environment["WAYLAB_LAB"] == "a1b2/ann/"
    assert environment["CUDA_VISIBLE_DEVICES"] == ""
    assert environment["NVIDIA_VISIBLE_DEVICES"] == "void"
    assert environment["OMP_NUM_THREADS"] == "2"
    assert environment["MEM_LIMIT"] == str(1536 * 1024**2)


def test_only_named_variables_of_the_operator_are_passed_on() -> None:
    operators = {"LANG": "C.UTF-8", "AWS_SECRET_ACCESS_KEY": "x", "HOME": "/root"}

    assert kept(operators) == {"LANG": "C.UTF-8"}


def test_this_machine_is_never_reached_through_a_proxy() -> None:
    found = kept({"https_proxy": "http://proxy:3128", "no_proxy": "example.org"})

    assert found["https_proxy"] == "http://proxy:3128"
    assert found["no_proxy"] == found["NO_PROXY"] == "127.0.0.1,localhost,example.org"
