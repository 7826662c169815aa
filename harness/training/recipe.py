"""Choose a training recipe from what was asked and what the data and the hardware are. Pure.

Defaults and where they come from:
- adapters on every linear projection, rank 16, alpha twice the rank: LoRA without Regret (Thinking
  Machines, 2025-09): MLP and attention both; rank hardly matters on small data.
- learning rate 1e-3 with linear decay: about ten times full tuning's (same source). 2e-3 on a CPU and below
  4,000 rows: measured on dev, see docs/lab-log.md, "Tuning on a CPU" and "Recipes of a tuned model".
- batches of 8 below 4,000 rows and 32 from there on: small data needs steps more than smooth gradients.
- on a CPU adapters on the upper quarter of the layers only, from 4,000 rows on the upper half, the lower
  ones then being computed once a row and kept (`training.fast.frozen_layers`), and rows cut to 128 tokens.
  Measured on dev: docs/lab-log.md, "Tuning on Banking77".
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Literal, assert_never

from harness.core.errors import UsageError
from harness.core.records import Recipe
from harness.training.settings import TunePlan

TARGET_MODULES = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
_LEAST_STEPS = 120
_FEW_ROWS = 4000


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingSpeed:
    """How fast a recipe trains on a machine (`harness.training.speed` measures it).

    Attributes:
        frozen_tokens_per_s: through the frozen layers, once a row; None where nothing is frozen or kept.
        step_tokens_per_s: of training steps.
    """

    frozen_tokens_per_s: float | None
    step_tokens_per_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Budgeted:
    """A recipe that fits a time budget.

    Attributes:
        seconds: what its training is expected to take.
        cut: what was taken away for the budget, one sentence; '' when nothing was.
    """

    recipe: Recipe
    seconds: float
    cut: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingHardware:
    """What the trainer will run on.

    Attributes:
        precision: what the base model computes in while it is trained.
        layers: number of layers of the base model.
    """

    device: Literal["cpu", "cuda"]
    precision: Literal["fp32", "bf16"]
    layers: int


def choose_recipe(plan: TunePlan, rows: int, hardware: TrainingHardware, seed: int, shown: int = 0) -> Recipe:
    """The recipe for `rows` training rows; what the plan states always wins.

    Args:
        shown: how many examples each prompt carries (`tune+retrieve`); they need room.

    Raises:
        UsageError: if the plan asks for more layers than the model has.
    """
    if plan.layers is not None and plan.layers > hardware.layers:
        raise UsageError(
            "The plan tunes more layers than the model has.",
            got=plan.layers,
            allowed=f"1 to {hardware.layers}",
        )
    few = rows < _FEW_ROWS
    batch = plan.batch_size or (8 if few else 32)
    rank = plan.rank or 16
    return Recipe(
        method=_method(plan, hardware),
        rank=rank,
        alpha=2 * rank,
        dropout=0.0,
        target_modules=TARGET_MODULES,
        learning_rate=plan.learning_rate or (2e-3 if few or hardware.device == "cpu" else 1e-3),
        warmup_ratio=0.05,
        epochs=plan.epochs or _epochs(rows, batch),
        batch_size=batch,
        max_tokens=plan.max_tokens or (shown + 1) * (128 if hardware.device == "cpu" else 256),
        seed=seed,
        tuned_layers=plan.layers or _layers(hardware, few=few),
        patience=plan.patience,
        answer=plan.answer or "codes",
    )


def budget_recipe(recipe: Recipe, rows: int, tokens: int, speed: TrainingSpeed, seconds: float) -> Budgeted:
    """Take away epochs, in whole optimiser steps, until training fits into `seconds`.

    At least one step is left, so that a tiny budget gives a poor model and not none; `Budgeted.seconds`
    then says how long it takes all the same.

    Args:
        rows, tokens: training rows, and their tokens after cutting (one epoch).
    """
    fixed = tokens / speed.frozen_tokens_per_s if speed.frozen_tokens_per_s else 0.0
    per_epoch = -(-rows // recipe.batch_size)
    step_s = tokens / speed.step_tokens_per_s / per_epoch
    wanted = max(1, math.ceil(per_epoch * recipe.epochs - 1e-6))
    steps = min(wanted, max(1, math.floor((seconds - fixed) / step_s)))
    expected = fixed + steps * step_s
    if steps == wanted:
        return Budgeted(recipe=recipe, seconds=expected, cut="")
    epochs = steps / per_epoch
    cut = (
        f"training shortened from {recipe.epochs:g} to {epochs:.2g} epochs ({steps} of {wanted} steps) "
        f"to fit {seconds:.0f} s on this machine"
    )
    return Budgeted(recipe=dataclasses.replace(recipe, epochs=epochs), seconds=expected, cut=cut)


def _method(plan: TunePlan, hardware: TrainingHardware) -> Literal["lora-bf16", "lora-fp32", "qlora-4bit"]:
    match plan.method:
        case "auto":
            return "lora-bf16" if hardware.precision == "bf16" else "lora-fp32"
        case "lora-bf16" | "lora-fp32" | "qlora-4bit":
            return plan.method
        case _:
            assert_never(plan.method)


def _epochs(rows: int, batch: int) -> float:
    """Three epochs, more on small data, where three would be too few steps to learn the labels."""
    steps_per_epoch = max(1, -(-rows // batch))
    return float(min(10, max(3, -(-_LEAST_STEPS // steps_per_epoch))))


def _layers(hardware: TrainingHardware, *, few: bool) -> int | None:
    match hardware.device:
        case "cuda":
            return None
        case "cpu":
            return max(1, round(hardware.layers / (4 if few else 2)))
        case _:
            assert_never(hardware.device)
