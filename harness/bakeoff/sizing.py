"""How long a bake-off takes on this machine, and how much of one fits into a time.

What takes long is timed on the rows themselves before the plan is locked: opening a model, a few queries of
every arm, a few training steps. The rest is arithmetic. The result is rough and only chooses limits and tells
how long it will take; it is never reported as a measurement.
"""

from __future__ import annotations

import dataclasses
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path

from advisor.options import Option
from harness.arms.base import Answers
from harness.arms.retrieve import passes_of, rows_to_choose_on
from harness.bakeoff.arm_factory import encoder_settings, recipe_for, rows_learnt
from harness.bakeoff.asking import Asking, evenly
from harness.bakeoff.evalset import load_rows
from harness.bakeoff.plan import ArmPlan, ExperimentPlan
from harness.core.context import Context
from harness.core.errors import MissingExtra, ModelUnavailable, TrainingError, UsageError
from harness.core.records import ArmId, Choices, Conversation, Evalset, Item
from harness.core.wording import epochs
from harness.models.base import ChatModel, ChatRequest
from harness.models.local.precision import choose_precision
from harness.models.open import open_chat
from harness.models.resolve import Provider, local_folder, resolve
from harness.models.settings import ModelSettings
from harness.tasks.kinds import task_of
from harness.tasks.wording import clip
from harness.training.recipe import Budgeted, budget_recipe
from harness.training.settings import EncoderPlan
from harness.training.speed import measure_encoder, measure_speed
from harness.training.trl_trainer import TrainingJob

ENOUGH_TEST = 200
LEAST_TEST = 100
MOST_DEV = 60
FEW_DEV = 30
FEW_OUT_OF_SCOPE = 30
CANDIDATES: tuple[int, ...] = (2, 4)
TRIED = 20
LEAST_EPOCHS = 1.5
SLACK = 1.5  # a forecast is no better than that; what passes the time by more does not fit
_LEAST_TIMED, _MOST_TIMED, _TIMED_S, _WARM_UP = 3, 10, 3.0, 1
# Answers written together to time them, and what they may take one by one: 8 at once take a third of that.
_LEAST_AT_ONCE, _AT_ONCE, _TOGETHER_S = 8, 64, 15.0
_SHARE_TRAINING = 0.27
_CONCLUDING_S = 10.0  # bootstrap, figures, files
_SERVED_S = 1.0  # taken for a call to a served model, which is not asked before the run
# Fitted to what two virtual cores took: 30 s to settle on 723 rows, 153 s on 9,003 (docs/benchmarks.md).
_LINEAR_S, _LINEAR_ROW_S, _LINEAR_QUERY_S = 20.0, 0.015, 0.004
_NO_LIMIT_S = 1e9
FEWER: tuple[dict[str, int], ...] = (  # how an encoder is trained where time is short, the mildest first
    {"trials": 1},
    {"trials": 1, "epochs": 4},
    {"trials": 1, "epochs": 4, "max_tokens": 64},
    {"trials": 1, "epochs": 3, "max_tokens": 64, "layers": 3},
)
_FORWARD_SHARE = 0.4  # of a training step: one pass of three, in fp32 where the others may be in bf16
_PAIR = (Option.RETRIEVE, Option.TUNE)


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderTime:
    """Seconds of an encoder: of one training seed with every recipe tried, and of a query in batches.

    Attributes:
        plan: how it is trained then.
    """

    training_s: float
    query_s: float
    plan: EncoderPlan


