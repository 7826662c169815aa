"""Learning curves: arms settled on nested parts of train and scored on dev, then a law through the points.

    runs/<run>/curves/            the curves of a run
    runs/curves/<plan digest>/    the curves of a plan that was not run; its plan.yaml lies there too
        points/<arm>-n<size>-s<seed>-<part>/   journal.sqlite and artefacts/ of one settled arm
        learning_curves.json      the newest curve of each arm and split

A point whose journal is whole asks nothing again, so a curve that was stopped goes on when it is asked for
again. Scoring on test happens on demand only and is counted as a look.

Learning curves on disk: of a run in its folder, of a plan that was not run under its digest.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from advisor.options import Option
from harness.arms.base import KEY_VERSION, Arm, Material, canonical, config_digest
from harness.bakeoff.again import CONSENT, ArmToAsk, asked_again, refuse
from harness.bakeoff.arm_factory import ArmFactory
from harness.bakeoff.evalset import load_rows
from harness.bakeoff.journal import Lane
from harness.bakeoff.plan import ArmPlan, ExperimentPlan, dump_plan
from harness.bakeoff.quality import measuring
from harness.bakeoff.run_folder import RunFolder, count_looks
from harness.core.context import Context
from harness.core.errors import DataError, StoreError, UsageError
from harness.core.files import make_folder, write_atomically
from harness.core.names import file_name
from harness.core.records import Evalset, FittedArm, Item, Outcome
from harness.core.serial import decode, encode
from harness.curve.fit import CurveGrid, ExamplePrice, Subject, learning_curve
from harness.curve.records import CURVES_SCHEMA, CurveNote, CurvePoint, LearningCurve, LearningCurves
from harness.data.nested import first_rows, geometric_sizes, nested_order
from harness.data.source import rows_digest
from harness.data.split import split_items
from harness.models.base import EmbeddingModel
from harness.models.remembering import KnownTexts
from harness.models.resolve import Provider, resolve
from harness.tasks.base import primary
from harness.tasks.kinds import task_of
from harness.tasks.measures import everything, mean
from harness.tasks.scored import Scored
from harness.tasks.scoring import score

CURVES = "learning_curves.json"


def read_curves(home: Path) -> LearningCurves | None:
    """The learning curves stored in a folder of curves; None where there are none yet.

    Raises:
        StoreError: if they are damaged, or written by an earlier version.
    """
    try:
        written = (home / CURVES).read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StoreError(f"{home / CURVES} cannot be read: {error.strerror}.") from error
    written = _current(written)
    if (found := _schema(written)) != CURVES_SCHEMA:
        raise StoreError(
            "These learning curves were written by another version.",
            got=f"curves of schema {found} in {home}",
            allowed=f"schema {CURVES_SCHEMA}",
            run="harness curve on the same run or plan   # what was answered is not asked again",
        )
    return decode(LearningCurves, written)


def _current(written: bytes) -> bytes:
    """Stored curves with what the schema before called otherwise: of labels, where the metric is accuracy."""
    if _schema(written) != CURVES_SCHEMA - 1:
        return written
    raw = json.loads(written.replace(b'"accuracy":', b'"primary":'))
    return json.dumps(raw | {"schema": CURVES_SCHEMA}).encode()


def _schema(written: bytes) -> object:
    """The schema of stored curves; of what is no such file, the one that is read."""
    try:
        raw = json.loads(written)
    except ValueError:
        return CURVES_SCHEMA  # `decode` says what is wrong with it
    return raw.get("schema") if isinstance(raw, dict) else CURVES_SCHEMA


def write_curves(home: Path, curves: LearningCurves) -> None:
    """Store learning curves."""
    write_atomically(home / CURVES, encode(curves, indent=1) + "\n")


CHEAP_SIZES, TUNED_SIZES = 5, 4
_CHUNK = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class CurveRequest:
    """What is asked for.

    Attributes:
        options: whose curves; of the plan's arms.
        sizes: training examples of each point; empty chooses them.
        seeds: how many draws of the rows for arms that are not trained; tune_seeds: for those that are.
        target: the accuracy to reach; None takes the plan's quality floor.
        price: of one more example; None takes what the plan's use case states, if it does.
        split: 'test' is a look at the test rows.
    """

    options: tuple[str, ...] = (Option.LINEAR.value,)
    sizes: tuple[int, ...] = ()
    seeds: int = 3
    tune_seeds: int = 1
    target: float | None = None
    price: ExamplePrice | None = None
    split: Literal["dev", "test"] = "dev"


@dataclass(frozen=True, slots=True, kw_only=True)
class _CurveBench:
    """What every point is made with.

    Attributes:
        parts: (rows an arm is settled with, rows it is scored on); several where choices are crossed over.
    """

    home: Path
    plan: ExperimentPlan
    evalset: Evalset
    context: Context
    embedder: EmbeddingModel | None
    request: CurveRequest


def curves_of_run(folder: RunFolder, request: CurveRequest, context: Context) -> LearningCurves:
    """The curves of a run's plan, on the rows of that run; dev is taken whole.

    Raises:
        UsageError: if the run has no such arm, or a size cannot be had.
        DataError: if the rows are not those of the run any more.
    """
    plan = folder.plan()
    folder.check(journal=False)
    evalset = _rows(plan, request, dataclasses.replace(context, homes=folder.homes()))
    if (folder.root / "data.json").exists():
        before = folder.data_facts().digests
        changed = [s for s in {"train", request.split} - {"dev"} if before.get(s) != evalset.digests[s]]
        if changed:
            raise DataError(f"The rows of run {folder.run_id} changed since it began: {', '.join(changed)}.")
    with folder.writing():
        return _curves(folder.curves, plan, evalset, request, context)


def curves_of_plan(plan: ExperimentPlan, request: CurveRequest, context: Context) -> LearningCurves:
    """The curves of a plan without running it.

    Raises:
        UsageError: if the plan has no such arm, or a size cannot be had.
        DataError: if the rows cannot be used.
    """
    home = context.runs / "curves" / plan.digest[:12]
    evalset = _rows(plan, request, context)
    make_folder(home)
    with RunFolder(root=home).writing():
        write_atomically(home / "plan.yaml", dump_plan(plan))
        return _curves(home, plan, evalset, request, context)


def _rows(plan: ExperimentPlan, request: CurveRequest, context: Context) -> Evalset:
    """The plan's rows; all of dev where it is scored on, as every dev row may be chosen on."""
    data = plan.data if request.split == "test" else plan.data.model_copy(update={"limit_dev": None})
    context.progress.stage("loading the rows", None)
    return load_rows(plan.model_copy(update={"data": data}), context)


