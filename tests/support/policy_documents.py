"""The handbook of the evalset `policy-qa`: its documents as text, and how its DOCX and PDF files are made.

`python -m tests.support.policy_documents` builds those files again from `sources/`; the same sources give
the same bytes. Markdown is read by markdown-it, HTML by the standard library, so that both have the same
blocks: a heading, a paragraph, an item of a list, a row of a table.
"""

from __future__ import annotations

import io
import re
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from html.parser import HTMLParser
from importlib import resources
from pathlib import Path
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.token import Token

FOLDER = Path(__file__).resolve().parents[2] / "evalsets" / "policy-qa"
EDITIONS = ("2026-01", "2026-07")
BUILT = (".docx", ".pdf")
EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
_BLANKS = re.compile(r"\s+")


@dataclass(frozen=True)
class Run:
    """Text within a block, perhaps bold or italic."""

    text: str
    bold: bool = False
    italic: bool = False


@dataclass(frozen=True)
class Block:
    """A heading (`level` 1 or 2), a paragraph, an item of a list or a table (`rows` of cells)."""

    kind: str
    runs: tuple[Run, ...] = ()
    level: int = 0
    rows: tuple[tuple[tuple[Run, ...], ...], ...] = ()


def written(runs: Sequence[Run]) -> str:
    """The text of runs with blanks collapsed."""
    return " ".join("".join(run.text for run in runs).split())


def lines_of(blocks: Sequence[Block]) -> list[str]:
    """One line a block, and one a table row with a blank between its cells."""
    found = []
    for block in blocks:
        if block.kind == "table":
            found += [" ".join(filter(None, map(written, row))) for row in block.rows]
        else:
            found.append(written(block.runs))
    return found


def markdown_blocks(text: str) -> list[Block]:
    """The blocks of a Markdown text."""
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    found: list[Block] = []
    rows: list[list[tuple[Run, ...]]] = []
    holder, level = "paragraph", 0
    lists: list[str] = []
    for token in tokens:
        if token.type in ("bullet_list_open", "ordered_list_open"):
            lists.append("bullet" if token.type.startswith("bullet") else "number")
        elif token.type in ("bullet_list_close", "ordered_list_close"):
            lists.pop()
        elif token.type == "heading_open":
            holder, level = "heading", int(token.tag[1])
        elif token.type == "paragraph_open":
            holder, level = lists[-1] if lists else "paragraph", 0
        elif token.type == "table_open":
            holder, rows = "cell", []
        elif token.type == "tr_open":
            rows.append([])
        elif token.type == "table_close":
            found.append(Block("table", rows=tuple(map(tuple, rows))))
        elif token.type == "inline" and holder == "cell":
            rows[-1].append(_runs(token))
        elif token.type == "inline":
            found.append(Block(holder, _runs(token), level))
    return found


def _runs(token: Token) -> tuple[Run, ...]:
    bold = italic = False
    found = []
    for child in token.children or []:
        match child.type:
            case "strong_open" | "strong_close":
                bold = child.type == "strong_open"
            case "em_open" | "em_close":
                italic = child.type == "em_open"
            case "softbreak" | "hardbreak":
                found.append(Run(" ", bold, italic))
            case "text" | "code_inline":
                found.append(Run(child.content, bold, italic))
    return tuple(run for run in found if run.text)


