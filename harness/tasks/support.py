"""What an answer states, and what of it stands in no passage that it cites. Pure; no model judges.

A statement is a number or date; a name: capitalised words within a sentence, or a word with a capital or a
digit behind its first letter; and two or more words in quotation marks. An answer with none of these states
its own words, those of the question and short or empty ones apart. What the question says already is no
statement. Numbers and dates are compared as answers are (`harness.tasks.answers`), words by their first
letters, and each statement has to stand in one of the cited passages; the own words all in the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from harness.tasks.answers import without_dates, words, year_of

STEM = 5
"""Letters by which an answer's own words are compared."""
_SHORTEST = 4  # letters; shorter words state nothing
_QUOTED = re.compile(r"[\"“„»«]([^\"“”„»«]{3,200})[\"“”»«]")
_CAPITAL = r"(?<!\w)[A-ZÀ-ÖØ-ÞŠŽ][\w'’&-]*"
_RUN = re.compile(rf"{_CAPITAL}(?:[ \t]+{_CAPITAL})*")
_OPENING = " \n\"'“„«(*-"
_SENTENCE_END = re.compile(r"[.!?:]\s*$")
_EMPTY = frozenset(
    re.findall(
        r"\w+",
        "about after also been before both does each even every from have into just more most must only "
        "other over shall should some such than that their them then there these they this those under "
        "until upon were what when where which while will with within would your "
        "aber alle auch beim dann dass dein dies diese dieser eine einem einen einer eines haben hier ihre "
        "ihrem ihren ihrer jede jeden jeder kann keine mehr muss nach nicht noch oder ohne sein seine sich "
        "sind sowie über unter vom wenn werden wird zum zur",
    )
)


def statements(answer: str, question: str) -> tuple[str, ...]:
    """What an answer, citations taken out, states beyond its question: each once."""
    asked = words(question)
    found = [*_numbers(answer, asked), *_names(answer, asked), *_quotes(answer)]
    if not found:
        own = " ".join(_own(words(answer), asked))
        found = [own] if own else []
    return tuple(dict.fromkeys(found))


def unsupported(answer: str, question: str, passages: Sequence[str]) -> tuple[str, ...]:
    """The statements of an answer that stand in none of these passages."""
    read = [words(passage) for passage in passages]
    return tuple(one for one in statements(answer, question) if not any(_stands(one, text) for text in read))


def _numbers(answer: str, asked: Sequence[str]) -> Iterator[str]:
    for word in words(answer):
        bare = word == "1" and "1" not in answer  # 'one of them' counts nothing
        if _is_number(word) and word not in asked and not bare:
            yield word


def _names(answer: str, asked: Sequence[str]) -> Iterator[str]:
    """Runs of capitalised words; what begins a sentence only with another, or written as no usual word is."""
    text = without_dates(answer)
    for found in _RUN.finditer(text):
        run = [word for word in found[0].split() if not set(words(word)) <= set(asked)]
        begins = not text[: found.start()].strip(_OPENING) or _SENTENCE_END.search(text[: found.start()])
        if not run or (begins and len(found[0].split()) == 1 and not _odd(run[0])):
            continue
        yield " ".join(run)


def _odd(word: str) -> bool:
    return any(letter.isupper() or letter.isdigit() for letter in word[1:])


def _quotes(answer: str) -> Iterator[str]:
    return (found for found in _QUOTED.findall(answer) if len(words(found)) > 1)


def _own(answer: Sequence[str], asked: Sequence[str]) -> list[str]:
    known = {word[:STEM] for word in asked}
    return [
        word for word in answer if len(word) >= _SHORTEST and word not in _EMPTY and word[:STEM] not in known
    ]


def _stands(statement: str, passage: Sequence[str]) -> bool:
    wanted = words(statement) if not _is_number(statement) else (statement,)
    if len(wanted) == 1 and _is_number(wanted[0]):
        number = wanted[0]
        return any(number in (word, year_of(word)) or _same_day(number, word) for word in passage)
    stems = {word[:STEM] for word in passage}
    return bool(wanted) and all(word[:STEM] in stems for word in wanted)


def _same_day(one: str, other: str) -> bool:
    """A date without a year and the same day of some year."""
    dates = one.startswith("d:") and other.startswith("d:")
    return dates and (one[2:].endswith(other[2:]) or other[2:].endswith(one[2:]))


def _is_number(word: str) -> bool:
    return word.startswith("d:") or word.lstrip("-")[:1].isdigit()
