"""Robustness checks on journaled answers: out-of-scope input, unseen labels, agreement across seeds. Pure.

The rejecting threshold comes from dev alone: the highest one that still answers the wanted share of it.
What it does to inputs out of scope is then measured on rows that chose nothing. Fleiss' kappa is that of
Fleiss (1971), with an invalid answer or a failure as a category of its own.
"""

from __future__ import annotations

import hashlib
import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from advisor.stats.intervals import Floats, Ints
from harness.bakeoff.answer_sets import AnswerSet, StoredRun
from harness.bakeoff.limit_checks import Counted, RobustShares
from harness.core.records import Estimate
from harness.robustness.injection import injection_of
from harness.robustness.records import ArmRobustness, Rejection, SeedAgreement, UnseenLabel
from harness.tasks.measures import Bools, Measuring, confidence, everything, fit_dev_temperature, share
from harness.tasks.scored import INVALID, Scored
from harness.tasks.wording import in_words

WANTED = 0.95
"""Share of dev that a rejecting threshold still answers, unless another is asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RejectingRule:
    """When an answer is handed back.

    Attributes:
        temperature: of confidences, fitted on dev; None where there are none.
        wanted: share of dev that is still to be answered.
        catch_all: code of the label for what no other fits; None where there is none.
    """

    temperature: float | None
    wanted: float = WANTED
    catch_all: int | None = None


def rejection(
    dev: Scored,
    test: Scored,
    outside: Scored,
    rule: RejectingRule,
    how: Measuring,
) -> Rejection:
    """A threshold from dev, and what it rejects of test and of inputs out of scope.

    Args:
        outside: the model's answers to inputs out of scope; `truth` is not looked at.
    """
    threshold = rejecting_threshold(dev, rule.temperature, rule.wanted)
    if threshold is None:
        return _none(dev, rule.wanted, "the model gives no confidence on dev")
    sure = confidence(dev, rule.temperature)
    kept_test = confidence(test, rule.temperature) >= threshold
    rejected, back = _handed_back(outside, threshold, rule)
    every = everything(outside)
    return Rejection(
        threshold=threshold,
        wanted=rule.wanted,
        kept_dev=share("kept on dev", dev, sure >= threshold, ~np.isnan(sure), how),
        recall_outside=share("out of scope and rejected", outside, rejected, every, how),
        handed_back=share("out of scope and handed back", outside, back, every, how),
        kept_inside=share("kept on test", test, kept_test, everything(test), how),
        accuracy_kept=share("accuracy of kept", test, test.correct, kept_test, how),
    )


def _handed_back(outside: Scored, threshold: float, rule: RejectingRule) -> tuple[Bools, Bools]:
    """Which inputs are rejected, and which are rejected or given the catch-all label."""
    rejected = confidence(outside, rule.temperature) < threshold  # no confidence: answered
    named = rule.catch_all
    return rejected, rejected if named is None else rejected | (outside.answer == named)


def rejecting_threshold(dev: Scored, temperature: float | None, wanted: float = WANTED) -> float | None:
    """The highest confidence that still answers the wanted share of dev; None where dev has no confidence."""
    known = np.sort(_known(dev, temperature))
    if not len(known):
        return None
    return float(known[len(known) - max(1, int(np.ceil(wanted * len(known) - 1e-9)))])


def _known(scored: Scored, temperature: float | None) -> Floats:
    sure = confidence(scored, temperature)
    return sure[~np.isnan(sure)]


def unseen_label(
    label: str,
    scored: Scored,
    labels: Sequence[str],
    temperature: float | None,
    threshold: float | None,
    how: Measuring,
) -> UnseenLabel:
    """What is answered to items of a label that was left out of training.

    Args:
        scored: the model's answers to items of that label; `truth` is not looked at.
        labels: those the model was tuned on, in the order of its scores.
    """
    answered = [labels[int(code)] for code in scored.answer if code >= 0]
    counts = Counter(answered)
    n = len(scored.items)
    sure, known = confidence(scored, temperature), _known(scored, temperature)
    rejected = None
    if threshold is not None and len(known):
        rejected = share("unseen and rejected", scored, sure < threshold, ~np.isnan(sure), how)
    return UnseenLabel(
        label=label,
        items=n,
        given=tuple((name, count / n) for name, count in sorted(counts.items(), key=lambda p: (-p[1], p[0]))),
        confidence=float(known.mean()) if len(known) else None,
        rejected=rejected,
    )


def robustness_of(
    answers: AnswerSet, sets: Sequence[AnswerSet], run: StoredRun, unseen: tuple[UnseenLabel, ...]
) -> tuple[ArmRobustness, RobustShares] | None:
    """What a run's journal says of one arm, and what of it a limit may be set on; None where that is nothing.

    Args:
        sets: every answer set of the run, for those of the arm's other training seeds.
        unseen: what trainings without a label answered to it.
    """
    fitted, outside, named = answers.settled, answers.out_of_scope, run.facts.catch_all
    rule = RejectingRule(
        temperature=fit_dev_temperature(answers.dev),
        catch_all=run.labels.index(named) if named in run.labels else None,
    )
    rejected = back = agreement = same = None
    if outside is not None:
        rejected = rejection(answers.dev, answers.test, outside, rule, run.how)
        if rejected.threshold is not None:
            _, hits = _handed_back(outside, rejected.threshold, rule)
            back = Counted(hits=hits, clusters=outside.clusters)
    tuned = fitted.arm.option.traits.tuned
    by_seed = {one.settled.seed: one.test for one in sets if tuned and one.settled.arm == fitted.arm}
    if len(by_seed) > 1:
        agreement = seed_agreement(by_seed, run.how)
        same = Counted(hits=_unanimous(by_seed), clusters=answers.test.clusters)
    injected = None if answers.injected is None else injection_of(answers.injected, answers.test, run.how)
    if rejected is None and agreement is None and not unseen and injected is None:
        return None
    found = ArmRobustness(
        arm=fitted.arm, rejection=rejected, unseen=unseen, agreement=agreement, injection=injected
    )
    return found, RobustShares(handed_back=back, seeds_agree=same)


def seed_agreement(by_seed: Mapping[int, Scored], how: Measuring) -> SeedAgreement:
    """How far models of several training seeds agree.

    Raises:
        ValueError: with fewer than two seeds, or answers to different items.
    """
    seeds = tuple(sorted(by_seed))
    if len(seeds) < 2:
        raise ValueError("agreement needs two seeds at least")
    items = [[item.id for item in by_seed[seed].items] for seed in seeds]
    if any(other != items[0] for other in items[1:]):
        raise ValueError("the seeds were not asked about the same items")
    answers = np.array([_codes(by_seed[seed]) for seed in seeds])
    right = np.array([by_seed[seed].correct for seed in seeds])
    first = by_seed[seeds[0]]
    same = _unanimous(by_seed)
    mixed = np.asarray(right.any(axis=0) & ~right.all(axis=0))
    pairs = [
        float((answers[a] == answers[b]).mean()) for a, b in itertools.combinations(range(len(seeds)), 2)
    ]
    return SeedAgreement(
        seeds=seeds,
        unanimous=share("all seeds the same label", first, same, everything(first), how),
        pairwise=float(np.mean(pairs)),
        lowest=min(pairs),
        highest=max(pairs),
        kappa=fleiss_kappa(answers),
        flips=share("right for some seeds only", first, mixed, everything(first), how),
    )


def _unanimous(by_seed: Mapping[int, Scored]) -> Bools:
    """On which items all seeds give the same answer."""
    answers = np.array([_codes(scored) for scored in by_seed.values()])
    return np.asarray((answers == answers[0]).all(axis=0))


def _codes(scored: Scored) -> Ints:
    """A number for each answer; equal ones have the same, and no answer is one answer."""
    if all(isinstance(item.target, str) for item in scored.items):  # labels
        return np.maximum(scored.answer, INVALID)
    words = ["" if score.answer is None else in_words(score.answer) for score in scored.scores]
    digests = [hashlib.sha256(word.encode()).digest()[:7] for word in words]
    return np.array([int.from_bytes(one, "big") for one in digests], dtype=np.int64)


def fleiss_kappa(answers: np.ndarray) -> float | None:
    """Fleiss' kappa of (raters, items) codes; None where chance agreement is complete."""
    raters, n = answers.shape
    codes = np.unique(answers)
    counts = np.array([(answers == code).sum(axis=0) for code in codes], dtype=np.float64)  # (codes, items)
    observed = float(((counts**2).sum(axis=0) - raters).mean() / (raters * (raters - 1)))
    chance = float(((counts.sum(axis=1) / (raters * n)) ** 2).sum())
    return None if chance >= 1 else (observed - chance) / (1 - chance)


def _none(dev: Scored, wanted: float, reason: str) -> Rejection:
    def unknown(metric: str) -> Estimate:
        return Estimate(metric=metric, value=None, n=len(dev.items), method="none", reason=reason)

    return Rejection(
        threshold=None,
        wanted=wanted,
        kept_dev=unknown("kept on dev"),
        recall_outside=unknown("out of scope and rejected"),
        handed_back=unknown("out of scope and handed back"),
        kept_inside=unknown("kept on test"),
        accuracy_kept=unknown("accuracy of kept"),
        reason=reason,
    )
