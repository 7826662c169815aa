"""What was looked at beyond accuracy stands in every report, in the figures of its record."""

from __future__ import annotations

import dataclasses

from harness.core.records import Estimate
from harness.recommendation.records import RunResults
from harness.report.document import Document, Facts, plain
from harness.report.run_document import run_document
from harness.report.topics.robustness import robustness_sentences
from harness.robustness.records import ArmRobustness, Rejection, SeedAgreement, UnseenLabel
from harness.tasks.classification import ACCURACY
from tests.support.closing import closing
from tests.support.results import LINEAR, TUNE, run_results, share


def part(metric: str, value: float, n: int) -> Estimate:
    return dataclasses.replace(share(metric, value, value - 0.05, value + 0.05), n=n)


REJECTION = Rejection(
    threshold=0.41,
    wanted=0.95,
    kept_dev=part("kept on dev", 0.95, 120),
    recall_outside=part("rejected", 0.62, 150),
    handed_back=part("handed back", 0.72, 150),
    kept_inside=part("kept on test", 0.93, 560),
    accuracy_kept=part("accuracy of kept", 0.84, 521),
)
AGREEMENT = SeedAgreement(
    seeds=(7, 8, 9),
    unanimous=part("unanimous", 0.509, 560),
    pairwise=0.636,
    lowest=0.625,
    highest=0.651,
    kappa=0.62,
    flips=part("flips", 0.301, 560),
)
UNSEEN = UnseenLabel(
    label="refund_request",
    items=40,
    given=(("billing", 0.6), ("complaint", 0.4)),
    confidence=0.81,
    rejected=part("rejected", 0.15, 40),
)
HARM = {
    LINEAR: ArmRobustness(arm=LINEAR, rejection=REJECTION),
    TUNE: ArmRobustness(arm=TUNE, unseen=(UNSEEN,), agreement=AGREEMENT),
}


def looked_at() -> RunResults:
    return run_results(robustness=tuple(HARM.values()))


def risks(document: Document) -> dict[str, str]:
    (facts,) = [b for s in document.sections if s.key == "risks" for b in s.blocks if isinstance(b, Facts)]
    return {fact.label: plain(fact.text) for fact in facts.rows}


def test_every_figure_is_said() -> None:
    by_arm = {arm.arm: " ".join(robustness_sentences(arm, ACCURACY)) for arm in looked_at().robustness}
    for said in ("answers 95 % of dev", "62.0 %", "n=150", "72.0 %", "93.0 %", "84.0 %"):
        assert said in by_arm[LINEAR]
    for said in (
        "without refund_request",
        "40 test items",
        "billing 60 %",
        "0.81",
        "15.0 %",
        "50.9 %",
        "0.62",
    ):
        assert said in by_arm[TUNE]


def test_without_a_catch_all_label_one_figure_is_enough() -> None:
    same = dataclasses.replace(REJECTION, handed_back=REJECTION.recall_outside)
    arm = ArmRobustness(arm=LINEAR, rejection=same)
    assert not any("catch-all" in line for line in robustness_sentences(arm, ACCURACY))


def test_a_threshold_that_is_not_there_is_said() -> None:
    none = dataclasses.replace(REJECTION, threshold=None, reason="the model gives no confidence on dev")
    arm = ArmRobustness(arm=LINEAR, rejection=none)
    assert robustness_sentences(arm, ACCURACY) == [
        "out of scope: no threshold on confidence, the model gives no confidence on dev"
    ]


def test_the_section_is_there_where_something_was_looked_at() -> None:
    assert run_document(run_results(), closing()).section("robustness") is None
    shown = run_document(looked_at(), closing()).section("robustness")
    assert shown is not None and len(shown.blocks) == 2


def test_a_client_reads_it_among_the_risks() -> None:
    """The linear arm ships: its figure, and nothing of the arms that do not."""
    said = risks(run_document(looked_at(), closing(), "pdf"))["Strange messages"]
    assert "72.0 %" in said and "handed back" in said and "refund" not in said
    nothing = risks(run_document(run_results(), closing(), "pdf"))["Strange messages"]
    assert nothing == "What is answered to messages that belong to no label was not measured."
