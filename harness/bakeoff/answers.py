"""What one arm answered to one item, read and marked: for exports and for comparing runs.

Made from the journal by `harness.bakeoff.between_runs`; these records pass from the measures to the report.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from advisor.stats.paired import Relation
from harness.core.records import ArmId, Estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemAnswer:
    """One item in one arm.

    Attributes:
        text, label: the item's own; the text is '' where texts are left out.
        raw: the answer as it came; '' for a failure and where texts are left out.
        answer: the label read from it; None for an invalid answer or a failure.
        correct: None for a failure, which is no answer (accuracy counts it as not correct).
        confidence: highest label probability after temperature scaling on dev, or how sure the arm says it
            is of a free answer; None without either.
        failure: its kind, '' for an answer.
    """

    arm: ArmId
    item_id: str
    text: str
    label: str
    raw: str
    answer: str | None
    correct: bool | None
    confidence: float | None
    failure: str = ""


def without_texts(answers: Iterable[ItemAnswer]) -> list[ItemAnswer]:
    """Without the items' texts, and without answers as they came: a model may repeat the text in them."""
    return [replace(found, text="", raw="") for found in answers]


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmAcrossRuns:
    """One arm in two runs.

    Attributes:
        first, second: its accuracy in each.
        difference: first minus second; `method` says whether items were paired.
        paired: True if both runs scored the same items.
        only_first, only_second: items only one of the runs got right; None if not paired.
        p_value: of the paired test, not adjusted; the interval is, for the number of arms in common.
        relation: what the interval allows to say of the first run; None without an interval.
    """

    arm: ArmId
    first: Estimate
    second: Estimate
    difference: Estimate
    paired: bool
    only_first: int | None = None
    only_second: int | None = None
    p_value: float | None = None
    relation: Relation | None = None
