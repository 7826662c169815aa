"""The exported job runs whole on Unsloth, on a CPU where it finds no GPU; its adapter comes back.

Only the base differs from what a user runs: the job names it by its hub id, here it is the folder of the same
weights, so that nothing is downloaded.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from harness.bakeoff.run_folder import find_run
from harness.core.serial import decode
from harness.training.tuned_model import Done, ExportedJob
from tests.engines.conftest import HarnessCommand, environment_of, write_plan

pytestmark = [pytest.mark.engine, pytest.mark.models]
TRAIN_S = 900


@pytest.fixture(scope="module")
def job(room: Path, harness: HarnessCommand, smollm2: Path) -> Path:
    """The job's folder after its script ran: one epoch of 36 rows, five steps, adapters on all layers."""
    programs = environment_of("TOR_TEST_UNSLOTH", ".venv-unsloth", "test-unsloth")
    arms: list[dict[str, object]] = [{"option": "tune", "model": "smollm2-135m"}]
    write_plan(room / "job.yaml", arms, tune={"epochs": 1.0})
    harness("tune", "job.yaml", "--export-job", "job")
    folder = room / "job"
    asked = json.loads((folder / "job.json").read_text())
    (folder / "job.json").write_text(json.dumps(asked | {"hub_base": str(smollm2)}))
    environ = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    said = subprocess.run(
        [str(programs / "python"), "train.py"],
        cwd=folder,
        env=environ | {"HF_HUB_OFFLINE": "1", "UNSLOTH_DISABLE_STATISTICS": "1"},
        capture_output=True,
        text=True,
        timeout=TRAIN_S,
    )
    assert said.returncode == 0, said.stdout + said.stderr
    assert "Unsloth" in said.stdout and "training on CPU" in said.stdout
    return folder


def test_the_script_trains_and_says_what_it_did(job: Path) -> None:
    done = decode(Done, (job / "adapter" / "training.json").read_bytes())
    asked = decode(ExportedJob, (job / "adapter" / "job.json").read_bytes())
    print(f"Unsloth {done.packages['unsloth']} on {done.device}: {done.steps} steps in {done.seconds:.0f} s")
    assert done.steps == 5 and asked.train_rows == 36
    assert done.curve[-1][1] < done.curve[0][1], "the loss fell"
    assert done.device.startswith("a CPU, ") and done.packages["unsloth"] == "2026.10.9"


def test_its_adapter_comes_back_and_answers(job: Path, room: Path, harness: HarnessCommand) -> None:
    write_plan(room / "floor.yaml", [{"option": "floor"}])
    harness("run", "floor.yaml", "--runs", "runs-job")
    (run,) = (room / "runs-job").glob("2*")
    harness("import", run.name, str(job / "adapter"), "--arm", "rented", "--runs", "runs-job")
    folder = find_run(run.parent, run.name)
    (arm,) = (one for one in folder.results().arms if str(one.arm) == "tune@rented")
    assert arm.quality.primary.n == 30 and arm.quality.primary.value is not None
    assert any("a CPU" in note for note in arm.fitted.notes)
    answers = json.loads((run / "answers.json").read_text())["tune@rented"]
    assert len(answers) == 30 and set(answers) <= set(range(len(folder.data_facts().labels)))
    print(f"imported: {arm.quality.primary.value:.1%} of {arm.quality.primary.n} test items right")
