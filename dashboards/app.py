"""The pages: who is where in the navigation, and the run that all of them show.

`harness view` starts this with `streamlit run`; it is no module to import.
"""

from __future__ import annotations

import os
from pathlib import Path

import streamlit as st

from dashboards import markup, state

HERE = Path(__file__).parent
os.chdir(os.environ.get("TOR_VIEW_FOLDER") or ".")  # started elsewhere; what is started from here runs there

st.set_page_config(
    page_title="Tune or Retrieve",
    page_icon=str(HERE / "static" / "mark.svg"),
    layout="wide",
    menu_items={"Get help": None, "Report a bug": None, "About": "Tune or Retrieve"},
)
st.html(markup.style())


def _page(name: str, title: str, icon: str, *, default: bool = False) -> st.Page:
    path = HERE / "app_pages" / f"{name}.py"
    return st.Page(
        path, title=title, icon=f":material/{icon}:", url_path="" if default else name, default=default
    )


shown = st.navigation(
    {
        "Before": [_page("advise", "Retrieve or tune?", "balance")],
        "This run": [
            _page("verdict", "What won?", "trophy", default=True),
            _page("quality", "Quality", "target"),
            _page("latency", "Latency", "speed"),
            _page("cost", "Cost", "payments"),
            _page("route", "Route", "alt_route"),
            _page("export", "Export", "download"),
        ],
        "All runs": [_page("runs", "Runs", "history")],
    }
)
with st.sidebar:
    state.show_picker()
shown.run()
