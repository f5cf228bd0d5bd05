from __future__ import annotations

import json

from bs4 import BeautifulSoup, Tag

from waylab_site.model import Image, Profile
from waylab_spawner import form
from waylab_spawner.offers import NodePlace, Offers, PlaceKind

SMALL = Profile(name="small", title="Small", cpus=1, memory_gib=1.5)
LARGE = Profile(name="large", title="<Large>", description="Big & slow", cpus=8)
GPU = Profile(
    name="gpu", title="GPUs", gpus=1, max_gpus=2, gpu_model="A100", time_limit_hours=8
)
IMAGES = tuple(
    Image(name=name, title=name.title(), reference=f"waylab/{name}")
    for name in ("lab", "torch")
)
NODES = tuple(
    NodePlace(
        node=name,
        kind=PlaceKind.ENGINE,
        engine_url=f"unix:///{name}",
        simulated=True,
    )
    for name in ("vision", "nlp")
)
HERE = Offers((SMALL, LARGE))
SITE = Offers((SMALL, GPU), IMAGES, NODES)


def _page(offers: Offers, last: dict[str, object] | None = None) -> BeautifulSoup:
    page = form.render(offers, last or {}, "lab:ann/", board=True)
    return BeautifulSoup(page, "html.parser")


def _one(page: BeautifulSoup, selector: str) -> Tag:
    found = page.select_one(selector)
    assert found is not None
    return found


def test_there_is_a_card_for_each_profile_and_all_text_is_escaped() -> None:
    page = _page(HERE, {"profile": "large"})

    radios = page.select("input[type=radio][name=profile]")
    assert [radio["value"] for radio in radios] == ["small", "large"]
    assert [radio.has_attr("checked") for radio in radios] == [False, True]
    sizes = [" ".join(s.text.split()) for s in page.select(".waylab-profile-size")]
    assert sizes == ["1 core, 1.5 GiB", "8 cores, 2 GiB"]
    assert page.select(".waylab-profile-title")[1].text == "<Large>"


def test_a_choice_that_is_gone_leaves_the_first_one_checked() -> None:
    assert _one(_page(HERE, {"profile": "gone"}), "input[checked]")["value"] == "small"
    assert "ask its admin" in form.render(Offers(()), {}, "lab:ann/")


def test_one_profile_without_a_choice_starts_at_once() -> None:
    assert form.render(Offers((SMALL,)), {}, "lab:ann/") == ""
    assert form.render(Offers((SMALL,), IMAGES, NODES[:1]), {}, "lab:ann/") != ""


def test_the_last_choice_is_restored_whole() -> None:
    last = {
        "profile": "gpu",
        "image": "torch",
        "gpus": 2,
        "time_limit_hours": 4.5,
        "node": "nlp",
    }

    page = _page(SITE, last)

    assert _one(page, "[name=profile][checked]")["value"] == "gpu"
    chosen = {
        str(select["name"]): _one(page, f'[name="{select["name"]}"] [selected]').text
        for select in page.select("select[name$=':gpu']")
    }
    assert chosen == {"image:gpu": "Torch", "gpus:gpu": "2", "node:gpu": "nlp"}
    assert _one(page, "[name='time_limit_hours:gpu']")["value"] == "4.5"
    assert _one(page, "[name='time_limit_hours:gpu']")["max"] == "8"


def test_every_field_has_a_label_of_its_own() -> None:
    page = _page(SITE)

    fields = page.select("select, input")
    labels = {label["for"] for label in page.select("label[for]")}
    assert len(fields) == 8
    assert {field["id"] for field in fields} <= labels


def test_a_card_says_what_it_asks_for_and_that_it_is_simulated() -> None:
    page = _page(SITE)

    wanted = json.loads(str(_one(page, ".waylab-free")["data-wanted"]))
    assert wanted == {
        "nodes": ["vision", "nlp"],
        "model": "a100",
        "memory": 0,
        "mig": None,
    }
    assert [badge.text for badge in page.select(".badge")] == ["simulated"]
    assert _one(page, "fieldset")["data-holder"] == "lab:ann/"


def test_a_site_without_a_board_asks_none() -> None:
    page = BeautifulSoup(form.render(SITE, {}, "lab:ann/", board=False), "html.parser")

    assert not _one(page, "fieldset").has_attr("data-board")
