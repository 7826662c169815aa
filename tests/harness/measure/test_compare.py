"""Arms against each other: differences by hand, Holm over the family, and what would settle it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from advisor.stats.paired import Relation, mcnemar_exact
from advisor.stats.power import Design, items_needed, minimum_detectable_difference
from harness.measure.compare import compare_arms
from harness.measure.scored import Scored
from harness.records import ArmId, Option
from tests.harness.measure.helpers import HOW, scored

ONE = ArmId(option=Option.TUNE, model="m")
TWO = ArmId(option=Option.RETRIEVE, model="m")
THREE = ArmId(option=Option.CLASSICAL, model="linear")
TRUTH = "a" * 200
DESIGN = Design()


def arms(**said: str):
    names = {"one": ONE, "two": TWO, "three": THREE}
    return {names[key]: scored(TRUTH, text) for key, text in said.items()}


def test_differences_counts_and_holm() -> None:
    given = arms(one="a" * 200, two="a" * 160 + "b" * 40, three="a" * 195 + "b" * 5)
    first, second = compare_arms([(ONE, TWO), (ONE, THREE)], given, 0.02, DESIGN, HOW)
    assert (first.only_a, first.only_b, first.difference.value) == (40, 0, pytest.approx(0.2))
    assert (
        first.relation is Relation.BETTER
        and first.more_items is None
        and first.more_items_reason == "settled"
    )
    assert first.p_value == pytest.approx(mcnemar_exact(40, 0)) and "McNemar" in first.p_method
    # two tests: the smaller p is doubled, the larger stays (and is no smaller than the first)
    assert first.p_holm == pytest.approx(2 * mcnemar_exact(40, 0))
    assert second.p_holm == pytest.approx(mcnemar_exact(5, 0))
    assert first.same_model and not second.same_model


def test_what_only_its_own_interval_settles_needs_items_for_the_whole_family() -> None:
    given = arms(
        one="b" * 4 + "a" * 196, two="a" * 4 + "b" * 14 + "a" * 182, three="a" * 4 + "b" * 4 + "a" * 192
    )
    alone = compare_arms([(ONE, TWO)], given, 0.02, DESIGN, HOW)[0]
    assert alone.adjusted is alone.relation is Relation.BETTER and alone.more_items_reason == "settled"
    found = compare_arms([(ONE, TWO), (ONE, THREE)], given, 0.02, DESIGN, HOW)[0]
    # 14 against 4: p = 0.031, twice that for two tests
    assert found.p_holm == pytest.approx(2 * mcnemar_exact(14, 4)) and found.p_holm > 0.05
    assert found.relation is Relation.BETTER and found.adjusted is Relation.UNDECIDED
    needed = items_needed(0.05, 0.09, replace(DESIGN, level=1 - 0.05 / 2))
    assert needed is not None and found.more_items == needed - 200 and found.more_items_reason == ""


def test_a_comparison_turned_round_is_the_same_with_its_sign_changed() -> None:
    given = arms(one="a" * 180 + "b" * 20, two="a" * 160 + "b" * 40)
    (there,) = compare_arms([(ONE, TWO)], given, 0.02, DESIGN, HOW)
    (back,) = compare_arms([(TWO, ONE)], given, 0.02, DESIGN, HOW)
    assert there.difference.value == pytest.approx(-(back.difference.value or 0))
    assert there.p_value == back.p_value and (there.only_a, there.only_b) == (back.only_b, back.only_a)


def test_an_undecided_difference_says_how_many_items_would_settle_it() -> None:
    given = arms(one="a" * 190 + "b" * 10, two="b" * 6 + "a" * 180 + "b" * 14)
    (found,) = compare_arms([(ONE, TWO)], given, 0.02, DESIGN, HOW)
    # one is right on 0-189, two on 6-185: 6 + 4 only one, none only two: 10 of 200
    assert (found.only_a, found.only_b) == (10, 0)
    given = arms(one="a" * 194 + "b" * 6, two="b" * 4 + "a" * 192 + "b" * 4)
    (found,) = compare_arms([(ONE, TWO)], given, 0.005, DESIGN, HOW)
    # one right on 0-193, two on 4-195: 4 only one, 2 only two, difference 1 point at 3 % discordance
    assert (found.only_a, found.only_b) == (4, 2) and found.difference.value == pytest.approx(0.01)
    needed = items_needed(0.01, 0.03, DESIGN)
    assert needed is not None and found.more_items == needed - 200
    assert found.detectable == pytest.approx(minimum_detectable_difference(200, 0.03, DESIGN))


def test_equal_answers_are_not_called_equal_for_want_of_items() -> None:
    given = {ONE: scored("a" * 10, "a" * 10), TWO: scored("a" * 10, "a" * 10)}
    (few,) = compare_arms([(ONE, TWO)], given, 0.02, DESIGN, HOW)
    assert few.relation is Relation.UNDECIDED and few.p_value == 1.0 and few.more_items is None
    assert "no difference seen" in few.more_items_reason


def test_other_items_cannot_be_compared() -> None:
    given = {ONE: scored("aa", "aa"), TWO: scored("aa", "aa", "u")}
    with pytest.raises(ValueError, match="same items"):
        compare_arms([(ONE, TWO)], given, 0.02, DESIGN, HOW)


def test_items_in_clusters_need_more_items() -> None:
    # the same answers once as items of their own, once with each answer given four times over
    rows = {n: [False] * 50 for n in (1, 2)}
    rows[1][:30], rows[2][:20], rows[2][30:36] = [True] * 30, [True] * 20, [True] * 6

    def given(times: int) -> dict[ArmId, Scored]:
        found = {}
        for arm, right in ((ONE, rows[1]), (TWO, rows[2])):
            made = scored("a" * 50 * times, "".join(("a" if hit else "b") * times for hit in right))
            tied = tuple(replace(item, cluster=str(n // times)) for n, item in enumerate(made.items))
            found[arm] = replace(made, items=tied) if times > 1 else made
        return found

    (single,) = compare_arms([(ONE, TWO)], given(1), 0.02, DESIGN, HOW)
    (copied,) = compare_arms([(ONE, TWO)], given(4), 0.02, DESIGN, HOW)
    assert single.detectable is not None and copied.detectable is not None
    # four copies say what one says: the same differences can be found, give or take the bootstrap
    assert copied.detectable == pytest.approx(single.detectable, rel=0.15)
    assert single.more_items is not None and copied.more_items is not None
    assert copied.more_items == pytest.approx(4 * single.more_items, rel=0.4)


def test_the_interval_of_a_difference_is_at_the_level_the_plan_decides_at() -> None:
    given = arms(one="a" * 190 + "b" * 10, two="b" * 15 + "a" * 175 + "b" * 10)
    (usual,) = compare_arms([(ONE, TWO)], given, 0.02, Design(level=0.95), HOW)
    (strict,) = compare_arms([(ONE, TWO)], given, 0.02, Design(level=0.99), HOW)
    assert (usual.difference.level, strict.difference.level) == (0.95, 0.99)
    assert strict.difference.low is not None and usual.difference.low is not None
    assert strict.difference.low < usual.difference.low
