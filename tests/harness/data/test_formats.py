"""What a file is, by its first bytes: read, or named in one line with a way on."""

from __future__ import annotations

import gzip
import io
import zipfile

import pytest

from harness.data import formats
from tests.support.reading import as_csv, refusal, see, values
from tests.support.workbooks import xlsx


def zipped(*members: str, content: str | bytes = "a,b") -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for member in members:
            archive.writestr(member, content)
    return out.getvalue()


@pytest.mark.parametrize("name", ["t.csv.gz", "t.csv"])
def test_gzip_is_unpacked_whatever_it_is_called(name: str) -> None:
    assert see(gzip.compress(as_csv().encode()), name).values == values()


@pytest.mark.parametrize("beside", [(), ("__MACOSX/._export.csv", "more/")])
def test_a_zip_archive_with_one_file_in_it_is_that_file(beside: tuple[str, ...]) -> None:
    assert see(zipped("more/export.csv", *beside, content=as_csv()), "t.zip").values == values()


def test_a_workbook_in_a_zip_archive_is_read() -> None:
    sheet = xlsx({"A": [["subject", "body", "queue"], [7, 2.5, 1]]})
    assert see(zipped("a.xlsx", content=sheet), "t.zip").values == [("7", "2.5", "1")]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (gzip.compress(as_csv().encode())[:-20], "damaged gzip file"),
        (gzip.compress(gzip.compress(b"a,b")), "packed by gzip, twice"),
        (gzip.compress(b""), "is empty"),
        (b"%PDF-1.7\n", "a PDF document"),
        (b"{\\rtf1\\ansi", "an RTF document"),
        (zipped("word/document.xml"), "a Word document"),
        (zipped("export.csv", "more.csv"), "in it: export.csv, more.csv"),
        (zipped("in.zip", content=zipped("a", "b")), "in.zip is a zip archive"),
        (zipped("export.csv")[:40], "damaged zip"),
        (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
        (b"SQLite format 3\x00", "an SQLite database"),
        (b"!BDN" + bytes(600), "an Outlook mailbox"),
        (b"__label__pay a text\n__label__login another\n", "a fastText file"),
        (b"@relation tickets\n@data\n", "a Weka file"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:1", "git lfs pull"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "as a workbook"),
        (b'<?xml version="1.0"?><tickets/>', "an XML document"),
        (
            b'<?xml version="1.0"?><Workbook xmlns="urn:schemas-microsoft-com:office:spreadsheet">',
            "Excel 2003 XML",
        ),
        (b"Return-Path: <a@b>\r\nReceived: c\r\nSubject: d\r\n\r\n", "a mail"),
        (b"PAR1aaaaPAR1", "cannot be read as Parquet"),
    ],
    ids=lambda value: value if isinstance(value, str) else "file",  # packed bytes hold the time of day
)
def test_what_is_no_table_is_named(content: bytes, words: str) -> None:
    message = refusal(content)
    assert words in message and "--encoding" not in message


@pytest.mark.parametrize("before", ["", "\n\n", "\ufeff", "<?xml version='1.0'?>\n", "<!-- a -->"])
def test_a_page_saved_in_place_of_the_file_is_named_by_its_title(before: str) -> None:
    page = before + "<!DOCTYPE html><html><title>Sign in &amp; go</title><body>a,b</body></html>"
    assert "is an HTML page, titled 'Sign in & go', not CSV" in refusal(page)


def test_a_page_with_a_table_is_another_case() -> None:
    assert "with a table in it" in refusal("<html><table><tr><td>subject</td></tr></table></html>", "t.xls")


def test_a_small_file_that_unpacks_to_a_large_one_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(formats, "_SMALL", 1 << 20)
    bomb = b"a" * (4 << 20)
    assert "unpacks to more" in refusal(gzip.compress(bomb))
    assert "unpacks to more" in refusal(zipped("t.csv", content=bomb))
    sheet = f'<row r="1"><c r="A1" t="inlineStr"><is><t>{bomb.decode()}</t></is></c></row>'
    assert "unpacks to more" in refusal(xlsx({"A": sheet}))


def test_a_sheet_with_a_cell_far_off_is_refused_before_it_is_read() -> None:
    far = '<row r="1"><c r="A1"><v>1</v></c></row><row r="1048576"><c r="XFD1048576"><v>1</v></c></row>'
    assert "1,048,576 rows and 16,384 columns" in refusal(xlsx({"A": far}))
