"""The advice against the measurement: tested by what it was made for, and only by that."""

from __future__ import annotations

from dataclasses import replace

import pytest

from advisor.options import Option
from harness.bakeoff.plan import AdvicePlan, Predicted
from harness.bakeoff.results import Answer
from harness.track_record.advice_check import check_advice
from tests.support.results import LINEAR, RETRIEVE, TUNE, arm_result, timed, verdict

ARMS = (
    arm_result(LINEAR, (0.80, 0.77, 0.83), identity=None),
    arm_result(RETRIEVE, (0.49, 0.45, 0.53)),
    arm_result(TUNE, (0.81, 0.78, 0.84)),
)


def advice(first: str = "linear", answer: str = "tune", **ranges: float) -> AdvicePlan:
    expected = Predicted(option=Option.RETRIEVE, model=RETRIEVE.model, **ranges)
    order = (Option(first), *(o for o in (Option.LINEAR, Option.TUNE) if o.value != first))
    return AdvicePlan(
        case="c", case_sha256="0", rubric="1", answer=answer, ranking=order, predictions=(expected,)
    )


def test_a_range_holds_at_its_ends_and_not_beyond() -> None:
    at = check_advice(advice(accuracy_low=0.49, accuracy_high=0.9), ARMS, verdict(), LINEAR)
    assert (at.inside, at.tested, at.outside) == (1, 1, ())
    beyond = check_advice(advice(accuracy_low=0.5, accuracy_high=0.9), ARMS, verdict(), LINEAR)
    assert (beyond.inside, beyond.tested) == (0, 1)
    assert [(one.measured, one.low, one.high) for one in beyond.outside] == [(0.49, 0.5, 0.9)]


def test_the_ranking_is_held_against_what_ships_and_not_against_the_highest_accuracy() -> None:
    # tune leads on accuracy by a point, the linear arm ships: placing it first was right
    right = check_advice(advice("linear"), ARMS, verdict(), LINEAR)
    assert not right.wrong_first and right.measured_first == "linear"
    wrong = check_advice(advice("tune"), ARMS, verdict(), LINEAR)
    assert (wrong.wrong_first, wrong.first, wrong.measured_first) == (True, "tune", "linear")
    assert not check_advice(advice("tune"), ARMS, verdict(), None).wrong_first, "nothing ships"


def test_an_undecided_run_does_not_call_the_answer_wrong() -> None:
    said = advice(answer="retrieve")
    assert check_advice(said, ARMS, verdict(answer=Answer.TUNE), LINEAR).wrong_answer
    open_ = check_advice(said, ARMS, verdict(answer=Answer.NOT_ENOUGH_EVIDENCE), LINEAR)
    assert not open_.wrong_answer and not open_.outside


def test_another_model_and_an_unmeasured_figure_test_nothing() -> None:
    other = advice(accuracy_low=0.9, accuracy_high=0.95)
    other = other.model_copy(
        update={"predictions": (other.predictions[0].model_copy(update={"model": "openai/gpt-6-luna"}),)}
    )
    found = check_advice(other, ARMS, verdict(), LINEAR)
    assert (found.tested, found.outside) == (0, ()) and not found.figures[0].same_model
    slow = [replace(arm, latency=replace(arm.latency, p95_ms=timed("p95_ms", None))) for arm in ARMS]
    unmeasured = check_advice(advice(p95_ms_low=1.0, p95_ms_high=2.0), slow, verdict(), LINEAR)
    assert unmeasured.figures[0].inside is None and unmeasured.tested == 0


@pytest.mark.parametrize(("billions", "same"), [("0.135", True), ("8", False)])
def test_an_open_model_is_known_by_its_size(billions: str, same: bool) -> None:
    arm = ARMS[2]
    assert arm.identity is not None
    sized = replace(arm, identity=replace(arm.identity, parameters=134_515_008))
    expected = Predicted(option=Option.TUNE, model=f"open {billions}B", accuracy_low=0.5, accuracy_high=0.9)
    plan = advice().model_copy(update={"predictions": (expected,)})
    assert check_advice(plan, [ARMS[0], sized], verdict(), LINEAR).figures[0].same_model is same
