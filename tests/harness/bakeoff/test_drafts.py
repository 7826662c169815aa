"""What `tune` learns of a plan with `tune.drafts`: whose drafts, of which documents, and what is refused."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from harness.arms.base import Material
from harness.arms.tune import TuneArm
from harness.bakeoff import arm_factory, drafts
from harness.bakeoff.arm_factory import ArmFactory
from harness.bakeoff.evalset import load_rows
from harness.bakeoff.plan import ExperimentPlan, build_plan
from harness.bakeoff.preflight import preflight, preflight_text
from harness.bakeoff.run_folder import create_run
from harness.bakeoff.tuning import export_job
from harness.core.errors import UserError
from harness.tasks.kinds import task_of
from tests.harness.arms.test_drafted import Writer
from tests.harness.bakeoff.test_run import NOW, context
from tests.support.doubles import ScriptedTuner

LONG = " More is said below of what nobody asks about, so that the page is long enough to draft from." * 2
ASKED = (  # far enough apart to be divided
    "Canteen opens when?", "Which colour has a front door?", "Where do guide dogs sleep?", "Tallest shelf?",
    "Lemon trees get water from whom?", "What do visitors sign?", "Harbour bus number, please?", "Umbrellas?",
    "Who chairs fire drills?", "Is parking free on Sundays?", "Printer without toner?", "VPN name?",
)  # fmt: skip


def plan(folder: Path, **asked: Any) -> ExperimentPlan:
    (folder / "docs").mkdir()
    (folder / "docs" / "leave.md").write_text(f"# Leave\n\nSix days are carried over in May.{LONG}\n")
    (folder / "docs" / "pay.md").write_text(f"# Pay\n\nSalaries are paid on the 25th.{LONG}\n")
    rows = [f'{number},"{question}",six' for number, question in enumerate(ASKED)]
    (folder / "qa.csv").write_text("id,question,answer\n" + "\n".join(rows) + "\n")
    raw: dict[str, Any] = {
        "task": "question_answering",
        "seed": 17,
        "data": {
            "file": str(folder / "qa.csv"),
            "docs": str(folder / "docs"),
            "text": ["question"],
            "answer": "answer",
        },
        "arms": [{"option": "floor"}, {"option": "tune", "model": asked.pop("tuned", "smollm2-135m")}],
        "retrieve": {"embedding": ""},
        "tune": {"drafts": {"model": "writer", "passages": 9} | asked},
        "cost": {"price_date": "2026-11-23"},
    }
    return build_plan(raw, "test")


@pytest.fixture(autouse=True)
def _reads_documents() -> None:
    pytest.importorskip("kreuzberg")


def test_a_run_drafts_from_its_documents_and_leaves_out_what_test_asks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, here, tuner = plan(tmp_path), context(tmp_path), ScriptedTuner()
    evalset = load_rows(made, here)
    asked_in_test = evalset.test[0].text
    said = {
        "leave.md": '{"question": "When are days carried over?", "answer": "in May"}',
        "pay.md": f'{{"question": "{asked_in_test.upper()}", "answer": "25th"}}',
    }
    writer = Writer(name="writer", said=said)
    monkeypatch.setattr(drafts, "open_drafter", lambda *_: writer)
    monkeypatch.setattr(drafts, "_revision", lambda *_: "1")
    monkeypatch.setattr(arm_factory, "build_tuner", lambda *_: tuner)
    folder = create_run(tmp_path / "runs", made, NOW)
    with closing(ArmFactory(made, evalset, folder, here)) as factory:
        arm = factory.build(made.arms[1], 17)
        assert isinstance(arm, TuneArm)
        fitted = arm.fit(Material(task=task_of(evalset.space), train=evalset.train, dev=(), say=str), None)
    [(learnt, _)] = tuner.seen
    assert [row.completion for row in learnt[len(evalset.train) :]] == ["in May"]
    assert sorted(writer.shown) == ["leave.md", "pay.md"] and "read by nobody" in fitted.notes[0]
    assert (here.cache / "drafts" / "asked.jsonl").read_text().count("writer 1") == 2
    assert "writer drafts rows in 9 answers at most" in preflight_text(preflight(made, here))


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"model": "openai/gpt-5-mini"}, "has to be on this machine"),
        ({"model": "qwen2.5-coder-1.5b"}, "harness models pull"),
        ({"model": "no such model"}, "does not name a model"),
        ({"tuned": "openai/gpt-4.1-mini"}, "teach models on this machine only"),
    ],
)
def test_who_may_not_draft_is_said_before_anything_is_asked(
    tmp_path: Path, asked: dict[str, Any], says: str
) -> None:
    made, here = plan(tmp_path, **asked), context(tmp_path)
    folder = create_run(tmp_path / "runs", made, NOW)
    rows = load_rows(made, here)
    with closing(ArmFactory(made, rows, folder, here)) as factory, pytest.raises(UserError) as refused:
        factory.build(made.arms[1], 17)
    assert says in f"{refused.value} {refused.value.run}"


def test_drafts_leave_in_no_job(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="in no job"):
        export_job(plan(tmp_path), "", tmp_path / "job", context(tmp_path))
