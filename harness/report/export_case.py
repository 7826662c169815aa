"""The advice on a use case as files: text, JSON, PDF and HTML, each saying that nothing was measured."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from advisor.advice import Advice, plain
from advisor.text import advice_text
from harness.core.errors import UsageError, command
from harness.report.dress import PLAIN, Dress
from harness.report.executive_case import case_paper
from harness.report.export import write_whole
from harness.report.paper import Paper

CASE_FORMATS = ("text", "json", "pdf", "html")


@dataclass(frozen=True, slots=True, kw_only=True)
class Advised:
    """What the files are made of.

    Attributes:
        name: what the files are called.
        day: the day whose prices were taken.
        command: what to run to measure it.
    """

    advice: Advice
    name: str
    day: datetime
    command: str
    dress: Dress = PLAIN


def write_case_report(advised: Advised, formats: Iterable[str], out_dir: Path) -> list[Path]:
    """Write the prediction in each format.

    Raises:
        UsageError: for an unknown format; nothing is written then.
        MissingExtra: for PDF without typst.
        StoreError: if `out_dir` cannot be written.
    """
    wanted = list(dict.fromkeys(name.strip().lower() for name in formats))
    unknown = [name for name in wanted if name not in CASE_FORMATS]
    if unknown or not wanted:
        raise UsageError(
            "There is no such format for a use case.",
            got=", ".join(unknown) or None,
            allowed=", ".join(CASE_FORMATS),
            run=command("report", f"{advised.name}.yaml", "--format", "pdf"),
        )
    made = [(f"{advised.name}-prediction.{_ending(name)}", _content(advised, name)) for name in wanted]
    return [write_whole(out_dir, name, content) for name, content in made]


def _ending(name: str) -> str:
    return "txt" if name == "text" else name


def _content(advised: Advised, name: str) -> bytes:
    match name:
        case "pdf":
            from harness.report.pdf.render import render_pdf

            return render_pdf(_paper(advised), advised.dress)
        case "html":
            from harness.report.html.page import render_html

            options = [option.option.value for option in advised.advice.options if option.place is not None]
            return _utf8(render_html(_paper(advised), (), (), options, advised.dress))
        case "json":
            return (json.dumps(plain(advised.advice), indent=1) + "\n").encode()
        case _:
            return _utf8(advice_text(advised.advice, verbose=True))


def _paper(advised: Advised) -> Paper:
    return case_paper(advised.advice, advised.day, advised.command, advised.dress)


def _utf8(text: str) -> bytes:
    return text.encode("utf-8", errors="backslashreplace")
