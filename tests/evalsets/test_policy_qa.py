"""The claims of `evalsets/policy-qa`: documents, editions, evidence, kinds, splits, shared phrases."""

from __future__ import annotations

import html
import io
import re
import zipfile
from collections import Counter
from importlib.metadata import version
from pathlib import Path

import pytest

from harness.data.leakage import similar_pairs
from tests.support.pdf_text import text_of as pdf_text
from tests.support.policy_documents import (
    BUILT,
    EDITIONS,
    FOLDER,
    Run,
    built,
    documents,
    html_lines,
    lines,
    lines_of,
    markdown_blocks,
    source_of,
    sources,
    text_of,
)
from tests.support.policy_qa import (
    SPLITS,
    Evidence,
    Reference,
    bm25_recall,
    changes,
    common_evidence,
    contradictions,
    document_language,
    every_question,
    far_share,
    form_auc,
    kinds,
    questions,
    quoted,
    report,
    share_in_evidence,
    shown,
    stands_in,
    status,
)
from tests.support.ticket_fields import sharing_rows

FLAT = every_question()
ALL_DOCUMENTS = [(edition, name) for edition in EDITIONS for name in documents(edition)]
PINS = dict(
    line.split("==")
    for line in (FOLDER.parents[1] / "constraints.txt").read_text(encoding="utf-8").splitlines()
    if "==" in line
)


@pytest.mark.parametrize("edition", EDITIONS)
def test_an_edition_is_a_whole_folder_in_four_formats(edition: str) -> None:
    names = documents(edition)
    endings = Counter(Path(name).suffix for name in names)
    assert len(names) >= 46 and set(endings) == {".md", ".html", ".docx", ".pdf"}
    assert min(endings[".html"], endings[".docx"], endings[".pdf"]) >= 6
    assert sum(document_language(name) == "de" for name in names) >= 8
    lengths = {name: len(text_of(edition, name).split()) for name in names}
    assert {name: n for name, n in lengths.items() if not 350 <= n <= 900} == {}
    assert sources(edition) == [name for name in names if name.endswith(BUILT)]


def test_every_document_has_headings_and_every_link_leads_to_a_document() -> None:
    broken = []
    for edition, name in ALL_DOCUMENTS:
        text = source_of(edition, name).read_text(encoding="utf-8")
        assert len(re.findall(r"^## |<h2>", text, re.MULTILINE)) >= 5, name
        body = re.sub(r"<nav>.*?</nav>", "", text)
        for target in re.findall(r"\]\(([^)]+)\)|href=\"([^\"]+)\"", body):
            path = (FOLDER / f"edition-{edition}" / name).parent / "".join(target)
            if not path.resolve().is_file():
                broken.append((edition, name, target))
    assert broken == []


@pytest.mark.parametrize("edition", EDITIONS)
def test_built_documents_come_from_their_sources(edition: str) -> None:
    """The same bytes with the pinned libraries; a DOCX is compared by its parts, which no zlib decides."""
    if any(version(name) != PINS[name] for name in ("typst", "python-docx")):
        pytest.skip("bytes are compared with the pinned versions of typst and python-docx only")
    for name in sources(edition):
        made, kept = built(edition, name), (FOLDER / f"edition-{edition}" / name).read_bytes()
        assert (parts(made) == parts(kept)) if name.endswith(".docx") else made == kept, name


def parts(packed: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(packed)) as opened:
        return {name: opened.read(name) for name in opened.namelist()}


@pytest.mark.parametrize("edition", EDITIONS)
def test_built_documents_hold_every_quote(edition: str) -> None:
    """Read from the files themselves, blanks aside: a page breaks lines where it likes."""
    quotes: dict[str, set[str]] = {}
    for question in FLAT:
        for one in question.editions[edition].evidence:
            if one.document.endswith(BUILT):
                quotes.setdefault(one.document, set()).add(one.quote)
    assert set(quotes) == set(sources(edition))
    for name, wanted in quotes.items():
        data = (FOLDER / f"edition-{edition}" / name).read_bytes()
        if name.endswith(".pdf"):
            text = pdf_text(data)
        else:
            text = html.unescape(re.sub(r"<[^>]+>", "", parts(data)["word/document.xml"].decode()))
        plain = "".join(text.split())
        assert [quote for quote in wanted if "".join(quote.split()) not in plain] == [], name


def test_built_documents_are_small() -> None:
    sizes = [
        (FOLDER / f"edition-{edition}" / name).stat().st_size
        for edition, name in ALL_DOCUMENTS
        if name.endswith(BUILT)
    ]
    assert sum(sizes) < 1_500_000


def test_splits_are_large_enough_and_share_no_evidence() -> None:
    assert len(questions("test")) >= 330 and len(questions("dev")) >= 60 and len(questions("train")) >= 120
    assert len({question.id for question in FLAT}) == len(FLAT)
    for split in SPLITS:
        assert {question.split for question in questions(split)} == {split}
    assert common_evidence() == set()


def test_every_quote_stands_once_in_its_document() -> None:
    wrong = []
    for question in FLAT:
        assert set(question.editions) == set(EDITIONS), question.id
        for edition, found in question.editions.items():
            wrong += [(question.id, edition, one) for one in found.evidence if quoted(edition, one) != 1]
    assert wrong == []


