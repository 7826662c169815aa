"""Arms against each other: differences by hand, levels over the family, and what would settle it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from advisor.options import Option
from advisor.stats.paired import Relation, mcnemar_mid_p
from advisor.stats.power import Design, items_to_settle, minimum_detectable_difference
from harness.bakeoff.compare import Aim, ItemValues, compare_arms
from harness.core.records import ArmId
from tests.support.scored import scored

ONE = ArmId(option=Option.TUNE, model="m")
TWO = ArmId(option=Option.RETRIEVE, model="m")
THREE = ArmId(option=Option.LINEAR, model="linear")
FOUR = ArmId(option=Option.PROMPT, model="m")
TRUTH = "a" * 200
DESIGN = Design()
AIM = Aim(metric="accuracy", margin=0.02, design=DESIGN)
PAIR = (ONE, TWO)


def arms(**said: str):
    names = {"one": ONE, "two": TWO, "three": THREE, "four": FOUR}
    return {names[key]: ItemValues.of(scored(TRUTH, text)) for key, text in said.items()}


def alone(given, margin: float = 0.02, design: Design = DESIGN):
    (found,) = compare_arms(PAIR, [], given, Aim(metric="accuracy", margin=margin, design=design))
    return found


def test_differences_and_counts() -> None:
    given = arms(one="a" * 200, two="a" * 160 + "b" * 40, three="a" * 195 + "b" * 5)
    first, second = compare_arms(PAIR, [(ONE, THREE)], given, AIM)
    assert (first.only_a, first.only_b, first.difference.value) == (40, 0, pytest.approx(0.2))
    assert first.relation is Relation.BETTER
    assert first.more_items.likely is None and first.more_items.reason == "settled"
    assert first.p_value == pytest.approx(mcnemar_mid_p(40, 0)) and "McNemar" in first.p_method
    assert first.same_model and not second.same_model


def test_the_pair_pays_nothing_for_what_else_is_compared() -> None:
    # 14 against 4 of 200: mid-p 0.0192, so the pair is settled alone and beside others;
    # the same table among three other comparisons is held to 0.05 / 3
    given = arms(
        one="b" * 4 + "a" * 196,
        two="a" * 4 + "b" * 14 + "a" * 182,
        three="a" * 4 + "b" * 14 + "a" * 182,
        four="a" * 4 + "b" * 14 + "a" * 182,
    )
    others = [(ONE, THREE), (ONE, FOUR), (TWO, THREE)]
    found = compare_arms(PAIR, others, given, AIM)
    assert found[0] == alone(given) and found[0].relation is Relation.BETTER
    assert found[0].difference.level == 0.95
    assert found[1].difference.level == pytest.approx(1 - 0.05 / 3)
    assert found[1].p_value == found[0].p_value and found[1].relation is not Relation.BETTER


def test_a_run_without_the_pair_shares_its_alpha_all_the_same() -> None:
    given = arms(one="a" * 200, three="a" * 190 + "b" * 10, four="a" * 180 + "b" * 20)
    found = compare_arms(None, [(ONE, THREE), (ONE, FOUR)], given, AIM)
    assert [c.difference.level for c in found] == pytest.approx([0.975, 0.975])


def test_a_comparison_turned_round_is_the_same_with_its_sign_changed() -> None:
    given = arms(one="a" * 180 + "b" * 20, two="a" * 160 + "b" * 40)
    there = alone(given)
    (back,) = compare_arms((TWO, ONE), [], given, AIM)
    assert there.difference.value == pytest.approx(-(back.difference.value or 0))
    assert there.p_value == pytest.approx(back.p_value)
    assert (there.only_a, there.only_b) == (back.only_b, back.only_a)
    assert there.more_items == back.more_items


def test_an_undecided_difference_says_how_many_items_would_settle_it() -> None:
    given = arms(one="a" * 194 + "b" * 6, two="b" * 4 + "a" * 192 + "b" * 4)
    found = alone(given, margin=0.005)
    # one right on 0-193, two on 4-195: 4 only one, 2 only two, difference 1 point at 3 % discordance
    assert (found.only_a, found.only_b) == (4, 2) and found.difference.value == pytest.approx(0.01)
    assert found.more_items.likely == items_to_settle(0.01, 0.03, 0.005, DESIGN) - 200
    assert found.more_items.low is not None and found.more_items.high is not None
    assert found.more_items.low < found.more_items.likely < found.more_items.high
    assert found.detectable == pytest.approx(minimum_detectable_difference(200, 0.03, DESIGN))


def test_what_can_be_detected_hangs_on_the_disagreement_that_was_measured() -> None:
    often = arms(one="a" * 100 + "b" * 100, two="b" * 88 + "a" * 112)
    seldom = arms(one="a" * 195 + "b" * 5, two="b" * 5 + "a" * 195)
    assert alone(often).detectable > 3 * alone(seldom).detectable


def test_equal_answers_are_not_called_equal_for_want_of_items() -> None:
    given = {arm: ItemValues.of(scored("a" * 10, "a" * 10)) for arm in PAIR}
    few = alone(given)
    assert few.relation is Relation.UNDECIDED and few.p_value == 1.0
    assert few.more_items.likely is None and "no item was seen" in few.more_items.reason


def test_too_few_items_say_nothing_of_how_many_more_it_takes() -> None:
    few = alone({ONE: ItemValues.of(scored("a", "a")), TWO: ItemValues.of(scored("b", "a"))})
    assert few.more_items.likely is None and few.more_items.reason.startswith("fewer than 5 were seen")


def test_other_items_cannot_be_compared() -> None:
    given = {ONE: ItemValues.of(scored("aa", "aa")), TWO: ItemValues.of(scored("aa", "aa", "u"))}
    with pytest.raises(ValueError, match="same items"):
        alone(given)


def test_items_in_clusters_need_more_items() -> None:
    # the same answers once as items of their own, once with each answer given four times over
    rows = {n: [False] * 100 for n in (1, 2)}
    rows[1][:60], rows[2][:42], rows[2][60:74] = [True] * 60, [True] * 42, [True] * 14

    def given(times: int) -> dict[ArmId, ItemValues]:
        found = {}
        for arm, right in ((ONE, rows[1]), (TWO, rows[2])):
            made = scored("a" * 100 * times, "".join(("a" if hit else "b") * times for hit in right))
            tied = tuple(replace(item, cluster=str(n // times)) for n, item in enumerate(made.items))
            found[arm] = ItemValues.of(replace(made, items=tied) if times > 1 else made)
        return found

    single, copied = alone(given(1)), alone(given(4))
    assert single.detectable is not None and copied.detectable is not None
    # four copies say what one says: the same differences can be found, give or take the interval's shape
    assert copied.detectable == pytest.approx(single.detectable, rel=0.15)
    assert single.more_items.likely is not None and copied.more_items.likely is not None
    assert copied.more_items.likely == pytest.approx(4 * single.more_items.likely, rel=0.4)


def test_the_interval_of_a_difference_is_at_the_level_the_plan_decides_at() -> None:
    given = arms(one="a" * 190 + "b" * 10, two="b" * 15 + "a" * 175 + "b" * 10)
    usual, strict = alone(given, design=Design(level=0.95)), alone(given, design=Design(level=0.99))
    assert (usual.difference.level, strict.difference.level) == (0.95, 0.99)
    assert strict.difference.low is not None and usual.difference.low is not None
    assert strict.difference.low < usual.difference.low


def test_expected_answers_are_compared_by_the_mean_of_their_differences() -> None:
    """A route hands 40 of 200 items over, where 8 in 10 are right; the arm alone gets none of these right."""
    alone_right = np.arange(200) < 160
    shared = np.where(alone_right, 1.0, 0.8)
    given = {
        ONE: replace(ItemValues.of(scored(TRUTH, TRUTH)), values=shared),
        TWO: replace(ItemValues.of(scored(TRUTH, TRUTH)), values=alone_right.astype(float)),
    }
    found = alone(given)
    theirs = stats.ttest_1samp(shared - alone_right, 0.0)
    ends = theirs.confidence_interval(0.95)
    assert found.difference.value == pytest.approx(0.16) and found.p_value == pytest.approx(theirs.pvalue)
    assert (found.difference.low, found.difference.high) == pytest.approx((ends.low, ends.high))
    assert found.relation is Relation.BETTER and (found.only_a, found.only_b) == (40, 0)


def test_expected_answers_that_hardly_differ_need_no_more_items_than_the_formula_allows() -> None:
    """All differences lean one way and are small: their mean stands in for their mean square."""
    base = ItemValues.of(scored(TRUTH, TRUTH))
    given = {
        ONE: replace(base, values=np.where(np.arange(200) < 30, 0.9, 1.0)),
        TWO: replace(base, values=np.ones(200)),
    }
    found = alone(given, margin=0.001)
    assert found.difference.value == pytest.approx(-0.015) and found.more_items.reason in ("settled", "")


def test_values_in_between_are_compared_by_the_t_of_their_differences() -> None:
    """Field F1, for one: interval and p are those of a paired t test, and the estimate names the metric."""
    rng = np.random.default_rng(4)
    one = rng.beta(4, 2, 120)
    two = np.clip(one - rng.normal(0.05, 0.1, 120), 0, 1)
    ids = tuple(map(str, range(120)))
    given = {ONE: ItemValues(ids=ids, values=one), TWO: ItemValues(ids=ids, values=two)}
    (found,) = compare_arms(PAIR, [], given, Aim(metric="field F1", margin=0.02, design=DESIGN))
    tested = stats.ttest_rel(one, two)
    low, high = tested.confidence_interval(0.95)
    assert found.difference.metric == "field F1 difference"
    assert (found.difference.low, found.difference.high) == pytest.approx((low, high))
    assert found.p_value == pytest.approx(tested.pvalue) and found.relation is Relation.BETTER
    assert found.more_items.reason == "settled"
    assert found.detectable == pytest.approx(
        (1.959964 + 0.841621) * np.std(one - two) / np.sqrt(120), rel=1e-5
    )
