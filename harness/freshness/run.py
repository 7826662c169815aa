"""The drill: arms made ready on edition one, the change, arms brought up to edition two, all scored again.

    runs/freshness/<plan digest>/
        points/<arm>-s<seed>-<edition>/   journal.sqlite and point.json of one arm on one edition, and its
                                          artefacts/ with checkpoints until it is finished
        documents/                        the documents as they are now, where questions are about documents
        rows.json                         digests of the rows it began with
        freshness.json                    what was found (`harness.freshness.records.Drill`)

A finished point asks and trains nothing again, and a training goes on from its last checkpoint with the
seconds it took until then, so a drill that was stopped goes on when it is asked for again. An arm that
indexes again keeps what it chose on dev of edition one. What a query costs is timed one query at a time, on
edition two.
"""

from __future__ import annotations

import dataclasses
import json
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from advisor.money.change_rate import Volume, update_line
from advisor.money.ledger import Covers, Money, PriceBasis, total_usd
from advisor.money.price_book import PriceBook
from advisor.options import Option, TaskKind
from advisor.reading import Unreadable, read_json
from harness.arms.base import Arm, Material
from harness.bakeoff.arm_factory import ArmFactory, lanes_of, open_embedder
from harness.bakeoff.busy import busy_reason, watched
from harness.bakeoff.cost import cost_lines
from harness.bakeoff.evalset import open_passages
from harness.bakeoff.journal import Journal, Lane
from harness.bakeoff.plan import ArmPlan, ExperimentPlan
from harness.bakeoff.prices import machine_of, open_book, prices_for, with_stated_prices
from harness.bakeoff.quality import measuring
from harness.bakeoff.run import answer, lane_config, one_line, warm_up
from harness.bakeoff.run_folder import RunFolder, count_looks
from harness.core.context import Context
from harness.core.errors import DataError, ModelUnavailable, TrainingError, UsageError
from harness.core.files import make_folder, write_atomically
from harness.core.names import file_name
from harness.core.records import ABSTAINING, ArmId, Completion, Evalset, Fitted, FittedArm, Item, Outcome
from harness.core.serial import decode, encode
from harness.data.source import rows_digest
from harness.freshness.editions import Editions, load_editions
from harness.freshness.measure import (
    DrillSetting,
    Told,
    above_floor,
    change_rates,
    forgotten,
    group_scores,
    stale_shares,
)
from harness.freshness.plan import DrillPlan
from harness.freshness.records import ArmDrill, Drill, Group, Upkeep
from harness.freshness.store import write_drill
from harness.knowledge.documents import files_of, source_of
from harness.knowledge.index import TrainingIndex
from harness.models.base import EmbeddingModel
from harness.models.remembering import RememberingEmbedder
from harness.tasks.base import Task, primary
from harness.tasks.kinds import task_of
from harness.tasks.scored import Scored
from harness.tasks.scoring import score

POINT = "point.json"
INDEX_TIMES = "index.json"
ROWS = "rows.json"
TIMED = 30
"""Queries that are timed alone for what a query costs."""

