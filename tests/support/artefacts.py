"""A tuned model's records and folder without a training: weights of a few numbers, figures made up."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from advisor.options import Option
from harness.core.records import ArmId, Artefact, Estimate
from harness.training.tuned_model import AdapterVersion, Origin, Parity, TunedTask, folder_digest
from tests.support.doubles import recipe
from tests.support.tickets import LABELS

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def write_adapter(folder: Path, value: float = 1.0) -> Path:
    """An adapter folder that loads onto nothing."""
    import numpy as np
    from safetensors.numpy import save_file

    folder.mkdir(parents=True, exist_ok=True)
    save_file({"lora_A": np.full(3, value, dtype=np.float32)}, folder / "adapter_model.safetensors")
    (folder / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA", "r": 4}))
    return folder


def estimate(value: float | None, n: int = 50, metric: str = "accuracy") -> Estimate:
    """An estimate with a made-up interval."""
    if value is None:
        return Estimate(metric=metric, value=None, n=n, method="none", reason="not measured")
    return Estimate(metric=metric, value=value, low=value - 0.1, high=value + 0.1, n=n, method="Wilson")


def artefact(folder: Path, **changes: Any) -> Artefact:
    """The record of an adapter folder."""
    base: dict[str, Any] = {
        "path": "artefacts/x",
        "kind": "adapter",
        "base_model": "smollm2-135m",
        "base_digest": "b" * 64,
        "data_digest": "d" * 64,
        "digest": folder_digest(folder),
        "recipe": recipe(17),
        "train_rows": 120,
        "train_tokens": 5000,
        "train_s": 12.0,
        "steps": 30,
    }
    return Artefact(**{**base, **changes})


def origin(**changes: Any) -> Origin:
    """Where it comes from."""
    base: dict[str, Any] = {
        "run_id": "20261123-120000-c0ffee",
        "plan_digest": "c0ffee",
        "arm": ArmId(option=Option.TUNE, model="smollm2-135m"),
        "seed": 17,
        "evalset": "tickets",
        "data_licence": "CC-BY-4.0",
        "provenance": "written for the tests",
        "licence": "Apache-2.0",
        "dev": estimate(0.7),
        "test": None,
    }
    return Origin(**{**base, **changes})


def task(**changes: Any) -> TunedTask:
    """What it was tuned to do."""
    base: dict[str, Any] = {
        "option": Option.TUNE,
        "prompt_version": "classification-1",
        "item_chars": 2000,
        "example_chars": 400,
        "labels": LABELS,
        "train_counts": {"billing": 60, "sign_in": 40, "shipping": 20},
    }
    return TunedTask(**{**base, **changes})


def draft(folder: Path, name: str = "tickets", **changes: Any) -> AdapterVersion:
    """A version before it is added."""
    base: dict[str, Any] = {
        "name": name,
        "version": 0,
        "created_at": NOW,
        "artefact": artefact(folder),
        "origin": origin(),
        "task": task(),
        "files": {},
    }
    return AdapterVersion(**{**base, **changes})


def parity(passed: bool | None = True, agreement: float = 1.0) -> Parity:
    """A check of an export."""
    return Parity(
        format="gguf",
        precision="q8_0",
        engine="llamacpp",
        reference=estimate(0.7),
        served=estimate(0.68),
        difference=estimate(-0.02),
        agreement=estimate(agreement, metric="same label"),
        failures=0,
        passed=passed,
        rule="at least 95 % the same label",
        checked_at=NOW,
        export_digest="e" * 64,
    )
