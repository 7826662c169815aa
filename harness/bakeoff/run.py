"""The bake-off: lock the plan, load the rows, run every arm, conclude, close the run.

A run that stopped anywhere goes on from its journal: `run_bakeoff` on the same folder gives the same state
as never stopping. The manifest is written last. A finished run is opened for more, and closed again, the
same way.

How long a whole run still takes is what was forecast by arm, corrected by what the arms so far took.
"""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Protocol, TypeVar

from advisor.options import Option
from harness.arms.base import (
    KEY_VERSION,
    AnswersOutOfFold,
    Arm,
    Material,
    canonical,
    config_digest,
)
from harness.bakeoff.addresses import check_addresses
from harness.bakeoff.again import CONSENT, Again, ArmToAsk, asked_again, refuse, sound_journal
from harness.bakeoff.arm_factory import ArmFactory, lanes_of
from harness.bakeoff.busy import watched
from harness.bakeoff.evalset import earlier_looks, facts_of, load_rows, out_of_scope_rows
from harness.bakeoff.journal import Journal, Lane, Pass
from harness.bakeoff.plan import ArmPlan, ExperimentPlan
from harness.bakeoff.results import FailedArm
from harness.bakeoff.run_folder import (
    FROM_JOURNAL,
    OUT_OF_SCOPE,
    PASSAGES,
    REST,
    REST_DEV,
    Manifest,
    RunFolder,
    count_looks,
)
from harness.core.context import Context, Progress
from harness.core.environment import MemoryWatch, describe_environment
from harness.core.errors import DataError, IncompleteRun, TrainingError, UsageError, UserError, command
from harness.core.records import ArmId, Completion, Evalset, FittedArm, Item, Passage
from harness.data.source import rows_digest
from harness.tasks.kinds import task_of

_LEAST_S, _EVERY_S = 5.0, 20.0
_SLOWEST, _FASTEST = 5.0, 0.2  # how far what was seen may correct what was forecast


