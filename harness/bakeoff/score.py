"""From the journal to scores, comparisons and the answer. Calls no model, so an old run is scored again."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from advisor.money.ledger import scaled
from advisor.options import Option
from advisor.stats.power import Design
from harness.bakeoff.answer_sets import AnswerSet, StoredRun, primary_lanes, read_lane
from harness.bakeoff.busy import marked
from harness.bakeoff.charged import charged, either_busy, latency_of, paid_busy, paid_lines
from harness.bakeoff.compare import Aim, ItemValues, compare_arms
from harness.bakeoff.cost import ledger_cost, measure_cost
from harness.bakeoff.diagnose import diagnose
from harness.bakeoff.journal import Lane
from harness.bakeoff.latency import measure_latency, timed_seconds
from harness.bakeoff.limit_checks import Held, RobustShares, check_limits, decide, pairs_to_compare
from harness.bakeoff.outside import cost_outside, latency_outside
from harness.bakeoff.prices import prices_for
from harness.bakeoff.quality import measure_quality, two_annotators
from harness.bakeoff.results import (
    ArmResult,
    BakeoffResults,
    Comparison,
    Cost,
    DataSummary,
    LimitCheck,
    RouteDesign,
    SeedResult,
    ServedAnswers,
)
from harness.bakeoff.route import RouteArm, compose, design_route, route_fitted
from harness.bakeoff.route_today import RoutedArm, route_to_today
from harness.bakeoff.run_folder import RunFolder
from harness.core.records import ArmId, Completion, Estimate, Outcome
from harness.tasks.base import primary as task_metric
from harness.tasks.measures import confidence, everything, fit_dev_temperature, mean
from harness.tasks.scored import Scored
from harness.tasks.scoring import score


@dataclass(frozen=True, slots=True, kw_only=True)
class _Route:
    """A composed route, measured like any arm."""

    result: ArmResult
    test: Scored
    timed_s: list[float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """What was measured, and from which answers to the test items.

    Attributes:
        primary: one answer set an arm, that of the first seed.
    """

    results: BakeoffResults
    scored: Mapping[ArmId, Scored]
    primary: tuple[AnswerSet, ...]


def score_run(
    folder: RunFolder,
    run: StoredRun,
    sets: Sequence[AnswerSet],
    looks: int,
    shares: Mapping[ArmId, RobustShares],
) -> Scores:
    """Measure every arm of a run, compare them and decide.

    Args:
        run: with the plan to price and decide by; the folder's own unless another day is asked for.
        sets: every lane of the run (`read_lanes`).
        shares: what was found of an arm's robustness, where a limit may be set on it.
    """
    primary = primary_lanes(sets, run.plan)
    arms = [_arm_result(answers, sets, run) for answers in primary]
    scored = {answers.settled.arm: answers.test for answers in primary}
    timed = {a.settled.arm: timed_seconds(a.warm, a.test, a.settled.identity) for a in primary}
    design = handing = routed = None
    if run.plan.to_today:  # from single arms alone
        handing, routed = route_to_today(primary, arms, run)
    asked = any(arm.option is Option.ROUTE and not arm.id.to_today for arm in run.plan.arms)
    if asked:
        design, route = _route(primary, arms, folder, run)
        if route is not None:
            arms.append(route.result)
            scored[route.result.arm] = route.test
            timed[route.result.arm] = route.timed_s
    answered = scored | {a.settled.arm: a.all_rows for a in primary if a.all_rows is not None}
    held = [_held(arm, answered[arm.arm], timed[arm.arm], shares.get(arm.arm)) for arm in arms]
    values = {arm: ItemValues.of(answers) for arm, answers in scored.items()}
    measured = tuple(arms)
    if routed is not None and handing is not None and handing.first is not None:
        arms.append(routed.result)
        held.append(_held_route(routed, answered[handing.first], timed[handing.first], run))
        values[routed.result.arm] = dataclasses.replace(values[handing.first], values=routed.values)
    limits = check_limits(run.plan.decision, held)
    comparisons = _comparisons(arms, limits, values, run)
    lock = folder.lock()
    results = BakeoffResults(
        run_id=lock.run_id,
        plan_digest=lock.plan_digest,  # also where it is priced at another day: no other plan was run
        seed=run.plan.seed,
        looks=looks,
        margin=run.plan.decision.margin,
        task=run.plan.task,
        metrics=run.task.metrics,
        data=_data_summary(run),
        arms=tuple(arms),
        comparisons=comparisons,
        route=design,
        route_to_today=handing,
        verdict=decide(arms, comparisons, limits),
        route_asked=asked,
        accepted=folder.accepted(),
        failed=folder.failed(),
        diagnosis=tuple(
            diagnose(
                arm.arm,
                scored[arm.arm],
                [1000 * s for s in timed[arm.arm]],
                run.labels,
                arm.quality.temperature,
                run.how,
            )
            for arm in measured
        ),
    )
    return Scores(results=results, scored=scored, primary=tuple(primary))


def _held(arm: ArmResult, answered: Scored, timed_s: Sequence[float], shares: RobustShares | None) -> Held:
    return Held(
        arm=arm,
        values=answered.values,
        clusters=answered.clusters,
        timed_ms=[1000 * s for s in timed_s],
        shares=shares or RobustShares(),
    )


def _held_route(routed: RoutedArm, answered: Scored, timed_s: Sequence[float], run: StoredRun) -> Held:
    """A route to today's way: its quality is blended, and the time of what it hands over is only stated."""
    today = run.plan.business.incumbent if run.plan.business else None
    return Held(
        arm=routed.result,
        values=answered.values,
        clusters=answered.clusters,
        timed_ms=[1000 * s for s in timed_s],
        shares=RobustShares(handed_back=routed.handed_back),
        blend=routed.blend,
        handed=routed.handed,
        today_p95_ms=None if today is None else today.p95_ms,
    )


