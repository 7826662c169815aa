"""Which open models suit a GPU, a licence policy and a task: picks and refusals, a line of reason each.

Refusals come first (licence, region, size for the task, context, languages, memory, precision); what is
left is ranked by whether it surely fits, then by how near its size is to where the task's sources say to
start.

Known limits: nothing here measures quality, so picks are candidates for a bake-off, not winners. What is
unknown never speaks for a model; where a question hangs on it, it refuses.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from advisor.base_models.catalogue import BaseModel, Catalogue, Gpu, Minimum, Policy, TaskSizes
from advisor.base_models.vram import ServingRun, Tuning, Vram, VramBasis, serving_vram, tuning_vram


class Method(StrEnum):
    """How the weights are held while tuning."""

    QLORA = "qlora"
    LORA = "lora"


class Fit(StrEnum):
    """Whether a memory estimate fits a GPU."""

    FITS = "fits"
    TIGHT = "may fit: measure"
    TOO_BIG = "too big"
    UNKNOWN = "cannot say"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRequest:
    """What a model is wanted for.

    Attributes:
        tokens: prompt and answer; None takes the task's own.
        languages: ISO 639 codes. A model is refused when its source names others or none, and flagged when
            its source claims more languages than it names.
        region: where the user's organisation is, such as 'EU'; None leaves regional terms unchecked.
    """

    gpu: Gpu
    policy: Policy
    task: TaskSizes
    method: Method = Method.QLORA
    tokens: int | None = None
    languages: tuple[str, ...] = ()
    region: str | None = None

    @property
    def length(self) -> int:
        """Tokens of a prompt with its answer."""
        return self.task.tokens if self.tokens is None else self.tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """Memory of a model, GB, at batch 1: to tune at least, to tune with plain TRL, and to serve by bits."""

    least: Vram
    plain: Vram
    serve: Mapping[int, Vram]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pick:
    """A model that suits, with its needs and one line why."""

    model: BaseModel
    fit: Fit
    needs: Needs
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A model that does not suit, with one line why."""

    model: BaseModel
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Picks, best first, and refusals in the order of the catalogue."""

    wish: ModelRequest
    picks: tuple[Pick, ...]
    refusals: tuple[Refusal, ...]


def memory_needs(model: BaseModel, method: Method, tokens: int, minima: Sequence[Minimum]) -> Needs:
    """What the model needs for sequences of `tokens`, one at a time."""
    bits: Literal[4, 16] = 4 if method is Method.QLORA else 16
    row = next((m for m in minima if m.size_b == model.size_class_b), None)
    published = None if row is None else (row.qlora_gb if bits == 4 else row.lora_gb)

    def tune(lean: bool, published_gb: float | None) -> Vram:
        run = Tuning(bits=bits, tokens=tokens, lean=lean)
        return tuning_vram(model.parameters, model.whole, run, published_gb)

    def serve(bits: Literal[4, 8, 16]) -> Vram:
        return serving_vram(model.parameters, model.whole, ServingRun(bits=bits, tokens=tokens))

    return Needs(
        least=tune(True, published),
        plain=tune(False, None),
        serve={16: serve(16), 8: serve(8), 4: serve(4)},
    )


def judge_fit(needs: Needs, gpu: Gpu) -> Fit:
    """Fits when the upper ends of both trainers' ranges do; too big when not even the least's low end."""
    least, plain = needs.least, needs.plain
    if least.low > gpu.usable_gb:
        return Fit.TOO_BIG
    if least.high is None or plain.high is None:
        return Fit.UNKNOWN
    return Fit.FITS if max(least.high, plain.high) <= gpu.usable_gb else Fit.TIGHT


def select(wish: ModelRequest, catalogue: Catalogue) -> Selection:
    """Models that suit a wish, best first: those that surely fit, then those nearest to the starting size."""
    picks, refusals = [], []
    for model in catalogue.models:
        needs = memory_needs(model, wish.method, wish.length, catalogue.minima)
        fit = judge_fit(needs, wish.gpu)
        against = _refuse(model, needs, fit, (wish, catalogue))
        if against is None:
            picks.append(Pick(model=model, fit=fit, needs=needs, why=_praise(model, needs, fit, wish)))
        else:
            refusals.append(Refusal(model=model, why=against))
    picks.sort(key=lambda pick: _rank(pick, wish))
    return Selection(wish=wish, picks=tuple(picks), refusals=tuple(refusals))


def _rank(pick: Pick, wish: ModelRequest) -> tuple[bool, int, int, int, str]:
    """Sure fits first, then quarters of a doubling from the starting size, unknowns, longer context."""
    model = pick.model
    quarters = round(abs(math.log2(model.nominal_b / wish.task.start_b)) * 4)
    unknowns = len(model.unknown) + len(unnamed_languages(model, wish))
    return pick.fit is not Fit.FITS, quarters, unknowns, -(model.context or 0), model.id


def unnamed_languages(model: BaseModel, wish: ModelRequest) -> tuple[str, ...]:
    """Wanted languages that the model's source does not name."""
    return tuple(code for code in wish.languages if code not in model.languages)


