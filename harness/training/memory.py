"""Memory a training takes with this trainer, before it starts; and what to change where it does not fit.
Pure, but for reading a config.json.

A sum of parts, in GiB:

    weights      of the base, in the precision its recipe names
    adapter      LoRA weights, gradients and Adam's two moments, fp32: 16 bytes each
    activations  what a layer with adapters keeps for its gradient; nothing is recomputed
                 (`gradient_checkpointing` is off), and frozen layers keep nothing
    merged       fp32 only: `fused` adds a layer's adapter to a copy of its weights
    rows         the frozen layers' states of all rows (`frozen`), on the trainer's device
    overhead     Python, torch and its workspaces

It differs from `advisor.base_models.vram`: published trainers with gradient checkpointing and logits at
every position; sizes of tensors and 4-bit weights are taken from there. Measured with SmolLM2-135M on a CPU
the estimate was within `BAND` (docs/artefacts.md has the figures). Logits are left out: they are computed at
the answers' tokens only.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from advisor.base_models.vram import GIB, NF4_BITS, OVERHEAD_GIB, ModelShape, count_parameters
from advisor.reading import read_json
from harness.core.errors import ModelUnavailable, TrainingError
from harness.core.records import Conversation, Recipe
from harness.training.fast import MAX_BYTES

BAND = (0.8, 1.3)
_CPU_OVERHEAD_GIB = 0.75  # Python with torch, transformers, TRL and datasets loaded
_STATE_BYTES = 16
_CHARS_PER_TOKEN = 3.5
_ELSEWHERE = "train elsewhere: harness tune --export-job job"
_TURN_TOKENS = 8  # of a chat template around one turn


@dataclass(frozen=True, kw_only=True)
class MemoryParts:
    """Parts of a sum, GiB; a kind of training names its own."""

    @property
    def total(self) -> float:
        """All parts, GiB."""
        return float(sum(getattr(self, field.name) for field in dataclasses.fields(self)))

    def __str__(self) -> str:
        low, high = (self.total * factor for factor in BAND)
        names = [field.name for field in dataclasses.fields(self)]
        parts = ", ".join(
            f"{name.replace('_', ' ')} {getattr(self, name):.2f}"
            for name in names
            if getattr(self, name) >= 0.005
        )
        return f"about {self.total:.1f} GiB ({low:.1f} to {high:.1f}): {parts}"


@dataclass(frozen=True, kw_only=True)
class Needed(MemoryParts):
    """The parts of a language model's training, GiB."""

    weights: float
    adapter: float
    activations: float
    merged: float
    rows: float
    overhead: float


