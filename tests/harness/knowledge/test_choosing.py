"""Which mode finds evidence: quotes in passages, recall and MRR, and the choice on dev questions."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.core.errors import DataError
from harness.core.records import Passage
from harness.knowledge.choosing import (
    EvidencedQuestion,
    Quote,
    TriedMode,
    choose_mode,
    holds,
    read_questions,
    try_modes,
)
from harness.knowledge.documents import Source
from harness.knowledge.passage_index import IndexSettings, build_index
from harness.knowledge.retriever import SearchMode
from tests.harness.knowledge.test_index import LetterCounts
from tests.harness.knowledge.test_passage_index import NOW
from tests.support.policy_documents import EDITIONS, FOLDER
from tests.support.policy_qa import questions


def passage(text: str) -> Passage:
    return Passage(id="a", document="a.md", span=(0, len(text)), text=text)


@pytest.mark.parametrize(
    ("text", "quote", "expected"),
    [
        ("| Ghent | 20 |\n| Porto | 22 |", "Porto 22", True),
        ("see [sick\nleave](sick-leave.md) for **how**", "see sick leave for how", True),
        ("two weeks ahead", "weeks ahead", True),
        ("two weeks ahead", "week", False),
        ("two weeks", "two weeks ahead", False),
    ],
)
def test_a_quote_stands_in_a_passage_word_behind_word(text: str, quote: str, expected: bool) -> None:
    assert holds(passage(text), Quote(document="a.md", quote=quote)) is expected
    assert not holds(passage(text), Quote(document="b.md", quote=quote))


def tried(mode: SearchMode, found: int, mrr: float) -> TriedMode:
    return TriedMode(mode=mode, k=5, questions=10, found=found, mrr=mrr, within=10)


def test_the_mode_is_chosen_by_recall_then_mrr_then_simplicity() -> None:
    lexical, dense, fused = SearchMode
    assert choose_mode([tried(lexical, 5, 0.5), tried(dense, 7, 0.3), tried(fused, 6, 0.6)]) is dense
    assert choose_mode([tried(lexical, 7, 0.2), tried(dense, 7, 0.3), tried(fused, 7, 0.3)]) is dense
    assert choose_mode([tried(lexical, 7, 0.3), tried(dense, 7, 0.3), tried(fused, 7, 0.3)]) is lexical


def test_recall_and_mrr_count_the_first_passage_with_evidence(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("snow days are free")
    (tmp_path / "b.txt").write_text("snow")
    index, _ = build_index(Source(root=tmp_path.resolve()), IndexSettings(), LetterCounts(), NOW)
    asked = [
        EvidencedQuestion(question="snow", evidence=(Quote(document="a.txt", quote="days are free"),)),
        EvidencedQuestion(question="rain", evidence=(Quote(document="a.txt", quote="days are free"),)),
        EvidencedQuestion(question="snow", evidence=(Quote(document="gone.txt", quote="days"),)),
    ]
    [lexical, *_] = try_modes(index, asked, 2)
    assert (lexical.found, lexical.mrr, lexical.within, lexical.questions) == (1, pytest.approx(1 / 6), 2, 3)
    with pytest.raises(DataError, match="no questions"):
        try_modes(index, [])


@pytest.mark.parametrize("edition", EDITIONS)
def test_every_quote_of_the_handbook_stands_in_a_passage(edition: str) -> None:
    """So nothing of it is lost or cut apart, in Markdown, HTML, DOCX and PDF."""
    source = Source(root=FOLDER / f"edition-{edition}")
    index, _ = build_index(source, IndexSettings(embedding=""), None, NOW)
    assert index.record.skipped == ()
    by_document: dict[str, list[Passage]] = {}
    for one in index.passages:
        by_document.setdefault(one.document, []).append(one)
    for split in ("dev", "test"):
        for question in questions(split):
            for one in question.editions[edition].evidence:
                quote = Quote(document=one.document, quote=one.quote)
                assert any(holds(found, quote) for found in by_document[one.document]), quote


def test_questions_are_read_from_json_lines(tmp_path: Path) -> None:
    path = tmp_path / "dev.jsonl"
    good = {"id": "1", "question": "Snow?", "evidence": [{"document": "a.md", "quote": "Snow days"}]}
    path.write_text(f"{json.dumps(good)}\n\n{json.dumps({'question': 'None?', 'evidence': []})}\n")
    assert read_questions(path) == (
        EvidencedQuestion(question="Snow?", evidence=(Quote(document="a.md", quote="Snow days"),)),
    )
    for bad in (
        "{",
        "[]",
        '{"question": "x"}',
        '{"question": "", "evidence": []}',
        '{"question": 1, "evidence": []}',
    ):
        path.write_text(bad)
        with pytest.raises(DataError, match=r"Line 1"):
            read_questions(path)
    path.write_text('{"question": "x", "evidence": []}')
    with pytest.raises(DataError, match="No question has evidence"):
        read_questions(path)
    with pytest.raises(DataError, match="cannot be read"):
        read_questions(tmp_path / "nowhere")
