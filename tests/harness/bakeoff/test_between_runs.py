"""Item-level answers and runs against each other. Expected figures by hand."""

from __future__ import annotations

import math

import pytest

from advisor.options import Option
from advisor.stats.paired import Relation, mcnemar_mid_p
from harness.bakeoff.between_runs import compare_runs, item_answers
from harness.core.records import ArmId, Completion, Failure, FailureKind, Item, Label, Outcome, Timing
from harness.tasks.classification import ClassificationTask
from harness.tasks.measures import Measuring
from harness.tasks.records import PromptLimits
from harness.tasks.scored import Scored
from harness.tasks.scoring import score

LABELS = ("a", "b")
TASK = ClassificationTask([Label(name=name) for name in LABELS], PromptLimits())
ARM = ArmId(option=Option.LINEAR, model="linear")
OTHER = ArmId(option=Option.FLOOR, model="majority")
HOW = Measuring(draws=500, precision=0.9, seed=3)


def items(n: int, prefix: str = "t") -> tuple[Item, ...]:
    return tuple(Item(id=f"{prefix}{i}", text=f"text {i}", target="a") for i in range(n))


def answers(rows: tuple[Item, ...], right: set[int]) -> Scored:
    """An arm that is right exactly on the items at these places."""
    given: dict[str, Outcome] = {
        item.id: Completion(item_id=item.id, text="a" if i in right else "b", timing=Timing(model_s=0.1))
        for i, item in enumerate(rows)
    }
    return score(rows, given, TASK)


def test_answers_are_read_and_marked() -> None:
    rows = items(3)
    outcomes: dict[str, Outcome] = {
        "t0": Completion(
            item_id="t0",
            text="Label: A",
            choice_logprobs=(math.log(0.8), math.log(0.2)),
            timing=Timing(model_s=0.1),
        ),
        "t1": Completion(item_id="t1", text="no idea", timing=Timing(model_s=0.1)),
        "t2": Failure(item_id="t2", kind=FailureKind.TIMEOUT, message="late"),
    }
    first, second, third = item_answers(ARM, score(rows, outcomes, TASK), 1.0)
    assert (first.answer, first.correct, first.raw) == ("a", True, "Label: A")
    assert first.confidence == pytest.approx(0.8)
    assert (second.answer, second.correct, second.confidence) == (None, False, None)
    assert (third.answer, third.correct, third.failure, third.raw) == (None, None, "timeout", "")


def test_confidence_is_tempered() -> None:
    rows = items(1)
    logs = (math.log(0.8), math.log(0.2))
    outcomes: dict[str, Outcome] = {
        "t0": Completion(item_id="t0", text="a", choice_logprobs=logs, timing=Timing(model_s=0.1))
    }
    (found,) = item_answers(ARM, score(rows, outcomes, TASK), 2.0)
    # temperature 2: sqrt(0.8) / (sqrt(0.8) + sqrt(0.2)) = 2 / 3
    assert found.confidence == pytest.approx(2 / 3)


def test_the_same_items_are_paired() -> None:
    rows = items(100)
    first, second = answers(rows, set(range(80))), answers(rows, set(range(10, 70)))
    (found,) = compare_runs({ARM: first, OTHER: first}, {ARM: second}, 0.02, HOW)
    assert found.arm == ARM and found.paired
    assert (found.only_first, found.only_second) == (20, 0)
    assert found.first.value == pytest.approx(0.8) and found.second.value == pytest.approx(0.6)
    assert found.difference.value == pytest.approx(0.2) and found.difference.n == 100
    assert found.p_value == pytest.approx(mcnemar_mid_p(20, 0))
    assert found.relation is Relation.BETTER


def test_different_items_are_not_paired() -> None:
    first, second = answers(items(100), set(range(80))), answers(items(200, "u"), set(range(120)))
    (found,) = compare_runs({ARM: first}, {ARM: second}, 0.02, HOW)
    assert not found.paired and found.only_first is None and found.p_value is None
    assert found.difference.value == pytest.approx(0.2)
    # Newcombe's score interval for 80/100 - 120/200, by hand from both Wilson intervals:
    # Wilson(80/100) = 0.7112 to 0.8666, Wilson(120/200) = 0.5308 to 0.6654
    # low = 0.2 - sqrt(0.0888^2 + 0.0654^2) = 0.0897, high = 0.2 + sqrt(0.0666^2 + 0.0692^2) = 0.2960
    assert found.difference.low == pytest.approx(0.0897, abs=2e-4)
    assert found.difference.high == pytest.approx(0.2960, abs=2e-4)
    assert found.relation is None, "other items, or other data altogether: no word of better or worse"


def test_a_changed_text_under_the_same_id_is_another_item() -> None:
    rows = items(10)
    changed = (Item(id="t0", text="rewritten", target="a"), *rows[1:])
    (found,) = compare_runs({ARM: answers(rows, {1})}, {ARM: answers(changed, {1})}, 0.02, HOW)
    assert not found.paired


def test_the_intervals_of_the_arms_in_common_share_one_alpha() -> None:
    rows = items(100)
    one, two = answers(rows, set(range(80))), answers(rows, set(range(10, 70)))
    (alone,) = compare_runs({ARM: one}, {ARM: two}, 0.02, HOW)
    found = compare_runs({ARM: one, OTHER: one}, {ARM: two, OTHER: two}, 0.02, HOW)
    assert alone.difference.level == pytest.approx(0.95)
    assert [entry.difference.level for entry in found] == pytest.approx([0.975, 0.975])
    assert found[0].difference.low < alone.difference.low