def _arm_result(answers: AnswerSet, lanes: Sequence[AnswerSet], run: StoredRun) -> ArmResult:
    settled = answers.settled
    overlap = frozenset(run.facts.overlap)
    quality = measure_quality(answers.dev, answers.test, run.task, overlap, run.how)
    on_all = _on_all_rows(answers, run)
    best = on_all or quality.primary
    prices = prices_for(settled.identity, run.plan, run.book)
    outside = settled.arm.option is Option.EXTERNAL
    siblings = [a for a in lanes if a.settled.arm == settled.arm] if settled.arm.option.traits.tuned else []
    return ArmResult(
        arm=settled.arm,
        identity=settled.identity,
        fitted=settled.fitted,
        quality=quality,
        latency=latency_outside() if outside else latency_of(answers),
        cost=cost_outside(best)
        if outside
        else marked(
            measure_cost(answers.test, charged(answers, run), settled.identity, best, prices),
            paid_busy(answers, run),
        ),
        seeds=tuple(
            SeedResult(
                seed=a.settled.seed,
                primary=mean(task_metric(run.task).name, a.test, a.test.values, everything(a.test), run.how),
            )
            for a in siblings
        ),
        peak_memory_mib=answers.peak_memory_mib,
        primary_all_rows=on_all,
        served=_served(answers.test),
    )


def _served(test: Scored) -> ServedAnswers | None:
    """What providers said of an arm's answers; None where they said nothing."""
    answered = (one for one in test.outcomes.alike if isinstance(one, Completion))
    given = [one for one in answered if one.served_by or one.form]
    if not given:
        return None
    return ServedAnswers(
        by=tuple(Counter(one.served_by for one in given if one.served_by).most_common()),
        answers=len(given),
        plain=sum(one.form == "plain" for one in given) if any(one.form == "schema" for one in given) else 0,
        left_out=tuple(dict.fromkeys(name for one in given for name in one.left_out)),
    )


