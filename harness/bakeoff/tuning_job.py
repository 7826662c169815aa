"""`harness tune --export-job`: a plan's tuned arm as a training for a rented GPU."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from advisor.options import Option
from harness.bakeoff.evalset import load_rows
from harness.bakeoff.plan import ExperimentPlan
from harness.bakeoff.tuning import tuned_lanes
from harness.core.context import Context
from harness.core.errors import ModelUnavailable, StoreError, UsageError
from harness.core.records import Conversation, Evalset, Item, Recipe
from harness.models.local.rendering import Renderer
from harness.models.resolve import Embedded, HubModel, local_folder, resolve
from harness.models.settings import ModelSettings
from harness.tasks.base import Task
from harness.tasks.kinds import task_of
from harness.tasks.labels import answer_text
from harness.training.job.pack import job_files
from harness.training.recipe import TrainingHardware, choose_recipe
from harness.training.tuned_model import ExportedJob, TunedTask, conversations_digest

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
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name, text in job_files(job, train, dev).items():
            (out / name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise StoreError(f"{out} cannot be written: {error.strerror}.") from error
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