def _refuse(model: BaseModel, needs: Needs, fit: Fit, asked: tuple[ModelRequest, Catalogue]) -> str | None:
    wish, catalogue = asked
    policies, gpu = list(Policy), wish.gpu
    missing = unnamed_languages(model, wish)
    if policies.index(model.licence.policy) > policies.index(wish.policy):
        return f"licence: {model.licence.title} is {model.licence.policy}; {wish.policy} is asked for"
    if wish.region in model.not_granted_in:
        return f"licence: {model.licence.title} grants nothing to those in the {wish.region} for this model"
    if not wish.task.low_b <= model.nominal_b <= wish.task.high_b:
        band = f"{wish.task.low_b:g}-{wish.task.high_b:g}B"
        return f"size: {model.nominal_b:g}B lies outside {band} for {wish.task.name}"
    if model.context is None or model.context < wish.length:
        return f"context: {model.context or 'unknown'} tokens, {wish.length} are needed"
    if missing and model.language_count is None:
        return f"languages: its source does not name {', '.join(missing)}"
    if fit is Fit.TOO_BIG:
        basis = "weights alone" if needs.least.basis is VramBasis.WEIGHTS_ONLY else wish.method.value
        return (
            f"memory: {basis} needs at least {needs.least.low:.1f} GB, {_room(gpu)}; "
            f"{what_would_fit(model, wish, catalogue)}"
        )
    if fit is Fit.UNKNOWN:
        return f"memory: cannot say; {needs.least.value:.1f} GB is a lower bound ({needs.least.basis})"
    if model.fp16_unstable and not gpu.bf16:
        return f"precision: it overflows in float16, and the {gpu.name} has no bfloat16"
    return None


def what_would_fit(model: BaseModel, wish: ModelRequest, catalogue: Catalogue) -> str:
    """Which GPU the model surely fits, and by which method; else that none listed is large enough."""
    methods = (wish.method, *(other for other in (Method.QLORA,) if other is not wish.method))
    for method in methods:
        needs = memory_needs(model, method, wish.length, catalogue.minima)
        fitting = [gpu for gpu in catalogue.gpus if judge_fit(needs, gpu) is Fit.FITS]
        if fitting:
            smallest = min(fitting, key=lambda gpu: gpu.memory_gb)
            return f"it fits {smallest.name} ({smallest.memory_gb:g} GB) with {method}"
    return "it surely fits none of the GPUs listed"


def _praise(model: BaseModel, needs: Needs, fit: Fit, wish: ModelRequest) -> str:
    least = needs.least
    unnamed = ", ".join(unnamed_languages(model, wish))
    claimed = f"; {model.language_count} languages claimed, {unnamed} not named" if unnamed else ""
    spread = f"{least.low:.1f}-{least.high:.1f}"
    serve = "/".join(f"{needs.serve[bits].value:.1f}" for bits in (16, 8, 4))
    return (
        f"{model.parameters_b:g}B, {model.context:,} tokens, {model.licence.title}; "
        f"{wish.method} {least.value:.1f} GB ({least.basis}, {spread}), plain TRL {needs.plain.value:.1f}; "
        f"serve {serve} GB at 16/8/4 bits: {fit}{claimed}"
    )


def _room(gpu: Gpu) -> str:
    return f"{gpu.name} has {gpu.usable_gb:.1f} of {gpu.memory_gb:g} usable"
