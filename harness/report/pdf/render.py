"""A paper as PDF, by typst: A4, tagged, for archives and screen readers (PDF/A-2a, PDF/UA-1).

Nothing is fetched and no text is read as markup: the layout is `paper.typ`, everything else goes in as
JSON. The same paper always gives the same bytes; the document's time is the run's.
"""

from __future__ import annotations

import dataclasses
import json
import tempfile
from datetime import datetime
from importlib import resources
from typing import Any

from harness.core.errors import MissingExtra, UsageError
from harness.report.dress import PLAIN, Dress
from harness.report.paper import Paper, day_words
from harness.report.pdf.typeface import missing, shown

STANDARDS = ("a-2a", "ua-1")


def render_pdf(paper: Paper, dress: Dress = PLAIN) -> bytes:
    """The document.

    Raises:
        MissingExtra: without typst.
        UsageError: for a logo that is no image.
    """
    try:
        import typst
    except ImportError as error:
        raise MissingExtra.of("typst", "pdf") from error
    compile_: Any = typst.compile  # its stubs ask for one type of path in all places
    package = resources.files("harness.report")
    data = json.dumps(paper_data(paper, dress), ensure_ascii=True)
    with resources.as_file(package.joinpath("fonts")) as fonts, tempfile.TemporaryDirectory() as empty:
        try:
            done = compile_(
                package.joinpath("pdf/paper.typ").read_bytes(),
                root=empty,
                font_paths=[fonts],
                ignore_system_fonts=True,
                format="pdf",
                pdf_standards=list(STANDARDS),
                sys_inputs={"paper": data},
                timestamp=int(paper.day.timestamp()),
            )
        except typst.TypstError as error:
            if not dress.logo:
                raise
            render_pdf(paper, dataclasses.replace(dress, logo=b""))  # then it is the logo's fault
            raise UsageError(
                "--logo is no image that can be drawn.", allowed="a whole PNG, JPEG or SVG file"
            ) from error
    return bytes(done)


def paper_data(paper: Paper, dress: Dress = PLAIN) -> dict[str, Any]:
    """The paper as the layout takes it: plain values, every character one that can be drawn."""
    plain = _plain(paper)
    plain["day"] = _moment(paper.day)
    plain["day-words"] = day_words(paper.day.date())
    lost = missing("".join(_texts(plain)))
    if lost:
        note = (
            f"{lost:,} different characters that this document's typeface lacks are shown as a box; "
            "the HTML and JSON reports hold them."
        )
        plain["references"].append(note)
    drawn: dict[str, Any] = _drawable(plain)
    drawn |= {
        "logo": list(dress.logo) or None,
        "logo-kind": dress.logo_kind,
        "logo-alt": drawn["company"] or "Logo",
    }
    return drawn


def _moment(day: datetime) -> dict[str, int]:
    return {name: getattr(day, name) for name in ("year", "month", "day", "hour", "minute", "second")}


def _plain(value: Any) -> Any:
    """Records as dictionaries that know their kind."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
        return {"kind": type(value).__name__, **fields}
    if isinstance(value, tuple | list):
        return [_plain(part) for part in value]
    return value


def _drawable(value: Any) -> Any:
    match value:
        case str():
            return shown(value)
        case list():
            return [_drawable(part) for part in value]
        case dict():
            return {key: _drawable(part) for key, part in value.items()}
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
