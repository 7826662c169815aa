"""What a drill found in words, alone and in the report of a run."""

from __future__ import annotations

from harness.freshness.records import Moment
from harness.report.charts import CurveChart
from harness.report.document import Chart, blocks_of
from harness.report.text import render_text
from harness.report.topics.freshness import drill_document, rate_sentence
from tests.support.drills import a_drill


def test_always_none_and_a_rate_are_answers() -> None:
    known, unknown = a_drill().rates
    said = rate_sentence(known, str)
    assert said.startswith(
        "At no rate of change is neighbours@training-rows both cheaper and right more often"
    )
    assert "linear@linear (95 %: 3.50 to no rate): it is cheaper" in said
    assert "cheaper above 40 changes a month (95 %: any rate to no rate)" in said
    assert said.endswith("right more often at any rate"), "no interval where every draw says the same"
    said = rate_sentence(unknown, str)
    assert "not measurable with this model: " in said
    assert said.endswith("not shown to beat the floor on what stays the same and to come up to date")
    assert "no better than" not in said, "too few items show neither"


def test_the_document_says_what_was_counted() -> None:
    said = render_text(drill_document(a_drill()), 400)
    assert "4.0 hours longer, as the plan states" in said
    assert "what people do is not counted" in said
    assert "tune@m could not be trained again and stays as it was: The training diverged." in said
    assert "means of" not in said, "one training seed is no mean"
    assert "The linear classifier is up to date 6.0 s after the change, for $0.0002 of machine time." in said
    assert "At no rate of change is the vote of similar past items both cheaper" in said
    assert (
        "indexed again, or trained again on" in said
        and "points" in said.split(" right after minus before")[0][-60:]
    )
    unproved = [arm for arm in a_drill().arms if arm.must_keep_up and not arm.measurable]
    assert said.count("It is not shown to beat the floor") == len(unproved)


def test_right_answers_are_drawn_over_the_seconds_after_the_change() -> None:
    """An option falls with the change and rises with its update; one that was never updated stays below."""
    drill = a_drill()
    [chart] = [block for block in blocks_of(drill_document(drill)) if isinstance(block, Chart)]
    assert isinstance(chart.spec, CurveChart)
    assert len(chart.spec.curves) == len(drill.arms)
    for arm, curve in zip(drill.arms, chart.spec.curves, strict=True):
        before, stale = arm.right(Moment.BEFORE).value, arm.right(Moment.STALE).value
        assert [value for _, value, _ in curve.points[:2]] == [before, stale]
        update = arm.mean_update_s
        end = arm.right(Moment.AFTER if update else Moment.STALE).value
        assert curve.points[-1][1] == end
        assert [at for at, _, _ in curve.points].count(update or -1.0) == (2 if update else 0)
