"""The PDF: same bytes for the same run, archive and accessibility standard, and that text stays text."""

from __future__ import annotations

import shutil
import struct
import subprocess
import sys
import zlib
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("typst")

from harness.core.errors import MissingExtra, UsageError
from harness.core.records import ArmId
from harness.recommendation.records import Caution, CautionKind, Risk, RiskKind, RunResults
from harness.report.context import Branding, image_kind
from harness.report.document import Chart, Document, blocks_of
from harness.report.files import Reported, write_report
from harness.report.pdf import BOX, drawable, missing, render_pdf, shown
from harness.report.run_document import run_document
from tests.support.closing import closing
from tests.support.demo_sized import FEW, OUTSIDE, demo_sized
from tests.support.pdf_text import alternatives, objects, page_count, streams_of, text_of
from tests.support.results import data_summary, recommendation, run_results

MARKUP = "#panic('typst') *bold* $x$ <b>html</b> {{7*7}} '; DROP TABLE runs;-- [a](//evil) @ref //c"
HOSTILE = (
    "\u202egnp.exe \u05e9\u05dc\u05d5\u05dd \u0645\u0631\u062d\u0628\u0627 \u4e2d\u6587 "
    "\U0001f600 \x1b[31m\x00\ud800"
)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


PIXEL = b"".join(
    (
        b"\x89PNG\r\n\x1a\n",
        _chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)),
        _chunk(b"IDAT", zlib.compress(b"\x00\x0b\x7a\x68")),
        _chunk(b"IEND", b""),
    )
)


def document(results: RunResults | None = None, branding: Branding | None = None) -> Document:
    return run_document(results or run_results(), closing(), "pdf", branding=branding or Branding())


def made(results: RunResults | None = None, branding: Branding | None = None) -> bytes:
    return render_pdf(document(results, branding), branding or Branding())


@pytest.fixture(scope="module")
def plain() -> bytes:
    return made()


def squeezed(text: str) -> str:
    return "".join(text.split())


def test_the_same_run_gives_the_same_bytes(plain: bytes) -> None:
    assert made() == plain


def test_it_is_two_pages_and_at_most_four_of_evidence_with_the_decision_as_first_bookmark(
    plain: bytes,
) -> None:
    assert 4 <= page_count(plain) <= 6
    assert b"/Title(Ship the linear classifier.)" in plain


@pytest.mark.parametrize("more", [(), (OUTSIDE,)], ids=["every option", "and one from outside"])
def test_a_run_as_large_as_the_demo_has_six_pages_none_of_them_half_empty(more: tuple[ArmId, ...]) -> None:
    pages = [squeezed(page) for page in streams_of(made(demo_sized(*more)))]
    assert len(pages) == 6
    for page, begins in zip(pages, ("Pilot,donotshipyet", "Money", "Everyoptioninfigures"), strict=False):
        assert begins in page
    assert min(map(len, pages)) > 0.4 * max(map(len, pages))


def test_pages_1_and_2_hold_what_somebody_decides_by_and_leave_labels_to_those_who_look_after_the_data() -> (
    None
):
    first, second, *evidence = (squeezed(page) for page in streams_of(made(demo_sized())))
    assert squeezed(FEW[:40]) not in first + second and squeezed(FEW[:40]) in "".join(evidence)
    assert "--after" not in first + second
    assert squeezed("Not sure yet. Open: the floor of right answers") in first


def test_what_has_room_stands_on_pages_1_and_2(plain: bytes) -> None:
    titles = "Everyoptioninfigures", "Datesandlimitsthatareknown"
    assert [title in squeezed(page) for title, page in zip(titles, streams_of(plain), strict=False)] == [
        True
    ] * 2
    large = streams_of(made(demo_sized()))
    assert [title in squeezed(page) for title, page in zip(titles, large, strict=False)] == [False] * 2


@pytest.mark.parametrize("more", range(0, 14, 2))
def test_the_rows_on_doing_it_again_are_never_torn_apart(more: int) -> None:
    """However long the page before is: a last page with a line or two on it looks like an accident."""
    cautions = tuple(
        Caution(kind=CautionKind.DATA, message=f"Another thing number {number} that could change this.")
        for number in range(more)
    )
    run = run_results(recommendation=recommendation(cautions=cautions))
    pages = [squeezed(page) for page in streams_of(made(run))]
    (last,) = [page for page in pages if "Todoitagain" in page]
    assert "Finished" in last and "Machine" in last and "showsthesamefigures" in last


def test_it_says_that_it_meets_the_archive_and_the_accessibility_standard(plain: bytes) -> None:
    metadata = b"".join(objects(plain).values())
    assert b"<pdfaid:part>2</pdfaid:part>" in metadata
    assert b"<pdfaid:conformance>A</pdfaid:conformance>" in metadata
    assert b"<pdfuaid:part>1</pdfuaid:part>" in metadata


def test_its_time_is_that_of_the_run(plain: bytes) -> None:
    assert b"D:20261123202700Z" in plain.replace(b"+00'00", b"Z").replace(b"'00'", b"")


