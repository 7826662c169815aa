"""The sentences of a passage. Pure."""

from __future__ import annotations

import re

_MONTHS = "Januar|Jänner|Februar|März|April|Mai|Juni|Juli|August|September|Oktober|November|Dezember"
_ENDS = re.compile(
    rf"(?<=[.!?])(?<!\b[^\W\d_]\.)(?!(?<=\d\.)\s+(?:{_MONTHS})\b)\s+|\n+"  # not in 'J. K.', 'z. B.', '6. Mai'
)
_LINKS = re.compile(r"\[([^\]]*)\]\([^)]*\)")
_MARKS = re.compile(r"^(?:[-*+]|\d+\.)\s+|[*`]+|\|")
_RULE = re.compile(r"[\s:|-]*")
_TABLE_HEAD = re.compile(r"^\|.*\|[ \t]*\n(?=\|[ :|-]+\|[ \t]*$)", re.MULTILINE)


def sentences(text: str) -> list[str]:
    """The sentences, items and table rows of a Markdown text; heads of tables and headings say nothing."""
    found = []
    for part in _ENDS.split(_TABLE_HEAD.sub("", text)):
        if part.lstrip().startswith("#") or _RULE.fullmatch(part):
            continue
        plain = " ".join(_MARKS.sub(" ", _LINKS.sub(r"\1", part.strip())).split())
        if plain:
            found.append(plain)
    return found
