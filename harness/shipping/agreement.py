"""Two ways of serving one model on the same items: how good each is, and how often they agree."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from advisor.options import TaskKind
from advisor.stats.intervals import is_binary
from advisor.stats.paired import compare, compare_values
from harness.core.records import Completion, Estimate
from harness.core.wording import percent
from harness.tasks.kinds import facts_of_kind
from harness.tasks.measures import Measuring, estimate, everything, mean, share
from harness.tasks.scored import FAILED, Scored

LEAST_AGREEMENT = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class SideBySide:
    """What both gave.

    Attributes:
        reference, served: the task's primary metric of each.
        difference: that of the served one minus the reference's, paired.
        agreement: share of items with the same answer, right or wrong; where nothing can be read in either,
            with the same words. An item without an answer agrees with none.
    """

    reference: Estimate
    served: Estimate
    difference: Estimate
    agreement: Estimate
    failures: int


def side_by_side(reference: Scored, served: Scored, how: Measuring, kind: TaskKind) -> SideBySide:
    """Compare a served model with its reference.

    Raises:
        ValueError: if they were not scored on the same items.
    """
    if [item.id for item in reference.items] != [item.id for item in served.items]:
        raise ValueError("the two were not scored on the same items")
    n, name = len(reference.items), facts_of_kind(kind).primary.name
    same = np.array([_same(reference, served, place) for place in range(n)], dtype=bool)
    if is_binary(reference.values) and is_binary(served.values):
        paired = compare(served.correct, reference.correct, clusters=reference.clusters, level=how.level)
    else:
        paired = compare_values(served.values, reference.values, clusters=reference.clusters, level=how.level)
    return SideBySide(
        reference=mean(name, reference, reference.values, everything(reference), how),
        served=mean(name, served, served.values, everything(served), how),
        difference=estimate(
            f"{name} difference", paired.difference, paired.interval, n, paired.interval_method
        ),
        agreement=share(f"same {_answer(kind)}", reference, same, everything(reference), how),
        failures=int((served.answer == FAILED).sum()),
    )


def _same(reference: Scored, served: Scored, place: int) -> bool:
    one, other = reference.scores[place].answer, served.scores[place].answer
    if one is not None or other is not None:
        return one == other
    said, replied = reference.outcomes.alike[place], served.outcomes.alike[place]
    return isinstance(said, Completion) and isinstance(replied, Completion) and said.text == replied.text


def parity_rule(margin: float, kind: TaskKind) -> str:
    """The rule in words."""
    name = facts_of_kind(kind).primary.name
    worse = "less accurate" if kind is TaskKind.CLASSIFICATION else f"of {name} lower"
    return (
        f"holds at {percent(LEAST_AGREEMENT, 0)} the same {_answer(kind)} and at most "
        f"{100 * margin:g} points {worse}"
    )


def _answer(kind: TaskKind) -> str:
    """What a whole answer is: a label, or fields."""
    nouns = facts_of_kind(kind).nouns
    return nouns.answer if kind is TaskKind.CLASSIFICATION else nouns.answers


def parity_holds(found: SideBySide, margin: float) -> bool | None:
    """Whether the served model may stand for its reference; None where nothing was compared."""
    reference, served, agreement = found.reference.value, found.served.value, found.agreement.value
    if reference is None or served is None or agreement is None:
        return None
    return agreement >= LEAST_AGREEMENT and served >= reference - margin - 1e-9
