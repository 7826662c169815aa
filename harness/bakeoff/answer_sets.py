"""A run's journal as scored answers: what conclusions, exports and explanations are made from."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import get_args

from advisor.money.price_book import PriceBook
from advisor.options import Option
from harness.bakeoff.evalset import stored_passages
from harness.bakeoff.journal import Journal, Lane, Pass
from harness.bakeoff.plan import ExperimentPlan
from harness.bakeoff.prices import open_book
from harness.bakeoff.quality import measuring
from harness.bakeoff.run_folder import INJECTED, REST, REST_DEV, DataFacts, RunFolder
from harness.core.context import Context
from harness.core.errors import IncompleteRun
from harness.core.machine import MachineUse
from harness.core.records import ArmId, Completion, FittedArm, Item, Outcome, Passage
from harness.tasks.base import Task
from harness.tasks.kinds import task_of
from harness.tasks.measures import Measuring
from harness.tasks.scored import Scored
from harness.tasks.scoring import score


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerSet:
    """One lane's outcomes, scored, on all three passes.

    Attributes:
        warm: the separate timing pass, the newest one; empty where the test pass itself was timed.
        batches: a newer timing of the test pass in batches; empty where that was timed once.
        out_of_scope: its answers to inputs that belong to no label; None where it was not asked.
        machine: how busy the machine was, by pass; none where nobody watched.
        all_rows: the test rows and those that a limit keeps from arms that cost something; None where it
            did not answer these.
        injected: its answers to test rows with an order hidden in them; None where it was not asked.
        out_of_fold: the training rows that fittings answered which had not seen them; None where none were.
    """

    settled: FittedArm
    dev_outcomes: Mapping[str, Outcome]
    outcomes: Mapping[str, Outcome]
    warm: Mapping[str, Outcome]
    dev: Scored
    test: Scored
    peak_memory_mib: float | None = None
    out_of_scope: Scored | None = None
    batches: Mapping[str, Outcome] = field(default_factory=dict)
    machine: Mapping[Pass, tuple[MachineUse, ...]] = field(default_factory=dict)
    all_rows: Scored | None = None
    out_of_fold: Scored | None = None
    injected: Scored | None = None

    @property
    def timed(self) -> tuple[MachineUse, ...]:
        """How busy the machine was during the pass that latency comes from."""
        return self.machine.get("latency" if self.warm else "test", ())


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRun:
    """What every step of the conclusion reads.

    Attributes:
        passages: of documents, those that arms were shown, by id.
    """

    plan: ExperimentPlan
    facts: DataFacts
    items: Mapping[str, tuple[Item, ...]]
    how: Measuring
    book: PriceBook
    passages: Mapping[str, Passage] = field(default_factory=dict)

    @property
    def task(self) -> Task:
        """What is asked, and how answers are scored."""
        return task_of(self.facts.space, self.plan.prompt.limits, self.passages)

    @property
    def labels(self) -> tuple[str, ...]:
        """Label names in the order in which scores are stored."""
        return tuple(label.name for label in self.facts.labels)


def open_run(folder: RunFolder, context: Context, plan: ExperimentPlan) -> StoredRun:
    """Everything about a run that conclusions are drawn from, but for the answers."""
    return StoredRun(
        plan=plan,
        facts=folder.data_facts(),
        items=folder.items(),
        how=measuring(plan),
        book=open_book(plan, context),
        passages=stored_passages(folder),
    )


def read_lanes(folder: RunFolder, run: StoredRun) -> list[AnswerSet]:
    """Every lane of a run, complete and scored.

    Raises:
        IncompleteRun: if a lane has items without an outcome, or an arm of the plan has no lane; arms that
            failed are left out.
    """
    with folder.journal(read_only=True) as journal:
        return _lanes(journal, run, folder)


def _lanes(journal: Journal, run: StoredRun, folder: RunFolder) -> list[AnswerSet]:
    found = []
    run_id, outside, injected = folder.run_id, folder.out_of_scope(), folder.rows(INJECTED)
    rest, rest_dev = folder.rows(REST), folder.rows(REST_DEV)
    memory = journal.memory()
    planned = {arm.id for arm in run.plan.arms}
    failed = {one.arm for one in folder.failed()}
    for settled in journal.settled():
        if settled.arm in failed:
            continue
        lanes: dict[Pass, Lane] = {
            split: Lane(arm=settled.arm, seed=settled.seed, split=split, config=settled.config)
            for split in get_args(Pass)
        }
        dev = journal.outcomes(lanes["dev"], run.items["dev"])
        test = journal.outcomes(lanes["test"], run.items["test"])
        dev_items = run.items["dev"]
        more_dev = journal.outcomes(lanes["dev"], rest_dev)
        if rest_dev and len(more_dev) == len(rest_dev):
            dev_items, dev = (*dev_items, *rest_dev), {**dev, **more_dev}
        if settled.arm.option is Option.EXTERNAL:  # brought in with as many dev answers as there were
            dev_items = tuple(item for item in dev_items if item.id in dev)
        missing = len(dev_items) + len(run.items["test"]) - len(dev) - len(test)
        if missing and settled.arm not in planned:
            continue  # an import that was stopped; it counts once it is repeated
        if missing:
            raise IncompleteRun(
                f"Run {run_id} is incomplete: {settled.arm} has {missing} items without an outcome.",
                run=folder.command("resume"),
            )
        found.append(
            AnswerSet(
                settled=_noted(settled, [*dev.values(), *test.values()]),
                dev_outcomes=dev,
                outcomes=test,
                warm=journal.outcomes(lanes["latency"], run.items["test"]),
                dev=score(dev_items, dev, run.task),
                test=score(run.items["test"], test, run.task),
                out_of_scope=_asked(journal.outcomes(lanes["out_of_scope"], outside), outside, run),
                peak_memory_mib=memory.get((str(settled.arm), settled.seed)),
                batches=journal.outcomes(lanes["throughput"], run.items["test"]),
                machine={split: journal.machine(lane) for split, lane in lanes.items()},
                all_rows=_whole(test, journal.outcomes(lanes["rest"], rest), rest, run),
                injected=_asked(journal.outcomes(lanes["injected"], injected), injected, run),
                out_of_fold=_folded(journal, lanes["out_of_fold"], run),
            )
        )
    without = [str(arm.id) for arm in run.plan.arms if arm.id not in failed and not _answered(arm.id, found)]
    if without:
        raise IncompleteRun(
            f"Run {run_id} is incomplete: {', '.join(without)} has no answers yet.",
            run=folder.command("resume"),
        )
    return found


def _noted(settled: FittedArm, outcomes: Sequence[Outcome]) -> FittedArm:
    """The arm with a note where a served model was not held to the labels by a schema throughout."""
    forms = [outcome.form for outcome in outcomes if isinstance(outcome, Completion) and outcome.form]
    plain = forms.count("plain")
    if not plain:
        return settled
    how = "all" if plain == len(forms) else f"{plain} of {len(forms)}"
    note = f"The prompt alone asked for a label in {how} answers on dev and test, without a JSON schema."
    fitted = dataclasses.replace(settled.fitted, notes=(*settled.fitted.notes, note))
    return dataclasses.replace(settled, fitted=fitted)


def _whole(
    test: Mapping[str, Outcome], more: Mapping[str, Outcome], rest: Sequence[Item], run: StoredRun
) -> Scored | None:
    """The answers to all test rows; None where there are no more than those every arm answers."""
    if not rest or len(more) < len(rest):
        return None
    return score((*run.items["test"], *rest), {**test, **more}, run.task)


def _folded(journal: Journal, lane: Lane, run: StoredRun) -> Scored | None:
    """The answers to training rows out of fold; None where no route asks for them, or the arm gave none."""
    if not run.plan.to_today:
        return None
    found = journal.outcomes(lane, run.items["train"])
    rows = tuple(item for item in run.items["train"] if item.id in found)
    return score(rows, found, run.task) if rows else None


def _asked(outcomes: Mapping[str, Outcome], items: Sequence[Item], run: StoredRun) -> Scored | None:
    """The answers to all inputs out of scope; None where there are none or some are missing."""
    return score(items, outcomes, run.task) if items and len(outcomes) == len(items) else None


def _answered(arm: ArmId, found: Sequence[AnswerSet]) -> bool:
    return arm.option is Option.ROUTE or any(answers.settled.arm == arm for answers in found)


def primary_lanes(lanes: Sequence[AnswerSet], plan: ExperimentPlan) -> list[AnswerSet]:
    """One lane an arm, in the plan's order: the first training seed of tuned arms; imports come last."""
    order = [arm.id for arm in plan.arms]
    first = {plan.seed, plan.training_seeds[0]}
    chosen = {a.settled.arm: a for a in lanes if a.settled.seed in first or a.settled.arm not in order}
    for answers in lanes:
        if answers.settled.seed == plan.training_seeds[0]:
            chosen[answers.settled.arm] = answers
    return [chosen[arm] for arm in [*order, *sorted(chosen.keys() - set(order))] if arm in chosen]


def stored_answers(folder: RunFolder, context: Context) -> list[AnswerSet]:
    """What every arm of a stored run answered, the first training seed of each."""
    run = open_run(folder, context, folder.plan())
    return primary_lanes(read_lanes(folder, run), run.plan)
