"""Everything that reads a finished run again: export, new prices, one item, two runs. Calls no model."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import date
from pathlib import Path

from harness.arms.retrieve import guide_of
from harness.bakeoff.answer_sets import AnswerSet, StoredRun, open_run, primary_lanes, read_lanes
from harness.bakeoff.answers import ItemAnswer, without_texts
from harness.bakeoff.between_runs import compare_runs as compare_scored
from harness.bakeoff.between_runs import item_answers
from harness.bakeoff.browse import Shown
from harness.bakeoff.cost import cost_lines
from harness.bakeoff.lookup import no_such
from harness.bakeoff.plan import ExperimentPlan
from harness.bakeoff.prices import check_price_day, prices_for
from harness.bakeoff.quality import Measuring, fit_dev_temperature
from harness.bakeoff.reopen import manifest_of
from harness.bakeoff.run_folder import FROM_JOURNAL, RESULTS, RunFolder, count_looks
from harness.core.context import Context
from harness.core.errors import UsageError
from harness.core.records import Failure, FittedArm, Item, Message, Neighbour, Outcome, Prediction
from harness.models.api.calls import said_as_asked
from harness.recommendation.conclude import conclude, conclude_again
from harness.recommendation.records import RunResults
from harness.recommendation.store import read_results
from harness.report.branding import PLAIN, Branding
from harness.report.files import Reported, write_report
from harness.report.topics.compare import ComparedRuns
from harness.report.topics.items import ExplainedArm, ExplainedItem
from harness.tasks.classification import PROMPT_VERSION, Example, render

_LONGEST_ROW = 10


def export_run(
    folder: RunFolder,
    formats: Sequence[str],
    out_dir: Path,
    context: Context,
    branding: Branding = PLAIN,
    *,
    texts: bool = True,
) -> list[Path]:
    """Write a stored run in other formats.

    Args:
        texts: whether the files may hold texts of the items.

    Raises:
        IncompleteRun, UsageError, StoreError: as `RunFolder.results` and `write_report`; also if the
            results were changed after the run was closed.
    """
    results, closing = closed_results(folder), folder.manifest()
    temperatures = {arm.arm: arm.quality.temperature for arm in results.arms}
    answers: list[ItemAnswer] = []
    labels = tuple(label.name for label in folder.data_facts().labels)
    for found in _primary(folder, context):
        arm = found.settled.arm
        answers += item_answers(arm, found.test, found.outcomes, labels, temperatures.get(arm))
    answers = answers if texts else without_texts(answers)
    reported = Reported(results=results, answers=answers, closing=closing, branding=branding)
    return write_report(reported, formats, out_dir)


def closed_results(folder: RunFolder) -> RunResults:
    """What a run was closed with, or what it concluded so far.

    Raises:
        StoreError: if the plan, or anything the manifest has a digest of, was changed since.
    """
    folder.closed_results()
    return read_results(folder)


def rescore(folder: RunFolder, context: Context, price_date: str) -> RunResults:
    """Measure and decide again, at another day's prices if one is given.

    Raises:
        UsageError: if the day is no date, or no price is known for it.
    """
    plan = folder.plan()
    folder.check(but=FROM_JOURNAL)
    _known_models(folder.run_id, plan, context)
    if price_date:
        try:
            day = date.fromisoformat(price_date)
        except ValueError as error:
            raise UsageError(
                "--price-at is no date.", got=price_date, allowed="such as 2027-01-15"
            ) from error
        check_price_day(day, context)
        plan = plan.model_copy(update={"cost": plan.cost.model_copy(update={"price_date": day})})
    return conclude(folder, stored_looks(folder), context, plan=plan)


def _known_models(run_id: str, plan: ExperimentPlan, context: Context) -> None:
    """A price for a model that the run does not know would change nothing and go unnoticed."""
    known = sorted({arm.model for arm in plan.arms if "/" in arm.model} | set(plan.cost.frontier))
    unknown = [text for text in context.price_overrides if text.partition("=")[0] not in known]
    if unknown:
        raise UsageError(
            f"Run {run_id} has no such model to price.",
            got=", ".join(unknown),
            allowed=", ".join(f"{name}=INPUT/OUTPUT" for name in known) or None,
        )


def store_again(folder: RunFolder, context: Context, *, accept_changes: bool = False) -> RunResults:
    """Measure and decide again, and close the run with that: for older records and damaged ones.

    Args:
        accept_changes: take files that were changed after the run was closed as they are, and say so in
            every report from now on.

    Raises:
        IncompleteRun: if the run was never closed.
        StoreError: if anything that is measured from was changed after the run was closed.
    """
    with folder.writing():
        closed = manifest_of(folder)
        changed = [name for name in folder.changed() if name not in FROM_JOURNAL]
        if changed and not accept_changes:
            folder.check(but=FROM_JOURNAL)
        looks = stored_looks(folder)
        if changed:
            folder.accept(changed, context.clock())
        return conclude_again(folder, looks, closed, context)


def stored_looks(folder: RunFolder) -> int:
    """The looks that the results report, of an earlier version too; counted where these were changed."""
    if RESULTS not in folder.changed(journal=False):
        with suppress(OSError, ValueError, RecursionError):
            raw = json.loads((folder.root / RESULTS).read_text(encoding="utf-8"))
            if isinstance(raw, dict) and isinstance(raw.get("looks"), int):
                return int(raw["looks"])
    return count_looks(folder.root.parent, folder.data_facts().digests["test"], folder.plan().digest)


def compare_two(a: RunFolder, b: RunFolder, context: Context) -> ComparedRuns:
    """Two runs arm by arm, paired where they share their test items."""
    plan = a.plan()
    a.check()
    b.check()
    scored_a = {found.settled.arm: found.test for found in _primary(a, context)}
    scored_b = {found.settled.arm: found.test for found in _primary(b, context)}
    how = Measuring.of(plan)
    across = compare_scored(scored_a, scored_b, plan.decision.margin, how)
    return ComparedRuns(a=read_results(a), b=read_results(b), across=across)


def explain_item(folder: RunFolder, item_id: str, context: Context) -> ExplainedItem:
    """One item in every arm, rendered again from the stored rows.

    Raises:
        UsageError: if the run has no such dev or test item.
    """
    folder.check()
    desk = open_run(folder, context, folder.plan())
    split, item = _find(desk.items, item_id)
    lanes = primary_lanes(read_lanes(folder, desk), desk.plan)
    arms = tuple(_explained(found, split, item, desk) for found in lanes)
    return ExplainedItem(run_id=folder.run_id, split=split, item=item, arms=arms)


def _primary(folder: RunFolder, context: Context) -> list[AnswerSet]:
    desk = open_run(folder, context, folder.plan())
    return primary_lanes(read_lanes(folder, desk), desk.plan)


def _explained(found: AnswerSet, split: str, item: Item, desk: StoredRun) -> ExplainedArm:
    arm, identity = found.settled.arm, found.settled.identity
    outcomes, scored = (found.outcomes, found.test) if split == "test" else (found.dev_outcomes, found.dev)
    outcome = outcomes[item.id]
    temperature = fit_dev_temperature(found.dev)
    answers = item_answers(arm, scored, outcomes, desk.labels, temperature)
    neighbours = outcome.neighbours if isinstance(outcome, Prediction) else ()
    return ExplainedArm(
        arm=arm,
        messages=_messages(found.settled, item, outcome, desk),
        neighbours=_shown(neighbours, desk),
        answer=next(answer for answer in answers if answer.item_id == item.id),
        failure_message=outcome.message if isinstance(outcome, Failure) else "",
        usage=outcome.usage,
        timing=outcome.timing,
        attempts=outcome.attempts,
        lines=cost_lines([outcome], identity, prices_for(identity, desk.book, desk.machine)),
        note="Price lines are for 1,000 queries like this one.",
    )


def _messages(settled: FittedArm, item: Item, outcome: Outcome, desk: StoredRun) -> tuple[Message, ...]:
    """The messages as they were sent: the wording is frozen, and the examples are in the journal."""
    if not settled.arm.option.traits.needs_model:
        return ()
    train = {row.id: row for row in desk.items["train"]}
    answered = outcome if isinstance(outcome, Prediction) else None
    rows = [train[near.item_id] for near in reversed(answered.neighbours)] if answered else []
    messages = render(
        settled.arm.option,
        item,
        labels=desk.facts.labels,
        examples=[Example(text=row.text, label=row.label) for row in rows],
        limits=desk.plan.prompt.limits,
        guide=guide_of(settled.fitted),
    )
    by_schema = answered is not None and answered.form == "schema"
    return said_as_asked(messages, schema=by_schema and desk.plan.prompt.version == PROMPT_VERSION)


def _shown(neighbours: Sequence[Neighbour], desk: StoredRun) -> tuple[Shown, ...]:
    train = {row.id: row for row in desk.items["train"]}
    return tuple(
        Shown(
            rank=near.rank,
            item_id=near.item_id,
            text=train[near.item_id].text,
            label=train[near.item_id].label,
            score=near.score,
        )
        for near in neighbours
    )


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
