"""What a drill found in words, alone and in the report of a run."""

from __future__ import annotations

from harness.report.text import render_text
from harness.report.topics.freshness import drill_document, rate_sentence
from tests.support.drills import a_drill


def test_always_none_and_a_rate_are_answers() -> None:
    known, unknown = a_drill().rates
    said = rate_sentence(known)
    assert "cheaper above 40 changes a month (95 % always to at no rate)" in said
    assert "right more often always;" in said, "no interval where every draw says the same"
    assert "both at no rate (95 % above 3.50 changes a month to at no rate)" in said
    assert "not measurable with this model" in rate_sentence(unknown)


def test_the_document_says_what_was_counted() -> None:
    said = render_text(drill_document(a_drill()), 400)
    assert "4.0 hours longer, as the plan states" in said
    assert "what people do is not counted" in said
    assert "tune@m could not be trained again and stays as it was: The training diverged." in said
    assert "means of" not in said, "one training seed is no mean"
