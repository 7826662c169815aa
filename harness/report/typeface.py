"""Which characters the report's typefaces can draw; the rest are shown as a box, and counted.

A PDF of the archive kind must not hold a character without a shape, so that a label in a script the
typefaces lack would make the compiler refuse the whole document.
"""

from __future__ import annotations

import functools
import struct
import unicodedata
from collections.abc import Iterator
from importlib import resources

_UNSEEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
BOX = "\u25a1"
_ALSO = (
    (0x05D0, 0x05EA),  # Hebrew letters and
    (0x0621, 0x063A),  # Arabic ones, in the typefaces that come with the compiler
    (0x0641, 0x064A),
    (0x2068, 0x2069),  # the fences around text that runs from right to left
)


@functools.cache
def drawable() -> frozenset[int]:
    """The code points that can be drawn."""
    data = resources.files("harness.report").joinpath("fonts/Inter.ttf").read_bytes()
    own = {code for code in _code_points(data) if unicodedata.category(chr(code)) not in _UNSEEN}
    return frozenset(own.union(*(range(low, high + 1) for low, high in _ALSO)))


def shown(text: str) -> str:
    """The text with a box for every character that cannot be drawn."""
    known = drawable()
    return "".join(c if ord(c) in known else BOX for c in text)


def missing(text: str) -> int:
    """How many different characters cannot be drawn."""
    return len({ord(c) for c in text} - drawable())


def _code_points(font: bytes) -> Iterator[int]:
    """The code points of a font's segmented character map (OpenType cmap, format 12)."""
    count = struct.unpack_from(">H", font, 4)[0]
    tables = (struct.unpack_from(">4sLLL", font, 12 + 16 * place) for place in range(count))
    start = next(offset for tag, _, offset, _ in tables if tag == b"cmap")
    for place in range(struct.unpack_from(">H", font, start + 2)[0]):
        at = start + struct.unpack_from(">L", font, start + 4 + 8 * place + 4)[0]
        if struct.unpack_from(">H", font, at)[0] == 12:
            groups = struct.unpack_from(">L", font, at + 12)[0]
            for group in range(groups):
                low, high, _ = struct.unpack_from(">LLL", font, at + 16 + 12 * group)
                yield from range(low, high + 1)
            return
