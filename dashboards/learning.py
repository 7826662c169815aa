"""What more training examples bring, and how training went, as charts. Pure.

Means over the seeds carry their intervals; the fitted law is a line, dashed where it goes past the examples
at hand: that part is read off, not measured.
"""

from __future__ import annotations

from collections.abc import Sequence

from dashboards.spec import PERCENT, Axis, Interval, Line, Spec, intervals, lines
from dashboards.theme import dash_of
from harness.bakeoff.results import ArmResult
from harness.core.records import ArmId, Artefact
from harness.core.wording import bounds, one_line, percent
from harness.curve.records import LearningCurve
from harness.report.palette import colour_of

SHARES = (0.0, 1.0)


def curve_chart(curve: LearningCurve) -> Spec:
    """Accuracy against the number of training examples."""
    colour, name = colour_of(curve.arm), one_line(str(curve.arm))
    law = [(float(point.size), point.accuracy.value, point.extrapolated) for point in curve.line]
    known = [(size, value, beyond) for size, value, beyond in law if value is not None]
    inside = [(size, value, _law_words(size, value)) for size, value, beyond in known if not beyond]
    outside = [
        (size, value, f"{_law_words(size, value)}, not measured") for size, value, beyond in known if beyond
    ]
    shown = [Line(name=name, colour=colour, points=inside)] if inside else []
    if outside:
        shown.append(Line(name=name, colour=colour, points=[*inside[-1:], *outside], dash=(5, 4)))
    x = Axis(title="training examples (logarithmic)", labels="format(datum.value, ',')", log=True)
    y = Axis(title="accuracy, mean over seeds", labels=PERCENT)
    rows: list[Spec] = [
        {
            "x": mean.size,
            "y": mean.accuracy.value,
            "low": mean.accuracy.low,
            "high": mean.accuracy.high,
            "words": f"{percent(mean.accuracy.value)} ({bounds(mean.accuracy)}), {mean.seeds} seed(s)",
        }
        for mean in curve.means
        if mean.accuracy.value is not None
    ]
    x = x.over([row["x"] for row in rows] + [size for size, _, _ in known])
    spec = lines(shown, x, y)
    at: Spec = {"x": x.encoded("x"), "color": {"value": colour}}
    spec["layer"] += [
        {
            "data": {"values": rows},
            "mark": {"type": "rule", "strokeWidth": 2},
            "encoding": at | {"y": y.encoded("low"), "y2": {"field": "high"}},
            "transform": [{"filter": "datum.low != null"}],
        },
        {
            "data": {"values": rows},
            "mark": {"type": "point", "filled": True, "size": 90, "opacity": 1},
            "encoding": at | {"y": y.encoded("y"), "tooltip": [{"field": "words", "title": name}]},
        },
    ]
    return spec


def _law_words(size: float, value: float) -> str:
    return f"{percent(value)} at {size:,.0f} by the fitted law"


def training_chart(trained: Sequence[tuple[ArmId, Artefact]]) -> Spec:
    """Training loss by optimiser step, as logged."""
    arms = [arm for arm, _ in trained]
    shown = [
        Line(
            name=one_line(str(arm)),
            colour=colour_of(arm),
            points=[(float(step), loss, f"step {step:,}: {loss:.3f}") for step, loss in artefact.curve],
            dash=dash_of(arm, arms),
        )
        for arm, artefact in trained
    ]
    return lines(shown, Axis(title="optimiser step"), Axis(title="training loss", zero=True), height=240)


def seeds_chart(arms: Sequence[ArmResult]) -> Spec:
    """Test accuracy of every training seed of the tuned arms."""
    rows = []
    for arm in arms:
        for seed in arm.seeds:
            accuracy = seed.accuracy
            rows.append(
                Interval(
                    name=one_line(f"{arm.arm}, seed {seed.seed}"),
                    value=accuracy.value,
                    low=accuracy.low,
                    high=accuracy.high,
                    colour=colour_of(arm.arm),
                    words=f"{percent(accuracy.value)}, n={accuracy.n:,}",
                )
            )
    return intervals(rows, Axis(title="accuracy on test items, with interval", labels=PERCENT, domain=SHARES))
