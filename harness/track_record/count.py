"""Counts how often predicted ranges held over runs, those that informed the ranges apart."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from advisor.rubric.rubric import Informed
from advisor.stats.intervals import exact_interval
from harness.core.records import Estimate
from harness.tasks.measures import estimate
from harness.track_record.records import AdviceCheck, CheckedRange, CheckedRun, HeldRanges, TrackRecord

METRICS = ("accuracy", "p95_ms", "usd_per_1k")
_DECIDED = {"retrieve", "tune", "tied"}
_NOTES = (
    "A prediction is tested by the model it was made for; others are not counted.",
    "Figures of one evalset share its items and stand together: with few evalsets intervals are wide.",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A complete run with its advice, as far as this needs it.

    Attributes:
        digests: of its rows by split; with the plan's digest they say what is the same run twice.
    """

    run_id: str
    evalset: str
    digests: Mapping[str, str]
    plan_digest: str
    advice: AdviceCheck


def track_record(seen: Sequence[Seen], informed: Sequence[Informed]) -> TrackRecord:
    """Count over runs, oldest first; the same plan on the same rows counts once."""
    first: dict[tuple[object, ...], str] = {}
    runs: list[CheckedRun] = []
    counted: list[Seen] = []
    fresh: list[tuple[str, CheckedRange]] = []
    known: list[tuple[str, CheckedRange]] = []
    for run in seen:
        key = (run.plan_digest, *sorted(run.digests.items()))
        twin = first.setdefault(key, run.run_id)
        runs.append(_checked(run, "" if twin == run.run_id else f"the plan and the rows of {twin}"))
        if twin != run.run_id:
            continue
        counted.append(run)
        for figure in run.advice.figures:
            if figure.same_model and figure.inside is not None:
                (known if _is_informed(run, figure, informed) else fresh).append((run.evalset, figure))
    names = {run.evalset for run in counted}
    decided = [
        (run.evalset, run.advice.answer == run.advice.measured_answer)
        for run in counted
        if {run.advice.answer, run.advice.measured_answer} <= _DECIDED
    ]
    ranked = [
        (run.evalset, run.advice.first == run.advice.measured_first)
        for run in counted
        if "none" not in {run.advice.first, run.advice.measured_first}
    ]
    return TrackRecord(
        runs=tuple(runs),
        held=_by_metric(fresh),
        informed=_by_metric(known),
        informed_because=tuple(
            f"{entry.evalset} ({', '.join(sorted(entry.metrics))}): {entry.reason}"
            for entry in informed
            if entry.evalset in names
        ),
        ranked_first=_share("option placed first is the one to ship", ranked, unit="runs"),
        answered=_share("answer on retrieve against tune", decided, unit="runs"),
        notes=_NOTES,
    )


def _is_informed(run: Seen, figure: CheckedRange, informed: Sequence[Informed]) -> bool:
    return any(entry.evalset == run.evalset and figure.metric in entry.metrics for entry in informed)


def _by_metric(figures: Sequence[tuple[str, CheckedRange]]) -> tuple[HeldRanges, ...]:
    found = []
    for metric in METRICS:
        tested = [figure for _, figure in figures if figure.metric == metric]
        held = [(evalset, bool(figure.inside)) for evalset, figure in figures if figure.metric == metric]
        ratios = [math.log(f.high / f.low) for f in tested if f.low > 0]
        found.append(
            HeldRanges(
                metric=metric,
                inside=sum(inside for _, inside in held),
                share=_share(f"{metric} ranges that held", held),
                mean_width=sum(f.high - f.low for f in tested) / len(tested) if tested else None,
                mean_ratio=math.exp(sum(ratios) / len(ratios))
                if ratios and len(ratios) == len(tested)
                else None,
            )
        )
    return tuple(found)


def _share(metric: str, held: Sequence[tuple[str, bool]], unit: str = "predictions") -> Estimate:
    """How many held, each with its evalset."""
    hits = [hit for _, hit in held]
    interval = exact_interval(hits, clusters=[evalset for evalset, _ in held])
    value = sum(hits) / len(hits) if hits else None
    found = estimate(metric, value, interval, len(hits), "exact, by evalset")
    return dataclasses.replace(found, unit=unit)


def _checked(run: Seen, why: str) -> CheckedRun:
    advice = run.advice
    return CheckedRun(
        run_id=run.run_id,
        case=advice.case,
        evalset=run.evalset,
        counted=not why,
        why=why,
        inside=advice.inside,
        tested=advice.tested,
        first=advice.first,
        ships=advice.measured_first,
        answer=advice.answer,
        measured_answer=advice.measured_answer,
    )
