"""Questions of a stored set: a column for each part, names with editions, rows and passages in one file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.core.errors import DataError
from harness.core.records import Evalset
from harness.core.references import EvidenceQuote, Reference
from harness.data.load import builtin_evalsets, load_card, load_evalset

CARD = """
name = "stored"
title = "Stored questions"
task = "question_answering"
licence = "CC0-1.0"
provenance = "made up"
[columns]
id = "id"
text = ["question"]
{columns}
[documents]
{documents}
[folder]
whole = "questions.jsonl"
[split]
dev_fraction = 0.25
test_fraction = 0.5
seed = 1
"""
TOPICS = ("snow", "rent", "lunch", "travel", "laptops", "parking", "visas", "gifts")


def loaded(tmp_path: Path, columns: str, documents: str, rows: list[object], edition: str = "") -> Evalset:
    card, data = tmp_path / "card", tmp_path / "data" / "stored"
    card.mkdir()
    (card / "card.toml").write_text(CARD.format(columns=columns, documents=documents))
    data.mkdir(parents=True, exist_ok=True)
    (data / "questions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    environ = {"TOR_DATA_DIR": str(tmp_path / "data")}
    return load_evalset(card, environ=environ, cache=tmp_path / "cache", edition=edition)


def targets(evalset: Evalset) -> dict[str, object]:
    return {item.id: item.target for item in (*evalset.train, *evalset.dev, *evalset.test)}


def test_an_edition_has_its_own_columns_and_documents(tmp_path: Path) -> None:
    (tmp_path / "data" / "stored" / "in-2024").mkdir(parents=True)
    rows: list[object] = [
        {
            "id": topic,
            "question": f"What does the handbook say about {topic}?",
            "2021": {"answer": None, "doc": None, "span": None},
            "2024": {"answer": f"{topic} is fine", "doc": f"{topic}.md", "span": f"all {topic} is fine"},
        }
        for topic in TOPICS
    ]
    columns = 'answer = "{edition}.answer"\ndocuments = "{edition}.doc"\nquote = "{edition}.span"'
    evalset = loaded(tmp_path, columns, '2021 = "in-2021"\n2024 = "in-2024"', rows)
    assert evalset.documents == str(tmp_path / "data" / "stored" / "in-2024")
    assert [len(part) for part in (evalset.train, evalset.dev, evalset.test)] == [2, 2, 4]
    assert targets(evalset)["snow"] == Reference(
        answers=("snow is fine",),
        evidence=(EvidenceQuote(document="snow.md", quote="all snow is fine"),),
        answerable=True,
    )
    with pytest.raises(DataError, match="no documents under in-2021"):
        environ = {"TOR_DATA_DIR": str(tmp_path / "data")}
        load_evalset(tmp_path / "card", environ=environ, cache=None, edition="2021")


def test_passages_of_a_file_become_documents_and_a_column_says_what_is_answerable(tmp_path: Path) -> None:
    home = tmp_path / "data" / "stored"
    home.mkdir(parents=True)
    passages = [{"id": f"a:{topic}", "title": topic, "text": f"All about {topic}."} for topic in TOPICS]
    (home / "passages.jsonl").write_text("".join(json.dumps(one) + "\n" for one in passages))
    rows: list[object] = [
        {
            "id": topic,
            "question": f"What about {topic} then?",
            "answer": "It depends.",
            "gold": [f"a:{topic}"],
            "kind": "YES" if topic in TOPICS[:4] else "NO",
        }
        for topic in TOPICS
    ]
    columns = 'answer = "answer"\ndocuments = "gold"\nanswerable = "kind"\nanswerable_values = ["YES"]'
    evalset = loaded(tmp_path, columns, 'all = "passages.jsonl"', rows)
    found = targets(evalset)
    assert found["gifts"] == Reference(answerable=False)
    assert found["snow"] == Reference(
        answers=("It depends.",),
        evidence=(EvidenceQuote(document="a%3Asnow.txt", quote=""),),
        answerable=True,
    )
    assert (Path(evalset.documents) / "a%3Asnow.txt").read_text() == "snow\n\nAll about snow."
    (home / "passages.jsonl").write_text('{"id": "x"}\n')
    with pytest.raises(DataError, match="Line 1 is no passage"):
        load_evalset(tmp_path / "card", environ={"TOR_DATA_DIR": str(tmp_path / "data")}, cache=tmp_path)


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        (
            'whole = "questions.jsonl"',
            'train = "a.jsonl"\ntest = "b.jsonl"',
            "goes with a file that is whole",
        ),
        ('whole = "questions.jsonl"', 'whole = "a.jsonl"\ntest = "b.jsonl"', "name train and test, or whole"),
        ("test_fraction = 0.5", "", "goes with a file that is whole"),
        ("test_fraction = 0.5", "test_fraction = 0.8", "leaves nothing to train on"),
        ('whole = "questions.jsonl"', 'whole = "../questions.jsonl"', "pattern"),
    ],
)
def test_a_card_that_contradicts_itself_is_refused(tmp_path: Path, old: str, new: str, fault: str) -> None:
    text = CARD.format(columns='answer = "answer"', documents='all = "passages.jsonl"')
    (tmp_path / "card.toml").write_text(text.replace(old, new))
    with pytest.raises(DataError, match=fault):
        load_card(tmp_path)


def test_the_cards_of_stored_sets_are_usable() -> None:
    for name in ("handbook", "mtrag-un", "xquad"):
        card, _ = load_card(builtin_evalsets()[name])
        for edition in card.documents:
            own = card.of_edition(edition)
            assert own.folder is not None and own.folder.whole is not None
            assert own.folder.whole in own.sha256
