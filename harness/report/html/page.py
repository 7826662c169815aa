"""A paper, and every detail behind it, as one HTML file that needs no network. Pure but for its own files.

All text is escaped; a policy in the page's head lets nothing run or load but the style and script that
stand in it, which are named by their digests. Without scripts the page says the same.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Sequence
from importlib import resources

from harness.report.dress import PLAIN, Dress
from harness.report.html.blocks import parts_html, spans, summary_html, words
from harness.report.html.details import view_html
from harness.report.paper import Paper, Part, day_words
from harness.report.svg import escape
from harness.report.view import Section

_STATES = {"measured": "", "prediction": "PREDICTION", "incomplete": "INCOMPLETE RUN"}
_IMAGE = {"png": "image/png", "jpg": "image/jpeg", "svg": "image/svg+xml"}


def render_html(
    paper: Paper,
    details: Sequence[Part],
    sections: Sequence[Section],
    arms: Iterable[str],
    dress: Dress = PLAIN,
) -> str:
    """The whole page; the same records always give the same text.

    Args:
        details: parts for engineers, behind those of the paper.
        sections: the terminal's report, with all its tables.
        arms: names by which charts and rows can be switched.
    """
    style, script = _own("page.css"), _own("page.js")
    body = [
        _top(paper, dress),
        "<main>",
        f'<p class="kicker"><b>{escape(paper.question)}</b> {words(paper.subject)}</p>',
        f"<h1>{escape(paper.headline)}</h1>",
        f'<p class="lead">{spans(paper.standfirst)}</p>',
        *(f'<p class="notice">{escape(notice)}</p>' for notice in paper.notices),
        summary_html(paper),
        _controls(arms),
        parts_html(paper, paper.parts),
        parts_html(paper, [part for part in details if part.blocks]),
        _sections(sections),
        f"<footer>{escape(paper.running)}</footer></main>",
    ]
    title = escape(f"{paper.title}: {paper.subject}")
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_policy(style, script)}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="referrer" content="no-referrer"><meta name="robots" content="noindex">\n'
        f'<meta name="description" content="{escape(paper.headline)}">\n'
        f"<title>{title}</title>\n<style>{style}</style></head>\n<body>\n"
        + "\n".join(part for part in body if part)
        + f"\n<script>{script}</script>\n</body></html>\n"
    )


def _policy(style: str, script: str) -> str:
    return (
        f"default-src 'none'; style-src 'sha256-{_digest(style)}'; script-src 'sha256-{_digest(script)}'; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )


def _digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _own(name: str) -> str:
    return resources.files("harness.report.html").joinpath(name).read_text(encoding="utf-8")


def _top(paper: Paper, dress: Dress) -> str:
    name = f"<strong>{words(paper.company or 'Tune or Retrieve')}</strong>"
    if dress.logo:
        data = base64.b64encode(dress.logo).decode()
        alt = escape(paper.company or "Logo")
        name = f'<img src="data:{_IMAGE[dress.logo_kind]};base64,{data}" alt="{alt}">'
    word = _STATES[paper.state]
    state = f'<b class="state {paper.state}">{word}</b>' if word else ""
    day = escape(day_words(paper.day.date()))
    switch = '<button type="button" data-theme-switch hidden>light / dark</button>'
    return f'<header class="top">{name}<span>{state}{day} {switch}</span></header>'


def _controls(arms: Iterable[str]) -> str:
    boxes = "".join(
        f'<label><input type="checkbox" checked value="{escape(arm)}"> {escape(arm)}</label>' for arm in arms
    )
    return (
        f'<div class="controls" role="group" aria-label="Show in charts and tables">{boxes}</div>'
        if boxes
        else ""
    )


def _sections(sections: Sequence[Section]) -> str:
    if not sections:
        return ""
    return '<h2 id="details">Every figure, as in the terminal</h2>' + "".join(map(view_html, sections))
