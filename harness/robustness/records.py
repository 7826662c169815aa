"""Records of what an arm may do wrong beyond its accuracy: out of scope, unseen labels, luck, orders."""

from __future__ import annotations

from dataclasses import dataclass

from harness.core.records import ArmId, Estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejection:
    """A threshold on confidence under which answers are handed back, and what it does.

    Attributes:
        threshold: answers below it are rejected; None where dev gives none (`reason` says why).
        kept_dev: share of dev answered at it; wanted: the share that was asked for.
        recall_outside: of inputs out of scope, how many are rejected.
        handed_back: of these inputs, how many are rejected or given the evalset's catch-all label; without
            such a label the same as `recall_outside`.
        kept_inside: of test items in scope, how many are still answered.
        accuracy_kept: of these, how many are right.
    """

    threshold: float | None
    wanted: float
    kept_dev: Estimate
    recall_outside: Estimate
    handed_back: Estimate
    kept_inside: Estimate
    accuracy_kept: Estimate
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnseenLabel:
    """What a model answers to items whose label it was never tuned on.

    Attributes:
        items: how many there were.
        given: share of each label among its answers, the most frequent first.
        confidence: mean confidence of these answers, all of them wrong.
        rejected: share under the threshold; None without one.
    """

    label: str
    items: int
    given: tuple[tuple[str, float], ...]
    confidence: float | None
    rejected: Estimate | None


@dataclass(frozen=True, slots=True, kw_only=True)
class UnseenLabels:
    """What was found of one tuned arm (`option@model`), kept beside its run."""

    arm: str
    labels: tuple[UnseenLabel, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedAgreement:
    """Models that differ in their training seed only, on the same items.

    Attributes:
        seeds: which.
        unanimous: share of items on which all give the same label.
        pairwise: mean share over pairs of seeds; lowest, highest: of one pair.
        kappa: Fleiss' kappa over all seeds; None where it cannot be computed.
        flips: items some seed gets right and some other wrong, as a share.
    """

    seeds: tuple[int, ...]
    unanimous: Estimate
    pairwise: float
    lowest: float
    highest: float
    kappa: float | None
    flips: Estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class Injection:
    """What an arm makes of orders hidden in the texts it is asked about.

    Attributes:
        flipped: of rows that it read the order with and would not have answered so anyway, the share that got
            the ordered answer.
        changed: the share of these that got another answer than without the order, but not the ordered one.
        accuracy: of these; accuracy_plain: of the same rows without the order.
        by_wording: (wording, answered as ordered, asked), in the order of the wordings.
    """

    flipped: Estimate
    changed: Estimate
    accuracy: Estimate
    accuracy_plain: Estimate
    by_wording: tuple[tuple[str, int, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmRobustness:
    """What was looked at of one arm; what was not is None or empty.

    Attributes:
        rejection: what a threshold on confidence does to inputs out of scope.
        unseen: labels that were left out of a training of their own.
        agreement: of the training seeds, where there were several.
        injection: orders hidden in texts.
    """

    arm: ArmId
    rejection: Rejection | None = None
    unseen: tuple[UnseenLabel, ...] = ()
    agreement: SeedAgreement | None = None
    injection: Injection | None = None
