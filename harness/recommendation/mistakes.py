"""The wrong answers of one arm, read from the stored outcomes. Calls no model; a run may be incomplete."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from advisor.options import Option, TaskKind
from harness.bakeoff.answer_sets import read_lane
from harness.bakeoff.answers import ItemAnswer, without_texts
from harness.bakeoff.between_runs import item_answers
from harness.bakeoff.journal import Journal, Lane
from harness.bakeoff.lookup import find_arm, no_such
from harness.bakeoff.results import RouteToToday
from harness.bakeoff.run_folder import FROM_JOURNAL, RunFolder
from harness.core.errors import IncompleteRun, StoreError, UsageError
from harness.core.records import ArmId, FittedArm, Item
from harness.recommendation.records import RunResults
from harness.recommendation.store import read_results
from harness.tasks.base import Task
from harness.tasks.kinds import task_of
from harness.tasks.measures import fit_dev_temperature
from harness.tasks.scored import Scored

Chosen = Literal["named", "shipped", "to pilot", "best on dev"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmErrors:
    """What one arm got wrong on the test items that it has an outcome for.

    Attributes:
        chosen: why this arm: it was named, it is the one to ship or to pilot, or it did best on dev.
        items, answered: test items of the run (of `label`, where one is asked for), and those with an
            outcome of this arm.
        label: only items of this label; '' for all.
        wrong: answers that are not wholly right, the most confident first; those without a confidence last.
        invalid: answers that could not be read.
        failed: items without an answer.
        notes: what a reader must know about the state of the run.
        explain: the command that shows the first of them in every arm; '' without any.
    """

    run_id: str
    arm: ArmId
    chosen: Chosen
    items: int
    answered: int
    label: str
    wrong: tuple[ItemAnswer, ...]
    invalid: tuple[ItemAnswer, ...]
    failed: tuple[ItemAnswer, ...]
    notes: tuple[str, ...] = ()
    explain: str = ""
    task: TaskKind = TaskKind.CLASSIFICATION


def first_of(found: ArmErrors, limit: int | None) -> ArmErrors:
    """At most `limit` of each kind; None leaves all."""
    if limit is None:
        return found
    return replace(
        found, wrong=found.wrong[:limit], invalid=found.invalid[:limit], failed=found.failed[:limit]
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorsRequest:
    """Which wrong answers.

    Attributes:
        arm: '' for the arm to ship, or the best on dev where none is shipped.
        label: only items of this label; '' for all.
        texts: whether texts of items, and answers as they came, may be shown.
    """

    arm: str = ""
    label: str = ""
    texts: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stored:
    """What the journal holds of one arm."""

    settled: FittedArm
    dev: Scored
    test: Scored

    def answers(self, temperature: float | None = None) -> tuple[ItemAnswer, ...]:
        """Every test item with an outcome; confidences at the temperature that fits dev, or at another."""
        fitted = fit_dev_temperature(self.dev) if temperature is None else temperature
        return item_answers(self.settled.arm, self.test, fitted)


def arm_errors(folder: RunFolder, request: ErrorsRequest) -> ArmErrors:
    """The wrong answers of an arm.

    Raises:
        UsageError: if the run has no such arm or label.
        IncompleteRun: if no arm has an answer yet.
        StoreError: if the rows or the journal cannot be read.
    """
    folder.check(but=FROM_JOURNAL)
    facts = folder.data_facts()
    labels = tuple(label.name for label in facts.labels)
    if request.label and request.label not in labels:
        raise no_such("label", request.label, labels)
    items = folder.items()
    with folder.journal(read_only=True) as journal:
        stored = _stored(journal, folder, items, task_of(facts.space))
    if not stored:
        raise IncompleteRun(f"Run {folder.run_id} has no answers yet.", run=folder.command("resume"))
    results, notes = _results(folder)
    arm, chosen = _choose(stored, results, request.arm)
    answers = stored[arm].answers() if arm in stored else _routed(arm, stored, results)
    test = [item for item in items["test"] if request.label in ("", item.target)]
    among = [answer for answer in answers if request.label in ("", answer.label)]
    if len(among) < len(test):
        missing = len(test) - len(among)
        lacks = "are handed to today's way" if arm.to_today else "have no outcome of this arm yet"
        notes.append(f"{missing:,} of {len(test):,} test items {lacks}.")
    kept = among if request.texts else without_texts(among)
    wrong = [answer for answer in kept if answer.answer is not None and not answer.correct]
    wrong.sort(key=lambda answer: 1.0 if answer.confidence is None else -answer.confidence)
    invalid = [answer for answer in kept if answer.answer is None and not answer.failure]
    failed = [answer for answer in kept if answer.failure]
    first = [answer.item_id for answer in (*wrong, *invalid, *failed)][:1]
    return ArmErrors(
        run_id=folder.run_id,
        task=facts.task,
        arm=arm,
        chosen=chosen,
        items=len(test),
        answered=len(among),
        label=request.label,
        wrong=tuple(wrong),
        invalid=tuple(invalid),
        failed=tuple(failed),
        notes=tuple(notes),
        explain=folder.command("explain", *first) if first else "",
    )


def _results(folder: RunFolder) -> tuple[RunResults | None, list[str]]:
    """What the run concluded, and what is to be said of its state; answers count without a conclusion."""
    try:
        folder.check()
        results = read_results(folder)
        if folder.manifest() is None:
            return results, [f"The run is not closed yet; {folder.command('resume')} closes it."]
        return results, []
    except IncompleteRun:
        return None, [f"The run is incomplete; {folder.command('resume')} goes on with it."]
    except StoreError as error:
        return None, [f"{error.what} The answers below come from the journal."]


def _stored(
    journal: Journal, folder: RunFolder, items: Mapping[str, Sequence[Item]], task: Task
) -> dict[ArmId, _Stored]:
    plan = folder.plan()
    first = (plan.training_seeds[0], plan.seed)
    found: dict[ArmId, _Stored] = {}
    for settled in sorted(journal.settled(), key=lambda one: one.seed not in first[:1]):
        if settled.arm in found or (settled.seed not in first and settled.arm.option is not Option.EXTERNAL):
            continue
        lane = Lane(arm=settled.arm, seed=settled.seed, split="test", config=settled.config)
        test = read_lane(journal, task, lane, items["test"])
        dev = read_lane(journal, task, replace(lane, split="dev"), items["dev"])
        if test.items:
            found[settled.arm] = _Stored(settled=settled, dev=dev, test=test)
    return found


def _choose(stored: Mapping[ArmId, _Stored], results: RunResults | None, named: str) -> tuple[ArmId, Chosen]:
    arms = list(stored)
    if results is not None:
        arms += [arm.arm for arm in results.arms if arm.arm.option.traits.composed]
    if named:
        return find_arm(arms, named), "named"
    if results is not None and results.recommendation.ship in arms:
        return results.recommendation.ship, "shipped"
    if results is not None and results.recommendation.pilot in arms:
        return results.recommendation.pilot, "to pilot"
    return max(stored, key=lambda arm: _dev_mean(stored[arm].dev)), "best on dev"


def _dev_mean(dev: Scored) -> float:
    return float(dev.values.mean()) if len(dev.items) else -1.0


def _routed(
    arm: ArmId, stored: Mapping[ArmId, _Stored], results: RunResults | None
) -> tuple[ItemAnswer, ...]:
    """The answers of a route; what it hands to today's way is not among them."""
    assert results is not None
    if arm.to_today:
        return _kept(arm, stored, results.route_to_today)
    route = results.route
    assert route is not None
    if route.threshold is None or route.first not in stored or route.then not in stored:
        raise UsageError("The route of this run has no threshold, so it answers nothing.", got=str(arm))
    then = {answer.item_id: answer for answer in stored[route.then].answers()}
    routed = []
    for answer in stored[route.first].answers():
        sure = answer.confidence is not None and answer.confidence >= route.threshold
        if sure or answer.item_id in then:
            routed.append(replace(answer if sure else then[answer.item_id], arm=arm))
    return tuple(routed)


def _kept(arm: ArmId, stored: Mapping[ArmId, _Stored], route: RouteToToday | None) -> tuple[ItemAnswer, ...]:
    if route is None or route.threshold is None or route.first is None or route.first not in stored:
        raise UsageError("The route of this run has no threshold, so it answers nothing.", got=str(arm))
    found, threshold = stored[route.first].answers(route.temperature), route.threshold
    return tuple(
        replace(answer, arm=arm)
        for answer in found
        if answer.confidence is not None and answer.confidence >= threshold
    )
