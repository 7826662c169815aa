"""What an answer states, and what of it no cited passage holds."""

from __future__ import annotations

import pytest

from harness.tasks.support import statements, unsupported


@pytest.mark.parametrize(
    ("answer", "question", "stated"),
    [
        ("16 weeks at full pay", "How long is parental leave?", ("16",)),
        ("Anna Schmidt, by 1 July 2026", "Who decides, until when?", ("d:2026-07-01", "Anna Schmidt")),
        ("One of the managers in Lisbon", "Who?", ("Lisbon",)),
        ('The "clean desk policy" of ISO 27001', "Which?", ("27001", "ISO", "clean desk policy")),
        ("The finance team approves it.", "Who approves travel?", ("finance team",)),
        ("Yes", "Is it allowed?", ()),
        ("Yes, up to 3 days in Ghent", "May I carry 3 days over in Ghent?", ()),
    ],
)
def test_numbers_names_quotes_or_else_the_words_of_an_answer(
    answer: str, question: str, stated: tuple[str, ...]
) -> None:
    assert statements(answer, question) == stated


@pytest.mark.parametrize(
    ("answer", "passages", "without"),
    [
        ("45 days", ["It takes 44 days."], ("45",)),
        ("1,200 EUR", ["Bis zu 1.200 EUR im Jahr."], ()),
        ("on 1 July", ["Ab 01.07.2026 gilt das."], ()),
        ("in 2026", ["Ab 01.07.2026 gilt das."], ()),
        ("in 2025", ["Ab 01.07.2026 gilt das."], ("2025",)),
        ("Anna Schmidt", ["Ask Schmidt, Anna."], ()),
        ("Anna Schmidt", ["Ask Anna.", "Ask Mr Schmidt."], ("Anna Schmidt",)),
        ("the finance team", ["Approved by finance.", "The team meets on Monday."], ("finance team",)),
        ("45 days", [], ("45",)),
    ],
)
def test_a_statement_stands_whole_in_one_cited_passage(
    answer: str, passages: list[str], without: tuple[str, ...]
) -> None:
    assert unsupported(answer, "How long, and whose is it?", passages) == without
