"""Text for terminals."""

from __future__ import annotations

import pytest

from advisor.layout import ascii_safe


@pytest.mark.parametrize(
    ("given", "shown"),
    [("Straße für Müller", "Strasse fur Muller"), ("Café, Łódź", "Cafe, ?odz"), ("5 €", "5 ?")],
)
def test_letters_lose_their_accents_and_the_rest_is_a_question_mark(given: str, shown: str) -> None:
    assert ascii_safe(given) == shown
