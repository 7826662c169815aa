"""Plain ASCII text for a terminal: wrapped sentences, aligned columns, titled sections. Pure."""

from __future__ import annotations

import textwrap
import unicodedata
from collections.abc import Collection, Iterable, Sequence

WIDTH = 96


def ascii_safe(text: str) -> str:
    """The text in ASCII for any terminal: letters lose their accents, the rest becomes a `?`."""
    bare = unicodedata.normalize("NFKD", text.replace("ß", "ss"))
    kept = "".join(letter for letter in bare if not unicodedata.combining(letter))
    return kept.encode("ascii", "replace").decode("ascii")


def wrap(text: str, indent: str = "  ", first: str | None = None) -> str:
    """A sentence on lines of at most `WIDTH`.

    Args:
        first: the indent of the first line, where it differs.
    """
    return textwrap.fill(
        text,
        WIDTH,
        initial_indent=indent if first is None else first,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def aligned(rows: Iterable[Sequence[str]], right: Collection[int] = (), indent: str = "") -> list[str]:
    """Rows as lines with one width a column.

    Args:
        right: columns of figures, which end rather than begin together.
    """
    table = list(rows)
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = []
    for row in table:
        cells = [
            cell.rjust(width) if number in right else cell.ljust(width)
            for number, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append(indent + "  ".join(cells).rstrip())
    return lines


def section(title: str, lines: Sequence[str]) -> str:
    """Lines under a title; '' without lines."""
    return "\n".join((title, *lines)) if lines else ""
