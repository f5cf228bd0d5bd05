from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from waylab_clearml.errors import GpusError
from waylab_clearml.offer import (
    FRESH_SECONDS,
    KEY,
    GpuOffer,
    NodeOffer,
    Offer,
    as_item,
    offer_in,
)
from waylab_clearml.options import GpuWish

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)
GIB = 1 << 30
OFFER = Offer(
    slots=6,
    free_slots=4,
    default_gpus=1,
    cpu_slots=2,
    gpus=(
        GpuOffer("cut", "NVIDIA H100", 10 * GIB, 14, 9, mig_profile="1g.10gb"),
        GpuOffer("nlp", "NVIDIA A100", 80 * GIB, 2, 1),
        GpuOffer("vision", "NVIDIA L4", 23034 << 20, 4, 3),
    ),
    nodes=(
        NodeOffer("cpu", default_gpus=0, cpu_slots=2),
        NodeOffer("cut", default_gpus=1),
        NodeOffer("nlp", default_gpus=1),
        NodeOffer("vision", default_gpus=1),
    ),
)


def queue(offer: Offer, at: datetime = NOW) -> dict[str, Any]:
    item = as_item(offer, at)
    return {"name": "nlp", "metadata": {item["key"]: item}}


def test_an_offer_is_read_as_it_was_written() -> None:
    assert offer_in(queue(OFFER), NOW) == OFFER


def test_the_offer_of_a_board_that_is_away_no_longer_counts() -> None:
    late = NOW + timedelta(seconds=FRESH_SECONDS + 1)
    assert offer_in(queue(OFFER), late) is None


@pytest.mark.parametrize(
    "value",
    [None, "", "[]", "{}", "null", '{"format":1,"at":"now"}', '{"format":9}'],
)
def test_what_is_no_offer_is_left_alone(value: object) -> None:
    assert offer_in({"metadata": {KEY: {"value": value}}}, NOW) is None
    assert offer_in({"metadata": None}, NOW) is None


def test_an_offer_of_a_board_that_tells_less_is_read_too() -> None:
    item = as_item(OFFER, NOW)
    value = json.loads(item["value"])
    del value["nodes"]
    for one in value["gpus"]:
        del one["mig_profile"]
    found = offer_in({"metadata": {KEY: {"value": json.dumps(value)}}}, NOW)
    gpus = tuple(replace(one, mig_profile="") for one in OFFER.gpus)
    assert found == replace(OFFER, gpus=gpus, nodes=())


@pytest.mark.parametrize(
    ("wish", "field", "said"),
    [
        (GpuWish(5), "gpus", "No node of this queue has 5 GPUs."),
        (GpuWish(3, "A100"), "gpus", "has 3 GPUs of the model 'A100'."),
        (GpuWish(1, "T4"), "gpu_model", "no GPU of the model 'T4'."),
        (GpuWish(None, "T4"), "gpu_model", "nlp: 2 x NVIDIA A100 (80 GiB)"),
        (GpuWish(min_memory_gib=80.5), "gpu_min_memory_gib", "with 80.5 GiB or more"),
        (GpuWish(None, "L4", None, 40), "gpu_min_memory_gib", "'L4' with 40 GiB"),
        (GpuWish(3, min_memory_gib=40), "gpus", "has 3 GPUs with 40 GiB or more."),
        (GpuWish(node="mars"), "node", "name one of cpu, cut, nlp, vision"),
        (GpuWish(0, node="mars"), "node", "does not serve this queue"),
        (GpuWish(1, "A100", "vision"), "node", "The node vision has no GPU of"),
        (GpuWish(node="vision", min_memory_gib=40), "node", "has no GPU with 40 GiB"),
        (GpuWish(node="cut"), "node", "The node cut has no GPU."),
        (GpuWish(1, node="cpu"), "node", "The node cpu has no GPU."),
        (GpuWish(3, node="nlp"), "gpus", "The node nlp does not have 3 GPUs."),
        (GpuWish(0, node="nlp"), "gpus", "nlp has no slots for jobs without a GPU"),
        (GpuWish(None, "A100", "cpu"), "gpus", "Say how many"),
        (GpuWish(mig_profile="2g.20gb"), "mig_profile", "no slice 2g.20gb."),
        (GpuWish(1, mig_profile="2g.20gb"), "mig_profile", "14 x slice 1g.10gb of"),
        (GpuWish(15, mig_profile="1g.10gb"), "gpus", "has 15 slices 1g.10gb."),
        (GpuWish(1, "L4", None, None, "1g.10gb"), "gpu_model", "slice 1g.10gb of"),
        (GpuWish(1, None, None, 20, "1g.10gb"), "gpu_min_memory_gib", "with 20 GiB"),
        (GpuWish(1, None, "nlp", None, "1g.10gb"), "node", "nlp has no slice 1g.10gb"),
    ],
)
def test_what_no_node_can_give_is_refused_at_its_field(
    wish: GpuWish, field: str, said: str
) -> None:
    with pytest.raises(GpusError) as refusal:
        OFFER.check(wish)
    assert refusal.value.field == field
    assert said in str(refusal.value)