def test_every_chart_is_said_in_words(plain: bytes) -> None:
    charts = [block for block in blocks_of(document()) if isinstance(block, Chart)]
    assert len(charts) >= 3
    assert {chart.alt for chart in charts} <= set(alternatives(plain))


def test_fonts_are_embedded(plain: bytes) -> None:
    fonts = [body for body in objects(plain).values() if b"/FontDescriptor/FontName" in body]
    assert fonts and all(b"/FontFile2 " in body or b"/FontFile3 " in body for body in fonts)


def test_the_numbers_can_be_read_back(plain: bytes) -> None:
    text = squeezed(text_of(plain))
    for figure in ("81.2 %", "77.0 to 84.8", "EUR 3,590", "EUR 7,360", "1 December 2026", "n=560"):
        assert squeezed(figure) in text, figure


@pytest.mark.skipif(shutil.which("pdftotext") is None, reason="poppler's pdftotext is not installed")
def test_another_reader_reads_the_same_numbers(plain: bytes, tmp_path: Path) -> None:
    path = tmp_path / "report.pdf"
    path.write_bytes(plain)
    done = subprocess.run(
        ["pdftotext", "-layout", str(path), "-"], capture_output=True, text=True, check=True, timeout=60
    )
    assert "81.2 %" in done.stdout and "EUR 3,590" in done.stdout and "n=560" in done.stdout


def test_hostile_text_changes_nothing_but_itself(plain: bytes) -> None:
    wild = run_results(data=data_summary(title=MARKUP, provenance=MARKUP, licence=HOSTILE, name=HOSTILE))
    found = made(wild, Branding(company=MARKUP[:60]))
    text = squeezed(text_of(found))
    assert text.count(squeezed(MARKUP)) >= 3
    assert abs(page_count(found) - page_count(plain)) <= 1
    for figure in ("81.2 %", "77.0 to 84.8", "EUR 3,590"):
        assert squeezed(figure) in text
    made(run_results(data=data_summary(title=HOSTILE)), Branding(company=HOSTILE))


def test_a_name_of_a_hundred_thousand_characters_is_cut() -> None:
    found = made(run_results(data=data_summary(title="long " * 20_000)), Branding(company="x" * 100_000))
    assert page_count(found) <= 6


def test_page_1_stands_alone_however_long_its_sentences_are() -> None:
    long = "every word of this sentence was written by somebody who likes long ones " * 40
    run = run_results(recommendation=recommendation(risk=Risk(kind=RiskKind.NOT_OWN_ROWS, provenance=long)))
    first, second, *_ = map(squeezed, streams_of(made(run)))
    for words in ("RAG or fine-tuning?", "Share of right answers."):
        assert squeezed(words) in first
    assert squeezed("What could change this") in second


def test_characters_without_a_shape_are_boxes_and_counted() -> None:
    assert shown("caf\u00e9 \u4e2d") == f"caf\u00e9 {BOX}"
    assert missing("\u4e2d\u6587 a") == 2
    assert ord(BOX) in drawable() and 0xE000 not in drawable() and 0 not in drawable()
    found = made(run_results(data=data_summary(title="\u4e2d\u6587")))
    assert squeezed("2 different characters that this document's typeface lacks") in squeezed(text_of(found))


def test_every_character_held_to_be_drawable_is_accepted() -> None:
    """By the compiler itself, in the strictest mode; a thousand at a time."""
    codes = sorted(drawable())
    assert len(codes) > 2_000
    text = "".join(map(chr, codes))
    render_pdf(replace(document(), subject=text))


def test_a_logo_stands_on_page_1_and_the_company_on_the_others(plain: bytes) -> None:
    found = made(branding=Branding(company="Acme", logo=PIXEL, logo_kind=image_kind(PIXEL)))
    assert b"/Subtype/Image" in found and b"/Subtype/Image" not in plain
    assert text_of(found).count("Acme") == page_count(found) - 1
    assert b"/Author(Acme)" in found


@pytest.mark.parametrize("data", [b"", b"GIF89a", b"%PDF-1.7", b"\x89PNG" + b"x" * 3_000_000])
def test_what_is_no_logo_is_refused(data: bytes) -> None:
    with pytest.raises(UsageError):
        image_kind(data)


def test_a_damaged_logo_is_the_users_fault() -> None:
    with pytest.raises(UsageError, match="logo"):
        made(branding=Branding(logo=PIXEL[:30], logo_kind="png"))


def test_without_typst_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "typst", None)
    with pytest.raises(MissingExtra) as caught:
        write_report(Reported(results=run_results(), answers=()), ["pdf"], tmp_path)
    assert "pip install 'tune-or-retrieve[pdf]'" in str(caught.value)


def test_an_incomplete_run_looks_it_and_is_still_the_same_twice() -> None:
    found = [render_pdf(run_document(run_results(), None, "pdf")) for _ in range(2)]
    assert found[0] == found[1]
    assert text_of(found[0]).count("INCOMPLETE RUN") >= page_count(found[0])
