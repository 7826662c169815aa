"""The sections of the terminal's report as HTML, folded. Pure; every text is escaped."""

from __future__ import annotations

from typing import assert_never

from harness.report.html.blocks import table_html
from harness.report.svg import escape
from harness.report.view import Block, Bullets, Command, Fact, Section, Sentence, Table, Verbatim


def view_html(section: Section) -> str:
    """A section, folded."""
    blocks = "".join(map(_block, section.blocks))
    key = escape(section.key)
    return f'<details id="view-{key}"><summary>{escape(section.title)}</summary>{blocks}</details>'


def _block(block: Block) -> str:
    match block:
        case Table():
            return table_html(block)
        case Fact(label=label, text=text):
            return f"<p><strong>{escape(label)}:</strong> {escape(text)}</p>"
        case Sentence(text=text):
            return f"<p>{escape(text)}</p>"
        case Bullets(label=label, items=items):
            lead = f"<p><strong>{escape(label)}:</strong></p>" if label else ""
            return f"{lead}<ul>{''.join(f'<li>{escape(item)}</li>' for item in items)}</ul>"
        case Command(command=command, purpose=purpose):
            return f"<p>{escape(purpose)}</p><pre>{escape(command)}</pre>"
        case Verbatim(label=label, lines=lines):
            return f"<p><strong>{escape(label)}:</strong></p><pre>{'&#10;'.join(map(escape, lines))}</pre>"
        case _:
            assert_never(block)