class _Page(HTMLParser):
    """Lines of a page's main part."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []
        self._parts: list[str] = []
        self._main = False

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        if tag == "main":
            self._main = True
        if tag in ("p", "li", "tr", "h1", "h2"):
            self._parts = []

    def handle_endtag(self, tag: str) -> None:
        if tag == "main":
            self._main = False
        if tag in ("td", "th"):
            self._parts.append(" ")
        if tag in ("p", "li", "tr", "h1", "h2") and self._main:
            self.lines.append(" ".join("".join(self._parts).split()))

    def handle_data(self, data: str) -> None:
        self._parts.append(data)


def html_lines(text: str) -> list[str]:
    """One line for each heading, paragraph, item and table row of the main part."""
    page = _Page()
    page.feed(text)
    return page.lines


@cache
def documents(edition: str) -> tuple[str, ...]:
    """The documents of an edition by their path in its folder."""
    root = FOLDER / f"edition-{edition}"
    return tuple(sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()))


def source_of(edition: str, document: str) -> Path:
    """The text from which a document can be read: itself, or its source if it is DOCX or PDF."""
    if document.endswith(BUILT):
        return FOLDER / "sources" / f"edition-{edition}" / f"{document}.txt"
    return FOLDER / f"edition-{edition}" / document


@cache
def lines(edition: str, document: str) -> tuple[str, ...]:
    """The lines of a document, markup out."""
    text = source_of(edition, document).read_text(encoding="utf-8")
    return tuple(html_lines(text) if document.endswith(".html") else lines_of(markdown_blocks(text)))


@cache
def headings(edition: str, document: str) -> frozenset[str]:
    """The headings of a document as they stand among its lines."""
    text = source_of(edition, document).read_text(encoding="utf-8")
    if document.endswith(".html"):
        return frozenset(
            " ".join(one.split()) for one in re.findall(r"<h[12]>(.*?)</h[12]>", text, re.DOTALL)
        )
    return frozenset(written(b.runs) for b in markdown_blocks(text) if b.kind == "heading")


def text_of(edition: str, document: str) -> str:
    """The text of a document: markup out, one line a block or table row."""
    return "\n".join(lines(edition, document))


def docx(blocks: Sequence[Block]) -> bytes:
    """The blocks as a Word file, with its styles and without a clock."""
    import docx as word

    paper = word.Document()
    paper.core_properties.title = written(blocks[0].runs)
    paper.core_properties.author = "Sorvane"
    paper.core_properties.created = paper.core_properties.modified = EPOCH.replace(tzinfo=None)
    styles = {"paragraph": "Normal", "bullet": "List Bullet", "number": "List Number"}
    for block in blocks:
        if block.kind == "table":
            table = paper.add_table(len(block.rows), len(block.rows[0]), style="Table Grid")
            for row, cells in zip(table.rows, block.rows, strict=True):
                for cell, runs in zip(row.cells, cells, strict=True):
                    _add(cell.paragraphs[0], runs)
        elif block.kind == "heading":
            _add(paper.add_heading(level=block.level), block.runs)
        else:
            _add(paper.add_paragraph(style=styles[block.kind]), block.runs)
    out = io.BytesIO()
    paper.save(out)
    return _without_times(out.getvalue())


def _add(paragraph: Any, runs: Sequence[Run]) -> None:
    for run in runs:
        added = paragraph.add_run(run.text)
        added.bold, added.italic = run.bold or None, run.italic or None


def _without_times(packed: bytes) -> bytes:
    """The same zip with every entry at the earliest time that a zip can hold."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(packed)) as given, zipfile.ZipFile(out, "w") as made:
        for name in sorted(given.namelist(), key=lambda one: (one != "[Content_Types].xml", one)):
            entry = zipfile.ZipInfo(name)
            entry.compress_type = zipfile.ZIP_DEFLATED
            made.writestr(entry, given.read(name))
    return out.getvalue()


def pdf(blocks: Sequence[Block], language: str) -> bytes:
    """The blocks as an A4 PDF, by typst."""
    import typst

    compile_: Any = typst.compile
    with (
        resources.as_file(resources.files("harness.report").joinpath("fonts")) as fonts,
        tempfile.TemporaryDirectory() as empty,
    ):
        made = compile_(
            "\n".join(_typst(blocks, language)).encode(),
            root=empty,
            font_paths=[fonts],
            ignore_system_fonts=True,
            timestamp=int(EPOCH.timestamp()),
        )
    return bytes(made)


def _typst(blocks: Sequence[Block], language: str) -> Iterator[str]:
    yield f'#set document(title: {_quoted(written(blocks[0].runs))}, author: "Sorvane")'
    yield f'#set text(font: "Inter", size: 10pt, lang: "{language}", hyphenate: false)'
    yield '#set page(margin: 22mm, numbering: "1 / 1")'
    for block in blocks:
        if block.kind == "table":
            cells = [f"[{_marked(runs)}]" for row in block.rows for runs in row]
            columns = f"({', '.join(['auto'] * len(block.rows[0]))})"
            yield f"\n#table(columns: {columns}, stroke: 0.4pt, {', '.join(cells)})\n"
        elif block.kind == "heading":
            yield f"\n#heading(level: {block.level})[{_marked(block.runs)}]\n"
        else:
            mark = {"paragraph": "", "bullet": "- ", "number": "+ "}[block.kind]
            yield f"{mark}{_marked(block.runs)}" + ("\n" if not mark else "")


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _marked(runs: Sequence[Run]) -> str:
    """Typst markup in which every text is a string, so that nothing in it is read as markup."""
    parts = []
    for run in runs:
        text = f"#text({_quoted(_BLANKS.sub(' ', run.text))})"
        text = f"#emph[{text}]" if run.italic else text
        parts.append(f"#strong[{text}]" if run.bold else text)
    return "".join(parts)


def built(edition: str, document: str) -> bytes:
    """The bytes of a DOCX or PDF document, made from its source."""
    text = source_of(edition, document).read_text(encoding="utf-8")
    if document.endswith(".docx"):
        return docx(markdown_blocks(text))
    return pdf(markdown_blocks(text), "de" if "Zuständig:" in text else "en")


def sources(edition: str) -> list[str]:
    """The documents of an edition that are built."""
    root = FOLDER / "sources" / f"edition-{edition}"
    return sorted(path.relative_to(root).as_posix()[: -len(".txt")] for path in root.rglob("*.txt"))


def main() -> None:
    """Build every DOCX and PDF document."""
    for edition in EDITIONS:
        for document in sources(edition):
            path = FOLDER / f"edition-{edition}" / document
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(built(edition, document))


if __name__ == "__main__":
    main()
