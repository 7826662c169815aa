"""`advisor` as a user meets it: exit codes, JSON, no traceback, fast, resumable."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from advisor.case_file import load_case
from advisor.interview import questions
from tests.advisor.helpers import EXAMPLES

ROOT = Path(__file__).parents[2]
TICKETS = ROOT / "examples" / "ticket-routing.yaml"


def run(*arguments: str, stdin: str = "", env: dict[str, str] | None = None) -> subprocess.CompletedProcess:
    import os

    return subprocess.run(
        [sys.executable, "-m", "advisor.cli", *arguments],
        input=stdin, capture_output=True, text=True, cwd=ROOT, timeout=60, env={**os.environ, **(env or {})},
    )  # fmt: skip


def test_assess_prints_the_answer_first():
    done = run("assess", str(TICKETS))
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "Ticket routing" and lines[2].startswith("First: try")
    assert done.stdout.index("First: ") < done.stdout.index("RAG or fine-tuning?")
    assert done.stdout.isascii()


def test_a_flag_and_its_variable_give_the_same_json():
    done = run("assess", str(TICKETS), "--json", env={"TOR_PRICE_AT": "2026-11-23"})
    assert done.stdout == run("assess", str(TICKETS), "--json", "--price-at", "2026-11-23").stdout
    advice = json.loads(done.stdout)
    assert advice["pair"]["answer"] in ("tune", "measure") and advice["case"]["name"] == "Ticket routing"
    assert advice["options"][0]["option"] == "linear"


def test_a_case_comes_from_stdin_too():
    assert run("assess", "-", stdin="name: x\ntask: writing\n").returncode == 0


def test_prices_of_the_command_line_count():
    cheap = json.loads(run("assess", str(TICKETS), "--json", "--price", "openai/gpt-6-luna=0.1/0.5").stdout)
    dear = json.loads(run("assess", str(TICKETS), "--json", "--price", "openai/gpt-6-luna=100/500").stdout)

    def prompt(advice: dict) -> float:
        return float(
            next(o for o in advice["options"] if o["option"] == "prompt")["prediction"]["usd_per_1k"][
                "likely"
            ]
        )

    assert prompt(dear) == pytest.approx(1000 * prompt(cheap))


@pytest.mark.parametrize(
    ("arguments", "stdin", "code", "words"),
    [
        (("assess", "nowhere.yaml"), "", 2, "no such use case"),
        (("assess", "-"), "name: x\nhorizon_months: 0\n", 2, "must be above 0"),
        (("assess", "-"), "name: x\ncurrency: QQQ\n", 2, "unknown currency"),
        (("assess", "-"), "name: x\nqueries_per_month: -1\n", 2, "must be above 0"),
        (("assess", "-"), "name: x\napi_model: openai/gpt-99\n", 1, "No price is known"),
        (("assess", "-"), "name: x\nhardware: abacus\n", 1, "No hourly price"),
        (("assess", str(TICKETS), "--price-at", "soon"), "", 2, "YYYY-MM-DD"),
        (("assess", str(TICKETS), "--price", "nonsense"), "", 1, "A price is written"),
        (("assess", str(TICKETS), "--gpu-hour-usd", "-2"), "", 1, "at least 0"),
        (("assess", str(TICKETS), "--bogus"), "", 2, "No such option"),
        (("evidence", "--task", "nothing"), "", 2, "Nothing is published"),
        (("guess",), "", 2, "No such command"),
    ],
)
def test_errors_are_words_and_a_code(arguments, stdin, code, words):
    done = run(*arguments, stdin=stdin)
    assert done.returncode == code, done.stderr
    assert words in done.stderr and "Traceback" not in done.stderr
    assert done.stdout == ""


def test_cost_shows_ledgers_and_break_even():
    done = run("cost", str(TICKETS))
    assert done.returncode == 0 and done.stdout.isascii()
    assert "today: $100.00 per 1,000" in done.stdout and "break-even" in done.stdout
    sheet = json.loads(run("cost", str(TICKETS), "--json").stdout)
    assert {o["option"] for o in sheet["options"]} >= {"prompt", "tune", "route"}


def test_evidence_is_said_not_to_be_measured_here():
    assert "published, not measured here" in run("evidence", "--task", "banking77").stdout
    assert len(json.loads(run("evidence", "--option", "tune", "--json").stdout)) > 10
    assert "set by hand" in run("evidence", "--rubric").stdout


def test_models_is_there():
    assert run("models", "--gpu", "T4", "--licence", "permissive", "--task", "classification").returncode == 0


def test_assess_loads_nothing_heavy():
    """It comes within a second: there is one parser, so typer is loaded, and numpy, but nothing heavier."""
    code = (
        "import sys\nfrom advisor.cli import main\n"
        f"main(['assess', {str(TICKETS)!r}, '--json'])\n"
        "heavy = {'scipy', 'litellm', 'torch', 'pandas'}\n"
        "sys.stderr.write(','.join(sorted(heavy & set(sys.modules))))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=60)
    assert done.returncode == 0 and done.stderr == ""


ANSWERS = "Tickets\nclassification\ncost\nno\n300\n12\n\n8000\n"


def test_interview_writes_a_case_and_goes_on(tmp_path):
    out = tmp_path / "case.yaml"
    first = run("interview", str(out), stdin=ANSWERS)
    assert first.returncode == 0, first.stderr
    case = load_case(out)
    assert case.name == "Tickets" and case.task.value == "classification" and case.needs_facts is False
    assert case.citations_required is None  # makes no sense without facts, so it was not asked
    again = run("interview", str(out), stdin="q\n")
    assert "A short name" not in again.stderr and "go on with" in again.stderr
    assert load_case(out) == case


def test_interview_keeps_what_was_answered_when_stopped(tmp_path):
    out = tmp_path / "case.yaml"
    run("interview", str(out), stdin="Tickets\nclassification\nq\n")
    assert load_case(out).task.value == "classification"
    done = run("interview", str(out), "--json", stdin="q\n")
    assert json.loads(done.stdout)["answered"] == ["currency", "name", "task"]


def test_interview_asks_again_after_a_bad_answer(tmp_path):
    out = tmp_path / "case.yaml"
    done = run("interview", str(out), stdin="T\nspelling\n?\nwriting\nq\n")
    assert "allowed: classification" in done.stderr and load_case(out).task.value == "writing"


def test_interview_says_how_it_read_a_number(tmp_path):
    out = tmp_path / "case.yaml"
    out.write_text("name: t\ntask: writing\nproblems: [style]\nneeds_facts: false\n")
    done = run("interview", str(out), stdin="3.000\n1.200\n2'500\nq\n")
    assert "'3.000' read as 3,000" in done.stderr
    assert load_case(out).examples == 3000


def test_the_short_interview_is_short():
    assert len(questions({"name": "x"}, everything=False)) <= 12
    assert len(questions({"name": "x"}, everything=True)) > 30


def test_interview_never_overwrites_a_file_it_cannot_read(tmp_path):
    out = tmp_path / "case.yaml"
    out.write_text("- not a case\n", encoding="utf-8")
    assert run("interview", str(out), stdin="x\n").returncode == 2
    assert out.read_text(encoding="utf-8") == "- not a case\n"


def test_every_example_is_shipped_with_a_comment():
    assert all(path.read_text(encoding="utf-8").startswith("# ") for path in EXAMPLES)


def test_an_example_needs_no_file(capsys):
    from advisor.cli import app

    app(args=["assess", "--example", "ticket-routing", "--json"], standalone_mode=False)
    named = capsys.readouterr().out
    app(args=["assess", str(TICKETS), "--json"], standalone_mode=False)
    assert named == capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [((), "Name one"), ((str(TICKETS), "--example", "x"), "Name one"), (("--example", "x"), "no such")],
)
def test_one_use_case_is_named(words, said):
    from advisor.cli import app
    from advisor.errors import CaseError

    with pytest.raises(CaseError, match=said):
        app(args=["assess", *words], standalone_mode=False)
