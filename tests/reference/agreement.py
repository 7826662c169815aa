"""How far the advice agrees with published studies: each study's own options, ranked by the rubric.

Decided, tied and abstained are counted apart. The baseline always names the option that won most often among
the cases it is judged on, where the study ran it.
"""

from __future__ import annotations

import tomllib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from advisor.advice import AdvisedAnswer
from advisor.case import build_case
from advisor.options import Option
from advisor.rubric.rubric import Rubric, load_rubric
from advisor.rubric.scoring import OptionScores, between, score
from advisor.stats.intervals import Interval, wilson

CASES = Path(__file__).with_name("published_cases.toml")


@dataclass(frozen=True)
class Judged:
    id: str
    study: str
    found: str
    options: tuple[Option, ...]
    winners: frozenset[Option]
    said: Option | AdvisedAnswer
    first: Option
    gap: float | None
    note: str

    @property
    def outcome(self) -> str:
        if self.said is AdvisedAnswer.MEASURE:
            return "abstained"
        if self.said is AdvisedAnswer.TIED:
            return "tied right" if len(self.winners) > 1 else "tied wrong"
        return (
            "right"
            if self.said in self.winners and len(self.winners) == 1
            else ("decided a tie" if self.said in self.winners else "wrong")
        )


def read_cases(*, verified: bool = True) -> list[dict]:
    rows = tomllib.loads(CASES.read_text(encoding="utf-8"))["case"]
    return [row for row in rows if not (verified and row.get("unverified", False))]


def rank(scores: OptionScores, options: tuple[Option, ...]) -> list[Option]:
    return [o for o in scores.ranked if o in options]


def judge(row: dict, rubric: Rubric) -> Judged:
    case = build_case({"name": row["id"], **row["use_case"]}, row["id"])
    scores = score(case, rubric)
    options = tuple(Option(o) for o in row["options"])
    order = rank(scores, options)
    said: Option | AdvisedAnswer = order[0]
    gap = None
    if len(order) > 1:
        said = between(scores, rubric, order[0], order[1])
        gap = float(scores.totals[order[0]] - scores.totals[order[1]])
    return Judged(
        id=row["id"], study=row["study"], found=row["found"], options=options,
        winners=frozenset(Option(o) for o in row["winners"]), said=said, first=order[0], gap=gap,
        note=row["note"],
    )  # fmt: skip


def judge_all(rubric: Rubric | None = None) -> list[Judged]:
    rubric = rubric or load_rubric()
    return [judge(row, rubric) for row in read_cases()]


@dataclass(frozen=True)
class Agreement:
    """Counts; `decided`: a winner was named; `clear`: of these, the study has one winner."""

    n: int
    decided: int
    named_a_winner: int
    clear: int
    right: int
    low: float
    high: float
    baseline: str
    baseline_right: int
    decided_a_tie: int
    tied: int
    tied_right: int
    abstained: int


def agreement(judged: list[Judged]) -> Agreement:
    decided = [j for j in judged if isinstance(j.said, Option)]
    clear = [j for j in decided if len(j.winners) == 1]
    right = sum(j.said in j.winners for j in clear)
    wins = Counter(o for j in clear for o in j.winners)
    common = max(wins, key=lambda o: (wins[o], o.value))
    share = wilson(right, len(clear))
    assert isinstance(share, Interval)
    tied = [j for j in judged if j.said is AdvisedAnswer.TIED]
    return Agreement(
        n=len(judged),
        decided=len(decided),
        named_a_winner=sum(j.said in j.winners for j in decided),
        clear=len(clear),
        right=right,
        low=share.low,
        high=share.high,
        baseline=common.value,
        baseline_right=wins[common],
        decided_a_tie=len(decided) - len(clear),
        tied=len(tied),
        tied_right=sum(len(j.winners) > 1 for j in tied),
        abstained=sum(j.said is AdvisedAnswer.MEASURE for j in judged),
    )


def by_gap(judged: list[Judged], edges: list[float]) -> list[tuple[int, int]]:
    """(first place held, cases) for cases with one winner, by score gap."""
    found = []
    for low, high in zip(edges, [*edges[1:], float("inf")], strict=True):
        here = [j for j in judged if j.gap is not None and low <= j.gap < high and len(j.winners) == 1]
        found.append((sum(j.first in j.winners for j in here), len(here)))
    return found


if __name__ == "__main__":
    found = judge_all()
    for j in found:
        gap = "-" if j.gap is None else f"{j.gap:.2f}"
        print(
            f"{j.id:20} {j.found:9} said {j.said.value:14} first {j.first.value:14} gap {gap:>5} "
            f"winners {','.join(sorted(w.value for w in j.winners)):24} {j.outcome}"
        )
    for name in ("evidence", "later"):
        print(name, agreement([j for j in found if j.found == name]))
    print("all", agreement(found))
