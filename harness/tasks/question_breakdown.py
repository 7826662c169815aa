"""What lies behind right answers to questions: abstaining, searching, and the owners of mistakes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from harness.core.records import Completion, Estimate
from harness.core.references import Reference
from harness.tasks.measures import Bools, Measuring, mean, reciprocal_rank, share
from harness.tasks.scored import Scored

EXAMPLES = 5  # of each owner
MOST_POINTS = 12
"""Of a curve of risk and coverage."""


class Owner(StrEnum):
    """Whose a wrong answer is."""

    NOT_RETRIEVED = "not retrieved"
    NOT_USED = "retrieved and not used"
    NOT_THERE = "not in the documents"
    CONTRADICT = "documents contradict"
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerDetail:
    """What was seen of one answer beside its scores.

    Attributes:
        abstained: it says that the documents do not answer.
        cited: the ids of the passages that it cites, those that were not shown left out.
        ranks: of the passages with evidence among those shown, from 1; None where no passages were shown or
            evidence is not stated.
        gain: the discounted gain of these ranks (`discounted_gain`), 1 where evidence stands first.
        unsupported: what it states and no passage that it cites says.
        owner: of a wrong answer.
    """

    abstained: bool
    cited: tuple[str, ...] = ()
    ranks: tuple[int, ...] | None = None
    gain: float = 0.0
    unsupported: tuple[str, ...] = ()
    owner: Owner | None = None

    @property
    def found(self) -> bool | None:
        """Whether a passage with evidence was shown; None where that is not known."""
        return None if self.ranks is None else bool(self.ranks)


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnedMistakes:
    """The wrong answers of one owner.

    Attributes:
        examples: ids of the first of them.
    """

    owner: Owner
    items: int
    examples: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answering:
    """What comes of answering only some of the questions, the surest answers first.

    Attributes:
        coverage: the share of all questions that get an answer.
        risk: the share of those answers that are wrong.
    """

    coverage: float
    risk: Estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class QuestionBreakdown:
    """Questions of a test by whether they can be answered and whether they were.

    Attributes:
        answerable, unanswerable: questions, failures included.
        answered, answered_rightly: that got an answer, and the right one.
        abstained, abstained_rightly: of all; rightly where a question cannot be answered.
        always_abstaining, never_abstaining: right answers of somebody who always abstains, and the most that
            somebody who never does can have.
        answering: from the surest answers to all that the arm gave; one entry where it does not say how sure
            it is, none where it answers nothing.
        evidence_shown: share of the questions with stated evidence that had a passage with it among those
            shown; None where no passages were shown.
        evidence_rank, evidence_gain: of the same questions the mean of 1 / rank of the first such passage, 0
            where there is none (MRR), and of the discounted gain of all of them (nDCG).
        most_shown: the most passages that a question was shown.
        owners: of the wrong answers, every owner.
        invalid: answers in which nothing is said; cut: those ended by the most tokens they may have.
    """

    answerable: int = 0
    unanswerable: int = 0
    answered: int = 0
    answered_rightly: int = 0
    abstained: int = 0
    abstained_rightly: int = 0
    always_abstaining: float = 0.0
    never_abstaining: float = 0.0
    answering: tuple[Answering, ...] = ()
    evidence_shown: Estimate | None = None
    evidence_rank: Estimate | None = None
    evidence_gain: Estimate | None = None
    most_shown: int = 0
    owners: tuple[OwnedMistakes, ...] = ()
    invalid: int = 0
    cut: int = 0


def answerable_of(test: Scored) -> Bools:
    """Which items can be answered."""
    targets = [item.target for item in test.items]
    return np.array([isinstance(one, Reference) and one.answerable for one in targets], dtype=bool)


def abstained_of(test: Scored) -> Bools:
    """Which items were abstained from."""
    return np.array([score.detail.abstained for score in test.scores], dtype=bool)


def by_question(test: Scored, how: Measuring) -> QuestionBreakdown:
    """The breakdown of one arm."""
    can, abstained = answerable_of(test), abstained_of(test)
    said = np.array([score.answer is not None for score in test.scores], dtype=bool)
    n, given = max(1, len(test.items)), test.outcomes.alike
    return QuestionBreakdown(
        answerable=int(can.sum()),
        unanswerable=int((~can).sum()),
        answered=int((said & ~abstained).sum()),
        answered_rightly=int((can & test.correct).sum()),
        abstained=int(abstained.sum()),
        abstained_rightly=int((abstained & ~can).sum()),
        always_abstaining=float((~can).sum()) / n,
        never_abstaining=float(can.sum()) / n,
        answering=_answering(test, said & ~abstained, how),
        evidence_shown=_evidence(
            "questions with evidence shown", test, how, lambda one: float(bool(one.ranks))
        ),
        evidence_rank=_evidence("MRR", test, how, lambda one: reciprocal_rank(one.ranks or ())),
        evidence_gain=_evidence("nDCG", test, how, lambda one: one.gain),
        most_shown=max((len(one.neighbours) for one in given if isinstance(one, Completion)), default=0),
        owners=_owners(test),
        invalid=test.invalid,
        cut=test.cut,
    )


def _answering(test: Scored, answered: Bools, how: Measuring) -> tuple[Answering, ...]:
    """Risk and coverage at rising coverage; answers that are equally sure are given together."""
    places = np.flatnonzero(answered)
    if not places.size:
        return ()
    given = [test.outcomes.alike[place] for place in places]
    sure = np.array([getattr(one, "confidence", None) for one in given], dtype=np.float64)  # None is nan
    cuts = [-np.inf]
    if not np.isnan(sure).any():
        ranks = np.ceil(np.arange(1, MOST_POINTS + 1) * sure.size / MOST_POINTS).astype(int)
        cuts = sorted(set(np.sort(sure)[::-1][ranks - 1].tolist()), reverse=True)
    found = []
    for cut in cuts:
        among = np.zeros(len(test.items), dtype=bool)
        among[places[np.isnan(sure) | (sure >= cut)]] = True
        risk = share("wrong answers of those given", test, ~test.correct, among, how)
        found.append(Answering(coverage=float(among.mean()), risk=risk))
    return tuple(found)


def _evidence(
    metric: str, test: Scored, how: Measuring, of: Callable[[AnswerDetail], float]
) -> Estimate | None:
    """A mean over the questions of which it is known whether evidence was shown; None without one."""
    known = np.array([score.detail.ranks is not None for score in test.scores], dtype=bool)
    values = np.array([of(score.detail) for score in test.scores], dtype=np.float64)
    return mean(metric, test, values, known, how) if known.any() else None


def _owners(test: Scored) -> tuple[OwnedMistakes, ...]:
    owned = [(score.detail.owner, item.id) for item, score in zip(test.items, test.scores, strict=True)]
    counts = Counter(owner for owner, _ in owned if owner is not None)
    return tuple(
        OwnedMistakes(
            owner=owner,
            items=counts[owner],
            examples=tuple(item for one, item in owned if one is owner)[:EXAMPLES],
        )
        for owner in Owner
    )
