"""Adapters and checkpoints on disk: written whole or not at all."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from harness.core.errors import TrainingError


def last_checkpoint(work: Path) -> Path | None:
    """The newest complete checkpoint; its state file is the last one written."""
    found = [path.parent for path in work.glob("checkpoint-*/trainer_state.json") if path.stat().st_size]
    return max(found, key=step_of, default=None)


def step_of(checkpoint: Path) -> int:
    """The optimiser step a checkpoint was taken at."""
    return int(checkpoint.name.split("-")[1])


def write_adapter(model: Any, folder: Path, base: str) -> None:
    """Write the adapter as safetensors with its configuration.

    Args:
        base: the base model's name; no path of this machine is to stand in what is shipped.
    """
    for config in model.peft_config.values():
        config.base_model_name_or_path = base
    model.save_pretrained(folder, safe_serialization=True)
    (folder / "README.md").unlink(missing_ok=True)  # an empty model card


def publish(model: Any, out: Path, base: str, kept: Path | None) -> None:
    """Put the trained adapter in its place: the model's own, or a copy of `kept`.

    Raises:
        TrainingError: if it cannot be written.
    """
    temporary = out.with_name(f".{out.name}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        if kept is None:
            write_adapter(model, temporary, base)
        else:
            shutil.copytree(kept, temporary)
        shutil.rmtree(out, ignore_errors=True)
        temporary.rename(out)
    except OSError as error:
        raise TrainingError(
            f"The trained adapter cannot be written: {error.strerror}.",
            got=str(out),
            run="harness resume   # once there is room; the training goes on from its last checkpoint",
        ) from error
