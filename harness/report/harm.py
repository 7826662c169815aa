"""What an arm may do wrong beyond its accuracy, in words: shared by every format. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from harness.core.wording import decimal, one_line, percent, share_sentence
from harness.report.view import Block, Bullets
from harness.robustness.records import ArmRobustness, Rejection, SeedAgreement, UnseenLabel

MOST_NAMED = 3


def harm_blocks(found: Sequence[ArmRobustness]) -> list[Block]:
    """One list an arm that was looked at."""
    return [Bullets(label=one_line(str(one.arm)), items=tuple(harm_sentences(one))) for one in found]


def harm_sentences(harm: ArmRobustness) -> list[str]:
    """What was looked at of one arm."""
    found = [] if harm.rejection is None else _rejection(harm.rejection)
    found += [_unseen(label) for label in harm.unseen]
    return found + ([] if harm.agreement is None else _agreement(harm.agreement))


def _rejection(found: Rejection) -> list[str]:
    if found.threshold is None:
        return [f"out of scope: no threshold on confidence, {found.reason}"]
    lines = [
        f"out of scope: a threshold that answers {percent(found.wanted, 0)} of dev rejects "
        f"{share_sentence(found.recall_outside)} of inputs that belong to no label",
        f"at that threshold {share_sentence(found.kept_inside)} of test items are still answered, "
        f"{share_sentence(found.accuracy_kept)} of them rightly",
    ]
    if found.handed_back.value != found.recall_outside.value:
        lines.insert(
            1, f"with those given the catch-all label, {share_sentence(found.handed_back)} are handed back"
        )
    return lines


def _unseen(found: UnseenLabel) -> str:
    named = ", ".join(f"{one_line(name)} {percent(share, 0)}" for name, share in found.given[:MOST_NAMED])
    sure = "" if found.confidence is None else f" with a mean confidence of {decimal(found.confidence, 2)}"
    text = (
        f"tuned without {one_line(found.label)}, it gives the {found.items} test items of that label "
        f"{named or 'no label'}{sure}, all wrong"
    )
    return (
        text if found.rejected is None else f"{text}; the threshold rejects {share_sentence(found.rejected)}"
    )


def _agreement(found: SeedAgreement) -> list[str]:
    kappa = "" if found.kappa is None else f", Fleiss' kappa {decimal(found.kappa, 2)}"
    return [
        f"training seeds {', '.join(map(str, found.seeds))} give the same label to "
        f"{share_sentence(found.unanimous)} of test items{kappa}; "
        f"{share_sentence(found.flips)} are right for some seeds only"
    ]
