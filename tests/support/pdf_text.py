"""Text of a PDF by a second way: its objects read directly, glyph numbers looked up in its own tables.

Enough for documents whose objects lie open (no object streams), as typst writes them. Text of one show
operation stays together; what lies apart on the page is apart by a line end.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from itertools import pairwise

_OBJECT = re.compile(rb"(\d+) 0 obj\n(.*?)\nendobj", re.DOTALL)
_TOKEN = re.compile(rb"[^\s()<>\[\]/]+|/[^\s()<>\[\]/]*|[\[\]<>]")


def objects(pdf: bytes) -> dict[int, bytes]:
    """Every object by number, streams unpacked behind their dictionary."""
    return {int(number): _unpacked(body) for number, body in _OBJECT.findall(pdf)}


def page_count(pdf: bytes) -> int:
    """How many pages there are."""
    return len(re.findall(rb"/Type/Page\b(?!s)", b"".join(objects(pdf).values())))


def alternatives(pdf: bytes) -> list[str]:
    """The alternative texts of figures."""
    found = []
    for body in objects(pdf).values():
        tokens = list(_tokens(body)) if b"/Alt" in body else []
        found += [_string(after) for name, after in pairwise(tokens) if name == b"/Alt"]
    return list(dict.fromkeys(found))


def text_of(pdf: bytes) -> str:
    """All text, in the order in which it is drawn."""
    return "\n".join(streams_of(pdf))


def streams_of(pdf: bytes) -> list[str]:
    """The text of each stream that draws some: of each page, and of each chart."""
    known = objects(pdf)
    maps = {
        number: _characters(body)
        for number, body in known.items()
        if b"beginbfchar" in body or b"beginbfrange" in body
    }
    fonts = {
        number: maps.get(int(found[1]), {})
        for number, body in known.items()
        if (found := re.search(rb"/ToUnicode (\d+) 0 R", body))
    }
    out = []
    for number, body in known.items():
        if b" Tf" in body and (b"Tj" in body or b"TJ" in body):
            out.append(_drawn(body, _fonts_for(number, body, known, fonts)))
    return out


def _fonts_for(
    number: int, body: bytes, known: dict[int, bytes], fonts: dict[int, dict[int, str]]
) -> dict[str, dict[int, str]]:
    """The fonts a content stream names: in its own dictionary, or in that of the page that shows it."""
    owners = [body, *(b for b in known.values() if re.search(rb"/Contents %d 0 R" % number, b))]
    for owner in owners:
        inside = owner
        linked = re.search(rb"/Resources (\d+) 0 R", owner)
        if linked:
            inside = known[int(linked[1])]
        named = re.search(rb"/Font<<(.*?)>>", inside, re.DOTALL)
        if named:
            pairs = re.findall(rb"/(f\d+) (\d+) 0 R", named[1])
            return {name.decode(): fonts.get(int(target), {}) for name, target in pairs}
    return {}


def _drawn(body: bytes, fonts: dict[str, dict[int, str]]) -> str:
    out: list[str] = []
    current: dict[int, str] = {}
    for token in _tokens(body):
        if token.startswith(b"/") and token[1:].decode("latin-1") in fonts:
            current = fonts[token[1:].decode("latin-1")]
        elif token == b"ET":
            out.append("\n")
        elif token.startswith(b"("):
            raw = _bytes(token)
            codes = [int.from_bytes(raw[at : at + 2]) for at in range(0, len(raw) - 1, 2)]
            out.append("".join(current.get(code, "") for code in codes))
    return "".join(out)


def _tokens(body: bytes) -> Iterator[bytes]:
    """Names, operators and whole strings, whose brackets may be nested."""
    at = 0
    while at < len(body):
        if body[at : at + 1] == b"(":
            start, depth = at, 0
            while True:
                here = body[at : at + 1]
                at += 2 if here == b"\\" else 1
                depth += (here == b"(") - (here == b")")
                if depth == 0 or at >= len(body):
                    break
            yield body[start:at]
        else:
            found = _TOKEN.match(body, at)
            at = found.end() if found else at + 1
            if found:
                yield found[0]


def _characters(cmap: bytes) -> dict[int, str]:
    found: dict[int, str] = {}
    for block in re.findall(rb"beginbfchar(.*?)endbfchar", cmap, re.DOTALL):
        for code, target in re.findall(rb"<([0-9A-Fa-f]+)>\s*<([0-9A-Fa-f]+)>", block):
            found[int(code, 16)] = bytes.fromhex(target.decode()).decode("utf-16-be")
    for block in re.findall(rb"beginbfrange(.*?)endbfrange", cmap, re.DOTALL):
        for low, high, target in re.findall(rb"<(\w+)>\s*<(\w+)>\s*<(\w+)>", block):
            for step in range(int(high, 16) - int(low, 16) + 1):
                found[int(low, 16) + step] = chr(int(target, 16) + step)
    return found


def _unpacked(body: bytes) -> bytes:
    head, marker, rest = body.partition(b"\nstream\n")
    if not marker:
        return body
    data = rest.rsplit(b"\nendstream", 1)[0]
    return head + b"\n" + (zlib.decompress(data) if b"/FlateDecode" in head else data)


def _bytes(literal: bytes) -> bytes:
    escapes = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"\b", b"f": b"\f"}

    def plain(hit: re.Match[bytes]) -> bytes:
        return bytes([int(hit[1], 8) & 255]) if hit[1].isdigit() else escapes.get(hit[1], hit[1])

    return re.sub(rb"\\([0-7]{1,3}|.)", plain, literal[1:-1], flags=re.DOTALL)


def _string(literal: bytes) -> str:
    raw = _bytes(literal)
    return raw[2:].decode("utf-16-be") if raw.startswith(b"\xfe\xff") else raw.decode("latin-1")
