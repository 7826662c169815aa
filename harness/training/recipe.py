"""Choose a training recipe from what was asked and what the data and the hardware are. Pure.

Defaults and where they come from:
- adapters on every linear projection, rank 16, alpha twice the rank: LoRA without Regret (Thinking
  Machines, 2025-09): all layers' MLP and attention; rank hardly matters on small data.
- learning rate 1e-3, linear decay: about ten times full tuning's (same source).
- on a CPU, adapters on the upper third of the layers only: the lower ones are then computed once a
  row and kept, which makes an epoch several times cheaper (`harness.training.trunk`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, assert_never

from harness.errors import UsageError
from harness.plan import TunePlan
from harness.records import Recipe

TARGET_MODULES = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
_LEAST_STEPS = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class Hardware:
    """What the trainer will run on.

    Attributes:
        precision: what the base model computes in.
        layers: number of layers of the base model.
    """

    device: Literal["cpu", "cuda"]
    precision: Literal["fp32", "bf16"]
    layers: int


def choose_recipe(plan: TunePlan, rows: int, hardware: Hardware, seed: int) -> Recipe:
    """The recipe for `rows` training rows; what the plan states always wins.

    Raises:
        UsageError: if the plan asks for more layers than the model has.
    """
    if plan.layers is not None and plan.layers > hardware.layers:
        raise UsageError(
            "The plan tunes more layers than the model has.",
            got=plan.layers,
            allowed=f"1 to {hardware.layers}",
        )
    batch = plan.batch_size or (16 if rows < 4000 else 32)
    rank = plan.rank or 16
    return Recipe(
        method=_method(plan, hardware),
        rank=rank,
        alpha=2 * rank,
        dropout=0.0,
        target_modules=TARGET_MODULES,
        learning_rate=plan.learning_rate or 1e-3,
        warmup_ratio=0.05,
        epochs=plan.epochs or _epochs(rows, batch),
        batch_size=batch,
        max_tokens=plan.max_tokens or 192,
        seed=seed,
        tuned_layers=plan.layers or _layers(hardware),
    )


def _method(plan: TunePlan, hardware: Hardware) -> Literal["lora-bf16", "lora-fp32", "qlora-4bit"]:
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


def _layers(hardware: Hardware) -> int | None:
    match hardware.device:
        case "cuda":
            return None
        case "cpu":
            return max(1, round(hardware.layers / 3))
        case _:
            assert_never(hardware.device)
