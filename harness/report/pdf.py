"""A document as PDF, by typst: A4, tagged, for archives and screen readers (PDF/A-2a, PDF/UA-1).

Nothing is fetched and no text is read as markup: the layout is `layout/document.typ`, everything else goes
in as JSON. The same document always gives the same bytes; its time is the run's. Commands are left out: a
printed page is for readers without a terminal. A character that the typefaces cannot draw is shown as a box
and counted: a PDF of the archive kind must not hold one, so that a label in such a script would make the
compiler refuse the whole document.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import struct
import tempfile
import unicodedata
from collections.abc import Iterator, Mapping
from importlib import resources
from typing import Any

from harness.core.errors import UsageError, needs
from harness.report.charts import draw
from harness.report.context import PLAIN, Branding
from harness.report.document import (
    FENCES,
    Chart,
    Command,
    Document,
    RecommendationBlock,
    Section,
    day_words,
    pieces,
    sources_of,
    spans,
)

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


STANDARDS = ("a-2a", "ua-1")


def render_pdf(document: Document, branding: Branding = PLAIN) -> bytes:
    """The document.

    Raises:
        MissingExtra: without typst.
        UsageError: for a logo that is no image.
    """
    with needs("pdf"):
        import typst
    compile_: Any = typst.compile  # its stubs ask for one type of path in all places
    package = resources.files("harness.report")
    data = json.dumps(document_data(document, branding), ensure_ascii=True)
    with resources.as_file(package.joinpath("fonts")) as fonts, tempfile.TemporaryDirectory() as empty:
        try:
            done = compile_(
                package.joinpath("layout", "document.typ").read_bytes(),
                root=empty,
                font_paths=[fonts],
                ignore_system_fonts=True,
                format="pdf",
                pdf_standards=list(STANDARDS),
                sys_inputs={"document": data},
                timestamp=int(document.day.timestamp()),
            )
        except typst.TypstError as error:
            if not branding.logo:
                raise
            render_pdf(document, dataclasses.replace(branding, logo=b""))  # then it is the logo's fault
            raise UsageError(
                "--logo is no image that can be drawn.", allowed="a whole PNG, JPEG or SVG file"
            ) from error
    return bytes(done)


def document_data(document: Document, branding: Branding = PLAIN) -> dict[str, Any]:
    """The document as the layout takes it: plain values, every character one that can be drawn."""
    numbers = sources_of(document)
    data: dict[str, Any] = {
        "title": document.title,
        "subject": document.subject,
        "company": document.company,
        "state": document.state,
        "headline": document.headline,
        "running": document.running,
        "day": {name: getattr(document.day, name) for name in _MOMENT},
        "day-words": day_words(document.day.date()),
        "pages": [[_plain(section, numbers) for section in page] for page in _pages(document)],
        "fitted": sum(section.page == "fit" for section in document.sections),
        "sources": list(numbers),
    }
    lost = missing("".join(_texts(_drawable(data, keep=True))))
    if lost:
        note = (
            f"{lost:,} different characters that this document's typeface lacks are shown as a box; "
            "the HTML and JSON reports hold them."
        )
        data["sources"].append(note)
    drawn: dict[str, Any] = _drawable(data)
    drawn |= {
        "logo": list(branding.logo) or None,
        "logo-kind": branding.logo_kind,
        "logo-alt": drawn["company"] or "Logo",
    }
    return drawn


def _pages(document: Document) -> list[list[Section]]:
    """Sections by the page that they begin on."""
    pages: list[list[Section]] = []
    for section in document.sections:
        if section.page or not pages:
            pages.append([])
        pages[-1].append(section)
    return pages


_MOMENT = ("year", "month", "day", "hour", "minute", "second")
_TEXTS = {"text", "caption", "lead"}
"""Fields that hold running text: always spans in the layout, so that it need not ask."""


def _plain(value: Any, numbers: Mapping[str, int]) -> Any:
    """Records as dictionaries that know their kind; sources as their numbers, charts as drawings."""
    if isinstance(value, Chart):
        svg, caption = draw(value.key, value.spec, value.alt), _spans(value.caption, numbers)
        return {"kind": "Chart", "svg": svg, "alt": value.alt, "caption": caption}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        found: dict[str, Any] = {"kind": type(value).__name__}
        for field in dataclasses.fields(value):
            part = getattr(value, field.name)
            if field.name == "sources":
                found["refs"] = [numbers[source] for source in part if source]
            elif field.name in _TEXTS and found["kind"] in {"Paragraph", "Fact", "Section"}:
                found[field.name] = _spans(part, numbers)
            elif field.name in {"items", "reasons"}:
                found[field.name] = [_spans(one, numbers) for one in part]
            else:
                found[field.name] = _plain(part, numbers)
        if isinstance(value, RecommendationBlock):
            found |= {"tiles": _plain(value.tiles, numbers), "lines": _plain(value.lines, numbers)}
        return found
    if isinstance(value, tuple):
        return [_plain(part, numbers) for part in value if not isinstance(part, Command)]
    return value


def _spans(text: Any, numbers: Mapping[str, int]) -> list[Any]:
    return [_plain(span, numbers) for span in spans(text)]


def _drawable(value: Any, *, keep: bool = False) -> Any:
    """Harmless text, fences around what runs from right to left kept; a box for what has no shape.

    Args:
        keep: characters without a shape are kept, to be counted.
    """
    match value:
        case str() if value.startswith("<svg"):
            return value if keep else shown(value)
        case str():
            text = "".join(f"{FENCES[0]}{p}{FENCES[1]}" if fenced else p for p, fenced in pieces(value))
            return text if keep else shown(text)
        case list():
            return [_drawable(part, keep=keep) for part in value]
        case dict():
            return {key: _drawable(part, keep=keep) for key, part in value.items()}
        case _:
            return value


def _texts(value: Any) -> list[str]:
    match value:
        case str():
            return [value]
        case list():
            return [text for part in value for text in _texts(part)]
        case dict():
            return [text for part in value.values() for text in _texts(part)]
        case _:
            return []
