"""Every command that is printed can be pasted: it parses, names no placeholder, and the cheap ones run."""

from __future__ import annotations

import ast
import html
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import typer

from advisor.cli import app as advisor_app
from harness.cli.app import app as harness_app
from tests.support.desk import Command, flags, write_tickets
from tests.support.pdf_text import text_of

ROOT = Path(__file__).parents[3]
GROUPS = {"harness": typer.main.get_command(harness_app), "advisor": typer.main.get_command(advisor_app)}
PLACEHOLDER = re.compile(r"(?<![\w=/.-])(?:[A-Z][A-Z_]+(?:\.[a-z]+)?|\.\.\.)(?![\w/])")
PRINTED = re.compile(r"(?:^|[\s:`>])((?:harness|advisor) [a-z-]+(?: [^`\n<]*)?)", re.MULTILINE)
PROSE = re.compile(r"\s{2,}#|  +| (?:shows|sets|writes|closes|goes) ")
CALLED = {"Command", "command", "pieces.command", "st.code"}
NAMED = {"run", "command"}
CHEAP = {"errors", "explain", "runs", "score", "report", "compare"}


def parse(line: str) -> None:
    """Read a command line with the parser of its own program; nothing is run.

    Raises:
        click.UsageError: if it would be refused.
    """
    words = shlex.split(line, comments=True)
    node: click.Command = GROUPS[words[0]]
    rest = words[1:]
    while isinstance(node, click.Group):
        found = node.get_command(click.Context(node), rest[0])
        if found is None:
            raise click.UsageError(f"no command {rest[0]}")
        node, rest = found, rest[1:]
    node.make_context(words[1], list(rest))


def written(path: Path) -> Iterator[str]:
    """The commands in a module's messages, with x for what is filled in when they are printed."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call):
            continue
        name = ast.unparse(node.func)
        given = [word.value for word in node.keywords if word.arg in NAMED]
        if name in CALLED:
            given += node.args[:1]
        for value in given:
            text = said(value)
            if text.startswith(("harness ", "advisor ")):
                yield text
        if (
            name.endswith(".command")
            and name != "pieces.command"
            and name not in ("app.command", "node.command")
        ):
            words = [said(word) for word in node.args if not isinstance(word, ast.Starred)]
            if words and words[0] and not words[0].startswith(("harness", "x")):
                yield " ".join(("harness", *words[:1], "x", *map(shlex.quote, words[1:])))


def said(node: ast.expr) -> str:
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else ""
    if isinstance(node, ast.JoinedStr):
        return "".join(said(part) if isinstance(part, ast.Constant) else "x" for part in node.values)
    return "x"


def test_the_commands_in_every_message_parse() -> None:
    found = {
        (path.relative_to(ROOT).as_posix(), line)
        for part in ("advisor", "harness", "dashboards")
        for path in (ROOT / part).rglob("*.py")
        for line in written(path)
    }
    assert len(found) > 40
    wrong = []
    for path, line in sorted(found):
        try:
            if PLACEHOLDER.search(line.split("   #")[0]):
                raise click.UsageError("a placeholder")
            parse(line)
        except (click.UsageError, ValueError) as fault:
            wrong.append(f"{path}: {line}: {fault}")
    assert wrong == []


def test_the_commands_in_a_runs_reports_run_from_another_folder(
    harness: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("typst")
    harness(*flags(write_tickets(tmp_path / "tickets.csv"), "--arms", "floor,linear"))
    shown = harness("report", "--full").out + harness("runs").out + harness("errors", "latest", "floor").out
    assert harness("report", "--format", "md,html,pdf", "-o", "out", "--no-texts").code == 0
    whole = {path.suffix: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    pages = html.unescape(whole[".html"].decode()), whole[".md"].decode(), text_of(whole[".pdf"])
    texts = (shown, *(re.sub(r"<[^>]+>", "\n", page) for page in pages))
    lines = {one.strip() for text in texts for one in PRINTED.findall(text)}
    commands = {PROSE.split(line)[0].strip(" .") for line in lines}
    assert len(commands) >= 4
    (tmp_path / "else").mkdir()
    monkeypatch.chdir(tmp_path / "else")
    monkeypatch.setenv("TOR_RUNS_DIR", str(tmp_path / "runs"))
    for line in commands:
        assert not PLACEHOLDER.search(line), line
        parse(line)
        words = shlex.split(line, comments=True)
        if words[1] in CHEAP:
            assert harness(*words[1:]).code == 0, line
    assert {shlex.split(line)[1] for line in commands} >= {"errors", "explain", "report", "runs"}


def test_what_the_terminal_prints_runs_from_another_folder(
    harness: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    harness(*flags(write_tickets(tmp_path / "tickets.csv"), "--arms", "floor", "--runs", "kept runs"))
    (tmp_path / "else").mkdir()
    monkeypatch.chdir(tmp_path / "else")
    shown = harness("report", "--runs", "../kept runs").out
    (line,) = [line for line in shown.splitlines() if line.strip().startswith("harness errors")]
    assert harness(*shlex.split(line, comments=True)[1:]).code == 0