@pytest.mark.parametrize(
    "wish",
    [
        GpuWish(),
        GpuWish(4),
        GpuWish(2, "a100"),
        GpuWish(None, "L4"),
        GpuWish(0),
        GpuWish(node="cpu"),
        GpuWish(0, node="cpu"),
        GpuWish(node="vision"),
        GpuWish(2, "A100", "nlp", 80),
        GpuWish(4, min_memory_gib=0),
        GpuWish(min_memory_gib=22.4),
        GpuWish(14, "h100", "cut", 10, "1g.10gb"),
        GpuWish(mig_profile="1g.10gb"),
    ],
)
def test_what_a_node_can_give_passes_held_or_not(wish: GpuWish) -> None:
    OFFER.check(wish)


@pytest.mark.parametrize(
    "wish",
    [
        GpuWish(None, "A100"),
        GpuWish(min_memory_gib=40),
        GpuWish(mig_profile="1g.10gb"),
    ],
)
def test_a_kind_needs_a_number_where_the_queue_gives_none_by_itself(
    wish: GpuWish,
) -> None:
    with pytest.raises(GpusError, match="how many") as refusal:
        Offer(slots=1, free_slots=1, gpus=OFFER.gpus).check(wish)
    assert refusal.value.field == "gpus"


def test_where_all_gpus_are_cut_whole_ones_are_refused_asked_for_or_not() -> None:
    cut = Offer(slots=0, free_slots=0, default_gpus=1, gpus=OFFER.gpus[:1])
    for wish in (GpuWish(), GpuWish(1), GpuWish(1, "H100")):
        with pytest.raises(GpusError, match=r"no whole GPU\. There is: cut: 14 x"):
            cut.check(wish)


def test_what_asks_for_nothing_waits_for_gpus_that_are_gone_now() -> None:
    gone = Offer(slots=0, free_slots=0, default_gpus=1, nodes=OFFER.nodes)
    gone.check(GpuWish())
    with pytest.raises(GpusError, match="Its nodes have none"):
        gone.check(GpuWish(1))


def test_a_queue_without_slots_runs_nothing_without_a_gpu() -> None:
    with pytest.raises(GpusError, match="no slots") as refusal:
        replace(OFFER, cpu_slots=0).check(GpuWish(0))
    assert refusal.value.field == "gpus"


def test_a_node_that_has_never_told_what_it_has_may_have_it() -> None:
    unknown = replace(OFFER, nodes=(*OFFER.nodes, NodeOffer("new", known=False)))
    unknown.check(GpuWish(8, "H200", "new"))
    unknown.check(GpuWish(8, "H200"))
    with pytest.raises(GpusError, match="The node nlp has no GPU"):
        unknown.check(GpuWish(1, "L4", "nlp"))


def test_a_node_may_be_named_where_nobody_tells_which_serve() -> None:
    Offer(slots=2, free_slots=2).check(GpuWish(node="hub"))
    replace(OFFER, nodes=()).check(GpuWish(2, node="nlp"))
