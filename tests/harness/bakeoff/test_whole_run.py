"""What is left of the whole run: forecast by arm, corrected by what was seen."""

from __future__ import annotations

from harness.bakeoff.run import WholeRun
from harness.core.context import Quiet


class Told(Quiet):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def stage(self, title: str, total: int | None) -> None:
        self.lines.append(title)

    def note(self, line: str) -> None:
        self.lines.append(line)


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def made(**expected_s: float) -> tuple[WholeRun, Told, Clock]:
    told, clock = Told(), Clock()
    return WholeRun(told, expected_s, clock), told, clock


def test_the_time_of_all_arms_goes_down_as_they_are_done() -> None:
    run, told, clock = made(a=120.0, b=240.0)
    run.stage("loading the rows", None)
    run.stage("a: opening", None)
    clock.now = 60.0
    run.stage("a: answering test", 10)
    clock.now = 120.0
    run.stage("b: opening", None)
    assert told.lines == [
        "loading the rows (about 6 min left in all)",
        "a: opening (about 6 min left in all)",
        "a: answering test (about 5 min left in all)",
        "b: opening (about 4 min left in all)",
    ]


def test_a_machine_that_is_slower_than_forecast_is_believed() -> None:
    run, told, clock = made(a=120.0, b=240.0)
    run.stage("a: opening", None)
    clock.now = 240.0
    run.stage("b: opening", None)
    assert told.lines[-1] == "b: opening (about 8 min left in all)"


def test_it_is_told_now_and_then_within_a_stage() -> None:
    run, told, clock = made(a=300.0)
    run.stage("a: answering test", 100)
    clock.now = 10.0
    run.advance(1)
    clock.now = 60.0
    run.advance(1)
    assert told.lines[1:] == ["about 4 min left in all"]


def test_the_end_is_no_time_below_nothing() -> None:
    run, told, clock = made(a=30.0)
    run.stage("a: answering test", 10)
    clock.now = 500.0
    run.advance(1)
    run.stage("drawing conclusions", None)
    assert told.lines[1:] == ["under a minute left in all", "drawing conclusions"]


def test_without_a_forecast_nothing_is_said() -> None:
    run, told, _ = made()
    run.stage("a: opening", None)
    run.advance(3)
    assert told.lines == ["a: opening"] and run.left() == ""
