"""Which run is shown, and what has been read of it. The only module of the pages that keeps anything.

Records are frozen, so that one copy serves every session. They are kept under the run's stamp (the digest
of its manifest), and read again only when that changes.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import streamlit as st

from harness.bakeoff.run_folder import RunFolder, list_runs
from harness.core.context import Context, Quiet
from harness.models.settings import cache_dir
from harness.report.run_view import RunPage, open_page, stamp_of

KEY = "run"


def runs_dir() -> Path:
    """The folder of the run folders, as `harness view` was told."""
    return Path(os.environ.get("TOR_RUNS_DIR") or "runs")


def context() -> Context:
    """The outside world of the pages: no progress to tell, the environment's folders."""
    return Context(
        runs=runs_dir(),
        cache=cache_dir(os.environ),
        environ=os.environ,
        clock=lambda: datetime.now(UTC),
        progress=Quiet(),
    )


def run_names() -> list[str]:
    """Every run folder, newest first."""
    return [folder.run_id for folder in reversed(list_runs(runs_dir()))]


def folder_of(name: str) -> RunFolder:
    """The folder of a run by its whole name."""
    return RunFolder(root=runs_dir() / name)


def open_run(name: str) -> RunPage:
    """A run as far as it can be read, from memory while its stamp stays."""
    folder = folder_of(name)
    page: RunPage = _read(str(folder.root), stamp_of(folder))
    return page


@st.cache_resource(max_entries=16, show_spinner=False)  # type: ignore[untyped-decorator]
def _read(root: str, stamp: str) -> RunPage:
    return open_page(RunFolder(root=Path(root)))


def chosen() -> RunPage | None:
    """The run picked in the sidebar; None while there is none."""
    name = st.session_state.get(KEY)
    return open_run(name) if isinstance(name, str) and name in run_names() else None


def show_picker() -> None:
    """The choice of the run, in the sidebar; the address of the page carries it."""
    names = run_names()
    if not names:
        return
    wanted = st.session_state.pop("wanted-run", None)
    if wanted in names:
        st.session_state[KEY] = wanted
    if st.session_state.get(KEY) not in names:
        st.session_state[KEY] = _asked_for(names)
    st.selectbox("Run", names, key=KEY, help="Named by when the plan was locked (UTC) and its digest.")
    if st.query_params.get(KEY) != st.session_state[KEY]:
        st.query_params[KEY] = st.session_state[KEY]


def _asked_for(names: list[str]) -> str:
    """The run of the address or of the command line, else the newest."""
    for wanted in (st.query_params.get(KEY), os.environ.get("TOR_VIEW_RUN")):
        found = [name for name in names if wanted and name.startswith(wanted)]
        if len(found) == 1:
            return found[0]
    return names[0]