def _curves(
    home: Path, plan: ExperimentPlan, evalset: Evalset, request: CurveRequest, context: Context
) -> LearningCurves:
    arms = _arms(plan, request)
    sizes = {arm: _sizes(arm, evalset, request) for arm in arms}
    looks = None
    if request.split == "test":
        looks = count_looks(context.runs, evalset.digests["test"], _look(plan, request))
    make_folder(home)
    texts = [item.text for item in (*evalset.train, *evalset.dev, *evalset.test[: _test_rows(request)])]
    made = []
    with closing(ArmFactory(plan, evalset, RunFolder(root=home), context)) as factory:
        opened = factory.embedding()
        bench = _CurveBench(
            home=home,
            plan=plan,
            evalset=evalset,
            context=context,
            embedder=None if opened is None else KnownTexts(opened, texts),
            request=request,
        )
        for arm in arms:
            made.append(_curve(bench, arm, sizes[arm], looks))
            _keep(home, made[-1])
    return LearningCurves(curves=tuple(made))


def _test_rows(request: CurveRequest) -> int | None:
    return None if request.split == "test" else 0


def _look(plan: ExperimentPlan, request: CurveRequest) -> str:
    """What a look of a curve counts as: the plan with what was asked of it."""
    asked = (plan.digest, request.options, request.sizes, request.seeds, request.tune_seeds)
    return hashlib.sha256(repr(asked).encode()).hexdigest()


