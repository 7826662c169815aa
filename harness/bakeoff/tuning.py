"""`harness tune`: train a plan's tuned arms alone and answer dev with them. Test is not read.

It works in an ordinary run folder, under the same lock and the same journal, so that `harness resume` on
that folder runs the rest of the plan with the adapter that is there already. Rows of the test split are
dropped before any arm is built and are not written to the folder; no look at them is counted. What was
trained is summed up in `tuned.json`. `--export-job` packs the same training for a rented GPU instead.
"""

from __future__ import annotations

import dataclasses
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from advisor.options import Option
from harness.arms.base import Arm
from harness.arms.tune import TuneArm
from harness.bakeoff.arm_factory import ArmFactory, lanes_of, rows_learnt
from harness.bakeoff.evalset import facts_of, load_rows
from harness.bakeoff.hosted_tuning import is_hosted
from harness.bakeoff.journal import Journal, Lane
from harness.bakeoff.plan import ArmPlan, ExperimentPlan, build_plan
from harness.bakeoff.prices import with_stated_prices
from harness.bakeoff.quality import measuring
from harness.bakeoff.run import close_as_before, reopened, settle_on_dev
from harness.bakeoff.run_folder import RunFolder, create_run
from harness.core.context import Context
from harness.core.environment import MemoryWatch, free_gib
from harness.core.errors import ModelUnavailable, UsageError, on_disk
from harness.core.files import write_atomically
from harness.core.records import Conversation, Evalset, Item, Message, Recipe
from harness.core.serial import decode, encode
from harness.core.wording import epochs
from harness.knowledge.passage_index import MAX_CHARS
from harness.models.local.rendering import Renderer
from harness.models.resolve import Embedded, HubModel, local_folder, resolve
from harness.models.settings import ModelSettings
from harness.models.tuning_api.providers import named, provider_of
from harness.tasks.base import Task, primary
from harness.tasks.kinds import task_of
from harness.tasks.labels import answer_text
from harness.tasks.measures import everything, mean
from harness.tasks.scoring import score
from harness.training.hosted import HostedTuner
from harness.training.job.pack import job_files
from harness.training.memory import Needed
from harness.training.recipe import TrainingHardware, choose_recipe
from harness.training.tuned_model import ExportedJob, TunedLane, TunedTask, conversations_digest
from harness.training.tuner import LocalTuner
from harness.training.watching import DevWatch


@dataclass(frozen=True, slots=True, kw_only=True)
class TuneRequest:
    """What a user asked for.

    Attributes:
        arm: one arm of the plan; '' for all of its tuned arms.
        watch: dev rows that are answered after each epoch; 0 answers none.
        samples: how many of their answers are shown.
        force: train even if the estimate says that memory is too small.
        tell: takes whole lines that are to be shown in any case.
    """

    tell: Callable[[str], None]
    arm: str = ""
    watch: int = 40
    samples: int = 3
    force: bool = False


def lock_tuning(plan: ExperimentPlan, context: Context, wish: TuneRequest) -> RunFolder:
    """Lock the plan in a new run folder.

    Raises:
        UsageError: if the plan has no such tuned arm.
    """
    tuned_lanes(plan, wish.arm)
    plan = with_stated_prices(plan, context)
    return create_run(context.runs, plan, context.clock(), context.homes)


def tune_in(folder: RunFolder, context: Context, wish: TuneRequest) -> tuple[TunedLane, ...]:
    """Train, or go on training, the tuned arms of the plan locked in `folder`.

    Raises:
        UsageError: if the plan has no such arm.
        TrainingError: if memory does not suffice or the training diverges.
    """
    with folder.writing(), reopened(folder) as closed:
        found = _tune(folder, context, wish)
        if closed is not None:
            close_as_before(folder, closed)
        return found


def _tune(folder: RunFolder, context: Context, wish: TuneRequest) -> tuple[TunedLane, ...]:
    plan = folder.plan()
    lanes = tuned_lanes(plan, wish.arm)
    context.progress.stage("loading the rows", None)
    evalset = dataclasses.replace(load_rows(plan, context, folder), test=())
    if not (folder.root / "results.json").exists():
        folder.write_data_facts(facts_of(evalset))
        folder.write_items(evalset)
    found = []
    with folder.journal() as journal:
        for arm_plan, seed in lanes:
            lane = _Lane(arm_plan=arm_plan, seed=seed, plan=plan, evalset=evalset)
            with closing(ArmFactory(plan, evalset, folder, context)) as factory:
                found.append(_train(lane, factory, journal, context, wish))
    kept = [one for one in read_tuned(folder) if (one.arm, one.seed) not in {(f.arm, f.seed) for f in found}]
    write_atomically(folder.root / "tuned.json", encode((*kept, *found), indent=1) + "\n")
    context.progress.close()
    return tuple(found)


