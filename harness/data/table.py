"""Tables as users have them, from bytes: CSV, JSON in any nesting, workbooks, Parquet; gzip or zip of these.

Pure but for what the packages of workbooks and Parquet do. What a file is, its first bytes say, not its name.
Every fault of the rows is collected; a file that is no table at all is one error that says what it is.
"""

from __future__ import annotations

import re

from harness.core.errors import DataError
from harness.data.columns import Asked, DataTable
from harness.data.decoding import decode
from harness.data.delimited import read_csv
from harness.data.formats import kind_of, unpack
from harness.data.json_rows import looks_like_json, read_json
from harness.data.problems import Problems, shorten
from harness.data.settings import TableForm
from harness.data.workbook import read_parquet, read_workbook


def read_table(
    content: bytes, name: str, asked: Asked, problems: Problems, form: TableForm | None = None
) -> DataTable:
    """Read a table.

    Args:
        name: of the file; its ending only settles what the content leaves open.
        asked: the columns that are needed, by purpose; no others are checked.

    Raises:
        DataError: the file is no table, or not text in this encoding, or empty.
        UsageError: there is no such encoding.
        MissingExtra: a package that reads this kind of file is not installed.
    """
    form = form or TableForm()
    content, name = unpack(content, name)
    blank = b"\x00 \t\r\n\xef\xbb\xbf"
    if not content[:1000].strip(blank) and not content.strip(blank):
        raise DataError(f"{name} is empty.", got=f"{len(content)} bytes", allowed="a header and rows")
    kind = kind_of(content, name)
    if form.sheet and kind != "workbook":
        raise DataError(f"{name} has no sheets: it is no workbook.", got=f"--sheet {form.sheet}")
    if kind == "workbook":
        return read_workbook(content, name, asked, problems, sheet=form.sheet, no_header=form.no_header)
    if kind == "parquet":
        return read_parquet(content, name, asked, problems)
    text = decode(content, name, form.encoding, problems)
    del content
    return _read_text(text, name, asked, form, problems)


def _read_text(text: str, name: str, asked: Asked, form: TableForm, problems: Problems) -> DataTable:
    if looks_like_json(text, name):
        return read_json(text, asked, problems, records=form.records, no_header=form.no_header)
    if form.records:
        raise DataError(f"{name} is no JSON document.", got=f"--records {','.join(form.records)}")
    table = read_csv(text, asked, problems, no_header=form.no_header, no_quotes=form.no_quotes)
    if not table.usable and re.search(r"\.(jsonl?|ndjson)$", name, flags=re.IGNORECASE):
        raise DataError(f"{name} is no JSON: it begins with {shorten(text.lstrip()[:60])}.")
    return table
