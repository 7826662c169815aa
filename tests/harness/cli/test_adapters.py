"""`harness adapters` in a row on a scripted run: add, list, show, diff, promote, rollback, push."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from harness.bakeoff.run_folder import RunFolder
from harness.core.serial import decode
from harness.recommendation.store import read_results
from harness.shipping.adapters import open_registry, shelved_as
from harness.training.tuned_model import AdapterVersion
from tests.harness.bakeoff.test_run import context
from tests.support.artefacts import parity
from tests.support.desk import Command, command
from tests.support.tuned_run import scripted_run


@pytest.fixture
def harness(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path) -> Command:
    for name in list(os.environ):
        if name.startswith(("TOR_", "HF_")):
            monkeypatch.delenv(name)
    return command(monkeypatch, capfd, tmp_path)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunFolder:
    return scripted_run(tmp_path, monkeypatch)


def test_from_a_run_to_production_and_back(harness: Command, run: RunFolder, tmp_path: Path) -> None:
    assert "No adapter yet" in harness("adapters", "list").out
    added = harness("adapters", "add", "tickets")
    assert added.code == 0 and "tickets@1 is in" in added.out
    version = decode(AdapterVersion, harness("adapters", "show", "tickets", "--json").out)
    results = read_results(run)
    tuned = next(arm for arm in results.arms if arm.fitted.artefact)
    assert version.origin.test == tuned.quality.primary and version.origin.dev == tuned.quality.dev
    assert version.origin.run_id == run.run_id and version.origin.licence == "Apache-2.0"
    assert version.task.train_counts == {
        label: sum(item.label == label for item in run.items()["train"])
        for label in ("billing", "shipping", "sign_in")
    }
    assert harness("adapters", "promote", "tickets", "1").out == "tickets@1 promoted to production\n"
    shown = harness("adapters", "show", "tickets@production").out
    assert "not checked" in shown and "stage: production" in " ".join(shown.split())
    assert "tickets@1" in harness("adapters", "list").out and "unchecked" in harness("adapters", "list").out
    assert "# tickets 1" in harness("adapters", "show", "tickets", "--card").out
    refused = harness("adapters", "rollback", "tickets")
    assert refused.code == 2 and "no version to go back to" in refused.err

    registry = open_registry("", context(tmp_path))
    registry.note_check(version, parity(passed=False, agreement=0.5))
    assert "FAILED" in harness("adapters", "list").out
    shown = harness("adapters", "show", "tickets").out
    assert "FAILED: gguf q8_0 served by llamacpp, same label on 50.0 %" in shown
    assert shelved_as(registry, "tickets").checks[0].passed is False


def test_two_versions_differ_in_what_was_changed(
    harness: Command, run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = scripted_run(tmp_path / "other", monkeypatch, tune={"epochs": 2.0}, data={
        **run.plan().data.model_dump(mode="json"), "limit_train": 30})  # fmt: skip
    harness("adapters", "add", "tickets", run.run_id)
    said = harness("adapters", "add", "tickets", other.run_id, "--runs", str(tmp_path / "other/runs"),
                   "--registry", str(tmp_path / "runs/registry"))  # fmt: skip
    assert said.code == 0, said.err
    found = harness("adapters", "diff", "tickets@1", "tickets@2").out
    assert "data_digest" in found and "test accuracy" in found and "recipe.rank" not in found
    assert "differ in nothing" in harness("adapters", "diff", "tickets@1", "tickets@1").out
    harness("adapters", "promote", "tickets", "1", "--stage", "production")
    harness("adapters", "promote", "tickets", "2", "--stage", "production")
    assert harness("adapters", "rollback", "tickets").out == "production rolled back to tickets@1, was 2\n"


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["add", "Bad Name"], 2, "cannot be an adapter's name"),
        (["add", "tickets", "nope"], 2, "No run"),
        (["add", "tickets", "latest", "--arm", "tune@other"], 2, "no such arm that can be shipped"),
        (["add", "tickets", "latest", "--seed", "99"], 2, "allowed: 17"),
        (["show", "nobody"], 2, "no such adapter"),
        (["promote", "nobody", "1"], 2, "no such adapter"),
        (["push", "tickets", "org/x"], 2, "access token"),
    ],
)
def test_what_a_user_gets_wrong(
    harness: Command, run: RunFolder, monkeypatch: pytest.MonkeyPatch, words: list[str], code: int, said: str
) -> None:
    import huggingface_hub

    monkeypatch.setattr(huggingface_hub, "get_token", lambda: None)
    found = harness("adapters", *words)
    assert found.code == code and said in found.err, found.err


def test_a_changed_adapter_is_not_added(harness: Command, run: RunFolder) -> None:
    weights = run.artefacts / "x" / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes() + b" ")
    said = harness("adapters", "add", "tickets")
    assert said.code == 1 and "changed after it was trained" in said.err


def test_the_registry_can_be_elsewhere(
    harness: Command, run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOR_REGISTRY", f"file://{tmp_path}/shared")
    assert harness("adapters", "add", "tickets").code == 0
    assert (tmp_path / "shared" / "history" / "000001.json").is_file()
    assert not (tmp_path / "runs" / "registry").exists()
    assert json.loads(harness("adapters", "list", "--json").out)[0]["name"] == "tickets"
