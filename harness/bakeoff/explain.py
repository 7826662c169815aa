"""One item in every arm of a run, read again from its stored rows and answers. Calls no model."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import cast

from advisor.money.usage import Usage
from advisor.options import TaskKind
from harness.arms.retrieve import guide_of
from harness.bakeoff.answer_sets import (
    AnswerSet,
    StoredRun,
    open_run,
    primary_lanes,
    read_lanes,
)
from harness.bakeoff.answers import ItemAnswer
from harness.bakeoff.between_runs import item_answers
from harness.bakeoff.browse import Shown, shown_passages, shown_rows
from harness.bakeoff.cost import cost_lines
from harness.bakeoff.evalset import passages_of
from harness.bakeoff.journal import Lane
from harness.bakeoff.leaving import SentRecord
from harness.bakeoff.lookup import no_such
from harness.bakeoff.prices import prices_for
from harness.bakeoff.run_folder import PLACEHOLDERS, PRIVACY, RunFolder
from harness.core.context import Context
from harness.core.errors import UsageError
from harness.core.records import (
    ArmId,
    Completion,
    CostLine,
    Failure,
    FittedArm,
    HeldBy,
    Item,
    Message,
    Outcome,
    Passage,
    Timing,
)
from harness.models.api.calls import said_as_asked
from harness.privacy.redact import Placeholders, redacting
from harness.tasks.base import ReadsPassages, Task
from harness.tasks.kinds import facts_of_kind
from harness.tasks.question_breakdown import AnswerDetail
from harness.tasks.questions import QuestionTask
from harness.tasks.scoring import score

_LONGEST_ROW = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainedArm:
    """One item in one arm.

    Attributes:
        messages: as sent, before any chat template; empty for arms that send none.
        answer: None while the item has no outcome in this arm.
        failure_message: of a failure, '' otherwise.
        served_by, form: what a provider says answered, and how it was held to the answers.
        left_out: what was to be sent beside the question, and the model does not take.
        lines: what this one query cost.
        note: a sentence on what is not shown and why, '' otherwise.
    """

    arm: ArmId
    messages: tuple[Message, ...] = ()
    neighbours: tuple[Shown, ...] = ()
    answer: ItemAnswer | None
    failure_message: str = ""
    usage: Usage | None = None
    timing: Timing | None = None
    attempts: int | None = None
    served_by: str = ""
    form: HeldBy = ""
    left_out: tuple[str, ...] = ()
    lines: tuple[CostLine, ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainedItem:
    """One item in every arm of a run."""

    run_id: str
    split: str
    item: Item
    arms: tuple[ExplainedArm, ...]


def explain_item(folder: RunFolder, item_id: str, context: Context) -> ExplainedItem:
    """One item in every arm, rendered again from the stored rows.

    Raises:
        UsageError: if the run has no such dev or test item.
    """
    folder.check()
    desk = open_run(folder, context, folder.plan())
    split, item = _find(desk.items, item_id)
    lanes = primary_lanes(read_lanes(folder, desk), desk.plan)
    documents = desk.plan.task is TaskKind.QUESTION_ANSWERING
    passages = (desk.passages or passages_of(desk.plan, context, folder)) if documents else {}
    arms = []
    for found in lanes:
        settled = found.settled
        lane = Lane(
            arm=settled.arm,
            seed=settled.seed,
            split="test" if split == "test" else "dev",
            config=settled.config,
        )
        with folder.journal(read_only=True) as journal:  # with what was shown, which answer sets do not hold
            outcome = journal.outcomes_of(lane, [item])[item.id]
        explained = _explained(found, item, outcome, desk, passages)
        task = _as_put(desk, explained.arm, folder)
        messages = _messages(found.settled, item, outcome, (desk, task), passages)
        arms.append(dataclasses.replace(explained, messages=messages))
    return ExplainedItem(run_id=folder.run_id, split=split, item=item, arms=tuple(arms))


def _as_put(desk: StoredRun, arm: ArmId, folder: RunFolder) -> Task:
    """The task as an arm put it: with placeholders where these were sent."""
    sent = folder.part(PRIVACY, SentRecord)
    if sent is None or sent.personal_data != "redact" or str(arm) not in sent.arms:
        return desk.task
    return redacting(desk.task, Placeholders.read(folder.root / PLACEHOLDERS))


def _explained(
    found: AnswerSet, item: Item, outcome: Outcome, desk: StoredRun, passages: Mapping[str, Passage]
) -> ExplainedArm:
    arm, identity = found.settled.arm, found.settled.identity
    scored = score([item], {item.id: outcome}, desk.task)
    (answer,) = item_answers(arm, scored, found.temperature)
    neighbours = outcome.neighbours if isinstance(outcome, Completion) else ()
    detail = scored.scores[0].detail
    return ExplainedArm(
        arm=arm,
        neighbours=shown_passages(item, detail, outcome, passages)
        if isinstance(detail, AnswerDetail)
        else shown_rows(neighbours, desk.items["train"]),
        answer=answer,
        failure_message=outcome.message if isinstance(outcome, Failure) else "",
        usage=outcome.usage,
        timing=outcome.timing,
        attempts=outcome.attempts,
        served_by=outcome.served_by if isinstance(outcome, Completion) else "",
        form=outcome.form if isinstance(outcome, Completion) else "",
        left_out=outcome.left_out if isinstance(outcome, Completion) else (),
        lines=cost_lines([outcome], identity, prices_for(identity, desk.plan, desk.book)),
        note="Price lines are for 1,000 queries like this one.",
    )


def _messages(
    settled: FittedArm,
    item: Item,
    outcome: Outcome,
    put: tuple[StoredRun, Task],
    passages: Mapping[str, Passage],
) -> tuple[Message, ...]:
    """The messages as they were sent: the wording is frozen, and what was shown is in the journal.

    Of passages that are not in the documents any more nothing is known but their ids: then there are none.

    Args:
        put: the run, and its task as the arm put it.
    """
    desk, task = put
    if not settled.arm.option.traits.needs_model:
        return ()
    answered = outcome if isinstance(outcome, Completion) else None
    if isinstance(desk.task, QuestionTask) and answered is not None and answered.neighbours:
        there = [passages[near.item_id] for near in answered.neighbours if near.item_id in passages]
        whole = len(there) == len(answered.neighbours)
        return cast(ReadsPassages, task).reading(item, there) if whole else ()
    train = {row.id: row for row in desk.items["train"]}
    rows = [train[near.item_id] for near in reversed(answered.neighbours)] if answered else []
    messages = task.messages(settled.arm.option, item, rows, guide_of(settled.fitted))
    by_schema = answered is not None and answered.form == "schema"
    same_wording = desk.plan.prompt.version == facts_of_kind(desk.plan.task).prompt_versions[-1]
    return said_as_asked(messages, desk.task.form(), schema=by_schema and same_wording)


def _find(rows: Mapping[str, tuple[Item, ...]], wanted: str) -> tuple[str, Item]:
    """The dev or test item of this id, however its case and blanks are written, or of this row number."""
    spelt = wanted.strip().casefold()
    row = int(spelt) if spelt.isdecimal() and len(spelt) < _LONGEST_ROW else None
    ways: tuple[Callable[[Item], bool], ...] = (
        lambda item: item.id == wanted,
        lambda item: item.id.strip().casefold() == spelt,
        lambda item: row is not None and item.row == row,
    )
    for way in ways:
        for split in ("test", "dev", "train"):
            for item in rows[split]:
                if way(item) and split == "train":
                    raise UsageError(
                        f"Item {item.id} is a training row: arms learnt from it, and none answered it.",
                        got=wanted,
                        allowed=", ".join(one.id for one in rows["test"][:5]) + ", ...",
                    )
                if way(item):
                    return split, item
    there = [item.id for split in ("test", "dev") for item in rows[split]]
    refusal = no_such("item on dev or test", wanted, there)
    if all(own.startswith("row-") for own in there):
        refusal = UsageError(
            refusal.what,
            got=refusal.got,
            allowed=f"{refusal.allowed}, or a row's number; ids of your own with --id COLUMN in a new run",
        )
    raise refusal
