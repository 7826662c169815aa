"""Accuracy against training examples. Pure: every figure is a field of a record."""

from __future__ import annotations

from dataclasses import replace

from advisor.sentences import capital
from advisor.stats.intervals import MIN_UNITS
from harness.core.records import Estimate
from harness.core.wording import MISSING, bounds, counted, money, percent
from harness.curve.fit import AT_BOUND, LEAST_SPAN, PARAMETERS, READ_UP_TO
from harness.curve.records import (
    CurveMean,
    CurveNote,
    LearningCurve,
    LearningCurves,
    LinePoint,
    NoCurve,
    NotTold,
    Reach,
    TargetForecast,
)
from harness.report import drawings
from harness.report.document import Block, Bullets, Chart, Document, Paragraph, Row, Table, section
from harness.report.topics.cells import columns, drawn, row

_BAR = 40
_NOTES = {
    CurveNote.HALVES: "Each half of dev was scored by the arm that chose its settings on the other half.",
    CurveNote.ONE_SEED: "One training seed: how much seeds differ is guessed from the misfit of the law.",
    CurveNote.ONE_RECIPE: "Every size was trained by the plan's recipe; another recipe has another curve.",
    CurveNote.OVERLAP: "Subsets of one pool overlap, the larger the more, so the spread from which rows were "
    "labelled is shown too small at the largest sizes.",
    CurveNote.TEST: "Scored on test: this is a look at the test rows, and it is counted.",
}


def curves_document(curves: LearningCurves, *, drawn: bool = False) -> Document:
    """One section a curve.

    Args:
        drawn: the format shows charts; else bars of characters stand in the table.
    """
    sections = tuple(
        section(
            f"curve-{number}",
            f"{curve.arm.label} on {curve.evalset}, scored on {curve.split}",
            _chart(curve, number) if drawn else None,
            *_blocks(curve, bars=not drawn),
        )
        for number, curve in enumerate(curves.curves, start=1)
    )
    metrics = dict.fromkeys(curve.means[0].primary.metric for curve in curves.curves)
    title = f"{capital(' and '.join(metrics) or 'accuracy')} against training examples"
    return Document(title=title, sections=sections)


def _blocks(curve: LearningCurve, *, bars: bool) -> tuple[Block, ...]:
    notes = [_NOTES[note] for note in curve.notes]
    if curve.looks is not None:
        plans = counted(curve.looks, "locked plan has", "locked plans have")
        notes.append(f"{plans} tested these rows, this one included.")
    return (
        _table(curve, bars=bars),
        *(Paragraph(text=sentence) for sentence in curve_sentences(curve)),
        Bullets(label="to know", items=tuple(notes), tone="faint"),
    )


def _table(curve: LearningCurve, *, bars: bool) -> Table:
    last, metric = curve.means[-1].size, curve.means[0].primary.metric
    beyond = [point for point in curve.line if point.extrapolated and point.size % last == 0]
    read_off = "~ read off the fitted curve past the examples you have, not measured"
    heads = (("training", "examples"), "draws", metric, ("95 %", "interval"), ("fitted", "curve"), "")
    rows = (*(_measured(mean, curve) for mean in curve.means), *map(_read, beyond))
    shown = len(heads) if bars else len(heads) - 1
    scale = (f"a bar is the {metric} on a scale from 0 to 100 %",) if bars else ()
    return Table(
        columns=columns(*heads, left=(5,))[:shown],
        rows=tuple(replace(row, cells=row.cells[:shown]) for row in rows),
        notes=(*scale, *((read_off,) if beyond else ())),
    )


def _measured(mean: CurveMean, curve: LearningCurve) -> Row:
    fitted = next((point.primary for point in curve.line if point.size == mean.size), None)
    return row(
        f"{mean.size:,}",
        str(mean.seeds),
        percent(mean.primary.value),
        bounds(mean.primary) or MISSING,
        MISSING if fitted is None else percent(fitted.value),
        _bar(mean.primary, "#"),
    )


def _read(point: LinePoint) -> Row:
    return row(
        f"{point.size:,}",
        MISSING,
        MISSING,
        bounds(point.primary) or MISSING,
        percent(point.primary.value),
        _bar(point.primary, "."),
        mark="~",
        tone="faint",
    )


def _bar(accuracy: Estimate, mark: str) -> str:
    return mark * round(_BAR * (accuracy.value or 0.0))


def _chart(curve: LearningCurve, number: int) -> Chart:
    caption, words = "Dashed: read off the fitted curve, not measured.", " ".join(curve_sentences(curve))
    return drawn(f"curve-{number}", drawings.learning(curve), "Learning curve.", caption, words=words)


