"""`harness import`: bring predictions or an adapter into a finished run, and conclude it again.

Predictions become an arm `external@NAME`: its quality is measured like any other, its latency and price are
not, and it is never shipped. An adapter becomes `tune@NAME`, an encoder `encoder@NAME`, and is scored here
like any tuned arm. The plan
stays locked as it was; every import is another look at the test rows and is counted as one. What came in is
written to `imports.json`. Comparisons are adjusted for the arms that came in.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import shutil
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from advisor.options import Option, TaskKind
from harness.arms.base import KEPT, Arm
from harness.arms.encoder import EncoderArm, EncoderSettings, TaggerArm
from harness.arms.tune import TuneArm
from harness.bakeoff.arm_factory import ArmFactory, local_tuner, model_settings
from harness.bakeoff.evalset import load_rows
from harness.bakeoff.journal import Lane
from harness.bakeoff.plan import ArmPlan
from harness.bakeoff.run import (
    Bakeoff,
    Conclude,
    fit_and_answer,
    lane_config,
    manifest_of,
    reopened,
    same_rows,
)
from harness.bakeoff.run_folder import OUT_OF_SCOPE, RunFolder, count_looks
from harness.core.artefacts import EncoderArtefact
from harness.core.context import Context
from harness.core.environment import MemoryWatch
from harness.core.errors import UsageError
from harness.core.files import write_atomically
from harness.core.names import check_name
from harness.core.records import (
    ArmId,
    Artefact,
    Completion,
    Evalset,
    Failure,
    FailureKind,
    Fitted,
    FittedArm,
    Item,
    Outcome,
    Timing,
)
from harness.core.serial import decode, encode
from harness.data.predictions import OutsidePrediction, read_predictions
from harness.models.local.encoder import HEAD_FILE
from harness.models.local.safe_weights import refuse_lone_pickles, require_safe_adapter
from harness.shipping.registry.registry import checked_files
from harness.tasks.extraction import ExtractionTask
from harness.tasks.fields import parse_schema
from harness.tasks.kinds import task_of
from harness.training.encoder.artefact import (
    RECORD_FILE,
    KeptEncoder,
    files_of_encoder,
    pin_of_encoder,
    read_encoder,
)
from harness.training.encoder.recipe import recipe_name
from harness.training.tuned_model import Done, Export, ExportedJob, Imported, folder_digest

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportRequest:
    """What is brought in.

    Attributes:
        name: of the arm, without its option.
        path: a CSV or JSONL file of predictions, or an adapter's folder.
        allow_missing: test items without a prediction are failures; otherwise they are refused.
    """

    name: str
    path: Path
    allow_missing: bool = False


def bring_in(folder: RunFolder, wish: ImportRequest, context: Context, conclude: Conclude[T]) -> T:
    """Bring something into a finished run and conclude it again.

    Raises:
        IncompleteRun: if the run is not finished.
        UsageError: if the name is taken, or none that an arm can have.
        DataError: if the predictions cannot be used.
        ModelUnavailable: if the adapter cannot be opened.
    """
    check_name(wish.name, "an arm")
    with folder.writing():
        return _import(folder, wish, context, conclude)


def _import(folder: RunFolder, wish: ImportRequest, context: Context, conclude: Conclude[T]) -> T:
    manifest = manifest_of(folder)
    take = _import_folder if wish.path.is_dir() else _import_file
    with reopened(folder):
        done = take(folder, wish, context)
        plan_digest = folder.lock().plan_digest
        look = hashlib.sha256(f"{plan_digest}\n{done.sha256}".encode()).hexdigest()
        looks = count_looks(context.runs, folder.data_facts().digests["test"], look)
        return conclude(folder, looks, manifest, context)


def read_imports(folder: RunFolder) -> tuple[Imported, ...]:
    """What was brought into a run, oldest first."""
    try:
        return decode(tuple[Imported, ...], (folder.root / "imports.json").read_bytes())
    except FileNotFoundError:
        return ()


def _import_file(folder: RunFolder, wish: ImportRequest, context: Context) -> Imported:
    rows, facts = folder.items(), folder.data_facts()
    if facts.task is TaskKind.QUESTION_ANSWERING:
        raise UsageError(
            "Imported answers are labels or fields.",
            got=f"run {folder.run_id}, whose task is {facts.task.value}",
            allowed=f"a run whose task is {TaskKind.CLASSIFICATION.value} or {TaskKind.EXTRACTION.value}",
        )
    labels = [label.name for label in facts.labels]
    arm = ArmId(option=Option.EXTERNAL, model=wish.name)
    if not wish.path.is_file():
        raise UsageError("There is no such file or folder.", got=str(wish.path))
    sha256 = hashlib.sha256(wish.path.read_bytes()).hexdigest()
    _free_name(folder, arm, sha256)
    known = frozenset(item.id for split in ("dev", "test") for item in rows[split])
    given = {one.item_id: one for one in read_predictions(wish.path, facts.space, known)}
    missing = [item.id for item in rows["test"] if item.id not in given]
    if missing and not wish.allow_missing:
        raise UsageError(
            f"{wish.path.name} answers {len(rows['test']) - len(missing)} of {len(rows['test'])} test items.",
            got=f"none for {', '.join(missing[:5])}{', ...' if len(missing) > 5 else ''}",
            allowed="a prediction for every test item",
            run="--allow-missing counts the others as failures",
        )
    dev = [item for item in rows["dev"] if item.id in given]
    settled = _settled_outside(arm, folder.plan().seed, sha256, wish, list(given.values()))
    with folder.journal() as journal:
        for split, items in (("dev", dev), ("test", rows["test"])):
            lane = Lane(arm=arm, seed=settled.seed, split=split, config=settled.config)  # type: ignore[arg-type]
            outcomes = [(item, _outcome(item, given.get(item.id), labels)) for item in items]
            journal.put(lane, outcomes)
        journal.settle(settled)  # last: a lane without it is not concluded from
    test = len(rows["test"]) - len(missing)
    return _note(folder, _imported(arm, "predictions", wish, sha256, (len(dev), test), context))


def _settled_outside(
    arm: ArmId, seed: int, sha256: str, wish: ImportRequest, given: Sequence[OutsidePrediction]
) -> FittedArm:
    sure = sum(one.confidence is not None for one in given)
    notes = ["Answered outside: latency and price were not measured here."]
    if sure:
        notes.append(
            f"{sure} of {len(given)} predictions came with a confidence; the rest of the probability is "
            "spread evenly over the other labels."
        )
    return FittedArm(
        arm=arm,
        seed=seed,
        config=hashlib.sha256(f"external {wish.name} {sha256}".encode()).hexdigest(),
        identity=None,
        fitted=Fitted(choices={"file": wish.path.name}, seconds=0.0, notes=tuple(notes)),
    )


def _outcome(item: Item, given: OutsidePrediction | None, labels: Sequence[str]) -> Outcome:
    if given is None:
        return Failure(item_id=item.id, kind=FailureKind.BAD_RESPONSE, message="no prediction was given")
    return Completion(
        item_id=item.id,
        text=given.answer,
        choice_logprobs=_spread(given, labels),
        timing=Timing(model_s=0.0, batched=True),  # batched: it says nothing on latency
    )


def _spread(given: OutsidePrediction, labels: Sequence[str]) -> tuple[float, ...] | None:
    """The stated confidence on the label, the rest in equal parts on the others."""
    if given.confidence is None:
        return None
    others = max(1, len(labels) - 1)
    rest = math.log(max(1e-12, (1 - given.confidence) / others))
    return tuple(math.log(given.confidence) if label == given.answer else rest for label in labels)


def _import_folder(folder: RunFolder, wish: ImportRequest, context: Context) -> Imported:
    if (wish.path / RECORD_FILE).is_file():
        return _import_encoder(folder, wish, context)
    return _import_adapter(folder, wish, context)


def _import_encoder(folder: RunFolder, wish: ImportRequest, context: Context) -> Imported:
    """Score an encoder that `harness export --format safetensors` wrote, or an encoder's folder of a run."""
    plan, arm = folder.plan(), ArmId(option=Option.ENCODER, model=wish.name)
    evalset = load_rows(plan, context, folder)
    same_rows(folder, evalset)
    if not (wish.path / HEAD_FILE).is_file():
        raise UsageError(
            "This encoder is in another format.",
            got=str(wish.path),
            allowed="one that `harness export --format safetensors` wrote",
        )
    refuse_lone_pickles(wish.path)
    artefact = read_encoder(wish.path)
    _same_answers(artefact, evalset)
    sha256 = pin_of_encoder(wish.path)
    _free_name(folder, arm, sha256)
    place = _copied(folder, wish, (RECORD_FILE, *files_of_encoder(wish.path)))
    settings = EncoderSettings(
        base=place,
        model=wish.name,
        recipes=(artefact.recipe,),
        item_chars=plan.prompt.item_chars,
        opening=model_settings(context, plan, ArmPlan(option=Option.ENCODER, model=wish.name)),
        keep_in=place,
    )
    task = task_of(evalset.space, plan.prompt.limits)
    encoder = (
        TaggerArm(arm, settings, task.fields)
        if isinstance(task, ExtractionTask)
        else EncoderArm(arm, settings, task.choices)
    )
    notes = ("Trained elsewhere; scored here.",)
    choices: dict[str, str | int | float] = {"recipe": recipe_name(artefact.recipe), KEPT: sha256}
    fitted = Fitted(choices=choices, seconds=artefact.train_s, notes=notes)
    _settle_and_answer(folder, encoder, evalset, fitted, context)
    counts = (len(evalset.dev), len(evalset.test))
    return _note(folder, _imported(arm, "adapter", wish, sha256, counts, context))


