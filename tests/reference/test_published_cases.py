"""Published studies as use cases: how often the advice names what they measured, in-sample.

The figures below are pinned so that a changed weight shows here and in docs/advice.md, not to be good.
"""

from pathlib import Path

import pytest

from advisor.case import build_case
from advisor.options import Option
from advisor.rubric.rubric import load_rubric
from advisor.stats.intervals import wilson
from tests.reference.agreement import agreement, by_gap, judge_all, read_cases

JUDGED = judge_all()
DOCS = (Path(__file__).parents[2] / "docs" / "advice.md").read_text(encoding="utf-8")


def test_there_are_at_least_twenty_studies_with_source_and_what_was_opened():
    rows = read_cases(verified=False)
    assert len({row["study"] for row in rows if not row.get("unverified")}) >= 20
    assert len({row["id"] for row in rows}) == len(rows)
    for row in rows:
        assert row["source"] and row["opened"] and row["note"] and row["found"] in ("evidence", "later")
        assert set(row["winners"]) <= set(row["options"]) and len(row["options"]) >= 2
        assert all(Option(o) for o in row["options"])
        build_case({"name": row["id"], **row["use_case"]}, row["id"])


def test_what_was_not_opened_is_left_out():
    left_out = {row["id"] for row in read_cases(verified=False)} - {j.id for j in JUDGED}
    assert left_out == {row["id"] for row in read_cases(verified=False) if row.get("unverified")} != set()


def test_only_options_that_were_run_are_ranked():
    assert all(j.first in j.options for j in JUDGED)


def test_agreement_is_what_the_docs_say():
    found = agreement(JUDGED)
    assert (found.clear, found.right, found.baseline_right) == (25, 23, 14)
    assert (found.decided_a_tie, found.tied, found.tied_right, found.abstained) == (7, 1, 0, 6)
    reference = wilson(found.right, found.clear)
    assert (found.low, found.high) == pytest.approx((reference.low, reference.high), abs=1e-9)
    assert f"{found.right} of {found.clear}" in DOCS and f"{found.baseline_right} of {found.clear}" in DOCS
    assert f"{found.low:.2f}-{found.high:.2f}" in DOCS and "in-sample" in DOCS


def test_the_agreement_beats_always_naming_the_usual_winner():
    found = agreement(JUDGED)
    assert found.right > found.baseline_right


def test_the_docs_show_every_case_that_was_not_right():
    for j in JUDGED:
        if j.outcome != "right":
            assert j.id in DOCS, f"{j.id} ({j.outcome}) is missing in docs/advice.md"


def test_confidence_says_what_the_cases_showed():
    bands = load_rubric().confidence
    seen = by_gap(JUDGED, [band.gap for band in bands])
    assert [(band.held, band.cases) for band in bands] == seen
    for band, (held, n) in zip(bands, seen, strict=True):
        assert band.share <= held / n
