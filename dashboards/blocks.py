"""The report's blocks on a page: its HTML as it is, its charts as drawings that answer to pointer and keys.

What a run says reaches the browser through `harness.report.html`, which escapes it; `st.html` lets no SVG in,
so that a chart is shown by a component, which lets nothing in but a drawing (`chart.js`).
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import streamlit as st

from dashboards import markup
from harness.core.wording import one_line
from harness.report.charts import NARROW, WIDE, draw
from harness.report.document import Block, Chart, Document, Section, Sources, sources_of
from harness.report.html import Writer


def writer_of(*sections: Section) -> Writer:
    """A writer of these sections, which numbers what their figures rest on."""
    return Writer(numbers=sources_of(Document(title="", sections=sections)))


def show(*sections: Section, titled: bool = True, writer: Writer | None = None) -> None:
    """Sections one after the other.

    Args:
        writer: of these and others; None for these alone, and then what their figures rest on stands folded
            under the last one.
    """
    shown = [section for section in sections if section.blocks]
    alone, writer = writer is None, writer or writer_of(*shown)
    for section in shown:
        if section.folded:
            with st.expander(one_line(section.title)):
                _blocks(writer, section, titled=False)
        else:
            _blocks(writer, section, titled=titled)
    if alone and writer.numbers:
        title = "Where these figures come from"
        rests_on = Section(key="rests-on", title=title, blocks=(Sources(),), folded=True)
        st.html(markup.boxed(writer.sections([rests_on])))


def block(*shown: Block) -> None:
    """Blocks that stand alone."""
    show(Section(key="", title="", blocks=shown), titled=False)


def _blocks(writer: Writer, section: Section, *, titled: bool) -> None:
    """A section; neighbouring blocks go out together, since each element of a page costs time."""
    waiting = writer.heading(section) if titled else ""
    for one in section.blocks:
        if not isinstance(one, Chart):
            waiting += writer.block(one)
            continue
        if waiting:
            st.html(markup.boxed(waiting))
        _drawn(one)
        waiting = writer.caption(one)
    if waiting:
        st.html(markup.boxed(waiting))


@cache
def _component() -> Any:
    script = Path(__file__).with_name("chart.js").read_text(encoding="utf-8")
    return st.components.v2.component("tor-chart", js=script, isolate_styles=False)


def _drawn(chart: Chart) -> None:
    """A chart over the whole width, described for those who cannot see it."""
    wide, narrow = (draw(chart.key, chart.spec, chart.alt, width) for width in (WIDE, NARROW))
    _component()(data={"wide": wide, "narrow": narrow}, key=f"chart-{chart.key}")
