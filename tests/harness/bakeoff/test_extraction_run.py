"""A whole bake-off on fields: each option that can do it, compared by field F1, told in every view."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from advisor.money.usage import CountedBy, Usage
from advisor.options import Option, TaskKind
from harness.bakeoff import arm_factory as factory
from harness.bakeoff.explain import explain_item
from harness.bakeoff.plan import build_plan
from harness.bakeoff.run_folder import RunFolder
from harness.bakeoff.tuning import TuneRequest, lock_tuning, tune_in
from harness.core.errors import UsageError
from harness.core.records import JsonSchema
from harness.curve.run import CurveRequest, curves_of_run
from harness.models.base import ChatReply, ChatRequest
from harness.recommendation.mistakes import ErrorsRequest, arm_errors
from harness.recommendation.records import RunResults
from harness.report.files import export_run
from harness.report.run_document import run_document
from harness.report.text import render_text
from harness.report.topics.curve import curves_document
from harness.report.topics.items import errors_document, explain_document
from tests.harness.bakeoff.test_run import context
from tests.support.bakeoff import start_bakeoff
from tests.support.doubles import ScriptedTuner, TunedChat, WordEmbedder

_VERSION = re.compile(r"\b\d+\.\d+(?:\.\d+)?\b")
_INVOICE = re.compile(r"\b\d{2}-\d{5}\b")


@dataclasses.dataclass
class WritingChat(TunedChat):
    """Writes what two patterns find; a tuned one also always the same product."""

    def _answer(self, request: ChatRequest) -> ChatReply:
        assert isinstance(request.form, JsonSchema), "an answer is held to the schema of the fields"
        self.asked.append(request)
        text = request.messages[-1].content
        found = {"version": _VERSION.search(text), "invoice_number": _INVOICE.search(text)}
        values = {name: match[0] for name, match in found.items() if match}
        if self.learnt:
            values |= {"product": "Tillo"}
        return ChatReply(
            item_id=request.item_id,
            text=json.dumps(values),
            choice_logprobs=None,
            usage=Usage(input_tokens=50, output_tokens=9, counted_by=CountedBy.PROVIDER),
            queue_s=0.0,
            model_s=0.01,
        )


class WritingTuner(ScriptedTuner):
    """A tuner whose model writes."""

    def open(self, artefact: object) -> WritingChat:  # type: ignore[override]
        return WritingChat(learnt=self.stored)


ARMS = [
    {"option": "floor"},
    {"option": "neighbours"},
    {"option": "prompt", "model": "m"},
    {"option": "retrieve", "model": "m"},
    {"option": "tune", "model": "m"},
    {"option": "tune+retrieve", "model": "m"},
]


def plan(arms: Sequence[dict[str, str]] = tuple(ARMS), **changes: Any) -> dict[str, Any]:
    return {
        "task": "extraction",
        "seed": 17,
        "data": {"evalset": "ticket-fields", "limit_train": 60, "limit_dev": 12, "limit_test": 40},
        "arms": list(arms),
        "retrieve": {"k": [1, 2], "dev_items": 5},
        "decision": {"bootstrap_draws": 200, "quality_floor": 0.5},
        "cost": {"price_date": "2026-11-23"},
        **changes,
    }


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[RunFolder, RunResults]:
    folder = tmp_path_factory.mktemp("fields")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(factory, "open_chat", lambda *_: WritingChat(name="m"))
        patch.setattr(factory, "open_embedding", lambda *_: WordEmbedder())
        patch.setattr(factory, "build_tuner", lambda *_: WritingTuner())
        return start_bakeoff(build_plan(plan(), "test"), context(folder))


def test_every_option_is_measured_by_field_f1_and_compared_by_its_values(
    made: tuple[RunFolder, RunResults],
) -> None:
    _, results = made
    assert results.task is TaskKind.EXTRACTION and results.metric.name == "field F1"
    assert [str(arm.arm.option) for arm in results.arms] == [arm["option"] for arm in ARMS]
    for arm in results.arms:
        assert arm.quality.primary.metric == "field F1" and arm.quality.primary.n == 40
    values = {arm.arm.option: arm.quality.primary.value or 0.0 for arm in results.arms}
    assert values[Option.PROMPT] > values[Option.FLOOR]
    pair = results.pair
    assert pair is not None and pair.difference.metric == "field F1 difference"
    assert pair.difference.value == pytest.approx(values[Option.TUNE] - values[Option.RETRIEVE])
    assert {found.p_method for found in results.comparisons} <= {
        "cluster-robust t test",
        "mid-p sign test over clusters",
    }


def test_its_plan_names_its_kind_its_metric_and_its_wording(made: tuple[RunFolder, RunResults]) -> None:
    run, _ = made
    read = run.plan()
    assert (read.task, read.decision.metric, read.prompt.version) == (
        TaskKind.EXTRACTION,
        "field F1",
        "extraction-1",
    )
    assert run.data_facts().task is TaskKind.EXTRACTION and run.data_facts().schema["properties"]


def test_a_training_alone_tells_the_metric_of_its_kind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It told the share of messages wholly right as an accuracy."""
    monkeypatch.setattr(factory, "build_tuner", lambda *_: WritingTuner())
    wish = TuneRequest(tell=lambda line: None, watch=0)
    raw = plan([{"option": "floor"}, {"option": "tune", "model": "m"}])
    folder = lock_tuning(build_plan(raw, "test"), context(tmp_path), wish)
    (lane,) = tune_in(folder, context(tmp_path), wish)
    assert lane.dev.metric == "dev field F1" and 0 < (lane.dev.value or 0) < 1


