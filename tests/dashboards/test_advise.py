"""The advisor's form: every question, there and back; advice that moves with it; files to take away."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml
from streamlit.testing.v1 import AppTest

from advisor.case import AnswerKind, Incumbent, Measurement, UseCase, asks
from advisor.case_file import dump_case, load_case, parse_case
from advisor.errors import CaseError
from advisor.options import Option
from dashboards import launch
from dashboards.launch import plan_text
from dashboards.questions import ESSENTIAL, MORE, answers_of, case_from, echo, in_words, key, worth_asking
from dashboards.state import context
from harness.bakeoff.plan import parse_plan
from harness.core.errors import UsageError
from tests.dashboards.conftest import Open, words

EXAMPLES = sorted((Path(__file__).resolve().parents[2] / "examples").glob("*.yaml"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.stem)
def test_a_use_case_survives_the_form(path: Path) -> None:
    case = load_case(path)
    assert case_from(answers_of(case)) == case


def test_what_was_measured_survives_the_form() -> None:
    measured = (Measurement(option=Option.ENCODER, accuracy=0.9, items=200, source="run x"),)
    case = replace(load_case(EXAMPLES[0]), measured=measured)
    assert case_from(answers_of(case)) == case


def test_every_question_is_asked_once() -> None:
    asked = [*ESSENTIAL, *itertools.chain(*MORE.values())]
    assert sorted(asked) == sorted(asks())


def test_not_known_stays_not_known() -> None:
    blank = UseCase(name="x")
    answers = answers_of(blank)
    assert case_from(answers) == blank
    assert in_words(None) == "not known" and in_words(False) == "no"
    assert case_from(answers | {key("needs_facts"): False}).needs_facts is False, "no is an answer"
    assert case_from(answers | {key("examples"): "0"}).examples == 0


@pytest.mark.parametrize(
    ("field", "typed", "read"),
    [
        ("queries_per_month", "12,500", 12_500.0),
        ("queries_per_month", "12.500", 12_500.0),
        ("queries_per_month", "10k", 10_000.0),
        ("examples", "1 234", 1234),
        ("knowledge_changes_per_month", "0,5", 0.5),
        ("quality_floor", "85", 0.85),
        ("quality_floor", "92,5 %", 0.925),
        ("label_noise", "5", 0.05),
    ],
)
def test_numbers_are_typed_as_people_write_them(field: str, typed: str, read: float) -> None:
    """A slider had steps: 12,500 could not be entered."""
    case = case_from(answers_of(UseCase(name="x")) | {key(field): typed})
    assert getattr(case, field) == pytest.approx(read)
    assert case_from(answers_of(case)) == case


def test_how_a_number_was_read_is_said_where_it_could_be_read_otherwise() -> None:
    assert "12,500" in echo("queries_per_month", "12.500") and echo("queries_per_month", "12,500") == ""


@pytest.mark.parametrize("typed", ["many", "1.2.3.4", "-5", "9e999"])
def test_what_is_no_number_is_told(typed: str) -> None:
    with pytest.raises(CaseError, match="examples"):
        case_from(answers_of(UseCase(name="x")) | {key("examples"): typed})


def test_a_question_that_makes_no_sense_is_left_out_unless_it_has_an_answer() -> None:
    answers = answers_of(UseCase(name="x", task=AnswerKind.EXTRACTION))
    assert not worth_asking("labels", answers) and worth_asking("examples", answers)
    assert worth_asking("labels", answers | {key("labels"): "30"}), "what contradicts can be taken back"


def test_contradictions_are_told() -> None:
    answers = answers_of(UseCase(name="x", task=AnswerKind.EXTRACTION)) | {key("labels"): "30"}
    with pytest.raises(CaseError, match="only classification"):
        case_from(answers)


def test_money_and_rates_keep_their_digits() -> None:
    answers = answers_of(UseCase(name="x", incumbent=Incumbent(kind="people")))
    answers |= {key("incumbent.cost_per_item"): "0,1", key("currency"): "EUR", key("day_rate"): "600"}
    answers |= {key("usd_rate.per_usd"): "0.92", key("usd_rate.as_of"): date(2026, 11, 1)}
    case = case_from(answers)
    assert str(case.incumbent.cost_per_item) == "0.1" and str(case.usd_rate.per_usd) == "0.92"  # type: ignore[union-attr]
    assert str(case.day_rate) == "600"


def test_the_advice_moves_with_an_answer(open_page: Open, tmp_path: Path) -> None:
    app = open_page(tmp_path, "advise")
    assert "predicted, not measured" in words(app) and ">Try the fine-tuned encoder.<" in words(app)
    app.selectbox(key=key("general_model")).set_value("own")
    app.text_input(key=key("api_model")).set_value("")
    app.selectbox(key=key("residency")).set_value("self-host-only").run()
    app.text_input(key=key("examples")).set_value("0").run()
    assert not app.exception
    said = words(app)
    assert ">Try the fine-tuned encoder.<" not in said and "there are no examples" in said
    assert "Your last change. " in said and ", now 0. Before: " in said


def test_the_answer_stands_beside_the_form_and_all_else_in_tabs(open_page: Open, tmp_path: Path) -> None:
    """The page scrolled over six screens, and the runner-up stood on the second."""
    app = open_page(tmp_path, "advise")
    shown = [tab.label for tab in app.tabs]
    assert shown[0] == "What to do next" and {"Options", "Money", "Ways to build it", "Test it"} <= set(shown)
    near = " ".join(str(block.value) for block in app.get("html")[:4])
    for part in (
        "To build, once",
        "A month, all in",
        "Runner-up",
        "The cheapest test",
        "RAG or fine-tuning?",
    ):
        assert part in near
    assert "leaning, about 60 %" in near and "about $3,840" in near and near.count("<li>") == 3
    assert "an adapter served by the token" in words(app)


def test_what_contradicts_itself_gets_no_advice(open_page: Open, tmp_path: Path) -> None:
    app = open_page(tmp_path, "advise")
    app.selectbox(key=key("task")).set_value("extraction").run()
    assert "some answers do not fit" in app.warning[0].value and "only classification" in words(app)
    assert "tor-answer" not in words(app), "no answer is shown beside the contradiction"


def test_examples_and_files_fill_the_form(open_page: Open, tmp_path: Path) -> None:
    app = open_page(tmp_path, "advise")
    app.selectbox(key="start").set_value("realtime-stocks").run()
    case = load_case(next(path for path in EXAMPLES if path.stem == "realtime-stocks"))
    assert app.text_input(key=key("name")).value == case.name and not app.exception
    mine = UseCase(name="From a file", task=AnswerKind.CLASSIFICATION, labels=7)
    app.file_uploader(key="case-file").upload("CASE.yaml", dump_case(mine).encode(), "application/yaml").run()
    assert app.text_input(key=key("name")).value == "From a file"
    assert app.text_input(key=key("labels")).value == "7"
    app.file_uploader(key="case-file").upload("CASE.yaml", b"nonsense: [", "application/yaml").run()
    assert "cannot be used" in app.error[0].value and app.text_input(key=key("name")).value == "From a file"


def test_the_form_is_kept_while_another_page_is_looked_at(open_page: Open, tmp_path: Path) -> None:
    app = open_page(tmp_path, "advise")
    app.text_input(key=key("name")).set_value("Mine").run()
    app.switch_page("app_pages/runs.py").run()
    app.switch_page("app_pages/advise.py").run()
    assert app.text_input(key=key("name")).value == "Mine"


def test_what_cannot_be_measured_offers_no_plan(open_page: Open, tmp_path: Path) -> None:
    app = open_page(tmp_path, "advise")
    app.selectbox(key="start").set_value("brand-voice").run()
    assert not app.exception
    assert {button.label for button in app.get("download_button")} == {"CASE.yaml"}
    assert any("cannot be tested with this tool" in info.value for info in app.info)


@pytest.mark.parametrize(
    ("example", "needs"), [("changing-policy-answers", "--docs"), ("contract-extraction", "--fields")]
)
def test_what_is_no_choice_of_labels_names_the_command_that_plans_its_test(
    open_page: Open, tmp_path: Path, example: str, needs: str
) -> None:
    app = open_page(tmp_path, "advise")
    app.selectbox(key="start").set_value(example).run()
    assert not app.exception and not app.info
    assert any("harness plan CASE.yaml" in code.value and needs in code.value for code in app.code)


def test_the_case_and_its_plan_can_be_taken_along(open_page: Open, tmp_path: Path) -> None:
    app = open_page(tmp_path, "advise")
    case = load_case(next(path for path in EXAMPLES if path.stem == "ticket-routing"))
    buttons = {button.label: button for button in app.get("download_button")}
    assert set(buttons) == {"CASE.yaml", "PLAN.yaml"}
    plan = parse_plan(plan_text(dump_case(case), "support-tickets", context()), "PLAN.yaml")
    assert (
        plan.advice is not None and plan.advice.case == case.name and plan.data.evalset == "support-tickets"
    )
    assert parse_case(dump_case(case), "CASE.yaml") == case and yaml.safe_load(dump_case(case))


def test_a_case_is_taken_to_the_bake_off(open_page: Open, tmp_path: Path) -> None:
    app = open_page(tmp_path, "advise")
    next(button for button in app.button if button.label == "Test it on my own table").click().run()
    app.switch_page("app_pages/runs.py").run()
    assert "The advice on &#x27;Ticket routing&#x27; is locked with the plan" in words(app)


def pdf_button(app: AppTest) -> Any:
    return next(button for button in app.button if button.label == "Prediction as PDF")


def test_the_prediction_of_a_nearly_empty_form_is_a_pdf(open_page: Open, tmp_path: Path) -> None:
    """A use case without a horizon could not be printed, and the page said nothing."""
    pytest.importorskip("typst")
    app = open_page(tmp_path, "advise")
    app.selectbox(key="start").set_value("a blank form").run()
    pdf_button(app).click().run()
    assert not app.exception and not app.error
    assert "Save prediction.pdf" in {button.label for button in app.get("download_button")}


def test_a_pdf_that_cannot_be_made_says_why(
    open_page: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> bytes:
        raise UsageError("There are no prices of that day.", got="1999-01-01")

    app = open_page(tmp_path, "advise")
    monkeypatch.setattr(launch, "prediction_pdf", fails)
    pdf_button(app).click().run()
    assert app.error[0].value == "The PDF cannot be made." and "no prices of that day" in words(app)
