"""A label in words, and a label read out of a raw answer, tolerantly but without guessing.

An answer counts as a label if it is that label's name or the words the model was given for it; else if,
apart from case, quotes, punctuation, underscores and a JSON or "Label:" wrapping, it is one label's name
and no other's; else if its first line is; else if one label alone is the whole of a value in a JSON answer;
else if the name of exactly one label stands in it as whole words, and is not denied ("not spam").
What a model thought before it answered is no part of the answer, and a thought without an end is none.
Everything else is invalid; it is reported as such and counts as not correct. Reading takes time in
proportion to the answer, whatever it holds.
"""

from __future__ import annotations

import functools
import json
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from advisor.reading import parse_json

_WORDS = re.compile(r"[^\W_]+", re.UNICODE)
_LEAD = re.compile(r"^(label|category|answer|intent)\s*[:=]\s*", re.IGNORECASE)
_THOUGHT_ENDS = ("</think>", "</thinking>", "</thought>", "<|channel|>final<|message|>")
_THOUGHT_BEGINS = ("<think>", "<thinking>", "<thought>", "<|channel|>analysis")
_TURN_ENDS = ("<|im_end|>", "<|end|>", "<|return|>", "<|eot_id|>", "<|endoftext|>", "</s>")
_LONGEST_ANSWER = 400
_DENIED = frozenset({"not", "isn", "cannot", "neither", "nor", "never", "nicht", "kein", "keine"})


@dataclass(frozen=True, slots=True)
class _Names:
    """Label by spelling: as written, and by bare words where no two labels share them."""

    written: dict[str, str]
    plain: dict[str, str]
    by_length: tuple[str, ...]


def answer_text(label: str) -> str:
    """The words a model writes for a label: underscores read as spaces."""
    return label.replace("_", " ").strip()


def read_label(answer: str, labels: Sequence[str]) -> str | None:
    """The label an answer names, None if it names none or several."""
    names = _names(tuple(labels))
    whole = said(unicodedata.normalize("NFC", answer))
    text = _unwrapped(whole)
    for written in (answer.strip(), whole, text, text.strip("\"'` ")):
        if written in names.written:
            return names.written[written]
    for candidate in (whole, text, _unwrapped(whole.partition("\n")[0])):
        if len(candidate) <= _LONGEST_ANSWER and _plain(candidate) in names.plain:
            return names.plain[_plain(candidate)]
    if len(text) > _LONGEST_ANSWER:
        return None
    return _only_value(text, names) or _only_one_inside(_plain(text), names)


@functools.lru_cache(maxsize=8)
def _names(labels: tuple[str, ...]) -> _Names:
    written = _unshared((spelling, label) for label in labels for spelling in (label, answer_text(label)))
    plain = _unshared((_plain(label), label) for label in labels)
    return _Names(written, plain, tuple(sorted(plain, key=len, reverse=True)))


def _unshared(spellings: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Spelling -> label, without blank spellings and those of two labels."""
    found: dict[str, set[str]] = {}
    for spelling, label in spellings:
        found.setdefault(spelling, set()).add(label)
    return {spelling: min(owners) for spelling, owners in found.items() if spelling and len(owners) == 1}


def _plain(text: str) -> str:
    return " ".join(_WORDS.findall(unicodedata.normalize("NFC", text.casefold())))


def said(answer: str) -> str:
    """What was said after all thinking, without the marks of a turn's end."""
    lower = answer.casefold() if answer.isascii() else answer  # the same length, so that places agree
    start = max((at + len(mark) for mark in _THOUGHT_ENDS if (at := lower.rfind(mark)) >= 0), default=0)
    if lower[start:].lstrip().startswith(_THOUGHT_BEGINS):
        return ""
    text = answer[start:].strip()
    end = len(text)
    while mark := next((mark for mark in _TURN_ENDS if text.endswith(mark, 0, end)), ""):
        end -= len(mark)
        while end and text[end - 1].isspace():
            end -= 1
    return text[:end]


def _unwrapped(text: str) -> str:
    if text.startswith("```") and text.endswith("```"):
        text = text[3:-3].strip() if len(text) >= 6 else ""
        text = text[4:].strip() if text[:4].casefold() == "json" else text
    text = text.strip("`").strip()
    if text.startswith(("{", '"')):
        try:
            parsed = parse_json(text)
        except ValueError:
            return text
        if isinstance(parsed, dict) and (len(parsed) == 1 or "label" in parsed):
            parsed = parsed.get("label", next(iter(parsed.values())))
        match parsed:
            case str():
                return parsed.strip()
            case bool() | int() | float():
                return json.dumps(parsed)
            case None:
                return ""
            case _:
                return text
    return _LEAD.sub("", text).strip()


def _only_value(text: str, names: _Names) -> str | None:
    """The one label that is the whole of a value in a JSON answer, whatever other values say of labels."""
    if not text.startswith(("{", "[")):
        return None
    try:
        leaves = _leaves(parse_json(text))
    except ValueError:
        return None
    found = {names.plain[_plain(leaf)] for leaf in leaves if _plain(leaf) in names.plain}
    return found.pop() if len(found) == 1 else None


def _leaves(value: object) -> list[str]:
    match value:
        case str():
            return [value]
        case list():
            return [leaf for part in value for leaf in _leaves(part)]
        case dict():
            return [leaf for part in value.values() for leaf in _leaves(part)]
        case _:
            return []


def _only_one_inside(text: str, names: _Names) -> str | None:
    """The one label a sentence names and does not deny; a name inside a longer one does not count."""
    rest, found = f" {text} ", []
    for name in names.by_length:
        if f" {name} " in rest:
            if not _DENIED.isdisjoint(rest.partition(f" {name} ")[0].split()[-3:]):
                return None
            found.append(name)
            rest = rest.replace(f" {name} ", " | ")
    return names.plain[found[0]] if len(found) == 1 else None
