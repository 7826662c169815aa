"""What lies behind the arms, for engineers: confusions, confidence, answer times, wrong answers. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from advisor.options import Option
from harness.bakeoff.answers import ItemAnswer
from harness.bakeoff.diagnosis import ArmDiagnosis
from harness.core.records import ArmId
from harness.core.wording import MISSING, milliseconds, one_line, percent
from harness.report.charts import PERCENT, Axis, Curve, CurveChart, draw
from harness.report.dossier import Dossier
from harness.report.palette import colour_of
from harness.report.paper import Block, Chart, Grid, Part, outside, said
from harness.report.plain import arm_ids, capital, plain_name
from harness.report.svg import FAINT
from harness.report.view import Cell, Column, Row, Table, on_run

MOST_CONFUSIONS = 12
MOST_EXAMPLES = 20
MOST_OF_A_TEXT = 400
_DASHES = ("", "6 3", "2 2", "8 3 2 3")


def diagnosis_parts(dossier: Dossier, answers: Sequence[ItemAnswer]) -> tuple[Part, ...]:
    """The parts that a page for engineers adds; those without anything to show have no blocks."""
    found = [arm for arm in dossier.results.diagnosis if arm.arm.option is not Option.FLOOR]
    return (
        Part(key="confusions", title="Which labels are confused", blocks=_confusions(dossier, found)),
        Part(key="confidence", title="Is it as sure as it is right?", blocks=_confidence(dossier, found)),
        Part(key="times", title="Answer times", blocks=_times(dossier, found)),
        Part(key="examples", title="Wrong answers", blocks=_examples(dossier, answers)),
    )


def _confusions(dossier: Dossier, found: Sequence[ArmDiagnosis]) -> tuple[Block, ...]:
    return tuple(
        Grid(
            table=Table(
                columns=(
                    Column(head=("right label",), right=False),
                    Column(head=("answered",), right=False),
                    Column(head=("times",)),
                ),
                rows=tuple(
                    Row(
                        cells=(
                            Cell(text=outside(one.label)),
                            Cell(text=outside(one.answered)),
                            Cell(text=f"{one.count:,}"),
                        )
                    )
                    for one in arm.confusions[:MOST_CONFUSIONS]
                ),
            ),
            caption=f"{_name(dossier, arm.arm)}: the most frequent of {arm.confused:,} confusions.",
        )
        for arm in found
        if arm.confusions
    )


def _confidence(dossier: Dossier, found: Sequence[ArmDiagnosis]) -> tuple[Block, ...]:
    blocks: list[Block] = []
    scored = [arm for arm in found if any(b.n for b in arm.reliability)]
    if scored:
        even = Curve(
            name="as sure as right",
            points=((0.0, 0.0, ""), (1.0, 1.0, "")),
            colour=FAINT,
            dash="3 4",
            dots=False,
        )
        curves = (even, *(_reliability(dossier, arm) for arm in scored))
        across = Axis(title="how sure the answer was", low=0.0, high=1.0, label=PERCENT.label)
        up = Axis(title="how often it was right", low=0.0, high=1.0, label=PERCENT.label)
        words = "; ".join(_reliability_words(dossier, arm) for arm in scored)
        blocks.append(
            Chart(
                key="reliability",
                svg=draw("reliability", CurveChart(curves=curves, across=across, up=up)),
                alt=f"Confidence against accuracy in ten bins. {words}",
                caption=said(
                    "On the dotted line an arm is right as often as it is sure. Whiskers: 95 % intervals."
                ),
            )
        )
    kept = [arm for arm in found if arm.coverage]
    if kept:
        across = Axis(
            title="share of items it answers, the surest first", low=0.0, high=1.0, label=PERCENT.label
        )
        up = Axis(title="right of those", high=1.0, label=PERCENT.label)
        curves = tuple(
            Curve(
                name=_name(dossier, arm.arm),
                points=tuple(
                    (p.kept, p.precision, f"keeps {percent(p.kept)}, right {percent(p.precision)}, n={p.n:,}")
                    for p in arm.coverage
                ),
                colour=colour_of(arm.arm),
                dash=_dash(dossier, arm.arm),
                key=one_line(str(arm.arm)),
            )
            for arm in kept
        )
        said_all = "; ".join(f"{c.name}: {c.points[0][2]} to {c.points[-1][2]}" for c in curves)
        blocks.append(
            Chart(
                key="coverage",
                svg=draw("coverage", CurveChart(curves=curves, across=across, up=up)),
                alt=f"Share of right answers when only the surest are given. {said_all}.",
                caption=said("What a route rests on: fewer answers, more of them right."),
            )
        )
    return tuple(blocks)


def _reliability(dossier: Dossier, arm: ArmDiagnosis) -> Curve:
    bins = [b for b in arm.reliability if b.mean_confidence is not None and b.accuracy is not None]
    return Curve(
        name=_name(dossier, arm.arm),
        points=tuple(
            (
                b.mean_confidence or 0.0,
                b.accuracy or 0.0,
                f"sure {percent(b.mean_confidence)}, right {percent(b.accuracy)}, n={b.n:,}",
            )
            for b in bins
        ),
        spreads=tuple(
            (b.mean_confidence or 0.0, b.accuracy_low, b.accuracy_high)
            for b in bins
            if b.accuracy_low is not None and b.accuracy_high is not None
        ),
        colour=colour_of(arm.arm),
        dash=_dash(dossier, arm.arm),
        key=one_line(str(arm.arm)),
    )


def _reliability_words(dossier: Dossier, arm: ArmDiagnosis) -> str:
    points = "; ".join(words for _, _, words in _reliability(dossier, arm).points)
    return f"{_name(dossier, arm.arm)}: {points}."


def _times(dossier: Dossier, found: Sequence[ArmDiagnosis]) -> tuple[Block, ...]:
    timed = [arm for arm in found if arm.latency]
    if not timed:
        return ()
    curves = tuple(
        Curve(
            name=_name(dossier, arm.arm),
            points=tuple(
                (p.ms, p.share, f"{percent(p.share, 0)} within {milliseconds(p.ms)} ms (n={arm.latency_n:,})")
                for p in arm.latency
            ),
            colour=colour_of(arm.arm),
            dash=_dash(dossier, arm.arm),
            key=one_line(str(arm.arm)),
        )
        for arm in timed
    )
    across = Axis(title="milliseconds, equal steps are factors of ten", log=True)
    up = Axis(title="share of queries answered within", low=0.0, high=1.0, label=PERCENT.label)
    said_all = "; ".join(f"{curve.name}: {curve.points[-1][2]}" for curve in curves)
    return (
        Chart(
            key="times",
            svg=draw("times", CurveChart(curves=curves, across=across, up=up)),
            alt=f"Distribution of answer times. {said_all}.",
            caption=said("One query at a time on a warm machine."),
        ),
    )


def _examples(dossier: Dossier, answers: Sequence[ItemAnswer]) -> tuple[Block, ...]:
    ship = dossier.results.recommendation.ship
    wrong = [a for a in answers if a.arm == ship and not a.correct]
    if not wrong or ship is None:
        return ()
    texts = any(found.text for found in wrong)
    rows = tuple(
        Row(
            cells=(
                Cell(text=outside(found.item_id, 40)),
                *([Cell(text=outside(found.text, MOST_OF_A_TEXT))] if texts else []),
                Cell(text=outside(found.label)),
                Cell(text=outside(found.answer or found.failure or "names no label")),
                Cell(text=MISSING if found.confidence is None else percent(found.confidence)),
            )
        )
        for found in wrong[:MOST_EXAMPLES]
    )
    heads = (
        ("item", False),
        *([("text", False)] if texts else []),
        ("right label", False),
        ("answered", False),
        ("how sure", True),
    )
    table = Table(columns=tuple(Column(head=(h,), right=right) for h, right in heads), rows=rows)
    mind = "These texts come from your data: mind who reads this page."
    caption = f"{_name(dossier, ship)}: the first {len(rows):,} of {len(wrong):,} wrong answers. "
    caption += mind if texts else _left_out(dossier, wrong[0].item_id)
    return (Grid(table=table, caption=caption),)


def _left_out(dossier: Dossier, item_id: str) -> str:
    shows = on_run(dossier.results.run_id)("explain", one_line(item_id))
    return f"Their texts were left out. Where the run is kept, the first is shown by: {shows}"


def _name(dossier: Dossier, arm: ArmId) -> str:
    return capital(plain_name(arm, arm_ids(dossier.results)))


def _dash(dossier: Dossier, arm: ArmId) -> str:
    """Arms that share an option share its colour, and are told apart by their dashes."""
    alike = [found for found in arm_ids(dossier.results) if found.option is arm.option]
    return _DASHES[alike.index(arm) % len(_DASHES)] if arm in alike else ""
