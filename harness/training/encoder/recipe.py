"""The recipes an encoder is trained by: a short list, of which the best on dev is kept.

How long the list is depends on the number of training rows alone, never on a clock, so that a plan gives the
same answers on every machine: a small set is trained several times over, a larger one once, by the first
recipe. What a plan sets holds for all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from harness.core.artefacts import EncoderRecipe
from harness.training.settings import EncoderPlan

_WHOLE_RATE, _LORA_RATE = 3e-4, 1e-3
_LARGE = 200_000_000  # weights from which on only additions are trained, or memory and time run out
_FEW_ROWS = 300
_EPOCHS = 5
_TAG_ROWS, _MOST_TAG_EPOCHS = 5_400, 30  # rows that are read in all, so 15 passes of 360


def recipes_for(
    plan: EncoderPlan, rows: int, weights: int, precision: Literal["fp32", "bf16"], seed: int
) -> tuple[EncoderRecipe, ...]:
    """The recipes to try, the first to be kept among equals.

    Args:
        rows: training rows.
        weights: of the encoder.
        precision: what matrices are multiplied in while training.
    """
    tuned: Literal["whole", "lora"] = "lora" if weights >= _LARGE else "whole"
    if plan.method != "auto":
        tuned = plan.method
    first = EncoderRecipe(
        tuned=tuned,
        epochs=plan.epochs or _EPOCHS,
        learning_rate=plan.learning_rate or (_WHOLE_RATE if tuned == "whole" else _LORA_RATE),
        head_factor=5.0,
        smoothing=0.1,
        warm_up_pairs=0,
        tuned_layers=plan.layers,
        batch_size=plan.batch_size or 32,
        max_tokens=plan.max_tokens or 128,
        rank=0 if tuned == "whole" else (plan.rank or 16),
        precision=precision,
        seed=seed,
        head_first=True,
        letters=plan.letters,
    )
    return tuple(_distinct([first, *_others(first, plan)])[: plan.trials or trials_for(rows)])


def tagger_recipes_for(
    plan: EncoderPlan, rows: int, weights: int, precision: Literal["fp32", "bf16"], seed: int
) -> tuple[EncoderRecipe, ...]:
    """The recipes to try for fields: more passes of fewer rows, whole texts, and no letter groups.

    Args:
        rows, weights, precision: as for labels.
    """
    (first, *_) = recipes_for(plan, rows, weights, precision, seed)
    first = replace(
        first,
        epochs=plan.epochs or min(_MOST_TAG_EPOCHS, max(_EPOCHS, -(-_TAG_ROWS // max(1, rows)))),
        smoothing=0.0,
        batch_size=plan.batch_size or 16,
        max_tokens=plan.max_tokens or 512,
        head_first=False,
        letters=False,
    )
    slower = replace(first, learning_rate=plan.learning_rate or first.learning_rate / 3)
    return tuple(_distinct([first, slower])[: plan.trials or 1])


def trials_for(rows: int) -> int:
    """How many recipes are tried."""
    return 3 if rows <= _FEW_ROWS else 1


def _others(first: EncoderRecipe, plan: EncoderPlan) -> list[EncoderRecipe]:
    slower = replace(first, learning_rate=plan.learning_rate or first.learning_rate / 3)
    return [replace(first, warm_up_pairs=2), slower]


def _distinct(recipes: Sequence[EncoderRecipe]) -> list[EncoderRecipe]:
    return list(dict.fromkeys(recipes))


def recipe_name(recipe: EncoderRecipe) -> str:
    """A recipe in one word, as trials list it."""
    parts = [f"{recipe.tuned}(epochs={recipe.epochs}, rate={recipe.learning_rate:g}"]
    if recipe.warm_up_pairs:
        parts.append(f"pairs first={recipe.warm_up_pairs}")
    if recipe.head_first:
        parts.append("head first")
    if recipe.tuned_layers is not None:
        parts.append(f"upper layers={recipe.tuned_layers}")
    return ", ".join(parts) + ")"
