"""A run's journal as scored answers: what conclusions, exports and explanations are made from."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import get_args

import numpy as np

from advisor.money.price_book import PriceBook
from advisor.options import Option
from harness.bakeoff.evalset import stored_passages
from harness.bakeoff.journal import Journal, Lane, Pass
from harness.bakeoff.plan import ExperimentPlan
from harness.bakeoff.prices import open_book
from harness.bakeoff.quality import measuring
from harness.bakeoff.run_folder import INJECTED, OUT_OF_SCOPE, REST, REST_DEV, DataFacts, RunFolder
from harness.core.context import Context
from harness.core.errors import IncompleteRun
from harness.core.machine import MachineUse
from harness.core.records import ArmId, Completion, FittedArm, Item, Outcome, Passage
from harness.tasks.base import Task
from harness.tasks.kinds import task_of
from harness.tasks.measures import Measuring, fit_dev_temperature
from harness.tasks.outcomes import Outcomes
from harness.tasks.scored import Scored, together
from harness.tasks.scoring import score_each


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerSet:
    """One lane's outcomes, scored, on all three passes.

    Of other passes than `dev` and `out_of_fold` no distributions are held, but confidences at the
    temperatures that are fitted on these two.

    Attributes:
        temperature: the one that fits dev; None without distributions.
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
    temperature: float | None
    warm: Mapping[str, Outcome]
    dev: Scored
    test: Scored
    peak_memory_mib: float | None = None
    out_of_scope: Scored | None = None
    batches: Sequence[Outcome] = ()
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
    run_id, outside, injected = folder.run_id, folder.rows(OUT_OF_SCOPE), folder.rows(INJECTED)
    rest, rest_dev = folder.rows(REST), folder.rows(REST_DEV)
    memory, read = journal.memory(), partial(read_lane, journal, run.task)
    planned = {arm.id for arm in run.plan.arms}
    failed = {one.arm for one in folder.failed()}
    for settled in journal.settled():
        if settled.arm in failed:
            continue
        lanes: dict[Pass, Lane] = {
            split: Lane(arm=settled.arm, seed=settled.seed, split=split, config=settled.config)
            for split in get_args(Pass)
        }
        dev, items = read(lanes["dev"], run.items["dev"]), run.items["dev"]
        more = read(lanes["dev"], rest_dev)
        if rest_dev and len(more.items) == len(rest_dev):
            dev, items = together(dev, more), (*items, *rest_dev)
        folded = read(lanes["out_of_fold"], run.items["train"] if run.plan.to_today else ())
        out_of_fold = folded if folded.items else None
        temperature = fit_dev_temperature(dev)
        fitted = temperature, fit_dev_temperature(chosen_on(dev, out_of_fold)) if run.plan.to_today else None
        at = tuple(dict.fromkeys(one for one in fitted if one is not None))
        test = read(lanes["test"], run.items["test"], at)
        missing = len(run.items["test"]) - len(test.items)
        if settled.arm.option is not Option.EXTERNAL:  # brought in with as many dev answers as there were
            missing += len(items) - len(dev.items)
        if missing and settled.arm not in planned:
            continue  # an import that was stopped; it counts once it is repeated
        if missing:
            raise IncompleteRun(
                f"Run {run_id} is incomplete: {settled.arm} has {missing} items without an outcome.",
                run=folder.command("resume"),
            )
        whole = read(lanes["rest"], rest, at)
        found.append(
            AnswerSet(
                settled=_noted(settled, [*dev.outcomes.alike, *test.outcomes.alike]),
                temperature=temperature,
                warm=journal.outcomes(lanes["latency"], run.items["test"]),
                dev=dev,
                test=test,
                out_of_scope=_all_of(read(lanes["out_of_scope"], outside, at), outside),
                peak_memory_mib=memory.get((str(settled.arm), settled.seed)),
                batches=Outcomes.of(journal.outcomes(lanes["throughput"], run.items["test"]).values()),
                machine={split: journal.machine(lane) for split, lane in lanes.items()},
                all_rows=together(test, whole) if _all_of(whole, rest) else None,
                injected=_all_of(read(lanes["injected"], injected, at), injected),
                out_of_fold=out_of_fold,
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


def read_lane(
    journal: Journal, task: Task, lane: Lane, items: Sequence[Item], at: Sequence[float] | None = None
) -> Scored:
    """The answers to those of the items that have an outcome, in the items' order.

    Args:
        at: temperatures of which confidences are kept in the place of whole distributions.

    Raises:
        StoreError: if the journal is damaged.
    """
    places: list[int] = []

    def given() -> Iterator[tuple[Item, Outcome]]:
        for place, outcome in journal.each(lane, items):
            places.append(place)
            yield items[place], outcome

    return score_each(given(), task, at).take(np.argsort(places))


def chosen_on(dev: Scored, out_of_fold: Scored | None) -> Scored:
    """The rows that a route to today's way chooses its threshold on: those with a distribution."""
    rows = dev if out_of_fold is None else together(out_of_fold, dev)
    return rows.where(rows.scored)


def _all_of(found: Scored, items: Sequence[Item]) -> Scored | None:
    """The answers to these items; None where there are none or some are missing."""
    return found if items and len(found.items) == len(items) else None


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
