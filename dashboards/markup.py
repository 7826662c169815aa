"""The little HTML of pages that no report has: labels and progress. Pure; escaped here.

Together with `harness.report.html` the only place where HTML is made. Classes are those of `style.css`.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from importlib import resources

from harness.core.wording import one_line


def style() -> str:
    """The style of pages: the report's own inside what it wrote, and that of the pages around it."""
    report = resources.files("harness.report").joinpath("layout", "page.css").read_text(encoding="utf-8")
    pages = resources.files("dashboards").joinpath("style.css").read_text(encoding="utf-8")
    return f"<style>.tor, .tor-chart {{ {report} }}\n{pages}</style>"


def boxed(html: str) -> str:
    """HTML of the report, under its style."""
    return f'<div class="tor">{html}</div>'


def _said(text: str) -> str:
    """Text for one line: harmless, then escaped, quotes too."""
    return escape(one_line(text))


def tag(text: str, kind: str) -> str:
    """A small label."""
    return f'<span class="tor-tag tor-{_said(kind)}">{_said(text)}</span>'


def runline(run_id: str, tags: Sequence[tuple[str, str]], aside: str) -> str:
    """A run in one line: its name, tags as (text, kind), and what else there is to say."""
    found = "".join(tag(text, kind) for text, kind in tags)
    return f'<div class="tor-runline"><b>{_said(run_id)}</b> <span>{_said(aside)}</span>{found}</div>'


def lead(text: str) -> str:
    """A sentence before what it is about."""
    return f'<p class="tor-lead">{_said(text)}</p>'


def answer(text: str, label: str, tone: str) -> str:
    """The answer in one line, which stays in sight, with a label of what it is."""
    return f'<div class="tor-answer tor-{_said(tone)}">{_said(text)}{tag(label, "priced")}</div>'


def bars(shown: Sequence[tuple[str, int, int | None, int]]) -> str:
    """How far things are: (name, done, of how many, failed of those)."""
    rows = []
    for name, done, total, failed in shown:
        share = min(100.0, 100 * done / total) if total else 0.0
        of = f"{done:,} of {total:,}" if total is not None else f"{done:,}, rows not read yet"
        words = f"{of}{f', {failed:,} failed' if failed else ''}"
        rows.append(
            f'<div class="tor-bar"><div><span>{_said(name)}</span><span>{words}</span></div>'
            f'<div class="tor-track"><div style="width:{share:.1f}%"></div></div></div>'
        )
    return f"<div>{''.join(rows)}</div>"
