"""The little HTML of pages that no report has: labels, progress, items and their answers. Pure; escaped here.

Together with `harness.report.html` the only place where HTML is made. Classes are those of `style.css`.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from importlib import resources

from harness.core.wording import lines_of, one_line


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


def _text(text: str) -> str:
    """Text that keeps its lines: harmless, then escaped."""
    return escape("\n".join(lines_of(text)))


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


def _dot(colour: str) -> str:
    return f'<span class="tor-dot" style="background:{_said(colour)}"></span>'


def item(head: str, label: str, slices: Sequence[str], text: str) -> str:
    """An item: its name, its right label, its slices, its text as it is."""
    tags = "".join(tag(one, "plain") for one in slices)
    return (
        f'<div><div class="tor-itemhead"><b>{_said(head)}</b>'
        f"<span>right label: <b>{_said(label)}</b></span>{tags}</div>"
        f'<div class="tor-text">{_text(text)}</div></div>'
    )


def answers(rows: Sequence[tuple[str, str, str, str, str, str, str]]) -> str:
    """Every arm's answer: (arm, colour, right/wrong/failed, answer, raw text, confidence, time)."""
    found = []
    for arm, colour, mark, given, raw, sure, took in rows:
        under = f"<small>raw answer: {_said(raw)}</small>" if raw else ""
        aside = ", ".join(part for part in (f"confidence {sure}" if sure else "", took) if part)
        found.append(
            f'<li class="tor-{_said(mark)}"><span>{_dot(colour)}{_said(arm)}</span>'
            f"<span>{tag(mark, mark)}<b>{_said(given)}</b>{under}</span>"
            f"<small>{_said(aside)}</small></li>"
        )
    return f'<ul class="tor-answers">{"".join(found)}</ul>'


def retrieved(arm: str, rows: Sequence[tuple[int, str, str, str]], label: str) -> str:
    """Training items an arm was shown: (rank, id, label, text); those with the item's label are marked."""
    found = "".join(
        f'<li><div class="tor-itemhead"><b>{rank}. {_said(item_id)}</b>'
        f"{tag(theirs, 'same' if theirs == label else 'plain')}</div>"
        f'<div class="tor-text">{_text(text)}</div></li>'
        for rank, item_id, theirs, text in rows
    )
    return f'<div><b>{_said(arm)}</b><ol class="tor-near">{found}</ol></div>'
