"""The answer browser: one page of items at a time, every arm's answer to each, and what was retrieved."""

from __future__ import annotations

from array import array
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from advisor.options import TaskKind
from dashboards import blocks, markup, pieces, state
from harness.bakeoff.browse import (
    FAILED,
    INVALID,
    BrowsedItem,
    ItemIndex,
    primary_settled,
    read_index,
    read_marks,
    read_owners,
    read_page,
)
from harness.bakeoff.run_folder import RunFolder
from harness.core.records import ArmId, FittedArm
from harness.core.wording import one_line
from harness.recommendation.records import RunResults
from harness.report.document import Section
from harness.report.run_view import RunPage, stamp_of
from harness.report.topics.items import browsed_blocks, retrieved_blocks
from harness.report.topics.questions import OWNERS
from harness.tasks.question_breakdown import Owner

if TYPE_CHECKING:
    from streamlit.delta_generator import DeltaGenerator

EACH = 10
ANY = "any"
KINDS = ("wrong", "right", "invalid", "failed", "all")


@st.cache_resource(max_entries=4, show_spinner="Reading the items ...")  # type: ignore[untyped-decorator]
def _index(root: str, stamp: str) -> ItemIndex:
    return read_index(RunFolder(root=Path(root)))


@st.cache_resource(max_entries=40, show_spinner="Reading the answers ...")  # type: ignore[untyped-decorator]
def _marks(root: str, stamp: str, arm: str) -> array[int]:
    return read_marks(*_settled(root, arm), _index(root, stamp))


@st.cache_resource(max_entries=20, show_spinner="Reading the answers ...")  # type: ignore[untyped-decorator]
def _owners(root: str, stamp: str, arm: str) -> tuple[Owner | None, ...]:
    return read_owners(*_settled(root, arm), _index(root, stamp))


def _settled(root: str, arm: str) -> tuple[RunFolder, FittedArm]:
    """A run, and an arm as it was made ready for it."""
    folder = RunFolder(root=Path(root))
    results = state.open_run(folder.run_id).results
    assert results is not None
    return folder, {str(name): found for name, found in primary_settled(folder, results).items()}[arm]


def browse(page: RunPage, results: RunResults) -> None:
    """Choose items, then read them."""
    folder = state.folder_of(page.run_id)
    root, stamp = str(folder.root), stamp_of(folder)
    with pieces.told("The answers cannot be read.", "broken_image"):
        index: ItemIndex = _index(root, stamp)
        numbers = _chosen(root, stamp, index, list(primary_settled(folder, results)), results)
        if not numbers:
            st.info("No item is like that.")
            return
        pages = -(-len(numbers) // EACH)
        st.html(markup.lead(f"{len(numbers):,} of n={len(index.ids):,} test items are like that."))
        at = st.pagination(pages, key="at") if pages > 1 else 1
        first = (min(at, pages) - 1) * EACH
        for number, item in enumerate(read_page(folder, results, index, numbers[first : first + EACH])):
            _show(item, first + number + 1, page, results)


def _chosen(root: str, stamp: str, index: ItemIndex, arms: list[ArmId], results: RunResults) -> list[int]:
    """Numbers of the items that the choices leave."""
    names = [str(arm) for arm in arms]
    told = [str(results.recommendation.ship), str(results.recommendation.arm), *names[1:], *names]
    first = names.index(next(name for name in told if name in names))
    one, two, three = st.columns(3)
    arm = one.selectbox("Arm", names, index=first, format_func=one_line, key="browsed")
    kind = two.selectbox("Its answer is", KINDS, key="kind")
    others = [ANY, *(name for name in names if name != arm)]
    other = three.selectbox(
        "while right is", others, format_func=one_line, key="other", help="Only items this arm got right."
    )
    marks = _marks(root, stamp, arm)
    is_so = (
        _asked(root, stamp, arm, index)
        if results.task is TaskKind.QUESTION_ANSWERING
        else _labelled(index, marks)
    )
    rival = None if other == ANY else _marks(root, stamp, other)
    return [
        number
        for number, (mark, truth) in enumerate(zip(marks, index.truth, strict=True))
        if _is(kind, mark, truth) and (rival is None or rival[number] == truth) and is_so(number)
    ]


def _asked(root: str, stamp: str, arm: str, index: ItemIndex) -> Callable[[int], bool]:
    """What is asked of questions: whose their wrong answers are, and their slice."""
    one, two = st.columns(2)
    owners = [ANY, *OWNERS.values()]
    wanted = one.selectbox("Whose mistake it is", owners, key="owner")
    in_slice = _sliced(two, index)
    if wanted == ANY:
        return in_slice
    found = _owners(root, stamp, arm)
    return lambda number: in_slice(number) and OWNERS.get(found[number]) == wanted


def _labelled(index: ItemIndex, marks: array[int]) -> Callable[[int], bool]:
    """What is asked of labelled items: which label is right, which was answered, and their slice."""
    four, five, six = st.columns(3)
    label = four.selectbox("Right label", [ANY, *index.labels], format_func=one_line, key="truth")
    said = five.selectbox("Answered label", [ANY, *index.labels], format_func=one_line, key="said")
    in_slice = _sliced(six, index)
    want_label = None if label == ANY else index.labels.index(label)
    want_said = None if said == ANY else index.labels.index(said)
    return lambda number: (
        (want_label is None or index.truth[number] == want_label)
        and (want_said is None or marks[number] == want_said)
        and in_slice(number)
    )


def _sliced(place: DeltaGenerator, index: ItemIndex) -> Callable[[int], bool]:
    values = sorted({pair for pairs in set(index.slices) for pair in pairs})
    slices = [ANY, *(f"{column} = {value}" for column, value in values)]
    piece = place.selectbox("Slice", slices, format_func=one_line, key="piece")
    wanted = None if piece == ANY else values[slices.index(piece) - 1]
    return lambda number: wanted is None or wanted in index.slices[number]


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


def _show(found: BrowsedItem, place: int, page: RunPage, results: RunResults) -> None:
    name = pieces.context(page, results).title
    with st.container(border=True):
        blocks.block(*browsed_blocks(found, place, name))
        retrieved = retrieved_blocks(found, name)
        if retrieved:
            blocks.show(Section(key="retrieved", title="What was retrieved", blocks=retrieved, folded=True))
        st.code(state.folder_of(page.run_id).command("explain", one_line(found.item.id)), language=None)
