"""`advisor` as a user meets it: exit codes, JSON, no traceback, fast, resumable."""

import io
import json
import re
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace

import pytest

from advisor.case_file import load_case
from advisor.cli import main
from advisor.interview import questions, run_interview
from tests.advisor.helpers import EXAMPLES

ROOT = Path(__file__).parents[2]
TICKETS = ROOT / "examples" / "ticket-routing.yaml"


def run_process(*arguments: str, stdin: str = "") -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "advisor.cli", *arguments],
        input=stdin, capture_output=True, text=True, cwd=ROOT, timeout=60,
    )  # fmt: skip


def run(*arguments: str, stdin: str = "", env: dict[str, str] | None = None) -> SimpleNamespace:
    """The same within this process, which starts nothing; what streams and exit code are is the same."""
    streams = [io.TextIOWrapper(io.BytesIO(text.encode()), encoding="utf-8") for text in (stdin, "", "")]
    code: int | str | None = 0
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        for name, stream in zip(("stdin", "stdout", "stderr"), streams, strict=True):
            patch.setattr(sys, name, stream)
        for name, value in (env or {}).items():
            patch.setenv(name, value)
        try:
            main(list(arguments))
        except SystemExit as end:
            code = end.code
    for stream in streams:
        stream.flush()
    out, err = (stream.buffer.getvalue().decode() for stream in streams[1:])
    return SimpleNamespace(returncode=code or 0, stdout=out, stderr=err)


