"""Counts how often predicted ranges held over runs, those that informed the ranges apart."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from advisor.rubric.bands import Informed
from advisor.stats.intervals import wilson
from harness.core.records import Estimate
from harness.tasks.measures import estimate
from harness.track_record.records import AdviceCheck, CheckedRange, CheckedRun, HeldRanges, TrackRecord

METRICS = ("accuracy", "p95_ms", "usd_per_1k")
_DECIDED = {"retrieve", "tune", "tied"}
_NOTES = (
    "A prediction is tested by the model it was made for; others are not counted.",
    "Figures of one run share its items and its machine, so they are not independent and the intervals are "
    "rather too narrow.",
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
    fresh: list[CheckedRange] = []
    known: list[CheckedRange] = []
    for run in seen:
        key = (run.plan_digest, *sorted(run.digests.items()))
        twin = first.setdefault(key, run.run_id)
        runs.append(_checked(run, "" if twin == run.run_id else f"the plan and the rows of {twin}"))
        if twin != run.run_id:
            continue
        counted.append(run)
        for figure in run.advice.figures:
            if figure.same_model and figure.inside is not None:
                (known if _is_informed(run, figure, informed) else fresh).append(figure)
    names = {run.evalset for run in counted}
    decided = [
        (run.advice.answer, run.advice.measured_answer)
        for run in counted
        if {run.advice.answer, run.advice.measured_answer} <= _DECIDED
    ]
    ranked = [
        (run.advice.first, run.advice.measured_first)
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
        ranked_first=_agreement("option placed first is the one to ship", ranked),
        answered=_agreement("answer on retrieve against tune", decided),
        notes=_NOTES,
    )


def _is_informed(run: Seen, figure: CheckedRange, informed: Sequence[Informed]) -> bool:
    return any(entry.evalset == run.evalset and figure.metric in entry.metrics for entry in informed)


def _by_metric(figures: Sequence[CheckedRange]) -> tuple[HeldRanges, ...]:
    found = []
    for metric in METRICS:
        tested = [figure for figure in figures if figure.metric == metric]
        inside = sum(bool(figure.inside) for figure in tested)
        ratios = [math.log(f.high / f.low) for f in tested if f.low > 0]
        found.append(
            HeldRanges(
                metric=metric,
                inside=inside,
                share=_share(f"{metric} ranges that held", inside, len(tested)),
                mean_width=sum(f.high - f.low for f in tested) / len(tested) if tested else None,
                mean_ratio=math.exp(sum(ratios) / len(ratios))
                if ratios and len(ratios) == len(tested)
                else None,
            )
        )
    return tuple(found)


def _agreement(metric: str, pairs: Sequence[tuple[str, str]]) -> Estimate:
    return _share(metric, sum(said == measured for said, measured in pairs), len(pairs), unit="runs")


def _share(metric: str, inside: int, tested: int, unit: str = "predictions") -> Estimate:
    if tested == 0:
        return Estimate(metric=metric, value=None, n=0, unit=unit, method="Wilson", reason="none was tested")
    found = estimate(metric, inside / tested, wilson(inside, tested), tested, "Wilson")
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
