"""Tickets that would be markup, SQL or a page of their own change nothing but what they are."""

from __future__ import annotations

import csv
import random
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from dashboards import blocks, markup
from harness.bakeoff.run_folder import find_run
from harness.report.document import (
    Bullets,
    Cell,
    Column,
    Command,
    Fact,
    Facts,
    Paragraph,
    RecommendationBlock,
    Row,
    Section,
    Sources,
    Span,
    Table,
    Verbatim,
)
from harness.report.topics.items import shortened
from tests.dashboards.conftest import Open, words
from tests.support.pages import make_run

DIRECTIONS = re.compile("[\u202a-\u202e\u2066-\u2069\x1b]")
PAGES = ("verdict", "quality", "latency", "cost", "route", "runs", "export", "advise")
HOSTILE = (
    "<script>document.title='stolen'</script>",
    "<img src=x onerror=alert(1)>",
    "</div></div><h1>Pwned</h1><style>body{display:none}</style>",
    "# Heading\n\n[link](javascript:alert(1)) **bold** :red[red] $x^2$ ![i](http://example.org/x.png)",
    "'; DROP TABLE outcomes; --",
    "\u202egnirts desrever\u202c \u2066isolate\u2069 שלום עולם",
    "\x1b]0;title\x07\x1b[31mred\x1b[0m \x00 nul",
    "{{7*7}} ${jndi:ldap://x} <%= 1 %>",
    "=HYPERLINK(1)",
    "x" * 100_000,
)


class Tags(HTMLParser):
    """Collects the tags and attributes a browser would see."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.seen: set[str] = set()
        self.attributes: set[str] = set()
        self.depth = 0
        self.links: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.links |= {value or "" for name, value in attrs if name == "href"}
        self.depth += tag not in VOID

    def handle_endtag(self, tag: str) -> None:
        self.depth -= 1


OURS = {
    *("div", "span", "table", "thead", "tbody", "tr", "th", "td", "small", "caption", "ul", "ol", "li", "dl"),
    *("dt", "dd", "p", "b", "code", "pre", "section", "h1", "h2", "h3", "strong", "sup", "a", "bdi"),
    *("br", "wbr", "details", "summary", "figcaption"),
}
VOID = {"br", "wbr"}
ATTRIBUTES = {"class", "style", "scope", "data-head", "data-arm", "aria-label", "id", "href"}


def harmless(html: str) -> bool:
    """Only tags and attributes of ours, each closed."""
    parser = Tags()
    parser.feed(html)
    parser.close()
    return (
        parser.seen <= OURS
        and parser.attributes <= ATTRIBUTES
        and parser.depth == 0
        and all(link.startswith("#ref-") for link in parser.links)
    )


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_no_text_becomes_markup(text: str) -> None:
    cell = Cell(text=text, detail=text)
    said = (Span(text=text, mark=text, strong=True, sources=(text,)),)
    fact = Fact(label=text, text=said)
    table = Table(columns=(Column(head=(text, text), sources=(text,)),), rows=(Row(cells=(cell,), key=text),),
                  notes=(text,), caption=text)  # fmt: skip
    shown = (
        table, Facts(rows=(fact,), label=text), Paragraph(text=said), Paragraph(text=text, tone="warn"),
        Bullets(label=text, items=(said, text)), Command(command=text, purpose=text),
        Verbatim(label=text, text=text), Sources(),
        RecommendationBlock(headline=text, reasons=(said,), facts=(fact,)),
    )  # fmt: skip
    section = Section(key=text, title=text, lead=said, blocks=shown)
    writer = blocks.writer_of(section)
    made = [
        *(markup.boxed(writer.block(one)) for one in shown), writer.heading(section),
        writer.sections([section]), markup.tag(text, text), markup.lead(text),
        markup.bars([(text, 1, 2, 1)]), markup.answer(text, text, text),
        markup.runline(text, [(text, text)], text),
    ]  # fmt: skip
    for html in made:
        assert harmless(html), html[:300]
        assert not re.search("[\u202a-\u202e\u2066-\u2069\x1b]", html), (
            "direction marks and escapes are dropped"
        )


def test_the_look_itself_sees_what_is_foreign() -> None:
    assert not harmless("<div><script>1</script></div>") and not harmless("<div></div></div>")
    assert not harmless("<div onclick='x'></div>") and harmless("<div class='a'>&lt;script&gt;</div>")


@pytest.fixture(scope="module")
def hostile_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose tickets, queues and customers are all hostile."""
    folder = tmp_path_factory.mktemp("hostile")
    queues = ["<b>bold</b>", "a | b `c` *d*", "'; DROP TABLE x; --"]
    rng = random.Random(3)
    with (folder / "tickets.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["subject", "body", "queue", "customer"])
        for number in range(90):
            text = HOSTILE[number % (len(HOSTILE) - 1)].replace("\x00", "")
            own = " ".join(f"{rng.randrange(10**6):06d}" for _ in range(12))
            queue = queues[number % 3]
            table.writerow([f"{queue} {own}", f"{text} {own}", queue, f"<i>{number // 2}</i>"])
    arms = [{"option": "floor"}, {"option": "retrieve", "model": "m"}, {"option": "tune", "model": "m"}]
    make_run(folder, arms=arms)
    return folder / "runs"


@pytest.mark.parametrize(
    "page", ["verdict", "quality", "latency", "cost", "route", "runs", "export", "advise"]
)
def test_every_page_takes_hostile_tickets(open_page: Open, hostile_run: Path, page: str) -> None:
    app = open_page(hostile_run, page)
    for html in app.get("html"):
        assert str(html.value).startswith("<style>") or harmless(str(html.value))
    assert "unsafe" not in repr([element.proto for element in app.get("markdown") if element.allow_html])


def test_the_browser_shows_hostile_tickets_as_they_are(open_page: Open, hostile_run: Path) -> None:
    app = open_page(hostile_run, "quality")
    app.segmented_control(key="part").set_value("Answers").run()
    app.selectbox(key="kind").set_value("all").run()
    assert not app.exception
    items = find_run(hostile_run, "latest").items()["test"]
    said = words(app)
    for html in app.get("html"):
        assert str(html.value).startswith("<style>") or harmless(str(html.value))
    assert any("&lt;script&gt;" in said or "&lt;img" in said for _ in items)
    assert "DROP TABLE" in said


def test_a_text_of_a_hundred_thousand_characters_is_cut_and_said_so() -> None:
    shown = shortened("x" * 100_000)
    assert len(shown) < 4_100 and shown.endswith("... 96,000 more characters")
    assert shortened("short\ntwo") == "short\ntwo"


def test_no_page_lets_data_in_unescaped() -> None:
    """HTML is made in `markup` alone and in the report, and Markdown never sees a variable from a run."""
    pages = Path(markup.__file__).parent
    for path in pages.rglob("*.py"):
        source = path.read_text(encoding="utf-8")
        assert "unsafe_allow_html" not in source and "unsafe_allow_javascript" not in source, path
        if path.name != "markup.py":
            assert not re.search(r"""["']<(?!-)[a-z/]""", source), f"{path}: HTML outside of markup.py"