def read_tuned(folder: RunFolder) -> tuple[TunedLane, ...]:
    """What `harness tune` trained in this folder; empty where it did not."""
    try:
        text = (folder.root / "tuned.json").read_text(encoding="utf-8")
    except FileNotFoundError:
        return ()
    return decode(tuple[TunedLane, ...], text)


def tuned_lanes(plan: ExperimentPlan, arm: str) -> list[tuple[ArmPlan, int]]:
    """The plan's tuned arms, or the one that is named, once for each training seed.

    Raises:
        UsageError: if there is none.
    """
    lanes = [lane for lane in lanes_of(plan) if _is_language_model(lane[0])]
    chosen = [lane for lane in lanes if arm in ("", str(lane[0].id))]
    if not chosen:
        raise UsageError(
            "The plan has no such tuned arm." if arm else "The plan has no tuned language model.",
            got=arm or ", ".join(str(one.id) for one in plan.arms),
            allowed=", ".join(dict.fromkeys(str(lane[0].id) for lane in lanes))
            or "an arm 'option: tune'; `harness run` trains encoders and all else",
        )
    return chosen


def _is_language_model(arm: ArmPlan) -> bool:
    """Whether its training is one of a language model; an encoder's is shorter, and part of its run."""
    return arm.option.traits.tuned and not arm.option.traits.encodes


def forecast(plan: ExperimentPlan, folder: RunFolder, context: Context, wish: TuneRequest) -> list[str]:
    """Recipe and memory of each lane, or what leaves and what it costs; nothing is trained or sent."""
    evalset = dataclasses.replace(load_rows(plan, context), test=())
    lines: list[str] = []
    for arm_plan, seed in tuned_lanes(plan, wish.arm):
        factory = ArmFactory(plan, evalset, folder, context)
        lane = _Lane(arm_plan=arm_plan, seed=seed, plan=plan, evalset=evalset)
        with closing(factory), closing(factory.build(arm_plan, seed)) as arm:
            assert isinstance(arm, TuneArm)
            if isinstance(arm.tuner, LocalTuner):
                lines += _plan_lines(lane, arm.tuner, arm.tuner.memory(lane.rows()))
            else:
                lines += _offer(arm, lane)
    return lines


def _offer(arm: TuneArm, lane: _Lane) -> list[str]:
    """What a provider would be sent and paid."""
    assert isinstance(arm.tuner, HostedTuner)
    return arm.tuner.words(*arm.taught(lane.evalset.train, lane.evalset.dev)).splitlines()


def at_provider(plan: ExperimentPlan, name: str, model: str, api_base: str) -> ExperimentPlan:
    """The plan with its tuned arms at a provider: those it has, or one more on the model that is named.

    Args:
        model: a base model as the provider names it; '' takes the plan's.

    Raises:
        UsageError: no such provider, or neither names a model there.
    """
    provider = named(name)
    arms = [arm for arm in plan.arms if is_hosted(arm) and provider_of(arm.model) == provider]
    if not model:
        if arms:
            return plan
        raise UsageError(
            f"The plan has no arm that {provider.title} tunes.",
            got=", ".join(str(arm.id) for arm in plan.arms),
            allowed=f"an arm 'option: tune' with 'model: {provider.prefix}/...', or the base model's name",
            run=f"--hosted {name} --base-model NAME",
        )
    raw = plan.model_dump(mode="json")
    wanted = {"option": "tune", "model": f"{provider.prefix}/{model.removeprefix(provider.prefix + '/')}"}
    more = wanted | ({"api_base": api_base} if api_base else {})
    if not any(arm.model == wanted["model"] and arm.option is Option.TUNE for arm in plan.arms):
        raw["arms"] = [*raw["arms"], more]
    return build_plan(raw, "the plan with its hosted arm")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Lane:
    """One arm and seed to train, on which rows."""

    arm_plan: ArmPlan
    seed: int
    plan: ExperimentPlan
    evalset: Evalset

    @property
    def task(self) -> Task:
        return task_of(self.evalset.space, self.plan.prompt.limits)

    @property
    def name(self) -> str:
        return f"{self.arm_plan.id}, seed {self.seed}"

    def rows(self) -> list[Conversation]:
        """Train and dev in the length they will have: nothing is searched, other rows or blanks are shown."""
        option, task = self.arm_plan.option, self.task
        train = self.evalset.learnt_by(option)
        shown = self.plan.shown_in_training if option is Option.TUNE_RETRIEVE else 0
        near, passages = (0, shown) if self.evalset.documents else (shown, 0)
        blanks = (Message(role="user", content=" " * MAX_CHARS),) * passages
        return [
            Conversation(
                item_id=item.id,
                prompt=(*blanks, *task.messages(option, item, train[at : at + near])),
                completion=task.target_text(item.target),
            )
            for place, item in enumerate((*train, *self.evalset.dev))
            for at in (place % max(1, len(train)),)
        ]


