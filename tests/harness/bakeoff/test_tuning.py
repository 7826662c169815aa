"""`harness tune` on a tiny model: test stays unread, a killed command goes on, and a bake-off takes it up."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.bakeoff import arm_factory
from harness.bakeoff.plan import ExperimentPlan, build_plan
from harness.bakeoff.run_folder import RunFolder
from harness.bakeoff.tuning import TuneRequest, forecast, lock_tuning, read_tuned, tune_in, tuned_lanes
from harness.core.errors import TrainingError, UsageError
from harness.models.settings import ModelSettings
from harness.recommendation.run import run_bakeoff
from harness.training import tuner
from tests.harness.bakeoff.test_run import context
from tests.harness.training.conftest import make_tiny
from tests.support.desk import command, write_tickets

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def base(smollm2: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny(tmp_path_factory.mktemp("base"), smollm2, layers=2)


@pytest.fixture
def tickets(tmp_path: Path) -> Path:
    return write_tickets(tmp_path / "tickets.csv", each=20)


@pytest.fixture
def one_thread() -> Iterator[None]:
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def plan(tickets: Path, base: Path, **tune: Any) -> ExperimentPlan:
    raw: dict[str, Any] = {
        "seed": 17,
        "data": {"file": str(tickets), "text": ["subject", "body"], "label": "queue"},
        "arms": [{"option": "floor"}, {"option": "tune", "model": str(base)}],
        "tune": {"epochs": 2.0, "batch_size": 8, "learning_rate": 0.01, "layers": 1} | tune,
        "decision": {"bootstrap_draws": 200},
        "cost": {"price_date": "2026-11-23"},
    }
    return build_plan(raw, "test")


def weights(folder: RunFolder) -> bytes:
    (found,) = folder.artefacts.glob("*/adapter_model.safetensors")
    return found.read_bytes()


@pytest.mark.models
def test_a_tuned_arm_alone(tickets: Path, base: Path, tmp_path: Path) -> None:
    told: list[str] = []
    wish = TuneRequest(tell=told.append, watch=6, samples=1)
    folder = lock_tuning(plan(tickets, base), context(tmp_path), wish)
    (lane,) = tune_in(folder, context(tmp_path), wish)
    assert read_tuned(folder) == (lane,)
    assert lane.dev.n == len(folder.items()["dev"]) > 0 and lane.dev.low is not None
    assert [note.dev_items for note in lane.artefact.epochs] == [6, 6]
    assert lane.needed_mib is not None and "memory: about" in told[1] and "free: " in told[1]
    assert len([line for line in told if line.startswith("after epoch")]) == 2
    assert len([line for line in told if "->" in line]) == 2, "one sample an epoch"

    # test is not read: no row of it in the folder, no outcome, no look
    assert folder.items()["test"] == ()
    with folder.journal(read_only=True) as journal:
        assert {part for _, part, _, _ in journal.counts()} == {"dev"}
    assert not (tmp_path / "runs" / "test_looks.jsonl").exists()
    assert folder.manifest() is None and not (folder.root / "results.json").exists()

    # a second time nothing is trained again, and the rest of the plan goes on with this adapter
    before = weights(folder)
    again = tune_in(folder, context(tmp_path), wish)
    assert again[0].artefact == lane.artefact
    results = run_bakeoff(folder, context(tmp_path))
    tuned = next(arm for arm in results.arms if arm.arm == lane.arm)
    assert tuned.fitted.artefact == lane.artefact and weights(folder) == before
    assert tuned.quality.dev == lane.dev
    assert len(folder.items()["test"]) == tuned.quality.primary.n > 0


@pytest.mark.models
def test_what_a_dry_run_says(tickets: Path, base: Path, tmp_path: Path) -> None:
    folder = RunFolder(root=tmp_path / "none")
    fixed = plan(tickets, base, method="lora-fp32")  # by itself the method follows the processor
    lines = forecast(fixed, folder, context(tmp_path), TuneRequest(tell=print))
    assert "lora-fp32 of rank 16 on the upper 1 layers, 2 epochs" in lines[0]
    assert lines[1].startswith("memory: about")
    assert not folder.root.exists()


@pytest.mark.models
@pytest.mark.parametrize(
    ("has", "asked", "method"),
    [(True, None, "lora-bf16"), (False, None, "lora-fp32"), (True, "fp32", "lora-fp32")],
)
def test_training_takes_bf16_where_the_processor_has_it(
    has: bool, asked: Any, method: str, tickets: Path, base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arm_factory, "trains_in_bf16", lambda device: has)
    opening = ModelSettings(cache=base, precision=asked)
    assert arm_factory.recipe_for(plan(tickets, base), base, 30, 17, opening).method == method


@pytest.mark.models
def test_a_training_that_does_not_fit_is_refused_with_a_way_out(
    tickets: Path, base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tuner, "free_gib", lambda device: 0.1)
    wish = TuneRequest(tell=[].append)
    folder = lock_tuning(plan(tickets, base), context(tmp_path), wish)
    with pytest.raises(TrainingError, match="does not fit into memory") as caught:
        tune_in(folder, context(tmp_path), wish)
    assert "allowed: 0.1 GiB free" in str(caught.value) and "--export-job" in str(caught.value)
    forced = TuneRequest(tell=[].append, force=True, watch=0)
    assert tune_in(folder, context(tmp_path), forced)[0].artefact.steps > 0
    monkeypatch.setattr(tuner, "free_gib", lambda device: None)
    assert tune_in(folder, context(tmp_path), wish), "what is not known refuses nothing"


def test_which_arms_are_trained() -> None:
    raw = {
        "seed": 3,
        "data": {"evalset": "x"},
        "arms": [
            {"option": "floor"},
            {"option": "tune", "model": "m"},
            {"option": "tune+retrieve", "model": "m"},
        ],
        "tune": {"seeds": [1, 2]},
        "cost": {"price_date": "2026-11-23"},
    }
    found = tuned_lanes(build_plan(raw, "test"), "")
    assert [(str(arm.id), seed) for arm, seed in found] == [
        ("tune@m", 1), ("tune@m", 2), ("tune+retrieve@m", 1), ("tune+retrieve@m", 2),
    ]  # fmt: skip
    assert len(tuned_lanes(build_plan(raw, "test"), "tune@m")) == 2
    with pytest.raises(UsageError, match="no such tuned arm") as caught:
        tuned_lanes(build_plan(raw, "test"), "tune@other")
    assert "tune@m, tune+retrieve@m" in str(caught.value)


@pytest.mark.slow
@pytest.mark.models
def test_the_command_goes_on_after_kill_minus_nine(
    tickets: Path,
    base: Path,
    tmp_path: Path,
    one_thread: None,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Killed once there is a checkpoint; going on ends with the bytes of a training that never stopped.

    The command is a process because it is killed; what goes on, and what never stopped, needs none.
    """
    file = tmp_path / "plan.yaml"
    tuned = plan(tickets, base, epochs=12.0)
    file.write_text(yaml.safe_dump(tuned.model_dump(mode="json")), encoding="utf-8")

    words = [
        "tune",
        str(file),
        "--watch",
        "0",
        "--threads",
        "1",
        "--offline",
        "--runs",
        str(tmp_path / "killed"),
    ]
    killed = subprocess.Popen(
        [sys.executable, "-m", "harness", *words],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    work = "*/artefacts/.*.work/checkpoint-*/trainer_state.json"
    while killed.poll() is None and not list((tmp_path / "killed").glob(work)):
        time.sleep(0.02)
    assert killed.poll() is None, killed.communicate()[1].decode()[-2000:]
    os.kill(killed.pid, signal.SIGKILL)
    assert killed.wait() == -signal.SIGKILL
    killed.communicate()
    (folder,) = (RunFolder(root=path.parent) for path in (tmp_path / "killed").glob("*/lock.json"))
    assert not list(folder.artefacts.glob("*.json"))
    resumed = command(monkeypatch, capfd, tmp_path)(
        "tune",
        "--resume",
        "latest",
        "--watch",
        "0",
        "--offline",
        "--json",
        "--runs",
        str(tmp_path / "killed"),
    )
    assert resumed.code == 0, resumed.err
    assert json.loads(resumed.out)[0]["artefact"]["steps"] == -(-len(folder.items()["train"]) // 8) * 12
    wish = TuneRequest(tell=[].append, watch=0)
    whole = lock_tuning(tuned, context(tmp_path / "whole"), wish)
    tune_in(whole, context(tmp_path / "whole"), wish)
    assert weights(folder) == weights(whole)
