"""What the pages are put together from: heading, fields, and the states in which a run has no answer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import streamlit as st

from advisor.numbers import NumberFault, NumberKind, figure, read_number
from dashboards import blocks, markup, state
from harness.bakeoff.run_lock import holder_of
from harness.core.errors import UserError
from harness.core.records import ArmId
from harness.core.wording import one_line
from harness.recommendation.records import RunResults
from harness.report.context import ReportContext, reader_currency
from harness.report.document import Command
from harness.report.run_view import RunPage, progress_of

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
