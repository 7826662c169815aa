"""What a file is by its first bytes, whatever it is called: a table in some form, or not. Pure."""

from __future__ import annotations

import gzip
import html
import io
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

from harness.core.errors import DataError

Kind = Literal["text", "workbook", "parquet"]

MAX_UNPACKED = 1 << 30  # bytes
MAX_RATIO = 300  # of unpacked to packed; tables compress to a hundredth at most
MAX_CELLS = 100_000_000
_CELL = re.compile(rb"\sr=[\"']([A-Z]{1,3})([0-9]{1,7})[\"']")
_SMALL = 64 << 20  # bytes up to which the ratio does not matter
_CHUNK = 1 << 20

_CSV = "save it as CSV UTF-8 or .xlsx, then the same command with that file"
_REFUSED = (
    (b"%PDF", "a PDF document"),
    (b"{\\rtf", "an RTF document"),
    (b"\x1f\x8b", "packed by gzip, twice"),
    (b"BZh", "packed by bzip2"),
    (b"\xfd7zXZ\x00", "packed by xz"),
    (b"\x28\xb5\x2f\xfd", "packed by zstd"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (b"Rar!", "a RAR archive"),
    (b"SQLite format 3\x00", "an SQLite database"),
    (b"ARROW1", "an Arrow (Feather) file"),
    (b"FEA1", "a Feather file"),
    (b"ORC", "an ORC file"),
    (b"Obj\x01", "an Avro file"),
    (b"\x89HDF", "an HDF5 file"),
    (b"\x93NUMPY", "a NumPy array"),
    (b"\x80\x04\x95", "a Python pickle"),
    (b"\x80\x05\x95", "a Python pickle"),
    (b"$FL2", "an SPSS file"),
    (b"<stata_dta>", "a Stata file"),
    (b"!BDN", "an Outlook mailbox"),
    (b"\x89PNG", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF8", "a GIF image"),
    (b"PGDMP", "a PostgreSQL dump"),
    (b"__label__", "a fastText file"),
    (b"@relation", "a Weka file (ARFF)"),
    (b"@RELATION", "a Weka file (ARFF)"),
    (b"version https://git-lfs", "a Git LFS pointer"),
)
_IN_ZIP = (
    ("word/", "a Word document"),
    ("ppt/", "a PowerPoint document"),
    ("Index/", "an Apple Numbers document"),
    ("META-INF/", "an OpenDocument or Java archive"),
)


def unpack(content: bytes, name: str) -> tuple[bytes, str]:
    """A gzip file's content and its name without `.gz`, or the one file in a zip archive; else as it is.

    Raises:
        DataError: it is damaged, packed twice, or unpacks to more than a table would.
    """
    if content.startswith(b"PK\x03\x04"):
        return _unzip(content, name)
    if not content.startswith(b"\x1f\x8b"):
        return content, name
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(content)) as packed:
            whole = _whole(packed.read, len(content), name)
    except (EOFError, OSError, zlib.error) as error:
        raise DataError(f"{name} is a damaged gzip file: {error}.", run="get the file again") from error
    return whole, re.sub(r"\.gz(ip)?$", "", name, flags=re.IGNORECASE)


def _unzip(content: bytes, name: str) -> tuple[bytes, str]:
    """The one file of an archive and its name, where it holds one; a workbook or document holds several."""
    with _archive(content, name) as archive:
        files = [
            one for one in archive.namelist() if not one.endswith("/") and not one.startswith("__MACOSX/")
        ]
        if len(files) != 1 or files[0].startswith(tuple(start for start, _ in _IN_ZIP)):
            return content, name
        with archive.open(files[0]) as packed:
            return _whole(packed.read, len(content), name), files[0].rpartition("/")[2]


@contextmanager
def _archive(content: bytes, name: str) -> Iterator[zipfile.ZipFile]:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            yield archive
    except (zipfile.BadZipFile, OSError, zlib.error, RuntimeError, NotImplementedError, ValueError) as error:
        words = f"{name} is a damaged zip archive or workbook: {error}."
        raise DataError(words, run="get the file again") from error


def _whole(read: Callable[[int], bytes], size: int, name: str) -> bytes:
    """All that a packed file of this size holds, if a table would hold so much."""
    parts: list[bytes] = []
    unpacked = 0
    while part := read(_CHUNK):
        parts.append(part)
        unpacked += len(part)
        _bounded(unpacked, size, name)
    return b"".join(parts)


def kind_of(content: bytes, name: str) -> Kind:
    """What the content is, by its first bytes.

    Raises:
        DataError: it is no table that can be read; the message says what it is.
    """
    for magic, what in _REFUSED:
        if content.startswith(magic):
            raise _refused(name, what)
    if content.startswith(b"PAR1"):
        return "parquet"
    if content.startswith(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"):
        if b"E\0n\0c\0r\0y\0p\0t\0e\0d\0P\0a\0c\0k\0a\0g\0e" in content:
            raise DataError(f"{name} is an Excel workbook with a password.", run="save it without one")
        return "workbook"
    if content.startswith(b"PK\x03\x04"):
        return _zipped(content, name)
    _refuse_markup(content, name)
    return "text"


def _bounded(size: int, packed: int, name: str) -> None:
    if size > MAX_UNPACKED or size > max(_SMALL, MAX_RATIO * packed):
        raise DataError(
            f"{name} unpacks to more than a table of its size would.",
            got=f"over {size >> 20} MiB from {packed:,} bytes",
            allowed=f"{MAX_UNPACKED >> 20} MiB, and {MAX_RATIO} times the packed size",
        )


def _zipped(content: bytes, name: str) -> Kind:
    with _archive(content, name) as archive:
        members = archive.namelist()
        declared = archive.read("mimetype")[:80].decode("ascii", "replace") if "mimetype" in members else ""
        if any(member.startswith("xl/workbook.") for member in members) or "spreadsheet" in declared:
            _check_members(archive, len(content), name)
            return "workbook"
    for start, what in _IN_ZIP:
        if any(member.startswith(start) for member in members):
            raise _refused(name, what)
    listed = ", ".join(ascii(member)[1:-1] for member in members[:5])
    raise DataError(
        f"{name} is a zip archive, not a table.",
        got=f"in it: {listed}{', ...' if len(members) > 5 else ''}" if members else "nothing in it",
        allowed="an archive with one file in it, the table",
        run=f"unzip {name}   # then the same command with the file in it",
    )


def _check_members(archive: zipfile.ZipFile, packed: int, name: str) -> None:
    """Unpack once and count: what a zip file declares about itself proves nothing.

    A sheet lies in memory from its first cell to its last, however few are between: its extent counts.
    """
    size = 0
    for member in archive.infolist():
        row = column = 0
        tail = b""
        with archive.open(member) as stream:
            while part := stream.read(_CHUNK):
                size += len(part)
                _bounded(size, packed, name)
                if member.filename.startswith("xl/worksheets/"):
                    for letters, digits in _CELL.findall(tail + part):
                        row, column = max(row, int(digits)), max(column, int(letters, 36))
                    tail = part[-40:]
        columns = _column_number(column)
        if row * columns > MAX_CELLS:
            raise DataError(
                f"A sheet of {name} spans more cells than a table would.",
                got=f"{row:,} rows and {columns:,} columns; a stray cell far off counts as well",
                allowed=f"{MAX_CELLS:,} cells",
            )


def _column_number(in_base_36: int) -> int:
    """The number of a spreadsheet column whose letters were read as digits of base 36: A is 1, AA is 27."""
    number, factor = 0, 1
    while in_base_36:
        in_base_36, digit = divmod(in_base_36, 36)
        number, factor = number + (digit - 9) * factor, factor * 26
    return number


def _refuse_markup(content: bytes, name: str) -> None:
    head = content[:200_000].lstrip(b"\xef\xbb\xbf \t\r\n").decode("utf-8", "replace")
    lower = head[:2000].casefold()
    if lower.startswith(("<!doctype html", "<html", "<head", "<body", "<table", "<meta")) or (
        lower.startswith(("<?xml", "<!--")) and "<html" in lower
    ):
        title = re.search(r"<title[^>]*>(.{1,80}?)</title>", head, flags=re.IGNORECASE | re.DOTALL)
        named = f", titled {' '.join(html.unescape(title.group(1)).split())!r}" if title else ""
        if "<tr" in head.casefold():
            raise DataError(
                f"{name} is an HTML page{named} with a table in it, not CSV or Excel.",
                run="open it in a spreadsheet, save it as .xlsx, then the same command with that file",
            )
        raise DataError(
            f"{name} is an HTML page{named}, not CSV: a page was saved in place of the file.",
            run="get the file again, signed in where the site asks for it",
        )
    if lower.startswith("<?xml"):
        office = "urn:schemas-microsoft-com:office:spreadsheet" in lower
        raise _refused(name, "an Excel 2003 XML workbook" if office else "an XML document")
    if lower.startswith(("from ", "mime-version:", "return-path:", "received:")) and "\nsubject:" in lower:
        raise _refused(name, "a mail or mailbox file")


def _refused(name: str, what: str) -> DataError:
    packed = what.startswith("packed by")
    if "LFS" in what:
        return DataError(f"{name} is {what}, not the file itself.", run="git lfs pull")
    run = "unpack it, then the same command with the file in it" if packed or "archive" in what else _CSV
    return DataError(f"{name} is {what}, not a table.", run=run)
