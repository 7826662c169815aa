"""Runs: what was run before, how do two runs compare, and how is a new one going?"""

from __future__ import annotations

import streamlit as st

from dashboards import pieces, state
from harness.errors import UserError
from harness.pipelines.history import list_history
from harness.pipelines.pages import stamp_of
from harness.pipelines.reporting import compare_two
from harness.report.compare import ComparedRuns, compare_view
from harness.report.runs import runs_view


def history() -> None:
    """Every run folder, newest first."""
    rows = list(reversed(list_history(state.runs_dir())))
    for section in runs_view(rows).sections:
        pieces.section(section, title=False)


@st.cache_resource(max_entries=8, show_spinner="Comparing ...")  # type: ignore[untyped-decorator]
def compared(a: str, b: str, stamps: str) -> ComparedRuns:
    """Two runs, arm by arm."""
    return compare_two(state.folder_of(a), state.folder_of(b), state.context())


def compare(names: list[str]) -> None:
    """Two runs side by side."""
    st.subheader("Compare two runs", anchor=False)
    if len(names) < 2:
        st.caption("There is only one run with results; a second one can be compared with it.")
        return
    left, right = st.columns(2)
    a = left.selectbox("A", names, index=1, key="a")
    b = right.selectbox("B", names, index=0, key="b")
    if a == b:
        st.caption("Pick two different runs.")
        return
    stamps = stamp_of(state.folder_of(a)) + stamp_of(state.folder_of(b))
    try:
        view = compare_view(compared(a, b, stamps))
    except UserError as error:
        st.warning("These two cannot be compared.", icon=":material/compare_arrows:")
        st.text(str(error))
        return
    for section in view.sections:
        pieces.section(section)


pieces.heading(
    "Which runs are there?", "Every run folder, complete or not, and what two of them say together."
)
if not state.run_names():
    pieces.no_runs()
else:
    history()
    compare([name for name in state.run_names() if state.open_run(name).results is not None])