def test_answers_stand_in_their_evidence_or_are_marked_as_derived() -> None:
    answered = [(q.id, one) for q in FLAT for one in q.editions.values() if one.answerable]
    for name, one in answered:
        assert one.answers and one.evidence, name
        assert shown(one) != one.derived, name
    assert sum(one.derived for _, one in answered) / len(answered) < 0.25
    for question in FLAT:
        for one in question.editions.values():
            assert one.answerable or not (one.answers or one.evidence), question.id


def test_kinds_follow_from_answers_and_evidence() -> None:
    for question in FLAT:
        assert question.kinds == kinds(question.question, question.language, question.editions), question.id
    present = Counter(kind for question in questions("test") for kind in question.kinds)
    assert set(present) == {
        "unchanged", "changed", "added", "withdrawn", "unanswerable",
        "two-documents", "numeric", "paraphrased", "other-language", "contradiction",
    }  # fmt: skip


@pytest.mark.parametrize("split", SPLITS)
def test_a_part_of_the_questions_has_no_answer(split: str) -> None:
    never = [question for question in questions(split) if question.kinds[0] == "unanswerable"]
    assert 0.15 <= len(never) / len(questions(split)) <= 0.25


def test_changes_are_those_of_the_texts() -> None:
    facts = changes()
    assert len(facts) >= 45 and len({one["id"] for one in facts}) == len(facts)
    assert sum(one["kind"] == "changed" for one in facts) >= 40
    first, second = EDITIONS
    for one in facts:
        old, new = (
            set(lines(edition, one["document"])) if one["document"] in documents(edition) else set()
            for edition in EDITIONS
        )
        if one["old"]:
            assert any(one["old"] in line for line in old - new), one
        if one["new"]:
            assert any(one["new"] in line for line in new - old), one
        assert {"changed": one["old"] and one["new"], "added": one["new"], "withdrawn": one["old"]}[
            one["kind"]
        ]
    common = set(documents(first)) & set(documents(second))
    differing = {name for name in common if lines(first, name) != lines(second, name)}
    differing |= set(documents(first)) ^ set(documents(second))
    assert {one["document"] for one in facts} == differing


def test_contradictions_stand_in_their_editions() -> None:
    found = contradictions()
    for one in found:
        assert len({place["document"] for place in one["places"]}) == 2
        for edition in one["editions"]:
            assert all(place["value"] in text_of(edition, place["document"]) for place in one["places"]), one
    for edition in EDITIONS:
        assert sum(edition in one["editions"] for one in found) >= 4
    pairs = {frozenset(place["document"] for place in one["places"]) for one in found}
    asked = {
        frozenset(e.document for e in one.evidence)
        for question in FLAT
        for one in question.editions.values()
        if one.contradiction
    }
    assert asked == pairs


def test_few_questions_share_a_phrase_and_none_is_a_rewording() -> None:
    texts = [question.question for question in FLAT]
    sharing = sharing_rows(texts)
    assert len(set().union(*sharing.values())) / len(FLAT) <= 0.05
    assert similar_pairs(texts, 0.5) == []


def test_many_questions_are_far_from_the_text() -> None:
    far, answerable = far_share("test")
    assert 0.4 <= far / answerable <= 0.7


@pytest.mark.parametrize("edition", EDITIONS)
def test_words_alone_find_half_of_the_evidence_at_most(edition: str) -> None:
    pytest.importorskip("bm25s")
    right, asked = bm25_recall("test", edition)
    assert 0.3 < right / asked < 0.5


def test_the_wording_does_not_give_away_what_has_no_answer() -> None:
    pytest.importorskip("sklearn")
    assert form_auc() < 0.7


def found(quote: str, *answers: str) -> Reference:
    return Reference(True, answers, (Evidence("money/expenses.md", quote),), False, False)


def test_words_in_evidence_are_counted_by_hand() -> None:
    """Asked: refund, taxi, midnight. Said: taxis, refunded: 2 of 3."""
    assert share_in_evidence(
        "Do I get a refund for a taxi at midnight?", found("Taxi rides are refunded.")
    ) == (pytest.approx(2 / 3))
    assert share_in_evidence("What is it?", found("Nothing")) == 0.0


def test_answers_are_found_by_words() -> None:
    assert stands_in("1,200 euros", "at most 1200 Euros a year") and not stands_in("20 euros", "1,200 euros")
    assert stands_in("-25 °C", "down to −25 °C") and not stands_in("2", "2.40 a month")


def test_the_status_is_read_from_both_editions() -> None:
    none = Reference(False, (), (), False, False)
    pairs = {
        "unanswerable": (none, none),
        "added": (none, found("b", "b")),
        "withdrawn": (found("a", "a"), none),
        "changed": (found("a", "a"), found("b", "b")),
        "unchanged": (found("a", "a"), found("a", "a")),
    }
    assert {name: status(dict(zip(EDITIONS, pair, strict=True))) for name, pair in pairs.items()} == {
        name: name for name in pairs
    }


def test_markup_goes_and_blocks_stay() -> None:
    blocks = markdown_blocks(
        "# Top\n\nA **bold**\n[link](x.md).\n\n| a | b |\n|---|---|\n| 1 | |\n\n- one\n- two\n"
    )
    assert lines_of(blocks) == ["Top", "A bold link.", "a b", "1", "one", "two"]
    assert blocks[1].runs[1] == Run("bold", bold=True)
    page = "<nav>no</nav><main><h1>Top</h1><p>A\n b</p><table><tr><td>1</td><td>2</td></tr></table></main>"
    assert html_lines(page) == ["Top", "A b", "1 2"]


def test_the_report_counts_everything() -> None:
    printed = report()
    assert f"test {len(questions('test'))}" in printed and "contradiction" in printed
