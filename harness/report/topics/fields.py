"""Fields one by one: what was found, missed, taken for something else or invented, with examples."""

from __future__ import annotations

from collections.abc import Sequence

from harness.bakeoff.results import ArmResult
from harness.core.wording import MISSING, counted, decimal, percent
from harness.report.context import ReportContext
from harness.report.document import Block, Row, Section, Table, outside, section
from harness.report.topics.cells import columns, row
from harness.report.topics.quality import shown_first
from harness.tasks.field_breakdown import FieldBreakdown, FieldResult

_ERRORS = {"wrong": "another value", "missing": "not given", "invented": "not stated"}


def fields_section(c: ReportContext) -> Section:
    """Quality by field of the arm to use."""
    arm = next((arm for arm in shown_first(c) if fields_of(arm).fields), None)
    title = "Fields" if arm is None else f"Fields, {c.name(arm.arm)}"
    return section("fields", title, *(() if arm is None else field_blocks(fields_of(arm))))


def fields_of(arm: ArmResult) -> FieldBreakdown:
    """An arm's breakdown by field; an empty one where it has none."""
    found = arm.quality.breakdown
    return found if isinstance(found, FieldBreakdown) else FieldBreakdown()


def field_blocks(found: FieldBreakdown) -> tuple[Block, ...]:
    """The table of all fields, then examples of what went wrong."""
    errors = [(one, error) for one in found.fields for error in one.examples]
    table = Table(
        columns=columns(
            "field", "stated", "given", "right", "wrong", "missing", "invented", "precision", "recall", "F1"
        ),
        rows=tuple(_row(one) for one in found.fields),
        notes=(
            "wrong: another value stands where one is stated; missing: nothing does; invented: a value where "
            "none is stated",
            *_counts(found),
        ),
    )
    if not errors:
        return (table,)
    rows = tuple(
        row(
            outside(one.name), _ERRORS[error.kind], outside(error.stated), outside(error.given), error.item_id
        )
        for one, error in errors
    )
    examples = Table(
        caption="Examples of each error",
        columns=columns("field", "error", "stated", "given", "item", left=range(5)),
        rows=rows,
    )
    return (table, examples)


def _row(one: FieldResult) -> Row:
    count = one.count
    return row(
        outside(one.name),
        *(f"{number:,}" for number in (count.stated, count.given)),
        *(f"{number:,}" for number in (one.right, one.wrong, one.missing, one.invented)),
        MISSING if not count.given else percent(one.right / count.given),
        MISSING if not count.stated else percent(one.right / count.stated),
        decimal(count.f1 if count.given + count.stated else None),
    )


def _counts(found: FieldBreakdown) -> Sequence[str]:
    right, exact = sum(one.right for one in found.fields), sum(one.exact for one in found.fields)
    notes = []
    if right:
        notes.append(
            f"of {right:,} right values {exact:,} are written exactly as in the reference; the others differ "
            "in case, blanks, or in how a date or a number is written"
        )
    if found.invalid:
        notes.append(f"{counted(found.invalid, 'answer holds', 'answers hold')} no JSON object")
    if found.cut:
        notes.append(f"{counted(found.cut, 'answer was', 'answers were')} cut at the most tokens it may have")
    return notes
