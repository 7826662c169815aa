"""A served arm under load. Pure."""

from __future__ import annotations

from harness.core.wording import counted, milliseconds
from harness.load.records import LoadResult, Quantile
from harness.report.document import Document, Paragraph, Row, Section, Table
from harness.report.topics.cells import cells, columns


def load_document(found: LoadResult) -> Document:
    """What came back, how fast, and whether it kept up."""
    asked = (
        f"{found.rate:g} questions a second"
        if found.rate is not None
        else counted(found.concurrency or 0, "question at once", "questions at once")
    )
    lead = (
        f"{found.arm.label} at {found.address} was asked {asked} for {found.duration_s:g} s: "
        f"{found.answered} of {found.sent} answered, {found.per_second:.1f} a second. {_kept_up(found)}"
    )
    table = Table(
        columns=columns("ms from when a question was due", "p50", "p95", "p99"),
        rows=tuple(
            Row(cells=cells(name, *(_said(one) for one in times)))
            for name, times in (("to the first word", found.first), ("to the whole answer", found.whole))
            if times
        ),
        notes=tuple(_notes(found)),
    )
    blocks = (Paragraph(text=lead), *((table,) if found.whole else ()))
    return Document(title="Load", sections=(Section(key="load", title="Under load", blocks=blocks),))


def _kept_up(found: LoadResult) -> str:
    if found.rate is None:
        return "So many at once, this is what it answers."
    if found.kept_up:
        return f"It kept up: the last answer came {found.drain_s:.1f} s after the last question was due."
    return (
        f"It did not keep up: answers came for another {found.drain_s:.1f} s. It answers about "
        f"{found.per_second:.1f} a second; ask fewer to see its times without a queue."
    )


def _said(one: Quantile) -> str:
    value = milliseconds(one.seconds * 1000)
    if one.interval is None:
        return f"{value} (an interval needs {one.needed} answers)"
    low, high = (milliseconds(bound * 1000) for bound in (one.interval.low, one.interval.high))
    return f"{value} ({low} to {high})"


def _notes(found: LoadResult) -> list[str]:
    notes = ["Behind each figure its 95 % interval."]
    if found.failures:
        kinds = ", ".join(f"{kind} {count}" for kind, count in found.failures.items())
        notes.append(f"Failures are in no figure: {kinds}.")
    if found.whole and found.late_s > 0.1 * found.whole[0].seconds:
        notes.append(
            f"This machine sent questions up to {milliseconds(found.late_s * 1000)} ms late (p95): its own "
            "waiting is in the times."
        )
    return notes
