"""`tune`, `export`, `serve` and `import` on the command line: what they print, and what a user gets wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.support.desk import Command, write_tickets
from tests.support.results import printed_results
from tests.support.tuned_run import scripted_run


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    write_tickets(tmp_path / "tickets.csv", each=12)
    raw = {
        "seed": 17,
        "data": {"file": "tickets.csv", "text": ["subject", "body"], "label": "queue"},
        "arms": [{"option": "tune", "model": "smollm2-135m"}],
        "cost": {"price_date": "2026-11-23"},
    }
    (tmp_path / "plan.yaml").write_text(yaml.safe_dump(raw))
    return tmp_path / "plan.yaml"


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["tune"], 2, "Name a plan, or a run"),
        (["tune", "plan.yaml", "--resume", "latest"], 2, "Name a plan, or a run"),
        (["tune", "nowhere.yaml"], 2, "cannot be read"),
        (["tune", "plan.yaml", "--arm", "tune@other"], 2, "no such tuned arm"),
        (["tune", "--resume", "nothing"], 2, "There is no run in"),
        (["export", "latest"], 2, "No folder was named for the export."),
        (["export", "latest", "-o", "x", "--format", "pickle"], 2, "no such format"),
        (["export", "latest", "-o", "x"], 2, "There is no run in"),
        (["serve", "--engine", "triton"], 2, "no such engine"),
        (["serve", "--host", "0.0.0.0"], 2, "other machines"),
        (["serve", "--vllm-at", "http://127.0.0.1:8000"], 2, "go with --engine vllm"),
        (["serve", "nobody"], 2, "There is no run in"),
        (["import", "latest", "p.csv", "--arm", "x"], 2, "There is no run in"),
    ],
)
def test_what_a_user_gets_wrong(harness: Command, plan: Path, words: list[str], code: int, said: str) -> None:
    found = harness(*words)
    assert found.code == code and said in found.err, found.err
    assert found.out == ""


def test_a_plan_without_a_tuned_arm(harness: Command, plan: Path) -> None:
    raw = yaml.safe_load(plan.read_text())
    plan.write_text(yaml.safe_dump({**raw, "arms": [{"option": "floor"}]}))
    found = harness("tune", "plan.yaml")
    assert found.code == 2 and "no tuned language model" in found.err
    assert not (plan.parent / "runs").exists(), "nothing was locked"


def test_a_job_is_written_without_a_model(harness: Command, plan: Path, tmp_path: Path) -> None:
    said = harness("tune", "plan.yaml", "--patience", "2", "--export-job", "job")
    assert said.code == 0 and str(Path("job/train.py")) in said.out
    assert '"patience": 2' in (tmp_path / "job" / "job.json").read_text()
    assert not (tmp_path / "runs").exists()


def test_predictions_come_in_by_the_command(
    harness: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = scripted_run(tmp_path, monkeypatch)
    items = run.items()["test"]
    lines = ["item_id,label", *(f"{item.id},{item.label}" for item in items)]
    (tmp_path / "p.csv").write_text("\n".join(lines))
    said = harness("import", "latest", "p.csv", "--arm", "today")
    assert said.code == 0 and "external@today" in said.out
    found = printed_results(harness("import", "latest", "p.csv", "--arm", "today", "--json").out)
    assert found.arms[-1].quality.primary.value == 1.0
    assert "external@today" in harness("report").out
    (tmp_path / "bad.csv").write_text("item_id,label\nnobody,billing\n")
    refused = harness("import", "latest", "bad.csv", "--arm", "other")
    assert refused.code == 1 and "the run has no such item on dev or test: line 2 ('nobody')" in refused.err


def test_the_vllm_command_is_printed(
    harness: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripted_run(tmp_path, monkeypatch)
    printed = ("serve", "latest", "--engine", "vllm", "--print", "--port", "8123")
    said = harness(*printed, "--vllm-args", "--dtype float32")
    assert said.code == 0 and said.out.startswith("vllm serve ") and "--port 8123" in said.out
    assert said.out.endswith("--dtype float32\n") and f"={tmp_path}" in said.out, "it runs from any folder"
    unread = harness(*printed, "--vllm-args", "--name 'x")
    assert unread.code == 2 and "--vllm-args cannot be read" in unread.err
    monkeypatch.setenv("PATH", str(tmp_path))
    missing = harness("serve", "latest", "--engine", "vllm")
    assert missing.code == 1 and "vLLM is not installed here" in missing.err and "vllm serve" in missing.err
