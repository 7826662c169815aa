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

from advisor.stats.intervals import Floats, Ints, wilson
from harness.bakeoff.answer_sets import AnswerSet, StoredRun
from harness.core.records import ArmId, Estimate
from harness.robustness.injection import injection_of
from harness.robustness.records import ArmRobustness, Injection, Rejection, SeedAgreement, UnseenLabel
from harness.tasks.measures import confidence, estimate, fit_dev_temperature
from harness.tasks.scored import INVALID, Scored
from harness.tasks.wording import in_words

WANTED = 0.95
"""Share of dev that a rejecting threshold still answers, unless another is asked for."""


def rejection(
    dev: Scored,
    test: Scored,
    outside: Scored,
    temperature: float | None,
    *,
    wanted: float = WANTED,
    catch_all: int | None = None,
) -> Rejection:
    """A threshold from dev, and what it rejects of test and of inputs out of scope.

    Args:
        outside: the model's answers to inputs out of scope; `truth` is not looked at.
        wanted: share of dev that is still to be answered.
        catch_all: code of the label for what no other fits; None where there is none.
    """
    threshold = rejecting_threshold(dev, temperature, wanted)
    if threshold is None:
        return _none(dev, wanted, "the model gives no confidence on dev")
    known = _known(dev, temperature)
    kept_test = confidence(test, temperature) >= threshold
    kept = int((known >= threshold).sum())
    rejected = confidence(outside, temperature) < threshold  # no confidence: answered
    n = len(outside.items)
    named = np.zeros(n, dtype=bool) if catch_all is None else outside.answer == catch_all
    return Rejection(
        threshold=threshold,
        wanted=wanted,
        kept_dev=_share("kept on dev", kept, len(known)),
        recall_outside=_share("out of scope and rejected", int(rejected.sum()), n),
        handed_back=_share("out of scope and handed back", int((rejected | named).sum()), n),
        kept_inside=_share("kept on test", int(kept_test.sum()), len(test.items)),
        accuracy_kept=_share("accuracy of kept", int((kept_test & test.correct).sum()), int(kept_test.sum())),
    )


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
    label: str, scored: Scored, labels: Sequence[str], temperature: float | None, threshold: float | None
) -> UnseenLabel:
    """What is answered to items of a label that was left out of training.

    Args:
        scored: the model's answers to items of that label; `truth` is not looked at.
        labels: those the model was tuned on, in the order of its scores.
    """
    answered = [labels[int(code)] for code in scored.answer if code >= 0]
    counts = Counter(answered)
    n = len(scored.items)
    known = _known(scored, temperature)
    rejected = None
    if threshold is not None and len(known):
        rejected = _share("unseen and rejected", int((known < threshold).sum()), len(known))
    return UnseenLabel(
        label=label,
        items=n,
        given=tuple((name, count / n) for name, count in sorted(counts.items(), key=lambda p: (-p[1], p[0]))),
        confidence=float(known.mean()) if len(known) else None,
        rejected=rejected,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedArm:
    """An arm's answers that robustness checks look at.

    Attributes:
        out_of_scope: None where it was not asked.
        by_seed: test answers by training seed.
        unseen: what was found by trainings without a label.
        catch_all: code of the label for what no other fits.
        injection: what orders hidden in texts did.
    """

    dev: Scored
    test: Scored
    out_of_scope: Scored | None
    by_seed: Mapping[int, Scored]
    unseen: tuple[UnseenLabel, ...] = ()
    catch_all: int | None = None
    injection: Injection | None = None


def arm_robustness(arm: ArmId, asked: AskedArm, temperature: float | None) -> ArmRobustness | None:
    """Everything that was looked at of one arm; None where that is nothing."""
    rejected = None
    if asked.out_of_scope is not None:
        rejected = rejection(
            asked.dev, asked.test, asked.out_of_scope, temperature, catch_all=asked.catch_all
        )
    agreement = seed_agreement(asked.by_seed) if len(asked.by_seed) > 1 else None
    if rejected is None and agreement is None and not asked.unseen and asked.injection is None:
        return None
    return ArmRobustness(
        arm=arm, rejection=rejected, unseen=asked.unseen, agreement=agreement, injection=asked.injection
    )


def robustness_of(
    answers: AnswerSet, sets: Sequence[AnswerSet], run: StoredRun, unseen: tuple[UnseenLabel, ...]
) -> ArmRobustness | None:
    """What a run's journal says of one arm; None where nothing was looked at.

    Args:
        sets: every answer set of the run, for those of the arm's other training seeds.
        unseen: what trainings without a label answered to it.
    """
    fitted, catch_all = answers.settled, run.facts.catch_all
    siblings = (
        [one for one in sets if one.settled.arm == fitted.arm] if fitted.arm.option.traits.tuned else []
    )
    asked = AskedArm(
        dev=answers.dev,
        test=answers.test,
        out_of_scope=answers.out_of_scope,
        by_seed={one.settled.seed: one.test for one in siblings},
        unseen=unseen,
        catch_all=run.labels.index(catch_all) if catch_all in run.labels else None,
        injection=None if answers.injected is None else injection_of(answers.injected, answers.test),
    )
    return arm_robustness(fitted.arm, asked, fit_dev_temperature(answers.dev))


def seed_agreement(by_seed: Mapping[int, Scored]) -> SeedAgreement:
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
    n = answers.shape[1]
    same = (answers == answers[0]).all(axis=0)
    mixed = right.any(axis=0) & ~right.all(axis=0)
    pairs = [
        float((answers[a] == answers[b]).mean()) for a, b in itertools.combinations(range(len(seeds)), 2)
    ]
    return SeedAgreement(
        seeds=seeds,
        unanimous=_share("all seeds the same label", int(same.sum()), n),
        pairwise=float(np.mean(pairs)),
        lowest=min(pairs),
        highest=max(pairs),
        kappa=fleiss_kappa(answers),
        flips=_share("right for some seeds only", int(mixed.sum()), n),
    )


def _codes(scored: Scored) -> Ints:
    """A number for each answer; equal ones have the same, and no answer is one answer."""
    if scored.logprobs.shape[1]:
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


def _share(metric: str, hits: int, n: int) -> Estimate:
    if n == 0:
        return Estimate(metric=metric, value=None, n=0, method="none", reason="no items")
    return estimate(metric, hits / n, wilson(hits, n), n, "Wilson")


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
