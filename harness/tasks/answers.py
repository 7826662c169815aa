"""Free answers: what was said, what was cited, and whether it is what was asked for. Pure.

Two texts are compared word by word after this reading: Unicode NFKC, case folded, without punctuation and
English or German articles; dates as ISO (`1 July 2026`, `01.07.2026`, `July 1, 2026`, without a year too);
numbers in the ways of Europe (`1.200`, `1 200` and `1,200` are 1200; `2,40` is 2.4) and small numbers in the
words of six languages; `%`, `€`, `$`, `£` as words.

An answer is right if it is an acceptable one, or one stands in it word behind word. So that long answers
are not right by chance: yes or no counts where the answer begins with it, and an answer that begins with the
other of the two is wrong; a bare number counts where the answer states no other one; what is denied just
before it (`not`, `no`, `kein`) does not count.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal

from harness.tasks.fields import date_of, number_of
from harness.tasks.labels import said

MOST_CHARACTERS = 20_000
"""More of an answer is not read."""

_CITED = re.compile(r"\[\s*(p?\d{1,6}(?:\s*[,;]\s*p?\d{1,6})*)\s*\]", re.IGNORECASE)
_PLACE = re.compile(r"\d+")
_LEAD = re.compile(r"^\s*(?:answer|antwort|réponse|antwoord|resposta|vastus)\s*:\s*", re.IGNORECASE)
_ABSTAINED = re.compile(
    r"\b(?:not (?:stated |mentioned |given |found |answered )?(?:in|by) (?:the|these|any of the) "
    r"(?:documents?|passages?)|(?:documents|passages) do(?:es)? not (?:say|state|mention|answer|contain)"
    r"|(?:i )?(?:do not|don't|cannot|can't) (?:know|find|answer|tell)|no information"
    r"|(?:nicht|steht nicht) in den (?:dokumenten|unterlagen|textstellen)|weiß (?:ich )?(?:es )?nicht"
    r"|keine angaben?|pas dans les documents|je ne sais pas|niet in de documenten|weet (?:ik )?(?:het )?niet"
    r"|não (?:está|consta) nos documentos|não sei|ei ole dokumentides|ei tea)\b"
)
_NO_ANSWER = frozenset(
    (
        *(
            "n/a",
            "unanswerable",
            "not answerable",
            "no answer",
            "unknown",
            "unbekannt",
            "inconnu",
            "onbekend",
        ),
        *("nicht beantwortbar", "unbeantwortbar", "keine antwort", "sans réponse", "pas de réponse"),
        *("geen antwoord", "nessuna risposta", "sin respuesta", "sem resposta"),
    )
)
_EMPTY = frozenset(("", "-", "--", "–", "—", "?", "nan", "null", "<na>", "#n/a", "[]", "{}"))
_SHORT = 60  # characters; more is an answer, whatever it begins with
_FIRST_SENTENCE = re.compile(r"[^.!?\n]*")

_YES = frozenset({"yes", "ja", "oui", "sim", "jah"})
_NO = frozenset({"no", "nein", "non", "nee", "não", "ei"})
_DENIED = frozenset({"not", "no", "never", "nicht", "kein", "keine", "keinen", "nie", "niet", "geen", "não"})
_ARTICLES = frozenset({"the", "a", "an", "der", "die", "das", "den", "dem", "des", "ein", "eine", "einen"})
_SIGNS = {"%": " percent ", "€": " eur ", "$": " usd ", "£": " gbp "}
_SAME = {"euro": "eur", "euros": "eur", "prozent": "percent", "pourcent": "percent", "procent": "percent"}
_NUMBER_WORDS = (
    ("zero", "null", "zéro", "nul"),
    ("one", "eins"),
    ("two", "zwei", "deux", "twee", "dois", "duas", "kaks"),
    ("three", "drei", "trois", "drie", "três", "kolm"),
    ("four", "vier", "quatre", "quatro", "neli"),
    ("five", "fünf", "cinq", "vijf", "cinco", "viis"),
    ("six", "sechs", "zes", "seis", "kuus"),
    ("seven", "sieben", "sept", "zeven", "sete", "seitse"),
    ("eight", "acht", "huit", "oito", "kaheksa"),
    ("nine", "neun", "neuf", "negen", "nove", "üheksa"),
    ("ten", "zehn", "dix", "tien", "dez", "kümme"),
    ("eleven", "elf", "onze"),
    ("twelve", "zwölf", "douze", "twaalf", "doze"),
)
_IN_DIGITS = {word: str(number) for number, words_ in enumerate(_NUMBER_WORDS) for word in words_}

_MONTH = r"[^\W\d_]{3,12}\.?"
_DATES = re.compile(
    r"\d{4}-\d{1,2}-\d{1,2}|\d{1,2}[./]\d{1,2}[./]\d{4}"
    rf"|\d{{1,2}}(?:st|nd|rd|th|er|º|\.)?\s*(?:of |de )?{_MONTH}(?:,?\s*(?:de )?\d{{4}}\b)?"
    rf"|(?P<month>{_MONTH})\s+(?P<day>\d{{1,2}})(?:st|nd|rd|th)?\b(?:,?\s*(?P<year>\d{{4}})\b)?"
)
_WORDS_TOO = re.compile(
    r"\d+ (?:out|set|ago|mag|gen)"
)  # short for a month in one language, a word in another
_LEAP_YEAR = "2000"  # stands for the year of a date without one
_NUMBERS = re.compile(
    r"(?<![\w.,-])-?\d{1,3}(?:[ .,'’]\d{3})+(?:[.,]\d+)?(?!\d)|(?<![\w.,-])-?\d+(?:[.,]\d+)?|\d+"
)
_TOKENS = re.compile(r"d:[\d-]+|-?\d+(?:\.\d+)?|[^\W_]+")


def cited_places(answer: str) -> tuple[int, ...]:
    """The passages that an answer cites, such as `[p2]`, each once in the order of the text."""
    places = (
        int(place) for found in _CITED.findall(answer[:MOST_CHARACTERS]) for place in _PLACE.findall(found)
    )
    return tuple(dict.fromkeys(places))


def without_citations(answer: str) -> str:
    """What an answer says: thoughts, citations and a leading 'Answer:' taken out."""
    return " ".join(_LEAD.sub("", _CITED.sub(" ", said(answer[:MOST_CHARACTERS]))).split())


def abstains(answer: str) -> bool:
    """Whether an answer, citations taken out, says in its first sentence that the documents do not."""
    plain = unicodedata.normalize("NFKC", answer).casefold().replace("’", "'").replace("weiss", "weiß")
    first = _FIRST_SENTENCE.match(plain.lstrip(" .\"'"))
    if first is None:
        return False
    said_first = first[0].replace("weiss", "weiß")
    return _ABSTAINED.search(said_first) is not None or said_first.strip(" \"'") in _NO_ANSWER


def states_none(cell: str) -> bool:
    """Whether a cell of acceptable answers says that there is none: empty, `n/a`, `unanswerable`."""
    return cell.strip().casefold() in _EMPTY or (len(cell) <= _SHORT and abstains(cell))


def without_dates(text: str) -> str:
    """A text in which its dates, however they are written, are blanks."""
    return _DATES.sub(lambda found: found[0] if _date(found) == found[0] else " ", text)


def words(text: str) -> tuple[str, ...]:
    """The words of a text as they are compared."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text[:MOST_CHARACTERS]).casefold())
    plain = "".join("-" if unicodedata.category(c) == "Pd" or c == "−" else c for c in folded)
    for sign, word in _SIGNS.items():
        plain = plain.replace(sign, word)
    plain = _NUMBERS.sub(_number, _DATES.sub(_date, plain)).replace("'", "").replace("’", "")
    found = (_SAME.get(word, _IN_DIGITS.get(word, word)) for word in _TOKENS.findall(plain))
    return tuple(word for word in found if word not in _ARTICLES)