def test_what_needs_a_closed_set_is_refused_before_the_run() -> None:
    with pytest.raises(UsageError, match="cannot do extraction: linear@linear"):
        build_plan(plan([*ARMS, {"option": "linear"}]), "test")


def test_a_plan_for_another_kind_than_its_rows_is_refused(tmp_path: Path) -> None:
    raw = plan([{"option": "floor"}], task="classification")
    with pytest.raises(UsageError, match="for classification, its evalset for extraction"):
        start_bakeoff(build_plan(raw, "test"), context(tmp_path))


def test_terminal_report_pdf_and_tables_speak_of_fields(made: tuple[RunFolder, RunResults]) -> None:
    run, results = made
    told = render_text(run_document(results, run.manifest()), 100, full=True)
    assert "field F1" in told and " label" not in told.replace("labelled", "").lower()
    out = run.root / "report"
    written = export_run(run, ("pdf", "html", "csv"), out, context(run.root.parent))
    assert {path.suffix for path in written} == {".pdf", ".html", ".csv"}
    (arms,) = [path for path in written if path.suffix == ".csv" and "arm" in path.name]
    assert "field_f1" in arms.read_text().splitlines()[0].split(",")


def test_errors_and_one_item_are_shown_side_by_side(made: tuple[RunFolder, RunResults]) -> None:
    run, _ = made
    found = arm_errors(run, ErrorsRequest(arm="prompt"))
    told = render_text(errors_document(found), 100, full=True)
    assert "right field" in told and "could be read" not in told
    item = run.items()["test"][0]
    shown = render_text(
        explain_document(explain_item(run, item.id, context(run.root.parent))), 100, full=True
    )
    assert json.dumps(item.target, ensure_ascii=False)[:20] in shown


def test_a_learning_curve_is_of_the_same_metric(
    made: tuple[RunFolder, RunResults], monkeypatch: pytest.MonkeyPatch
) -> None:
    run, _ = made
    monkeypatch.setattr(factory, "open_embedding", lambda *_: WordEmbedder())
    asked = CurveRequest(options=("neighbours",), sizes=(15, 60), seeds=2)
    curves = curves_of_run(run, asked, context(run.root.parent.parent))
    (curve,) = curves.curves
    assert curve.means[0].primary.metric == "field F1"
    assert "Field F1 against training examples" in render_text(curves_document(curves), 100)
