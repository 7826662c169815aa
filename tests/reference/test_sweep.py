"""Volume moves first place where it moves the money: twelve use cases, their turning points by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from advisor.advice import Today
from advisor.options import Option
from tests.reference.sweep import CASES, HIGH, LOW, first_at, judge_of, row, turns

DOCS = (Path(__file__).parents[2] / "docs" / "advice.md").read_text(encoding="utf-8")
BY_NAME = {case.name: case for case in CASES}
POINTS = {
    "Brand voice": {70: Option.RETRIEVE, 110: Option.TUNE},
    "Product catalogue search": {},
    "Answers from changing policies": {260: Option.RETRIEVE},
    "Contract extraction": {100: Option.ENCODER, 180: Option.TUNE},
    "Internal job language": {100: Option.TUNE},
    "Medical coding": {490: Option.ENCODER},
    "Realtime stock questions": {130: Option.RETRIEVE},
    "Ticket routing": {5_800: Option.ENCODER},
    "Invoices": {660: Option.PROMPT, 2_300: Option.ENCODER, 11_000: Option.TUNE},
    "Spam, on own machines": {760: Option.LINEAR},
    "Meeting notes": {160: Option.PROMPT, 38_000: Option.TUNE},
    "A prompt that is enough": {660: Option.PROMPT, 110_000: Option.LINEAR},
}


def test_there_are_twelve():
    assert len(BY_NAME) == len(POINTS) == 12


@pytest.mark.parametrize("name", POINTS)
def test_first_place_turns_where_it_is_said_to(name):
    found = turns(BY_NAME[name])[1:]
    assert [turn.first for turn in found] == list(POINTS[name].values())
    assert [turn.volume for turn in found] == pytest.approx(list(POINTS[name]), rel=0.06)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_docs_draw_every_sweep(case):
    assert row(case) in DOCS


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_at_ten_a_month_nothing_is_trained_and_at_the_most_nobody_answers_by_hand(case):
    judge = judge_of(case)
    low, high = first_at(case, LOW, judge), first_at(case, HIGH, judge)
    assert low is Today.KEEP or not low.traits.tuned
    assert high is not Today.KEEP


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_comes_first_at_one_volume_does_not_come_back_at_a_larger_one(case):
    firsts = [turn.first for turn in turns(case)]
    assert len(firsts) == len(set(firsts))
