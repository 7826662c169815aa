"""`harness report` on the command line: PDF and HTML of a run, and what it says when they cannot be made."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.support.desk import Command, flags, write_tickets
from tests.support.pdf_text import page_count, text_of

ARMS = ("--arms", "floor,linear")


@pytest.fixture
def run(harness: Command, tmp_path: Path) -> Path:
    """A run of two arms that need no language model."""
    baked = harness(*flags(write_tickets(tmp_path / "tickets.csv"), *ARMS))
    assert baked.code == 0, baked.err
    (folder,) = [path for path in (tmp_path / "runs").iterdir() if path.is_dir()]
    return folder


def test_the_files_of_a_run_and_what_is_said_where_they_cannot_be_made(
    harness: Command, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In one test, as the run is the slow part."""
    pytest.importorskip("typst")
    done = harness("report", "--format", "pdf,html", "--company", "Acme GmbH", "--currency", "EUR=0.92")
    assert done.code == 0, done.err
    pdf, html = (Path(line) for line in done.out.split())
    assert (pdf.resolve().parent, pdf.name, html.name) == (run / "report", "report.pdf", "report.html")
    text = text_of(pdf.read_bytes())
    assert "Acme GmbH" in text and run.name in text and page_count(pdf.read_bytes()) >= 3
    assert "1 US dollar = 0.92 EUR" in " ".join(html.read_text(encoding="utf-8").split())

    again = pdf.read_bytes()
    assert harness("report", "-f", "pdf", "--company", "Acme GmbH", "--currency", "EUR=0.92").code == 0
    assert pdf.read_bytes() == again

    no_rate = harness("report", "-f", "pdf", "--currency", "EUR")
    assert no_rate.code == 2 and "--currency EUR=RATE" in no_rate.err
    no_logo = harness("report", "-f", "pdf", "--logo", str(tmp_path / "none.png"))
    assert no_logo.code == 2 and "logo" in no_logo.err
    (tmp_path / "logo.png").write_text("no image")
    assert harness("report", "-f", "pdf", "--logo", str(tmp_path / "logo.png")).code == 2

    with monkeypatch.context() as without:
        without.setitem(sys.modules, "typst", None)
        missing = harness("report", "-f", "pdf")
    assert missing.code == 1 and "pip install 'tune-or-retrieve[pdf]'" in missing.err

    results = run / "results.json"
    whole = results.read_text(encoding="utf-8")
    results.write_text(whole.replace('"accuracy"', '"accuracy" ', 1), encoding="utf-8")
    changed = harness("report", "-f", "pdf")
    assert changed.code == 1 and "changed after the run was closed" in changed.err
    results.write_text(whole[: len(whole) // 2], encoding="utf-8")
    damaged = harness("report", "-f", "pdf")
    assert damaged.code == 1 and "damaged" in damaged.err and "Traceback" not in damaged.err
    results.unlink()
    gone = harness("report", "-f", "pdf")
    assert gone.code in {1, 3} and run.name in gone.err and "Traceback" not in gone.err


def test_a_use_case_that_cannot_be_read_is_said(harness: Command, tmp_path: Path) -> None:
    nowhere = harness("report", "nowhere.yaml", "-f", "pdf")
    assert nowhere.code == 2 and "nowhere.yaml" in nowhere.err
    (tmp_path / "case.yaml").write_text("task: [")
    broken = harness("report", "case.yaml", "-f", "pdf")
    assert broken.code == 2 and "Traceback" not in broken.err
