from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from waylab_site.model import Image, Profile
from waylab_spawner.errors import OptionsError
from waylab_spawner.offers import NodePlace, Offers, PlaceKind, selector
from waylab_spawner.options import Choice, choose, from_form, remembered

SMALL = Profile(name="small", title="Small", cpus=1, memory_gib=1.5)
LARGE = Profile(name="large", title="<Large>", description="Big & slow", cpus=8)
ONE = Profile(
    name="one",
    title="One RTX 4090",
    nodes=("vision",),
    gpus=1,
    gpu_model="RTX 4090",
    time_limit_hours=8,
    max_time_limit_hours=24,
)
SOME = Profile(name="some", title="Some", gpus=1, max_gpus=4, images=("torch", "lab"))
LAB = Image(name="lab", title="Lab", reference="waylab/lab-small")
TORCH = Image(name="torch", title="Torch", reference="waylab/torch", nodes=("nlp",))
LOCAL = NodePlace(node="local")
VISION = NodePlace(
    node="vision", kind=PlaceKind.ENGINE, engine_url="unix:///v.sock", host="127.0.0.2"
)
NLP = NodePlace(
    node="nlp", kind=PlaceKind.ENGINE, engine_url="unix:///n.sock", host="127.0.0.3"
)
HERE = Offers((SMALL, LARGE, ONE))
SITE = Offers((SMALL, ONE, SOME), (LAB, TORCH), (VISION, NLP))


def test_the_first_profile_is_the_default() -> None:
    assert choose({}, HERE).profile == SMALL
    assert choose({"profile": ""}, HERE).profile == SMALL
    assert choose({"profile": "large"}, HERE) == Choice(LARGE, ("local",))


def test_form_and_rest_are_judged_by_the_same_model() -> None:
    sent = {
        "profile": ["one"],
        "image:one": ["lab"],
        "time_limit_hours:one": ["2.5"],
        "gpus:some": ["4"],
        "_xsrf": ["token"],
    }

    form = choose(from_form(sent), SITE)
    rest = choose({"profile": "one", "image": "lab", "time_limit_hours": 2.5}, SITE)

    assert form == rest == Choice(ONE, ("vision",), LAB, 1, 9000)
    with pytest.raises(OptionsError, match="The option 'privileged' of a lab"):
        choose({"profile": "one", "privileged": True}, SITE)


@pytest.mark.parametrize("wanted", ["huge", "../small", "x" * 50])
def test_an_unknown_profile_is_refused_with_the_choices(wanted: str) -> None:
    with pytest.raises(OptionsError, match="choose one of small, large") as caught:
        choose({"profile": wanted}, HERE)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"profile": 3}, "'profile' of a lab is 3"),
        ({"profile": ["small"]}, "'profile'"),
        ({"profile": "x" * 5000}, "at most 64"),
        ({"profile": None}, "'profile'"),
        ({"profile": "some", "gpus": "2"}, "'gpus' of a lab is '2'"),
        ({"profile": "some", "gpus": True}, "'gpus'"),
        ({"profile": "some", "time_limit_hours": "8"}, "'time_limit_hours'"),
        ({"profile": "some", "time_limit_hours": float("nan")}, "'time_limit_hours'"),
        ({"lease": {"id": "x"}}, "'lease'"),
    ],
)
def test_a_value_of_another_type_is_refused_by_name(
    options: dict[str, object], said: str
) -> None:
    with pytest.raises(OptionsError) as caught:
        choose(options, SITE)
    assert said in str(caught.value)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"profile": "one", "gpus": 2}, "has 1 GPU, 2 are asked for"),
        ({"profile": "one", "gpus": 0}, "has 1 GPU, 0 are asked for"),
        ({"profile": "some", "gpus": 5}, "has 1 to 4 GPUs, 5 are asked for"),
        ({"profile": "some", "gpus": -1}, "-1 are asked for"),
        ({"profile": "one", "time_limit_hours": 25}, "at most 24 for"),
        ({"profile": "one", "time_limit_hours": 0}, "give more than 0"),
        ({"profile": "small", "time_limit_hours": 1}, "without a GPU has no time"),
        ({"profile": "one", "node": "nlp"}, "The node 'nlp' does not run"),
        ({"profile": "one", "image": "torch"}, "'torch' is not one of the profile"),
        ({"profile": "one", "image": "evil/miner:latest"}, "choose one of lab"),
    ],
)
def test_what_lies_outside_the_bounds_is_refused(
    options: dict[str, object], said: str
) -> None:
    with pytest.raises(OptionsError) as caught:
        choose(options, SITE)
    assert said in str(caught.value)


