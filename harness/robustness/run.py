"""Robustness of a run: what its journal says of them, and those that are asked for afterwards.

Inputs out of scope are asked of every arm that learns from labelled rows, tickets with an order hidden in
them of every arm that reads. A label is left out by training the
tuned arm once more, without that label's rows:

    runs/<run>/harm/without-<label>/   journal.sqlite and artefacts/ of that training
    runs/<run>/unseen_labels.json      what it answered to the test rows of that label
    runs/<run>/injected.jsonl          the tickets with an order in them, and how each was made
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TypeVar

from advisor.options import Option, TaskKind
from harness.arms.base import Arm
from harness.bakeoff.arm_factory import ArmFactory, lanes_of
from harness.bakeoff.evalset import load_rows, open_passages
from harness.bakeoff.journal import Lane
from harness.bakeoff.plan import ArmPlan
from harness.bakeoff.quality import measuring
from harness.bakeoff.run import (
    Bakeoff,
    Conclude,
    answer,
    answer_out_of_scope,
    is_first,
    reopened,
    same_arm,
    same_rows,
    settle_on_dev,
)
from harness.bakeoff.run_folder import INJECTED, OUT_OF_SCOPE, RunFolder
from harness.core.context import Context
from harness.core.errors import UsageError
from harness.core.files import make_folder
from harness.core.names import file_name
from harness.core.records import Evalset, Item
from harness.robustness.checks import rejecting_threshold, unseen_label
from harness.robustness.injection import (
    hostile_messages,
    hostile_questions,
    hostile_tickets,
    with_orders,
)
from harness.robustness.records import UnseenLabel
from harness.robustness.store import unseen_of, write_unseen
from harness.tasks.fields import parse_schema
from harness.tasks.kinds import task_of
from harness.tasks.measures import Measuring, fit_dev_temperature
from harness.tasks.scoring import score

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class RobustnessRequest:
    """What is to be looked at.

    Attributes:
        out_of_scope: inputs that belong to no label; empty takes those the run has.
        unseen: labels to be left out of one more training each.
        injected: how many test rows get an order hidden in them; 0 takes those the run has.
    """

    out_of_scope: tuple[Item, ...] = ()
    unseen: tuple[str, ...] = ()
    injected: int = 0


def look_at(folder: RunFolder, wish: RobustnessRequest, context: Context, conclude: Conclude[T]) -> T:
    """Ask what a finished run was not asked about its robustness, and conclude it again.

    The threshold comes from dev as always; no choice of the run is changed by what is found.

    Raises:
        IncompleteRun: if the run is not finished.
        UsageError: if there is nothing to look at, or no such label.
        DataError: if the rows are not those of the run any more.
    """
    with folder.writing():
        return _check(folder, wish, context, conclude)


def _check(folder: RunFolder, wish: RobustnessRequest, context: Context, conclude: Conclude[T]) -> T:
    plan, results = folder.plan(), folder.results()
    context.progress.stage("loading the rows", None)
    evalset = load_rows(plan, context, folder)
    same_rows(folder, evalset)
    _check_wish(folder, wish, evalset)
    asked = wish.out_of_scope or folder.rows(OUT_OF_SCOPE)
    hostile = folder.rows(INJECTED)
    if wish.injected:
        hostile = _hostile(evalset, wish.injected, plan.seed, context)
    with reopened(folder) as closed:
        _ask(folder, evalset, (asked, hostile), context)
        folder.write_rows(OUT_OF_SCOPE, asked)
        folder.write_rows(INJECTED, hostile)
        for label in wish.unseen:
            _leave_out(folder, evalset, label, context)
        found = conclude(folder, results.looks, closed, context)  # the same looks: nothing is chosen by it
        context.progress.close()
        return found


def _check_wish(folder: RunFolder, wish: RobustnessRequest, evalset: Evalset) -> None:
    if evalset.task is not TaskKind.CLASSIFICATION and (wish.unseen or wish.out_of_scope):
        raise UsageError(
            "Only labels can be left out, and only where there are labels does an input belong to none.",
            got=f"task: {evalset.task.value}",
            allowed="--inject",
        )
    unknown = [label for label in wish.unseen if label not in evalset.label_names]
    if unknown:
        raise UsageError(
            "There is no such label to leave out.",
            got=", ".join(unknown),
            allowed=", ".join(evalset.label_names),
        )
    if wish.unseen and not _tuned(folder):
        raise UsageError(
            "A label can only be left out of a tuned arm, and this run has none.",
            got=", ".join(str(arm.id) for arm in folder.plan().arms),
        )
    if wish.injected and evalset.task is TaskKind.CLASSIFICATION and len(evalset.label_names) < 2:
        raise UsageError("An order names another label, and these rows have one.", got=evalset.label_names[0])
    stored = bool(folder.rows(OUT_OF_SCOPE) or folder.rows(INJECTED))
    if not wish.unseen and not wish.out_of_scope and not wish.injected and not stored:
        raise UsageError(
            "There is nothing to look at: the evalset names no inputs out of scope.",
            run=folder.command("robustness", "--inject", "48"),
        )


def _tuned(folder: RunFolder) -> list[ArmPlan]:
    return [arm for arm in folder.plan().arms if arm.option.traits.tuned]


def _ask(
    folder: RunFolder, evalset: Evalset, rows: tuple[Sequence[Item], Sequence[Item]], context: Context
) -> None:
    """Open every arm once more, as it settled, and ask it.

    Args:
        rows: inputs out of scope, and hostile tickets.
    """
    plan, (outside, hostile) = folder.plan(), rows
    if not outside and not hostile:
        return
    with closing(ArmFactory(plan, evalset, folder, context)) as factory, folder.journal() as journal:
        bakeoff = Bakeoff(
            plan=plan,
            evalset=evalset,
            out_of_scope=tuple(outside),
            factory=factory,
            journal=journal,
            context=context,
        )
        for arm_plan, seed in lanes_of(plan):
            checked = bool(outside) and arm_plan.option.traits.robustness_checked
            ordered = bool(hostile) and _reads(arm_plan.option, evalset)
            if is_first(plan, seed) and (checked or ordered):
                with closing(factory.build(arm_plan, seed)) as arm:
                    same_arm(arm, seed, evalset, journal, folder)
                    config = settle_on_dev(arm, seed, evalset, journal, context)
                    answer_out_of_scope(bakeoff, arm, seed, config)
                    if ordered:
                        lane = Lane(arm=arm.id, seed=seed, split="injected", config=config)
                        with _orders_in_documents(factory, evalset, hostile):
                            answer(arm, journal, lane, hostile, context)


def _hostile(evalset: Evalset, count: int, seed: int, context: Context) -> tuple[Item, ...]:
    """Test rows with an order in them, or in the passage that is found first for them."""
    if evalset.task is TaskKind.EXTRACTION:
        schema = parse_schema(evalset.schema, "The schema of the fields")
        return hostile_messages(evalset.test, schema, count, seed)
    if not evalset.documents:
        return hostile_tickets(evalset.test, evalset.label_names, count, seed)
    index = open_passages(evalset.documents, None, context)
    found = index.search([item.text for item in evalset.test], 1)
    first = [
        (item, index.by_id[hits[0].item_id]) for item, hits in zip(evalset.test, found, strict=True) if hits
    ]
    return hostile_questions(first, count, seed)


def _reads(option: Option, evalset: Evalset) -> bool:
    """Whether an arm reads what the orders stand in."""
    return option.traits.searches if evalset.documents else option is not Option.FLOOR


@contextmanager
def _orders_in_documents(factory: ArmFactory, evalset: Evalset, hostile: Sequence[Item]) -> Iterator[None]:
    """For a while the passages that arms read have orders in them; what is found stays what it was."""
    if not evalset.documents:
        yield
        return
    index = factory.passages()
    whole = index.by_id
    index.by_id = with_orders(whole, hostile)
    try:
        yield
    finally:
        index.by_id = whole


def _leave_out(folder: RunFolder, evalset: Evalset, label: str, context: Context) -> None:
    """Train every tuned arm without a label and ask it that label's test rows."""
    plan = folder.plan()
    rows = tuple(item for item in evalset.test if item.label == label)
    if not rows:
        raise UsageError("No test row of this run has the label that is to be left out.", got=label)
    without = dataclasses.replace(
        evalset,
        labels=tuple(known for known in evalset.labels if known.name != label),
        train=tuple(item for item in evalset.train if item.label != label),
        dev=tuple(item for item in evalset.dev if item.label != label),
        test=rows,
    )
    home = RunFolder(root=folder.root / "harm" / f"without-{file_name(label)}")
    make_folder(home.artefacts)
    seed = plan.training_seeds[0]
    with closing(ArmFactory(plan, without, home, context)) as factory:
        for arm_plan in _tuned(folder):
            with closing(factory.build(arm_plan, seed)) as arm:
                found = _unseen(arm, seed, without, home, measuring(plan), context)
            _keep(folder, str(arm_plan.id), found)


def _unseen(
    arm: Arm, seed: int, without: Evalset, home: RunFolder, how: Measuring, context: Context
) -> UnseenLabel:
    """Train, calibrate and set the threshold without the label; then ask for its rows."""
    with home.journal() as journal:
        config = settle_on_dev(arm, seed, without, journal, context)
        lanes = [Lane(arm=arm.id, seed=seed, split=split, config=config) for split in ("dev", "test")]
        answer(arm, journal, lanes[1], without.test, context)
        dev, asked = (
            score(items, journal.outcomes(lane, items), task_of(without.space))
            for lane, items in zip(lanes, (without.dev, without.test), strict=True)
        )
    temperature = fit_dev_temperature(dev)
    threshold = rejecting_threshold(dev, temperature)
    label = without.test[0].label
    return unseen_label(label, asked, without.label_names, temperature, threshold, how)


def _keep(folder: RunFolder, arm: str, found: UnseenLabel) -> None:
    """Store what was found in the place of an earlier finding on the same label."""
    stored = unseen_of(folder)
    others = [one for one in stored.get(arm, ()) if one.label != found.label]
    stored[arm] = tuple(sorted([*others, found], key=lambda one: one.label))
    write_unseen(folder, stored)
