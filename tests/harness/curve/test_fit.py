"""From scored answers to a learning curve: intervals cover, and sentences claim no more than they may."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pytest

from advisor.options import Option
from harness.core.records import ArmId
from harness.curve.fit import READ_UP_TO, CurveGrid, ExamplePrice, Subject, learning_curve
from harness.curve.records import LearningCurve, NoCurve, NotTold, Reach
from harness.report.topics.curve import curve_sentences

SIZES = (45, 90, 181, 362, 723)
ARM = ArmId(option=Option.LINEAR, model="linear")


def answers(
    law: tuple[float, float, float], seeds: int, items: int, rng: np.random.Generator, sizes=SIZES
) -> np.ndarray:
    """Right or wrong, (seeds, sizes, items): items differ in difficulty, 70 % of each answer hangs on it."""
    a, b, c = law
    difficulty = rng.random(items)
    found = np.zeros((seeds, len(sizes), items), dtype=bool)
    for seed in range(seeds):
        for column, size in enumerate(sizes):
            share = a - b * size**-c + rng.normal(0, 0.01)
            luck = np.where(rng.random(items) < 0.7, difficulty, rng.random(items))
            found[seed, column] = luck < share
    return found


def said(found: LearningCurve) -> str:
    return " ".join(curve_sentences(found))


def curve(
    correct: np.ndarray,
    *,
    target: float | None = None,
    price: ExamplePrice | None = None,
    clusters: tuple[str | None, ...] | None = None,
    sizes: tuple[int, ...] = SIZES,
    draws: int = 400,
) -> LearningCurve:
    subject = Subject(
        metric="accuracy",
        arm=ARM,
        evalset="made up",
        plan_digest="d",
        split="dev",
        looks=None,
        train=sizes[-1],
        target=target,
        price=price,
    )
    grid = CurveGrid(
        sizes=sizes, values=correct.astype(float), clusters=clusters, draws=(len(correct),) * len(sizes)
    )
    return learning_curve(subject, grid, (), np.random.default_rng(1), draws)


def exact(shares: list[float], items: int = 1000, seeds: int = 2) -> np.ndarray:
    """Exactly these shares right, the same items first at every size."""
    rank = np.arange(items) / items
    return np.array([[rank < share for share in shares] for _ in range(seeds)])


@pytest.mark.parametrize("seeds", [1, 3])
@pytest.mark.parametrize("law", [(0.8, 1.5, 0.5), (0.7, 0.2, 1.0)])
def test_intervals_cover_the_truth(seeds: int, law: tuple[float, float, float]) -> None:
    """40 simulated curves at 95 %: fewer than 34 hits has probability 0.003 if the coverage is 0.95."""
    rng = np.random.default_rng(11)
    sizes = SIZES if seeds > 1 else SIZES[1:]
    limit = ahead = 0
    for _ in range(40):
        found = curve(answers(law, seeds, 150, rng, sizes), sizes=sizes, draws=150)
        assert found.fit is not None and found.fit.limit.low is not None and found.fit.limit.high is not None
        limit += found.fit.limit.low <= law[0] <= found.fit.limit.high
        last = found.line[-1].primary
        assert last.low is not None and last.high is not None
        ahead += last.low <= law[0] - law[1] * (READ_UP_TO * sizes[-1]) ** -law[2] <= last.high
    assert limit >= 34 and ahead >= 34


def test_a_limit_below_the_target_is_claimed_only_when_the_whole_interval_is() -> None:
    flat = exact([0.69, 0.70, 0.70, 0.70, 0.70], items=4000)
    never = curve(flat, target=0.95)
    assert never.fit is not None and never.fit.limit.high is not None and never.fit.limit.high < 0.95
    assert never.target is not None and never.target.reach is Reach.NEVER
    assert "Labels will not get it to 95.0 %" in said(never)
    near = (never.fit.limit.high + 0.70) / 2  # above the limit's value, inside its interval
    unsure = curve(flat, target=near)
    assert unsure.target is not None and unsure.target.reach is Reach.CANNOT_SAY
    assert unsure.target.more.value is None and "Cannot say" in said(unsure)


def test_a_flat_curve_says_nothing_about_more_labels() -> None:
    """An arm that has learnt nothing yet looks like one that never will."""
    flat = curve(exact([2 / 7] * 5, items=7), target=0.85)
    assert flat.fit is not None and flat.fit.limit.high is not None and flat.fit.limit.high < 0.85
    assert flat.target is not None and flat.target.reach is Reach.CANNOT_SAY
    assert flat.target.not_told is NotTold.NO_RISE and "not shown to rise" in said(flat)


def test_more_examples_are_counted_beyond_those_at_hand_and_priced() -> None:
    """By hand: 0.9 - 2 n^-0.5 reaches 0.85 at n = 40^2 = 1,600, which is 877 beyond the 723 at hand."""
    shares = [0.9 - 2 * size**-0.5 for size in SIZES]
    price = ExamplePrice(usd=Decimal("0.50"), source="the case")
    found = curve(exact(shares, items=10_000), target=0.85, price=price)
    assert found.target is not None and found.target.reach is Reach.MORE
    more = found.target.more
    assert more.value == pytest.approx(877, rel=0.05) and more.low is not None and more.low < more.value
    assert found.target.usd is not None
    assert found.target.usd.usd == Decimal(more.value) * Decimal("0.50")
    assert "more training examples" in said(found) and "$0.50 an example" in said(found)
    unpriced = curve(exact(shares, items=10_000), target=0.85)
    assert unpriced.target is not None and unpriced.target.usd is None and "is not known" in said(unpriced)


def test_nothing_is_read_past_three_times_the_examples() -> None:
    """0.9 - 2 n^-0.5 reaches 0.88 at 10,000 examples: more than 3 x 723."""
    found = curve(exact([0.9 - 2 * size**-0.5 for size in SIZES], items=10_000), target=0.88)
    assert found.target is not None and found.target.reach is Reach.CANNOT_SAY
    assert "not within 3 times the 723" in said(found)
    assert max(point.size for point in found.line) == 3 * 723
    assert {point.extrapolated for point in found.line if point.size > 723} == {True}
    assert {point.extrapolated for point in found.line if point.size <= 723} == {False}


def test_a_reached_target_says_how_sure() -> None:
    shares = [0.9 - 2 * size**-0.5 for size in SIZES]  # 0.8256 at 723
    sure = curve(exact(shares, items=4000), target=0.70)
    unsure = curve(exact(shares, items=200), target=0.82)
    for found in (sure, unsure):
        assert found.target is not None and found.target.reach is Reach.REACHED
    assert "for sure" not in said(sure) and "do not show it for sure" in said(unsure)


def test_what_cannot_be_fitted_says_why_and_keeps_its_means() -> None:
    few = curve(exact([0.5, 0.6, 0.7]), sizes=(10, 20, 80), target=0.9)
    assert few.fit is None and few.no_fit is NoCurve.FEW_SIZES and "3 sizes" in said(few) and few.line == ()
    assert [mean.primary.value for mean in few.means] == pytest.approx([0.5, 0.6, 0.7])
    assert few.target is not None and few.target.reach is Reach.CANNOT_SAY
    narrow = curve(exact([0.5, 0.6, 0.7, 0.8]), sizes=(10, 20, 30, 39))
    assert narrow.fit is None and "at least 4 times the smallest" in said(narrow)
    tiny = curve(exact([0.5, 0.5, 0.75, 0.75, 1.0], items=4))
    assert tiny.fit is None and "fewer than 5 independent items" in said(tiny)
    assert tiny.means[0].primary.low is None and tiny.means[0].primary.reason == "too few items"


def test_all_right_everywhere_has_no_interval_and_claims_nothing() -> None:
    perfect = curve(exact([1.0] * 5, items=30), target=0.999)
    assert perfect.fit is not None and perfect.fit.limit.low is None
    assert perfect.target is not None and perfect.target.reach is Reach.REACHED
    wrong = curve(exact([0.0] * 5, items=30), target=0.5)
    assert wrong.target is not None and wrong.target.reach is Reach.CANNOT_SAY, "no interval, so no 'never'"


def test_a_limit_on_the_bound_is_not_named() -> None:
    """Accuracies that rise by the same step with every doubling have no limit below 1."""
    rising = curve(exact([0.3, 0.4, 0.5, 0.6, 0.7]))
    assert rising.fit is not None and rising.fit.limit.value == 1.0
    assert "cannot be told" in said(rising) and "100.0 %" not in said(rising)


def test_clusters_widen_the_interval() -> None:
    rng = np.random.default_rng(5)
    halves = rng.random(40) < 0.7
    correct = np.repeat(halves, 10)[None, None, :].repeat(5, axis=1).repeat(2, axis=0)
    keys = tuple(f"c{number // 10}" for number in range(400))
    apart, together = curve(correct).means[0].primary, curve(correct, clusters=keys).means[0].primary
    assert apart.low is not None and together.low is not None
    assert together.low < apart.low


def test_the_same_draws_give_the_same_curve() -> None:
    correct = answers((0.8, 1.5, 0.5), 3, 100, np.random.default_rng(2))
    assert curve(correct, target=0.75) == curve(correct, target=0.75)
