"""Harm checks of a run on scripted models: asked once, kept, in the reports, and able to veto."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from advisor.options import Option
from harness.bakeoff.results import ArmResult, LimitKind, LimitState
from harness.bakeoff.run_folder import OUT_OF_SCOPE, RunFolder
from harness.core.errors import DataError, UsageError
from harness.core.records import Item
from harness.data.load import out_of_scope_of, read_out_of_scope
from harness.recommendation.records import RunResults
from harness.recommendation.run import check_robustness, rescore
from harness.recommendation.store import read_results
from harness.report.topics.robustness import robustness_sentences
from harness.robustness.records import ArmRobustness
from harness.robustness.run import RobustnessRequest
from harness.tasks.classification import ACCURACY
from tests.harness.bakeoff.test_run import context, plan, shop, tickets
from tests.support.bakeoff import start_bakeoff
from tests.support.doubles import ScriptedTuner

__all__ = ["shop", "tickets"]

ARMS = [
    {"option": "floor"},
    {"option": "linear"},
    {"option": "retrieve", "model": "m"},
    {"option": "tune", "model": "m"},
]
STRANGE = tuple(
    Item(id=f"s{n}", text=text, target="") for n, text in enumerate(["poem", "zoo opening hours"])
)


def arm(results: RunResults, option: Option) -> ArmResult:
    return next(found for found in results.arms if found.arm.option is option)


def robustness(results: RunResults, option: Option) -> ArmRobustness | None:
    return next((found for found in results.robustness if found.arm.option is option), None)


def run(tickets: Path, folder: Path, **changes: Any) -> RunFolder:
    made, _ = start_bakeoff(plan(tickets, arms=ARMS, **changes), context(folder))
    return made


def test_inputs_out_of_scope_are_asked_of_arms_that_learn(shop, tickets: Path, tmp_path: Path) -> None:
    shop()
    folder = run(tickets, tmp_path)
    assert read_results(folder).robustness == (), "this table names none"
    results = check_robustness(folder, RobustnessRequest(out_of_scope=STRANGE), context(tmp_path))
    manifest = folder.manifest()
    assert read_results(folder) == results and manifest is not None and "out_of_scope.jsonl" in manifest.files
    for option in (Option.LINEAR, Option.TUNE):
        harm = robustness(results, option)
        assert harm is not None and harm.rejection is not None
        assert harm.rejection.recall_outside.n == len(STRANGE)
        assert any("belong to no label" in line for line in robustness_sentences(harm, ACCURACY))
    assert robustness(results, Option.RETRIEVE) is None and robustness(results, Option.FLOOR) is None
    before = robustness(read_results(folder), Option.TUNE)
    again = check_robustness(folder, RobustnessRequest(), context(tmp_path))
    assert robustness(again, Option.TUNE) == before, "what the run holds is asked once"
    assert rescore(folder, context(tmp_path), "").arms == again.arms


def test_a_label_can_be_left_out_of_one_more_training(shop, tickets: Path, tmp_path: Path) -> None:
    made = shop()
    folder = run(tickets, tmp_path)
    trained = len(made.tuner.seen)
    results = check_robustness(folder, RobustnessRequest(unseen=("shipping",)), context(tmp_path))
    rows, _ = made.tuner.seen[trained]
    assert len(made.tuner.seen) == trained + 1
    assert {row.completion for row in rows} == {"billing", "sign in"}
    (found,) = robustness(results, Option.TUNE).unseen  # type: ignore[union-attr]
    shipped = [item for item in folder.items()["test"] if item.label == "shipping"]
    assert found.label == "shipping" and found.items == len(shipped)
    assert {name for name, _ in found.given} <= {"billing", "sign_in"}
    assert sum(share for _, share in found.given) == pytest.approx(1.0)
    check_robustness(folder, RobustnessRequest(unseen=("shipping",)), context(tmp_path))
    assert len(made.tuner.seen) == trained + 1, "a training that is there is not made again"
    check_robustness(folder, RobustnessRequest(unseen=("billing",)), context(tmp_path))
    labels = [one.label for one in robustness(read_results(folder), Option.TUNE).unseen]  # type: ignore[union-attr]
    assert labels == ["billing", "shipping"]


def test_seeds_are_held_against_each_other(shop, tickets: Path, tmp_path: Path) -> None:
    shop()
    folder = run(tickets, tmp_path, tune={"seeds": [1, 2, 3]})
    harm = robustness(read_results(folder), Option.TUNE)
    assert harm is not None and harm.agreement is not None and harm.agreement.seeds == (1, 2, 3)
    assert harm.agreement.unanimous.value == 1.0, "the scripted tuner learns the same from every seed"


def test_harm_can_veto(shop, tickets: Path, tmp_path: Path) -> None:
    """What was not looked at is open and cannot be shipped; what was has to be shown to reach it."""
    shop()
    strict = {"bootstrap_draws": 200, "min_handed_back": 0.999, "min_seed_agreement": 0.5}
    folder = run(tickets, tmp_path, decision=strict)
    found = read_results(folder)
    verdict, ship = found.verdict, found.recommendation.ship
    before = {(str(c.arm), c.kind): c for c in verdict.limits if c.state is LimitState.OPEN}
    assert ("linear@linear", LimitKind.HANDED_BACK) in before and ("tune@m", LimitKind.SEEDS) in before
    assert ship is None or "classical" not in str(ship)
    assert not any("retrieve@m" in name for name, _ in before)
    results = check_robustness(folder, RobustnessRequest(out_of_scope=STRANGE), context(tmp_path))
    back = robustness(results, Option.LINEAR).rejection.handed_back  # type: ignore[union-attr]
    (check,) = [
        c for c in results.verdict.limits if str(c.arm) == "linear@linear" and c.kind is LimitKind.HANDED_BACK
    ]
    assert check.value == back.value and check.n == back.n
    assert check.state is not LimitState.KEPT, "so few inputs cannot show 99.9 %"


def test_what_cannot_be_looked_at_is_said(shop, tickets: Path, tmp_path: Path) -> None:
    shop()
    folder = run(tickets, tmp_path)
    with pytest.raises(UsageError, match="nothing to look at"):
        check_robustness(folder, RobustnessRequest(), context(tmp_path))
    with pytest.raises(UsageError, match="no such label"):
        check_robustness(folder, RobustnessRequest(unseen=("nowhere",)), context(tmp_path))


def test_an_arm_that_changed_since_is_not_settled_anew(
    shop, tickets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop()
    folder = run(tickets, tmp_path)
    before = read_results(folder)
    monkeypatch.setattr(ScriptedTuner, "config", property(lambda self: {"base": "another"}))
    with pytest.raises(UsageError, match="would be another arm now"):
        check_robustness(folder, RobustnessRequest(out_of_scope=STRANGE), context(tmp_path))
    assert rescore(folder, context(tmp_path), "").arms[0] == before.arms[0], "the run is as it was"
    assert folder.rows(OUT_OF_SCOPE) == ()


def test_files_of_inputs_out_of_scope(tmp_path: Path) -> None:
    own = tmp_path / "strange.csv"
    own.write_text("id,subject,body\na,Hello,world\nb,,alone\n")
    assert [item.text for item in read_out_of_scope(own, ("subject", "body"))] == ["Hello\n\nworld", "alone"]
    with pytest.raises(DataError, match="no column 'text'"):
        read_out_of_scope(own, ("text",))
    own.write_text("id,text\na,x\na,y\n")
    numbered = [item.id for item in read_out_of_scope(own, ("text",))]
    assert numbered == ["out-of-scope-00000", "out-of-scope-00001"], "ids that tell no rows apart"
    rows = out_of_scope_of("support-tickets", {})
    assert len(rows) == 150 and len({item.id for item in rows}) == 150
    assert out_of_scope_of("banking77", {}) == ()
