"""Small workbooks written by hand: .xlsx and .ods, without a package that writes them."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence
from html import escape

_SCHEMAS = "http://schemas.openxmlformats.org"
_MAIN = f'xmlns="{_SCHEMAS}/spreadsheetml/2006/main"'
_RELATIONS = f'<Relationships xmlns="{_SCHEMAS}/package/2006/relationships">'
_OFFICE = f"{_SCHEMAS}/officeDocument/2006/relationships"
_OPEN = "urn:oasis:names:tc:opendocument:xmlns"


def xlsx(sheets: Mapping[str, Sequence[Sequence[object]] | str], merged: Sequence[str] = ()) -> bytes:
    """A workbook of sheets, each as rows or as the XML of its rows, with the same cells merged in each."""
    joined = "".join(f'<mergeCell ref="{area}"/>' for area in merged)
    joined = f"<mergeCells>{joined}</mergeCells>" if merged else ""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(
            "_rels/.rels",
            f'{_RELATIONS}<Relationship Id="r" Type="{_OFFICE}/officeDocument" Target="xl/workbook.xml"/>'
            "</Relationships>",
        )
        links = "".join(
            f'<Relationship Id="r{n}" Type="{_OFFICE}/worksheet" Target="worksheets/s{n}.xml"/>'
            for n in range(len(sheets))
        )
        archive.writestr("xl/_rels/workbook.xml.rels", f"{_RELATIONS}{links}</Relationships>")
        named = "".join(
            f'<sheet name="{escape(name)}" sheetId="{n + 1}" r:id="r{n}"/>' for n, name in enumerate(sheets)
        )
        archive.writestr(
            "xl/workbook.xml", f'<workbook {_MAIN} xmlns:r="{_OFFICE}"><sheets>{named}</sheets></workbook>'
        )
        for number, rows in enumerate(sheets.values()):
            body = rows if isinstance(rows, str) else "".join(_row(at, row) for at, row in enumerate(rows, 1))
            archive.writestr(
                f"xl/worksheets/s{number}.xml",
                f"<worksheet {_MAIN}><sheetData>{body}</sheetData>{joined}</worksheet>",
            )
    return out.getvalue()


def _row(number: int, cells: Sequence[object]) -> str:
    written = ""
    for column, value in enumerate(cells):
        place = f"{chr(ord('A') + column)}{number}"
        if isinstance(value, str):
            written += f'<c r="{place}" t="inlineStr"><is><t>{escape(value)}</t></is></c>'
        elif value is not None:
            written += f'<c r="{place}"><v>{value}</v></c>'
    return f'<row r="{number}">{written}</row>'


def ods(rows: Sequence[Sequence[str]] | str) -> bytes:
    """A workbook of one sheet, as rows of text or as the XML of its rows."""
    if not isinstance(rows, str):
        rows = "".join(f"<table:table-row>{''.join(map(_cell, cells))}</table:table-row>" for cells in rows)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        archive.writestr("META-INF/manifest.xml", "<manifest/>")
        spaces = " ".join(f'xmlns:{name}="{_OPEN}:{name}:1.0"' for name in ("office", "table", "text"))
        archive.writestr(
            "content.xml",
            f"<office:document-content {spaces}><office:body><office:spreadsheet>"
            f'<table:table table:name="A">{rows}</table:table>'
            "</office:spreadsheet></office:body></office:document-content>",
        )
    return out.getvalue()


def _cell(value: str) -> str:
    return f'<table:table-cell office:value-type="string"><text:p>{escape(value)}</text:p></table:table-cell>'
