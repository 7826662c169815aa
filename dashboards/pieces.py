"""What the pages are put together from: heading, fields, a run without an answer, the browser of answers."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import streamlit as st

from advisor.numbers import NumberFault, NumberKind, figure, read_number
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
from harness.bakeoff.run_lock import holder_of
from harness.core.errors import UserError
from harness.core.records import ArmId, FittedArm
from harness.core.wording import one_line
from harness.recommendation.records import RunResults
from harness.report.context import ReportContext, reader_currency
from harness.report.document import Command, Section
from harness.report.run_view import RunPage, progress_of, stamp_of
from harness.report.topics.items import browsed_blocks, retrieved_blocks
from harness.report.topics.questions import OWNERS
from harness.tasks.question_breakdown import Owner

if TYPE_CHECKING:
    from streamlit.delta_generator import DeltaGenerator


POLL_S = 2.0
_STATES = {
    "complete": ("complete", "complete"),
    "unfinished": ("not closed", "warn"),
    "no results": ("incomplete", "warn"),
    "damaged": ("cannot be shown", "vetoed"),
}


def heading(question: str, lead: str) -> None:
    """A page's question and what it shows."""
    st.title(question, anchor=False)
    st.html(markup.lead(lead))


def run_results(question: str, lead: str) -> tuple[RunPage, RunResults] | None:
    """Heading and state of the chosen run; None, and said why, where it has no results to show."""
    heading(question, lead)
    page = state.chosen()
    if page is None:
        no_runs()
        return None
    _state_line(page)
    if page.state == "damaged":
        damaged(page)
        return None
    if page.results is None:
        incomplete(page)
        return None
    if page.state == "unfinished" and not going_on(page.run_id):
        st.warning(
            "This run was stopped before it was closed. Figures may change.", icon=":material/hourglass_top:"
        )
        command(state.folder_of(page.run_id).command("resume"), "closes it")
    return page, page.results


def context(page: RunPage, results: RunResults) -> ReportContext:
    """The run as the report's topics see it."""
    return ReportContext(
        results=results,
        closing=page.manifest,
        currency=reader_currency(results),
        command=state.folder_of(page.run_id).command,
    )


def going_on(run_id: str) -> bool:
    """Whether a process writes the run now, and said who: nothing has to be done about it."""
    holder = holder_of(state.folder_of(run_id).root)
    if holder is None:
        return False
    st.info("This run is going on; its figures are not final.", icon=":material/play_circle:")
    st.text(one_line(holder.words))
    return True


@contextmanager
def told(what: str, icon: str, *, mildly: bool = False) -> Iterator[None]:
    """Says what was not done and why, where a user's error, or a file's, ends what stands under it."""
    try:
        yield
    except (UserError, OSError) as error:
        (st.warning if mildly else st.error)(what, icon=f":material/{icon}:")
        st.text(str(error))


def pick_arm(c: ReportContext, label: str, arms: Iterable[ArmId], key: str, place: Any = st) -> ArmId:
    """One of these arms, chosen by its name; at first the arm to use, where it is among them."""
    by_name = {str(arm): arm for arm in arms}
    names, use = list(by_name), str(c.results.recommendation.arm)
    index = names.index(use) if use in names else 0
    name = place.selectbox(label, names, index=index, format_func=lambda one: c.title(by_name[one]), key=key)
    return by_name[name]


def _state_line(page: RunPage) -> None:
    name = page.facts.title if page.facts else (page.plan.data.evalset if page.plan else "")
    running = page.state != "complete" and holder_of(state.folder_of(page.run_id).root) is not None
    tag = ("running", "priced") if running else _STATES[page.state]
    st.html(markup.runline(page.run_id, [tag], name))


def no_runs() -> None:
    """There is no run folder yet."""
    st.info("There is no run yet, so there is nothing to show here.", icon=":material/inbox:")
    command(
        "harness bakeoff --evalset support-tickets --minutes 8", "makes the first run in about ten minutes"
    )
    st.page_link("app_pages/runs.py", label="or start one on your own table", icon=":material/upload_file:")


def damaged(page: RunPage) -> None:
    """A folder that cannot be read."""
    st.error("This run cannot be shown.", icon=":material/broken_image:")
    st.text(page.fault)
    if page.remedy:
        command(page.remedy, "Run this, then look again")
    st.caption("Other runs are not affected; pick one in the sidebar.")


def incomplete(page: RunPage) -> None:
    """A run that has not come to its conclusion: how far it is, and no figure."""
    if going_on(page.run_id):
        _moving(page)
        return
    st.warning(
        "This run is incomplete: it has no conclusion yet, and no figure is shown for it.",
        icon=":material/hourglass_top:",
    )
    progress(page)
    goes_on = state.folder_of(page.run_id).command("resume")
    command(goes_on, "goes on where it stopped; nothing computed is lost")


@st.fragment(run_every=POLL_S)  # type: ignore[untyped-decorator]
def _moving(page: RunPage) -> None:
    """Progress of a run that another process writes, looked up again as it goes; the page follows its end."""
    if holder_of(state.folder_of(page.run_id).root) is None:
        st.rerun()
    progress(page)


def progress(page: RunPage) -> None:
    """Outcomes by arm and pass, from the journal."""
    try:
        lanes = progress_of(state.folder_of(page.run_id))
    except UserError as error:
        st.text(str(error))
        return
    rows = [(f"{lane.arm.label}, {lane.split}", lane.done, lane.total, lane.failed) for lane in lanes]
    st.html(markup.bars(rows))


def command(line: str, purpose: str) -> None:
    """Something to run."""
    blocks.block(Command(command=one_line(line), purpose=purpose))


def number(label: str, key: str, kind: NumberKind, placeholder: str) -> Decimal | None:
    """A number as people write it, and how it was read where that could differ; None for nothing."""
    typed = st.text_input(label, key=key, placeholder=placeholder)
    if not typed:
        return None
    try:
        found = read_number(typed, kind)
    except NumberFault as fault:
        st.error(one_line(str(fault)), icon=":material/error:")
        return None
    if found.echo and figure(found.value) != typed.strip():
        st.caption(f"read as {figure(found.value)}")
    return found.value


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
