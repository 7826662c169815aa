"""From the journal to conclusions. Calls no model, so an old run can be scored or priced again."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from advisor.money.ledger import scaled
from advisor.options import Option
from advisor.stats.agreement import agreement
from advisor.stats.intervals import Interval
from advisor.stats.power import Design
from harness.bakeoff.answer_sets import AnswerSet, StoredRun, open_desk, primary_lanes, read_lanes
from harness.bakeoff.busy import marked
from harness.bakeoff.charged import charged, either_busy, latency_of, paid_busy, paid_lines
from harness.bakeoff.compare import compare_arms
from harness.bakeoff.cost import ledger_cost, measure_cost
from harness.bakeoff.decide import Case, acceptable, decide, pairs_to_compare
from harness.bakeoff.diagnose import diagnose
from harness.bakeoff.latency import measure_latency, timed_seconds
from harness.bakeoff.limit_checks import Held, check_limits
from harness.bakeoff.outside import cost_outside, latency_outside
from harness.bakeoff.plan import ExperimentPlan
from harness.bakeoff.prices import prices_for
from harness.bakeoff.quality import confidence, estimate, measure_quality, share
from harness.bakeoff.results import (
    ArmResult,
    Comparison,
    Cost,
    DataSummary,
    LimitCheck,
    RouteDesign,
    RunResults,
    SeedResult,
)
from harness.bakeoff.route import RouteArm, compose, design_route, route_fitted
from harness.bakeoff.run_folder import Lock, RunFolder
from harness.bakeoff.scored import Scored, score
from harness.core.context import Context
from harness.core.records import ArmId, Estimate
from harness.data.gate import REACH
from harness.money.frontier import calls_to_settle, frontier_gaps, published_for
from harness.money.of_run import outlook_of
from harness.money.records import CostForecast
from harness.robustness.checks import Asked, arm_harm
from harness.track_record.confront import confront

_FIRST_OPTIONS = (Option.TUNE, Option.TUNE_RETRIEVE, Option.LINEAR)
_THEN_OPTIONS = (Option.RETRIEVE, Option.PROMPT)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Route:
    """A composed route, measured like any arm."""

    result: ArmResult
    test: Scored
    timed_s: list[float]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Concluded:
    """What was concluded, and from which answers to the test items."""

    results: RunResults
    scored: Mapping[ArmId, Scored]


def conclude(
    folder: RunFolder, looks: int, context: Context, plan: ExperimentPlan | None = None
) -> RunResults:
    """Measure every arm of the run, compare them and decide.

    Args:
        plan: the run's own when None; another one prices it at another day.

    Raises:
        IncompleteRun: if an arm has items without an outcome.
    """
    return _conclude(folder, looks, context, plan).results


def conclude_some(folder: RunFolder, arms: Sequence[ArmId], context: Context) -> RunResults:
    """What the arms that have answered say alone, while the run goes on. Stores nothing and is no look.

    Raises:
        IncompleteRun: if one of these arms has items without an outcome.
    """
    plan = folder.plan()
    some = plan.model_copy(update={"arms": [arm for arm in plan.arms if arm.id in arms]})
    return _conclude(folder, 0, context, some).results


def conclude_and_store(folder: RunFolder, looks: int, context: Context) -> RunResults:
    """`conclude`, stored in the run with every arm's answers; the run is open until its manifest is written.

    Raises:
        IncompleteRun: as `conclude`.
        StoreError: if the folder cannot be written.
    """
    found = _conclude(folder, looks, context, None)
    folder.reopen()  # only now: a run that cannot be concluded stays as it was
    folder.write_answers({str(arm): scored.answer.tolist() for arm, scored in found.scored.items()})
    folder.write_results(found.results)
    return found.results


def _conclude(folder: RunFolder, looks: int, context: Context, plan: ExperimentPlan | None) -> _Concluded:
    desk = open_desk(folder, context, plan or folder.plan())
    lanes = read_lanes(folder, desk)
    primary = primary_lanes(lanes, desk.plan)
    arms = [_arm_result(answers, lanes, desk) for answers in primary]
    scored = {answers.settled.arm: answers.test for answers in primary}
    timed = {a.settled.arm: timed_seconds(a.warm, a.test, a.settled.identity) for a in primary}
    design = None
    if any(arm.option is Option.ROUTE for arm in desk.plan.arms):
        design, route = _route(primary, arms, desk)
        if route is not None:
            arms.append(route.result)
            scored[route.result.arm] = route.test
            timed[route.result.arm] = route.timed_s
    limits = check_limits(desk.plan.decision, [_held(arm, scored[arm.arm], timed[arm.arm]) for arm in arms])
    case = Case(
        plan=desk.plan.decision,
        arms=tuple(arms),
        comparisons=_comparisons(arms, limits, scored, desk),
        limits=limits,
        frontier_measured=any(arm.hosted for arm in arms),
        cautions=_cautions(desk),
    )
    run = _Run(lock=folder.lock(), looks=looks, design=design)
    ours = [a for a in primary if a.settled.arm.option is not Option.EXTERNAL]
    paid = {a.settled.arm: charged(a, desk) for a in ours}
    near = [arm.arm for arm in acceptable(case.plan, case.arms, limits, case.comparisons)]

    def priced(results: RunResults) -> CostForecast:
        return outlook_of(_ours(results), desk, ours, paid, near)

    unpriced = _results(desk, case, run)
    months = {arm.arm: arm.month_usd for arm in priced(unpriced).arms}  # of no arm does it hang on what ships
    results = _results(desk, dataclasses.replace(case, months=months), run)
    whole = dataclasses.replace(
        results,
        notes=(*results.notes, *_failed_notes(folder), *_accepted_notes(folder)),
        failed=folder.failed(),
        outlook=priced(results),
        diagnosis=tuple(
            diagnose(
                arm.arm,
                scored[arm.arm],
                [1000 * s for s in timed[arm.arm]],
                desk.labels,
                arm.quality.temperature,
            )
            for arm in arms
        ),
    )
    return _Concluded(results=whole, scored=scored)


def _held(arm: ArmResult, test: Scored, timed_s: Sequence[float]) -> Held:
    return Held(arm=arm, correct=test.correct, clusters=test.clusters, timed_ms=[1000 * s for s in timed_s])


def _ours(results: RunResults) -> RunResults:
    """The results without arms from outside, whose costs nobody here knows."""
    arms = tuple(arm for arm in results.arms if arm.arm.option is not Option.EXTERNAL)
    return dataclasses.replace(results, arms=arms)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Run:
    """What is told of a run beside its measures."""

    lock: Lock
    looks: int
    design: RouteDesign | None


def _results(desk: StoredRun, case: Case, run: _Run) -> RunResults:
    plan, verdict = desk.plan, decide(case)
    if not case.frontier_measured:
        ship = next((arm for arm in case.arms if arm.arm == verdict.ship), None)
        gaps = frontier_gaps(plan, case.arms, ship, desk.book, calls_to_settle(desk.items))
        verdict = dataclasses.replace(verdict, frontier=gaps, published=published_for(desk.facts.name))
    return RunResults(
        run_id=run.lock.run_id,
        plan_digest=run.lock.plan_digest,  # also where it is priced at another day: no other plan was run
        seed=plan.seed,
        looks=run.looks,
        data=_data_summary(desk),
        arms=case.arms,
        comparisons=case.comparisons,
        route=run.design,
        verdict=verdict,
        notes=_route_notes(desk.plan, run.design),
        advice=None if plan.advice is None else confront(plan.advice, case.arms, verdict),
    )


def _failed_notes(folder: RunFolder) -> list[str]:
    """Which arms are missing from everything that is said, and why."""
    return [f"{one.arm} failed and is left out: {one.reason}" for one in folder.failed()]


def _accepted_notes(folder: RunFolder) -> list[str]:
    """What was changed after the run was closed, for every report of it."""
    return [
        f"Changed after the run was closed, and taken as found on {one.at:%Y-%m-%d}: {', '.join(one.files)}."
        for one in folder.accepted()
    ]


def _route_notes(plan: ExperimentPlan, design: RouteDesign | None) -> tuple[str, ...]:
    if design is None:
        wanted = any(arm.option is Option.ROUTE for arm in plan.arms)
        return ("No route: it needs a linear or tuned arm and a prompted one.",) if wanted else ()
    return (f"No route: {design.reason}.",) if design.reason else ()


def _arm_result(answers: AnswerSet, lanes: Sequence[AnswerSet], desk: StoredRun) -> ArmResult:
    settled = answers.settled
    overlap = frozenset(desk.facts.overlap)
    quality = measure_quality(answers.dev, answers.test, desk.labels, overlap, desk.how)
    prices = prices_for(settled.identity, desk.book, desk.machine)
    everything = answers.test.answered | True
    outside = settled.arm.option is Option.EXTERNAL
    siblings = [a for a in lanes if a.settled.arm == settled.arm] if settled.fitted.artefact else []
    return ArmResult(
        arm=settled.arm,
        identity=settled.identity,
        fitted=settled.fitted,
        quality=quality,
        latency=latency_outside() if outside else latency_of(answers),
        cost=cost_outside(quality.accuracy)
        if outside
        else marked(
            measure_cost(answers.test, charged(answers, desk), settled.identity, quality.accuracy, prices),
            paid_busy(answers, desk),
        ),
        seeds=tuple(
            SeedResult(
                seed=a.settled.seed,
                accuracy=share("accuracy", a.test, a.test.correct, everything, desk.how),
            )
            for a in siblings
        ),
        peak_memory_mib=answers.peak_memory_mib,
        accuracy_all_rows=_on_all_rows(answers, desk),
        harm=arm_harm(_asked(answers, siblings, desk), quality.temperature),
    )


def _on_all_rows(answers: AnswerSet, desk: StoredRun) -> Estimate | None:
    whole = answers.all_rows
    if whole is None:
        return None
    return share("accuracy on all test rows", whole, whole.correct, whole.answered | True, desk.how)


def _asked(answers: AnswerSet, siblings: Sequence[AnswerSet], desk: StoredRun) -> Asked:
    catch_all = desk.facts.catch_all
    return Asked(
        dev=answers.dev,
        test=answers.test,
        out_of_scope=answers.out_of_scope,
        by_seed={sibling.settled.seed: sibling.test for sibling in siblings},
        unseen=desk.unseen.get(str(answers.settled.arm), ()),
        catch_all=desk.labels.index(catch_all) if catch_all in desk.labels else None,
    )


def _comparisons(
    arms: Sequence[ArmResult], limits: Sequence[LimitCheck], scored: Mapping[ArmId, Scored], desk: StoredRun
) -> tuple[Comparison, ...]:
    """The pair first, then the others that the report and the recommendation need."""
    primary, others = pairs_to_compare(arms, limits)
    decision = desk.plan.decision
    design = Design(power=decision.power, level=1 - decision.alpha_each)
    return compare_arms(primary, others, scored, decision.margin, design)


def _route(
    primary: Sequence[AnswerSet], arms: Sequence[ArmResult], desk: StoredRun
) -> tuple[RouteDesign | None, _Route | None]:
    """Route from the dev leader among cheap arms to the best prompted arm; served ones come first."""
    by_arm = {arm.arm: arm for arm in arms}
    first = _best(primary, _FIRST_OPTIONS, by_arm, prefer_served=False)
    then = _best(primary, _THEN_OPTIONS, by_arm, prefer_served=True)
    if first is None or then is None:
        return None, None
    one, two = _side(first, by_arm), _side(then, by_arm)
    design = design_route(one, two, desk.plan.decision.route_precision, desk.how.rng())
    if design.threshold is None:
        return design, None
    return design, _route_result(design, first, then, one, desk)


def _route_result(
    design: RouteDesign, first: AnswerSet, then: AnswerSet, side: RouteArm, desk: StoredRun
) -> _Route:
    arm = next(a.id for a in desk.plan.arms if a.option is Option.ROUTE)
    dev_items, test_items = desk.items["dev"], desk.items["test"]
    sure = _confidences(first.dev, side) | _confidences(first.test, side)
    dev = score(
        dev_items, compose(design, first.dev_outcomes, then.dev_outcomes, sure, dev_items), desk.labels
    )
    test = score(test_items, compose(design, first.outcomes, then.outcomes, sure, test_items), desk.labels)
    warm_first, warm_then = first.warm or first.outcomes, then.warm or then.outcomes
    timed = tuple(item for item in test_items if item.id in warm_first and item.id in warm_then)
    warm = compose(design, warm_first, warm_then, sure, timed)
    quality = measure_quality(dev, test, desk.labels, frozenset(desk.facts.overlap), desk.how)
    result = ArmResult(
        arm=arm,
        identity=None,
        fitted=route_fitted(design),
        quality=quality,
        latency=dataclasses.replace(
            measure_latency(warm, test, then.settled.identity), busy=either_busy(first, then)
        ),
        cost=_route_cost(design, (first, then), sure, quality.accuracy, desk),
    )
    return _Route(result=result, test=test, timed_s=timed_seconds(warm, test, then.settled.identity))


def _route_cost(
    design: RouteDesign,
    sides: tuple[AnswerSet, AnswerSet],
    sure: Mapping[str, float],
    accuracy: Estimate,
    desk: StoredRun,
) -> Cost:
    """Every query pays the first arm; those handed on pay the second as well."""
    first, then = sides
    handed = [item.id for item in first.test.items if sure[item.id] < (design.threshold or 0.0)]
    lines = paid_lines(first, charged(first, desk), desk)
    busy = paid_busy(first, desk)
    if handed:
        share_on = Decimal(len(handed)) / len(first.test.items)
        lines += scaled(paid_lines(then, charged(then, desk, handed), desk), share_on)
        busy = busy or paid_busy(then, desk)
    return marked(ledger_cost(lines, accuracy, {}), busy)


def _confidences(scored: Scored, side: RouteArm) -> dict[str, float]:
    """Confidence by item; -1 where there is none, so that the item is handed on."""
    found = confidence(scored, side.temperature)
    return {
        item.id: -1.0 if c != c else float(c) for item, c in zip(scored.items, found.tolist(), strict=True)
    }


def _best(
    primary: Sequence[AnswerSet],
    options: tuple[Option, ...],
    by_arm: Mapping[ArmId, ArmResult],
    *,
    prefer_served: bool,
) -> AnswerSet | None:
    among = [a for a in primary if a.settled.arm.option in options]

    def rank(answers: AnswerSet) -> tuple[bool, float]:
        identity = answers.settled.identity
        served = prefer_served and identity is not None and identity.location != "local"
        return served, by_arm[answers.settled.arm].quality.dev_accuracy.value or 0.0

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


def _cautions(desk: StoredRun) -> tuple[str, ...]:
    warnings = [finding for finding in desk.facts.findings if finding.severity == "warning"]
    notes = [
        finding.message for finding in warnings if finding.code != REACH
    ]  # the measured one stands there
    if desk.machine.basis.value == "illustrative":
        notes.append("The machine price is illustrative: set cost.machine_hour_usd in the plan to your own.")
    return tuple(notes)


def _data_summary(desk: StoredRun) -> DataSummary:
    facts, test = desk.facts, desk.items["test"]
    second = facts.second_labels
    both = [(item.label, second[item.id]) for item in test if item.id in second]
    found = agreement([a for a, _ in both], [b for _, b in both]) if both else None
    train = Counter(item.label for item in desk.items["train"])
    most = max(desk.labels, key=lambda label: train[label])  # the first among equals, as the floor does
    clusters = {item.cluster for item in test if item.cluster is not None}
    return DataSummary(
        name=facts.name,
        title=facts.title,
        licence=facts.licence,
        provenance=facts.provenance,
        labels=len(facts.labels),
        train=train.total(),
        dev=len(desk.items["dev"]),
        test=len(test),
        clusters=len(clusters) or None,
        digests=facts.digests,
        findings=facts.findings,
        annotator_agreement=None
        if found is None
        else estimate("agreement of two annotators", found.raw, found.raw_interval, found.n, "Wilson"),
        annotator_kappa=None if found is None else _kappa(found.kappa, found.kappa_interval, found.n),
        majority_share=sum(item.label == most for item in test) / len(test),
        look=facts.look,
        planned_looks=desk.plan.decision.looks or 1,
    )


def _kappa(value: float | None, interval: object, n: int) -> Estimate:
    low = interval.low if isinstance(interval, Interval) else None
    high = interval.high if isinstance(interval, Interval) else None
    return Estimate(
        metric="Cohen's kappa", value=value, low=low, high=high, n=n, method="Wilson, chance taken as known"
    )
