"""Memory a GPU needs to tune or serve a model: a sum of parts, checked against published figures.

    tune  = weights (4 or 16 bits) + LoRA weights, gradients and optimiser + activations + overhead
    serve = weights (4, 8 or 16 bits) + KV cache + overhead

Figures are GiB (2**30 bytes), which is what GPU makers mean by GB. Every result is an estimate. Its error,
computed against published, all of it reproduced in the tests:

- serving, Qwen's own table (Qwen3 0.6B to 32B and 30B-A3B, 1 to 30,720 tokens in, 2,048 out, memory without
  the overhead): 16 bits -3 to +3 %; 4 bits -8 to -1 % (AWQ); 8 bits -5 to 0 % (GPTQ, and FP8 from 8B on),
  but -23 to -7 % for FP8 up to 4B, whose files hold the tied output layer twice;
- QLoRA, LLaMA-Factory's table (Llama 2 7B, rank 8, batch 1, 1,024 to 100,000 tokens, plain and Unsloth):
  -13 to +5 %;
- Unsloth's absolute minima, against lean runs of 1,024 tokens (the table states no length, and round sizes
  in place of models): QLoRA 3B +1, 7B +12, 8B +18, 14B +24, 32B -20, 70B -1 %; 16-bit LoRA 3B -7, 7B -20,
  8B -24, 14B -11, 32B -16, 70B -18 %.

`TUNE_BAND` spans both tuning tables. Two constants are fitted to LLaMA-Factory's (marked below); the rest
follows from sizes of tensors.

Known limits: attention is assumed to be flash attention; a vision part of unknown size counts as quantised
with the rest; a mixture of experts is tuned on its attention alone, with all experts in memory; GGUF files
are other sizes.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Literal

GIB = 2**30
TUNE_BAND = (0.80, 1.33)  # published over computed, both tables, rounded outwards
SERVE_BAND = {16: (0.97, 1.03), 8: (1.0, 1.30), 4: (1.0, 1.09)}  # the same for Qwen's table, by bits
OVERHEAD_GIB = 1.0  # CUDA context, library workspaces; fitted to LLaMA-Factory's table
ACTIVATION_SLACK = 1.15  # allocator fragmentation; fitted to the same table
NF4_BITS = 4 + 0.127  # QLoRA (arXiv 2305.14314, section 3): double quantisation costs 0.127 bits a parameter
AWQ_BITS = 4 + 16 / 128 + 4 / 128  # a 16-bit scale and a 4-bit zero point for each group of 128
EMBEDDING_BYTES = (
    2  # bitsandbytes, AWQ and FP8 checkpoints leave embeddings, output layer and vision in 16 bits
)


class VramBasis(StrEnum):
    """How a memory figure came to be known."""

    FORMULA = "formula"
    PUBLISHED = "published minimum"
    WEIGHTS_ONLY = "weights alone"  # the shape is not known: a lower bound


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelShape:
    """What of a decoder-only transformer decides its memory.

    Attributes:
        ffn: width of one gated feed-forward block (three matrices).
        tied: input embedding and output layer are one matrix.
        full_layers: layers that cache every token; None for all of them.
        window: tokens the other layers cache; 0 for recurrent layers of constant size.
        experts: feed-forward blocks in a layer, shared ones included; 1 for a dense model.
        vision: weights of a vision part beside the language model, as far as they are known.
    """

    layers: int
    hidden: int
    heads: int
    kv_heads: int
    head_dim: int
    ffn: int
    vocab: int
    tied: bool
    full_layers: int | None = None
    window: int = 0
    experts: int = 1
    vision: int = 0

    def __post_init__(self) -> None:
        may_be_0 = ("tied", "full_layers", "window", "vision")
        numbers = [getattr(self, f.name) for f in fields(self) if f.name not in may_be_0]
        if (
            min(numbers) < 1
            or min(self.window, self.vision) < 0
            or not 0 <= (self.full_layers or 0) <= self.layers
        ):
            raise ValueError(f"not a transformer: {self}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuning:
    """One tuning run.

    Attributes:
        bits: of the frozen weights: 4 is QLoRA (NF4), 16 is LoRA.
        rank: of the adapters, on all seven matrices of a dense layer.
        batch, tokens: sequences in a step and tokens in each, padding included.
        lean: checkpoints move to main memory, the loss never holds all logits, the optimiser keeps 8 bits
            (Unsloth); False is plain TRL and PEFT with gradient checkpointing and 32-bit Adam.
    """

    bits: Literal[4, 16] = 4
    rank: int = 16
    batch: int = 1
    tokens: int = 2048
    lean: bool = False

    def __post_init__(self) -> None:
        if min(self.rank, self.batch, self.tokens) < 1 or self.bits not in (4, 16):
            raise ValueError(f"need bits of 4 or 16, and rank, batch and tokens of at least 1: {self}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServingRun:
    """What is held at once: `sequences` requests of `tokens` each (prompt and answer), 16-bit KV cache."""

    bits: Literal[4, 8, 16] = 16
    sequences: int = 1
    tokens: int = 4096

    def __post_init__(self) -> None:
        if min(self.sequences, self.tokens) < 1 or self.bits not in (4, 8, 16):
            raise ValueError(f"need bits of 4, 8 or 16, and sequences and tokens of at least 1: {self}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The sum, in GiB."""

    weights: float
    adapter: float = 0.0
    activations: float = 0.0
    kv_cache: float = 0.0
    overhead: float = OVERHEAD_GIB

    @property
    def total(self) -> float:
        """All parts, GiB."""
        return self.weights + self.adapter + self.activations + self.kv_cache + self.overhead


