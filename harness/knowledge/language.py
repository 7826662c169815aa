"""Which language a text is in, by py3langid (a naive Bayes over byte n-grams, 97 languages).

Of a few words it is often unsure; a text is then taken to be in the likeliest of the languages expected.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from harness.core.errors import needs

SURE = 0.5
"""The probability from which a language is believed that nobody expected."""
MOST_CHARS = 2_000
"""Of a text that are looked at."""


def language_of(text: str, expected: Sequence[str] = ()) -> str:
    """The language of a text as an ISO 639-1 code; '' where nothing speaks for one.

    Args:
        expected: languages of which one is taken where none is sure.

    Raises:
        MissingExtra: py3langid is not installed.
    """
    ranked = _identifier().rank(text[:MOST_CHARS])
    likeliest, probability = ranked[0]
    if probability >= SURE:
        return str(likeliest)
    if len(expected) == 1:
        return expected[0]
    return next((language for language, _ in ranked if language in expected), "")


@cache
def _identifier() -> Any:
    """Loading takes half a second, so it is done once."""
    with needs("documents"):
        from py3langid.langid import MODEL_FILE, LanguageIdentifier
    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