def test_assess_prints_the_answer_first():
    done = run_process("assess", str(TICKETS))
    assert run("assess", str(TICKETS)).stdout == done.stdout
    assert done.stdout.splitlines()[-1].endswith(
        f"harness plan {TICKETS} --data rows.csv --text text --label label"
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "Ticket routing" and lines[2].startswith("Try ")
    assert done.stdout.index("Try ") < done.stdout.index("RAG or fine-tuning?")
    assert done.stdout.isascii()


def test_a_flag_and_its_variable_give_the_same_json():
    done = run("assess", str(TICKETS), "--json", env={"TOR_PRICE_AT": "2026-11-23"})
    assert done.stdout == run("assess", str(TICKETS), "--json", "--price-at", "2026-11-23").stdout
    advice = json.loads(done.stdout)
    assert advice["pair"]["answer"] in ("tune", "measure") and advice["case"]["name"] == "Ticket routing"
    assert advice["options"][0]["option"] == "encoder"


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


def test_an_error_of_the_process_is_words_and_a_code_too():
    done = run_process("assess", "nowhere.yaml")
    assert (done.returncode, done.stdout) == (2, "") and "no such use case" in done.stderr
    assert "Traceback" not in done.stderr


def test_cost_shows_ledgers_and_break_even():
    done = run("cost", str(TICKETS))
    assert done.returncode == 0 and done.stdout.isascii()
    assert "today: $100 per 1,000" in done.stdout and "break-even" in done.stdout
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


ANSWERS = "Tickets\nclassification\ncost\nno\n2\n8\n3.000\n12.500\n\n90 %\nregion\n0,10 EUR\n"
"""One line for each of the twelve questions."""


def test_interview_reads_one_line_for_each_question_and_says_what_it_understood(tmp_path):
    out = tmp_path / "case.yaml"
    done = run("interview", str(out), stdin=ANSWERS)
    assert done.returncode == 0, done.stderr
    case = load_case(out)
    assert case.name == "Tickets" and case.task.value == "classification" and case.needs_facts is False
    assert (case.examples, case.queries_per_month, case.quality_floor) == (3000, 12500, 0.9)
    assert case.label_changes_per_month == 2 and case.knowledge_changes_per_month is None
    assert case.incumbent.cost_per_item == Decimal("0.10") and case.currency == "EUR"
    assert "'12.500' read as 12,500" in done.stderr
    assert "Least accuracy that is of use? 90 %" in done.stdout and "EUR 0.10" in done.stdout
    unknown = done.stdout.partition("Not known; ranges stand in, and the advice names them:\n")[
        2
    ].splitlines()
    assert unknown[0] == "  How fast must 95 % of the answers be?"
    assert len(unknown) == 2 and "next: advisor assess" in unknown[1]


def test_answers_in_german_are_read(tmp_path):
    out = tmp_path / "case.yaml"
    answers = "T\nquestion answering\n\nja\nt\u00e4glich\n7 von 10\n3.000\n12.500 pro Monat\n"
    done = run("interview", str(out), stdin=answers + "2 s\n90 %\nEU\n10 Cent\n")
    assert done.returncode == 0, done.stderr
    case = load_case(out)
    assert case.needs_facts is True and case.knowledge_changes_per_month == pytest.approx(30.4)
    assert (case.queries_per_month, case.p95_ms, case.prompting_accuracy) == (12500, 2000, 0.7)
    assert case.residency.value == "region" and case.incumbent.cost_per_item == Decimal("0.10")
    again = run("interview", str(tmp_path / "b.yaml"), stdin="T\n\n\n\n\n70 %\n")
    assert again.returncode == 2 and "as 7 of 10" in again.stderr


def test_the_numbers_of_the_questions_do_not_hang_on_the_answers(tmp_path):
    """Which line answers which question would otherwise depend on the lines before it."""
    facts = run("interview", str(tmp_path / "facts.yaml"), stdin="F\nquestion-answering\n\nyes\n4\n8\n")
    style = run("interview", str(tmp_path / "style.yaml"), stdin="S\nwriting\nstyle\nno\n\nno\n")
    asked = [re.findall(r"^(\d+/12)  ([^\[]*)", done.stderr, re.MULTILINE) for done in (facts, style)]
    assert asked[0] == asked[1] and [number for number, _ in asked[0]] == [f"{n}/12" for n in range(1, 8)]
    assert load_case(tmp_path / "facts.yaml").knowledge_changes_per_month == 4


def test_interview_goes_on_with_what_has_no_answer(tmp_path):
    out = tmp_path / "case.yaml"
    first = run("interview", str(out), stdin="Tickets\nclassification\nq\n")
    assert "go on with" in first.stdout and load_case(out).task.value == "classification"
    again = run("interview", str(out), "--json", stdin="accuracy\nq\n")
    assert "1/12" not in again.stderr and "3/12" in again.stderr
    assert json.loads(again.stdout)["answered"] == ["currency", "name", "problems", "task"]


def test_a_wrong_answer_in_a_pipe_ends_there_as_the_next_line_answers_the_next_question(tmp_path):
    """Earlier the question was put again, and every later answer went to the wrong question."""
    out = tmp_path / "case.yaml"
    done = run("interview", str(out), stdin="T\n?\nspelling\nstyle\nno\n")
    assert (
        done.returncode == 2
        and "Question 2 of 12" in done.stderr
        and "allowed: classification" in done.stderr
    )
    assert load_case(out).problems is None


def test_a_wrong_answer_at_a_terminal_is_asked_for_again(tmp_path, monkeypatch, capsys):
    answers = iter(["T", "spelling", "writing", "q"])
    monkeypatch.setattr("builtins.input", lambda: next(answers))
    monkeypatch.setattr("sys.stdin", SimpleNamespace(isatty=lambda: True))
    run_interview(tmp_path / "case.yaml", everything=False, as_json=False)
    assert "allowed: classification" in capsys.readouterr().err
    assert load_case(tmp_path / "case.yaml").task.value == "writing"


def test_the_long_interview_leaves_out_what_makes_no_sense_and_keeps_its_numbers(tmp_path):
    names = questions(everything=True)
    assert len(questions(everything=False)) == 12 < 30 < len(names)
    lines = ["" for _ in names]
    lines[0], lines[names.index("task")] = "S", "writing"
    done = run("interview", str(tmp_path / "case.yaml"), "--all", stdin="\n".join(lines) + "\n")
    at = names.index("labels") + 1
    assert (
        f"{at}/{len(names)}  How many labels are there (classification)? - makes no sense here" in done.stderr
    )


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


@pytest.mark.parametrize(
    ("answer", "share", "items"),
    [
        ("8", 0.8, 10),
        ("17 of 20", 0.85, 20),
        ("17/20", 0.85, 20),
        ("8 out of 10", 0.8, 10),
        ("17 von 20", 0.85, 20),
        ("no", None, None),
        ("", None, None),
    ],
)
def test_ten_tries_are_a_measurement_on_so_many_items(tmp_path, answer, share, items):
    out = tmp_path / "case.yaml"
    done = run("interview", str(out), stdin=f"T\nclassification\n\nno\n2\n{answer}\nq\n")
    assert done.returncode == 0, done.stderr
    case = load_case(out)
    assert (case.prompting_accuracy, case.prompting_items) == (share, items)


def test_a_refused_answer_is_told_once(tmp_path):
    done = run("interview", str(tmp_path / "case.yaml"), stdin="T\nclassification\naccuracy, costs\n")
    assert "Question 3 of 12 cannot be answered so: did you mean cost?\n" in done.stderr
    assert done.stderr.count("drifting-behaviour") == 2 and "problems.1" not in done.stderr  # asked, allowed


@pytest.mark.parametrize("answer", ["12", "8 of 5", "many", "1.5", "-1", "0 of 0"])
def test_tries_that_cannot_be_are_refused(tmp_path, answer):
    done = run("interview", str(tmp_path / "case.yaml"), stdin=f"T\nclassification\n\nno\n2\n{answer}\n")
    assert done.returncode == 2 and "Question 6 of 12" in done.stderr
