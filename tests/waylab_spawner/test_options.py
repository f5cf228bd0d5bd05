from __future__ import annotations

import pytest
from bs4 import BeautifulSoup

from waylab_site.model import Profile
from waylab_spawner import form
from waylab_spawner.errors import OptionsError
from waylab_spawner.options import choose, from_form, offered

SMALL = Profile(name="small", title="Small", cpus=1, memory_gib=1.5)
LARGE = Profile(name="large", title="<Large>", description="Big & slow", cpus=8)
GPU = Profile(name="gpu", title="One GPU", gpus=1)


def test_the_first_profile_is_the_default() -> None:
    assert choose({}, (SMALL, LARGE)) == SMALL
    assert choose({"profile": ""}, (SMALL, LARGE)) == SMALL
    assert choose({"profile": "large"}, (SMALL, LARGE)) == LARGE


def test_form_and_rest_are_judged_by_the_same_model() -> None:
    sent = {"profile": ["large"], "_xsrf": ["token"], "image": ["mine"]}

    assert choose(from_form(sent), (SMALL, LARGE)) == LARGE
    with pytest.raises(OptionsError, match="The option 'image' of a lab is not one"):
        choose({"profile": "large", "image": "mine"}, (SMALL, LARGE))


@pytest.mark.parametrize("wanted", ["huge", "../small", "x" * 5000])
def test_an_unknown_profile_is_refused_with_the_choices(wanted: str) -> None:
    with pytest.raises(OptionsError, match="choose one of small, large") as caught:
        choose({"profile": wanted}, (SMALL, LARGE))
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("wanted", [3, ["small"], {"a": 1}, None])
def test_a_profile_of_another_type_is_refused(wanted: object) -> None:
    with pytest.raises(OptionsError, match="'profile'"):
        choose({"profile": wanted}, (SMALL,))


def test_profiles_with_a_gpu_are_not_offered_to_processes() -> None:
    assert offered((GPU, SMALL)) == (SMALL,)
    with pytest.raises(OptionsError, match="no profile for a lab without a GPU"):
        choose({}, offered((GPU,)))


def test_the_form_has_a_card_for_each_profile_and_escapes_them() -> None:
    page = BeautifulSoup(form.render((SMALL, LARGE), "large"), "html.parser")

    radios = page.find_all("input", {"type": "radio", "name": "profile"})
    assert [radio["value"] for radio in radios] == ["small", "large"]
    assert [radio.has_attr("checked") for radio in radios] == [False, True]
    sizes = [" ".join(s.text.split()) for s in page.select(".waylab-profile-size")]
    assert sizes == ["1 core, 1.5 GiB", "8 cores, 2 GiB"]
    assert page.select(".waylab-profile-title")[1].text == "<Large>"


def test_a_choice_that_is_gone_leaves_the_first_one_checked() -> None:
    page = BeautifulSoup(form.render((SMALL, LARGE), "gone"), "html.parser")

    assert page.select_one("input[checked]")["value"] == "small"  # type: ignore[index]
    assert "ask its admin" in form.render(())
