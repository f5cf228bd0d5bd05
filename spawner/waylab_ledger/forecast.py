"""When a waiting ticket may expect its lease: an interval that does not flatter.

The early end assumes that every holder ends after a time that only a quarter of such
holders undercut, the late end that each uses up its time limit (nobody knows the late
end where one has none). Both follow the line: who is before takes what frees first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from waylab_ledger.line import competes
from waylab_ledger.placement import Capacity
from waylab_ledger.values import Lease, LeaseState, Selector, Ticket
from waylab_ledger.views import Place

Moment = datetime | None
"""None stands for a time that nobody knows: later than any other."""


@dataclass(frozen=True)
class Habits:
    """How many seconds holders of a kind took, by kind."""

    seconds: Mapping[str, Sequence[float]]

    @classmethod
    def of(cls, durations: Iterable[tuple[str, float]]) -> Habits:
        """Sort some durations by kind."""
        seconds: dict[str, list[float]] = {}
        for kind, value in durations:
            seconds.setdefault(kind, []).append(max(value, 0.0))
        return cls({kind: sorted(values) for kind, values in seconds.items()})

    def short(self, kind: str) -> timedelta:
        """Give the time that a quarter of them undercut, or none if it is unknown."""
        values = self.seconds.get(kind, ())
        return timedelta(seconds=values[len(values) // 4] if values else 0.0)


def places(  # noqa: PLR0913 - what a forecast stands on.
    line: Sequence[Ticket],
    leases: Iterable[Lease],
    capacities: Sequence[Capacity],
    habits: Habits,
    now: datetime,
    *,
    everything: Sequence[Capacity] | None = None,
) -> tuple[Place, ...]:
    """Give the place of every ticket of the line.

    `capacities` are of the nodes that take leases now. Who is before whom does not
    change while a node is silent: that is told by `everything` there is.
    """
    held = {device: lease for lease in leases for device in lease.devices}
    early = _free_times(capacities, held, now, lambda one: _early_end(one, habits, now))
    late = _free_times(capacities, held, now, lambda one: _late_end(one, now))
    # A thousand tickets want a handful of things: what competes is asked once each.
    numbers: dict[Selector, int] = {}
    wants = [numbers.setdefault(one.request.selector, len(numbers)) for one in line]
    known = capacities if everything is None else everything
    rivals = [
        {at for other, at in numbers.items() if competes(other, one, known)}
        for one in numbers
    ]
    before: list[tuple[str, int]] = []
    found: list[Place] = []
    for ticket, number in zip(line, wants, strict=True):
        selector = ticket.request.selector
        ahead = tuple(id_ for id_, wish in before if wish in rivals[number])
        before.append((ticket.id, number))
        kind = ticket.request.holder.kind.value
        limit = ticket.request.limit_seconds
        shortest = habits.short(kind)
        longest = timedelta(seconds=limit) if limit else None
        if limit:
            shortest = min(shortest, timedelta(seconds=limit))
        from_ = _schedule(selector, capacities, early, shortest)
        to = _schedule(selector, capacities, late, longest)
        found.append(Place(ticket.id, len(ahead) + 1, ahead, from_, to))
    return tuple(found)


def _early_end(lease: Lease, habits: Habits, now: datetime) -> Moment:
    if lease.started_at is None:
        return now
    usual = lease.started_at + habits.short(lease.request.holder.kind.value)
    if lease.until:
        usual = min(usual, lease.until)
    return max(usual, now)


def _late_end(lease: Lease, now: datetime) -> Moment:
    if lease.state is LeaseState.LOST:
        return None
    if lease.until:
        return max(lease.until, now)
    limit = lease.request.limit_seconds
    return now + timedelta(seconds=limit) if limit else None


def _free_times(
    capacities: Sequence[Capacity],
    held: Mapping[str, Lease],
    now: datetime,
    end: Callable[[Lease], Moment],
) -> dict[str, Moment]:
    times: dict[str, Moment] = {}
    for capacity in capacities:
        for device in capacity.devices:
            if device.id in held:
                times[device.id] = end(held[device.id])
            else:  # What is neither held nor free is used by an orphan.
                times[device.id] = now if device.id in capacity.free else None
    return times


def _schedule(
    selector: Selector,
    capacities: Sequence[Capacity],
    times: dict[str, Moment],
    lasts: timedelta | None,
) -> Moment:
    """Give when enough devices of one node are free, and take them for as long."""
    best: tuple[datetime, list[str]] | None = None
    for capacity in capacities:
        known = [
            (at, one.id)
            for one in capacity.matching(selector)
            if (at := times[one.id]) is not None
        ]
        if len(known) < selector.count:
            continue
        chosen = sorted(known)[: selector.count]
        if best is None or chosen[-1][0] < best[0]:
            best = chosen[-1][0], [id_ for _, id_ in chosen]
    if best is None:
        return None
    start, devices = best
    for device in devices:
        times[device] = None if lasts is None else start + lasts
    return start
