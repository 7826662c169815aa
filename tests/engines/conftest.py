"""A small tuned arm, trained by the commands a user types, and the environments of the engines."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tests.support.desk import write_tickets

ROOT = Path(__file__).parents[2]
DATA = {"file": "tickets.csv", "text": ["subject", "body"], "label": "queue", "group": ["customer"]}
HarnessCommand = Callable[..., str]


def environment_of(variable: str, folder: str, target: str) -> Path:
    """The folder with an engine's programs; skips where it was not made."""
    place = Path(os.environ.get(variable) or ROOT / folder) / "bin"
    if not (place / "python").exists():
        pytest.skip(f"{place.parent} is no environment: `make {target}` makes it, or name one in {variable}")
    return place


def write_plan(path: Path, arms: list[dict[str, object]], **more: object) -> Path:
    """A plan over the tickets."""
    raw = {"seed": 17, "data": DATA, "arms": arms, "cost": {"price_date": "2026-11-23"}}
    path.write_text(yaml.safe_dump(raw | more))
    return path


@pytest.fixture(scope="session")
def room(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with tickets: 36 rows to train on, 6 of dev, 30 of test, three labels."""
    folder = tmp_path_factory.mktemp("engines")
    write_tickets(folder / "tickets.csv", each=24)
    return folder


@pytest.fixture(scope="session")
def harness(room: Path) -> HarnessCommand:
    """`harness` in a process of its own, in the room; its standard output."""

    def call(*words: str) -> str:
        environ = {**os.environ, "PYTHONPATH": str(ROOT), "OPENAI_API_KEY": "none", "OMP_NUM_THREADS": "1"}
        said = subprocess.run(
            [sys.executable, "-m", "harness", *words],
            cwd=room,
            env=environ,
            capture_output=True,
            text=True,
            timeout=900,
        )
        assert said.returncode == 0, f"harness {' '.join(words)}\n{said.stdout}\n{said.stderr}"
        return said.stdout

    return call


@pytest.fixture(scope="session")
def tuned(room: Path, harness: HarnessCommand, smollm2: Path) -> Path:
    """The run folder of a tuned arm: two epochs, the upper four layers."""
    arms: list[dict[str, object]] = [{"option": "floor"}, {"option": "tune", "model": "smollm2-135m"}]
    write_plan(room / "plan.yaml", arms, tune={"epochs": 2.0, "layers": 4})
    harness("run", "plan.yaml", "--offline")
    (run,) = (room / "runs").glob("2*")
    return run