def _date(found: re.Match[str]) -> str:
    text = found[0]
    if found["month"]:
        text = f"{found['day']} {found['month']} {found['year'] or ''}".strip()
    read = date_of(text)
    if read is not None:
        return f" d:{read} "
    alone = re.search(r"\d{4}$", text) or _WORDS_TOO.fullmatch(text)
    read = None if alone else date_of(f"{text} {_LEAP_YEAR}")
    return found[0] if read is None else f" d:{read[5:]} "


def _number(found: re.Match[str]) -> str:
    if found.start() >= 2 and re.search(
        r"d:[\d-]*$", found.string[max(0, found.start() - 12) : found.start()]
    ):
        return found[0]
    read = number_of(found[0])
    return found[0] if read is None else f" {Decimal(str(read)).normalize():f} "


def is_right(answer: str, acceptable: Sequence[str]) -> bool:
    """Whether an answer, citations taken out, gives one of the acceptable ones."""
    given = words(answer)
    wanted = [words(one) for one in acceptable]
    sides = {side for one in wanted if (side := _side(one))}
    if given and _side(given) and sides and _side(given) not in sides:
        return False
    return any(_gives(given, one) for one in wanted)


def _side(of: tuple[str, ...]) -> str:
    """'yes' or 'no' for a text that begins with it."""
    first = of[0] if of else ""
    return "yes" if first in _YES else "no" if first in _NO else ""


def _gives(given: tuple[str, ...], wanted: tuple[str, ...]) -> bool:
    if not wanted or given == wanted:
        return bool(wanted)
    if len(wanted) == 1 and _side(wanted):
        return _side(given) == _side(wanted)
    numbers = [word for word in wanted if _is_number(word)]
    if len(numbers) == len(wanted) and [word for word in given if _is_number(word)] != numbers:
        return _in_year(given, wanted)
    ends = len(given) - len(wanted) + 1
    places = [at for at in range(ends) if given[at : at + len(wanted)] == wanted]
    return any(at == 0 or given[at - 1] not in _DENIED for at in places)


def _in_year(given: tuple[str, ...], wanted: tuple[str, ...]) -> bool:
    """Whether a year alone is asked for, and a date in it is all that the answer has of dates and numbers."""
    found = [at for at, word in enumerate(given) if word.startswith("d:") or _is_number(word)]
    if len(found) != 1 or wanted != (year_of(given[found[0]]),):
        return False
    return found[0] == 0 or given[found[0] - 1] not in _DENIED


def year_of(word: str) -> str:
    """The year of a date as `words` has it; '' of one without, and of any other word."""
    return word[2:6] if word.startswith("d:") and word.count("-") == 2 else ""


def _is_number(word: str) -> bool:
    return word.lstrip("-")[:1].isdigit()


def token_f1(answer: str, acceptable: Sequence[str]) -> float:
    """The best F1 of the words of an answer against those of an acceptable one, as SQuAD has it.

    Source: Rajpurkar et al. 2016, https://arxiv.org/abs/1606.05250, section 6.1.
    """
    given = Counter(words(answer))
    best = 0.0
    for one in acceptable:
        wanted = Counter(words(one))
        common = (given & wanted).total()
        if common:
            best = max(best, 2 * common / (given.total() + wanted.total()))
    return best