def _arms(plan: ExperimentPlan, request: CurveRequest) -> list[ArmPlan]:
    there = [arm for arm in plan.arms if arm.option.traits.learns]
    allowed = sorted({arm.option.value for arm in there})
    unknown = [option for option in request.options if option not in allowed]
    if unknown or not request.options:
        raise UsageError(
            "The plan has no such arm whose answers change with the number of training examples.",
            got=", ".join(unknown) or "no arm",
            allowed=", ".join(allowed) or "no arm of this plan",
        )
    chosen = [arm for arm in there if arm.option.value in request.options]
    for arm in chosen:
        if arm.option.traits.needs_model and isinstance(resolve(arm.model), Provider):
            raise UsageError(
                "A curve asks every item again at each size, and a served model is paid each time.",
                got=str(arm.id),
                allowed="models that run here",
            )
    return chosen


def _sizes(arm: ArmPlan, evalset: Evalset, request: CurveRequest) -> tuple[int, ...]:
    strata = set(map(task_of(evalset.space).stratum, evalset.train))
    rows, labels = len(evalset.train), len(strata)
    if not request.sizes:
        return geometric_sizes(rows, labels, TUNED_SIZES if arm.option.traits.tuned else CHEAP_SIZES)
    wrong = [size for size in request.sizes if not 2 <= size <= rows]
    if wrong:
        raise UsageError(
            "A training size cannot be had.",
            got=", ".join(map(str, wrong)),
            allowed=f"2 to {rows:,}, the training rows you have",
        )
    return tuple(sorted(set(request.sizes)))


def _curve(bench: _CurveBench, arm: ArmPlan, sizes: Sequence[int], looks: int | None) -> LearningCurve:
    plan, request, evalset = bench.plan, bench.request, bench.evalset
    trained = arm.option.traits.tuned
    seeds = [plan.seed + number for number in range(request.tune_seeds if trained else request.seeds)]
    parts = _parts(arm, bench)
    how = measuring(plan)
    points: list[CurvePoint] = []
    rows: dict[tuple[int, int], Scored] = {}
    metric = primary(task_of(evalset.space)).name
    for seed in seeds:
        order = nested_order(evalset.train, seed, task_of(evalset.space).stratum)
        for size in sizes:
            whole = size == len(evalset.train) and not trained  # every seed has the same rows then
            if whole and seed != seeds[0]:
                rows[seed, size] = rows[seeds[0], size]
                continue
            subset = dataclasses.replace(evalset, train=first_rows(order, size))
            rows[seed, size] = scored = _point(bench, arm, subset, seed, parts)
            found = mean(metric, scored, scored.values, everything(scored), how)
            points.append(CurvePoint(size=size, seed=seed, primary=found))
    grid = CurveGrid(
        sizes=tuple(sizes),
        values=np.array([[rows[seed, size].values for size in sizes] for seed in seeds]),
        clusters=next(iter(rows.values())).clusters,
        draws=tuple(sum(point.size == size for point in points) for size in sizes),
    )
    subject = Subject(
        arm=arm.id,
        metric=metric,
        evalset=evalset.name,
        plan_digest=plan.digest,
        split=request.split,
        looks=looks,
        train=len(evalset.train),
        target=request.target if request.target is not None else plan.decision.quality_floor,
        price=request.price or _stated(plan),
        notes=_notes(arm, bench, len(parts), len(seeds)),
    )
    return learning_curve(subject, grid, points, np.random.default_rng(plan.seed))


def _stated(plan: ExperimentPlan) -> ExamplePrice | None:
    usd = None if plan.business is None else plan.business.example_usd
    return None if usd is None else ExamplePrice(usd=usd, source="the plan's use case")


def _chooses(arm: ArmPlan, plan: ExperimentPlan) -> bool:
    """Whether the arm chooses something on dev, so that its own dev rows would flatter it."""
    traits = arm.option.traits
    return not traits.tuned or traits.encodes or plan.tune.patience is not None


def _parts(arm: ArmPlan, bench: _CurveBench) -> list[tuple[tuple[Item, ...], tuple[Item, ...]]]:
    evalset, plan = bench.evalset, bench.plan
    if bench.request.split == "test":
        return [(evalset.dev, evalset.test)]
    if not _chooses(arm, plan):
        return [(evalset.dev, evalset.dev)]
    halves = split_items(evalset.dev, {"one": 0.5, "two": 0.5}, plan.seed, task_of(evalset.space).stratum)
    if not halves["one"] or not halves["two"]:
        raise DataError(
            "Dev has too few rows or clusters to be halved: an arm is not scored on rows that it chose on.",
            got=f"{len(evalset.dev)} rows",
        )
    return [(halves["one"], halves["two"]), (halves["two"], halves["one"])]


