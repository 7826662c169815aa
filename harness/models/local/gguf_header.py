"""What stands at the head of a GGUF file: its named values, without the weights.

gguf's own reader makes an array of every token of the vocabulary, seconds a file. The format is that of
https://github.com/ggml-org/ggml/blob/master/docs/gguf.md.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator
from pathlib import Path

_BYTES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
"""How many bytes a number of each kind takes."""
_TEXT, _LIST = 8, 9

Value = bytes | list[bytes]
"""A text or a number as it is stored, numbers in a row as one piece, or texts in a row."""


def header_values(file: Path) -> dict[str, Value]:
    """Every named value.

    Raises:
        ValueError: if the file is no GGUF file of this machine's byte order, or is cut.
    """
    with file.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as data:
        try:
            return dict(_Head(data).values())
        except struct.error as error:
            raise ValueError(f"the header is cut: {error}") from error


class _Head:
    def __init__(self, data: mmap.mmap) -> None:
        self._data = data
        self._at = 0

    def values(self) -> Iterator[tuple[str, Value]]:
        magic, version, _, count = self._piece(4), self._number("<I"), self._number("<Q"), self._number("<Q")
        if magic != b"GGUF" or version not in (2, 3):
            raise ValueError(f"no GGUF file of version 2 or 3: {magic!r} {version}")
        for _ in range(count):
            yield self._text().decode(), self._value(self._number("<I"))

    def _value(self, kind: int) -> Value:
        if kind == _TEXT:
            return self._text()
        if kind != _LIST:
            return self._piece(self._size(kind))
        inner, count = self._number("<I"), self._number("<Q")
        if inner == _TEXT:
            return [self._text() for _ in range(count)]
        return self._piece(count * self._size(inner))

    def _size(self, kind: int) -> int:
        if kind not in _BYTES:
            raise ValueError(f"a value of unknown kind {kind}")
        return _BYTES[kind]

    def _text(self) -> bytes:
        return self._piece(self._number("<Q"))

    def _number(self, form: str) -> int:
        (found,) = struct.unpack_from(form, self._data, self._at)
        self._at += struct.calcsize(form)
        return found  # type: ignore[no-any-return]

    def _piece(self, size: int) -> bytes:
        end = self._at + size
        if end > len(self._data):
            raise ValueError("the header is cut")
        piece, self._at = self._data[self._at : end], end
        return piece
