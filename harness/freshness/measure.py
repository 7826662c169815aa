"""From answers before and after a change to what a drill says. Pure; clusters are drawn together."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from advisor.money.change_rate import KeepingUp, RateAbove, Volume, rate_above
from advisor.stats.intervals import MIN_UNITS, Floats, Interval, cluster_codes, resample_weights, unit_sums
from advisor.stats.paired import PairedComparison, compare, compare_values
from harness.core.records import ArmId, Estimate
from harness.freshness.records import (
    ArmDrill,
    ChangeRate,
    Forgotten,
    Group,
    GroupScore,
    Moment,
    Threshold,
    Upkeep,
)
from harness.tasks.measures import Bools, Measuring, mean
from harness.tasks.scored import Scored

DRAWS = 2000
_EXAMPLES = 5
_LEVEL = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One arm's answers, scored by seed.

    Attributes:
        by_old: the answers after the update, scored by edition one; stale ones are `before`.
        after: equal to `stale` where it could not be brought up to edition two.
    """

    before: tuple[Scored, ...]
    stale: tuple[Scored, ...]
    after: tuple[Scored, ...]
    by_old: tuple[Scored, ...]

    def values(self, moment: Moment) -> Floats:
        """Right answers by item, the mean over seeds."""
        found = {Moment.BEFORE: self.before, Moment.STALE: self.stale, Moment.AFTER: self.after}[moment]
        return np.asarray(np.mean([scored.values for scored in found], axis=0))


def group_scores(told: Told, groups: Sequence[Group], metric: str, how: Measuring) -> tuple[GroupScore, ...]:
    """Right answers at every moment to every group that has items, and to all."""
    named = np.array(groups)
    found = []
    for moment in Moment:
        values = told.values(moment)
        for group in (None, *Group):
            among = np.ones(len(named), dtype=bool) if group is None else named == group
            estimate = (
                mean(metric, told.before[0], values, among, how)
                if among.any()
                else Estimate(metric=metric, value=None, n=0, method="none", reason="no items")
            )
            found.append(GroupScore(moment=moment, group=group, primary=estimate))
    return tuple(found)


def stale_shares(told: Told, groups: Sequence[Group], how: Measuring) -> tuple[Estimate, Estimate]:
    """Of changed and withdrawn items, those answered as edition one has it and edition two does not."""
    moved = np.array([group is not Group.UNCHANGED for group in groups])
    name = "stale answers"

    def share(by_old: Sequence[Scored], by_new: Sequence[Scored]) -> Estimate:
        stale = [old.correct & ~new.correct for old, new in zip(by_old, by_new, strict=True)]
        return mean(name, told.before[0], np.asarray(np.mean(stale, axis=0)), moved, how)

    return share(told.before, told.stale), share(told.by_old, told.after)


def forgotten(told: Told, groups: Sequence[Group]) -> Forgotten:
    """What the update did to unchanged items, paired, of the first seed."""
    among = np.array([group is Group.UNCHANGED for group in groups])
    before, after = told.before[0].correct & among, told.after[0].correct & among
    lost, gained = before & ~after, after & ~before
    clusters = _clusters(told.before[0], among)
    found = compare(told.after[0].correct[among], told.before[0].correct[among], clusters=clusters)
    items = told.before[0].items
    return Forgotten(
        lost=int(lost.sum()),
        gained=int(gained.sum()),
        items=int(among.sum()),
        change=_estimate("right after minus before", found),
        examples=tuple(items[place].id for place in np.flatnonzero(lost)[:_EXAMPLES]),
    )


def above_floor(told: Told, floor: Told, groups: Sequence[Group]) -> Estimate:
    """Right before on unchanged items minus the floor's share."""
    among = np.array([group is Group.UNCHANGED for group in groups])
    first, second = told.values(Moment.BEFORE)[among], floor.values(Moment.BEFORE)[among]
    clusters = _clusters(told.before[0], among)
    if len(told.before) == 1:
        found = compare(first >= 1.0, second >= 1.0, clusters=clusters)
    else:
        found = compare_values(first, second, clusters=clusters)
    return _estimate("above the floor", found)


