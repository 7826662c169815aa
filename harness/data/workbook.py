"""Excel and OpenDocument workbooks, and Parquet, as cells of text. Reads bytes; writes nothing.

Numbers without a fraction lose the `.0` that a spreadsheet keeps, dates are written as ISO 8601.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

from harness.core.errors import DataError, needs
from harness.data.columns import (
    VALUES,
    Asked,
    Cells,
    DataTable,
    Header,
    Numeral,
    check_columns,
    check_header,
    find_header,
    match_columns,
    needed,
    take_rows,
)
from harness.data.problems import Problems, shorten

MAX_ROWS = 20_000_000
_SAMPLE = 200


def read_workbook(
    content: bytes,
    name: str,
    asked: Asked,
    problems: Problems,
    *,
    sheet: str = "",
    no_header: bool = False,
) -> DataTable:
    """The columns of a sheet and its asked cells; without a name, the one sheet that holds the columns.

    Raises:
        DataError: the workbook is damaged, or the sheet is not there or not clear.
        MissingExtra: the package that reads workbooks is not installed.
    """
    book = _open(content, name)
    sheets = [sheet] if sheet else list(book.sheet_names)
    if sheet and sheet not in book.sheet_names:
        listed = ", ".join(map(shorten, book.sheet_names))
        raise DataError(f"{name} has no sheet of that name.", got=sheet, allowed=listed)
    looked: list[tuple[str, Header, list[Cells]]] = []
    for own in sheets:
        sample = list(_cells(book, own, name, _SAMPLE))
        if sample:
            looked.append((own, find_header(sample, asked, no_header=no_header), sample))
    if not looked:
        raise DataError(
            f"{name} has no sheet with cells in it.", got=", ".join(map(shorten, book.sheet_names))
        )
    whole = [each for each in looked if not each[1].match.missing] or looked
    if len(whole) > 1:
        listed = ", ".join(shorten(own) for own, _, _ in whole)
        holding = (
            "the asked columns" if len(whole) < len(looked) or not whole[0][1].match.missing else "cells"
        )
        raise DataError(
            f"{name} has several sheets with {holding}.",
            got=listed,
            run=f"the same command with --sheet {whole[0][0]!r}, or another one",
        )
    own, header, sample = whole[0]
    if not check_header(header, sample, "row", problems):
        return DataTable(columns=header.columns, usable=False)
    if len(book.sheet_names) > 1:
        message = f"The sheet {own!r} of {name} was read, of {len(book.sheet_names)}."
        problems.say("sheet", message, "note")
    return take_rows(_cells(book, own, name), header, "row", problems)


def _open(content: bytes, name: str) -> Any:
    with needs("tables"):
        from python_calamine import CalamineError, CalamineWorkbook
    with _reading(name, CalamineError):
        return CalamineWorkbook.from_filelike(io.BytesIO(content))


@contextmanager
def _reading(name: str, fault: type[Exception]) -> Iterator[None]:
    """What the reader cannot take is a damaged workbook."""
    try:
        yield
    except fault as error:
        raise _damaged(name, error) from error
    except BaseException as error:  # a panic of the reader is no Exception
        if type(error).__name__ != "PanicException":
            raise
        raise _damaged(name, error) from None


def _damaged(name: str, error: BaseException) -> DataError:
    return DataError(
        f"{name} cannot be read as a workbook: {' '.join(str(error).split())[:120]}.",
        run="save it again as .xlsx or as CSV UTF-8, then the same command with that file",
    )


def _cells(book: Any, sheet: str, name: str, most: int | None = None) -> Iterator[Cells]:
    from python_calamine import CalamineError

    with _reading(name, CalamineError):
        page = book.get_sheet_by_name(sheet)
        if page.start is None:
            return
        rows = page.to_python(skip_empty_area=True, nrows=most)
    _fill_merged(rows, page)
    for number, row in enumerate(rows, start=page.start[0] + 1):
        yield number, [_text(cell) for cell in row]


def _fill_merged(rows: list[list[object]], page: Any) -> None:
    """Write the value of cells merged over several rows into each: a workbook keeps it in the first alone."""
    top, left = page.start
    for (first, column), (last, _) in page.merged_cell_ranges or ():
        for at in range(first + 1 - top, min(last - top + 1, len(rows))):
            rows[at][column - left] = rows[first - top][column - left]


def _text(cell: object) -> str:
    match cell:
        case str():
            return cell
        case None:
            return ""
        case bool():
            return "true" if cell else "false"
        case float():
            if cell != cell:
                return ""
            return Numeral(int(cell) if cell.is_integer() and abs(cell) < 1e15 else repr(cell))
        case datetime():
            midnight = cell.time() == time() and cell.tzinfo is None
            return cell.date().isoformat() if midnight else cell.isoformat(sep=" ")
        case date() | time():
            return cell.isoformat()
        case bytes():
            return cell.decode("utf-8", "replace")
        case _:
            return str(cell)


def read_parquet(content: bytes, name: str, asked: Asked, problems: Problems) -> DataTable:
    """The columns of a Parquet file, nested ones by dots, and the asked values of its rows.

    Raises:
        DataError: the file is damaged or has more rows than a table would.
        MissingExtra: the package that reads it is not installed.
    """
    with needs("tables"):
        import pyarrow as arrow
        import pyarrow.parquet as parquet
    try:
        file = parquet.ParquetFile(io.BytesIO(content))
        if file.metadata.num_rows > MAX_ROWS:
            raise DataError(
                f"{name} has too many rows.", got=f"{file.metadata.num_rows:,}", allowed=f"{MAX_ROWS:,}"
            )
        columns = tuple(_leaves(file.schema_arrow))
        within = _places_in_lists(asked, file.schema_arrow, columns)
        columns = (*columns, *within)
        match = match_columns(asked, columns)
        if not check_columns(match, columns, problems):
            return DataTable(columns=columns, usable=False)
        names = [columns[position] for position in match.taken]
        as_values = [at for use, at in match.positions.items() if use == VALUES or not needed(use)]
        objects = {columns[position] for found in as_values for position in found}
        rows: list[tuple[int, tuple[str, ...]]] = []
        tops = [name.split(".")[0] if name in within else name for name in names]
        for batch in file.iter_batches(batch_size=8192, columns=tops):
            flat = [_column(batch, column) for column in names]
            for values in zip(*flat, strict=True):
                cells = [
                    _value(value, len(rows) + 1, problems, whole=name in objects)
                    for name, value in zip(names, values, strict=True)
                ]
                rows.append((len(rows) + 1, tuple(cells)))
    except (arrow.ArrowException, OSError, ValueError) as error:
        words = " ".join(str(error).split())[:120]
        raise DataError(f"{name} cannot be read as Parquet: {words}.", run="get the file again") from error
    return DataTable(columns=columns, positions=match.positions_taken, rows=rows)


def _leaves(schema: Any, before: str = "") -> Iterator[str]:
    import pyarrow as arrow

    for field in schema:
        if arrow.types.is_struct(field.type):
            yield from _leaves(
                [field.type.field(n) for n in range(field.type.num_fields)], f"{before}{field.name}."
            )
        else:
            yield before + field.name


def _places_in_lists(asked: Asked, schema: Any, columns: Sequence[str]) -> list[str]:
    """Asked names such as `messages.1.content` whose first part is a column of lists of objects."""
    import pyarrow as arrow

    listed = [f for f in schema if arrow.types.is_list(f.type) and arrow.types.is_struct(f.type.value_type)]
    inside = {
        f.name: {f.type.value_type.field(n).name for n in range(f.type.value_type.num_fields)} for f in listed
    }
    parts = [(name, name.split(".")) for names in asked.values() for name in names if name not in columns]
    return [
        name
        for name, found in parts
        if len(found) == 3 and found[1].isdigit() and found[2] in inside.get(found[0], ())
    ]


def _column(batch: Any, name: str) -> list[object]:
    top = next(own for own in batch.schema.names if name == own or name.startswith(f"{own}."))
    values = batch.column(batch.schema.names.index(top)).to_pylist()
    for part in name[len(top) + 1 :].split(".") if name != top else ():
        values = [_inside(value, part) for value in values]
    return list(values)


def _inside(value: Any, part: str) -> object:
    if isinstance(value, list):
        return value[int(part)] if int(part) < len(value) else None
    return None if value is None else value.get(part)


def _value(value: object, number: int, problems: Problems, *, whole: bool) -> str:
    if whole and isinstance(value, list | dict):
        return json.dumps(value, ensure_ascii=False, default=_text)
    if isinstance(value, list) and len(value) == 1 and isinstance(value[0], str):
        return value[0]
    if isinstance(value, list | dict | set | tuple):
        problems.add("value is neither text nor a number", f"row {number}")
        return "?"  # not empty as well
    if isinstance(value, float):
        return "" if value != value else Numeral(repr(value))
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        return Numeral(value)
    return _text(value)
