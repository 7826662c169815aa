"""Runs: what was run before, how do two runs compare, and how is a new one going?"""

from __future__ import annotations

import streamlit as st

from dashboards import blocks, launch, pieces, state
from harness.bakeoff.run_lock import holder_of
from harness.recommendation.history import Past, list_history
from harness.recommendation.run import ComparedRuns, compare_two
from harness.report.run_view import stamp_of
from harness.report.topics.compare import compare_document
from harness.report.topics.runs import runs_document

MOST = 25  # runs of the list, the newest first


@st.cache_resource(max_entries=8, show_spinner=False)  # type: ignore[untyped-decorator]
def listed(stamps: tuple[str, ...]) -> list[Past]:
    """The list of runs, newest first."""
    return list(reversed(list_history(state.runs_dir())))


@st.cache_resource(max_entries=8, show_spinner="Comparing ...")  # type: ignore[untyped-decorator]
def compared(a: str, b: str, stamps: str) -> ComparedRuns:
    """Two runs, arm by arm."""
    return compare_two(state.folder_of(a), state.folder_of(b), state.context())


def _writer(name: str) -> str:
    """What changes when a process takes or leaves a run."""
    holder = holder_of(state.folder_of(name).root)
    return "" if holder is None else holder.since


def history(running: bool) -> None:
    """Every run folder, newest first; unfinished ones can go on."""
    names = state.run_names()
    stamps = (
        str(state.runs_dir()),
        *(f"{name} {stamp_of(state.folder_of(name))} {_writer(name)}" for name in names),
    )
    rows: list[Past] = listed(stamps)
    blocks.show(*runs_document(rows[:MOST]).sections, titled=False)
    if len(rows) > MOST:
        st.caption(f"{len(rows) - MOST:,} older runs are left out here; `harness runs` lists all.")
    for row in [row for row in rows if row.state in ("running", "incomplete")][:3]:
        with st.container(border=True):
            st.text(f"{row.run_id} is {row.state}")
            pieces.progress(state.open_run(row.run_id))
            if row.state == "incomplete" and not running:
                launch.resume_button(row.run_id, "list")


def compare(names: list[str]) -> None:
    """Two runs side by side."""
    if len(names) < 2:
        st.info("Two runs with results can be compared; there is one at most.")
        return
    left, right = st.columns(2)
    a = left.selectbox("A", names, index=1, key="a")
    b = right.selectbox("B", names, index=0, key="b")
    if a == b:
        st.caption("Pick two different runs.")
        return
    stamps = stamp_of(state.folder_of(a)) + stamp_of(state.folder_of(b))
    with pieces.told("These two cannot be compared.", "compare_arrows", mildly=True):
        blocks.show(*compare_document(compared(a, b, stamps)).sections)


PARTS = ("All runs", "Compare two", "Start one")
pieces.heading("Which runs are there?", "Every run folder, complete or not; two side by side; and a new one.")
running = launch.show_job()
if st.session_state.pop(launch.ARRIVED, False):
    st.session_state["runs-part"] = PARTS[2]
part = st.segmented_control(
    "Part", PARTS, default=PARTS[0], required=True, key="runs-part", label_visibility="collapsed"
)
if part == PARTS[2]:
    launch.form(running)
elif not state.run_names():
    pieces.no_runs()
elif part == PARTS[1]:
    compare([name for name in state.run_names() if state.open_run(name).results is not None])
else:
    history(running)