def curve_sentences(curve: LearningCurve) -> tuple[str, ...]:
    """What a curve says: where it was measured, where it leads, and what the target takes."""
    first, last = curve.means[0], curve.means[-1]
    found = [
        f"{curve.arm.label}, on {last.primary.n:,} {curve.split} items: "
        f"{percent(first.primary.value)} with {first.size:,} training examples (mean of "
        f"{counted(first.seeds, 'draw', 'draws')} of the rows), "
        f"{percent(last.primary.value)} with {last.size:,}."
    ]
    if curve.no_fit is not None:
        found.append(f"No curve is fitted: {_no_fit_words(curve, curve.no_fit)}.")
    elif curve.fit is not None:
        twice = next(point.primary for point in curve.line if point.size == 2 * last.size)
        found.append(
            f"Twice the examples ({2 * last.size:,}) would give about {_with_interval(twice)}; "
            f"{_limit_words(curve.fit.limit)}."
        )
    return (*found, target_sentence(curve, curve.target)) if curve.target is not None else tuple(found)


def target_sentence(curve: LearningCurve, found: TargetForecast) -> str:
    """Whether more training examples reach the target, how many and at which price."""
    target = percent(found.target)
    match found.reach:
        case Reach.REACHED:
            here = found.here
            sure = here is not None and here.low is not None and here.low >= found.target
            return (
                f"With the {curve.train:,} training examples you have the curve stands at "
                f"{'-' if here is None else _with_interval(here)}: {target} is reached"
                f"{'' if sure else ', though these items do not show it for sure'}."
            )
        case Reach.MORE:
            return _more_sentence(curve, found)
        case Reach.NEVER:
            limit = "" if curve.fit is None else f": {_limit_words(curve.fit.limit)}"
            return f"Labels will not get it to {target}{limit}. Another option, model or recipe may."
        case Reach.CANNOT_SAY:
            why = _not_told(curve, found.not_told or NotTold.NO_CURVE)
            return f"Cannot say whether more training examples reach {target}: {why}."


def _more_sentence(curve: LearningCurve, found: TargetForecast) -> str:
    more, most = found.more, READ_UP_TO * curve.means[-1].size - curve.train
    farthest = f"{more.high:,}" if more.high is not None else f"more than {most:,}"
    cost = "; what one more example costs is not known"
    if found.usd is not None and found.example_usd is not None:
        cost = f", about {money(found.usd.usd)} at {money(found.example_usd)} an example"
    return (
        f"To reach {percent(found.target)} takes about {more.value:,} more training examples "
        f"(95 % interval {more.low:,} to {farthest}){cost}."
    )


def _not_told(curve: LearningCurve, why: NotTold) -> str:
    match why:
        case NotTold.NO_CURVE:
            return "no curve is fitted" if curve.no_fit is None else _no_fit_words(curve, curve.no_fit)
        case NotTold.NO_RISE:
            metric = curve.means[0].primary.metric
            return f"{metric} is not shown to rise over these sizes, so there is no curve to read"
        case NotTold.TOO_FAR:
            limit = "" if curve.fit is None else f"; {_limit_words(curve.fit.limit)}"
            return (
                f"not within {READ_UP_TO} times the {curve.means[-1].size:,} it was measured with, and the "
                f"curve is not read past that{limit}"
            )


def _no_fit_words(curve: LearningCurve, why: NoCurve) -> str:
    match why:
        case NoCurve.FEW_ITEMS:
            return f"fewer than {MIN_UNITS} independent items to score on"
        case NoCurve.FEW_SIZES:
            sizes = len(curve.means)
            return f"{sizes} sizes; the law has {PARAMETERS} parameters and needs {PARAMETERS + 1}"
        case NoCurve.NARROW:
            return f"the largest size has to be at least {LEAST_SPAN} times the smallest"


def _limit_words(limit: Estimate) -> str:
    """The limit in words; a limit of 1 is the bound of the fit, so only its interval says something."""
    if (limit.value or 0.0) > AT_BOUND:
        above = "" if limit.low is None else f", anywhere above {percent(limit.low)}"
        return f"where the curve levels off cannot be told{above}"
    return f"the curve levels off at {_with_interval(limit)}"


def _with_interval(estimate: Estimate) -> str:
    if estimate.low is None or estimate.high is None:
        return f"{percent(estimate.value)} (no interval: {estimate.reason})"
    return f"{percent(estimate.value)} ({percent(estimate.low)} to {percent(estimate.high)})"
