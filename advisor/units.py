"""Figures with their unit in words: '2 s', '12.500 pro Monat', 'daily', '7B', '10 cents', '0,10 EUR'.

A unit is the one an `Ask` of `advisor.case` names; a word of another size is turned into it. What stands
before the words is read by the rule of `advisor.numbers`. A month has 30.4 days. Pure.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal

from advisor.numbers import FACTOR_WORDS, NumberFault, NumberKind, ReadNumber, is_range, read_number

_ONE, _PERCENT = Decimal(1), Decimal("0.01")


def _named(*sizes: tuple[str, str]) -> dict[str, Decimal]:
    """By word, its factor, of pairs such as ('1000', 's sec seconds')."""
    return {word.replace("_", " "): Decimal(factor) for factor, words in sizes for word in words.split()}


_PIECES = _named(
    ("1", "example examples item items row rows record records sample samples pair pairs ticket tickets"),
    ("1", "email emails mail mails message messages beispiel beispiele zeilen datens\u00e4tze st\u00fcck"),
    ("1", "voorbeelden exemples esempi ejemplos przyk\u0142ad\u00f3w"),
)
_WORDS: Mapping[str, Mapping[str, Decimal]] = {
    "share": _named(
        ("0.01", "% percent per_cent pct prozent procent pour_cent per_cento por_ciento"),
    ),
    "money": _named(("0.01", "cent cents ct eurocent eurocents centimes centesimi")),
    "ms": _named(
        ("1", "ms msec millisecond milliseconds millisekunde millisekunden milliseconden millisecondes"),
        ("1000", "s sec secs second seconds sek sekunde sekunden seconde seconden secondes secondi"),
        ("1000", "sekundy sekund segundos"),
        ("60000", "min minute minutes minuten minuti minuty minut minutos"),
        ("3600000", "h hour hours stunde stunden uur heures ore godziny horas"),
    ),
    "tokens": _named(
        ("1", "token tokens"),
        ("500", "page pages seite seiten pagina's pagina\u2019s pagine p\u00e1ginas stron strony"),
    ),
    "labels": _named(
        ("1", "label labels class classes category categories kategorien klassen st\u00fcck intents"),
        ("1", "categorie\u00ebn cat\u00e9gories categorie etichette categor\u00edas kategorii"),
    ),
    "examples": _PIECES,
    "items": _PIECES,
    "billion": _named(
        ("1", "b bn billion billions billion_parameters mrd mrd. milliarden miliardi"),
        ("0.001", "m million millions"),
    ),
    "months": _named(
        ("1", "m month months monat monate maand maanden mois mese mesi miesi\u0105c miesi\u0119cy meses"),
        ("12", "y year years jahr jahre jaar jaren an ans anno anni rok lata lat a\u00f1o a\u00f1os"),
        ("3", "quarter quarters quartal quartale kwartaal trimestre trimestres"),
    ),
    "days": _named(
        ("1", "d day days tag tage dag dagen jour jours giorno giorni dni d\u00edas"),
        ("7", "week weeks woche wochen weken semaine semaines settimane tygodni semanas"),
        ("30.4", "month months monat monate maand maanden mois mesi miesi\u0105ce meses"),
        ("91", "quarter quartal kwartaal trimestre"),
    ),
}
"""By first word of a unit, what may stand behind a figure, and how much of the unit that is."""
_PERIODS: Mapping[str, Decimal] = {
    word: times
    for times, words in (
        (Decimal(730), "hour stunde uur heure ora hora godzin\u0119 hours stunden"),
        (Decimal("30.4"), "day tag dag jour giorno d\u00eda dia dzie\u0144 days tage dagen jours giorni"),
        (Decimal("21.7"), "working_day workday business_day arbeitstag werktag werkdag"),
        (Decimal("4.35"), "week woche semaine settimana semana tydzie\u0144 weeks wochen weken semaines"),
        (_ONE, "month monat maand mois mese mes miesi\u0105c mo months monate maanden mesi"),
        (_ONE / 3, "quarter quartal kwartaal trimestre kwarta\u0142"),
        (_ONE / 12, "year jahr jaar an ann\u00e9e anno a\u00f1o rok years jahre"),
    )
    for word in (name.replace("_", " ") for name in words.split())
}
"""How many times a month what happens once in a period happens."""
_OFTEN = {
    word: period
    for period, words in (
        ("hour", "hourly st\u00fcndlich"),
        ("day", "daily t\u00e4glich dagelijks quotidien quotidiennement giornaliero codziennie diario"),
        ("week", "weekly w\u00f6chentlich wekelijks hebdomadaire settimanale tygodniowo semanal"),
        ("month", "monthly monatlich maandelijks mensuel mensile miesi\u0119cznie mensual mensuales"),
        ("quarter", "quarterly viertelj\u00e4hrlich trimestriel trimestrale"),
        ("year", "yearly annually j\u00e4hrlich jaarlijks annuel annuale rocznie anual"),
    )
    for word in words.split()
}
_NEVER = {"never", "nie", "niemals", "nooit", "jamais", "mai", "nunca", "nigdy"}
_TIMES = {
    **dict.fromkeys(("", "once", "einmal", "eenmal", "une fois"), 1),
    **dict.fromkeys(("twice", "zweimal", "tweemaal", "deux fois", "two times"), 2),
    **dict.fromkeys(("three times", "dreimal", "trois fois"), 3),
}
_BEFORE = r"\b(?:an?|per|each|every|pro|im|am|je|jede[nsr]?|par|al|por|na|w|chaque|ogni|elke|iedere|cada)\b|/"
_EACH = re.compile(rf"(.*?)\s*(?:{_BEFORE})\s*({'|'.join(sorted(_PERIODS, key=len, reverse=True))})")
_SMALL = {"two": 2, "zwei": 2, "twee": 2, "deux": 2, "three": 3, "drei": 3, "drie": 3, "trois": 3}
_EVERY = re.compile(
    r"(?:once )?(?:every|alle|elke|tous les|toutes les|ogni|co|cada)\s+"
    rf"(\d+|{'|'.join(_SMALL)})\s+({'|'.join(_PERIODS)})",
    re.IGNORECASE,
)
_ABOUT = re.compile(
    r"(?:about|around|approx\.?|approximately|roughly|circa|cca\.?|ca\.?|c\.|rund|ungef\u00e4hr|etwa|ongeveer|environ"
    r"|oko\u0142o|unos|~|\u2248)\s*",
    re.IGNORECASE,
)
_BOUND = re.compile(
    r"(?:up to|at least|at most|no more than|no less than|less than|more than|over|under|max\.?|maximum"
    r"|min\.?|minimum|maximal|mindestens|mind\.|h\u00f6chstens|unter|\u00fcber|bis zu|minstens|maximaal"
    r"|au moins|au plus|almeno|al massimo|>=|<=|[\u2265\u2264<>])\s*(?=[\d$\u20ac\u00a3])",
    re.IGNORECASE,
)
_SIZED = re.compile(
    rf"(.*\d\s*(?:(?:{FACTOR_WORDS})(?![a-z\u00e4\u00f6\u00fc]))?)\s*(.*)", re.DOTALL | re.IGNORECASE
)
_SIGNS = {
    **{"$": "USD", "US$": "USD", "\u20ac": "EUR", "\u00a3": "GBP", "EURO": "EUR", "EUROS": "EUR"},
    **{"DOLLAR": "USD", "DOLLARS": "USD", "POUND": "GBP", "POUNDS": "GBP", "Z\u0141": "PLN", "FR.": "CHF"},
    **{"FRANKEN": "CHF", "Z\u0141OTY": "PLN", "Z\u0141OTYCH": "PLN"},
}
_SIGN = (
    r"(?<![A-Za-z])[A-Za-z]{3}(?![A-Za-z])|(?:US)?\$|[\u20ac\u00a3]"
    r"|(?i:euros?(?!cent)|dollars?|pounds?|franken|fr\.|z\u0142oty(?:ch)?|z\u0142)"
)
_NO_CENTS = re.compile(r"(?<=\d)[.,][-\u2013\u2014]+(?!\d)")
_AMOUNT = re.compile(rf"(?P<before>{_SIGN})?\s*(?P<number>.*?)\s*(?P<after>{_SIGN})?", re.DOTALL)


def read_quantity(text: str, kind: NumberKind, unit: str) -> ReadNumber:
    """Read a figure, with or without its unit in words behind it.

    Args:
        unit: as an `Ask` names it, such as 'ms' or 'times a month'.

    Raises:
        NumberFault: if it is no figure of that unit.
    """
    said = unicodedata.normalize("NFKC", text.strip()) if text.isprintable() else text.strip()
    about = _ABOUT.match(said)
    said = said[about.end() :] if about else said
    bound = _BOUND.match(said)
    written = _NO_CENTS.sub("", said[bound.end() :] if bound else said).removesuffix("+").rstrip()
    exact = bound is None and not said.endswith("+")
    often = _how_often(written.lower()) if unit.endswith("a month") else None
    if often is not None:
        return ReadNumber(value=often, written=text.strip(), plain=False)
    if is_range(written):
        raise NumberFault(f"'{written}' is a range: write one figure, the usual one")
    bare, words = _sized(written, unit)
    factor = _ONE if not words else _factor(words.lower().rstrip("."), bare, unit)
    if factor is None:
        number = read_number(written, kind)  # says what is wrong with it
        return replace(number, written=text.strip(), plain=number.plain and exact)
    number = read_number(bare or "1", kind)
    plain = number.plain and bool(bare) and factor in (_ONE, _PERCENT) and exact
    return ReadNumber(value=number.value * factor, written=text.strip(), plain=plain)


def amount_and_currency(text: str) -> tuple[str, str]:
    """('1.200,50', 'EUR') of '1.200,50 \u20ac'; '' where none is named; it may be an unknown one."""
    found = _AMOUNT.fullmatch(text.strip())
    assert found is not None  # every part of it may be missing
    named = (found["before"] or found["after"] or "").upper()
    return found["number"], _SIGNS.get(named, named)


def _sized(text: str, unit: str) -> tuple[str, str]:
    """What is a number, and the words behind it: '7' and 'B' of a size; '7m' of a count is one."""
    last = re.fullmatch(r"(.*\d)\s*(.*)", text, re.DOTALL)
    if last is not None and last[2].lower().rstrip(".") in _words(unit):
        return last[1], last[2]
    found = _SIZED.fullmatch(text)
    return (found[1], found[2]) if found else ("", text)


def _words(unit: str) -> Mapping[str, Decimal]:
    return _WORDS.get(unit.partition(" ")[0], {})


def _factor(words: str, bare: str, unit: str) -> Decimal | None:
    """How much of a unit words stand for; None where they are none of it."""
    if not unit.endswith("a month"):
        return _words(unit).get(words) if bare else None
    if words in _OFTEN:
        return _PERIODS[_OFTEN[words]]
    each = _EACH.fullmatch(words)
    if each is None or not (bare or each[1] in _TIMES):
        return _ONE if bare and words in ("times", "mal") else None
    if re.search(_BEFORE, each[1]):  # '20 per user per day' is no number of all of them
        return None
    return _PERIODS[each[2]] * (1 if bare else _TIMES[each[1]])


def _how_often(text: str) -> Decimal | None:
    """How many times a month 'never' and 'every two weeks' are; None for any other words."""
    if text in _NEVER:
        return Decimal(0)
    found = _EVERY.fullmatch(text)
    if found is None:
        return None
    number = _SMALL.get(found[1]) or int(found[1][:9])
    return _PERIODS[found[2]] / number if number else None
