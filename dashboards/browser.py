"""The answer browser: one page of items at a time, every arm's answer to each, and what was retrieved."""

from __future__ import annotations

from array import array
from pathlib import Path

import streamlit as st

from dashboards import markup, state
from harness.bakeoff.browse import (
    FAILED,
    INVALID,
    BrowsedItem,
    ItemIndex,
    primary_settled,
    read_index,
    read_marks,
    read_page,
)
from harness.bakeoff.run_folder import RunFolder
from harness.core.errors import UserError
from harness.core.records import ArmId
from harness.core.wording import decimal, lines_of, milliseconds, one_line
from harness.recommendation.records import RunResults
from harness.report.palette import colour_of
from harness.report.run_view import RunPage, stamp_of

EACH = 10
ANY = "any"
KINDS = ("wrong", "right", "invalid", "failed", "all")
MOST_CHARACTERS = 4000
"""Of one text on the page; the rest is named, and `harness explain` shows all of it."""


@st.cache_resource(max_entries=4, show_spinner="Reading the items ...")  # type: ignore[untyped-decorator]
def _index(root: str, stamp: str) -> ItemIndex:
    return read_index(RunFolder(root=Path(root)))


@st.cache_resource(max_entries=40, show_spinner="Reading the answers ...")  # type: ignore[untyped-decorator]
def _marks(root: str, stamp: str, arm: str) -> array[int]:
    folder = RunFolder(root=Path(root))
    page = state.open_run(folder.run_id)
    assert page.results is not None
    settled = {str(name): found for name, found in primary_settled(folder, page.results).items()}
    return read_marks(folder, settled[arm], _index(root, stamp))


def browse(page: RunPage, results: RunResults) -> None:
    """Choose items, then read them."""
    folder = state.folder_of(page.run_id)
    root, stamp = str(folder.root), stamp_of(folder)
    try:
        index: ItemIndex = _index(root, stamp)
        arms = list(primary_settled(folder, results))
        numbers = _chosen(root, stamp, index, arms, results)
        if not numbers:
            st.info("No item is like that.")
            return
        pages = -(-len(numbers) // EACH)
        st.html(markup.lead(f"{len(numbers):,} of n={len(index.ids):,} test items are like that."))
        at = st.pagination(pages, key="at") if pages > 1 else 1
        first = (min(at, pages) - 1) * EACH
        for number, item in enumerate(read_page(folder, results, index, numbers[first : first + EACH])):
            _show(item, index, first + number + 1, page.run_id)
    except UserError as error:
        st.error("The answers cannot be read.", icon=":material/broken_image:")
        st.text(str(error))


def _chosen(root: str, stamp: str, index: ItemIndex, arms: list[ArmId], results: RunResults) -> list[int]:
    """Numbers of the items that the choices leave."""
    names = [str(arm) for arm in arms]
    first = names.index(str(results.recommendation.ship)) if str(results.recommendation.ship) in names else 0
    one, two, three = st.columns(3)
    arm = one.selectbox("Arm", names, index=first, format_func=one_line, key="browsed")
    kind = two.selectbox("Its answer is", KINDS, key="kind")
    others = [ANY, *(name for name in names if name != arm)]
    other = three.selectbox(
        "while right is", others, format_func=one_line, key="other", help="Only items this arm got right."
    )
    four, five, six = st.columns(3)
    label = four.selectbox("Right label", [ANY, *index.labels], format_func=one_line, key="truth")
    said = five.selectbox("Answered label", [ANY, *index.labels], format_func=one_line, key="said")
    values = sorted({pair for pairs in set(index.slices) for pair in pairs})
    slices = [ANY, *(f"{column} = {value}" for column, value in values)]
    piece = six.selectbox("Slice", slices, format_func=one_line, key="piece")
    marks = _marks(root, stamp, arm)
    rival = None if other == ANY else _marks(root, stamp, other)
    want_label = None if label == ANY else index.labels.index(label)
    want_said = None if said == ANY else index.labels.index(said)
    want_slice = None if piece == ANY else values[slices.index(piece) - 1]
    return [
        number
        for number, (mark, truth) in enumerate(zip(marks, index.truth, strict=True))
        if _is(kind, mark, truth)
        and (rival is None or rival[number] == truth)
        and (want_label is None or truth == want_label)
        and (want_said is None or mark == want_said)
        and (want_slice is None or want_slice in index.slices[number])
    ]


def _is(kind: str, mark: int, truth: int) -> bool:
    match kind:
        case "wrong":
            return mark != truth
        case "right":
            return mark == truth
        case "invalid":
            return mark == INVALID
        case "failed":
            return mark == FAILED
        case _:
            return True


def _show(found: BrowsedItem, index: ItemIndex, place: int, run_id: str) -> None:
    item = found.item
    with st.container(border=True):
        slices = [f"{column} {value}" for column, value in item.slices]
        head = f"{place:,}. {item.id}"
        st.html(markup.item(head, item.label, slices, _shortened(item.text)))
        rows = []
        for one in found.answers:
            answer = one.answer
            given = answer.failure or (answer.answer if answer.answer is not None else "no label read")
            mark = "failed" if answer.failure else "right" if answer.correct else "wrong"
            took = "" if one.timing is None else f"{milliseconds(1000 * one.timing.total_s)} ms"
            raw = "" if answer.raw == answer.answer else _shortened(answer.raw or one.failure_message)
            sure = "" if answer.confidence is None else decimal(answer.confidence, 2)
            rows.append((str(answer.arm), colour_of(answer.arm), mark, given, raw, sure, took))
        st.html(markup.answers(rows))
        shown = [one for one in found.answers if one.shown]
        if shown:
            with st.expander("What was retrieved"):
                for one in shown:
                    near = [(row.rank, row.item_id, row.label, _shortened(row.text)) for row in one.shown]
                    st.html(markup.retrieved(str(one.answer.arm), near, item.label))
        st.code(state.folder_of(run_id).command("explain", one_line(item.id)), language=None)


def _shortened(text: str) -> str:
    """The text made harmless, as much of it as a page can take."""
    whole = "\n".join(lines_of(text))
    if len(whole) <= MOST_CHARACTERS:
        return whole
    return f"{whole[:MOST_CHARACTERS]}\n... {len(whole) - MOST_CHARACTERS:,} more characters"