Edition = Literal["first", "second"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One arm on one edition.

    Attributes:
        seconds: until it was ready: its share of indexing, and fitting.
        busy: why its seconds are not to be believed.
    """

    config: str
    seconds: float
    fitted: Fitted
    usd_per_1k: Money
    busy: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexTimes:
    """Seconds to index edition one, and edition two on top of it; None before the change."""

    first: float
    second: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _DrillBench:
    """What every point is made with."""

    home: Path
    plan: ExperimentPlan
    editions: Editions
    context: Context
    embedder: EmbeddingModel | None
    book: PriceBook

    @property
    def documents(self) -> Path:
        return self.home / "documents"

    def rows(self, edition: Edition) -> Evalset:
        """The rows of an edition; documents are those of the drill's own folder."""
        rows = self.editions.first if edition == "first" else self.editions.second
        return dataclasses.replace(rows, documents=str(self.documents)) if rows.documents else rows


def upkeep_of(option: Option, plan: ExperimentPlan) -> Upkeep:
    """What an arm of this option does when what it knows changes.

    A reader that was tuned on other documents knows nothing of these: it stays as it is.
    """
    traits = option.traits
    reads = option is Option.TUNE_RETRIEVE and plan.tune.learn_from is not None
    if traits.searches and (reads or not traits.tuned):
        return Upkeep.INDEX
    return Upkeep.TRAIN if traits.trained else Upkeep.NOTHING


def run_drill(plan: DrillPlan, context: Context) -> Drill:
    """Run a drill, or go on with one, and store what it found.

    Raises:
        UsageError: if a changed label is held by no row, or a price is not known.
        DataError: if rows cannot be used, changed since the drill began, or nothing changes.
        StoreError: if another process runs the same drill.
    """
    experiment = _with_floor(with_stated_prices(plan.experiment, context))
    machine_of(experiment)  # a machine without a price is refused before anything runs
    context.progress.stage("loading both editions", None)
    editions = load_editions(plan, context)
    home = folder_of(plan, context.runs)
    make_folder(home / "points")
    with RunFolder(root=home).writing():
        _same_rows(home, editions)
        opened = open_embedder(experiment, context)
        bench = _DrillBench(
            home=home,
            plan=experiment,
            editions=editions,
            context=context,
            embedder=None if opened is None else RememberingEmbedder(opened),
            book=open_book(experiment, context),
        )
        looks = count_looks(context.runs, editions.second.digests["test"], plan.digest)
        drill = _drill(bench, plan, looks)
        write_drill(home, drill)
        context.progress.close()
        return drill


def folder_of(plan: DrillPlan, runs: Path) -> Path:
    """Where a drill lies among the runs."""
    return runs / "freshness" / plan.digest[:12]


def _same_rows(home: Path, editions: Editions) -> None:
    """Keep what the rows are, and refuse to go on with others.

    Raises:
        DataError: if they changed since the drill began.
    """
    found = {
        f"{part} of edition {name}": rows_digest(items)
        for name, rows in (("one", editions.first), ("two", editions.second))
        for part, items in (("train", rows.train), ("dev", rows.dev), ("test", rows.test))
    }
    path = home / ROWS
    try:
        before = read_json(path)
    except (FileNotFoundError, Unreadable):
        before = None
    if not isinstance(before, dict):
        write_atomically(path, json.dumps(found, indent=1) + "\n", run=None)
        return
    changed = [part for part, digest in found.items() if before.get(part) != digest]
    if changed:
        raise DataError(
            "The rows changed since this drill began.",
            got=", ".join(changed),
            allowed="the rows it began with",
            run=f"rm -r {home}   # then the same command drills the new ones from the start",
        )


def _with_floor(plan: ExperimentPlan) -> ExperimentPlan:
    if any(arm.option is Option.FLOOR for arm in plan.arms):
        return plan
    model = ABSTAINING if plan.task is TaskKind.QUESTION_ANSWERING else ""
    floor = ArmPlan(option=Option.FLOOR, model=model)
    return plan.model_copy(update={"arms": (floor, *plan.arms)})


def _drill(bench: _DrillBench, plan: DrillPlan, looks: int) -> Drill:
    times = _index_times(bench)
    lanes = list(lanes_of(bench.plan))
    before = {(arm.id, seed): _point(bench, arm, seed, "first", times) for arm, seed in lanes}
    times = _index_again(bench, times)
    after: dict[tuple[ArmId, int], Point] = {}
    failed: dict[ArmId, str] = {}
    for arm, seed in lanes:
        stored = before[arm.id, seed].fitted
        try:
            after[arm.id, seed] = _point(bench, arm, seed, "second", times, stored)
        except (TrainingError, ModelUnavailable) as error:
            if upkeep_of(arm.option, bench.plan) is not Upkeep.TRAIN:
                raise
            failed[arm.id] = one_line(error)
    return _found(bench, plan, looks, _Points(before=before, after=after, failed=failed))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Points:
    before: Mapping[tuple[ArmId, int], Point]
    after: Mapping[tuple[ArmId, int], Point]
    failed: Mapping[ArmId, str]


def _found(bench: _DrillBench, plan: DrillPlan, looks: int, points: _Points) -> Drill:
    editions, experiment = bench.editions, bench.plan
    arms = tuple(dict.fromkeys(arm.id for arm, _ in lanes_of(experiment)))
    told = {arm: _told(bench, arm, points) for arm in arms}
    floor = next(told[arm] for arm in arms if arm.option is Option.FLOOR)
    drills = tuple(_arm_drill(bench, arm, points, told[arm], floor) for arm in arms)
    wrong = experiment.cost.wrong_answer_usd
    assert wrong is not None, "the plan was checked"
    wait = plan.change.retrain_wait_hours
    setting = DrillSetting(
        volume=Volume(queries_per_month=experiment.cost.queries_per_month, wrong_answer_usd=float(wrong)),
        wait_s=wait * 3600,
        seed=experiment.seed,
    )
    return Drill(
        plan_digest=plan.digest,
        title=experiment.title,
        evalset=editions.first.name,
        of="labels" if experiment.task is TaskKind.CLASSIFICATION else "facts",
        metric=primary(task_of(editions.first.space)).name,
        items={group: editions.groups.count(group) for group in Group},
        train_rows=len(editions.second.train),
        label_changes=editions.changes,
        arms=drills,
        rates=change_rates(drills, told, setting),
        machine=machine_of(experiment).said,
        queries_per_month=experiment.cost.queries_per_month,
        wrong_answer_usd=wrong,
        retrain_wait_hours=wait,
        looks=looks,
    )


def _arm_drill(bench: _DrillBench, arm: ArmId, points: _Points, told: Told, floor: Told) -> ArmDrill:
    how, groups = measuring(bench.plan), bench.editions.groups
    seeds = tuple(seed for one, seed in points.before if one == arm)
    failed = points.failed.get(arm, "")
    after = [] if failed else [points.after[arm, seed] for seed in seeds]
    last = after or [points.before[arm, seed] for seed in seeds]
    update_s = tuple(point.seconds for point in after)
    return ArmDrill(
        arm=arm,
        upkeep=upkeep_of(arm.option, bench.plan),
        seeds=seeds,
        ready_s=sum(points.before[arm, seed].seconds for seed in seeds) / len(seeds),
        update_s=update_s,
        update_usd=_update_usd(bench.plan, update_s, failed),
        usd_per_1k=last[0].usd_per_1k,
        scores=group_scores(told, groups, primary(task_of(bench.editions.first.space)).name, how),
        stale=stale_shares(told, groups, how),
        forgotten=None if failed else forgotten(told, groups),
        above_floor=None if arm.option is Option.FLOOR else above_floor(told, floor, groups),
        failed=failed,
        busy=next((point.busy for point in last if point.busy), ""),
    )


def _update_usd(plan: ExperimentPlan, update_s: Sequence[float], failed: str) -> Money:
    machine = machine_of(plan)
    if not update_s:
        return Money(usd=None, basis=machine.basis, source=machine.said, reason=failed)
    entry = update_line(machine, sum(update_s) / len(update_s))
    return Money(usd=entry.amount_usd, basis=entry.basis, source=entry.source)


def _told(bench: _DrillBench, arm: ArmId, points: _Points) -> Told:
    """The answers of both editions, scored by the references that the moment asks for."""
    first, second = bench.editions.first, bench.editions.second
    old, new = task_of(first.space), task_of(second.space)
    seeds = [seed for one, seed in points.before if one == arm]
    early = [_outcomes(bench, arm, seed, "first", points.before[arm, seed]) for seed in seeds]
    late = early
    if arm not in points.failed:
        late = [_outcomes(bench, arm, seed, "second", points.after[arm, seed]) for seed in seeds]

    return Told(
        before=_scored(early, first, old),
        stale=_scored(list(map(_texts, early)), second, new),
        after=_scored(list(map(_texts, late)), second, new),
        by_old=_scored(list(map(_texts, late)), first, old),
    )


def _scored(given: Sequence[Mapping[str, Outcome]], rows: Evalset, task: Task) -> tuple[Scored, ...]:
    return tuple(score(rows.test, outcomes, task) for outcomes in given)


def _texts(outcomes: Mapping[str, Outcome]) -> dict[str, Outcome]:
    """The answers without their distributions, which are over the labels of one edition."""
    return {
        item: dataclasses.replace(one, choice_logprobs=None) if isinstance(one, Completion) else one
        for item, one in outcomes.items()
    }


def _outcomes(
    bench: _DrillBench, arm: ArmId, seed: int, edition: Edition, point: Point
) -> dict[str, Outcome]:
    folder = _folder(bench, arm, seed, edition)
    lane = Lane(arm=arm, seed=seed, split="test", config=point.config)
    with folder.journal(read_only=True) as journal:
        return dict(journal.outcomes(lane, bench.rows(edition).test))


def _folder(bench: _DrillBench, arm: ArmId, seed: int, edition: Edition) -> RunFolder:
    return RunFolder(root=bench.home / "points" / f"{file_name(str(arm))}-s{seed}-{edition}")


def _point(
    bench: _DrillBench,
    arm_plan: ArmPlan,
    seed: int,
    edition: Edition,
    times: IndexTimes,
    earlier: Fitted | None = None,
) -> Point:
    """One arm made ready on one edition, and its answers; a finished one is read."""
    folder, rows = _folder(bench, arm_plan.id, seed, edition), bench.rows(edition)
    if (folder.root / POINT).exists():
        return decode(Point, (folder.root / POINT).read_bytes())
    indexes = upkeep_of(arm_plan.option, bench.plan) is Upkeep.INDEX
    keeps = earlier if indexes else None
    trained = _folder(bench, arm_plan.id, seed, "first").artefacts
    if keeps is not None and trained.exists() and not folder.artefacts.exists():
        make_folder(folder.root)
        trained.rename(folder.artefacts)
    make_folder(folder.artefacts)
    bench.context.progress.stage(
        f"{arm_plan.id.label}: edition {'one' if edition == 'first' else 'two'}", None
    )
    encodes = arm_plan.option.traits.encodes  # its checkpoints lie where it is kept
    factory = ArmFactory(bench.plan, rows, folder, bench.context, bench.embedder, keep=encodes)
    drafts = [bench.home / f"drafts-{name}" for name in ("second", "first")]
    factory.drafts_in = tuple(drafts if edition == "second" else drafts[1:])  # only what is new is drafted
    with closing(factory), closing(factory.build(arm_plan, seed)) as arm, folder.journal() as journal:
        prices = prices_for(arm.identity, bench.plan, bench.book)
        if prices.answers is None:
            raise UsageError(
                f"No price is known for {arm_plan.model}: no rate of change can be worked out.",
                run=f"the same command with --price {arm_plan.model}=INPUT/OUTPUT",
            )
        watch = watched(bench.context, arm.identity)
        config = lane_config(arm, rows)
        fitted = _settled(arm, journal, (seed, config), rows, keeps, bench.context)
        answer(
            arm, journal, Lane(arm=arm.id, seed=seed, split="test", config=config), rows.test, bench.context
        )
        asked = journal.outcomes(Lane(arm=arm.id, seed=seed, split="test", config=config), rows.test)
        outcomes = _alone(arm, rows.test) if _here(arm) else list(asked.values())
        busy = "" if watch is None else busy_reason([watch.finish()], arm.identity)
        lines = cost_lines(outcomes, arm.identity, prices)
        searches = arm_plan.option.traits.searches
        index_s = (times.first if edition == "first" else times.second or 0.0) if searches else 0.0
        point = Point(
            config=config,
            seconds=fitted.seconds + index_s,
            fitted=fitted,
            usd_per_1k=Money(
                usd=total_usd(lines),
                basis=lines[0].basis if lines else PriceBasis.MEASURED,
                covers=Covers.CALLS,
                source=lines[0].source if lines else "",
                busy=busy,
            ),
            busy=busy,
        )
    write_atomically(folder.root / POINT, encode(point, indent=1) + "\n", run=None)
    if not indexes or edition == "second":
        shutil.rmtree(folder.artefacts, ignore_errors=True)  # it is asked nothing again
    return point


def _here(arm: Arm) -> bool:
    return arm.identity is None or arm.identity.location != "remote"


def _alone(arm: Arm, items: Sequence[Item]) -> list[Outcome]:
    """Some items answered one at a time, warm: what a query takes."""
    some = items[:TIMED]
    warm_up(arm, some)
    return [arm.predict_one(item) for item in some]


def _settled(
    arm: Arm,
    journal: Journal,
    lane: tuple[int, str],
    rows: Evalset,
    keeps: Fitted | None,
    context: Context,
) -> Fitted:
    """The arm settled on train and dev; one that only indexes again keeps what it chose before."""
    seed, config = lane
    material = Material(task=task_of(rows.space), train=rows.train, dev=rows.dev, say=context.progress.note)
    stored = journal.settled_as(arm.id, seed, config)
    if stored is not None:
        return arm.fit(material, stored.fitted)
    start = time.perf_counter()
    fitted = arm.fit(material, keeps)
    if keeps is not None:  # a tuned reader is only opened once more, which no update takes
        spent = 0.0 if keeps.artefact is not None else time.perf_counter() - start
        fitted = dataclasses.replace(keeps, seconds=spent)
    journal.settle(FittedArm(arm=arm.id, seed=seed, config=config, identity=arm.identity, fitted=fitted))
    return fitted


def _index_times(bench: _DrillBench) -> IndexTimes:
    """What indexing took, as it was stored; edition one is indexed where it was not."""
    stored = bench.home / INDEX_TIMES
    if stored.exists():
        return decode(IndexTimes, stored.read_bytes())
    if not _searches(bench):
        return IndexTimes(first=0.0, second=0.0)
    times = IndexTimes(first=_seconds(lambda: _index(bench, "first")))
    write_atomically(stored, encode(times, indent=1) + "\n", run=None)
    return times


def _index_again(bench: _DrillBench, times: IndexTimes) -> IndexTimes:
    """The change: the index of edition one brought up to edition two, timed.

    Edition one is indexed once more before the clock starts, so that a drill stopped here measures the same.
    """
    if times.second is not None:
        return times
    _index(bench, "first")
    times = dataclasses.replace(times, second=_seconds(lambda: _index(bench, "second")))
    write_atomically(bench.home / INDEX_TIMES, encode(times, indent=1) + "\n", run=None)
    return times


def _searches(bench: _DrillBench) -> bool:
    return any(arm.option.traits.searches for arm in bench.plan.arms)


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _index(bench: _DrillBench, edition: Edition) -> None:
    rows = bench.editions.first if edition == "first" else bench.editions.second
    if rows.documents:
        _put_documents(rows.documents, bench.documents)
        open_passages(str(bench.documents), bench.embedder, bench.context)
    else:
        TrainingIndex.build(rows.train, bench.embedder)


def _put_documents(given: str, target: Path) -> None:
    """Make the drill's folder hold these documents: changed files are copied, withdrawn ones removed."""
    source = source_of(given)
    names = set(files_of(source)[0])
    make_folder(target)
    for path in sorted(target.rglob("*")):
        if path.is_file() and path.relative_to(target).as_posix() not in names:
            path.unlink()
    for name in sorted(names):
        path, place = source.root / name, target / name
        if not place.exists() or place.read_bytes() != path.read_bytes():
            make_folder(place.parent)
            shutil.copyfile(path, place)
