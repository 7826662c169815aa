"""The words in which people write a use case, and what each is read as.

A word that is read as nothing is a `ValueError` that says what, got and allowed.
"""

from __future__ import annotations

import re
import reprlib
from collections.abc import Callable
from datetime import date
from enum import StrEnum
from typing import Any

from advisor.money.money import CURRENCIES
from advisor.options import ADVISED, Option
from advisor.units import amount_and_currency

UNKNOWN_WORDS = frozenset(
    (
        *("", "?", "-", "unknown", "not known", "not sure", "don't know", "n/a", "na", "n.a.", "tbd", "null"),
        *("unbekannt", "weiß nicht", "weiss nicht", "keine ahnung", "k.a.", "k. a.", "inconnu"),
        *(
            "je ne sais pas",
            "onbekend",
            "n.v.t.",
            "nvt",
            "sconosciuto",
            "desconocido",
            "nieznane",
            "nie wiem",
        ),
    )
)
_YES = frozenset(("ja", "oui", "si", "sì", "sí", "tak"))
_NO = frozenset(("nein", "nee", "non", "nie"))


class Choice(StrEnum):
    """One of a few words, however it is written."""

    @classmethod
    def _missing_(cls, value: object) -> Choice | None:
        plain = str(value).strip().lower().replace("_", "-").replace(" ", "-")
        return next((member for member in cls if member.value in (plain, _ALSO.get(plain))), None)


_ALSO = {
    **dict.fromkeys(("summarization", "summary"), "summarisation"),
    **dict.fromkeys(("qa", "q&a", "questions"), "question-answering"),
    **dict.fromkeys(("hallucination", "hallucinations", "knowledge"), "missing-facts"),
    **dict.fromkeys(("tone", "voice"), "style"),
    **dict.fromkeys(("quality",), "accuracy"),
    **dict.fromkeys(("speed",), "latency"),
    **dict.fromkeys(("on-premises", "on-premises-only", "on-premise"), "self-host-only"),
    **dict.fromkeys(("on-prem", "on-prem-only", "self-hosted", "self-host"), "self-host-only"),
    **dict.fromkeys(("eu", "eu-only", "europe"), "region"),
}
"""Other words for a choice, by how it is called here."""


def yes_or_no(value: Any) -> Any:
    """True or False for a word that says so, None for one that says not known, else what it was."""
    if isinstance(value, str):
        word = value.strip().lower()
        if word in UNKNOWN_WORDS:
            return None
        return True if word in _YES else False if word in _NO else value
    return value


def day_of(value: Any) -> Any:
    """A date, YYYY-MM-DD."""
    if isinstance(value, date):
        return date(value.year, value.month, value.day)
    try:
        return date.fromisoformat(str(value))
    except ValueError:
        raise ValueError(f"must be a date, YYYY-MM-DD; got {reprlib.repr(value)}") from None


def currency_of(value: Any) -> Any:
    """The code of a currency, also of its sign or name."""
    code = amount_and_currency(str(value))[1]
    if code in CURRENCIES:
        return code
    raise ValueError(f"unknown currency; got {reprlib.repr(value)}, allowed: {', '.join(CURRENCIES)}")


def or_nothing(value: Any) -> Any:
    """An empty text where nothing stands."""
    return "" if value is None else value


def several(value: Any, read: Callable[[Any], tuple[Any, ...]]) -> tuple[Any, ...]:
    """Words in a list, or in a text with commas or 'and'; each once."""
    if isinstance(value, str):
        value = [part.strip() for part in re.split(r"[,;/&]|\s(?:and|und|et)\s", value) if part.strip()]
    return tuple(dict.fromkeys(read(value)))


_LANGUAGES = {
    name: code
    for code, names in (
        ("en", "english englisch anglais engels inglese"),
        ("de", "german deutsch allemand duits tedesco"),
        ("fr", "french französisch français frans francese"),
        ("es", "spanish spanisch español espagnol"),
        ("it", "italian italienisch italiano italien"),
        ("nl", "dutch niederländisch nederlands"),
        ("pl", "polish polnisch polski"),
        ("pt", "portuguese portugiesisch português"),
        ("sv", "swedish schwedisch svenska"),
        ("da", "danish dänisch dansk"),
        ("cs", "czech tschechisch"),
        ("tr", "turkish türkisch"),
        ("zh", "chinese chinesisch mandarin"),
        ("ja", "japanese japanisch"),
        ("fi", "finnish finnisch suomi"),
        ("no", "norwegian norwegisch norsk"),
        ("hu", "hungarian ungarisch magyar"),
        ("ro", "romanian rumänisch"),
        ("el", "greek griechisch"),
        ("ru", "russian russisch"),
        ("uk", "ukrainian ukrainisch"),
        ("ar", "arabic arabisch"),
        ("ko", "korean koreanisch"),
    )
    for name in names.split()
}


def language_of(word: str) -> str:
    """The code of a language, also of the commonest ones by their names."""
    code = _LANGUAGES.get(word, word)
    if code in ("all", "any") or not re.fullmatch(r"[a-z]{2,3}(?:-[a-z0-9]{1,8})*", code):
        raise ValueError(f"is no language; got {word!r}, allowed: codes such as en, de")
    return code


def option_of(value: Any) -> Any:
    """An option by its name, as the advice prints it."""
    if isinstance(value, Option):
        return value
    try:
        return Option(str(value).strip().lower())
    except ValueError:
        allowed = ", ".join(ADVISED)
        raise ValueError(f"unknown option; got {reprlib.repr(value)}, allowed: {allowed}") from None


def worker_of(value: Any) -> Any:
    """Who does the work today, under another word."""
    word = str(value).strip().lower()
    system = {"model", "hosted model", "llm", "api", "software", "rules"}
    people = {"person", "human", "humans", "manual", "team", "staff"}
    return "system" if word in system else "people" if word in people else value