def _train(
    lane: _Lane, factory: ArmFactory, journal: Journal, context: Context, wish: TuneRequest
) -> TunedLane:
    needed: list[Needed] = []

    def prepare(tuner: object) -> None:
        if not isinstance(tuner, LocalTuner):
            return
        needed.append(tuner.memory(lane.rows()))
        for line in _plan_lines(lane, tuner, needed[-1]):
            wish.tell(line)
        tuner.settings = dataclasses.replace(tuner.settings, watch=_watch(lane, wish), force=wish.force)

    factory.prepare = prepare
    started, memory = time.perf_counter(), MemoryWatch()
    with closing(factory.build(lane.arm_plan, lane.seed)) as arm:
        config = settle_on_dev(arm, lane.seed, lane.evalset, journal, context)
        peak = memory.peak_mib()
        if peak is not None:
            journal.note_memory(arm.id, lane.seed, peak)
    found = _summary(lane, arm, config, journal)
    return dataclasses.replace(
        found,
        seconds=time.perf_counter() - started,
        needed_mib=round(needed[0].total * 1024, 1) if needed else None,
        peak_mib=peak,
    )


def _summary(lane: _Lane, arm: Arm, config: str, journal: Journal) -> TunedLane:
    settled = journal.settled_as(arm.id, lane.seed, config)
    assert settled is not None
    place = Lane(arm=arm.id, seed=lane.seed, split="dev", config=config)
    dev = score(lane.evalset.dev, journal.outcomes(place, lane.evalset.dev), lane.task)
    how = measuring(lane.plan)
    return TunedLane(
        arm=arm.id,
        seed=lane.seed,
        artefact=settled.fitted.artefact,
        hosted=settled.fitted.hosted,
        dev=mean(f"dev {primary(lane.task).name}", dev, dev.values, everything(dev), how),
        seconds=0.0,
        needed_mib=None,
        peak_mib=None,
    )


def _watch(lane: _Lane, wish: TuneRequest) -> DevWatch:
    return DevWatch(
        choices=tuple(map(lane.task.target_text, lane.task.choices)),
        items=wish.watch if lane.task.choices else 0,  # written answers take too long to watch
        samples=wish.samples,
        tell=wish.tell,
    )


def _plan_lines(lane: _Lane, tuner: LocalTuner, needed: Needed) -> list[str]:
    """What will be trained and what memory that takes."""
    recipe, opening = tuner.settings.recipe, tuner.settings.opening
    rows = rows_learnt(lane.plan, lane.arm_plan.option, lane.evalset)
    layers = "all layers" if recipe.tuned_layers is None else f"the upper {recipe.tuned_layers} layers"
    free = free_gib(opening.device)
    return [
        f"{lane.name}: {recipe.method} of rank {recipe.rank} on {layers}, {epochs(recipe.epochs)} of "
        f"{rows} rows in batches of {recipe.batch_size}, "
        f"learning rate {recipe.learning_rate:g}, answers in {recipe.answer}",
        f"memory: {needed}; free: {'not known' if free is None else f'{free:.1f} GiB'}",
    ]


_HUB_OF_EMBEDDED = {"smollm2-135m": "HuggingFaceTB/SmolLM2-135M-Instruct"}


