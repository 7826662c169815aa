"""The first table of a run: the arms that need no language model, while the slow ones still run."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from harness.core.records import ArmId
from harness.core.wording import one_line
from harness.recommendation.records import RunResults
from harness.report.recommendation_words import reason_sentence
from harness.report.tables import arms_table
from harness.report.view import Fact, Section, View

_MARKS = "What the marks mean stands below the whole table, at the end of the run."


def first_view(results: RunResults, to_come: Sequence[ArmId]) -> View:
    """What is known so far.

    Args:
        results: of the arms that have answered.
        to_come: the arms that have not.
    """
    advised = results.recommendation
    picked = advised.arm
    blocks = (
        dataclasses.replace(arms_table(results), notes=(_MARKS,)),
        Fact(
            label="so far",
            text="No arm yet." if picked is None else one_line(str(picked)),
            tone="warn" if picked is None else "good",
        ),
        Fact(label="because", text=one_line(reason_sentence(advised.reasons[0]))),
        Fact(
            label="to come",
            text=f"{', '.join(one_line(str(arm)) for arm in to_come)}. Nothing is decided before them.",
        ),
    )
    return View(
        title="First figures",
        sections=(Section(key="first", title="Without a language model", blocks=blocks),),
    )