class WholeRun:
    """Tells a run's progress on, with the time that is left of all of it.

    Args:
        inner: what it is told to.
        expected_s: seconds forecast by arm; stages of other names are part of the arm before.
        clock: seconds that only grow.
    """

    def __init__(
        self, inner: Progress, expected_s: Mapping[str, float], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._inner = inner
        self._ahead = dict(expected_s)
        self._clock = clock
        self._now = ""  # the arm at work
        self._now_s = 0.0
        self._since = self._said = clock()
        self._seen_s = self._forecast_s = 0.0

    def stage(self, title: str, total: int | None) -> None:
        """A new stage, and what is left of the run as it begins."""
        arm = title.partition(": ")[0]
        if arm in self._ahead:
            self._finish()
            self._now, self._now_s, self._since = arm, self._ahead.pop(arm), self._clock()
        elif arm != self._now and not self._ahead:
            self._finish()
        self._said = self._clock()
        words = self.left()
        self._inner.stage(f"{title} ({words})" if words else title, total)

    def advance(self, steps: int) -> None:
        """So many steps done; now and then what is left of the run."""
        self._inner.advance(steps)
        if self._clock() - self._said > _EVERY_S:
            self._said = self._clock()
            self._inner.note(self.left())

    def note(self, line: str) -> None:
        """As it is."""
        self._inner.note(line)

    def waiting(self, line: str) -> None:
        """As it is."""
        self._inner.waiting(line)

    def close(self) -> None:
        """As it is."""
        self._inner.close()

    def left(self) -> str:
        """What is left of the whole run, in words; '' where nothing was forecast."""
        if not self._now and not self._ahead:
            return ""
        here = self._clock() - self._since if self._now else 0.0
        factor = 1.0
        if self._forecast_s > _LEAST_S:
            factor = min(_SLOWEST, max(_FASTEST, self._seen_s / self._forecast_s))
        left_s = max(0.0, factor * self._now_s - here) + factor * sum(self._ahead.values())
        return "under a minute left in all" if left_s < 50 else f"about {left_s / 60:.0f} min left in all"

    def _finish(self) -> None:
        if self._now:
            self._seen_s += self._clock() - self._since
            self._forecast_s += self._now_s
            self._now = ""


T_co = TypeVar("T_co", covariant=True)


class Conclude(Protocol[T_co]):
    """Concludes a run that more was written into, and closes it again (`harness.recommendation.conclude`)."""

    def __call__(self, folder: RunFolder, looks: int, closed: Manifest | None, context: Context) -> T_co:
        """What the run concludes now; `looks` are reported, and `closed` is the manifest it had."""


def manifest_of(folder: RunFolder) -> Manifest:
    """The manifest of a finished run.

    Raises:
        IncompleteRun: if the run was not finished.
    """
    manifest = folder.manifest()
    if manifest is None:
        raise IncompleteRun(f"Run {folder.run_id} is not finished.", run=folder.command("resume"))
    return manifest


@contextlib.contextmanager
def reopened(folder: RunFolder) -> Iterator[Manifest | None]:
    """A run that more is written into: checked, then without its manifest until it is closed again.

    Where that comes to nothing, the run is closed as it was. The manifest that is given is None for a run
    that was not closed.

    Raises:
        StoreError: if anything was changed after the run was closed.
    """
    folder.check()
    closed = folder.manifest()
    folder.reopen()
    try:
        yield closed
    except BaseException:
        with contextlib.suppress(UserError, OSError):
            if closed is not None and folder.as_it_was(closed, FROM_JOURNAL):
                close_as_before(folder, closed)
        raise


def close_as_before(folder: RunFolder, closed: Manifest) -> None:
    """Write the manifest anew, with the time and the machine that it named."""
    folder.write_manifest(
        finished_at=closed.finished_at, wall_s=closed.wall_s, environment=closed.environment
    )


T = TypeVar("T")
Early = Callable[[Sequence[ArmId]], None]

_CHUNK = 64  # outcomes of a local model are stored together, so that a resumed run batches alike
_LARGE_CHUNK = 1024  # the same where no language model answers: dev is embedded as it was to choose on
_WARM_UP = 3


def run_plan(
    folder: RunFolder,
    context: Context,
    conclude: Conclude[T],
    expected_s: Mapping[str, float] | None = None,
    early: Early | None = None,
) -> T:
    """Run, or go on with, the plan locked in `folder`, and close the run with what it concludes.

    Args:
        expected_s: seconds forecast by arm, from which the progress says what is left of the whole run.
        early: is told, once, which of the fast arms have answered dev and test; slow ones are still to come.

    Raises:
        UserError: of any kind; whatever was computed before stays in the journal.
    """
    if expected_s:
        context = dataclasses.replace(context, progress=WholeRun(context.progress, expected_s))
    with folder.writing():
        return _run(folder, context, conclude, early)


def _run(folder: RunFolder, context: Context, conclude: Conclude[T], early: Early | None) -> T:
    started = time.perf_counter()
    plan = folder.plan()
    check_addresses(plan, context)
    context.progress.stage("loading the rows", None)
    evalset = load_rows(plan, context, folder)
    same_rows(folder, evalset)
    sound_journal(folder, context)
    factory = ArmFactory(plan, evalset, folder, context)
    try:
        with folder.journal() as journal:
            bakeoff = Bakeoff(
                plan=plan,
                evalset=evalset,
                out_of_scope=out_of_scope_rows(plan, context, folder) or folder.rows(OUT_OF_SCOPE),
                factory=factory,
                journal=journal,
                context=context,
                early=early,
            )
            factory.leaving.check(bakeoff.out_of_scope)
            if not context.ask_again:
                refuse(f"run {folder.run_id}", _asked_again(bakeoff), folder.command("resume", CONSENT))
            folder.reopen()  # only now: a run that cannot go on stays as it was
            factory.leaving.note()
            folder.write_items(evalset)
            folder.write_data_facts(facts_of(evalset, earlier_looks(plan, context).look))
            folder.write_rows(OUT_OF_SCOPE, bakeoff.out_of_scope)
            folder.write_rows(REST, evalset.rest)
            folder.write_rows(REST_DEV, evalset.rest_dev)
            looks = count_looks(context.runs, evalset.digests["test"], folder.lock().plan_digest)
            folder.write_failed(_run_arms(bakeoff))
            folder.write_rows(PASSAGES, _shown_passages(bakeoff))
    finally:
        factory.close()
    context.progress.stage("drawing conclusions", None)
    results = conclude(folder, looks, None, context)
    folder.write_manifest(
        finished_at=context.clock(),
        wall_s=time.perf_counter() - started,
        environment=describe_environment(context.clock()),
    )
    context.progress.close()
    return results


def same_rows(folder: RunFolder, evalset: Evalset) -> None:
    """A run that goes on must find the rows it began with."""
    if not (folder.root / "data.json").exists():
        return
    before = folder.data_facts().digests
    changed = [split for split, digest in evalset.digests.items() if before.get(split) != digest]
    if changed:
        raise DataError(
            f"The rows of run {folder.run_id} changed since it began: {', '.join(changed)}.",
            allowed="the same rows",
            run=f"{command('run', folder.root / 'plan.yaml')}   # changed rows are a new run",
        )


def same_arm(arm: Arm, seed: int, evalset: Evalset, journal: Journal, folder: RunFolder) -> None:
    """Whatever is asked of a finished run's arm is asked of the very arm that gave its answers.

    Raises:
        UsageError: if it would have to be settled anew.
    """
    if journal.settled_as(arm.id, seed, lane_config(arm, evalset)) is None:
        raise UsageError(
            f"{arm.id} would be another arm now than in run {folder.run_id}, so its answers would not be the "
            "run's: the program or a model has changed since.",
            run=f"{command('run', folder.root / 'plan.yaml')}   # a new run",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Bakeoff:
    """What every arm of a run is given."""

    plan: ExperimentPlan
    evalset: Evalset
    factory: ArmFactory
    journal: Journal
    context: Context
    out_of_scope: tuple[Item, ...] = ()
    early: Early | None = None


def _asked_again(bakeoff: Bakeoff) -> list[Again]:
    """What the arms of this run would be asked again; an arm that cannot be opened says so at its turn."""
    plan, evalset, found = bakeoff.plan, bakeoff.evalset, []
    if not any(True for _ in bakeoff.journal.counts()) and not bakeoff.journal.settled():
        return []
    for arm_plan, seed in lanes_of(plan):
        dev = dev_of(arm_plan.id, evalset)
        parts: dict[Pass, Sequence[Item]] = {"dev": dev, "test": evalset.test}
        if is_first(plan, seed):
            parts |= {"latency": evalset.test[: plan.latency.items], "out_of_scope": bakeoff.out_of_scope}
        if arm_plan.option.traits.free:
            parts |= {"rest": evalset.rest}
        try:
            arm = bakeoff.factory.build(arm_plan, seed)
        except UserError:
            continue
        try:
            wanted = ArmToAsk(arm=arm, seed=seed, facts=lane_facts(arm, evalset), parts=parts)
            again = asked_again(wanted, bakeoff.journal, plan, bakeoff.context)
        finally:
            arm.close()
        found += [again] if again else []
    return found


def _run_arms(bakeoff: Bakeoff) -> list[FailedArm]:
    """Run every arm, the fast ones first; one that rows or training make impossible does not end the others.

    Raises:
        UserError: of the first such arm, where none but the floor is left; any other error at once.
    """
    failed: dict[ArmId, DataError | TrainingError] = {}
    lanes = sorted(lanes_of(bakeoff.plan), key=lambda lane: not lane[0].option.traits.quick)
    fast = [arm.id for arm, _ in lanes if arm.option.traits.quick]
    for arm_plan, seed in lanes:
        if arm_plan.id in failed:
            continue
        last_fast = fast[-1:] == [arm_plan.id] and len(fast) < len(lanes)
        try:
            _run_arm(bakeoff, arm_plan, seed, [arm for arm in fast if arm not in failed] if last_fast else ())
        except (DataError, TrainingError) as error:
            failed[arm_plan.id] = error
            bakeoff.context.progress.note(f"{arm_plan.id} failed and is left out: {one_line(error)}")
    for arm_plan, seed in lanes:
        if bakeoff.evalset.rest and arm_plan.option.traits.free and arm_plan.id not in failed:
            _answer_rest(bakeoff, arm_plan, seed)
    left = {arm.id for arm in bakeoff.plan.arms if arm.option not in (Option.FLOOR, Option.ROUTE)} - set(
        failed
    )
    if failed and not left:
        raise next(iter(failed.values()))
    return [FailedArm(arm=arm, reason=one_line(error)) for arm, error in failed.items()]


def _shown_passages(bakeoff: Bakeoff) -> list[Passage]:
    """The passages that arms were shown with dev and test items, in the index's order."""
    if not bakeoff.evalset.documents:
        return []
    shown: set[str] = set()
    rows: dict[Pass, Sequence[Item]] = {"dev": bakeoff.evalset.dev, "test": bakeoff.evalset.test}
    for settled in bakeoff.journal.settled():
        for name, items in rows.items():
            lane = Lane(arm=settled.arm, seed=settled.seed, split=name, config=settled.config)
            for one in bakeoff.journal.outcomes(lane, items).values():
                shown |= {near.item_id for near in one.neighbours} if isinstance(one, Completion) else set()
    if not shown:
        return []
    return [passage for passage in bakeoff.factory.passages().passages if passage.id in shown]


def one_line(error: UserError) -> str:
    """What happened, what was got, what is allowed and what to do, on one line."""
    parts = ("Got", error.got), ("Allowed", error.allowed), ("To do", error.run)
    told = [error.what.rstrip("."), *(f"{name}: {said}" for name, said in parts if said is not None)]
    return " ".join(". ".join(told).split()).rstrip(".") + "."


def _run_arm(bakeoff: Bakeoff, arm_plan: ArmPlan, seed: int, tell: Sequence[ArmId]) -> None:
    context, watch = bakeoff.context, MemoryWatch()
    context.progress.stage(f"{arm_plan.id}: opening", None)
    arm = bakeoff.factory.build(arm_plan, seed)
    try:
        bakeoff.journal.write_notes()  # of the arm before, whose last second is over by now
        fit_and_answer(bakeoff, arm, seed, tell)
        peak = watch.peak_mib()
        if peak is not None:
            bakeoff.journal.note_memory(arm.id, seed, peak)
    finally:
        arm.close()


def fit_and_answer(bakeoff: Bakeoff, arm: Arm, seed: int, tell: Sequence[ArmId] = ()) -> None:
    """Settle an arm and let it answer dev, test and inputs out of scope, as far as it has not yet.

    Args:
        tell: the arms that have answered dev and test once this one has, if that is to be told.
    """
    plan, evalset, context, journal = bakeoff.plan, bakeoff.evalset, bakeoff.context, bakeoff.journal
    config = settle_on_dev(arm, seed, evalset, journal, context)
    test = _lane(arm, seed, "test", config)
    first = is_first(plan, seed)
    local = arm.identity is not None and arm.identity.location == "local"
    if local and plan.latency.mode == "shared":
        _answer_alone(arm, journal, test, evalset.test, context)
    else:
        answer(arm, journal, test, evalset.test, context, timed=local or arm.identity is None)
        if first and not (arm.identity is not None and arm.identity.in_batches):
            warm = evalset.test[: plan.latency.items]
            _answer_alone(arm, journal, _lane(arm, seed, "latency", config), warm, context)
    if tell and bakeoff.early is not None:
        journal.write_notes()
        bakeoff.early(tell)
    if first:
        answer_out_of_scope(bakeoff, arm, seed, config)
        if plan.to_today and isinstance(arm, AnswersOutOfFold):
            _answer_out_of_fold(bakeoff, arm, _lane(arm, seed, "out_of_fold", config))


def _answer_rest(bakeoff: Bakeoff, arm_plan: ArmPlan, seed: int) -> None:
    """Let an arm that costs nothing answer what a limit leaves over, once all arms have answered."""
    with closing(bakeoff.factory.build(arm_plan, seed)) as arm:
        config = settle_on_dev(arm, seed, bakeoff.evalset, bakeoff.journal, bakeoff.context)
        lane = _lane(arm, seed, "rest", config)
        answer(arm, bakeoff.journal, lane, bakeoff.evalset.rest, bakeoff.context)


def answer_out_of_scope(bakeoff: Bakeoff, arm: Arm, seed: int, config: str) -> None:
    """Let an arm that learns from labelled rows answer inputs that belong to no label."""
    if bakeoff.out_of_scope and arm.id.option.traits.robustness_checked:
        lane = _lane(arm, seed, "out_of_scope", config)
        answer(arm, bakeoff.journal, lane, bakeoff.out_of_scope, bakeoff.context)


def _answer_out_of_fold(bakeoff: Bakeoff, arm: AnswersOutOfFold, lane: Lane) -> None:
    """Let an arm answer the training rows by fittings that did not see them, to choose a threshold on."""
    evalset, journal, context = bakeoff.evalset, bakeoff.journal, bakeoff.context
    done = journal.done(lane, evalset.train, retry_failures=False)
    if done:  # all rows are stored together
        return
    context.progress.stage(f"{lane.arm}: answering train out of fold", None)
    by_id = {item.id: item for item in evalset.train}
    answers = arm.out_of_fold(_material(lane.arm, evalset, context))
    journal.put(lane, [(by_id[outcome.item_id], outcome) for outcome in answers])


def settle_on_dev(arm: Arm, seed: int, evalset: Evalset, journal: Journal, context: Context) -> str:
    """Settle an arm on train and dev and let it answer dev; test is not read. Returns its lanes' config."""
    context.progress.stage(f"{arm.id.label}: fitting on train and dev", None)
    config = lane_config(arm, evalset)
    journal.note_config(config, canonical(lane_facts(arm, evalset)))
    _settle(arm, journal, seed, config, evalset, context)
    answer(arm, journal, _lane(arm, seed, "dev", config), dev_of(arm.id, evalset), context)
    return config


def dev_of(arm: ArmId, evalset: Evalset) -> tuple[Item, ...]:
    """The dev rows an arm chooses by: a limit that is set for time is none on an arm that costs nothing."""
    return (*evalset.dev, *evalset.rest_dev) if arm.option.traits.free else evalset.dev


def is_first(plan: ExperimentPlan, seed: int) -> bool:
    """Whether a lane is its arm's first: the one that latency and harm are measured on."""
    return seed in (plan.seed, plan.training_seeds[0])


def lane_config(arm: Arm, evalset: Evalset) -> str:
    """Digest of whatever decides an arm's answers, the rows it settles on included."""
    return config_digest(lane_facts(arm, evalset))


def lane_facts(arm: Arm, evalset: Evalset) -> dict[str, object]:
    """Whatever decides an arm's answers, as plain JSON values."""
    return {
        "keys": KEY_VERSION,
        **arm.config,
        "train": rows_digest(evalset.train),
        "dev": rows_digest(dev_of(arm.id, evalset)),
    }


def _lane(arm: Arm, seed: int, split: Pass, config: str) -> Lane:
    return Lane(arm=arm.id, seed=seed, split=split, config=config)


def _settle(arm: Arm, journal: Journal, seed: int, config: str, evalset: Evalset, context: Context) -> None:
    stored = journal.settled_as(arm.id, seed, config)
    fitted = arm.fit(_material(arm.id, evalset, context), stored.fitted if stored else None)
    if stored is None:
        journal.settle(FittedArm(arm=arm.id, seed=seed, config=config, identity=arm.identity, fitted=fitted))


def _material(arm: ArmId, evalset: Evalset, context: Context) -> Material:
    return Material(
        task=task_of(evalset.space), train=evalset.train, dev=dev_of(arm, evalset), say=context.progress.note
    )


def answer(
    arm: Arm,
    journal: Journal,
    lane: Lane,
    items: Sequence[Item],
    context: Context,
    *,
    timed: bool = False,
) -> None:
    """Answer what is not answered yet: local models chunk by chunk, served ones item by item.

    Args:
        timed: whether anything is read from how long it takes, so that the machine is watched meanwhile.
    """
    context.progress.stage(f"{lane.arm}: answering {lane.split}", len(items))
    done = journal.done(lane, items, retry_failures=context.retry_failures)
    by_id = {item.id: item for item in items}
    served = arm.identity is not None and arm.identity.location != "local"
    if served:
        context.progress.advance(len(done))
        for outcome in arm.predict([item for item in items if item.id not in done]):
            journal.put(lane, [(by_id[outcome.item_id], outcome)])
            context.progress.advance(1)
        return
    with _watched(arm, journal, lane, context, wanted=timed and len(done) < len(items)):
        for chunk in chunks_of(arm, items):
            if any(item.id not in done for item in chunk):
                arm.refresh()
                journal.put(lane, [(by_id[outcome.item_id], outcome) for outcome in arm.predict(chunk)])
            context.progress.advance(len(chunk))


def chunks_of(arm: Arm, items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    """The items that an arm answers together."""
    size = _LARGE_CHUNK if arm.identity is None else _CHUNK
    return (items[first : first + size] for first in range(0, len(items), size))


def _answer_alone(arm: Arm, journal: Journal, lane: Lane, items: Sequence[Item], context: Context) -> None:
    """One item at a time, warm: after a few that do not count, the same few on every start."""
    context.progress.stage(f"{lane.arm}: one query at a time, {lane.split}", len(items))
    done = journal.done(lane, items, retry_failures=context.retry_failures)
    waiting = [item for item in items if item.id not in done]
    context.progress.advance(len(items) - len(waiting))
    if not waiting:
        return
    warm_up(arm, items)
    with _watched(arm, journal, lane, context):
        for item in waiting:
            journal.put(lane, [(item, arm.predict_one(item))])
            context.progress.advance(1)


def warm_up(arm: Arm, items: Sequence[Item]) -> None:
    """Forget earlier passes and answer a few queries that do not count: the same few on every start."""
    arm.refresh()
    for item in items[:_WARM_UP]:
        arm.predict_one(item)


@contextmanager
def _watched(
    arm: Arm, journal: Journal, lane: Lane, context: Context, *, wanted: bool = True
) -> Iterator[None]:
    """Note how busy the machine is meanwhile, also where the pass is stopped."""
    watch = watched(context, arm.identity) if wanted else None
    try:
        yield
    finally:
        if watch is not None:
            watch.over()
            journal.note_machine(lane, watch.finish)