def _on_all_rows(answers: AnswerSet, run: StoredRun) -> Estimate | None:
    whole = answers.all_rows
    if whole is None:
        return None
    name = f"{task_metric(run.task).name} on all test rows"
    return mean(name, whole, whole.values, everything(whole), run.how)


def _comparisons(
    arms: Sequence[ArmResult],
    limits: Sequence[LimitCheck],
    values: Mapping[ArmId, ItemValues],
    run: StoredRun,
) -> tuple[Comparison, ...]:
    """The pair first, then the others that the report and the recommendation need."""
    primary, others = pairs_to_compare(arms, limits)
    decision = run.plan.decision
    design = Design(power=decision.power, level=1 - decision.alpha_each)
    aim = Aim(metric=task_metric(run.task).name, margin=decision.margin, design=design)
    return compare_arms(primary, others, values, aim)


def _route(
    primary: Sequence[AnswerSet], arms: Sequence[ArmResult], folder: RunFolder, run: StoredRun
) -> tuple[RouteDesign | None, _Route | None]:
    """Route from the dev leader among cheap arms to the best prompted arm; served ones come first."""
    by_arm = {arm.arm: arm for arm in arms}
    traits = [(answers, answers.settled.arm.option.traits) for answers in primary]
    fitted = [answers for answers, one in traits if one.trained and not one.composed]
    first = _best(fitted, by_arm, prefer_served=False)
    then = _best([answers for answers, one in traits if one.prompted], by_arm, prefer_served=True)
    if first is None or then is None:
        return None, None
    one, two = _side(first, by_arm), _side(then, by_arm)
    design = design_route(one, two, run.how)
    if design.threshold is None:
        return design, None
    return design, _route_result(design, first, then, one, folder, run)


def _route_result(
    design: RouteDesign,
    first: AnswerSet,
    then: AnswerSet,
    side: RouteArm,
    folder: RunFolder,
    run: StoredRun,
) -> _Route:
    arm = next(a.id for a in run.plan.arms if a.option is Option.ROUTE and not a.id.to_today)
    dev_items, test_items = run.items["dev"], run.items["test"]
    sure = _confidences(first.dev, side) | _confidences(first.test, side)
    sides = (_by_item(first.dev), _by_item(then.dev)), (_by_item(first.test), _by_item(then.test))
    dev = score(dev_items, compose(design, *sides[0], sure, dev_items), run.task)
    test = score(test_items, compose(design, *sides[1], sure, test_items), run.task)
    dev, test = _with_odds((dev, test), first, design, sure, folder, run)
    warm_first, warm_then = first.warm or sides[1][0], then.warm or sides[1][1]
    timed = tuple(item for item in test_items if item.id in warm_first and item.id in warm_then)
    warm = compose(design, warm_first, warm_then, sure, timed)
    quality = measure_quality(dev, test, run.task, frozenset(run.facts.overlap), run.how)
    result = ArmResult(
        arm=arm,
        identity=None,
        fitted=route_fitted(design),
        quality=quality,
        latency=dataclasses.replace(
            measure_latency(warm, test, then.settled.identity), busy=either_busy(first, then)
        ),
        cost=_route_cost(design, (first, then), sure, quality.primary, run),
    )
    return _Route(result=result, test=test, timed_s=timed_seconds(warm, test, then.settled.identity))


def _route_cost(
    design: RouteDesign,
    sides: tuple[AnswerSet, AnswerSet],
    sure: Mapping[str, float],
    accuracy: Estimate,
    run: StoredRun,
) -> Cost:
    """Every query pays the first arm; those handed on pay the second as well."""
    first, then = sides
    handed = {item.id for item in first.test.items if sure[item.id] < (design.threshold or 0.0)}
    lines = paid_lines(first, charged(first, run), run)
    busy = paid_busy(first, run)
    if handed:
        share_on = Decimal(len(handed)) / len(first.test.items)
        lines += scaled(paid_lines(then, charged(then, run, handed), run), share_on)
        busy = busy or paid_busy(then, run)
    return marked(ledger_cost(lines, accuracy, {}), busy)


