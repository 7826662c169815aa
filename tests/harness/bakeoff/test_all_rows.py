"""A limit that is set for time is none on arms that cost nothing; all arms are compared on the same rows."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from advisor.options import Option
from harness.bakeoff.results import ArmResult, LimitKind
from harness.bakeoff.run_folder import REST, REST_DEV, RunFolder
from harness.recommendation.records import RunResults
from harness.recommendation.run import run_bakeoff
from harness.report.run_document import run_document
from harness.report.text import render_text
from tests.harness.bakeoff.test_run import context, plan, shop, tickets
from tests.support.bakeoff import start_bakeoff

__all__ = ["shop", "tickets"]

ARMS = [{"option": "floor"}, {"option": "linear"}, {"option": "prompt", "model": "m"}]


def run(tickets: Path, folder: Path, **limits: Any) -> tuple[RunFolder, RunResults]:
    drawn = plan(tickets, arms=ARMS)
    data = drawn.data.model_copy(update=limits)
    return start_bakeoff(drawn.model_copy(update={"data": data}), context(folder))


def arm(results: RunResults, option: Option) -> ArmResult:
    return next(found for found in results.arms if found.arm.option is option)


def test_arms_that_cost_nothing_answer_every_test_row(shop, tickets: Path, tmp_path: Path) -> None:
    shop()
    _, whole = run(tickets, tmp_path / "whole")
    shop()
    folder, results = run(tickets, tmp_path / "part", limit_test=6, free_take_all=True)
    assert results.data.test == 6 and whole.data.test > 6
    for option in (Option.FLOOR, Option.LINEAR):
        found = arm(results, option)
        assert found.quality.primary.n == 6
        assert found.primary_all_rows is not None
        assert found.primary_all_rows.n == whole.data.test
        assert found.primary_all_rows.value == arm(whole, option).quality.primary.value
    assert arm(results, Option.PROMPT).primary_all_rows is None
    assert {comparison.difference.n for comparison in results.comparisons} == {6}
    manifest = folder.manifest()
    assert manifest is not None and "rest.jsonl" in manifest.files
    text = " ".join(render_text(run_document(results)).split())
    assert f"Linear classifier: of n={whole.data.test}, all test items" in text
    shown = [check for check in results.verdict.limits if check.arm.option is Option.LINEAR and check.n]
    assert all(check.n == whole.data.test for check in shown if check.kind is LimitKind.ACCURACY)


def test_a_limit_that_a_user_sets_holds_for_every_arm(shop, tickets: Path, tmp_path: Path) -> None:
    shop()
    folder, results = run(tickets, tmp_path, limit_test=6)
    assert all(found.primary_all_rows is None for found in results.arms)
    assert folder.rows(REST) == () and not (folder.root / "rest.jsonl").exists()
    assert folder.rows(REST_DEV) == () and not (folder.root / "rest_dev.jsonl").exists()


def test_arms_that_cost_nothing_choose_by_every_dev_row(shop, tickets: Path, tmp_path: Path) -> None:
    shop()
    _, whole = run(tickets, tmp_path / "whole")
    shop()
    folder, results = run(tickets, tmp_path / "part", limit_test=6, limit_dev=2, free_take_all=True)
    n = whole.data.dev
    assert results.data.dev == 2 < n and len(folder.rows(REST_DEV)) == n - 2
    assert arm(results, Option.LINEAR).quality.dev.n == n
    assert arm(results, Option.LINEAR).fitted.trials == arm(whole, Option.LINEAR).fitted.trials
    assert arm(results, Option.PROMPT).quality.dev.n == 2


def test_dev_rows_alone_may_be_left_to_arms_that_cost_nothing(shop, tickets: Path, tmp_path: Path) -> None:
    shop()
    folder, results = run(tickets, tmp_path, limit_test=6, limit_dev=2, free_take_dev=True)
    assert results.data.dev == 2 and len(folder.rows(REST_DEV)) > 0 and folder.rows(REST) == ()
    assert arm(results, Option.LINEAR).quality.dev.n == 2 + len(folder.rows(REST_DEV))
    assert arm(results, Option.LINEAR).primary_all_rows is None


def test_a_run_that_goes_on_asks_nothing_twice(shop, tickets: Path, tmp_path: Path) -> None:
    made = shop()
    folder, results = run(tickets, tmp_path, limit_test=6, free_take_all=True)
    asked = len(made.chat.asked)
    again = run_bakeoff(folder, context(tmp_path))
    assert len(made.chat.asked) == asked
    kept = [dataclasses.replace(found, peak_memory_mib=None) for found in results.arms]
    assert [dataclasses.replace(found, peak_memory_mib=None) for found in again.arms] == kept


def test_a_plan_without_the_key_keeps_its_digest(tickets: Path) -> None:
    raw = plan(tickets).model_dump(mode="json")
    assert raw["data"]["free_take_all"] is False
    assert plan(tickets).digest != plan(tickets, data=raw["data"] | {"free_take_all": True}).digest
