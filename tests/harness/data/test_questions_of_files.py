"""Answers as people and data sets write them: lists, SQuAD, words for none, columns that say so."""

import json

import pytest

from harness.core.errors import DataError
from harness.core.references import EvidenceQuote, Reference
from harness.data.load import load_file
from harness.data.settings import DataPlan
from harness.tasks.answers import abstains, states_none
from harness.tasks.questions import QuestionTask
from harness.tasks.records import PromptLimits

NONE = Reference(answerable=False)
PLACES = ["red", "blue", "green", "gold"]


def load(path, rows, answer="answer"):
    """The references by row, and the findings by code."""
    asked = [f"How many days does team {PLACES[n % 4]} have in the year {1990 + n}?" for n in range(16)]
    lines = [json.dumps({"question": q, **rows(n)}, ensure_ascii=False) for n, q in enumerate(asked)]
    path.write_text("\n".join(lines), encoding="utf-8")
    plan = DataPlan(file=str(path), text=("question",), answer=answer, docs=str(path.parent))
    found = load_file(path, plan, 17)
    items = sorted((*found.train, *found.dev, *found.test), key=lambda item: item.row or 0)
    return [item.target for item in items], {one.code: one.message for one in found.findings}


def yes(*answers):
    return Reference(answers=answers, answerable=True)


@pytest.mark.parametrize(
    ("cells", "read"),
    [
        (['["6 days", "6"]'], yes("6 days", "6")),
        (["['6 days', '6']"], yes("6 days", "6")),
        (["6 days | 6 | 6"], yes("6 days", "6")),
        (["[6, 7.5]"], yes("6", "7.5")),
        (['{"text": ["6 days", "6 days"], "answer_start": [1, 1]}'], yes("6 days")),
        (['{"text": "6 days"}'], yes("6 days")),
        (['{"text": [], "answer_start": []}'], NONE),
        (['[{"text": "6 days", "answer_start": 3}]'], yes("6 days")),
        (["[link] in the text"], yes("[link] in the text")),
        (["[]"], NONE),
        (["N/A"], NONE),
        (["nan"], NONE),
        (["Unanswerable."], NONE),
        (["Steht nicht in den Dokumenten"], NONE),
        (["None"], yes("None")),  # which fee is charged?
        (["no"], yes("no")),
        (["5 | n/a"], yes("5")),
        (["6 days", "", "", "", "", "", "true"], NONE),  # SQuAD 2 keeps a plausible answer beside it
        (["6 days", "", "", "", "", "no", ""], NONE),
        (["6 days", "", "", "", "", "yes", ""], yes("6 days")),
        (
            ["6", '["a.md", "b.md"]', "six"],
            Reference(
                answers=("6",),
                answerable=True,
                evidence=(
                    EvidenceQuote(document="a.md", quote="six"),
                    EvidenceQuote(document="b.md", quote="six"),
                ),
            ),
        ),
        (
            ["6", "a.md; b.md"],
            Reference(
                answers=("6",),
                answerable=True,
                evidence=(
                    EvidenceQuote(document="a.md", quote=""),
                    EvidenceQuote(document="b.md", quote=""),
                ),
            ),
        ),
    ],
)
def test_a_reference_from_the_cells_of_a_table(cells, read) -> None:
    assert QuestionTask(PromptLimits()).read_target(cells) == read


@pytest.mark.parametrize(
    ("cells", "fault"),
    [
        (["", "", "", "", "", "yes", ""], "said to be answerable, and has no answer"),
        (["6", "", "", "", "", "perhaps", ""], "neither yes nor no"),
    ],
)
def test_columns_that_contradict_the_answer_are_faults(cells, fault) -> None:
    with pytest.raises(ValueError, match=fault):
        QuestionTask(PromptLimits()).read_target(cells)


@pytest.mark.parametrize(
    ("text", "handed_back", "none"),
    [
        ("N/A", True, True),
        ("Unknown.", True, True),
        ("no answer [p1]", False, False),
        ("Unknown parties pay 5 euros.", False, False),
        ("No information is given to third parties without the written consent of all.", True, False),
        ("-", False, True),
    ],
)
def test_words_that_say_there_is_no_answer(text, handed_back, none) -> None:
    assert (abstains(text), states_none(text)) == (handed_back, none)


def test_squad_2_as_it_is_published_is_read(tmp_path) -> None:
    path = tmp_path / "squad.json"
    asked = [
        {
            "id": str(n),
            "question": f"How many days does team {PLACES[n % 4]} have in the year {1990 + n}?",
            "answers": [{"text": f"{n + 1} days", "answer_start": 3}],
            "is_impossible": n % 4 == 0,
        }
        for n in range(16)
    ]
    document = {"version": "2", "data": [{"title": "t", "paragraphs": [{"context": "c", "qas": asked}]}]}
    path.write_text(json.dumps(document), encoding="utf-8")
    plan = DataPlan(file=str(path), text=("question",), answer="answers", docs=str(tmp_path))
    found = load_file(path, plan, 17)
    read = {item.id: item.target for item in (*found.train, *found.dev, *found.test)}
    assert read == {str(n): NONE if n % 4 == 0 else yes(f"{n + 1} days") for n in range(16)}


def test_what_a_column_of_answers_is_like_is_told(tmp_path) -> None:
    path = tmp_path / "qa.jsonl"
    targets, told = load(path, lambda n: {"answer": "n/a" if n % 4 == 0 else f"{n} days; {n}"})
    assert targets[:2] == [NONE, yes("1 days; 1")]
    assert "4 questions count as not answered" in told["no-answer"]
    assert "12 answers hold ';'" in told["joined-answers"]
    targets, told = load(path, lambda n: {"answer": False if n % 4 == 0 else str(n), "quote": "six"})
    assert targets[:2] == [NONE, yes("1")]
    assert "'false' counts as none" in told["no-answer"] and "'document'" in told["quote-alone"]
    targets, told = load(path, lambda n: {"answer": n % 2 == 0})
    assert targets[:2] == [yes("true"), yes("false")] and "no-answer" not in told
    targets, told = load(path, lambda n: {"answer": []})
    assert targets == [NONE] * 16 and "No question has an answer" in told["no-answers"]
    with pytest.raises(DataError, match="--text and --answer"):
        load(path, lambda n: {"Antwort": str(n)})
