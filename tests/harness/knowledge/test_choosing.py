"""Which mode finds evidence: quotes in passages, recall and MRR, and the choice on dev questions."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from harness.core.errors import DataError
from harness.core.records import Passage
from harness.knowledge.choosing import (
    ENOUGH,
    EvidencedQuestion,
    Quote,
    TriedMode,
    choose_search,
    holding,
    holds,
    read_questions,
    try_modes,
)
from harness.knowledge.documents import Source
from harness.knowledge.passage_index import IndexSettings, build_index
from harness.knowledge.retriever import SearchChoice, SearchMode
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


LEXICAL, DENSE, FUSED = SearchMode


def tried(mode: SearchMode, found: int, mrr: float, language: str = "") -> TriedMode:
    return TriedMode(
        mode=mode, k=5, questions=10, found=found, mrr=mrr, ndcg=mrr, within=10, language=language
    )


@pytest.mark.parametrize(
    ("found", "mrr", "best"),
    [
        ((5, 7, 6), (0.5, 0.3, 0.6), DENSE),
        ((7, 7, 7), (0.2, 0.3, 0.3), DENSE),
        ((7,) * 3, (0.3,) * 3, LEXICAL),
    ],
)
def test_the_search_is_chosen_by_recall_then_mrr_then_simplicity(
    found: tuple[int, ...], mrr: tuple[float, ...], best: SearchMode
) -> None:
    assert choose_search([tried(*one) for one in zip(SearchMode, found, mrr, strict=True)]).mode is best


def test_a_language_has_its_own_search_where_it_was_tried_and_words_where_it_is_not_read() -> None:
    whole = [tried(LEXICAL, 5, 0.5), tried(DENSE, 4, 0.5), tried(FUSED, 9, 0.5)]
    german = [tried(LEXICAL, 5, 0.5, "de"), tried(DENSE, 1, 0.5, "de"), tried(FUSED, 3, 0.5, "de")]
    anything = choose_search([*whole, *german])
    assert (anything.of("de"), anything.of("fr"), anything.of("en")) == (LEXICAL, FUSED, FUSED)
    english = choose_search(whole, ["en"])
    assert (english.of("de"), english.of(""), english.of("en")) == (LEXICAL, LEXICAL, FUSED)
    better = choose_search([*whole, tried(DENSE, 9, 0.5, "de")], ["en"])
    assert better.of("de") is DENSE, "what dev shows counts more than what a model says it reads"
    assert SearchChoice.parse(str(better)) == better


def test_evidence_in_a_copy_stands_in_the_file_that_is_indexed(tmp_path: Path) -> None:
    for name in ("a.txt", "copy.txt"):
        (tmp_path / name).write_text("snow days are free")
    index, _ = build_index(Source(root=tmp_path.resolve()), IndexSettings(embedding=""), None, NOW)
    [only] = index.passages
    assert holding(index, Quote(document="copy.txt", quote="days are free")) == (only.id,)
    assert holding(index, Quote(document="other.txt", quote="days are free")) == ()


def test_a_language_is_tried_apart_with_enough_questions(tmp_path: Path) -> None:
    (tmp_path / "leave.txt").write_text("Parental leave lasts sixteen weeks and is paid in full.")
    index, _ = build_index(Source(root=tmp_path.resolve()), IndexSettings(), LetterCounts(), NOW)
    quote = (Quote(document="leave.txt", quote="sixteen weeks"),)
    english = EvidencedQuestion(question="How long does the parental leave last in weeks?", evidence=quote)
    german = EvidencedQuestion(question="Wie lange dauert eigentlich die Elternzeit?", evidence=quote)
    found = try_modes(index, [english] * ENOUGH + [german] * (ENOUGH - 1))
    assert {(one.language, one.questions) for one in found} == {("", 2 * ENOUGH - 1), ("en", ENOUGH)}


def test_without_questions_the_search_goes_by_what_the_embedding_model_reads(tmp_path: Path) -> None:
    (tmp_path / "leave.txt").write_text("Parental leave lasts sixteen weeks and is paid in full.")
    source = Source(root=tmp_path.resolve())
    said = {
        languages: build_index(source, IndexSettings(), LetterCounts("1", languages), NOW)[0].record.search
        for languages in ((), ("en",))
    }
    assert str(said[()]) == "fused"
    assert str(said["en",]) == "lexical; en: fused"
    index, _ = build_index(source, IndexSettings(), LetterCounts("1", ("en",)), NOW)
    unclear, german = "leave?", "Wie lange dauert eigentlich die Elternzeit?"
    asked = index.search([unclear, german], 1)
    assert asked == [
        index.search(unclear, 1, search=SearchChoice(mode=FUSED))[0],
        index.search(german, 1, search=SearchChoice(mode=LEXICAL))[0],
    ]


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
    assert lexical.ndcg == pytest.approx(1 / np.log2(3) / 3)  # of one passage, found second for one of three
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
