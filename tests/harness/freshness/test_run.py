"""A drill from end to end on scripted models and the real arms without one: stops, failures, refusals."""

from __future__ import annotations

import csv
import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from advisor.options import Option
from harness.bakeoff import arm_factory as factory
from harness.core.errors import DataError, StoreError, TrainingError, UsageError
from harness.freshness import run as drills
from harness.freshness.plan import ChangePlan, DrillPlan
from harness.freshness.records import Drill, Group, Moment, Upkeep
from harness.freshness.run import folder_of, run_drill
from harness.freshness.store import drill_of, read_drill
from harness.recommendation.records import ReasonKind
from harness.recommendation.run import keep_drill
from harness.recommendation.store import read_results
from harness.report.run_document import run_document
from harness.report.text import render_text
from harness.report.topics.freshness import UNMEASURED, drill_document
from tests.harness.bakeoff.test_run import Shop, context, plan
from tests.support.bakeoff import start_bakeoff
from tests.support.desk import write_tickets
from tests.support.doubles import ScriptedTuner, WordEmbedder

LABELS = {"split": {"desk": ["billing", "sign_in"]}}
ARMS = [{"option": "neighbours"}, {"option": "linear"}, {"option": "tune", "model": "m"}]
COST = {"price_date": "2026-11-23", "wrong_answer_usd": 0.5}


@pytest.fixture
def tickets(tmp_path: Path) -> Path:
    return write_tickets(tmp_path / "tickets.csv", each=30)


@pytest.fixture
def tuners(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[ScriptedTuner]]:
    made: list[ScriptedTuner] = []

    def build(*words: Any) -> ScriptedTuner:
        made.append(ScriptedTuner(seed=words[2]))
        return made[-1]

    monkeypatch.setattr(factory, "open_chat", Shop().open_chat)
    monkeypatch.setattr(factory, "open_embedding", lambda *_: WordEmbedder())
    monkeypatch.setattr(factory, "build_tuner", build)
    yield made


def drill(tickets: Path, change: dict[str, Any] | None = None, **changes: Any) -> DrillPlan:
    experiment = plan(tickets, **({"arms": ARMS, "cost": COST} | changes))
    return DrillPlan(experiment=experiment, change=ChangePlan(**(change or {"labels": LABELS})))


def of(found: Drill, option: Option) -> Any:
    return next(arm for arm in found.arms if arm.arm.option is option)


def test_labels_change_and_every_arm_is_right_again(tuners, tickets: Path, tmp_path: Path) -> None:
    found = run_drill(drill(tickets), context(tmp_path))
    assert found.of == "labels" and found.items[Group.CHANGED] and found.items[Group.UNCHANGED]
    assert {arm.arm.option for arm in found.arms} == {
        Option.FLOOR,
        Option.NEIGHBOURS,
        Option.LINEAR,
        Option.TUNE,
    }, "the floor is added to what the plan names"
    for option in (Option.NEIGHBOURS, Option.LINEAR):
        arm = of(found, option)
        assert arm.right(Moment.STALE, Group.CHANGED).value == 0, "the label before is no label any more"
        assert arm.right(Moment.AFTER, Group.CHANGED).value > 0.8
        assert (
            arm.right(Moment.STALE, Group.UNCHANGED).value == arm.right(Moment.BEFORE, Group.UNCHANGED).value
        )
        assert arm.stale[0].value > 0.8 and arm.stale[1].value == 0
        assert arm.measurable and arm.update_usd.usd > 0
    assert of(found, Option.NEIGHBOURS).upkeep is Upkeep.INDEX
    assert of(found, Option.LINEAR).upkeep is Upkeep.TRAIN
    assert len(found.rates) == 2 and found.rates[0].both is not None
    assert read_drill(folder_of(drill(tickets), tmp_path / "runs")) == found
    said = render_text(drill_document(found), 400)
    assert "both cheaper and right more often than the linear classifier" in said
    assert "split: desk becomes billing, sign_in" in said


def test_a_drill_that_is_stopped_goes_on(tuners, tickets: Path, tmp_path: Path, monkeypatch) -> None:
    real, asked = drills._point, []

    def stops(bench: Any, arm: Any, seed: int, edition: str, *more: Any) -> Any:
        if (arm.option, edition) == (Option.LINEAR, "second"):
            raise KeyboardInterrupt
        return real(bench, arm, seed, edition, *more)

    monkeypatch.setattr(drills, "_point", stops)
    with pytest.raises(KeyboardInterrupt):
        run_drill(drill(tickets), context(tmp_path))
    monkeypatch.setattr(drills, "_point", real)
    settled = drills._settled

    def watched(arm: Any, *more: Any) -> Any:
        asked.append(arm.id.option)
        return settled(arm, *more)

    monkeypatch.setattr(drills, "_settled", watched)
    found = run_drill(drill(tickets), context(tmp_path))
    assert asked == [Option.LINEAR, Option.TUNE], "what was finished is neither trained nor asked again"
    asked.clear()
    assert run_drill(drill(tickets), context(tmp_path)) == found and not asked


def test_an_arm_that_cannot_be_trained_again_stays_stale(tuners, tickets, tmp_path, monkeypatch) -> None:
    works = ScriptedTuner.tune

    def once(self: ScriptedTuner, *words: Any) -> Any:
        if len(tuners) > 1:
            raise TrainingError("The training diverged.")
        return works(self, *words)

    monkeypatch.setattr(ScriptedTuner, "tune", once)
    found = run_drill(drill(tickets), context(tmp_path))
    tuned = of(found, Option.TUNE)
    assert tuned.failed == "The training diverged." and tuned.update_s == () and tuned.forgotten is None
    assert tuned.right(Moment.AFTER).value == tuned.right(Moment.STALE).value
    rate = next(rate for rate in found.rates if rate.training.option is Option.TUNE)
    assert rate.both is None and tuned.arm in rate.unmeasured
    said = render_text(drill_document(found), 400)
    assert "could not be trained again" in said
    monkeypatch.setattr(ScriptedTuner, "tune", works)
    assert not of(run_drill(drill(tickets), context(tmp_path)), Option.TUNE).failed, "it is tried again"