def _point(
    bench: _CurveBench,
    arm: ArmPlan,
    evalset: Evalset,
    seed: int,
    parts: Sequence[tuple[tuple[Item, ...], tuple[Item, ...]]],
) -> Scored:
    """One arm settled on one subset and scored, part by part; what the journal holds is not asked again."""
    outcomes: dict[str, Outcome] = {}
    for number, (dev, items) in enumerate(parts):
        title = f"{arm.id.label}: {len(evalset.train):,} training examples, seed {seed}"
        bench.context.progress.stage(title, len(items))
        where = f"{file_name(str(arm.id))}-n{len(evalset.train)}-s{seed}-{bench.request.split}{number}"
        folder = RunFolder(root=bench.home / "points" / where)
        make_folder(folder.artefacts)
        say = bench.context.progress.note
        material = Material(task=task_of(evalset.space), train=evalset.train, dev=dev, say=say)
        factory = ArmFactory(bench.plan, evalset, folder, bench.context, bench.embedder, keep=False)
        with closing(factory), closing(factory.build(arm, seed)) as opened:
            outcomes |= _answers(bench, folder, opened, seed, material, items)
    ordered = [item for _, items in parts for item in items]
    return score(ordered, outcomes, task_of(evalset.space))


def _answers(
    bench: _CurveBench, folder: RunFolder, arm: Arm, seed: int, material: Material, items: Sequence[Item]
) -> Mapping[str, Outcome]:
    digests = {"train": rows_digest(material.train), "dev": rows_digest(material.dev)}
    facts = {"keys": KEY_VERSION, **arm.config, **digests}
    config = config_digest(facts)
    lane = Lane(arm=arm.id, seed=seed, split=bench.request.split, config=config)
    with folder.journal() as journal:
        if not bench.context.ask_again:
            wanted = ArmToAsk(arm=arm, seed=seed, facts=facts, parts={bench.request.split: items})
            again = asked_again(wanted, journal, bench.plan, bench.context)
            refuse("this curve", [again] if again else [], f"the same command with {CONSENT}")
        journal.note_config(config, canonical(facts))
        done = journal.done(lane, items, retry_failures=False)
        if len(done) < len(items):
            stored = journal.settled_as(arm.id, seed, config)
            fitted = arm.fit(material, stored.fitted if stored else None)
            if stored is None:
                journal.settle(
                    FittedArm(arm=arm.id, seed=seed, config=config, identity=arm.identity, fitted=fitted)
                )
        for first in range(0, len(items), _CHUNK):
            chunk = items[first : first + _CHUNK]
            if any(item.id not in done for item in chunk):
                by_id = {item.id: item for item in chunk}
                arm.refresh()
                journal.put(lane, [(by_id[found.item_id], found) for found in arm.predict(chunk)])
            bench.context.progress.advance(len(chunk))
        return journal.outcomes(lane, items)


def _notes(arm: ArmPlan, bench: _CurveBench, parts: int, seeds: int) -> tuple[CurveNote, ...]:
    known = {
        CurveNote.HALVES: parts > 1,
        CurveNote.ONE_SEED: arm.option.traits.tuned and seeds == 1,
        CurveNote.ONE_RECIPE: arm.option.traits.tuned,
        CurveNote.OVERLAP: True,
        CurveNote.TEST: bench.request.split == "test",
    }
    return tuple(note for note, holds in known.items() if holds)


def _keep(home: Path, curve: LearningCurve) -> None:
    """Store a curve in the place of an earlier one of the same arm and split."""
    path = home / CURVES
    earlier = path.exists() and _schema(path.read_bytes()) != CURVES_SCHEMA  # made anew, not kept beside
    before = None if earlier else read_curves(home)
    others = [
        old for old in (before.curves if before else ()) if (old.arm, old.split) != (curve.arm, curve.split)
    ]
    write_curves(home, LearningCurves(curves=tuple(sorted([*others, curve], key=lambda c: (c.arm, c.split)))))
