"""Documents of a folder, a file or a glob as text and passages, read and cut by kreuzberg on this machine.

A document is known by its path in the folder. What cannot be read is named with its reason and left out: one
bad file stops nothing. Bytes are read once; digest, text and passages are of those bytes. Markdown and plain
text are taken as they stand: the reader drops the text of list items that hold a list.
"""

from __future__ import annotations

import codecs
import glob
import hashlib
import io
import os
import re
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import pairwise
from pathlib import Path
from typing import Any

from harness.core.errors import DataError, UsageError, command, needs
from harness.core.records import Passage

_OFFICE = "application/vnd.openxmlformats-officedocument."
KINDS: Mapping[str, str] = {
    ".pdf": "application/pdf",
    ".docx": f"{_OFFICE}wordprocessingml.document",
    ".pptx": f"{_OFFICE}presentationml.presentation",
    ".xlsx": f"{_OFFICE}spreadsheetml.sheet",
    ".xls": "application/vnd.ms-excel",
    ".ods": "application/vnd.oasis.opendocument.spreadsheet",
    ".odt": "application/vnd.oasis.opendocument.text",
    ".html": "text/html",
    ".htm": "text/html",
    ".md": "text/markdown",
    ".markdown": "text/markdown",
    ".txt": "text/plain",
    ".text": "text/plain",
    ".csv": "text/csv",
    ".tsv": "text/tab-separated-values",
    ".eml": "message/rfc822",
    ".msg": "application/vnd.ms-outlook",
}
"""What is read, by the end of a file's name."""

READ = "structure-1"
"""Names how documents become text and passages; another name, and all of them are read anew."""

MOST_UNPACKED = 256 * 2**20
"""Bytes to which an office document may unpack."""
MOST_SECONDS = 120
"""Seconds that reading one document may take."""

_TRIES = 3
_PIECE = 2**20
_TAKEN_AS_IT_STANDS = {"text/markdown", "text/plain"}
_TEXTS = {*_TAKEN_AS_IT_STANDS, "text/html", "text/csv", "text/tab-separated-values"}
_HEAD = re.compile(r"<head\b.*?</head\s*>", re.IGNORECASE | re.DOTALL)
_CHARSET = re.compile(rb"<meta[^>]+charset\s*=\s*[\"']?([\w-]+)", re.IGNORECASE)
_PART = 40_000  # characters
_FIRST_LINES = 5  # of a page, by which its beginning is found: the reader drops headers that repeat
_TABLE_RULE = re.compile(r"^\|(?: ?:?-+:? ?\|)+$", re.MULTILINE)
_FULL_LINE = 0.85
_COMPOUND = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"


class SkipReason(StrEnum):
    """Why a file is left out."""

    OTHER_KIND = "other-kind"
    BROKEN = "broken"
    ENCRYPTED = "encrypted"
    ENCODING = "encoding"
    NO_TEXT = "no-text"
    TOO_LARGE = "too-large"
    UNPACKS_TOO_LARGE = "unpacks-too-large"
    TOO_SLOW = "too-slow"
    CHANGING = "changing"
    OUTSIDE = "outside"
    UNREADABLE = "unreadable"
    NAME = "name"


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped:
    """A file that is left out.

    Attributes:
        document: its path in the folder.
        detail: what the system or the reader said of it, or how large it is in bytes.
    """

    document: str
    reason: SkipReason
    detail: str = ""