def test_what_is_left_out_is_the_sites_default() -> None:
    assert choose({"profile": "one"}, SITE) == Choice(ONE, ("vision",), LAB, 1, 28800)
    chosen = choose({"profile": "some"}, SITE)
    assert (chosen.nodes, chosen.image, chosen.gpus) == (("nlp",), TORCH, 1)
    assert chosen.limit_seconds is None
    anywhere = choose({"profile": "some", "image": "lab"}, SITE)
    assert anywhere.nodes == ("vision", "nlp")


def test_an_image_and_a_node_narrow_each_other() -> None:
    assert choose({"profile": "some", "node": "vision"}, SITE).image == LAB
    with pytest.raises(OptionsError, match="'torch' is not one"):
        choose({"profile": "some", "node": "vision", "image": "torch"}, SITE)


def test_profiles_with_a_gpu_are_not_offered_to_processes() -> None:
    assert HERE.available == (SMALL, LARGE)
    with pytest.raises(
        OptionsError, match="needs a GPU, or a container engine and an image"
    ):
        choose({"profile": "one"}, HERE)
    with pytest.raises(OptionsError, match="no profile for a lab that can run here"):
        choose({}, Offers((ONE,)))
    with pytest.raises(OptionsError, match="are processes here and have no image"):
        choose({"image": "lab"}, Offers((SMALL,), (LAB,)))


def test_an_engine_without_an_image_runs_no_lab() -> None:
    assert Offers((SMALL, ONE), (), (VISION,)).available == ()
    assert Offers((SMALL, ONE), (TORCH,), (VISION, NLP)).available == (SMALL,)


def test_a_node_that_can_do_both_prefers_its_order() -> None:
    mixed = Offers((SMALL,), (LAB,), (LOCAL, VISION))

    assert choose({}, mixed).nodes == ("vision",)
    assert choose({"node": "local"}, mixed) == Choice(SMALL, ("local",))


def test_the_number_of_a_form_must_be_one() -> None:
    with pytest.raises(OptionsError, match="The number of GPUs is 'two'"):
        from_form({"profile": ["some"], "gpus:some": ["two"]})
    assert from_form({}) == {"profile": ""}


def test_a_lease_is_for_one_start_only() -> None:
    assert remembered({"profile": "one", "lease": "l1"}) == {"profile": "one"}


def test_a_request_names_exactly_what_the_profile_says() -> None:
    wish = selector(ONE, 1, ("vision",))

    assert (wish.count, wish.nodes, wish.model) == (1, ("vision",), "RTX 4090")


_KEYS = st.sampled_from(
    ["profile", "image", "gpus", "time_limit_hours", "node", "lease", "volumes", "cmd"]
)
_VALUES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["small", "one", "some", "lab", "torch", "vision", "nlp"])
    | st.lists(st.text(max_size=5), max_size=2)
)


@settings(max_examples=300)
@given(st.dictionaries(_KEYS, _VALUES, max_size=6))
def test_whatever_is_chosen_stays_within_the_site(options: dict[str, object]) -> None:
    try:
        chosen = choose(options, SITE)
    except OptionsError:
        return
    assert chosen.profile in SITE.profiles
    assert chosen.image in SITE.images
    assert chosen.nodes
    assert set(chosen.nodes) <= set(SITE.nodes(chosen.profile, chosen.gpus))
    assert 0 <= chosen.gpus <= chosen.profile.most_gpus
    assert chosen.limit_seconds is None or chosen.limit_seconds > 0
    assert set(options) <= {"profile", "image", "gpus", "time_limit_hours"} | {
        "node",
        "lease",
    }
