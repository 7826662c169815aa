"""How often a route to today's way keeps less quality than it was shown to: runs whose truth is known.

Run: python benchmarks/routes.py [--runs 400] [--all]

A run is an arm with log-probabilities over 10 labels that are too sharp, on rows it has not seen. As in a
bake-off the temperature is fitted on these rows and the threshold chosen on them; the quality of the choice
is then taken on 20,000 fresh rows. Ways to choose the lowest threshold, the cheapest where today's way costs:

- `in sequence`: fixed-sequence tests at 5 %, as harness/bakeoff/route_today.py;
- `observed`: the blended quality that was observed reaches the target;
- `any shown` (--all): every threshold is tested at 5 %, and any that passes may be used;
- `precision` (--all): Wilson's lower limit of the precision reaches the target at any threshold.

`below` is the share of runs whose quality lies below the target (5 % is promised), `short` by how many points
where it does, `answered` the share answered over all runs (0 where no threshold is found). A Markdown table.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from advisor.stats.calibration import blended, fit_temperature, in_sequence, scale
from advisor.stats.intervals import Interval, wilson

Floats = NDArray[np.float64]
ALPHA, LABELS, SHARP, FRESH = 0.05, 10, 3.0, 20_000
SIZES, TODAY = (300, 1000), ((0.85, 0.85), (0.95, 0.9), (0.8, 0.82))


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Confidences after temperature scaling, and whether each answer is right."""

    confidence: Floats
    right: NDArray[np.bool_]


def drawn(n: int, rng: np.random.Generator) -> tuple[Floats, NDArray[np.int64]]:
    """Log-probabilities that are `SHARP` times too sharp, and labels drawn from the true ones."""
    true = rng.normal(0, 1.0, (n, LABELS))
    true[np.arange(n), rng.integers(0, LABELS, n)] += rng.gamma(3.0, 1.5, n)
    logprobs = scale(true, 1.0)
    gumbel = logprobs - np.log(-np.log(rng.random((n, LABELS))))
    return scale(true, 1 / SHARP), gumbel.argmax(axis=1)


def rows_of(logprobs: Floats, truth: NDArray[np.int64], temperature: float) -> Rows:
    """The answers of the arm at a temperature."""
    return Rows(
        confidence=np.exp(scale(logprobs, temperature)).max(axis=1), right=logprobs.argmax(axis=1) == truth
    )


def sequential(rows: Rows, rest: float, target: float) -> float | None:
    """The last that is shown before the first that is not."""
    steps = in_sequence(rows.confidence, rows.right, rest=rest, target=target, alpha=ALPHA)
    shown = [step.threshold for step in steps if step.shown]
    return shown[-1] if shown else None


def shown_anywhere(rows: Rows, rest: float, target: float) -> float | None:
    """The lowest that passes its own test."""

    def passes(threshold: float) -> bool:
        found = blended(rows.confidence >= threshold, rows.right, rest, level=1 - 2 * ALPHA).interval
        return isinstance(found, Interval) and found.low >= target

    return lowest(passes)


def observed(rows: Rows, rest: float, target: float) -> float | None:
    """The lowest whose observed quality reaches the target."""

    def passes(threshold: float) -> bool:
        return float(np.where(rows.confidence >= threshold, rows.right, rest).mean()) >= target

    return lowest(passes)


def precise(rows: Rows, rest: float, target: float) -> float | None:
    """The lowest whose precision is shown to reach the target."""

    def passes(threshold: float) -> bool:
        own = rows.confidence >= threshold
        found = wilson(float(rows.right[own].sum()), int(own.sum()), 1 - 2 * ALPHA)
        return isinstance(found, Interval) and found.low >= target

    return lowest(passes)


def lowest(passes: Callable[[float], bool]) -> float | None:
    """The lowest threshold of a fine grid that passes."""
    return next((threshold for threshold in np.linspace(0, 1, 101).tolist() if passes(threshold)), None)


WAYS: dict[str, Callable[[Rows, float, float], float | None]] = {
    "in sequence": sequential,
    "observed": observed,
    "any shown": shown_anywhere,
    "precision": precise,
}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=400)
    parser.add_argument("--all", action="store_true")
    given = parser.parse_args()
    runs, ways = given.runs, list(WAYS) if given.all else list(WAYS)[:2]
    fresh = drawn(FRESH, np.random.default_rng(0))
    print(
        "| rows | today | target | chosen | below | short, points | answered |\n|---|---|---|---|---|---|---|"
    )
    for n, (rest, target) in itertools.product(SIZES, TODAY):
        for name in ways:
            found = cell((n, rest, target), WAYS[name], runs, fresh)
            print(f"| {n:,} | {rest:.2f} | {target:.2f} | {name} | {found} |", flush=True)


def cell(
    truth: tuple[int, float, float],
    way: Callable[[Rows, float, float], float | None],
    runs: int,
    fresh: tuple[Floats, NDArray[np.int64]],
) -> str:
    """What one way does in so many runs of so many rows."""
    n, rest, target = truth
    rng = np.random.default_rng([n, round(1000 * rest), round(1000 * target)])
    short, answered = [], []
    for _ in range(runs):
        seen = drawn(n, rng)
        temperature = fit_temperature(*seen) or 1.0
        threshold = way(rows_of(*seen, temperature), rest, target)
        if threshold is None:
            answered.append(0.0)
            continue
        then = rows_of(*fresh, temperature)
        own = then.confidence >= threshold
        quality = float(np.where(own, then.right, rest).mean())
        answered.append(float(own.mean()))
        if quality < target:
            short.append(100 * (target - quality))
    missed = float(np.mean(short)) if short else 0.0
    return f"{100 * len(short) / runs:.1f} % | {missed:.2f} | {100 * np.mean(answered):.0f} %"


if __name__ == "__main__":
    main()
