"""How often the answer is wrong: runs whose truth is known, each through the real comparison and `decide`.

Run: python benchmarks/decision.py [--runs 20000] [--only pair|arms|floors]

A run is n items, some arms and their right answers, drawn from a stated truth.

- `pair` has the two arms of the pair: the share of each word, of intervals that hold the true difference, and
  what Tango's score interval (1998) covers on the same runs. In clustered cells three items stand together
  and are alike with an intraclass correlation of about one half.
- `arms` adds arms as good as the pair's first: the pair's words must not change, and among all other
  comparisons a false "better" or "worse" may appear in at most 5 % of runs.
- `floors` holds one arm against a floor of 85 %.

Everything is printed as Markdown tables. A cell's seed is made of its numbers.
"""

from __future__ import annotations

import argparse
import itertools
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from advisor.options import Option
from advisor.stats.paired import Relation
from advisor.stats.power import Design
from advisor.stats.special import two_sided_z
from harness.bakeoff.compare import Aim, compared
from harness.bakeoff.limit_checks import Case, decide, floor_check, pairs_to_compare
from harness.bakeoff.plan import DecisionPlan
from harness.bakeoff.results import Answer, ArmResult, Comparison, Cost, Latency, LimitState, Money, Quality
from harness.core.records import ArmId, Estimate, Fitted, PriceBasis
from harness.tasks.label_breakdown import LabelBreakdown

Bools = NDArray[np.bool_]

PLAN = DecisionPlan(margin=0.02, alpha=0.05, power=0.8)
DESIGN = Design(power=PLAN.power, level=1 - PLAN.alpha_each)
AIM = Aim(metric="accuracy", margin=PLAN.margin, design=DESIGN)
SIZES, DISCORDANCE = (100, 300, 1000), (0.03, 0.10, 0.20, 0.44)
GAPS = (0.0, 0.01, 0.02, 0.04, 0.08, 0.16)
RETRIEVE, TUNE = (ArmId(option=option, model="m") for option in (Option.RETRIEVE, Option.TUNE))
FLOOR_ACCURACY = 0.85
BOTH_RIGHT = 0.5
CLUSTER, ALIKE = 3, 0.7  # each item takes its cluster's state with this chance: an ICC of about 0.49


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One truth: n items, how often the pair differs, by how much, and how many items stand together."""

    n: int
    discordance: float
    gap: float
    cluster: int
    arms: int = 2


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=20_000)
    parser.add_argument("--only", choices=("pair", "arms", "floors"))
    args = parser.parse_args()
    parts = {"pair": pair_table, "arms": arms_table, "floors": floors_table}
    for name, table in parts.items():
        if args.only in (None, name):
            print(
                f"\n### {name}: {args.runs:,} runs a cell, Monte Carlo error of a share of 5 %: "
                f"{100 * math.sqrt(0.05 * 0.95 / args.runs):.2f} points\n"
            )
            for line in table(args.runs):
                print(line, flush=True)


def pair_table(runs: int) -> Iterator[str]:
    """Words, coverage and power of the pair alone."""
    yield (
        "| n | items together | differ on | true gap | retrieve | retrieve as good | tied | not enough | "
        "tune as good | tune | covered | Tango covers | interval against p |"
    )
    yield "|" + "---|" * 13
    for cluster, n, discordance, gap in itertools.product((1, CLUSTER), SIZES, DISCORDANCE, GAPS):
        if gap > discordance:
            continue
        cell = Cell(n=n, discordance=discordance, gap=gap, cluster=cluster)
        words, covered, tango, apart = pair_cell(cell, runs)
        shares = " | ".join(f"{100 * words[answer] / runs:.1f}" for answer in Answer)
        beside = "-" if cluster > 1 else f"{100 * tango / runs:.1f}"
        yield (
            f"| {n:,} | {cluster} | {100 * discordance:.0f} % | {100 * gap:.0f} | {shares} | "
            f"{100 * covered / runs:.1f} | {beside} | {apart} |"
        )


def pair_cell(cell: Cell, runs: int) -> tuple[Counter[Answer], int, int, int]:
    """Counts over runs: words, intervals that hold the gap, Tango's that do, and p against its interval."""
    words: Counter[Answer] = Counter()
    covered = tango = apart = 0
    z = two_sided_z(DESIGN.level)
    for found, times in _pairs(cell, runs):
        words[_answer((found,), 2)] += times
        interval = found.difference
        assert interval.low is not None and interval.high is not None and found.p_value is not None
        covered += times * (interval.low - 1e-12 <= cell.gap <= interval.high + 1e-12)
        apart += times * ((found.p_value < 1 - interval.level) != (interval.low > 0 or interval.high < 0))
        if cell.cluster == 1:
            low, high = tango_interval(found.only_a, found.only_b, cell.n, z)
            tango += times * (low - 1e-12 <= cell.gap <= high + 1e-12)
    return words, covered, tango, apart