def _with_odds(
    composed: tuple[Scored, Scored],
    first: AnswerSet,
    design: RouteDesign,
    sure: Mapping[str, float],
    folder: RunFolder,
    run: StoredRun,
) -> tuple[Scored, Scored]:
    """A route's dev and test with how sure its first arm is of what it keeps; of the rest nobody says."""
    least, (dev, test) = design.threshold or 0.0, composed
    kept_dev, kept = (np.array([sure[item.id] >= least for item in one.items]) for one in composed)
    odds = np.where(kept_dev[:, None], first.dev.logprobs[: len(dev.items)], np.nan)
    dev = dataclasses.replace(dev, logprobs=odds)
    temperature = fit_dev_temperature(dev)
    if temperature is None:
        return dev, test
    fitted = first.settled
    lane = Lane(arm=fitted.arm, seed=fitted.seed, split="test", config=fitted.config)
    with folder.journal(read_only=True) as journal:  # at a temperature of its own
        own = read_lane(journal, run.task, lane, test.items, (temperature,)).sure[temperature]
    return dev, dataclasses.replace(test, sure={temperature: np.where(kept, own, np.nan)})


def _by_item(scored: Scored) -> dict[str, Outcome]:
    return {outcome.item_id: outcome for outcome in scored.outcomes}


def _confidences(scored: Scored, side: RouteArm) -> dict[str, float]:
    """Confidence by item; -1 where there is none, so that the item is handed on."""
    found = confidence(scored, side.temperature)
    return {
        item.id: -1.0 if c != c else float(c) for item, c in zip(scored.items, found.tolist(), strict=True)
    }


def _best(
    among: Sequence[AnswerSet],
    by_arm: Mapping[ArmId, ArmResult],
    *,
    prefer_served: bool,
) -> AnswerSet | None:
    def rank(answers: AnswerSet) -> tuple[bool, float]:
        identity = answers.settled.identity
        served = prefer_served and identity is not None and identity.location != "local"
        return served, by_arm[answers.settled.arm].quality.dev.value or 0.0

    return max(among, key=rank) if among else None


def _side(answers: AnswerSet, by_arm: Mapping[ArmId, ArmResult]) -> RouteArm:
    result = by_arm[answers.settled.arm]
    return RouteArm(
        arm=answers.settled.arm,
        dev=answers.dev,
        test=answers.test,
        temperature=result.quality.temperature,
        usd_per_1k=result.cost.usd_per_1k.usd,
    )


def _data_summary(run: StoredRun) -> DataSummary:
    facts, test = run.facts, run.items["test"]
    second = facts.second_labels
    twice = [item for item in test if item.id in second]  # of labels only
    agreed, beyond_chance = two_annotators(twice, second, run.how) if twice else (None, None)
    clusters = Counter(item.cluster for item in test if item.cluster is not None)
    return DataSummary(
        name=facts.name,
        title=facts.title,
        licence=facts.licence,
        provenance=facts.provenance,
        labels=len(facts.labels),
        train=len(run.items["train"]),
        dev=len(run.items["dev"]),
        test=len(test),
        clusters=len(clusters) if max(clusters.values(), default=1) > 1 else None,
        digests=facts.digests,
        findings=facts.findings,
        annotator_agreement=agreed,
        annotator_kappa=beyond_chance,
        majority_share=_majority_share(run),
        look=facts.look,
        planned_looks=run.plan.decision.looks or 1,
    )


def _majority_share(run: StoredRun) -> float | None:
    """How many test items the most frequent label of train is right for; None without labels."""
    if not run.labels:
        return None
    train, test = Counter(item.label for item in run.items["train"]), run.items["test"]
    most = max(run.labels, key=lambda label: train[label])  # the first among equals, as the floor does
    return sum(item.label == most for item in test) / len(test)
