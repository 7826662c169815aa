"""Learning curves from end to end on scripted models and the real linear arm: stops, looks, refusals."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.bakeoff import arm_factory as factory
from harness.bakeoff.journal import Journal
from harness.bakeoff.run_folder import RunFolder, count_looks, list_runs
from harness.core.errors import DataError, UsageError
from harness.core.serial import decode, encode
from harness.curve import run as curves
from harness.curve.records import CurveNote, LearningCurves, Reach
from harness.curve.run import CurveRequest, curves_of_plan, curves_of_run, read_curves
from harness.models.remembering import KnownTexts
from harness.recommendation.records import RunResults
from harness.recommendation.store import read_results
from tests.harness.bakeoff.test_run import Shop, context, plan
from tests.support.bakeoff import start_bakeoff
from tests.support.desk import write_tickets
from tests.support.doubles import ScriptedTuner, WordEmbedder

LOCAL = "smollm2-135m"
ARMS = [
    {"option": "floor"},
    {"option": "linear"},
    {"option": "retrieve", "model": LOCAL},
    {"option": "tune", "model": LOCAL},
]
QUICK = CurveRequest(options=("linear",), sizes=(9, 18, 36, 72), seeds=1)


@pytest.fixture
def tickets(tmp_path: Path) -> Path:
    return write_tickets(tmp_path / "tickets.csv", each=60)


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Shop, WordEmbedder, list[ScriptedTuner]]]:
    """Scripted models in the place of those on disk; a tuner of its own for every artefact."""
    made, embedder, tuners = Shop(), WordEmbedder(), []

    def build(*words: Any) -> ScriptedTuner:
        tuners.append(ScriptedTuner(seed=words[2]))
        return tuners[-1]

    monkeypatch.setattr(factory, "open_chat", made.open_chat)
    monkeypatch.setattr(factory, "open_embedding", lambda *_: embedder)
    monkeypatch.setattr(factory, "build_tuner", build)
    yield made, embedder, tuners


def asked(tickets: Path, **changes: Any) -> Any:
    """90 rows to train with, 18 of dev, 72 of test, each a customer of its own."""
    data = {"file": str(tickets), "text": ["subject", "body"], "label": "queue"}
    return plan(tickets, **{"arms": ARMS, "data": data, **changes})


def baked(tickets: Path, folder: Path, **changes: Any) -> tuple[RunFolder, RunResults]:
    """A run of the two arms that need no language model."""
    return start_bakeoff(asked(tickets, arms=ARMS[:2], **changes), context(folder))


def test_the_real_linear_arm_learns_with_more_rows(shop, tickets: Path, tmp_path: Path) -> None:
    request = dataclasses.replace(QUICK, sizes=(), seeds=3, target=0.5)
    (found,) = curves_of_plan(asked(tickets), request, context(tmp_path)).curves
    assert str(found.arm) == "linear@linear" and found.split == "dev" and found.looks is None
    assert len(found.means) == 5 and found.means[-1].size == found.train
    assert {point.seed for point in found.points} == {17, 18, 19}
    assert len(found.points) == 4 * 3 + 1, "all rows are the same rows for every seed"
    assert found.points[0].primary.n == found.items
    first, last = found.means[0].primary.value, found.means[-1].primary.value
    assert first is not None and last is not None and last > first
    assert found.target is not None and found.target.reach is Reach.REACHED
    assert CurveNote.HALVES in found.notes


def test_a_trained_arm_is_trained_anew_at_each_size(shop, tickets: Path, tmp_path: Path) -> None:
    tuners = shop[2]
    request = dataclasses.replace(QUICK, options=("tune",), tune_seeds=2)
    (found,) = curves_of_plan(asked(tickets), request, context(tmp_path)).curves
    trained = [(tuner.seed, len(rows)) for tuner in tuners for rows, _ in tuner.seen]
    assert trained == [(seed, size) for seed in (17, 18) for size in QUICK.sizes]
    assert len(found.points) == 8 and found.means[0].seeds == 2
    assert CurveNote.HALVES not in found.notes, "dev is only watched"


def test_texts_are_embedded_once(shop, tickets: Path, tmp_path: Path) -> None:
    embedder = shop[1]
    curves_of_plan(asked(tickets), QUICK, context(tmp_path))
    assert len(embedder.embedded) == len(set(embedder.embedded))


@pytest.mark.parametrize("stop_after", [0, 3, 9])
def test_a_stopped_curve_goes_on_to_the_same_state(
    shop, tickets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop_after: int
) -> None:
    request = dataclasses.replace(QUICK, options=("linear", "tune"))
    whole = curves_of_plan(asked(tickets), request, context(tmp_path / "whole"))
    settle, settled = Journal.settle, []

    def until(journal: Journal, one: Any) -> None:
        if len(settled) >= stop_after:
            raise KeyboardInterrupt
        settled.append(one)
        settle(journal, one)

    monkeypatch.setattr(Journal, "settle", until)
    with pytest.raises(KeyboardInterrupt):
        curves_of_plan(asked(tickets), request, context(tmp_path / "stopped"))
    monkeypatch.setattr(Journal, "settle", settle)
    resumed = curves_of_plan(asked(tickets), request, context(tmp_path / "stopped"))
    assert encode(resumed) == encode(whole)


def test_a_finished_curve_settles_nothing_again(
    shop, tickets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = dataclasses.replace(QUICK, options=("retrieve", "tune"))
    first = curves_of_plan(asked(tickets), request, context(tmp_path))
    calls, trained = len(shop[0].chat.asked), sum(len(tuner.seen) for tuner in shop[2])
    monkeypatch.setattr(Journal, "settle", lambda *_: pytest.fail("settled again"))
    assert curves_of_plan(asked(tickets), request, context(tmp_path)) == first
    assert len(shop[0].chat.asked) == calls and sum(len(tuner.seen) for tuner in shop[2]) == trained


def test_the_curve_of_a_run_lies_in_it_and_keeps_the_others(shop, tickets: Path, tmp_path: Path) -> None:
    folder, results = start_bakeoff(asked(tickets, arms=[*ARMS[:2], ARMS[3]]), context(tmp_path))
    made = curves_of_run(folder, QUICK, context(tmp_path))
    curves_of_run(folder, dataclasses.replace(QUICK, options=("tune",)), context(tmp_path))
    again = curves_of_run(folder, dataclasses.replace(QUICK, seeds=2), context(tmp_path))
    stored = read_curves(folder.curves)
    assert stored is not None and [str(c.arm) for c in stored.curves] == [
        "linear@linear",
        f"tune@{LOCAL}",
    ]
    assert stored.curves[0] == again.curves[0] != made.curves[0], "the newest of an arm stays"
    assert read_results(folder) == results and folder.manifest() is not None, "the run itself stays as it was"


def test_all_of_dev_is_scored_whatever_the_run_was_limited_to(shop, tickets: Path, tmp_path: Path) -> None:
    data = {**asked(tickets).data.model_dump(mode="json"), "limit_dev": 4}
    folder, _ = baked(tickets, tmp_path, data=data)
    (found,) = curves_of_run(folder, QUICK, context(tmp_path)).curves
    assert len(folder.items()["dev"]) == 4 < found.items


def test_changed_rows_are_not_the_runs(shop, tickets: Path, tmp_path: Path) -> None:
    folder, _ = baked(tickets, tmp_path)
    tickets.write_text(tickets.read_text().replace("parcel", "package"))
    with pytest.raises(DataError, match="changed since it began: train"):
        curves_of_run(folder, QUICK, context(tmp_path))


def test_a_look_at_test_is_counted_and_dev_is_none(shop, tickets: Path, tmp_path: Path) -> None:
    folder, results = baked(tickets, tmp_path)
    curves_of_run(folder, QUICK, context(tmp_path))
    digest = results.data.digests["test"]
    assert count_looks(tmp_path / "runs", digest, results.plan_digest) == 1
    on_test = dataclasses.replace(QUICK, split="test")
    (found,) = curves_of_run(folder, on_test, context(tmp_path)).curves
    assert found.looks == 2 and found.split == "test" and found.items == results.data.test
    assert curves_of_run(folder, on_test, context(tmp_path)).curves[0].looks == 2, "the same look again"
    assert CurveNote.TEST in found.notes


def test_at_all_rows_the_curve_meets_the_bake_off(shop, tickets: Path, tmp_path: Path) -> None:
    """A second way to the same figure: on test, with all of train, it is what the run measured."""
    folder, results = baked(tickets, tmp_path)
    whole = (9, 18, 36, results.data.train)
    request = dataclasses.replace(QUICK, sizes=whole, seeds=1, split="test", options=("linear",))
    (found,) = curves_of_run(folder, request, context(tmp_path)).curves
    measured = next(arm for arm in results.arms if str(arm.arm) == "linear@linear")
    assert found.points[-1].primary.value == measured.quality.primary.value


def test_the_price_of_an_example_is_the_plans_unless_one_is_given(
    shop, tickets: Path, tmp_path: Path
) -> None:
    priced = asked(tickets, business={"example_usd": "0.40"})
    assert curves._stated(asked(tickets)) is None
    stated = curves._stated(priced)
    assert stated is not None and stated.usd == Decimal("0.40") and "use case" in stated.source


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"options": ("prompt",)}, "linear, retrieve, tune"),
        ({"options": ("floor",)}, "linear, retrieve, tune"),
        ({"options": ()}, "linear, retrieve, tune"),
        ({"sizes": (1, 10, 20, 40)}, "2 to"),
        ({"sizes": (10, 20, 40, 10_000)}, "the training rows you have"),
    ],
)
def test_what_cannot_be_asked_is_refused_before_anything_runs(
    shop, tickets: Path, tmp_path: Path, changes: dict[str, Any], word: str
) -> None:
    with pytest.raises(UsageError, match=word):
        curves_of_plan(asked(tickets), dataclasses.replace(QUICK, **changes), context(tmp_path))
    assert not list(tmp_path.glob("runs/curves/*/points"))


def test_a_served_model_is_not_asked_at_every_size(shop, tickets: Path, tmp_path: Path) -> None:
    served = plan(tickets, arms=[{"option": "retrieve", "model": "openai/gpt-6-luna"}])
    with pytest.raises(UsageError, match="paid each time"):
        curves_of_plan(served, dataclasses.replace(QUICK, options=("retrieve",)), context(tmp_path))


def test_curves_are_no_runs_and_can_be_read_back(shop, tickets: Path, tmp_path: Path) -> None:
    made = curves_of_plan(asked(tickets), QUICK, context(tmp_path))
    assert list_runs(tmp_path / "runs") == []
    (home,) = (tmp_path / "runs" / "curves").iterdir()
    assert read_curves(home) == made
    text = (home / "learning_curves.json").read_text()
    assert decode(LearningCurves, text) == made and json.loads(text)["schema"] == 3


def test_known_texts_give_the_models_own_vectors() -> None:
    inner = WordEmbedder()
    kept = KnownTexts(inner, ["a b", "c", "a b"])
    assert np.array_equal(kept.embed(["c", "a b"]), WordEmbedder().embed(["c", "a b"]))
    assert np.array_equal(kept.embed(["new", "c"]), WordEmbedder().embed(["new", "c"]))
    assert inner.embedded == ["a b", "c", "new", "c"]
    assert kept.identity == inner.identity and kept.usage_of("a b") is None
