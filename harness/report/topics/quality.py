"""How good the answers are: differences, slices, labels, fields, confusions, confidence, mistakes. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from advisor.options import Option
from advisor.sentences import capital
from harness.bakeoff.diagnosis import ArmDiagnosis
from harness.bakeoff.results import ArmResult, Comparison, MoreItems
from harness.core.wording import MISSING, counted, decimal, one_line, percent
from harness.report import drawings
from harness.report.context import ReportContext
from harness.report.document import Block, Cell, Chart, Row, Section, Table, outside, section
from harness.report.topics.cells import (
    accuracy_cell,
    columns,
    difference_cell,
    drawn,
    p_value,
    relation_words,
    row,
    share,
)
from harness.tasks.classification import ACCURACY
from harness.tasks.field_breakdown import FieldBreakdown, FieldResult
from harness.tasks.label_breakdown import LabelResult
from harness.tasks.records import Metric

MOST_CONFUSIONS = 12
MOST_EXAMPLES = 20
MOST_OF_A_TEXT = 400


def differences_section(c: ReportContext) -> Section:
    """Every comparison of the run, with its interval and its test."""
    found = c.results.comparisons
    table = _differences(c, found) if found else None
    return section("comparisons", "Which differences are real", table)


def _differences(c: ReportContext, found: Sequence[Comparison]) -> Table:
    sizes = " or ".join(f"{n:,}" for n in sorted({one.difference.n for one in found}))
    tests = "; ".join(dict.fromkeys(one.p_method for one in found))
    source = f"Differences: run {c.results.run_id}, n={sizes} test items of both, {tests}."
    cited = (source,) if found else ()
    rows = tuple(
        row(
            Cell(text=c.title(one.a), detail=f"against {c.name(one.b)}"),
            difference_cell(one.difference),
            f"{one.only_a:,} / {one.only_b:,}",
            p_value(one.p_value),
            MISSING if one.detectable is None else f"{100 * one.detectable:.1f}",
            _more(one.more_items),
            relation_words(one.relation),
        )
        for one in found
    )
    return Table(
        columns=columns(
            ("first", "against second"),
            ("points", "(interval)"),
            ("only first /", "only second"),
            ("p", ""),
            ("would show", "points"),
            ("more items", "to decide it"),
            ("the first is", ""),
            left=(0, 6),
            sources={1: cited},
        ),
        rows=rows,
        notes=(
            *_levels(found),
            f"only first / only second: {_only_one(c.metric)}",
            "p: chance of a difference this large if there were none, by the test of that interval",
            "would show: the smallest difference that this many items show, at the disagreement seen",
            "more items to decide it: at the rates seen; below, the 80 % range",
        ),
    )


def _only_one(metric: Metric) -> str:
    """What is counted where two arms differ on an item."""
    if metric == ACCURACY:
        return "items that only one of the two answered rightly"
    return f"items on which one of the two is better by more than half in {metric.name}"


def _more(more: MoreItems) -> Cell:
    if more.likely is None:
        return Cell(text=MISSING)
    span = "" if more.low is None or more.high is None else f"{more.low:,} to {more.high:,}"
    return Cell(text=f"{more.likely:,}", detail=span)


def _levels(found: Sequence[Comparison]) -> tuple[str, ...]:
    """The level of the first comparison, the pair's, and of the others, which share one alpha."""
    levels = list(dict.fromkeys(f"{100 * one.difference.level:.4g} %" for one in found))
    if len(levels) < 2:
        return tuple(f"interval: {each}" for each in levels)
    return (
        f"interval: {levels[0]} for the first; {levels[1]} for the others, so that all of them hold at once",
    )


def shown_first(c: ReportContext) -> list[ArmResult]:
    """The arm to use and the pair: those a reader wants the details of first."""
    wanted = dict.fromkeys([c.results.recommendation.arm, *(c.results.verdict.pair or ())])
    return [arm for arm in map(c.arm, wanted) if arm is not None]


