"""How much of a bake-off fits into a time on this machine.

A few queries of each kind and a few training steps are timed; the rest is arithmetic. The result is
rough and only chooses limits before the plan is locked; it is never reported as a measurement.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness.models.base import ChatModel, ChatRequest
from harness.models.open import open_chat
from harness.models.precision import choose_precision
from harness.models.resolve import Provider, local_folder, resolve
from harness.models.settings import ModelSettings
from harness.pipelines.context import Context
from harness.pipelines.evalset import load_rows
from harness.pipelines.tuners import recipe_for
from harness.plan import ExperimentPlan
from harness.prompts.classification import Example, answer_text, render, tune_messages
from harness.records import Conversation, Evalset, Item, Message, Option
from harness.training.recipe import Budgeted, budget_recipe
from harness.training.speed import measure_speed
from harness.training.trl_trainer import Job
from harness.wording import epochs

ENOUGH_TEST = 200
LEAST_TEST = 100
MOST_DEV = 60
FEW_DEV = 30
FEW_OUT_OF_SCOPE = 30
CANDIDATES: tuple[int, ...] = (2, 4)
TRIED = 20
LEAST_EPOCHS = 1.5
_TIMED, _WARM_UP = 3, 1
_SHARE_TRAINING = 0.27
_OVERHEAD_S = 60.0  # loading models, embedding, linear classifiers, bootstrap
_NO_LIMIT_S = 1e9


@dataclass(frozen=True, slots=True, kw_only=True)
class Timed:
    """What this machine takes.

    Attributes:
        query_s: seconds a query by option, for options that run a local model.
        training: the training that fits its share of the time; None when nothing is tuned.
        precision: the number format local models compute in.
    """

    query_s: dict[Option, float]
    training: Budgeted | None
    precision: str
    train: int
    dev: int
    test: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Sized:
    """The limits chosen, and a sentence on why; `candidates` are those for k."""

    test_items: int
    dev_items: int
    candidates: tuple[int, ...]
    epochs: float | None
    remark: str


def time_machine(plan: ExperimentPlan, seconds: float, context: Context) -> Timed:
    """Time the local models of a plan on a few training rows."""
    context.progress.stage("timing this machine", None)
    evalset = load_rows(plan, context)
    opening = ModelSettings(cache=context.cache, offline=context.offline, threads=context.threads)
    query_s: dict[Option, float] = {}
    training = None
    for model_name, options in _local_models(plan).items():
        source = resolve(model_name)
        assert not isinstance(source, Provider)
        model = open_chat(model_name, opening)
        try:
            query_s |= {option: _query_seconds(model, option, evalset, plan) for option in options}
        finally:
            model.close()
        if training is None and options & {Option.TUNE, Option.TUNE_RETRIEVE}:
            share = seconds * _SHARE_TRAINING / len(plan.training_seeds)
            training = _training(plan, local_folder(source, opening), evalset, share, opening)
    return Timed(
        query_s=query_s,
        training=training,
        precision=choose_precision(opening.device, opening.precision),
        train=len(evalset.train),
        dev=len(evalset.dev),
        test=len(evalset.test),
    )


def _local_models(plan: ExperimentPlan) -> dict[str, set[Option]]:
    """The models that run here, and what for."""
    found: dict[str, set[Option]] = {}
    for arm in plan.arms:
        if arm.model and not isinstance(resolve(arm.model), Provider):
            found.setdefault(arm.model, set()).add(arm.option)
    return found


def size_plan(timed: Timed, seconds: float) -> Sized:
    """Choose test items, dev items and epochs so that the bake-off takes about `seconds`.

    A machine too slow for `ENOUGH_TEST` items gets fewer dev items, and then fewer test items, down to
    `LEAST_TEST`; one too slow for these has no choice of k.
    """
    dev, candidates = min(timed.dev, MOST_DEV), CANDIDATES
    test = _fitting(timed, dev, candidates, seconds)
    if test < min(timed.test, ENOUGH_TEST):
        dev = min(timed.dev, FEW_DEV)
        test = _fitting(timed, dev, candidates, seconds)
    if test < min(timed.test, LEAST_TEST):
        candidates = CANDIDATES[:1]
    test = min(timed.test, max(LEAST_TEST, test))
    expected = _fixed_s(timed, dev, candidates) + test * sum(timed.query_s.values())
    return Sized(
        test_items=test,
        dev_items=dev,
        candidates=candidates,
        epochs=timed.training.recipe.epochs if timed.training else None,
        remark=_remark(timed, test, candidates, expected),
    )


def _fixed_s(timed: Timed, dev: int, candidates: Sequence[int]) -> float:
    """Seconds that do not depend on the number of test items."""
    training_s = timed.training.seconds if timed.training else 0.0
    # what the trial of the chosen k answered is not asked again
    tried_s = (len(candidates) - 1) * TRIED * timed.query_s.get(Option.RETRIEVE, 0.0)
    asked_s = FEW_OUT_OF_SCOPE * timed.query_s.get(Option.TUNE, 0.0)
    return _OVERHEAD_S + training_s + tried_s + asked_s + dev * sum(timed.query_s.values())


def _fitting(timed: Timed, dev: int, candidates: Sequence[int], seconds: float) -> int:
    """Test items that fit beside the rest; all of them where answering takes no time."""
    per_item = sum(timed.query_s.values())
    return int((seconds - _fixed_s(timed, dev, candidates)) / per_item) if per_item > 0 else timed.test


def _remark(timed: Timed, test: int, candidates: Sequence[int], expected_s: float) -> str:
    parts = [f"Timed this machine: about {expected_s / 60:.0f} min"]
    if timed.precision != "bf16":
        parts.append(f"no fast bf16 units, so {timed.precision} and a small training budget")
    parts.append(
        f"all {timed.test} test items" if test >= timed.test else f"{test} of {timed.test} test items"
    )
    if test < min(timed.test, ENOUGH_TEST):
        parts.append("so few show large differences only")
    if Option.RETRIEVE in timed.query_s and len(candidates) < len(CANDIDATES):
        parts.append(f"k = {candidates[0]}, not chosen on dev")
    if timed.training is not None:
        parts.append(timed.training.cut or f"{epochs(timed.training.recipe.epochs)} of training")
    return "; ".join(parts) + "."


def _query_seconds(model: ChatModel, option: Option, evalset: Evalset, plan: ExperimentPlan) -> float:
    choices = tuple(answer_text(label.name) for label in evalset.labels)
    shown = [Example(text=row.text, label=row.label) for row in _evenly(evalset.train, max(CANDIDATES))]

    def ask(item: Item) -> None:
        messages = _messages(option, item, evalset, shown, plan)
        model.answer_one(ChatRequest(item_id=item.id, messages=messages, choices=choices))

    for item in _evenly(evalset.train, _WARM_UP):
        ask(item)
    drawn = _evenly(evalset.train, _TIMED)
    start = time.perf_counter()
    for item in drawn:
        ask(item)
    return (time.perf_counter() - start) / len(drawn)


def _evenly(items: Sequence[Item], count: int) -> list[Item]:
    """Rows drawn evenly by length, so that their mean is about that of all."""
    ordered = sorted(items, key=lambda item: len(item.text))
    count = min(count, len(ordered))
    return [ordered[(2 * i + 1) * len(ordered) // (2 * count)] for i in range(count)]


def _messages(
    option: Option, item: Item, evalset: Evalset, shown: list[Example], plan: ExperimentPlan
) -> tuple[Message, ...]:
    return render(option, item, labels=evalset.labels, examples=shown, limits=plan.prompt.limits)


def _training(
    plan: ExperimentPlan, base: Path, evalset: Evalset, seconds: float, opening: ModelSettings
) -> Budgeted:
    recipe = recipe_for(plan, base, len(evalset.train), plan.training_seeds[0], opening)
    conversations = [
        Conversation(
            item_id=item.id,
            prompt=tune_messages(item.text, plan.prompt.limits),
            completion=answer_text(item.label),
        )
        for item in evalset.train
    ]
    with tempfile.TemporaryDirectory() as scratch:
        job = Job(
            base=base,
            work=Path(scratch) / "work",
            out=Path(scratch) / "out",
            recipe=recipe,
            train=conversations,
            dev=(),
            threads=opening.threads,
        )
        measured = measure_speed(job)
    fitting = budget_recipe(recipe, len(conversations), measured.tokens, measured.speed, seconds)
    if fitting.recipe.epochs >= LEAST_EPOCHS or fitting.recipe.epochs >= recipe.epochs:
        return fitting
    least = replace(recipe, epochs=min(LEAST_EPOCHS, recipe.epochs))
    taking = budget_recipe(least, len(conversations), measured.tokens, measured.speed, _NO_LIMIT_S)
    cut = f"training shortened from {recipe.epochs:g} to {least.epochs:g} epochs, fewer would teach nothing"
    return replace(taking, cut=cut)
