"""Two runs side by side, one item in every arm, and the list of runs."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime

from advisor.money.usage import CountedBy, Usage
from advisor.stats.paired import Relation
from harness.bakeoff.answers import ArmAcrossRuns, ItemAnswer
from harness.bakeoff.browse import Shown
from harness.bakeoff.explain import ExplainedArm, ExplainedItem
from harness.core.records import Item, Message, Timing
from harness.core.serial import encode
from harness.recommendation.history import Past
from harness.recommendation.records import RunResults
from harness.recommendation.run import ComparedRuns
from harness.report.document import Document
from harness.report.text import render_text
from harness.report.topics.compare import compare_document
from harness.report.topics.items import explain_document
from harness.report.topics.runs import runs_document, runs_json
from harness.tasks.extraction import FIELD_F1
from tests.support.results import (
    FLOOR,
    LINEAR,
    RETRIEVE,
    comparison,
    data_summary,
    machine_line,
    run_results,
    share,
)


def flat(view: Document, width: int = 100) -> str:
    return " ".join(render_text(view, width).split())


def across(**changes: object) -> ArmAcrossRuns:
    base = ArmAcrossRuns(
        arm=RETRIEVE,
        first=share("accuracy", 0.4911, 0.45, 0.532),
        second=share("accuracy", 0.46, 0.42, 0.5),
        difference=replace(comparison().difference, value=0.031, low=-0.01, high=0.072),
        paired=True,
        only_first=30,
        only_second=13,
        p_value=0.013,
        relation=Relation.NON_INFERIOR,
    )
    return replace(base, **changes)  # type: ignore[arg-type]


def two_runs(*found: ArmAcrossRuns, b: RunResults | None = None) -> ComparedRuns:
    other = b or run_results(run_id="other-run", arms=run_results().arms[1:4])
    return ComparedRuns(a=run_results(), b=other, across=found)


def test_runs_on_the_same_rows_are_compared_item_by_item() -> None:
    shown = flat(compare_document(two_runs(across())), 120)
    assert "the same, so that arms are compared item by item" in shown
    figures = "49.1 (45.0-53.2) 46.0 (42.0-50.0) +3.1 (-1.0 to +7.2) 30 / 13 0.013"
    assert f"{figures} not worse by the margin" in shown
    assert "only in A: - floor " in shown and "only in B" not in shown
    assert "$0.0123*" in shown and "illustrative" in shown


def test_runs_on_other_rows_say_so() -> None:
    b = run_results(data=data_summary(digests={"test": "99" * 32}))
    shown = flat(compare_document(two_runs(across(paired=False, only_first=None, relation=None), b=b)))
    assert "different: the figures stand side by side, and no arm is called better or worse" in shown


def test_runs_on_fields_are_compared_by_their_metric() -> None:
    both = [run_results(metrics=(FIELD_F1,), run_id=name) for name in ("one", "other")]
    shown = flat(compare_document(ComparedRuns(a=both[0], b=both[1], across=(across(),))), 120)
    assert "A: field B: field" in shown and "F1 % F1 %" in shown and "right answers" not in shown


def test_runs_without_a_common_arm_say_so() -> None:
    assert "no arm in common" in flat(compare_document(two_runs()))


def test_a_comparison_names_its_arms_and_is_json() -> None:
    assert "retrieve@smollm2-135m" in flat(compare_document(two_runs(across())))
    assert json.loads(encode(two_runs(across())))["across"][0]["only_first"] == 30


ITEM = Item(
    id="t-17",
    text="Hi,\n\x1b[31mcharged\x1b[0m twice [bold]",
    target="refund_request",
    cluster="acme",
    slices=(("language", "en"),),
)


def item_answer(**changes: object) -> ItemAnswer:
    base = ItemAnswer(
        arm=RETRIEVE,
        item_id=ITEM.id,
        text=ITEM.text,
        label=ITEM.label,
        raw="refund request",
        answer="refund_request",
        correct=True,
        confidence=0.81,
    )
    return replace(base, **changes)  # type: ignore[arg-type]


def explained(**changes: object) -> ExplainedItem:
    base = ExplainedArm(
        arm=RETRIEVE,
        messages=(
            Message(role="system", content="Classify.\nLabels: a; b"),
            Message(role="user", content=ITEM.text),
        ),
        neighbours=(
            Shown(rank=2, item_id="t-4", text="far", label="b", score=0.01),
            Shown(rank=1, item_id="t-3", text="charged twice", label="refund_request", score=0.0323),
        ),
        answer=item_answer(),
        usage=Usage(input_tokens=1320, output_tokens=None, counted_by=CountedBy.TOKENIZER),
        timing=Timing(retrieval_s=0.004, model_s=0.31),
        attempts=1,
        lines=(machine_line(),),
    )
    arm = replace(base, **changes)  # type: ignore[arg-type]
    return ExplainedItem(run_id="run", split="test", item=ITEM, arms=(arm,))


def test_an_item_shows_messages_neighbours_answer_usage_time_and_price() -> None:
    shown = render_text(explain_document(explained()))
    assert "    | Classify.\n    | Labels: a; b\n" in shown
    assert "    | charged twice [bold]\n" in shown and "\x1b" not in shown
    assert shown.index("rank 1, score 0.0323, t-3, labelled refund_request") < shown.index("rank 2")
    words = " ".join(shown.split())
    assert "answer: refund_request (right)" in words and "confidence: 0.810" in words
    assert "input 1,320, output unknown; counted by tokenizer" in words
    assert "waiting 0 ms, retrieval 4.0 ms, model 310 ms, 1 attempt" in words
    assert "0.123 hours $0.10 $0.0123 illustrative" in words


def test_of_a_served_model_it_is_said_what_answered_and_how_it_was_held() -> None:
    shown = flat(explain_document(explained(served_by="gpt-4.1-2025-04-14 fp_1", form="plain")))
    assert "answered by: gpt-4.1-2025-04-14 fp_1, asked by the prompt alone" in shown
    assert "answered by" not in flat(explain_document(explained()))
    shown = flat(explain_document(explained(left_out=("temperature", "seed"))))
    assert "not sent, as the model does not take it: temperature, seed" in shown


def test_wrong_invalid_failed_and_missing_answers_are_told_apart() -> None:
    wrong = item_answer(answer="b", correct=False, confidence=None)
    invalid = item_answer(answer=None, correct=False)
    failed = item_answer(answer=None, correct=None, raw="", failure="timeout")
    assert "b (wrong, the label is refund_request)" in flat(explain_document(explained(answer=wrong)))
    assert "gives no probabilities" in flat(explain_document(explained(answer=wrong)))
    assert "invalid: no label could be read" in flat(explain_document(explained(answer=invalid)))
    shown = flat(explain_document(explained(answer=failed, failure_message="no answer in 60 s")))
    assert "none: timeout. no answer in 60 s" in shown
    assert "none yet" in flat(explain_document(explained(answer=None)))


def test_a_huge_line_is_broken_to_the_width() -> None:
    huge = Message(role="user", content="x" * 100_000)
    shown = render_text(explain_document(explained(messages=(huge,))), 80)
    assert max(map(len, shown.splitlines())) <= 80
    assert shown.count("x") >= 100_000


def test_an_explained_item_names_itself_and_is_json() -> None:
    assert "t-17 (test)" in flat(explain_document(explained()))
    assert json.loads(encode(explained()))["arms"][0]["usage"]["output_tokens"] is None


def past(run_id: str, **changes: object) -> Past:
    base = Past(
        run_id=run_id,
        state="complete",
        locked_at=datetime(2026, 11, 23, 20, 15, tzinfo=UTC),
        evalset="support-tickets",
        arms=(str(FLOOR), str(LINEAR)),
        results=None,
        wall_s=None,
    )
    return replace(base, **changes)  # type: ignore[arg-type]


PASTS = (
    past("20261123-201500-c0ffee", results=run_results(), wall_s=431.0),
    past("20261123-211500-beef00", state="incomplete", resume="harness resume 20261123-211500-beef00"),
    past("bad", state="damaged", locked_at=None, evalset="", arms=(), fault="The plan was changed."),
)


def test_runs_are_listed_and_what_is_not_complete_looks_it() -> None:
    shown = flat(runs_document(PASTS))
    assert "20261123-201500-c0ffee complete support-tickets 2 560 7 min 11 s tune linear" in shown
    assert "20261123-211500-beef00 incomplete support-tickets 2 - - - -" in shown
    assert "bad is damaged: The plan was changed." in shown
    assert "harness resume 20261123-211500-beef00" in shown


def test_no_run_says_what_to_run() -> None:
    shown = flat(runs_document(()))
    assert "There is no run yet." in shown and "harness bakeoff" in shown


def test_runs_as_json() -> None:
    found = json.loads(json.dumps(runs_json(PASTS)))
    assert found[0]["ship"] == "linear@linear" and found[0]["locked_at"] == "2026-11-23T20:15:00+00:00"
    assert found[1]["test_items"] is None and found[2]["fault"] == "The plan was changed."