def _copied(folder: RunFolder, wish: ImportRequest, names: Sequence[str]) -> Path:
    """The folder in the run with these files of what is brought in."""
    place = folder.artefacts / f"import-{wish.name}"
    shutil.rmtree(place, ignore_errors=True)
    for name in names:
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(wish.path / name, place / name)
    return place


def _same_answers(artefact: KeptEncoder, evalset: Evalset) -> None:
    """Refuse an encoder that was tuned to answer something else than the run asks.

    Raises:
        UsageError: with what differs.
    """
    if isinstance(artefact, EncoderArtefact):
        theirs, mine, what = set(artefact.labels), set(evalset.label_names), "labels"
    else:
        theirs, mine, what = _fields_of(artefact.fields), _fields_of(evalset.schema), "fields"
    if theirs != mine:
        raise UsageError(
            f"The encoder was tuned to other {what} than the run's.",
            got=", ".join(sorted(theirs ^ mine)[:5]),
            allowed=f"the same {what}",
        )


def _fields_of(schema: dict[str, Any]) -> set[str]:
    """Fields with what they may hold, of a schema or of none."""
    if not schema:
        return set()
    read = parse_schema(schema, "The schema of the fields")
    return {f"{one.name}: {json.dumps(one.value_schema())}" for one in read.fields}