@dataclass(frozen=True, slots=True, kw_only=True)
class Timed:
    """What this machine takes.

    Attributes:
        query_s: seconds a query by arm, for arms that run a local model.
        alone_s: the same of a query asked alone, as those are whose latency is measured.
        open_s: seconds to open the model, by arm.
        training: one training that fits its share of the time; None when nothing is tuned.
        linear_s: seconds of the arms without a model, on all rows.
        encoders: what each encoder takes, on all rows.
        served: arms on served models, which were not asked; a call is taken for a second.
        concurrency: calls in flight to those.
        latency_items: queries that are answered once more, one by one.
        seeds: how often a tuned arm is trained.
        tried: dev items that each candidate for k is tried on at most.
        precision: the number format local models compute in.
        spent_s: what the timing itself took.
    """

    query_s: Mapping[ArmId, float]
    training: Budgeted | None
    precision: str
    train: int
    dev: int
    test: int
    alone_s: Mapping[ArmId, float] = field(default_factory=dict)
    open_s: Mapping[ArmId, float] = field(default_factory=dict)
    linear_s: float = 0.0
    encoders: Mapping[ArmId, EncoderTime] = field(default_factory=dict)
    served: tuple[ArmId, ...] = ()
    concurrency: int = 1
    latency_items: int = 0
    seeds: int = 1
    tried: int = TRIED
    spent_s: float = 0.0

    def without(self, arms: Sequence[ArmId]) -> Timed:
        """The same without these arms."""
        left = {arm: seconds for arm, seconds in self.query_s.items() if arm not in arms}
        tuned = any(arm.option.traits.tuned for arm in left)
        encoders = {arm: taken for arm, taken in self.encoders.items() if arm not in arms}
        return replace(self, query_s=left, encoders=encoders, training=self.training if tuned else None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sized:
    """The limits chosen, and a sentence on why.

    Attributes:
        candidates: those for k.
        expected_s: what the run takes then, as far as it is known.
        dropped: arms that are left out, the first to go first.
        timed: what it rests on.
    """

    test_items: int
    dev_items: int
    candidates: tuple[int, ...]
    epochs: float | None
    remark: str
    expected_s: float = 0.0
    dropped: tuple[ArmId, ...] = ()
    timed: Timed | None = None

    @property
    def encoder(self) -> EncoderPlan | None:
        """How encoders are trained: as the one that takes the longest has to be."""
        times = [] if self.timed is None else list(self.timed.encoders.values())
        return max(times, key=lambda taken: taken.training_s).plan if times else None

    def by_arm(self, plan: ExperimentPlan) -> dict[str, float]:
        """Seconds by arm of the sized plan."""
        sized = (self.test_items, self.dev_items, self.candidates)
        return {} if self.timed is None else by_arm(self.timed, plan, sized)


def time_machine(
    plan: ExperimentPlan, seconds: float, context: Context, evalset: Evalset | None = None
) -> Timed:
    """Time what a plan needs on a few training rows.

    Args:
        seconds: how long the run may take, of which training gets a share.
        evalset: the plan's rows, where they are loaded already.
    """
    start = time.perf_counter()
    context.progress.stage("timing this machine", None)
    evalset = evalset or load_rows(plan, context)
    opening = ModelSettings(cache=context.cache, offline=context.offline, threads=context.threads)
    query_s: dict[ArmId, float] = {}
    alone_s: dict[ArmId, float] = {}
    open_s: dict[ArmId, float] = {}
    training = None
    asking = Asking(plan, evalset, context)
    for model_name, arms in _local_models(plan).items():
        source = resolve(model_name)
        assert not isinstance(source, Provider)
        began = time.perf_counter()
        with closing(open_chat(model_name, opening)) as model:
            open_s |= dict.fromkeys((arm.id for arm in arms), time.perf_counter() - began)
            for arm in arms:
                query_s[arm.id], alone_s[arm.id] = _query_seconds(model, arm, evalset, asking)
        tuned = [arm for arm in arms if arm.option.traits.tuned]
        if training is None and tuned:
            share = seconds * _SHARE_TRAINING / (len(plan.training_seeds) * len(tuned))
            training = _training(plan, local_folder(source, opening), evalset, share, opening)
    return Timed(
        query_s=query_s,
        alone_s=alone_s,
        open_s=open_s,
        training=training,
        linear_s=_linear_seconds(plan, evalset),
        encoders={
            arm.id: _encoder_time(plan, arm.id, evalset, opening, _encoder_share(plan, seconds))
            for arm in plan.arms
            if arm.option.traits.encodes
        },
        served=tuple(a.id for a in plan.arms if _is_served(a)),
        concurrency=context.concurrency,
        latency_items=plan.latency.items,
        seeds=len(plan.training_seeds),
        tried=plan.retrieve.dev_items,
        precision=choose_precision(opening.device, opening.precision),
        train=len(evalset.train),
        dev=len(evalset.dev),
        test=len(evalset.test),
        spent_s=time.perf_counter() - start,
    )


def _encoder_share(plan: ExperimentPlan, seconds: float) -> float:
    """Seconds that one training of an encoder may take."""
    encoders = sum(arm.option.traits.encodes for arm in plan.arms)
    return seconds * _SHARE_TRAINING / (len(plan.training_seeds) * max(1, encoders))


def _is_served(arm: ArmPlan) -> bool:
    return arm.option.traits.needs_model and isinstance(resolve(arm.model), Provider)


def _local_models(plan: ExperimentPlan) -> dict[str, list[ArmPlan]]:
    """The models that run here, and the arms that use them."""
    found: dict[str, list[ArmPlan]] = {}
    for arm in plan.arms:
        if arm.option.traits.needs_model and not _is_served(arm):
            found.setdefault(arm.model, []).append(arm)
    return found


def arm_seconds(timed: Timed, arm: ArmId, sized: tuple[int, int, Sequence[int]]) -> float:
    """What one arm takes, all training seeds together; the arms without a model are `Timed.linear_s`.

    Args:
        sized: test items, dev items, candidates for k.
    """
    test, dev, candidates = sized
    if arm in timed.encoders:
        taken = timed.encoders[arm]
        asked = timed.dev + timed.test + FEW_OUT_OF_SCOPE  # a limit on test holds for what costs something
        return timed.seeds * taken.training_s + taken.query_s * timed.seeds * asked
    if arm in timed.served:
        calls = (test + dev) / timed.concurrency + min(timed.latency_items, test)
        return _SERVED_S * calls
    if arm not in timed.query_s:
        return 0.0
    query = timed.query_s[arm]
    once = timed.open_s.get(arm, 0.0) + (dev + test) * query
    once += min(timed.latency_items, test) * timed.alone_s.get(arm, 0.0)
    if arm.option is Option.RETRIEVE:  # what the chosen trial answered is not asked again
        passes = passes_of(candidates)
        return once + max(0, passes - 1) * rows_to_choose_on(passes, timed.tried, dev, test) * query
    if not arm.option.traits.tuned:
        return once
    training = timed.training.seconds if timed.training else 0.0
    return timed.seeds * (once + training + timed.open_s.get(arm, 0.0)) + FEW_OUT_OF_SCOPE * query


def expected_seconds(timed: Timed, sized: tuple[int, int, Sequence[int]]) -> float:
    """What the whole run takes from now on."""
    arms = [arm_seconds(timed, arm, sized) for arm in (*timed.query_s, *timed.served, *timed.encoders)]
    return _CONCLUDING_S + timed.linear_s + sum(arms)


def forecast_seconds(
    plan: ExperimentPlan, context: Context, evalset: Evalset | None = None
) -> dict[str, float]:
    """What each arm of a plan takes on this machine as it is written; empty where that cannot be timed."""
    try:
        timed = time_machine(plan, _NO_LIMIT_S, context, evalset)
    except (ModelUnavailable, MissingExtra, TrainingError):  # the run itself says what is missing
        return {}
    return by_arm(timed, plan, (timed.test, timed.dev, plan.retrieve.k))


def by_arm(timed: Timed, plan: ExperimentPlan, sized: tuple[int, int, Sequence[int]]) -> dict[str, float]:
    """Seconds by arm, in the plan's order."""
    there = {arm.option for arm in plan.arms}
    linear = {Option.LINEAR if Option.LINEAR in there else Option.NEIGHBOURS: timed.linear_s}
    return {
        str(arm.id): linear.get(arm.option, 0.0) + arm_seconds(timed, arm.id, sized)
        for arm in plan.arms
        if arm.option is not Option.ROUTE
    }


def size_plan(
    timed: Timed, seconds: float, keep: Callable[[Sized, Sized], bool] = lambda all_arms, fewer: False
) -> Sized:
    """Choose test items, dev items, epochs and, if need be, arms so that the bake-off takes about `seconds`.

    A machine too slow for `ENOUGH_TEST` items gets fewer dev items, and then fewer test items, down to
    `LEAST_TEST`; one too slow for these has no choice of k. If even that passes the time, arms are left out:
    first those that the question of RAG or fine-tuning is not about, the slowest of them first.

    Args:
        keep: is shown what all arms take and what is left without some, and says whether all are run all
            the same, for longer than was asked.

    Raises:
        UsageError: if no arm that can be left out brings it down.
    """
    spent = min(timed.spent_s, seconds / 2)  # a machine that is busy now need not stay so
    room, most = seconds - spent, SLACK * seconds - spent
    whole = _sized(timed, room)
    dropped: list[ArmId] = []
    left, found = timed, whole
    while found.expected_s > most and (left.query_s or left.encoders):
        dropped.append(_slowest(left))
        left = timed.without(dropped)
        found = replace(_sized(left, room), dropped=tuple(dropped))
    if not dropped and found.expected_s <= most:
        return whole
    enough = _up(whole.expected_s + timed.spent_s)
    if found.expected_s > most:
        fewer = f"{_up(found.expected_s + timed.spent_s)} without {_names(dropped)}, " if dropped else ""
        raise UsageError(
            f"No bake-off on these rows fits into {_minutes(seconds)} on this machine.",
            allowed=f"--minutes {fewer}{enough} with every arm",
        )
    if keep(whole, found):
        return whole
    are = "is" if len(dropped) == 1 else "are"
    short = (
        f" All arms would take {_minutes(whole.expected_s)} at least, so {_names(dropped)} {are} left out; "
        f"--minutes {enough} runs every arm."
    )
    return replace(found, remark=found.remark + short)


def _slowest(timed: Timed) -> ArmId:
    """The slowest arm, those outside the pair first."""
    least = (min(timed.test, LEAST_TEST), min(timed.dev, FEW_DEV), CANDIDATES[:1])
    there = [*timed.query_s, *timed.encoders]
    among = [arm for arm in there if arm.option not in _PAIR] or there
    return max(among, key=lambda arm: (arm_seconds(timed, arm, least), arm))


def _sized(timed: Timed, seconds: float) -> Sized:
    dev, candidates = min(timed.dev, MOST_DEV), CANDIDATES
    test = _fitting(timed, dev, candidates, seconds)
    if test < min(timed.test, ENOUGH_TEST):
        dev = min(timed.dev, FEW_DEV)
        test = _fitting(timed, dev, candidates, seconds)
    if test < min(timed.test, LEAST_TEST):
        candidates = CANDIDATES[:1]
    test = min(timed.test, max(LEAST_TEST, test))
    expected = expected_seconds(timed, (test, dev, candidates))
    return Sized(
        test_items=test,
        dev_items=dev,
        candidates=candidates,
        epochs=timed.training.recipe.epochs if timed.training else None,
        remark=_remark(timed, test, candidates, expected),
        expected_s=expected,
        timed=timed,
    )


def _fitting(timed: Timed, dev: int, candidates: Sequence[int], seconds: float) -> int:
    """Test items that fit beside the rest; all of them where answering takes no time."""
    many = [expected_seconds(timed, (items, dev, candidates)) for items in (1000, 2000)]
    per_item = (many[1] - many[0]) / 1000
    fixed = many[0] - 1000 * per_item  # at few test items choosing k takes less
    return int((seconds - fixed) / per_item) if per_item > 0 else timed.test


def _remark(timed: Timed, test: int, candidates: Sequence[int], expected_s: float) -> str:
    parts = [f"Timed this machine: {_minutes(expected_s)}"]
    if timed.precision != "bf16":
        parts.append(f"no fast bf16 units, so {timed.precision} and a small training budget")
    parts.append(
        f"all {timed.test} test items" if test >= timed.test else f"{test} of {timed.test} test items"
    )
    if test < min(timed.test, ENOUGH_TEST):
        parts.append("so few show large differences only")
    if any(arm.option is Option.RETRIEVE for arm in timed.query_s) and len(candidates) < len(CANDIDATES):
        parts.append(f"k = {candidates[0]}, not chosen on dev")
    if timed.training is not None:
        parts.append(timed.training.cut or f"{epochs(timed.training.recipe.epochs)} of training")
    if timed.served:
        parts.append(f"calls to served models are taken for {_SERVED_S:g} s each")
    return "; ".join(parts) + "."


def _minutes(seconds: float) -> str:
    return f"about {max(1.0, seconds / 60):.0f} min"


def _up(seconds: float) -> int:
    """Whole minutes that are enough."""
    return int(-(-seconds // 60))


def _names(arms: Sequence[ArmId]) -> str:
    return " and ".join(str(arm) for arm in arms)


def _query_seconds(model: ChatModel, arm: ArmPlan, evalset: Evalset, asking: Asking) -> tuple[float, float]:
    """Seconds of a query, among others and alone, by a few of all lengths, more of them where they are fast.

    Answers of a closed set take as long together as alone; answers that are written are written at once.
    """
    form = asking.task.form()
    answers = Answers(form=form)
    written = not isinstance(form, Choices)

    def requests(items: Sequence[Item]) -> list[ChatRequest]:
        shown = asking.shown(arm, items, model.count_tokens)
        return [answers.request(item, one) for item, one in zip(items, shown, strict=True)]

    def alone(request: ChatRequest) -> float:
        began = time.perf_counter()
        model.answer_one(request)
        return time.perf_counter() - began

    for request in requests(evenly(evalset.train, _WARM_UP)):
        alone(request)
    taken: list[float] = []
    for request in requests(_spread(evenly(evalset.train, _MOST_TIMED))):
        if len(taken) >= (1 if written else _LEAST_TIMED) and sum(taken) > _TIMED_S:
            break
        taken.append(alone(request))
    each = sum(taken) / len(taken)
    if not written:
        return each, each
    model.forget()
    together = requests(evenly(evalset.train, max(_LEAST_AT_ONCE, min(_AT_ONCE, int(_TOGETHER_S / each)))))
    began = time.perf_counter()
    answered = len(list(model.answer(together)))
    return (time.perf_counter() - began) / answered, each


def _spread(items: Sequence[Item]) -> list[Item]:
    """Rows ordered by length in an order in which every few of them are of all lengths."""
    return [items[rank] for step in (0, 2, 1) for rank in range(step, len(items), 3)][::-1]


def _linear_seconds(plan: ExperimentPlan, evalset: Evalset) -> float:
    """What the linear classifiers and the vote take, which read the same vectors.

    Timing them would take as long as running them on a small set; the vote alone fits nothing.
    """
    there = {arm.option for arm in plan.arms}
    if not there & {Option.LINEAR, Option.NEIGHBOURS}:
        return 0.0
    asked = len(evalset.dev) + len(evalset.test) + min(plan.latency.items, len(evalset.test))
    fitting = _LINEAR_S if Option.LINEAR in there else 0.0
    return fitting + _LINEAR_ROW_S * len(evalset.train) + _LINEAR_QUERY_S * asked


def _encoder_time(
    plan: ExperimentPlan, arm: ArmId, evalset: Evalset, opening: ModelSettings, seconds: float
) -> EncoderTime:
    """A few real steps, and from them the fullest training that takes no longer than its share."""
    training = (plan.training_seeds[0], evalset)
    settings = encoder_settings(plan, arm, training, opening, None)
    texts = tuple(clip(item.text, settings.item_chars) for item in evalset.train)
    speed = measure_encoder(settings.base, texts, settings.recipes[0], opening)
    asked = plan.encoder or EncoderPlan()
    found: list[EncoderTime] = []
    for fewer in ({}, *FEWER):
        kept = asked.model_copy(update={k: v for k, v in fewer.items() if getattr(asked, k) is None})
        sized = plan.model_copy(update={"encoder": kept})
        recipes = encoder_settings(sized, arm, training, opening, None).recipes
        query_s = speed.token_s * _FORWARD_SHARE * sum(speed.lengths) / max(1, len(speed.lengths))
        found.append(EncoderTime(training_s=speed.training_s(recipes), query_s=query_s, plan=kept))
    fitting = [one for one in found if one.training_s <= seconds]
    return fitting[0] if fitting else min(found, key=lambda one: one.training_s)


def _training(
    plan: ExperimentPlan, base: Path, evalset: Evalset, seconds: float, opening: ModelSettings
) -> Budgeted:
    rows = rows_learnt(plan, Option.TUNE, evalset)
    recipe = recipe_for(plan, base, rows, plan.training_seeds[0], opening)
    task = task_of(evalset.space, plan.prompt.limits)
    conversations = [
        Conversation(
            item_id=item.id,
            prompt=task.messages(Option.TUNE, item),
            completion=task.target_text(item.target),
        )
        for item in evalset.train
    ]
    with tempfile.TemporaryDirectory() as scratch:
        job = TrainingJob(
            base=base,
            work=Path(scratch) / "work",
            out=Path(scratch) / "out",
            recipe=recipe,
            train=conversations,
            dev=(),
            threads=opening.threads,
            labels=tuple(map(task.target_text, task.choices)),
        )
        measured = measure_speed(job)
    tokens = round(measured.tokens * rows / len(conversations))  # drafted rows are about as long
    fitting = budget_recipe(recipe, rows, tokens, measured.speed, seconds)
    if fitting.recipe.epochs >= LEAST_EPOCHS or fitting.recipe.epochs >= recipe.epochs:
        return fitting
    least = dataclasses.replace(recipe, epochs=min(LEAST_EPOCHS, recipe.epochs))
    taking = budget_recipe(least, rows, tokens, measured.speed, _NO_LIMIT_S)
    cut = f"training shortened from {recipe.epochs:g} to {least.epochs:g} epochs, fewer would teach nothing"
    return replace(taking, cut=cut)
