"""How much of a bake-off fits into a time on this machine.

The machine is timed on the embedded model for a few seconds; everything else is arithmetic on token
counts. The result is rough (a quarter either way) and is only used to choose limits, never reported
as a measurement.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from harness.models.base import ChatRequest
from harness.models.open import open_chat
from harness.models.precision import choose_precision
from harness.models.settings import ModelSettings
from harness.pipelines.context import Context
from harness.pipelines.evalset import load_rows
from harness.plan import ExperimentPlan
from harness.prompts.classification import answer_text, retrieve_messages, tune_messages
from harness.records import Option

_PROBE_ITEMS = 12
_LEAST_TEST = 200
_SHARE_TRAINING = 0.3
_TRAIN_COST = 2.0  # seconds of training a token against seconds of reading one, upper third tuned
_OVERHEAD_S = 60.0  # loading, embedding, classical arms, bootstrap


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """What sizing needs to know.

    Attributes:
        tokens_per_s: of the local model, reading.
        item_tokens: mean tokens of a ticket in its shortest prompt; example_tokens: of one example.
        slow_format: the number format, where the processor has no fast units for bf16; else ''.
    """

    tokens_per_s: float
    item_tokens: float
    example_tokens: float
    train: int
    dev: int
    test: int
    slow_format: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sized:
    """The limits chosen, and why, in words."""

    test_items: int
    epochs: float
    k: tuple[int, ...]
    tried_items: int
    remarks: tuple[str, ...]


def measure_machine(plan: ExperimentPlan, context: Context) -> Sizes:
    """Time the local model of the plan on a few training rows."""
    context.progress.stage("timing this machine", None)
    evalset = load_rows(plan, context)
    local = next(
        (arm.model for arm in plan.arms if arm.option in {Option.TUNE, Option.PROMPT, Option.RETRIEVE}),
        "smollm2-135m",
    )
    settings = ModelSettings(cache=context.cache, offline=context.offline, threads=context.threads)
    model = open_chat(local, settings)
    try:
        choices = tuple(answer_text(label.name) for label in evalset.labels)
        rows = evalset.train[: _PROBE_ITEMS * 2]
        requests = [
            ChatRequest(item_id=i.id, messages=tune_messages(i.text, plan.prompt.limits), choices=choices)
            for i in rows
        ]
        list(model.answer(requests[:_PROBE_ITEMS]))
        start = time.perf_counter()
        list(model.answer(requests[_PROBE_ITEMS:]))
        seconds = (time.perf_counter() - start) / max(1, len(rows) - _PROBE_ITEMS)
        tokens = [model.count_tokens(request.messages) for request in requests]
        mean = sum(tokens) / len(tokens)
        empty = model.count_tokens(retrieve_messages("", [], evalset.labels, plan.prompt.limits))
        guide = empty - model.count_tokens(tune_messages("", plan.prompt.limits))
    finally:
        model.close()
    work = mean + _tree_tokens(choices)
    precision = choose_precision(settings.device, settings.precision)
    return Sizes(
        tokens_per_s=work / seconds,
        item_tokens=work,
        example_tokens=mean,
        train=len(evalset.train),
        dev=len(evalset.dev),
        test=len(evalset.test),
        slow_format="" if precision == "bf16" or guide < 0 else precision,
    )


def size_plan(sizes: Sizes, seconds: float, retrieve_arms: int) -> Sized:
    """Choose epochs, test items and candidates for k so that a bake-off takes about `seconds`."""
    training_s = seconds * _SHARE_TRAINING
    per_epoch_s = sizes.train * sizes.item_tokens * _TRAIN_COST / sizes.tokens_per_s
    epochs = max(1.0, min(6.0, training_s // max(per_epoch_s, 1e-9)))
    k = (2, 4) if sizes.tokens_per_s < 3000 else (2, 4, 8)
    tried = 40 if sizes.tokens_per_s < 3000 else 100
    shown = sizes.item_tokens + max(k) * sizes.example_tokens
    per_item = 2 * sizes.item_tokens + retrieve_arms * shown  # prompt and tune, then retrieve
    fixed = (sizes.dev + _LEAST_TEST) * per_item + tried * sum(
        sizes.item_tokens + c * sizes.example_tokens for c in k
    )
    left_s = seconds - _OVERHEAD_S - epochs * per_epoch_s - fixed / sizes.tokens_per_s
    items = int(left_s * sizes.tokens_per_s / per_item)
    test = min(sizes.test, max(_LEAST_TEST, items))
    return Sized(
        test_items=test,
        epochs=epochs,
        k=k,
        tried_items=tried,
        remarks=_remarks(sizes, seconds, test, epochs),
    )


def _remarks(sizes: Sizes, seconds: float, test: int, epochs: float) -> tuple[str, ...]:
    slow = (
        f"this processor has no fast bf16 units ({sizes.slow_format} is used), so training is kept short: "
        if sizes.slow_format
        else ""
    )
    rows = f"all {sizes.test}" if test >= sizes.test else f"{test} of {sizes.test}"
    return (
        f"Sized to about {seconds / 60:.0f} min here ({sizes.tokens_per_s:,.0f} tokens/s read): "
        f"{slow}{epochs:g} training epoch(s), {rows} test items.",
    )


def _tree_tokens(choices: tuple[str, ...]) -> int:
    """Tokens of the answers scored beside each ticket, about two a label after sharing beginnings."""
    return 2 * len(choices)