def _settle_and_answer(
    folder: RunFolder, arm: Arm, evalset: Evalset, fitted: Fitted, context: Context
) -> None:
    """Enter an arm that was trained elsewhere, and let it answer every split."""
    plan, config = folder.plan(), lane_config(arm, evalset)
    seed = plan.training_seeds[0]
    with folder.journal() as journal:
        settled = FittedArm(arm=arm.id, seed=seed, config=config, identity=arm.identity, fitted=fitted)
        journal.settle(settled)
        bakeoff = Bakeoff(
            plan=plan,
            evalset=evalset,
            out_of_scope=folder.rows(OUT_OF_SCOPE),
            factory=ArmFactory(plan, evalset, folder, context),
            journal=journal,
            context=context,
        )
        _answer(bakeoff, arm, settled)


def _import_adapter(folder: RunFolder, wish: ImportRequest, context: Context) -> Imported:
    plan = folder.plan()
    arm = ArmId(option=Option.TUNE, model=wish.name)
    evalset = load_rows(plan, context, folder)
    same_rows(folder, evalset)
    files = {
        name: digest
        for name, digest in checked_files(wish.path).items()
        if "/" not in name and (name.startswith("adapter_") or name == "README.md")
    }
    require_safe_adapter(wish.path)
    sha256 = hashlib.sha256(encode(files).encode()).hexdigest()
    _free_name(folder, arm, sha256)
    job, done = _training_of(wish.path)
    place = _copied(folder, wish, tuple(files))
    settings = model_settings(context, plan, ArmPlan(option=Option.TUNE, model=job.base_model))
    tuner = local_tuner(job.base_model, job.recipe, place, settings)
    artefact = Artefact(
        path=f"{folder.artefacts.name}/{place.name}",
        kind="adapter",
        base_model=job.base_model,
        base_digest=tuner.settings.base_digest,
        data_digest=job.data_digest,
        digest=folder_digest(place),
        recipe=job.recipe,
        train_rows=job.train_rows,
        train_tokens=done.tokens,
        train_s=done.seconds,
        steps=done.steps,
        curve=done.curve,
        codes=job.task.codes,
    )
    tune_arm = TuneArm(arm, tuner, task_of(evalset.space, plan.prompt.limits))
    fitted = Fitted(
        choices={"method": job.recipe.method, "epochs": job.recipe.epochs},
        seconds=done.seconds,
        artefact=artefact,
        notes=_adapter_notes(job, done, tuner.settings.base_digest),
    )
    _settle_and_answer(folder, tune_arm, evalset, fitted, context)
    counts = (len(evalset.dev), len(evalset.test))
    return _note(folder, _imported(arm, "adapter", wish, sha256, counts, context))