class UnreadableDocument(Exception):
    """A file that is left out, with its reason."""

    def __init__(self, reason: SkipReason, detail: object = "") -> None:
        self.reason = reason
        self.detail = str(detail)
        super().__init__(f"{reason.value}: {detail}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where documents come from: those under a folder whose path in it fits a pattern."""

    root: Path
    pattern: str = "**/*"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadDocument:
    """A document as it was read.

    Attributes:
        text: Markdown; a table has one line a row, a heading its level.
    """

    text: str
    passages: tuple[Passage, ...]


def source_of(given: str) -> Source:
    """The documents that a user names: a folder, a file, or a glob such as 'docs/**/*.pdf'.

    Raises:
        UsageError: there is no such folder or file.
    """
    path = Path(given).expanduser()
    if path.is_dir():
        return Source(root=path.resolve())
    if path.is_file():
        return Source(root=path.parent.resolve(), pattern=glob.escape(path.name))
    fixed = [part for part in path.parts if not glob.has_magic(part)]
    plain = Path(*path.parts[: next((n for n, p in enumerate(path.parts) if glob.has_magic(p)), 0)])
    if len(fixed) < len(path.parts) and plain.is_dir():
        return Source(root=plain.resolve(), pattern="/".join(path.parts[len(plain.parts) :]))
    raise UsageError(
        "There are no documents under this name.",
        got=given,
        allowed="a folder, a file, or a pattern in quotes such as 'handbook/**/*.pdf'",
        run=command("knowledge", "build", "FOLDER"),
    )


def files_of(source: Source) -> tuple[list[str], list[Skipped]]:
    """The documents of a source by their paths in it, sorted, and what is left out without being opened.

    Hidden files and the locks of office programs are passed over without a word; folders behind links are
    not entered, and a link that leads out of the folder is left out.

    Raises:
        DataError: the folder is not there.
    """
    if not source.root.is_dir():
        raise DataError("The folder of the documents is not there.", got=source.root)
    found: list[str] = []
    skipped: list[Skipped] = []
    for path in source.root.glob(source.pattern):
        name = path.relative_to(source.root).as_posix()
        if any(part.startswith((".", "~$")) for part in name.split("/")):
            continue
        reason = _reason_unopened(path, name, source.root)
        if reason is None:
            found.append(name)
        elif reason:
            shown = name.encode("utf-8", "backslashreplace").decode()
            skipped.append(Skipped(document=shown, reason=SkipReason(reason)))
    return sorted(found), sorted(skipped, key=lambda one: one.document)


def _reason_unopened(path: Path, name: str, root: Path) -> SkipReason | str | None:
    """None for a file to read, '' for what is no file."""
    if path.is_symlink() and not path.resolve().is_relative_to(root):
        return SkipReason.OUTSIDE
    if not path.is_file():
        return "" if path.is_dir() else SkipReason.UNREADABLE
    if path.suffix.lower() not in KINDS:
        return SkipReason.OTHER_KIND
    try:
        name.encode()
    except UnicodeEncodeError:
        return SkipReason.NAME
    return None


def bytes_of(path: Path, most: int) -> bytes:
    """A file's bytes as they stood at one moment.

    Args:
        most: bytes it may have.

    Raises:
        UnreadableDocument: it is too large, cannot be read, or changed while it was read, three times over.
    """
    try:
        for _ in range(_TRIES):
            before = path.stat()
            if before.st_size > most:
                raise UnreadableDocument(SkipReason.TOO_LARGE, before.st_size)
            with path.open("rb") as file:
                data = file.read(most + 1)
            after = path.stat()
            if _state(before) == _state(after) and len(data) == after.st_size:
                return data
    except OSError as error:
        raise UnreadableDocument(SkipReason.UNREADABLE, error.strerror or error) from error
    raise UnreadableDocument(SkipReason.CHANGING)


def _state(stat: os.stat_result) -> tuple[int, int, int]:
    return stat.st_ino, stat.st_size, stat.st_mtime_ns


def read_document(name: str, data: bytes, max_chars: int) -> ReadDocument:
    """A document's text and passages.

    Args:
        name: its path in the folder; its end says what kind it is.
        max_chars: characters of a passage at most, headings apart.

    Raises:
        UnreadableDocument: it is broken, encrypted, has no text, unpacks to too much or takes too long.
        MissingExtra: kreuzberg is not installed.
    """
    kind = KINDS[Path(name).suffix.lower()]
    if not data:
        raise UnreadableDocument(SkipReason.NO_TEXT)
    if data.startswith(_COMPOUND) and "EncryptedPackage".encode("utf-16-le") in data:
        raise UnreadableDocument(SkipReason.ENCRYPTED)  # how Office keeps a file with a password
    text, pages = _text_and_pages(data, kind)
    if not text.strip():
        raise UnreadableDocument(SkipReason.NO_TEXT)
    whole, spans = _cut(text, max_chars)
    places = _Places(_headings(whole), pages)
    return ReadDocument(text=whole, passages=tuple(_passages(name, whole, spans, places)))


def _cut(text: str, max_chars: int) -> tuple[str, list[tuple[int, int]]]:
    """A Markdown text as it was cut, blanks at the ends of its lines gone, and the spans of its passages.

    The time of cutting grows with the square of a paragraph or table, so a long text is cut in parts.
    """
    done: list[str] = []
    spans: list[tuple[int, int]] = []
    length = begun = 0
    while begun < len(text):
        end = begun + _PART
        if end < len(text):
            breaks = (text.rfind(mark, begun + _PART // 2, end) for mark in ("\n\n", "\n", " "))
            end = next((at for at in breaks if at > 0), end)
        part = text[begun:end]
        # Plain text comes back with fewer blanks and otherwise as it is; it is cut as the Markdown it is.
        cut = _extracted(part.encode(), "text/plain", "plain", max_chars)
        between = part[: len(part) - len(part.lstrip())] if done else ""
        pieces = [(c.metadata["byte_start"], c.metadata["byte_end"]) for c in cut.chunks]
        length += len(between)
        spans += [(length + start, length + stop) for start, stop in _characters(cut.content, pieces)]
        done += [between, cut.content]
        length += len(cut.content)
        begun = end
    return "".join(done), spans


def _text_and_pages(data: bytes, kind: str) -> tuple[str, list[tuple[int, int]]]:
    """Markdown, and of a PDF where pages begin: (character, page), in order."""
    if kind in _TEXTS:
        text = _decoded(data, kind)
        if kind in _TAKEN_AS_IT_STANDS:
            return text.replace("\r\n", "\n").replace("\0", ""), []
        # The reader would put what the head says in front of the page, as though it were a heading.
        data = (_HEAD.sub("", text, count=1) if kind == "text/html" else text).encode()
    elif zipfile.is_zipfile(io.BytesIO(data)):
        _check_unpacked(data)
    if kind != "application/pdf":
        return _extracted(data, kind, "markdown", None).content.strip(), []
    result = _extracted(data, kind, "markdown", None)
    content: str = result.content.strip()
    pages = list(_page_begins(content, result.pages or []))
    return rows_kept(content, _extracted(data, kind, "plain", None).content), pages


def _page_begins(text: str, pages: Sequence[Mapping[str, Any]]) -> Iterator[tuple[int, int]]:
    """(character, page) for each page of which one of the first lines is found in the text, in order."""
    done = 0
    for page in pages:
        for line in page["content"].strip().splitlines()[:_FIRST_LINES]:
            words = r"[\s*_]+".join(map(re.escape, line.split()))
            if words and (found := re.compile(rf"(?:#+ )?{words}").search(text, done)):
                yield found.start(), page["page_number"]
                done = found.end()
                break


def _decoded(data: bytes, kind: str) -> str:
    """The text of a file that is text: by its mark, a page by what it states, else UTF-8; never a guess."""
    if data.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        encoding = "utf-32"
    elif data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encoding = "utf-16"
    else:
        stated = _CHARSET.search(data[:4096]) if kind == "text/html" else None
        encoding = stated[1].decode() if stated else "utf-8"
    try:
        return data.decode("utf-8-sig" if encoding.lower() in ("utf-8", "utf8") else encoding)
    except (UnicodeError, LookupError) as error:
        raise UnreadableDocument(SkipReason.ENCODING, error) from error


def _check_unpacked(data: bytes) -> None:
    """Refuse an archive that says it unpacks to too much, or that unpacks to something else than it says."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = archive.infolist()
            total = sum(entry.file_size for entry in entries)
            if total > MOST_UNPACKED:
                raise UnreadableDocument(SkipReason.UNPACKS_TOO_LARGE, total)
            if any(entry.flag_bits & 1 for entry in entries):
                raise UnreadableDocument(SkipReason.ENCRYPTED)
            if (wrong := archive.testzip()) is not None:
                raise UnreadableDocument(SkipReason.BROKEN, wrong)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, ValueError, OSError, EOFError) as error:
        raise UnreadableDocument(SkipReason.BROKEN, error) from error


def _extracted(data: bytes, kind: str, form: str, max_chars: int | None) -> Any:
    with needs("documents"):
        import kreuzberg
    cutting = None
    if max_chars is not None:
        cutting = kreuzberg.ChunkingConfig(max_chars=max_chars, max_overlap=0, chunker_type="markdown")
    config = kreuzberg.ExtractionConfig(
        output_format=form,
        use_cache=False,
        enable_quality_processing=False,
        chunking=cutting,
        extraction_timeout_secs=MOST_SECONDS,
    )
    try:
        return kreuzberg.extract_bytes_sync(data, kind, config=config)
    except kreuzberg.ExtractionTimeoutError as error:
        raise UnreadableDocument(SkipReason.TOO_SLOW, f"{MOST_SECONDS} s") from error
    except (kreuzberg.KreuzbergError, RuntimeError, ValueError, OSError) as error:
        said = str(error).splitlines()[0] if str(error) else type(error).__name__
        sealed = re.search("password|encrypted", said, re.IGNORECASE)
        raise UnreadableDocument(SkipReason.ENCRYPTED if sealed else SkipReason.BROKEN, said[:200]) from error


def _headings(text: str) -> list[tuple[int, int, str]]:
    """The headings of a Markdown text: (character at which its line begins, level, words), in order."""
    with needs("documents"):
        from markdown_it import MarkdownIt
    begins = [0, *(match.end() for match in re.finditer("\n", text))]
    tokens = MarkdownIt("commonmark").disable("inline").parse(text)  # blocks are enough
    return [
        (begins[opened.map[0]], int(opened.tag[1]), " ".join(inside.content.split()))
        for opened, inside in pairwise(tokens)
        if opened.type == "heading_open" and opened.map and opened.level == 0
    ]


class _Places:
    """Under which headings, and on which page, a character of a document stands; asked in order."""

    def __init__(self, headings: list[tuple[int, int, str]], pages: list[tuple[int, int]]) -> None:
        self._headings = headings
        self._pages = pages
        self._open: list[tuple[int, str]] = []
        self._next = self._page = 0

    def headings_above(self, at: int) -> tuple[str, ...]:
        """The headings whose text is above this character, the outermost first."""
        while self._next < len(self._headings) and self._headings[self._next][0] < at:
            _, level, words = self._headings[self._next]
            self._open = [one for one in self._open if one[0] < level] + [(level, words)]
            self._next += 1
        here = [level for start, level, _ in self._headings[self._next : self._next + 1] if start == at]
        return tuple(words for level, words in self._open if not here or level < here[0])

    def page(self, at: int) -> int | None:
        """The page, of a document that has pages."""
        while self._page + 1 < len(self._pages) and self._pages[self._page + 1][0] <= at:
            self._page += 1
        return self._pages[self._page][1] if self._pages else None


def _characters(text: str, spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Spans in bytes of the UTF-8 text as spans in characters; they come in order and do not overlap."""
    encoded = text.encode()
    found, byte, character = [], 0, 0
    for start, end in spans:
        first = character + len(encoded[byte:start].decode("utf-8", "ignore"))
        last = first + len(encoded[start:end].decode("utf-8", "ignore"))
        found.append((first, last))
        byte, character = end, last
    return found


def rows_kept(text: str, plain: str) -> str:
    """A PDF's text with a line for each row of its tables, which the reader runs together.

    A line of the page that ends although the next word had room on it was ended on purpose: there, the
    blank in the text becomes a line break. No character is added or removed, so spans stay.

    Args:
        text: as the reader gives it with headings.
        plain: the same with the lines of the pages.
    """
    lines = [line.strip() for line in plain.splitlines()]
    room = _FULL_LINE * max(map(len, lines), default=0)
    parts, done = [], 0
    for line, after in pairwise(lines):
        first = after.split(" ", 1)[0]
        if not line or not first or len(line) + 1 + len(first) > room:
            continue
        joint = " ".join(line.split()[-4:]) + " " + " ".join(after.split()[:4])
        at = text.find(joint, done)
        if at >= 0 and "\n" not in joint:
            blank = at + len(" ".join(line.split()[-4:]))
            parts += [text[done:blank], "\n"]
            done = blank + 1
    return "".join([*parts, text[done:]])


def _passages(document: str, text: str, spans: list[tuple[int, int]], places: _Places) -> Iterator[Passage]:
    head, before = "", 0
    met: dict[str, int] = {}
    for start, end in spans:
        piece = text[start:end]
        if not piece.strip():
            continue
        goes_on = piece.startswith("|") and text[before:start].strip(" ") == "\n"
        passage = Passage(
            id="",
            document=document,
            span=(start, end),
            text=piece,
            headings=places.headings_above(start),
            table_head=head if goes_on else "",
            page=places.page(start),
        )
        yield _named(passage, met)
        head, before = _last_table_head(piece) or (head if goes_on else ""), end


def _last_table_head(piece: str) -> str:
    """The head of the last table that begins in a piece, its rule with it; '' where none does."""
    rules = list(_TABLE_RULE.finditer(piece))
    above = piece[: rules[-1].start()].rstrip("\n").rpartition("\n")[2] if rules else ""
    return f"{above}\n{rules[-1].group()}" if above.startswith("|") else ""


def _named(passage: Passage, met: dict[str, int]) -> Passage:
    """The passage with its id; equal ones in a document are numbered."""
    digest = hashlib.sha256(passage.whole.encode("utf-8", "replace")).hexdigest()[:12]
    met[digest] = met.get(digest, 0) + 1
    number = f"-{met[digest]}" if met[digest] > 1 else ""
    return replace(passage, id=f"{passage.document}#{digest}{number}")
