"""From the journal to everything a run concludes: scores, robustness, money, prediction, recommendation.

Calls no model, so an old run can be scored or priced again.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from advisor.options import Option, TaskKind
from harness.bakeoff.answer_sets import AnswerSet, StoredRun, open_run, primary_lanes, read_lanes
from harness.bakeoff.charged import charged
from harness.bakeoff.limit_checks import RobustShares, acceptable
from harness.bakeoff.plan import ExperimentPlan
from harness.bakeoff.results import BakeoffResults
from harness.bakeoff.run_folder import Manifest, RunFolder
from harness.bakeoff.score import Scores, score_run
from harness.core.context import Context
from harness.core.records import ArmId
from harness.freshness.store import drill_of
from harness.load.records import ArmLoad
from harness.load.store import loads_of
from harness.money.of_run import calls_to_settle, frontier_gaps, grounds_of, outlook_of, published_for
from harness.money.records import Grounds
from harness.recommendation.choose import against_it, choose
from harness.recommendation.recommend import Found, recommend
from harness.recommendation.records import RunResults
from harness.recommendation.store import together, write_results
from harness.robustness.checks import robustness_of
from harness.robustness.records import ArmRobustness
from harness.robustness.store import unseen_of
from harness.track_record.advice_check import check_advice


def conclude(
    folder: RunFolder, looks: int, context: Context, plan: ExperimentPlan | None = None
) -> RunResults:
    """Measure every arm of the run, compare them, decide and recommend.

    Args:
        plan: the run's own when None; another one prices it at another day.

    Raises:
        IncompleteRun: if an arm has items without an outcome.
    """
    return _conclude(folder, looks, context, plan)[0]


def conclude_some(folder: RunFolder, arms: Sequence[ArmId], context: Context) -> RunResults:
    """What the arms that have answered say alone, while the run goes on. Stores nothing and is no look.

    Raises:
        IncompleteRun: if one of these arms has items without an outcome.
    """
    plan = folder.plan()
    some = plan.model_copy(update={"arms": [arm for arm in plan.arms if arm.id in arms]})
    return _conclude(folder, 0, context, some)[0]


def conclude_and_store(folder: RunFolder, looks: int, context: Context) -> RunResults:
    """`conclude`, stored in the run with every arm's answers; the run is open until its manifest is written.

    Raises:
        IncompleteRun: as `conclude`.
        StoreError: if the folder cannot be written.
    """
    results, scores = _conclude(folder, looks, context, None)
    folder.reopen()  # only now: a run that cannot be concluded stays as it was
    folder.write_answers({str(arm): scored.answer.tolist() for arm, scored in scores.scored.items()})
    write_results(folder, results)
    return results


def conclude_again(folder: RunFolder, looks: int, closed: Manifest | None, context: Context) -> RunResults:
    """Conclude, store, and write the manifest anew; what `closed` says of the machine is kept.

    Args:
        looks: how many looks at the test rows are to be reported.
        closed: the manifest the run had; a run without one stays open.
    """
    results = conclude_and_store(folder, looks, context)
    if closed is not None:
        folder.write_manifest(
            finished_at=context.clock(), wall_s=closed.wall_s, environment=closed.environment
        )
    return results


def _conclude(
    folder: RunFolder, looks: int, context: Context, plan: ExperimentPlan | None
) -> tuple[RunResults, Scores]:
    """What is concluded, and from which scores."""
    run = open_run(folder, context, plan or folder.plan())
    sets = read_lanes(folder, run)
    looked_at = _robustness(folder, run, sets)
    scores = score_run(folder, run, sets, looks, {found.arm: shares for found, shares in looked_at})
    return _together(folder, run, scores, tuple(found for found, _ in looked_at)), scores


def _robustness(
    folder: RunFolder, run: StoredRun, sets: list[AnswerSet]
) -> tuple[tuple[ArmRobustness, RobustShares], ...]:
    unseen = unseen_of(folder)
    found = (
        robustness_of(answers, sets, run, unseen.get(str(answers.settled.arm), ()))
        for answers in primary_lanes(sets, run.plan)
    )
    return tuple(one for one in found if one is not None)


def _together(
    folder: RunFolder, run: StoredRun, scores: Scores, robustness: tuple[ArmRobustness, ...]
) -> RunResults:
    results, plan = scores.results, run.plan
    ours, grounds = _ours(results), _grounds(run, scores, loads_of(folder))
    before = outlook_of(ours, plan, grounds, None)  # no arm's month hangs on what ships
    months = {arm.arm: arm.month_usd for arm in before.arms}
    choice = choose(
        results, plan.decision, months, lambda arm: against_it(arm, results, plan.decision, before)
    )
    outlook = outlook_of(ours, plan, grounds, choice.ship)
    ship = None if choice.ship is None else results.arm(choice.ship)
    hosted, of_labels = results.frontier_measured, run.facts.task is TaskKind.CLASSIFICATION
    calls = calls_to_settle(run.items)
    recommendation = recommend(
        Found(
            results=results,
            choice=choice,
            outlook=outlook,
            findings=run.facts.findings,
            frontier=() if hosted else frontier_gaps(run, results.arms, ship, calls),
            published=() if hosted or not of_labels else published_for(run.facts.name),
            drill=drill_of(folder),
        )
    )
    answers = choice.ship
    if answers is not None and answers.to_today:
        answers = next((part.arm for part in results.parts(answers)), answers)
    advice = (
        None if plan.advice is None else check_advice(plan.advice, results.arms, results.verdict, answers)
    )
    return together(folder, results, outlook, recommendation, robustness, advice)


def _ours(results: BakeoffResults) -> BakeoffResults:
    """The results without arms from outside, whose costs nobody here knows."""
    arms = tuple(arm for arm in results.arms if arm.arm.option is not Option.EXTERNAL)
    return dataclasses.replace(results, arms=arms)


def _grounds(run: StoredRun, scores: Scores, load: Sequence[ArmLoad]) -> Grounds:
    results = scores.results
    near = acceptable(run.plan.decision, results.arms, results.verdict.limits, results.comparisons)
    ours = [answers for answers in scores.primary if answers.settled.arm.option is not Option.EXTERNAL]
    paid = {answers.settled.arm: charged(answers, run) for answers in ours}
    loaded = {one.arm: one.full.per_second for one in load if one.full is not None}
    return grounds_of(_ours(results), run, ours, paid, [arm.arm for arm in near], loaded)
