"""Items and answers of a stored run, a few at a time, straight from its files. Calls no model.

A run may hold a hundred thousand answers, so none of this reads them all: the index keeps where each item
stands in `items.jsonl`, the marks keep one small number an item, stored with the results, and the texts of
a page are read when it is shown.
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from advisor.money.usage import Usage
from advisor.options import Option
from harness.bakeoff.answers import ItemAnswer
from harness.bakeoff.between_runs import item_answers
from harness.bakeoff.evalset import stored_passages
from harness.bakeoff.journal import Lane
from harness.bakeoff.results import BakeoffResults
from harness.bakeoff.run_folder import RunFolder
from harness.core.errors import StoreError
from harness.core.records import (
    ArmId,
    Completion,
    Failure,
    FittedArm,
    Item,
    Neighbour,
    Outcome,
    Passage,
    Timing,
)
from harness.core.references import Reference
from harness.core.serial import decode_item
from harness.tasks.kinds import task_of
from harness.tasks.question_breakdown import AnswerDetail, Owner
from harness.tasks.scoring import score
from harness.tasks.wording import in_words

INVALID, FAILED, NOTHING = -1, -2, -3
"""Marks below the label codes: no label could be read, no answer came, no outcome is stored."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemIndex:
    """Where the items of a run stand.

    Attributes:
        labels: the label set; `truth` holds codes into it, by test item.
        places, train: where an item begins in `items.jsonl`, in bytes: by test item, and by id for train.
        slices: (column, value) pairs by test item.
    """

    labels: tuple[str, ...]
    ids: tuple[str, ...]
    truth: array[int]
    places: array[int]
    slices: tuple[tuple[tuple[str, str], ...], ...]
    train: Mapping[str, int] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A training item or a passage that an arm was shown with a query; its text is empty where it is gone.

    Attributes:
        label: the item's own, or the document of a passage.
        cited: the answer cites this passage.
        evidence: the quotes of the question's evidence that stand in this passage.
    """

    item_id: str
    text: str
    label: str
    rank: int
    score: float
    cited: bool = False
    evidence: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class BrowsedAnswer:
    """What one arm made of an item.

    Attributes:
        detail: what the task saw of an answer to a question; None of another kind.
    """

    answer: ItemAnswer
    failure_message: str
    shown: tuple[Shown, ...]
    timing: Timing | None
    usage: Usage | None
    detail: AnswerDetail | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BrowsedItem:
    """An item with every arm's answer; arms without an outcome for it are left out."""

    item: Item
    answers: tuple[BrowsedAnswer, ...]


def read_index(folder: RunFolder) -> ItemIndex:
    """Where every item stands.

    Raises:
        StoreError: if the rows are damaged.
    """
    labels = tuple(label.name for label in folder.data_facts().labels)
    code = {label: number for number, label in enumerate(labels)}
    ids: list[str] = []
    truth, places = array("i"), array("q")
    slices: list[tuple[tuple[str, str], ...]] = []
    known: dict[tuple[tuple[str, str], ...], tuple[tuple[str, str], ...]] = {}
    train: dict[str, int] = {}
    at = 0
    try:
        with (folder.root / "items.jsonl").open("rb") as file:
            for line in file:
                row = json.loads(str(line, "utf-8"))
                item = row["item"]
                if row["split"] == "test":
                    label = item.get("target", item.get("label"))  # an older run names it otherwise
                    ids.append(item["id"])
                    truth.append(code[label] if isinstance(label, str) else 0)
                    places.append(at)
                    pairs = tuple((column, value) for column, value in item["slices"])
                    slices.append(known.setdefault(pairs, pairs))
                elif row["split"] == "train":
                    train[item["id"]] = at
                at += len(line)
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise StoreError(f"items.jsonl of run {folder.run_id} is damaged.", got=str(error)[:80]) from error
    return ItemIndex(
        labels=labels, ids=tuple(ids), truth=truth, places=places, slices=tuple(slices), train=train
    )


def primary_settled(folder: RunFolder, results: BakeoffResults) -> dict[ArmId, FittedArm]:
    """What each arm settled on, the first training seed of tuned arms; a route answers nothing itself."""
    plan = folder.plan()
    seeds = (plan.training_seeds[0], plan.seed)
    with folder.journal(read_only=True) as journal:
        stored = {(settled.arm, settled.seed): settled for settled in journal.settled()}
    found = {}
    for arm in results.arms:
        if arm.arm.option is not Option.ROUTE:
            mine = [stored[arm.arm, seed] for seed in seeds if (arm.arm, seed) in stored]
            if mine:
                found[arm.arm] = mine[0]
    return found


def read_marks(folder: RunFolder, settled: FittedArm, index: ItemIndex) -> array[int]:
    """One number a test item: the code of the label that was answered, or one of the marks below 0.

    They are stored with the results; a run from before they were is read answer by answer.
    """
    stored = folder.answers().get(str(settled.arm), [])
    if len(stored) == len(index.ids):
        return array("i", stored)
    lane = _lane(settled)
    task = task_of(folder.data_facts().space)
    code = {label: number for number, label in enumerate(index.labels)}
    read: dict[str, int] = {}
    found: dict[str, int] = {}
    with folder.journal(read_only=True) as journal:
        for key, failed, text in journal.answers(lane):
            raw = text or ""
            if not failed and raw not in read:  # most answers are one of the labels, over and over
                answer = task.parse(raw)
                read[raw] = INVALID if answer is None else code.get(in_words(answer), 0)
            found[key] = FAILED if failed else read[raw]
    rows = _rows(folder, index.places)
    return array("i", (found.get(lane.key_of(row["id"], row["text"]), NOTHING) for row in rows))


