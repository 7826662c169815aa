"""Export: the run as files, made when they are asked for."""

from __future__ import annotations

import io
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import streamlit as st

from dashboards import pieces, state
from harness.recommendation.records import RunResults
from harness.report.files import FORMATS, export_run

SAID = {
    "pdf": ("PDF", "picture_as_pdf", "The report for whoever decides: verdict, money, limits, sources."),
    "html": ("HTML", "language", "The same report as one page that needs no network."),
    "md": ("Markdown", "description", "For a pull request or a wiki; details folded."),
    "json": ("JSON", "data_object", "The records themselves, every figure with its interval and n."),
    "csv": ("CSV", "table", "Arms and every prediction, for a spreadsheet; formulas are defused."),
    "parquet": ("Parquet", "table_chart", "The same rows, typed; money as decimals."),
}
MIME = {
    ".pdf": "application/pdf",
    ".html": "text/html",
    ".md": "text/markdown",
    ".json": "application/json",
    ".csv": "text/csv",
    ".parquet": "application/vnd.apache.parquet",
    ".zip": "application/zip",
}


def made(run_id: str, name: str, *, texts: bool) -> bytes:
    """The files of a format; several come in one ZIP archive."""
    with tempfile.TemporaryDirectory() as folder:
        files = export_run(state.folder_of(run_id), [name], Path(folder), state.context(), texts=texts)
        if len(files) == 1:
            return files[0].read_bytes()
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
            for path in files:
                archive.writestr(zipfile.ZipInfo(path.name), path.read_bytes())
        return out.getvalue()


def offer(results: RunResults, name: str, *, texts: bool) -> None:
    """One format: what it is for, and the button."""
    title, icon, purpose = SAID.get(name, (name.upper(), "download", "The run in this format."))
    ending = ".zip" if name in {"csv", "parquet"} else f".{name}"
    make: Callable[[], bytes] = lambda: made(results.run_id, name, texts=texts)  # noqa: E731 - made on the click
    with st.container(border=True, height="stretch"):
        st.markdown(f"**{title}**")
        st.caption(purpose)
        st.download_button(
            f"Download {title}",
            make,
            file_name=f"{results.run_id}{ending}",
            mime=MIME.get(ending, "application/octet-stream"),
            icon=f":material/{icon}:",
            on_click="ignore",
            key=f"download-{name}",
            width="stretch",
        )


def show(results: RunResults) -> None:
    """Every format there is."""
    order = [*(name for name in SAID if name in FORMATS), *(name for name in FORMATS if name not in SAID)]
    texts = not st.checkbox(
        "Leave out the texts of my items",
        help="HTML shows up to 20 of them, CSV and Parquet all; PDF, Markdown and JSON hold none anyway.",
        key="export-without-texts",
    )
    for first in range(0, len(order), 3):
        for column, name in zip(st.columns(3), order[first : first + 3], strict=False):
            with column:
                offer(results, name, texts=texts)
    flags = ("--format", ",".join(order), *(() if texts else ("--no-texts",)))
    pieces.command(state.folder_of(results.run_id).command("report", *flags), "writes the same files")


found = pieces.run_results(
    "What do I hand on?", "The run as files; a stored run always gives the same bytes."
)
if found is not None:
    show(found[1])
