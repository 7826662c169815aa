"""What lies behind the F1 of an extraction: field by field, with examples of each error."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np

from advisor.stats.intervals import Floats
from harness.core.records import Estimate
from harness.tasks.fields import Field, FieldCount, FieldSchema, entries_of, fields_in, same_as, whole
from harness.tasks.measures import Measuring, of_sums
from harness.tasks.scored import Scored

EXAMPLES = 3  # of each error of a field
_SHOWN = 60  # characters of a value

ErrorKind = Literal["wrong", "missing", "invented"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldError:
    """One value that went wrong.

    Attributes:
        stated, given: the values, shortened; '' where there is none.
    """

    kind: ErrorKind
    item_id: str
    stated: str
    given: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldResult:
    """Quality of one field over the test items.

    Attributes:
        right, wrong, missing, invented: values, as `harness.tasks.fields.FieldCount` has them.
        exact: of the right values those that are written exactly as in the reference.
        examples: of each error, the first by the order of the items.
    """

    name: str
    right: int
    wrong: int
    missing: int
    invented: int
    exact: int
    examples: tuple[FieldError, ...] = ()

    @property
    def count(self) -> FieldCount:
        """The values."""
        return FieldCount(right=self.right, wrong=self.wrong, missing=self.missing, invented=self.invented)


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldBreakdown:
    """Fields one by one, those that are in no schema last.

    Attributes:
        exact_f1: F1 over fields where values must be written exactly as in the reference.
        invalid: answers in which no JSON object could be read; cut: of all answers those that were ended by
            the most tokens they may have.
    """

    fields: tuple[FieldResult, ...] = ()
    exact_f1: Estimate | None = None
    invalid: int = 0
    cut: int = 0


def by_field(test: Scored, schema: FieldSchema, how: Measuring) -> FieldBreakdown:
    """The breakdown of one arm."""
    exact = [
        schema.count(fields_in(item.target), fields_in(score.answer), exact=True)
        for item, score in zip(test.items, test.scores, strict=True)
    ]
    others = sorted({name for score in test.scores for name in score.detail} - set(schema.names))
    by_name = {one.name: one for one in schema.fields}
    return FieldBreakdown(
        fields=tuple(
            _result(name, by_name.get(name), test, sum(one[name].right for one in exact if name in one))
            for name in (*schema.names, *others)
        ),
        exact_f1=_micro("exact F1 over fields", test, [whole(one) for one in exact], how),
        invalid=test.invalid,
        cut=test.cut,
    )


def micro_f1(metric: str, test: Scored, how: Measuring) -> Estimate:
    """F1 of the (field, value) pairs of all items: 2 right / (given + stated)."""
    return _micro(metric, test, [whole(score.detail) for score in test.scores], how)


def _micro(metric: str, test: Scored, counts: list[FieldCount], how: Measuring) -> Estimate:
    table = np.array([[2 * one.right, one.given + one.stated] for one in counts], dtype=np.float64)
    return of_sums(metric, test, table, _f1, how)


def _f1(sums: Floats) -> Floats:
    both = sums[:, 1]
    return np.where(both > 0, sums[:, 0] / np.where(both > 0, both, 1.0), 1.0)


def _result(name: str, one: Field | None, test: Scored, exact: int) -> FieldResult:
    total = sum((score.detail.get(name, FieldCount()) for score in test.scores), FieldCount())
    path = one.path if one else tuple(name.split("."))
    kept: dict[ErrorKind, list[FieldError]] = {kind: [] for kind in get_args(ErrorKind)}
    for item, score in zip(test.items, test.scores, strict=True):
        count = score.detail.get(name, FieldCount())
        stated, given = entries_of(fields_in(item.target), path), entries_of(fields_in(score.answer), path)
        for kind, errors in kept.items():
            if getattr(count, kind) and len(errors) < EXAMPLES:
                errors.append(_error(kind, item.id, *_apart(one, stated, given)))
    return FieldResult(
        name=name,
        right=total.right,
        wrong=total.wrong,
        missing=total.missing,
        invented=total.invented,
        exact=exact,
        examples=tuple(error for errors in kept.values() for error in errors),
    )


def _apart(one: Field | None, stated: list[Any], given: list[Any]) -> tuple[list[Any], list[Any]]:
    """The values on which reference and answer differ."""
    if one is None:
        return stated, given
    theirs, mine = ([same_as(one, value) for value in values] for values in (stated, given))
    return (
        [value for value, key in zip(stated, theirs, strict=True) if key not in mine],
        [value for value, key in zip(given, mine, strict=True) if key not in theirs] or given,
    )


def _error(kind: ErrorKind, item_id: str, stated: list[Any], given: list[Any]) -> FieldError:
    return FieldError(
        kind=kind,
        item_id=item_id,
        stated="" if kind == "invented" else _shown(stated),
        given="" if kind == "missing" else _shown(given),
    )


def _shown(values: list[Any]) -> str:
    text = ", ".join(value if isinstance(value, str) else json.dumps(value) for value in values)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."