def change_rates(
    arms: Sequence[ArmDrill],
    told: Mapping[ArmId, Told],
    setting: DrillSetting,
) -> tuple[ChangeRate, ...]:
    """The rate between every arm that indexes again and every one that trains again."""
    pairs = [
        (one, other)
        for one in arms
        for other in arms
        if one.upkeep is Upkeep.INDEX and other.upkeep is Upkeep.TRAIN
    ]
    if not pairs:
        return ()
    return tuple(_rate(told, one, other, setting) for one, other in pairs)


@dataclass(frozen=True, slots=True, kw_only=True)
class DrillSetting:
    """What a rate rests on beside the answers.

    Attributes:
        wait_s: from the end of a training until its model answers.
        seed: of the draws over items.
    """

    volume: Volume
    wait_s: float
    seed: int


def _rate(told: Mapping[ArmId, Told], one: ArmDrill, other: ArmDrill, setting: DrillSetting) -> ChangeRate:
    unmeasured = tuple(arm.arm for arm in (one, other) if not arm.measurable or arm.failed)
    if unmeasured:
        return ChangeRate(retrieving=one.arm, training=other.arm, unmeasured=unmeasured)
    sides = (_Side.of(one, 0.0), _Side.of(other, setting.wait_s))
    columns = [told[arm.arm].values(at) for arm in (one, other) for at in (Moment.STALE, Moment.AFTER)]
    table = np.column_stack([*columns, np.ones(len(columns[0]))])
    value = _above(sides, table.sum(axis=0), setting.volume)
    clusters = told[one.arm].before[0].clusters
    units = unit_sums(table, cluster_codes(clusters, len(table)))
    drawn: list[RateAbove] = []
    if len(units) >= MIN_UNITS:
        weights = resample_weights(np.random.default_rng(setting.seed), len(units), DRAWS)
        drawn = [_above(sides, sums, setting.volume) for sums in weights @ units]
    return ChangeRate(
        retrieving=one.arm,
        training=other.arm,
        cheaper=_rate_of(value.cheaper, [draw.cheaper for draw in drawn]),
        better=_rate_of(value.better, [draw.better for draw in drawn]),
        both=_rate_of(value.both, [draw.both for draw in drawn]),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Side:
    usd_per_query: float
    usd_per_change: float
    stale_s: float

    @classmethod
    def of(cls, arm: ArmDrill, wait_s: float) -> _Side:
        assert arm.usd_per_1k.usd is not None and arm.update_usd.usd is not None, "prices are checked first"
        return cls(
            usd_per_query=float(arm.usd_per_1k.usd) / 1000,
            usd_per_change=float(arm.update_usd.usd),
            stale_s=(arm.mean_update_s or 0.0) + wait_s,
        )

    def right(self, stale: float, after: float) -> KeepingUp:
        return KeepingUp(
            usd_per_query=self.usd_per_query,
            usd_per_change=self.usd_per_change,
            stale_s=self.stale_s,
            right_after=after,
            right_stale=stale,
        )


def _above(sides: tuple[_Side, _Side], sums: Floats, volume: Volume) -> RateAbove:
    """The rate at sums over items: stale and after of the one, stale and after of the other, items."""
    shares = [float(total / sums[4]) for total in sums[:4]]
    return rate_above(sides[0].right(*shares[:2]), sides[1].right(*shares[2:]), volume)


def _rate_of(value: float, drawn: Sequence[float]) -> Threshold:
    if not drawn:
        return Threshold(value=value, low=None, high=None, never=0.0)
    ordered, last = sorted(drawn), len(drawn) - 1
    low = ordered[math.floor((1 - _LEVEL) / 2 * last)]
    high = ordered[math.ceil((1 + _LEVEL) / 2 * last)]
    never = sum(math.isinf(draw) for draw in drawn) / len(drawn)
    return Threshold(value=value, low=min(low, value), high=max(high, value), never=never)


def _clusters(scored: Scored, among: Bools) -> list[str | None] | None:
    clusters = scored.clusters
    return None if clusters is None else [c for c, keep in zip(clusters, among, strict=True) if keep]


def _estimate(metric: str, found: PairedComparison) -> Estimate:
    interval = found.interval
    known = isinstance(interval, Interval)
    return Estimate(
        metric=metric,
        value=found.difference,
        low=interval.low if isinstance(interval, Interval) else None,
        high=interval.high if isinstance(interval, Interval) else None,
        n=found.counts.n,
        method=found.interval_method,
        reason="" if known else getattr(interval, "reason", ""),
    )
