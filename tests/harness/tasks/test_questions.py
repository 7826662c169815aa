"""Questions over documents: what is sent, how an answer is read and scored, and whose a mistake is."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Sequence

import pytest

from advisor.options import Option
from harness.core.records import Completion, Failure, FailureKind, Item, Neighbour, Outcome, Passage, Timing
from harness.core.references import EvidenceQuote, Reference
from harness.core.serial import decode_item, encode
from harness.tasks.measures import Measuring
from harness.tasks.question_breakdown import Owner
from harness.tasks.questions import PROMPT_VERSION, RIGHT, QuestionTask, reference_of
from harness.tasks.records import PromptLimits, Score
from harness.tasks.scoring import score
from harness.tasks.wording import NOT_THERE, in_words

TASK = QuestionTask(PromptLimits())
QUOTES = (
    EvidenceQuote(document="leave.md", quote="six days", passages=("leave.md#1",)),
    EvidenceQuote(document="pay.md", quote="in May", passages=("pay.md#1", "pay.md#2")),
)
ASKED = Item(
    id="q1",
    text="How much is carried over?",
    target=Reference(answers=("6 days", "6"), evidence=QUOTES, answerable=True),
)
UNKNOWN = Item(id="q2", text="Who painted the wall?", target=Reference(answerable=False))


def hits(*ids: str) -> tuple[Neighbour, ...]:
    return tuple(Neighbour(item_id=name, score=1.0, rank=rank) for rank, name in enumerate(ids, 1))


SHOWN = hits("leave.md#1", "other.md#1", "pay.md#2")


def scored(item: Item, text: str | None, found: Sequence[Neighbour] = SHOWN) -> Score:
    return TASK.score(item, text, found)


def test_the_wording_is_frozen_under_its_version() -> None:
    """Changed wording moves results: then `PROMPT_VERSION` and this digest change together."""
    passage = Passage(id="a#1", document="a.md", span=(0, 9), text="Six days.", headings=("Leave",))
    said = [
        TASK.messages(Option.PROMPT, ASKED),
        TASK.messages(Option.TUNE, ASKED),
        TASK.reading(ASKED, [passage]),
    ]
    digest = hashlib.sha256(repr(said).encode()).hexdigest()[:16]
    assert (PROMPT_VERSION, digest) == ("question-answering-1", "7e81332d74ff2fe5")


def test_passages_are_sent_whole_under_their_numbers_and_the_question_last() -> None:
    passages = [
        Passage(id="a#1", document="a.md", span=(0, 9), text="Six days.", headings=("Leave", "Carry over")),
        Passage(id="b#1", document="b.md", span=(0, 9), text="x" * 900),
    ]
    content = TASK.reading(ASKED, passages)[-1].content
    assert "[p1] a.md\nLeave > Carry over\nSix days." in content
    assert "[p2] b.md\n" + "x" * 900 in content
    assert content.endswith(f"Question: {ASKED.text}")
    assert NOT_THERE in TASK.reading(ASKED, passages)[0].content


@pytest.mark.parametrize("option", [Option.FLOOR, Option.LINEAR, Option.ENCODER])
def test_an_option_that_cannot_do_it_sends_nothing(option: Option) -> None:
    with pytest.raises(ValueError, match="sends no messages"):
        TASK.messages(option, ASKED)


def test_a_right_answer_with_its_citations() -> None:
    """Of two cited passages one backs it, and of two quotes one is cited."""
    found = scored(ASKED, "6 days [p1] [p2]")
    assert found.values[RIGHT.name] == 1.0
    assert found.values["token F1"] == 1.0
    assert found.values["citation precision"] == 0.5
    assert found.values["citation recall"] == 0.5
    assert found.detail.owner is None
    assert found.detail.cited == ("leave.md#1", "other.md#1")


def test_a_citation_of_a_passage_that_was_not_shown_backs_nothing() -> None:
    assert scored(ASKED, "6 days [p9]").values["citation precision"] == 0.0
    assert scored(ASKED, "6 days [p9]").values["citation recall"] == 0.0


def test_an_answer_without_citations_has_no_precision_and_no_recall_of_evidence() -> None:
    found = scored(ASKED, "6 days")
    assert found.values["citation precision"] is None
    assert found.values["citation recall"] == 0.0


def test_nothing_is_said_of_citations_where_no_passages_were_shown() -> None:
    found = scored(ASKED, "6 days", ())
    assert (found.values["citation precision"], found.values["citation recall"]) == (None, None)
    assert found.detail.found is None


@pytest.mark.parametrize(
    ("item", "text", "right", "owner"),
    [
        (UNKNOWN, NOT_THERE, 1.0, None),
        (UNKNOWN, "Ms Ek [p1]", 0.0, Owner.NOT_THERE),
        (ASKED, NOT_THERE, 0.0, Owner.NOT_USED),
        (ASKED, "7 days [p1]", 0.0, Owner.NOT_USED),
        (ASKED, None, 0.0, Owner.OTHER),
        (ASKED, "[p1]", 0.0, Owner.OTHER),
        (UNKNOWN, None, 0.0, Owner.OTHER),
    ],
)
def test_right_and_owner(item: Item, text: str | None, right: float, owner: Owner | None) -> None:
    found = scored(item, text)
    assert found.values[RIGHT.name] == right
    assert found.detail.owner is owner


def test_evidence_that_was_not_among_the_passages_shown_was_not_retrieved() -> None:
    assert scored(ASKED, "7 days", hits("other.md#1")).detail.owner is Owner.NOT_RETRIEVED
    assert scored(ASKED, "7 days", ()).detail.owner is Owner.OTHER
    unstated = dataclasses.replace(ASKED, target=Reference(answers=("6",), answerable=True))
    assert scored(unstated, "7 days").detail.owner is Owner.OTHER


def test_where_documents_disagree_a_wrong_answer_is_theirs() -> None:
    target = dataclasses.replace(ASKED.target, contradiction=True)
    asked = dataclasses.replace(ASKED, target=target)
    assert scored(asked, "7 days [p1]").detail.owner is Owner.CONTRADICT
    assert scored(asked, "7 days", hits("other.md#1")).detail.owner is Owner.NOT_RETRIEVED
    assert scored(asked, "6 days [p1]").detail.owner is None
    assert reference_of({"answers": ["6"], "contradiction": True}).contradiction
    with pytest.raises(ValueError, match="contradiction is neither"):
        reference_of({"answers": ["6"], "contradiction": "yes"})


def test_figures_over_all_items_by_hand() -> None:
    """Four questions, two of which cannot be answered; three abstentions, one of them right."""
    items = [
        ASKED,
        dataclasses.replace(ASKED, id="q3"),
        UNKNOWN,
        dataclasses.replace(UNKNOWN, id="q4"),
        dataclasses.replace(ASKED, id="q5"),
    ]
    texts = ["6 days [p1] [p3]", NOT_THERE, NOT_THERE, "Ms Ek", NOT_THERE]
    outcomes = {
        item.id: Completion(item_id=item.id, text=text, timing=Timing(model_s=0.0), neighbours=SHOWN)
        for item, text in zip(items, texts, strict=True)
    }
    how = Measuring(draws=200, precision=0.9, seed=1)
    test = score(items, outcomes, TASK)
    assert test.values.tolist() == [1.0, 0.0, 1.0, 0.0, 0.0]
    others = {one.metric: one for one in TASK.others(test, how)}
    assert others["abstention precision"].value == pytest.approx(1 / 3)
    assert others["abstention precision"].n == 3
    assert (others["abstention recall"].value, others["abstention recall"].n) == (0.5, 2)
    assert (others["citation precision"].value, others["citation precision"].n) == (1.0, 1)
    assert others["token F1"].value == pytest.approx(2 / 5)
    found = TASK.breakdown(test, test, how)
    assert (found.answerable, found.unanswerable) == (3, 2)
    assert (found.answered, found.answered_rightly) == (2, 1)
    assert (found.abstained, found.abstained_rightly) == (3, 1)
    assert (found.always_abstaining, found.never_abstaining) == (0.4, 0.6)
    assert {one.owner: one.items for one in found.owners} == {
        Owner.NOT_RETRIEVED: 0,
        Owner.NOT_USED: 2,
        Owner.NOT_THERE: 1,
        Owner.CONTRADICT: 0,  # documents that disagree have an owner of their own by now
        Owner.OTHER: 0,
    }
    assert found.evidence_shown is not None
    assert (found.evidence_shown.value, found.evidence_shown.n) == (1.0, 3)


def test_where_passages_with_evidence_stand_by_hand() -> None:
    """Found first and third; second; not at all. Failures and what cannot be answered do not count."""
    lost = hits("other.md#1", "other.md#2", "other.md#3")
    second = hits("other.md#1", "pay.md#1")
    shown = {"q1": SHOWN, "q3": second, "q5": lost, "q2": SHOWN}
    items = [dataclasses.replace(UNKNOWN if name == "q2" else ASKED, id=name) for name in (*shown, "q9")]
    outcomes: dict[str, Outcome] = {
        name: Completion(item_id=name, text=NOT_THERE, timing=Timing(model_s=0.0), neighbours=found)
        for name, found in shown.items()
    }
    outcomes["q9"] = Failure(item_id="q9", kind=FailureKind.TIMEOUT, message="")
    test = score(items, outcomes, TASK)
    found = TASK.breakdown(test, test, Measuring(draws=200, precision=0.9, seed=1))
    assert found.evidence_shown is not None and found.evidence_rank is not None
    assert found.evidence_gain is not None
    assert (found.evidence_shown.value, found.evidence_shown.n) == (pytest.approx(2 / 3), 3)
    assert found.evidence_rank.value == pytest.approx((1 + 1 / 2 + 0) / 3)
    # 1 and 1/2 of the best 1 + 0.63093 + 1/2; 0.63093 of the best 1 + 0.63093 of two shown; nothing
    assert found.evidence_gain.value == pytest.approx((1.5 / 2.13093 + 0.63093 / 1.63093 + 0) / 3, abs=1e-5)
    assert found.evidence_gain.n == 3 and "needs 5" in found.evidence_gain.reason
    assert found.most_shown == 3
    without = score(items[:1], {"q1": dataclasses.replace(outcomes["q1"], neighbours=())}, TASK)
    assert TASK.breakdown(without, without, Measuring(draws=9, precision=0.9, seed=1)).evidence_gain is None


def test_what_an_answer_states_is_looked_for_in_the_passages_it_cites() -> None:
    texts = {
        "leave.md#1": "At most six days.",
        "other.md#1": "7 dogs",
        "pay.md#2": "In May.",
    }
    passages = {
        name: Passage(id=name, document=name[:-2], span=(0, 9), text=text) for name, text in texts.items()
    }
    task = QuestionTask(PromptLimits(), passages=passages)

    def share(text: str, found: Sequence[Neighbour] = SHOWN) -> float | None:
        return task.score(ASKED, text, found).values["unsupported statements"]

    assert share("6 days [p1]") == 0.0
    assert share("6 days, in Lisbon [p1]") == 0.5
    assert share("7 days [p1]") == share("6 days") == share("6 days [p9]") == 1.0
    assert share(NOT_THERE) is None and share("6 days [p1]", ()) is None
    assert share("6 days [p1]", hits("gone.md#1")) is None  # what stands in it is not known any more
    assert task.score(ASKED, "7 days [p1]", SHOWN).detail.unsupported == ("7",)


def test_risk_and_coverage_from_the_surest_answers_to_all_that_were_given() -> None:
    """Five questions, three answers: the surest two are right, the third is wrong."""
    sure = [0.9, 0.8, None, 0.5, None]
    texts = ["6 days", "6 days", NOT_THERE, "7 days", NOT_THERE]
    items = [dataclasses.replace(ASKED, id=f"q{number}") for number in range(5)]
    outcomes = {
        item.id: Completion(item_id=item.id, text=text, timing=Timing(model_s=0.0), confidence=one)
        for item, text, one in zip(items, texts, sure, strict=True)
    }
    how = Measuring(draws=200, precision=0.9, seed=1)
    test = score(items, outcomes, TASK)
    found = TASK.breakdown(test, test, how).answering
    assert [(one.coverage, one.risk.value, one.risk.n) for one in found] == [
        (0.2, 0.0, 1),
        (0.4, 0.0, 2),
        (0.6, pytest.approx(1 / 3), 3),
    ]
    unsure = {name: dataclasses.replace(one, confidence=None) for name, one in outcomes.items()}
    [point] = TASK.breakdown(test, score(items, unsure, TASK), how).answering
    assert (point.coverage, point.risk.n) == (0.6, 3)
    silent = {name: dataclasses.replace(one, text=NOT_THERE) for name, one in outcomes.items()}
    assert TASK.breakdown(test, score(items, silent, TASK), how).answering == ()


def test_a_curve_of_many_answers_begins_with_a_twelfth_of_them() -> None:
    """Of 48 answers the surest alone would be a point of 0 or 100 %, which tells nothing."""
    items = [dataclasses.replace(ASKED, id=f"q{number}") for number in range(48)]
    outcomes = {
        item.id: Completion(
            item_id=item.id, text="6 days", timing=Timing(model_s=0.0), confidence=1 / (2 + n)
        )
        for n, item in enumerate(items)
    }
    how = Measuring(draws=200, precision=0.9, seed=1)
    test = score(items, outcomes, TASK)
    found = TASK.breakdown(test, test, how).answering
    assert [one.risk.n for one in found] == list(range(4, 49, 4))


def test_a_task_without_items_has_figures_that_are_unknown() -> None:
    how = Measuring(draws=200, precision=0.9, seed=1)
    nothing = score([], {}, TASK)
    assert all(one.value is None and one.n == 0 for one in TASK.others(nothing, how))
    assert TASK.breakdown(nothing, nothing, how).evidence_shown is None


@pytest.mark.parametrize(
    ("cell", "read"),
    [
        ("", Reference(answerable=False)),
        ("6 days | 6 ", Reference(answers=("6 days", "6"), answerable=True)),
        ('{"answerable": false, "answers": []}', Reference(answerable=False)),
        (
            json.dumps(
                {"answerable": True, "answers": ["6"], "evidence": [{"document": "a.md", "quote": "six"}]}
            ),
            Reference(
                answers=("6",), evidence=(EvidenceQuote(document="a.md", quote="six"),), answerable=True
            ),
        ),
    ],
)
def test_references_from_cells(cell: str, read: Reference) -> None:
    assert TASK.read_target([cell]) == read


@pytest.mark.parametrize(
    ("cell", "fault"),
    [
        ('{"answerable": true, "answers": []}', "needs answers"),
        ('{"answerable": "yes", "answers": ["a"]}', "neither true nor false"),
        ('{"answerable": true, "answers": "6"}', "no list of texts"),
        ('{"answerable": true, "answers": ["6"], "evidence": ["a"]}', "documents with quotes"),
        ('{"answerable": tru', "no JSON"),
    ],
)
def test_faults_of_references_are_named(cell: str, fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        TASK.read_target([cell])


def test_of_several_editions_one_is_read() -> None:
    cell = json.dumps(
        {"old": {"answerable": False, "answers": []}, "new": {"answerable": True, "answers": ["6"]}}
    )
    assert QuestionTask(PromptLimits(), "new").read_target([cell]) == Reference(
        answers=("6",), answerable=True
    )
    with pytest.raises(ValueError, match="no reference for the edition newest"):
        QuestionTask(PromptLimits(), "newest").read_target([cell])


def test_a_reference_is_stored_and_read_again_as_one() -> None:
    assert decode_item(encode(ASKED)) == ASKED
    assert decode_item(encode(UNKNOWN)) == UNKNOWN
    fields = Item(id="f", text="t", target={"answers": ["a"]})
    assert decode_item(encode(fields)) == fields


def test_targets_in_words() -> None:
    assert in_words(ASKED.target) == "6 days"
    assert in_words(UNKNOWN.target) == NOT_THERE
    assert TASK.parse(TASK.target_text(UNKNOWN.target)) == Reference(answerable=False)
    assert TASK.parse(TASK.extracted("Six days.", 2)) == Reference(answers=("Six days.",), answerable=True)
