"""`harness demo`, and the first figures that a bake-off shows before its slow arms."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from advisor.bundled import example_case
from advisor.options import Option
from harness.bakeoff.planning import DEMO_SIZE, PlanRequest, draft
from harness.bakeoff.run_folder import create_run
from harness.cli import finishing
from harness.core.records import ArmId
from harness.models import embedded
from harness.recommendation.conclude import conclude_some
from harness.recommendation.run import run_bakeoff
from tests.harness.bakeoff.test_run import context, plan, shop, tickets
from tests.support.desk import Command, flags

__all__ = ["shop", "tickets"]

ARMS = [{"option": "prompt", "model": "m"}, {"option": "linear"}, {"option": "floor"}]


def test_fast_arms_are_told_of_before_a_model_is_asked(shop, tickets: Path, tmp_path: Path) -> None:
    made = shop()
    at = context(tmp_path)
    folder = create_run(at.runs, plan(tickets, arms=ARMS), at.clock())
    told: list[Sequence[ArmId]] = []

    def early(answered: Sequence[ArmId]) -> None:
        assert not made.chat.asked, "the slow arm has begun"
        some = conclude_some(folder, answered, at)
        assert [arm.arm for arm in some.arms] == list(answered) and some.verdict.pair is None
        assert not (folder.root / "results.json").exists()
        told.append(answered)

    whole = run_bakeoff(folder, at, early=early)
    assert [[arm.option for arm in answered] for answered in told] == [[Option.LINEAR, Option.FLOOR]]
    assert whole.looks == 1 and {arm.arm.option for arm in whole.arms} == {
        Option.PROMPT,
        Option.LINEAR,
        Option.FLOOR,
    }


def test_first_figures_change_nothing_that_is_concluded(shop, tickets: Path, tmp_path: Path) -> None:
    found = []
    for name in ("told", "untold"):
        shop()
        at = context(tmp_path / name)
        folder = create_run(at.runs, plan(tickets, arms=ARMS), at.clock())
        early = finishing.first_figures(folder, at) if name == "told" else None
        results = run_bakeoff(folder, at, early=early)
        found.append(
            (results.verdict.answer, results.recommendation.ship, results.comparisons, results.looks)
        )
    assert found[0] == found[1]


def test_a_run_without_slow_arms_has_no_first_figures(harness: Command, tickets: Path) -> None:
    said = harness(*flags(tickets, "--arms", "floor,linear"))
    assert said.code == 0 and "First figures" not in said.out


def test_the_plan_of_the_demo_is_the_same_on_every_machine(tmp_path: Path) -> None:
    case, rows = example_case("ticket-routing"), {"evalset": "support-tickets"}
    request = PlanRequest(data=rows, case=case, size=DEMO_SIZE)
    drafted = draft(request, context(tmp_path))
    assert drafted.plan.data.limit_test == 100 and drafted.plan.data.free_take_all
    assert drafted.plan.tune.epochs == 1.5 and drafted.plan.retrieve.k == (2,)
    assert drafted.plan.advice is not None


def test_the_demo_says_what_it_needs_and_fetches_nothing_offline(harness: Command) -> None:
    said = harness("demo", "--offline")
    assert said.code == 2 and "harness models pull" in said.err
    assert all(model.title in said.err for model in embedded.NEEDED)


@pytest.mark.parametrize(("example", "file"), [("tickets", "plan.yaml"), ("ticket-routing", "case.yaml")])
def test_init_writes_a_plan_or_a_use_case(harness: Command, tmp_path: Path, example: str, file: str) -> None:
    said = harness("init", "--example", example)
    assert said.code == 0 and (tmp_path / file).exists() and file in said.out
    again = harness("init", "--example", example)
    assert again.code == 2 and "--force" in again.err