def _answer(bakeoff: Bakeoff, arm: Arm, settled: FittedArm) -> None:
    watch, journal = MemoryWatch(), bakeoff.journal
    with closing(arm):
        fit_and_answer(bakeoff, arm, settled.seed)
        journal.settle(dataclasses.replace(settled, identity=arm.identity))
        peak = watch.peak_mib()
        if peak is not None:
            journal.note_memory(arm.id, settled.seed, peak)


def _training_of(folder: Path) -> tuple[ExportedJob, Done]:
    """What is known about how an adapter was trained: of an exported job, or of `harness export`.

    Raises:
        UsageError: if nothing is.
    """
    if (folder / "job.json").is_file() and (folder / "training.json").is_file():
        job = decode(ExportedJob, (folder / "job.json").read_bytes())
        return job, decode(Done, (folder / "training.json").read_bytes())
    if (folder / "harness.json").is_file():
        export = decode(Export, (folder / "harness.json").read_bytes())
        artefact = export.artefact
        if not isinstance(artefact, Artefact):
            raise UsageError(
                "A linear classifier or a vote is not imported: the run fits its own.",
                got=str(folder),
                allowed="an adapter, or a file of predictions",
            )
        job = ExportedJob(
            arm=export.origin.arm,
            seed=export.origin.seed,
            plan_digest=export.origin.plan_digest,
            evalset=export.origin.evalset,
            hub_base="",
            base_model=artefact.base_model,
            base_digest=artefact.base_digest,
            data_digest=artefact.data_digest,
            recipe=artefact.recipe,
            train_rows=artefact.train_rows,
            task=export.task,
        )
        done = Done(
            steps=artefact.steps,
            seconds=artefact.train_s,
            tokens=artefact.train_tokens,
            curve=artefact.curve,
            packages={},
            device="",
        )
        return job, done
    raise UsageError(
        "The adapter does not say how it was trained.",
        got=str(folder),
        allowed="one that an exported job wrote (job.json, training.json), or harness export (harness.json)",
        run="the import of its predictions instead",
    )


def _adapter_notes(job: ExportedJob, done: Done, base_digest: str) -> tuple[str, ...]:
    notes = [f"Trained elsewhere{f' on {done.device}' if done.device else ''}; scored here."]
    if job.hub_base:
        notes.append(f"Trained on the weights of {job.hub_base}, scored on those of {job.base_model}.")
    elif job.base_digest != base_digest:
        notes.append("Trained on other weights of the base model than it is scored on.")
    return tuple(notes)


def _free_name(folder: RunFolder, arm: ArmId, sha256: str) -> None:
    planned = {one.id for one in folder.plan().arms}
    taken = {one.arm: one.sha256 for one in read_imports(folder)}
    if arm in planned or taken.get(arm, sha256) != sha256:
        names = ", ".join(sorted(map(str, {*planned, *taken})))
        raise UsageError(
            f"The run has an arm {arm} already.", got=arm.model, allowed=f"a name beside {names}"
        )


def _imported(
    arm: ArmId, kind: str, wish: ImportRequest, sha256: str, counts: tuple[int, int], context: Context
) -> Imported:
    return Imported(
        arm=arm,
        kind=kind,  # type: ignore[arg-type]
        file=wish.path.name,
        sha256=sha256,
        dev=counts[0],
        test=counts[1],
        at=context.clock(),
    )


def _note(folder: RunFolder, done: Imported) -> Imported:
    kept = [one for one in read_imports(folder) if one.arm != done.arm]
    write_atomically(folder.root / "imports.json", encode((*kept, done), indent=1) + "\n")
    return done