def slices_section(c: ReportContext) -> Section:
    """Accuracy by slice, of the arm to use and of the pair."""
    arms = shown_first(c)
    first = next((arm for arm in arms if arm.quality.slices), None)
    table = None
    if first is not None:
        rows = tuple(
            row(
                f"{found.column} = {found.value}",
                f"{found.primary.n:,}",
                *(_slice_cell(arm, found.column, found.value) for arm in arms),
            )
            for found in first.quality.slices
        )
        heads = [(c.title(arm.arm), "% (interval)") for arm in arms]
        table = Table(columns=columns(("slice", ""), ("n", ""), *heads), rows=rows)
    lead = (
        f"{capital(c.metric.noun)} by part of the test items. Small parts say little: look at the intervals."
    )
    return section("slices", "Slices", table, lead=lead)


def _slice_cell(arm: ArmResult, column: str, value: str) -> Cell:
    for found in arm.quality.slices:
        if (found.column, found.value) == (column, value):
            return accuracy_cell(found.primary)
    return Cell(text=MISSING)


def labels_section(c: ReportContext) -> Section:
    """Quality by label of the arm to use."""
    arm = next((arm for arm in shown_first(c) if arm.quality.by_label.labels), None)
    title = "Labels" if arm is None else f"Labels, {c.name(arm.arm)}"
    return section("labels", title, None if arm is None else labels_table(arm.quality.by_label.labels))


def labels_table(labels: Sequence[LabelResult]) -> Table:
    """Quality by label of one arm."""
    rows = tuple(
        row(
            found.label,
            f"{found.support:,}",
            f"{found.predicted:,}",
            f"{found.correct:,}",
            share(found.precision),
            share(found.recall),
            decimal(found.f1),
        )
        for found in labels
    )
    return Table(
        columns=columns("label", "items", "answered", "correct", "precision", "recall", "F1"),
        rows=rows,
        notes=(
            "precision: share of the answers with this label that are right",
            "recall: share of the items with this label that were found",
        ),
    )


def confusions_section(c: ReportContext) -> Section:
    """Which labels each arm takes for which."""
    tables = (
        Table(
            caption=f"{c.title(arm.arm)}: the most frequent of {arm.confused:,} confusions.",
            columns=columns("right label", "answered", "times", left=(0, 1)),
            rows=tuple(
                row(outside(one.label), outside(one.answered), f"{one.count:,}")
                for one in arm.confusions[:MOST_CONFUSIONS]
            ),
        )
        for arm in diagnosed(c)
        if arm.confusions
    )
    return section("confusions", "Which labels are confused", *tables)


def diagnosed(c: ReportContext) -> list[ArmDiagnosis]:
    """What lies behind the arms, without the floor's."""
    return [arm for arm in c.results.diagnosis if arm.arm.option is not Option.FLOOR]


def confidence_section(c: ReportContext) -> Section:
    """Whether an arm is as sure as it is right, and what answering less would bring."""
    found = diagnosed(c)
    scored = [arm for arm in found if any(b.n for b in arm.reliability)]
    kept = [arm for arm in found if arm.coverage]
    return section(
        "confidence",
        "Is it as sure as it is right?",
        _reliability_chart(scored) if scored else None,
        _coverage_chart(kept) if kept else None,
    )


def _reliability_chart(scored: Sequence[ArmDiagnosis]) -> Chart:
    spec = drawings.reliability(scored)
    _, *curves = spec.curves  # the diagonal first
    words = "; ".join(f"{curve.name}: {'; '.join(words for *_, words in curve.points)}." for curve in curves)
    return drawn(
        "reliability",
        spec,
        "Confidence against accuracy in ten bins.",
        "On the dotted line an arm is right as often as it is sure. Whiskers: 95 % intervals.",
        words=words,
    )


