"""Two ways of serving one model on the same items: how accurate each is, and how often they agree."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from advisor.stats.intervals import wilson
from advisor.stats.paired import compare
from harness.core.records import Estimate
from harness.core.wording import percent
from harness.tasks.measures import Measuring, estimate, share
from harness.tasks.scored import Scored

LEAST_AGREEMENT = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class SideBySide:
    """What both gave.

    Attributes:
        difference: accuracy of the served one minus that of the reference, paired.
        agreement: share of items with the same label, right or wrong; an item without one agrees with none.
    """

    reference: Estimate
    served: Estimate
    difference: Estimate
    agreement: Estimate
    failures: int


def side_by_side(reference: Scored, served: Scored, how: Measuring) -> SideBySide:
    """Compare a served model with its reference.

    Raises:
        ValueError: if they were not scored on the same items.
    """
    if [item.id for item in reference.items] != [item.id for item in served.items]:
        raise ValueError("the two were not scored on the same items")
    n = len(reference.items)
    everything = np.ones(n, dtype=bool)
    same = int(((reference.answer == served.answer) & (reference.answer >= 0)).sum())
    paired = compare(served.correct, reference.correct, clusters=reference.clusters, level=how.level)
    return SideBySide(
        reference=share("accuracy", reference, reference.correct, everything, how),
        served=share("accuracy", served, served.correct, everything, how),
        difference=estimate(
            "accuracy difference", paired.difference, paired.interval, n, paired.interval_method
        ),
        agreement=estimate("same label", same / n if n else None, wilson(same, n), n, "Wilson"),
        failures=int((served.answer == -2).sum()),
    )


def parity_rule(margin: float) -> str:
    """The rule in words."""
    same = percent(LEAST_AGREEMENT, 0)
    return f"holds at {same} the same label and at most {100 * margin:g} points less accurate"


def parity_holds(found: SideBySide, margin: float) -> bool | None:
    """Whether the served model may stand for its reference; None where nothing was compared."""
    reference, served, agreement = found.reference.value, found.served.value, found.agreement.value
    if reference is None or served is None or agreement is None:
        return None
    return agreement >= LEAST_AGREEMENT and served >= reference - margin - 1e-9