def _pairs(cell: Cell, runs: int) -> Iterator[tuple[Comparison, int]]:
    """The comparison of every run; runs with the same table of single items are made once."""
    rng = _rng(cell)
    if cell.cluster == 1:
        tables = Counter(map(tuple, rng.multinomial(cell.n, _shares(cell), size=runs).tolist()))
        for (both, only_tune, only_retrieve, _), times in tables.items():
            yield _of_table(both, only_tune, only_retrieve, cell.n, DESIGN.level), times
        return
    names = [f"c{i // cell.cluster}" for i in range(cell.n)]
    for _ in range(runs):
        tuned, retrieved = _states(rng, cell)
        yield compared((TUNE, RETRIEVE), (tuned, retrieved), names, AIM), 1


@lru_cache(maxsize=500_000)
def _of_table(both: int, only_first: int, only_second: int, n: int, level: float) -> Comparison:
    first, second = np.zeros(n, dtype=bool), np.zeros(n, dtype=bool)
    first[: both + only_first] = True
    second[:both] = True
    second[both + only_first : both + only_first + only_second] = True
    return compared((TUNE, RETRIEVE), (first, second), None, AIM.at_level(level))


def _shares(cell: Cell) -> list[float]:
    """Both right, only tune right, only retrieve right, neither."""
    up, down = (cell.discordance + cell.gap) / 2, (cell.discordance - cell.gap) / 2
    return [BOTH_RIGHT, up, down, 1 - BOTH_RIGHT - up - down]


def _states(rng: np.random.Generator, cell: Cell) -> tuple[Bools, Bools]:
    """Right answers of tune and retrieve, items of a cluster alike."""
    count = math.ceil(cell.n / cell.cluster)
    shared = np.repeat(rng.choice(4, size=count, p=_shares(cell)), cell.cluster)[: cell.n]
    own = rng.choice(4, size=cell.n, p=_shares(cell))
    state = np.where(rng.random(cell.n) < ALIKE, shared, own)
    return (state == 0) | (state == 1), (state == 0) | (state == 2)


def _rng(cell: Cell) -> np.random.Generator:
    seed = (cell.n, round(1000 * cell.discordance), round(1000 * cell.gap), cell.cluster, cell.arms)
    return np.random.default_rng(seed)


def arms_table(runs: int) -> Iterator[str]:
    """The pair beside further arms: its words, and false differences among the other comparisons."""
    yield "| n | arms | differ on | true gap | tune | retrieve | tied | not enough | false elsewhere |"
    yield "|" + "---|" * 9
    for n, discordance, gap in itertools.product(SIZES, (0.20, 0.44), (0.0, 0.04, 0.16)):
        for arms in (2, 5, 9):
            cell = Cell(n=n, discordance=discordance, gap=gap, cluster=1, arms=arms)
            words, false = arms_cell(cell, runs)
            shown = (Answer.TUNE, Answer.RETRIEVE, Answer.TIED, Answer.NOT_ENOUGH_EVIDENCE)
            shares = " | ".join(f"{100 * words[answer] / runs:.1f}" for answer in shown)
            elsewhere = "-" if arms == 2 or gap else f"{100 * false / runs:.1f}"
            yield f"| {n:,} | {arms} | {100 * discordance:.0f} % | {100 * gap:.0f} | {shares} | {elsewhere} |"


def arms_cell(cell: Cell, runs: int) -> tuple[Counter[Answer], int]:
    """Words of the pair, and runs in which another comparison calls equals different."""
    rng, arms = _rng(replace(cell, arms=2)), _arms(cell.arms)  # the pair's draws are those of two arms
    others_rng = _rng(cell)
    primary, others = pairs_to_compare(arms, ())
    assert primary == (TUNE, RETRIEVE)
    level = 1 - (1 - DESIGN.level) / max(1, len(others))
    words: Counter[Answer] = Counter()
    false = 0
    for tuned, retrieved in (_states(rng, cell) for _ in range(runs)):
        right = {TUNE: tuned, RETRIEVE: retrieved}
        right |= {arm.arm: _as_good(others_rng, retrieved, cell.discordance) for arm in arms[2:]}
        found = [_compared(primary, right, DESIGN.level), *(_compared(pair, right, level) for pair in others)]
        words[_answer(tuple(found), cell.arms)] += 1
        equal = [c for c in found[1:] if TUNE not in (c.a, c.b)]
        false += any(c.relation in (Relation.BETTER, Relation.WORSE) for c in equal)
    return words, false


