"""JSON for records: every record of `records` and `results`, there and back, without loss.

Decimals travel as strings, enums as their values; unknown or missing fields are errors.
"""

from __future__ import annotations

import functools
from collections.abc import Hashable
from typing import Any, TypeVar, cast

from pydantic import TypeAdapter, ValidationError

from harness.errors import StoreError
from harness.records import Item, Outcome
from harness.results import RunResults

Record = TypeVar("Record")


@functools.cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def encode(record: object, *, indent: int | None = None) -> str:
    """A record as JSON text; the same record always gives the same text."""
    return _adapter(cast(Hashable, type(record))).dump_json(record, indent=indent).decode()


def decode(kind: type[Record], text: str | bytes) -> Record:
    """Read a record of the given type.

    Raises:
        StoreError: if the text is not such a record.
    """
    try:
        record: Record = _adapter(cast(Hashable, kind)).validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise StoreError(
            f"A stored {getattr(kind, '__name__', 'record')} is damaged or of another version.",
            got=f"{place}: {first['msg']}",
        ) from error
    return record


def decode_outcome(text: str) -> Outcome:
    """Read a Prediction or a Failure."""
    outcome: Outcome = decode(Outcome, text)  # type: ignore[arg-type]
    return outcome


def decode_item(text: str) -> Item:
    """Read an Item."""
    return decode(Item, text)


def decode_results(text: str | bytes) -> RunResults:
    """Read `results.json`."""
    return decode(RunResults, text)
