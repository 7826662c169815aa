"""JSON for records: records there and back, without loss.

Decimals travel as strings, enums as their values, infinities and NaN as "Infinity", "-Infinity", "NaN";
unknown or missing fields are errors. One thing is not kept: half surrogates, which are no text and which
UTF-8 cannot hold, become U+FFFD.
"""

from __future__ import annotations

import functools
from collections.abc import Hashable, Mapping
from typing import Any, TypeVar, cast

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError

from harness.core.errors import StoreError
from harness.core.records import Item, Outcome

Record = TypeVar("Record")


_EARLIER_OF_ITEMS = {"label": "target"}
_EARLIER_OF_OUTCOMES = {"label_logprobs": "choice_logprobs"}
"""What keys of stored records were called when the first journals were written."""

_CONFIG = ConfigDict(extra="forbid", ser_json_inf_nan="strings")


@functools.cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind | None, config=_CONFIG)  # of a dataclass alone pydantic takes no config


def encode(record: object, *, indent: int | None = None) -> str:
    """A record as JSON text; the same record always gives the same text."""
    adapter = _adapter(cast(Hashable, type(record)))
    try:
        return adapter.dump_json(record, indent=indent).decode()
    except PydanticSerializationError:
        whole = adapter.validate_python(_whole_text(adapter.dump_python(record)))
        return adapter.dump_json(whole, indent=indent).decode()


def _whole_text(value: Any) -> Any:
    """The same value with half surrogates replaced in every text."""
    match value:
        case str():
            return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        case dict():
            return {_whole_text(key): _whole_text(entry) for key, entry in value.items()}
        case list() | tuple():
            return [_whole_text(entry) for entry in value]
        case _:
            return value


def decode(kind: type[Record], text: str | bytes) -> Record:
    """Read a record of the given type.

    Raises:
        StoreError: if the text is not such a record.
    """
    try:
        record: Record = _adapter(cast(Hashable, kind)).validate_json(text)
    except ValidationError as error:
        faults = error.errors(include_url=False, include_input=False)
        first = next((f for f in faults if f["type"] != "none_required"), faults[0])
        place = ".".join(str(part) for part in first["loc"])
        raise StoreError(
            f"A stored {getattr(kind, '__name__', 'record')} is damaged or of another version.",
            got=f"{place}: {first['msg']}",
        ) from error
    if record is None:
        raise StoreError(f"A stored {getattr(kind, '__name__', 'record')} is damaged.", got="null")
    return record


def decode_outcome(text: str) -> Outcome:
    """Read a Completion or a Failure."""
    outcome: Outcome = decode(Outcome, _renamed(text, _EARLIER_OF_OUTCOMES))  # type: ignore[arg-type]
    return outcome


def decode_item(text: str) -> Item:
    """Read an Item."""
    return decode(Item, _renamed(text, _EARLIER_OF_ITEMS))


def _renamed(text: str, earlier: Mapping[str, str]) -> str:
    """A record with keys that were called otherwise by earlier versions; only the first place counts."""
    for old, new in earlier.items():
        if f'"{old}":' in text and f'"{new}":' not in text:
            text = text.replace(f'"{old}":', f'"{new}":', 1)
    return text
