from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from waylab_clearml.errors import GpusError
from waylab_clearml.offer import FRESH_SECONDS, KEY, GpuOffer, Offer, as_item, offer_in

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)
GIB = 1 << 30
OFFER = Offer(
    slots=6,
    free_slots=4,
    default_gpus=1,
    cpu_slots=0,
    gpus=(
        GpuOffer("nlp", "NVIDIA A100", 80 * GIB, 2, 1),
        GpuOffer("vision", "NVIDIA L4", 24 * GIB, 4, 3),
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


@pytest.mark.parametrize(
    ("gpus", "model", "field"),
    [
        (5, None, "gpus"),
        (3, "A100", "gpus"),
        (0, None, "gpus"),
        (1, "T4", "gpu_model"),
        (None, "T4", "gpu_model"),
        (0, "A100", "gpu_model"),
    ],
)
def test_what_no_node_can_give_is_refused_at_its_field(
    gpus: int | None, model: str | None, field: str
) -> None:
    with pytest.raises(GpusError) as refusal:
        OFFER.check(gpus, model)
    assert refusal.value.field == field


@pytest.mark.parametrize(
    ("gpus", "model"), [(None, None), (4, None), (2, "a100"), (None, "L4")]
)
def test_what_a_node_can_give_passes_held_or_not(
    gpus: int | None, model: str | None
) -> None:
    OFFER.check(gpus, model)


def test_a_model_needs_a_number_where_the_queue_gives_none_by_itself() -> None:
    with pytest.raises(GpusError, match="how many"):
        Offer(slots=1, free_slots=1, gpus=OFFER.gpus).check(None, "A100")