@dataclass(frozen=True, slots=True, kw_only=True)
class Vram:
    """Memory needed, GiB: an estimate with the range that published figures leave it.

    Attributes:
        high: None when there is no upper bound (the shape is not known).
    """

    value: float
    low: float
    high: float | None
    basis: VramBasis


def count_parameters(shape: ModelShape) -> int:
    """Weights of the matrices (norms and biases left out): within 1 % of a dense text model's own count."""
    layers = shape.layers * (_attention(shape) + shape.experts * 3 * shape.hidden * shape.ffn)
    return layers + _embeddings(shape) + shape.vision


def adapter_parameters(shape: ModelShape, rank: int) -> int:
    """Weights of LoRA: rank x (inputs + outputs) of each matrix (arXiv 2106.09685, section 4.1).

    On the seven matrices of a dense layer; on the four of attention where there are experts.
    """
    queries, keys = shape.heads * shape.head_dim, shape.kv_heads * shape.head_dim
    attention = 2 * (shape.hidden + queries) + 2 * (shape.hidden + keys)
    feed_forward = 3 * (shape.hidden + shape.ffn) if shape.experts == 1 else 0
    return rank * shape.layers * (attention + feed_forward)


def kv_cache_bytes(shape: ModelShape, tokens: int, bytes_each: int = 2) -> int:
    """Keys and values of one sequence."""
    full = shape.layers if shape.full_layers is None else shape.full_layers
    cached = full * tokens + (shape.layers - full) * min(tokens, shape.window)
    return 2 * shape.kv_heads * shape.head_dim * bytes_each * cached


def activation_bytes(shape: ModelShape, lean: bool) -> int:
    """Peak per token with gradient checkpointing, in 16 bits.

    Plain: the input of every layer is kept, and the larger of two peaks comes on top: the logits (16 bytes an
    entry: 16-bit, 32-bit copy, shifted copy, and both gradients) or one layer recomputed with its gradients.
    Lean: one layer.
    """
    queries, keys = shape.heads * shape.head_dim, shape.kv_heads * shape.head_dim
    layer = 2 * 2 * (4 * shape.hidden + 2 * queries + 2 * keys + 4 * shape.ffn)
    if lean:
        return layer
    return 2 * shape.layers * shape.hidden + max(16 * shape.vocab, layer)


def tuning_parts(parameters: float, shape: ModelShape, tuning: Tuning) -> Parts:
    """The parts of a tuning run.

    Args:
        parameters: total weights of the model.
    """
    bits = NF4_BITS if tuning.bits == 4 else 16.0
    state_bytes = 4 + 4 + (2 if tuning.lean else 8)  # weight, gradient, two moments (8 or 32 bits each)
    return Parts(
        weights=_weights_gib(parameters, shape, bits),
        adapter=adapter_parameters(shape, tuning.rank) * state_bytes / GIB,
        activations=ACTIVATION_SLACK
        * tuning.batch
        * tuning.tokens
        * activation_bytes(shape, tuning.lean)
        / GIB,
    )


def serving_parts(parameters: float, shape: ModelShape, serving: ServingRun) -> Parts:
    """The parts of a model being served.

    Args:
        parameters: total weights of the model.
    """
    bits = AWQ_BITS if serving.bits == 4 else float(serving.bits)
    return Parts(
        weights=_weights_gib(parameters, shape, bits),
        kv_cache=serving.sequences * kv_cache_bytes(shape, serving.tokens) / GIB,
    )


def tuning_vram(
    parameters: float, shape: ModelShape | None, tuning: Tuning, published: float | None = None
) -> Vram:
    """Memory to tune; the published minimum where there is one, with a range over both.

    Args:
        parameters: total weights of the model.
        shape: None when it is not known: then a lower bound.
        published: GiB stated for a model of this size and these bits, None when there is no such figure.
    """
    if shape is None:
        return _bound(parameters, tuning.bits, published)
    total = tuning_parts(parameters, shape, tuning).total
    low, high = total * TUNE_BAND[0], total * TUNE_BAND[1]
    if published is None:
        return Vram(value=total, low=low, high=high, basis=VramBasis.FORMULA)
    return Vram(
        value=published, low=min(low, published), high=max(total, published), basis=VramBasis.PUBLISHED
    )


def serving_vram(parameters: float, shape: ModelShape | None, serving: ServingRun) -> Vram:
    """Memory to serve.

    Args:
        parameters: total weights of the model.
        shape: None when it is not known: then a lower bound.
    """
    if shape is None:
        return _bound(parameters, serving.bits, None)
    total, band = serving_parts(parameters, shape, serving).total, SERVE_BAND[serving.bits]
    return Vram(value=total, low=total * band[0], high=total * band[1], basis=VramBasis.FORMULA)


def _bound(parameters: float, bits: int, published: float | None) -> Vram:
    weights = parameters * bits / 8 / GIB
    if published is not None:
        return Vram(value=published, low=max(weights, published), high=None, basis=VramBasis.PUBLISHED)
    return Vram(value=weights, low=weights, high=None, basis=VramBasis.WEIGHTS_ONLY)


def _attention(shape: ModelShape) -> int:
    return 2 * shape.hidden * shape.head_dim * (shape.heads + shape.kv_heads)


def _embeddings(shape: ModelShape) -> int:
    return shape.vocab * shape.hidden * (1 if shape.tied else 2)


def _weights_gib(parameters: float, shape: ModelShape, bits: float) -> float:
    kept = _embeddings(shape) + shape.vision
    return (max(parameters - kept, 0) * bits / 8 + kept * EMBEDDING_BYTES) / GIB