def _coverage_chart(kept: Sequence[ArmDiagnosis]) -> Chart:
    what = "Share of right answers when only the surest are given."
    return drawn(
        "coverage", drawings.coverage(kept), what, "What a route rests on: fewer answers, more of them right."
    )


def wrong_section(c: ReportContext) -> Section:
    """Wrong answers of the arm to use, the first of them."""
    use = c.results.recommendation.arm
    wrong = [answer for answer in c.answers if answer.arm == use and not answer.correct]
    if not wrong or use is None:
        return section("wrong", "Wrong answers")
    texts = any(answer.text for answer in wrong)
    rows = tuple(
        row(
            outside(answer.item_id, 40),
            *([outside(answer.text, MOST_OF_A_TEXT)] if texts else []),
            outside(answer.label),
            outside(answer.answer or answer.failure or c.nouns.invalid),
            share(answer.confidence),
        )
        for answer in wrong[:MOST_EXAMPLES]
    )
    heads = ("item", *(["text"] if texts else []), f"right {c.nouns.answer}", "answered", "how sure")
    caption = f"{c.title(use)}: the first {len(rows):,} of {len(wrong):,} wrong answers. "
    if texts:
        caption += "These texts come from your data: mind who reads this page."
    else:
        shows = c.command("explain", one_line(wrong[0].item_id))
        caption += f"Their texts were left out. Where the run is kept, the first is shown by: {shows}"
    table = Table(columns=columns(*heads, left=range(len(heads) - 1)), rows=rows, caption=caption)
    return section("wrong", "Wrong answers", table)


def slice_section(arms: Sequence[ArmResult], column: str, metric: Metric) -> Section:
    """Right answers of a few arms by the values of one column."""
    spec = drawings.slices(arms, column)
    what = f"{capital(metric.noun)} by {one_line(column)}."
    chart = drawn("slice", spec, what, "Small slices say little: look at the intervals.")
    return section("slice", f"By {one_line(column)}", chart if spec.rows else None)


def arm_labels_sections(c: ReportContext, arm: ArmResult) -> tuple[Section, ...]:
    """The labels of one arm: the worst, what is answered instead of them, then all."""
    labels, spec = arm.quality.by_label.labels, drawings.labels(arm.quality.by_label.labels, arm.arm)
    worst = drawn(
        "labels",
        spec,
        "F1 of the worst labels.",
        "F1 joins how many items of a label are found and how many that are given it are right.",
    )
    found = next((one for one in c.results.diagnosis if one.arm == arm.arm), None)
    confused = None if found is None or not found.confusions else _confusion_chart(found, labels)
    return (
        section("worst", "The worst labels", worst),
        section("confused", "What is answered instead", confused),
        section("labels", f"All {len(labels)} labels", labels_table(labels), folded=True),
    )


def _confusion_chart(found: ArmDiagnosis, known: Sequence[LabelResult]) -> Chart:
    listed = "; ".join(
        f"{one_line(pair.label)} answered {one_line(pair.answered)}: {pair.count:,}"
        for pair in found.confusions[:MOST_CONFUSIONS]
    )
    return drawn(
        "confusions",
        drawings.confusions(found, known),
        "How often a label is answered where another is right.",
        "A row is a right label; the strength of a field is its share of that label's items. "
        f"{found.confused:,} items in all were answered with another label than theirs.",
        words=f"{listed}.",
    )


def differences_chart(c: ReportContext) -> Chart:
    """The paired differences of the run beside the margin inside which none matters."""
    spec = drawings.differences(c.results.comparisons, c.results.margin, c.metric.name)
    listed = "; ".join(f"{row.label} {row.note}: {row.words}" for row in spec.rows)
    return drawn(
        "differences",
        spec,
        "Differences on the same items.",
        "An interval that leaves out 0 is a real difference. The grey band is the margin of "
        f"{100 * c.results.margin:g} points, inside which none matters.",
        words=f"{listed}.",
    )


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