def _as_good(rng: np.random.Generator, of: Bools, discordance: float) -> Bools:
    """An arm that is right as often as another and differs from it on so many items."""
    share = BOTH_RIGHT + discordance / 2  # what the other gets right, at gap 0
    lost = of & (rng.random(of.size) < discordance / 2 / share)
    won = ~of & (rng.random(of.size) < discordance / 2 / (1 - share))
    return np.asarray((of & ~lost) | won)


def _compared(pair: tuple[ArmId, ArmId], right: dict[ArmId, Bools], level: float) -> Comparison:
    one, two = right[pair[0]], right[pair[1]]
    counts = int((one & two).sum()), int((one & ~two).sum()), int((~one & two).sum())
    return replace(_of_table(*counts, one.size, level), a=pair[0], b=pair[1])


def floors_table(runs: int) -> Iterator[str]:
    """One arm against a floor: how often it is called kept, open and broken."""
    yield "| n | items together | true accuracy | floor | kept | open | broken |"
    yield "|" + "---|" * 7
    for n, cluster, accuracy in itertools.product(SIZES, (1, CLUSTER), (0.79, 0.82, 0.85, 0.87, 0.90)):
        rng = np.random.default_rng((n, cluster, round(1000 * accuracy)))
        states: Counter[LimitState] = Counter()
        for correct, names, times in _answers(rng, n, cluster, accuracy, runs):
            states[floor_check(TUNE, correct, names, FLOOR_ACCURACY, PLAN).state] += times
        shares = " | ".join(f"{100 * states[state] / runs:.1f}" for state in LimitState)
        yield f"| {n:,} | {cluster} | {100 * accuracy:.0f} % | 85 % | {shares} |"


def _answers(
    rng: np.random.Generator, n: int, cluster: int, accuracy: float, runs: int
) -> Iterator[tuple[Bools, Sequence[str] | None, int]]:
    if cluster == 1:
        for right, times in Counter(rng.binomial(n, accuracy, size=runs).tolist()).items():
            yield np.arange(n) < right, None, times
        return
    names = [f"c{i // cluster}" for i in range(n)]
    for _ in range(runs):
        shared = np.repeat(rng.random(math.ceil(n / cluster)) < accuracy, cluster)[:n]
        own = rng.random(n) < accuracy
        yield np.where(rng.random(n) < ALIKE, shared, own), names, 1


@lru_cache(maxsize=500_000)
def _answer(found: tuple[Comparison, ...], arms: int) -> Answer:
    return decide(Case(plan=PLAN, arms=_arms(arms), comparisons=found, frontier_measured=True)).answer


@lru_cache
def _arms(count: int) -> tuple[ArmResult, ...]:
    """The pair, then prompt arms; what they cost and how fast they are is the same."""
    others = [ArmId(option=Option.PROMPT, model=f"m{i}") for i in range(count - 2)]
    return tuple(_arm(arm) for arm in (RETRIEVE, TUNE, *others))


def _arm(arm: ArmId) -> ArmResult:
    share = Estimate(metric="share", value=0.5, n=100, method="simulated")
    free = Money(usd=None, basis=PriceBasis.ESTIMATE, source="simulated")
    return ArmResult(
        arm=arm,
        identity=None,
        fitted=Fitted(choices={}, seconds=0.0),
        quality=Quality(
            primary=share,
            answered=share,
            invalid_rate=share,
            failure_rate=replace(share, value=0.0),
            dev=replace(share, value=0.9 if arm == RETRIEVE else 0.5),
            without_overlap=share,
            breakdown=LabelBreakdown(),
        ),
        latency=Latency(p50_ms=share, p95_ms=share, p99_ms=share, conditions="", throughput_qps=share),
        cost=Cost(lines=(), usd_per_1k=free, usd_per_1k_correct=free),
    )


@lru_cache(maxsize=500_000)
def tango_interval(only_first: int, only_second: int, n: int, z: float) -> tuple[float, float]:
    """The score interval of a paired difference (Tango 1998, Statistics in Medicine 17), to compare with."""
    b, c = only_first, only_second

    def score(delta: float) -> float:
        linear = -b - c + (2 * n - b + c) * delta
        constant = -c * delta * (1 - delta)
        share = (math.sqrt(max(0.0, linear * linear - 8 * n * constant)) - linear) / (4 * n)
        spread = n * (2 * share + delta * (1 - delta))
        gap = b - c - n * delta
        return gap / math.sqrt(spread) if spread > 0 else math.copysign(math.inf, gap) if gap else 0.0

    def end(low: float, high: float, falling_to: float) -> float:
        for _ in range(60):
            middle = (low + high) / 2
            low, high = (middle, high) if score(middle) > falling_to else (low, middle)
        return (low + high) / 2

    centre = (b - c) / n
    return end(-1.0, centre, z), end(centre, 1.0, -z)


if __name__ == "__main__":
    main()
