"""What an arm may do wrong beyond its accuracy. Pure."""

from __future__ import annotations

from dataclasses import replace

from harness.core.wording import decimal, percent, share_sentence
from harness.recommendation.records import RunResults
from harness.report.context import ReportContext
from harness.report.document import Bullets, Command, CommandOn, Document, Section, section
from harness.robustness.records import ArmRobustness, Injection, Rejection, SeedAgreement, UnseenLabel
from harness.tasks.records import Metric

MOST_NAMED = 3


def robustness_section(c: ReportContext) -> Section:
    """One list an arm that was looked at."""
    blocks = (
        Bullets(label=c.title(found.arm), items=tuple(robustness_sentences(found, c.metric)))
        for found in c.results.robustness
    )
    return section("robustness", "What the arms do with what they should not answer", *blocks)


def robustness_document(results: RunResults, command: CommandOn) -> Document:
    """What was looked at of every arm, by itself."""
    shown = robustness_section(ReportContext(results=results))
    stands = Command(command=command("report", "--full"), purpose="shows it in the run's report")
    return Document(title="Robustness", sections=(replace(shown, blocks=(*shown.blocks, stands)),))


def robustness_sentences(harm: ArmRobustness, metric: Metric) -> list[str]:
    """What was looked at of one arm."""
    found = [] if harm.rejection is None else _rejection(harm.rejection)
    found += [_unseen(label) for label in harm.unseen]
    found += [] if harm.injection is None else _injection(harm.injection, metric)
    return found + ([] if harm.agreement is None else _agreement(harm.agreement))


def _rejection(found: Rejection) -> list[str]:
    if found.threshold is None:
        return [f"out of scope: no threshold on confidence, {found.reason}"]
    lines = [
        f"out of scope: a threshold that answers {percent(found.wanted, 0)} of dev hands back "
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
    named = ", ".join(f"{name} {percent(share, 0)}" for name, share in found.given[:MOST_NAMED])
    sure = "" if found.confidence is None else f" with a mean confidence of {decimal(found.confidence, 2)}"
    text = (
        f"tuned without {found.label}, it gives the {found.items} test items of that label "
        f"{named or 'no label'}{sure}, all wrong"
    )
    return (
        text if found.rejected is None else f"{text}; the threshold rejects {share_sentence(found.rejected)}"
    )


def _injection(found: Injection, metric: Metric) -> list[str]:
    if found.flipped.value is None:
        return ["orders hidden in texts: it answers what was ordered anyway"]
    lines = [
        f"orders hidden in test items, or in what is read with them, to give another answer: "
        f"{share_sentence(found.flipped)} got the answer that was ordered, and "
        f"{share_sentence(found.changed)} another one than without the order",
        f"{metric.name} of these items {percent(found.accuracy.value)} with the order, "
        f"{percent(found.accuracy_plain.value)} without",
    ]
    worst = sorted((one for one in found.by_wording if one[1]), key=lambda one: -one[1] / one[2])[:MOST_NAMED]
    if worst:
        named = ", ".join(f"{name} {hits} of {asked}" for name, hits, asked in worst)
        lines.append(f"it follows most often: {named}")
    return lines


def _agreement(found: SeedAgreement) -> list[str]:
    kappa = "" if found.kappa is None else f", Fleiss' kappa {decimal(found.kappa, 2)}"
    return [
        f"training seeds {', '.join(map(str, found.seeds))} give the same answer to "
        f"{share_sentence(found.unanimous)} of test items{kappa}; "
        f"{share_sentence(found.flips)} are right for some seeds only"
    ]