def export_job(plan: ExperimentPlan, arm: str, out: Path, context: Context) -> list[Path]:
    """Write the job of the plan's tuned arm (its first seed); test rows are not in it.

    Raises:
        UsageError: if the arm cannot be trained elsewhere, or the folder is not empty.
        StoreError: if it cannot be written.
    """
    arm_plan, seed = tuned_lanes(plan, arm)[0]
    if arm_plan.option is not Option.TUNE:
        raise UsageError(
            "Only an arm tuned without retrieved rows can be trained elsewhere.",
            got=str(arm_plan.id),
            allowed="an arm 'option: tune'; name it with --arm",
        )
    if plan.tune.drafts is not None:
        raise UsageError(
            "Drafted questions hold what the documents say, so that they leave this machine in no job.",
            got=f"tune.drafts by {plan.tune.drafts.model}",
            allowed="a plan without tune.drafts",
        )
    if out.exists() and any(out.iterdir()):
        raise UsageError(f"{out} is not empty.", run="another DIR")
    evalset = dataclasses.replace(load_rows(plan, context), test=())
    hub_base = _hub_id(arm_plan.model)
    gpu = TrainingHardware(device="cuda", precision="bf16", layers=plan.tune.layers or 1)
    recipe = choose_recipe(plan.tune, len(evalset.train), gpu, seed)
    codes = _codes(plan, arm_plan.model, evalset, recipe, context)
    recipe = dataclasses.replace(recipe, answer="codes" if codes else "words")
    task = task_of(evalset.space, plan.prompt.limits)
    train, dev = (_conversations(items, task, codes) for items in (evalset.train, evalset.dev))
    job = ExportedJob(
        arm=arm_plan.id,
        seed=seed,
        plan_digest=plan.digest,
        evalset=evalset.name,
        hub_base=hub_base,
        base_model=arm_plan.model,
        base_digest="",
        data_digest=conversations_digest(train),
        recipe=recipe,
        train_rows=len(train),
        task=_task(plan, evalset, codes),
    )
    with on_disk(f"{out} cannot be written"):
        out.mkdir(parents=True, exist_ok=True)
        for name, text in job_files(job, train, dev).items():
            (out / name).write_text(text, encoding="utf-8")
    return sorted(out.iterdir())


def _codes(
    plan: ExperimentPlan, model: str, evalset: Evalset, recipe: Recipe, context: Context
) -> dict[str, str]:
    """Label -> the code the model is to learn, chosen here with the embedded base; none for other bases.

    Raises:
        UsageError: if the plan asks for codes of a base that is not the embedded one.
        ModelUnavailable: if it asks for codes and the base was not pulled.
    """
    source, asked = resolve(model), plan.tune.answer
    if asked == "codes" and not isinstance(source, Embedded):
        raise UsageError(
            "Codes are chosen on this machine before the job is written, for the embedded base only.",
            got=model,
            allowed="smollm2-135m, or tune.answer: words",
        )
    if asked == "words" or not isinstance(source, Embedded):
        return {}
    try:
        base = local_folder(source, ModelSettings(cache=context.cache, offline=context.offline))
    except ModelUnavailable:
        if asked == "codes":
            raise
        return {}
    return _chosen(base, evalset, recipe)


def _chosen(base: Path, evalset: Evalset, recipe: Recipe) -> dict[str, str]:
    from harness.training.codes import UntunedBase, choose_codes
    from harness.training.loading import load_base

    tokenizer, model = load_base(base, dataclasses.replace(recipe, method="lora-fp32"), "cpu")
    reader = UntunedBase(model=model, tokenizer=tokenizer, renderer=Renderer(tokenizer))
    codes = choose_codes(reader, [answer_text(name) for name in evalset.label_names])
    return dict(zip(evalset.label_names, codes, strict=False))


def _conversations(items: Sequence[Item], task: Task, codes: Mapping[str, str]) -> list[Conversation]:
    return [
        Conversation(
            item_id=item.id,
            prompt=task.messages(Option.TUNE, item),
            completion=codes.get(str(item.target)) or task.target_text(item.target),
        )
        for item in items
    ]


def _hub_id(model: str) -> str:
    """What the rented machine loads.

    Raises:
        UsageError: if the model is not on the hub.
    """
    match resolve(model):
        case Embedded(name=name) if name in _HUB_OF_EMBEDDED:
            return _HUB_OF_EMBEDDED[name]
        case HubModel(repo=repo):
            return repo
        case _:
            raise UsageError(
                "The rented machine can load models of the Hugging Face Hub only.",
                got=model,
                allowed="smollm2-135m, org/name or hf:org/name",
            )


def _task(plan: ExperimentPlan, evalset: Evalset, codes: dict[str, str]) -> TunedTask:
    counts = Counter(item.label for item in evalset.train)
    return TunedTask(
        option=Option.TUNE,
        prompt_version=plan.prompt.version,
        item_chars=plan.prompt.item_chars,
        example_chars=plan.prompt.example_chars,
        labels=evalset.labels,
        train_counts={label.name: counts[label.name] for label in evalset.labels},
        codes=codes,
    )