def read_owners(folder: RunFolder, settled: FittedArm, index: ItemIndex) -> tuple[Owner | None, ...]:
    """Whose each test question's wrong answer is; None of a right answer, and where there is none."""
    items = _items(folder, index.places)
    with folder.journal(read_only=True) as journal:
        outcomes = journal.outcomes_of(_lane(settled), items)
    here = [item for item in items if item.id in outcomes]
    scored = score(here, outcomes, task_of(folder.data_facts().space))
    details = {item.id: one.detail for item, one in zip(here, scored.scores, strict=True)}
    found = {name: one.owner for name, one in details.items() if isinstance(one, AnswerDetail)}
    return tuple(found.get(item.id) for item in items)


def read_page(
    folder: RunFolder, results: BakeoffResults, index: ItemIndex, numbers: Sequence[int]
) -> tuple[BrowsedItem, ...]:
    """These test items, by their number in the index, with every arm's answer to them."""
    items = _items(folder, [index.places[number] for number in numbers])
    answers: dict[str, list[BrowsedAnswer]] = {item.id: [] for item in items}
    temperatures = {arm.arm: arm.quality.temperature for arm in results.arms}
    passages = stored_passages(folder)
    task = task_of(folder.data_facts().space, passages=passages)
    settled = primary_settled(folder, results)
    with folder.journal(read_only=True) as journal:
        stored = {arm: journal.outcomes_of(_lane(found), items) for arm, found in settled.items()}
    for arm, outcomes in stored.items():
        here = [item for item in items if item.id in outcomes]
        scored = score(here, outcomes, task)
        found = zip(item_answers(arm, scored, temperatures[arm]), here, scored.scores, strict=True)
        for answer, item, one in found:
            outcome = outcomes[item.id]
            if isinstance(one.detail, AnswerDetail):
                shown = shown_passages(item, one.detail, outcome, passages)
            else:
                shown = _shown_rows(outcome, folder, index)
            answers[item.id].append(_browsed(answer, outcome, shown, one.detail))
    return tuple(BrowsedItem(item=item, answers=tuple(answers[item.id])) for item in items)


def _browsed(answer: ItemAnswer, outcome: Outcome, shown: tuple[Shown, ...], detail: object) -> BrowsedAnswer:
    return BrowsedAnswer(
        answer=answer,
        failure_message=outcome.message if isinstance(outcome, Failure) else "",
        shown=shown,
        timing=outcome.timing,
        usage=outcome.usage,
        detail=detail if isinstance(detail, AnswerDetail) else None,
    )


def shown_passages(
    item: Item, detail: AnswerDetail, outcome: Outcome, passages: Mapping[str, Passage]
) -> tuple[Shown, ...]:
    """The passages that an arm was shown with a question, the nearest first."""
    stated = item.target.evidence if isinstance(item.target, Reference) else ()
    found = []
    for near in _nearest_first(outcome):
        passage = passages.get(near.item_id)
        found.append(
            Shown(
                item_id=near.item_id,
                text="" if passage is None else passage.whole,
                label="" if passage is None else place_of(passage),
                rank=near.rank,
                score=near.score,
                cited=near.item_id in detail.cited,
                evidence=tuple(one.quote for one in stated if near.item_id in one.passages),
            )
        )
    return tuple(found)


def place_of(passage: Passage) -> str:
    """Where a passage stands: its document, with the page where it has pages."""
    return passage.document if passage.page is None else f"{passage.document}, page {passage.page}"


def _shown_rows(outcome: Outcome, folder: RunFolder, index: ItemIndex) -> tuple[Shown, ...]:
    near = _nearest_first(outcome)
    places = [index.train[one.item_id] for one in near if one.item_id in index.train]
    return shown_rows(near, _items(folder, places))


def shown_rows(near: Sequence[Neighbour], rows: Sequence[Item]) -> tuple[Shown, ...]:
    """Training rows that an arm was shown, with what stands in them as far as they are among these."""
    found = {row.id: (row.text, in_words(row.target)) for row in rows}
    return tuple(
        Shown(
            rank=one.rank,
            item_id=one.item_id,
            text=found.get(one.item_id, ("", ""))[0],
            label=found.get(one.item_id, ("", ""))[1],
            score=one.score,
        )
        for one in near
    )


def _nearest_first(outcome: Outcome) -> list[Neighbour]:
    near = outcome.neighbours if isinstance(outcome, Completion) else ()
    return sorted(near, key=lambda one: one.rank)


def _items(folder: RunFolder, places: Sequence[int]) -> list[Item]:
    """The items that begin at these bytes."""
    try:
        return [decode_item(json.dumps(row)) for row in _rows(folder, places)]
    except (ValueError, TypeError, RecursionError) as error:
        raise StoreError(f"items.jsonl of run {folder.run_id} changed while it was read.") from error


def _rows(folder: RunFolder, places: Sequence[int]) -> Iterator[dict[str, Any]]:
    """The same, as they are stored."""
    try:
        with (folder.root / "items.jsonl").open("rb") as file:
            for place in places:
                file.seek(place)
                yield json.loads(str(file.readline(), "utf-8"))["item"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise StoreError(f"items.jsonl of run {folder.run_id} changed while it was read.") from error


def _lane(settled: FittedArm) -> Lane:
    return Lane(arm=settled.arm, seed=settled.seed, split="test", config=settled.config)
