"""Use cases from and to YAML. Only `load_case` and `read_case_text` read a file."""

from __future__ import annotations

import contextlib
from decimal import Decimal
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from advisor.case import UseCase, asks, build_case
from advisor.errors import CaseError
from advisor.numbers import NumberFault, unambiguous
from advisor.reading import Unreadable, parse_yaml, read_text


def load_case(path: Path) -> UseCase:
    """Read a use case from a YAML file.

    Raises:
        CaseError: if the file cannot be read or is no usable use case, with every fault.
    """
    return parse_case(read_case_text(path), path.name)


def read_case_text(path: Path) -> str:
    """The text of a use case.

    Raises:
        CaseError: if the file cannot be read.
    """
    try:
        return read_text(path)
    except FileNotFoundError:
        raise CaseError(
            "There is no such use case.", got=str(path), run="advisor interview   # writes one"
        ) from None
    except Unreadable as fault:
        raise CaseError("The use case cannot be read.", got=f"{path}: {fault}") from None


def parse_case(text: str, source: str) -> UseCase:
    """Read a use case from YAML text; `source` names it in messages.

    Raises:
        CaseError: with every fault.
    """
    return build_case(_mapping(text, source), source)


def numbers_read(text: str, source: str) -> tuple[str, ...]:
    """How numbers of a use case were read that are not written plainly: `examples: '3.000' read as 3,000`.

    Raises:
        CaseError: if the text is no YAML mapping.
    """
    found = []
    for name, value in _mapping(text, source).items():
        if isinstance(value, str) and name in asks() and asks()[name].unit:
            with contextlib.suppress(NumberFault):
                echo = asks()[name].read(value).echo
                found += [f"{name}: {echo}"] if echo else []
    return tuple(found)


def _mapping(text: str, source: str) -> dict[Any, object]:
    """A YAML mapping whose numbers are still as they were written: YAML would make 3.0 of 3.000."""
    try:
        raw = parse_yaml(text, numbers=False)
    except Unreadable as fault:
        raise CaseError(f"{source} is not valid YAML.", got=fault) from None
    if not isinstance(raw, dict):
        raise CaseError(f"{source} holds no use case.", got=type(raw).__name__, allowed="a YAML mapping")
    return raw


def _written(value: Any) -> Any:
    """A value as it stands in a file: 2.175 would be read as two thousand there, '2.1750' is not."""
    text = unambiguous(Decimal(str(value))) if isinstance(value, float) else ""
    return text if text == f"{value}0" else value


def dump_case(case: UseCase) -> str:
    """The use case as YAML that reads back to an equal one; answers not known are left out."""
    import yaml

    raw = TypeAdapter(UseCase).dump_python(case, mode="json", exclude_none=True)
    kept = {field: _written(value) for field, value in raw.items() if value != ""}
    text: str = yaml.safe_dump(kept, sort_keys=False, allow_unicode=True, width=100)
    return text