def read_shape(base: Path) -> ModelShape:
    """The shape of the model in a folder.

    Raises:
        ModelUnavailable: if its config.json does not state it.
    """
    try:
        config = read_json(base / "config.json")
        heads, hidden = int(config["num_attention_heads"]), int(config["hidden_size"])
        return ModelShape(
            layers=int(config["num_hidden_layers"]),
            hidden=hidden,
            heads=heads,
            kv_heads=int(config.get("num_key_value_heads") or heads),
            head_dim=int(config.get("head_dim") or hidden // heads),
            ffn=int(config["intermediate_size"]),
            vocab=int(config["vocab_size"]),
            tied=bool(config.get("tie_word_embeddings", False)),
        )
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise ModelUnavailable(
            f"{base} has no config.json that states the model's shape.",
            got=f"{type(error).__name__}: {error}",
        ) from error


def mean_tokens(rows: Sequence[Conversation]) -> float:
    """Mean tokens of rows, estimated from characters; those of the chat template are in it."""
    chars = sum(len(row.completion) + sum(len(turn.content) for turn in row.prompt) for row in rows)
    turns = sum(len(row.prompt) + 1 for row in rows)
    return (chars / _CHARS_PER_TOKEN + _TURN_TOKENS * turns) / max(1, len(rows))


def memory_needed(shape: ModelShape, recipe: Recipe, rows: int, row_tokens: float, device: str) -> Needed:
    """What a training takes.

    Args:
        rows: training and watched rows.
        row_tokens: mean tokens of a row, before cutting.
    """
    width = 4 if recipe.method == "lora-fp32" else 2
    layers = shape.layers if recipe.tuned_layers is None else recipe.tuned_layers
    tokens = recipe.batch_size * -(-recipe.max_tokens // 16) * 16
    kept = rows * min(row_tokens, recipe.max_tokens) * shape.hidden * width if layers < shape.layers else 0.0
    return Needed(
        weights=_weights(shape, recipe, width) / GIB,
        adapter=recipe.rank * layers * _sides(shape) * _STATE_BYTES / GIB,
        activations=tokens * layers * _kept_per_token(shape, width) / GIB,
        merged=layers * _matrices(shape) * 4 / GIB if recipe.method == "lora-fp32" else 0.0,
        rows=(kept if kept <= MAX_BYTES else 0.0) / GIB,
        overhead=_CPU_OVERHEAD_GIB if device == "cpu" else OVERHEAD_GIB,
    )


def require_room(needed: MemoryParts, free_gib: float | None, ways: str) -> None:
    """Refuse a training that cannot fit; where the free memory is not known nothing is refused.

    Args:
        ways: what to change, one line.

    Raises:
        TrainingError: if even the low end of the estimate is above what is free.
    """
    if free_gib is None or needed.total * BAND[0] <= free_gib:
        return
    raise TrainingError(
        "The training does not fit into memory.",
        got=f"needs {needed}",
        allowed=f"{free_gib:.1f} GiB free",
        run=ways,
    )


def ways_out(
    shape: ModelShape, recipe: Recipe, rows: int, row_tokens: float, where: tuple[str, float]
) -> str:
    """The first change, from mild to harsh, after which the training would fit; with its figure.

    Args:
        where: device and free GiB.
    """
    device, free_gib = where
    for words, changed in _milder(recipe, shape, device):
        total = memory_needed(shape, changed, rows, row_tokens, device).total
        if total * BAND[1] <= free_gib:
            return f"set {words} in the plan (about {total:.1f} GiB), or {_ELSEWHERE}"
    return f"{_ELSEWHERE}, for a rented GPU; or take a smaller model; or harness tune --force"


def _milder(recipe: Recipe, shape: ModelShape, device: str) -> list[tuple[str, Recipe]]:
    """Changes that add up, in the order in which they cost quality."""
    found = []
    changed = recipe
    if device != "cpu" and recipe.method != "qlora-4bit":
        changed = dataclasses.replace(changed, method="qlora-4bit")
        found.append(("tune.method: qlora-4bit", changed))
    words = [found[-1][0]] if found else []
    for batch in (4, 2, 1):
        if batch < changed.batch_size:
            changed = dataclasses.replace(changed, batch_size=batch)
            found.append((", ".join([*words, f"tune.batch_size: {batch}"]), changed))
    words = [found[-1][0]] if found else []
    quarter = max(1, round(shape.layers / 4))
    if (changed.tuned_layers or shape.layers) > quarter:
        changed = dataclasses.replace(changed, tuned_layers=quarter)
        found.append((", ".join([*words, f"tune.layers: {quarter}"]), changed))
    return found


def _weights(shape: ModelShape, recipe: Recipe, width: int) -> float:
    everything = count_parameters(shape)
    if recipe.method != "qlora-4bit":
        return float(everything * width)
    linear = shape.layers * _matrices(shape)
    return linear * NF4_BITS / 8 + (everything - linear) * 2


def _matrices(shape: ModelShape) -> int:
    """Weights of one layer's seven matrices."""
    queries, keys = shape.heads * shape.head_dim, shape.kv_heads * shape.head_dim
    return shape.hidden * (2 * queries + 2 * keys) + 3 * shape.hidden * shape.ffn


def _sides(shape: ModelShape) -> int:
    """Inputs plus outputs of one layer's seven matrices."""
    queries, keys = shape.heads * shape.head_dim, shape.kv_heads * shape.head_dim
    return 2 * (shape.hidden + queries) + 2 * (shape.hidden + keys) + 3 * (shape.hidden + shape.ffn)


def _kept_per_token(shape: ModelShape, width: int) -> int:
    """Bytes a layer keeps for its gradient.

    Inputs of the two norms, their normalised and their scaled outputs; queries, keys and values after the
    rotation, repeated for the groups; the attention's output twice; and four tensors of the feed-forward
    block (gate, its activation, up, their product). In 16 bits the norms keep two of theirs in fp32.
    """
    queries, keys = shape.heads * shape.head_dim, shape.kv_heads * shape.head_dim
    values = 6 * shape.hidden + 5 * queries + 2 * keys + 4 * shape.ffn
    return values * width + (4 * shape.hidden * 2 if width == 2 else 0)