def test_no_better_than_the_floor_is_not_measurable(tuners, tickets: Path, tmp_path: Path) -> None:
    """The scripted tuned model answers what it was taught first: no better than the commonest label."""
    found = run_drill(drill(tickets), context(tmp_path))
    rate = next(rate for rate in found.rates if rate.training.option is Option.TUNE)
    if not of(found, Option.TUNE).measurable:
        assert rate.both is None
        assert UNMEASURED in render_text(drill_document(found), 400)


def test_two_files_are_two_editions(tuners, tickets: Path, tmp_path: Path) -> None:
    rows = list(csv.reader(tickets.open(encoding="utf-8")))
    later = tmp_path / "later.csv"
    with later.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(
            [[*row[:2], "parcels" if row[2] == "shipping" else row[2], row[3]] for row in rows]
        )
    found = run_drill(drill(tickets, {"second": {"file": str(later)}}), context(tmp_path))
    assert found.items[Group.WITHDRAWN] and not found.items[Group.CHANGED], "shipping is no label any more"
    assert of(found, Option.LINEAR).right(Moment.AFTER, Group.WITHDRAWN).value > 0.8
    with pytest.raises(DataError, match="Nothing changes"):
        run_drill(drill(tickets, {"second": {"file": str(tickets)}}), context(tmp_path))


def test_rows_that_changed_since_are_refused(tuners, tickets: Path, tmp_path: Path) -> None:
    asked = drill(tickets, arms=ARMS[:2])
    run_drill(asked, context(tmp_path))
    text = tickets.read_text(encoding="utf-8")
    tickets.write_text(text.replace("password", "pass word"), encoding="utf-8")
    with pytest.raises(DataError, match="changed since this drill began"):
        run_drill(asked, context(tmp_path))
    tickets.write_text(text, encoding="utf-8")
    assert run_drill(asked, context(tmp_path)).items[Group.CHANGED]


@pytest.mark.parametrize(
    ("labels", "says"),
    [
        ({"added": {"nowhere": "billing"}}, "no row of train and test holds"),
        ({"withdrawn": {"billing": "elsewhere"}}, "no row of train and test holds"),
        ({"split": {"shipping": ["billing", "sign_in"]}}, "must be a new name"),
    ],
)
def test_a_label_that_nothing_holds_is_refused(tuners, tickets, tmp_path, labels, says) -> None:
    with pytest.raises(UsageError, match=says):
        run_drill(drill(tickets, {"labels": labels}), context(tmp_path))


def test_without_a_price_nothing_runs(tuners, tickets: Path, tmp_path: Path) -> None:
    asked = drill(tickets, cost=COST | {"machine": "no-such-machine"})
    with pytest.raises(UsageError, match="no-such-machine"):
        run_drill(asked, context(tmp_path))
    assert not tuners and not folder_of(asked, tmp_path / "runs").exists()


def test_a_model_without_a_price_is_refused(tuners, tickets: Path, tmp_path: Path, monkeypatch) -> None:
    shop = Shop("remote")
    monkeypatch.setattr(factory, "open_chat", shop.open_chat)
    arms = [{"option": "linear"}, {"option": "retrieve", "model": "m"}]
    with pytest.raises(UsageError, match="No price is known for m"):
        run_drill(drill(tickets, arms=arms), context(tmp_path))


def test_a_damaged_or_older_drill_is_refused(tuners, tickets: Path, tmp_path: Path) -> None:
    asked = drill(tickets, arms=ARMS[:2])
    run_drill(asked, context(tmp_path))
    file = folder_of(asked, tmp_path / "runs") / "freshness.json"
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace('"schema": 1', '"schema": 0'), encoding="utf-8")
    with pytest.raises(StoreError, match="another version"):
        read_drill(file)
    file.write_text("{", encoding="utf-8")
    with pytest.raises(StoreError, match="holds no drill"):
        read_drill(file)
    with pytest.raises(StoreError, match="cannot be read"):
        read_drill(tmp_path / "nowhere")


def test_a_run_keeps_the_drill_and_concludes_again(tuners, tickets: Path, tmp_path: Path) -> None:
    outside = context(tmp_path)
    folder, before = start_bakeoff(plan(tickets, arms=[{"option": "floor"}, *ARMS[:2]]), outside)
    found = run_drill(drill(tickets, arms=ARMS[:2]), outside)
    results = keep_drill(folder, found, outside)
    assert drill_of(folder) == found
    folder.check()
    assert results.recommendation.action is before.recommendation.action
    assert [one for one in results.recommendation.reasons if one.kind is not ReasonKind.KEEPS_UP] == list(
        before.recommendation.reasons
    ), "a drill decides nothing about quality"
    (reason,) = [one for one in results.recommendation.reasons if one.kind is ReasonKind.KEEPS_UP]
    assert reason.rate == found.rates[0] and read_results(folder).drill == found
    for form in ("text", "md", "html", "pdf"):
        shown = run_document(results, folder.manifest(), form)
        assert shown.section("freshness") is not None
    assert "both cheaper and right more often than" in render_text(
        run_document(results, folder.manifest()), 400
    )
    other = dataclasses.replace(found, evalset="elsewhere")
    with pytest.raises(UsageError, match="other rows"):
        keep_drill(folder, other, outside)
