"""How much personal data texts hold: by kind, in how many places, and a masked example."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from harness.core.wording import counted
from harness.privacy.detect import Kind, find, masked


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """What was found.

    Attributes:
        texts: how many were read; rows: how many of them hold anything.
        values: distinct values by kind.
        examples: by kind, one value that cannot be read off, and where it stands.
    """

    texts: int
    rows: int
    values: Mapping[Kind, int]
    examples: Mapping[Kind, str]

    def __bool__(self) -> bool:
        return self.rows > 0

    @property
    def words(self) -> str:
        """'12 e-mail addresses and 1 IBAN'."""
        parts = [counted(self.values[kind], kind.noun, kind.nouns) for kind in Kind if self.values.get(kind)]
        return " and ".join([", ".join(parts[:-1]), parts[-1]]) if len(parts) > 1 else "".join(parts)


def tally(texts: Iterable[tuple[str, str]]) -> Tally:
    """Count what stands in texts.

    Args:
        texts: (what a text is, such as 'row a-17', and the text).
    """
    read, rows = 0, 0
    seen: set[tuple[Kind, str]] = set()
    examples: dict[Kind, str] = {}
    for where, text in texts:
        read += 1
        there = find(text)
        rows += bool(there)
        for one in there:
            seen.add((one.kind, one.value))
            examples.setdefault(one.kind, f"{masked(text[one.start : one.end])} in {where}")
    return Tally(texts=read, rows=rows, values=Counter(kind for kind, _ in seen), examples=examples)
