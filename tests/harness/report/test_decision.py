"""What a report says in each state a run can be in; expected words by hand from the fixture."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

from advisor.options import Option
from advisor.stats.paired import Relation
from harness.bakeoff.results import Answer, FailedArm, LimitState, MoreItems, ServedAnswers
from harness.core.errors import UsageError
from harness.core.records import ArmId
from harness.core.wording import USD, Currency
from harness.money.records import CostForecast
from harness.recommendation.records import Action, Certainty, RunResults
from harness.report.charts import IntervalChart
from harness.report.context import Branding, ReportContext, chosen_currency, reader_currency
from harness.report.document import (
    Chart,
    Document,
    Facts,
    Paragraph,
    RecommendationBlock,
    Section,
    Span,
    Table,
    blocks_of,
    day_words,
    letter,
    outside,
    plain,
    said,
    sources_of,
)
from harness.report.run_document import run_document
from harness.report.topics.cells import plain_name
from harness.report.topics.sources import new_to_it
from tests.support.closing import closing
from tests.support.money import amount, outlook
from tests.support.results import (
    RETRIEVE,
    TUNE,
    broken,
    comparison,
    dollars,
    none_to_ship,
    recommendation,
    run_results,
    verdict,
)


def made(results: RunResults | None = None, for_: str = "pdf", branding: Branding | None = None) -> Document:
    return run_document(results or run_results(), closing(), for_, branding=branding or Branding())


def section(document: Document, key: str) -> Section:
    found = document.section(key)
    assert found is not None
    return found


def recommended(document: Document) -> RecommendationBlock:
    (block,) = [block for block in blocks_of(document) if isinstance(block, RecommendationBlock)]
    return block


def facts(document: Document) -> dict[str, str]:
    """Of the recommendation, by label."""
    return {fact.label: plain(fact.text) for fact in recommended(document).facts}


def pair(document: Document) -> dict[str, str]:
    """What is said under the recommendation of the title's question."""
    blocks = [block for block in section(document, "decision").blocks if isinstance(block, Facts)]
    return {fact.label: plain(fact.text) for block in blocks for fact in block.rows}


def notices(document: Document) -> list[str]:
    blocks = section(document, "decision").blocks
    return [plain(block.text) for block in blocks if isinstance(block, Paragraph)]


def charts(document: Document, key: str) -> list[Chart]:
    return [block for block in section(document, key).blocks if isinstance(block, Chart)]


def options(document: Document) -> Table:
    """On paper the table stands with the evidence, behind the chart of page 1."""
    key = "figures" if document.section("figures") else "options"
    (table,) = [block for block in section(document, key).blocks if isinstance(block, Table)]
    return table


@pytest.mark.parametrize("for_", ["text", "md", "html", "pdf"])
def test_the_recommendation_is_first_and_the_pairs_answer_second(for_: str) -> None:
    first = made(for_=for_).sections[0]
    assert first.key == "decision" and isinstance(first.blocks[0], RecommendationBlock)
    assert pair(made(for_=for_))["RAG or fine-tuning?"].startswith("Fine-tuning beats RAG.")
    assert sum(isinstance(block, RecommendationBlock) for block in blocks_of(made(for_=for_))) == 1


def test_it_gives_three_reasons_money_confidence_and_the_next_step_with_its_cost() -> None:
    """3,902.123 dollars a month, 6,302.123 for the pilot; all in the case's euros at 0.92."""
    found = recommended(made())
    assert found.headline == "Ship the linear classifier." and found.tone == "good"
    accuracy, cheapest, saves = map(plain, found.reasons)
    assert "81.2 % (95 % interval 77.0 to 84.8, n=560); the floor is 50.0 %" in accuracy
    assert cheapest.startswith("It costs least (EUR 139 a month, all in) of those that are as good")
    assert saves == "It saves EUR 7,360 a month against what is done today."
    known = facts(made())
    assert known["Cost a month, all in"] == "EUR 3,590 [illustrative] (EUR 2,830 to 4,680)"
    assert known["Next step"].startswith("Pilot the linear classifier on real queries for a month")
    assert (
        known["The step costs"].startswith("EUR 5,800") and "(EUR 3,940 to 9,100)" in known["The step costs"]
    )
    assert known["Who decides"] == "the budget holder"
    assert known["How sure"].startswith("Fairly sure: these items do not decide between it and")


def test_a_day_to_decide_before_is_said() -> None:
    step = replace(recommendation().next, before=date(2026, 12, 1))
    found = facts(made(run_results(recommendation=recommendation(next=step))))
    assert found["Decide before"] == "1 December 2026, when a price or a model changes"


def test_a_client_reads_no_arm_in_the_harnesss_own_words() -> None:
    found = section(made(), "decision")
    block = recommended(made())
    texts = [block.headline, *map(plain, block.reasons), *facts(made()).values(), *pair(made()).values()]
    assert found and not [text for text in texts if "@" in text.replace("openai/", "")]


def test_every_figure_has_its_source_once() -> None:
    sources = sources_of(made())
    assert list(sources.values()) == list(range(1, len(sources) + 1))
    assert len(sources) >= 8
    assert any(source.startswith("Right answers: run 2026") and "n=560" in source for source in sources)


def test_what_is_no_measurement_is_marked() -> None:
    marks = {span.mark for span in _spans(made()) if span.mark}
    assert marks >= {"illustrative", "published elsewhere"}


def _spans(value: object) -> list[Span]:
    if isinstance(value, Span):
        return [value]
    if isinstance(value, tuple):
        return [span for part in value for span in _spans(part)]
    fields = getattr(value, "__dataclass_fields__", {})
    return [span for name in fields for span in _spans(getattr(value, name))]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Answer.TUNE, "Fine-tuning beats RAG."),
        (Answer.RETRIEVE, "RAG beats fine-tuning."),
        (Answer.TIED, "RAG and fine-tuning are tied."),
        (Answer.RETRIEVE_AS_GOOD, "RAG is at least as good as fine-tuning."),
        (Answer.TUNE_AS_GOOD, "Fine-tuning is at least as good as RAG."),
        (Answer.NOT_ENOUGH_EVIDENCE, "Not enough evidence to choose between RAG and fine-tuning."),
    ],
)
def test_each_answer_is_said_in_words_with_its_figures(answer: Answer, words: str) -> None:
    shown = pair(made(run_results(verdict=verdict(answer=answer))))["RAG or fine-tuning?"]
    assert shown.startswith(words)
    assert "the same 560 test items" in shown and "+30.5 points (95 % interval +26.2 to +34.9)" in shown


def test_a_tie_that_leaves_out_0_says_that_the_difference_does_not_matter() -> None:
    close = replace(
        comparison(), difference=replace(comparison().difference, value=0.01, low=0.002, high=0.018)
    )
    results = run_results(verdict=verdict(answer=Answer.TIED), comparisons=(close,))
    assert "smaller than you said matters" in pair(made(results))["RAG or fine-tuning?"]


@pytest.mark.parametrize("for_", ["text", "md", "html", "pdf"])
def test_how_many_items_more_would_settle_it_is_said_everywhere(for_: str) -> None:
    open_ = replace(comparison(), more_items=MoreItems(likely=111, low=38, high=8139))
    results = run_results(verdict=verdict(answer=Answer.NOT_ENOUGH_EVIDENCE), comparisons=(open_,))
    assert pair(made(results, for_))["To decide it"] == (
        "About 111 more items would decide it (38 to 8,139, 80 % range)."
    )


def test_an_arm_with_a_limit_still_open_is_piloted_and_not_used() -> None:
    advised = recommendation(action=Action.PILOT, ship=None, pilot=TUNE)
    found = made(run_results(recommendation=advised))
    assert recommended(found).headline == "Pilot the fine-tuned model; do not ship it yet."
    assert recommended(found).tone == "warn"
    assert [row.cells[0].text for row in options(found).rows if row.tone == "good"] == [
        "Fine-tuned model: to pilot"
    ]


@pytest.mark.parametrize(
    ("settled", "words"),
    [
        (Certainty.ALL, "Sure on these items:"),
        (Certainty.SOME_OPEN, "Fairly sure:"),
        (Certainty.NO_RIVAL, "Nothing was compared"),
        (Certainty.NO_ARM, "None of the options tested here"),
    ],
)
def test_how_sure_is_said_from_what_is_settled(settled: Certainty, words: str) -> None:
    found = made(run_results(recommendation=recommendation(certainty=settled)))
    assert facts(found)["How sure"].startswith(words)


def test_two_arms_of_one_option_are_told_apart_by_their_model() -> None:
    other = ArmId(option=Option.RETRIEVE, model="openai/gpt-6-luna")
    assert plain_name(RETRIEVE, (RETRIEVE, TUNE)) == "RAG"
    assert plain_name(other, (RETRIEVE, other)) == "RAG (openai/gpt-6-luna)"


@pytest.mark.parametrize("option", list(Option))
def test_every_option_has_an_everyday_name_and_a_line_on_what_it_is(option: Option) -> None:
    assert plain_name(ArmId(option=option, model="m")) != option.value
    assert option.traits.about


def test_a_run_without_one_of_the_pair_does_not_speak_of_evidence() -> None:
    found = made(run_results(verdict=verdict(answer=Answer.NOT_ENOUGH_EVIDENCE, pair=None)))
    assert pair(found)["RAG or fine-tuning?"].startswith("RAG and fine-tuning were not both run.")
    assert "To decide it" not in pair(found)


def test_an_incomplete_run_looks_it_and_is_dated_by_its_start() -> None:
    found = run_document(run_results(), None, "pdf")
    assert found.state == "incomplete" and any("Incomplete" in notice for notice in notices(found))
    assert f"{found.day:%Y-%m-%d %H:%M}" == "2026-11-23 20:15"
    assert run_document(run_results(run_id="own-name"), None).day.year == 1970


def test_an_arm_that_failed_is_named_on_page_1() -> None:
    failed = (FailedArm(arm=TUNE, reason="out of memory."),)
    assert notices(made(run_results(failed=failed))) == [
        "The fine-tuned model failed and is left out: out of memory."
    ]


def test_of_a_served_arm_it_is_said_what_answered_and_how_it_was_asked() -> None:
    first, second, *others = run_results().arms
    served = ServedAnswers(
        by=(("gpt-4.1-2025-04-14 fp_1", 90), ("gpt-4.1-2025-04-14 fp_2", 10)),
        answers=100,
        plain=4,
        left_out=("temperature",),
    )
    found = made(run_results(arms=(first, replace(second, served=served), *others)))
    (note,) = (note for note in options(found).notes if "answered by" in note)
    assert "answered by gpt-4.1-2025-04-14 fp_1 (90), gpt-4.1-2025-04-14 fp_2 (10);" in note
    assert "4 of 100 asked by the prompt alone, without the schema;" in note
    assert note.endswith("temperature not sent, as the model does not take it")


def test_months_that_are_not_known_take_no_column() -> None:
    money = outlook()
    unknown = next(found.month_usd for found in money.arms if found.month_usd.usd is None)
    arms = tuple(replace(found, month_usd=unknown, saving_usd_per_month=unknown) for found in money.arms)
    found = made(run_results(outlook=replace(money, arms=arms)))
    assert "a month," not in {column.head[0] for column in options(found).columns}
    assert "a month," in {column.head[0] for column in options(made()).columns}
    assert facts(found)["Cost of 1,000 queries"].startswith("EUR 0.0113")


def test_rows_that_stand_in_train_are_not_called_new() -> None:
    ship = run_results().arms[1]
    quality = ship.quality
    n = quality.primary.n
    seen = replace(quality, without_overlap=replace(quality.primary, n=n - 7))
    assert new_to_it(replace(ship, quality=seen)).startswith("All but 7 of them were new")
    fresh = replace(quality, without_overlap=quality.primary)
    assert new_to_it(replace(ship, quality=fresh)) == "None of them had been seen before."


def test_where_nothing_may_be_used_the_next_step_is_priced() -> None:
    found = made(run_results(recommendation=none_to_ship()))
    assert recommended(found).headline == (
        "Ship none of these yet. Measure the hosted model openai/gpt-6-luna next."
    )
    assert "comes nearest and breaks a limit" in plain(recommended(found).reasons[0])
    assert facts(found)["The step costs"].startswith("EUR 0.434")
    assert "Cost a month, all in" not in facts(found)


def test_an_arm_has_its_options_colour_whatever_the_verdict() -> None:
    for results in (run_results(), run_results(verdict=verdict(limits=()))):
        (chart,) = charts(made(results), "options")
        assert isinstance(chart.spec, IntervalChart)
        shown = {row.key: row.colour for row in chart.spec.rows}
        assert shown == {str(arm.arm): arm.arm.option.traits.colour for arm in results.arms}


def test_an_arm_that_breaks_a_limit_is_called_so_in_the_table() -> None:
    found = made(run_results(verdict=verdict(limits=(broken(RETRIEVE, value=0.491),))))
    assert [row.cells[0].text for row in options(found).rows if row.tone == "faint"] == ["RAG: ruled out"]
    assert "RAG: accuracy 49.1 %" in str(section(found, "limits").blocks)
    assert "the floor is 50.0 %" in str(section(found, "limits").blocks)


def test_what_a_price_rests_on_is_said_once() -> None:
    context = ReportContext(results=run_results())
    prices = (dollars("0.1", source="a machine (illustrative)"), dollars("0.1", source="a second one"))
    assert context.prices(*prices) == (
        "Prices: a machine (illustrative).",
        "Prices: a second one (illustrative).",
    )


def test_an_unknown_next_step_price_says_why() -> None:
    unknown = replace(recommendation().next, usd=amount(None, reason="nobody said so"))
    found = made(run_results(recommendation=recommendation(next=unknown)))
    assert facts(found)["The step costs"] == "unknown: nobody said so"


def _dollars(money: CostForecast) -> CostForecast:
    return replace(money, business=replace(money.business, exchange=None))


def test_the_currency_is_the_cases_unless_the_reader_asks() -> None:
    assert reader_currency(run_results()).code == "EUR"
    assert reader_currency(run_results(outlook=_dollars(outlook()))) == USD
    shown = facts(made(branding=Branding(currency=USD)))["Cost a month, all in"]
    assert shown.startswith("$3,900")


RATE = Currency(code="EUR", per_usd=Decimal("0.92"), source="example")


def test_a_currency_needs_a_rate() -> None:
    assert chosen_currency("", RATE) is None
    assert chosen_currency("usd", USD) == USD
    found = chosen_currency("EUR", RATE)
    assert found is not None and (found.per_usd, found.source) == (Decimal("0.92"), "example")
    given = chosen_currency("chf = 0.88", USD)
    assert given is not None and (given.code, given.per_usd) == ("CHF", Decimal("0.88"))
    for wrong in ("EUR", "EURO=1", "EUR=", "EUR=x", "EUR=0", "EUR=-1", "EUR=inf", "=1"):
        with pytest.raises(UsageError):
            chosen_currency(wrong, USD)


def test_small_words() -> None:
    assert [letter(n) for n in (1, 26, 27, 52, 53)] == ["a", "z", "aa", "az", "ba"]
    assert day_words(closing().finished_at.date()) == "23 November 2026"
    assert outside("x" * 200) == "x" * 89 + "\u2026"
    assert outside("\u05e9\u05dc\u05d5\u05dd") == "\u2068\u05e9\u05dc\u05d5\u05dd\u2069"


def test_sources_are_numbered_in_order_of_first_use_and_once() -> None:
    def cited(*sources: str) -> Paragraph:
        return Paragraph(text=said("x", Span(text="y", sources=sources)))

    blocks = (cited("a", "", "b", "a"), cited("b"), cited("c"))
    document = Document(title="t", sections=(Section(key="k", title="t", blocks=blocks),))
    assert sources_of(document) == {"a": 1, "b": 2, "c": 3}


@pytest.mark.parametrize(
    ("relation", "words"),
    [
        (Relation.BETTER, "better"),
        (Relation.EQUIVALENT, "the same, within the margin"),
        (Relation.NON_SUPERIOR, "not better by the margin"),
        (Relation.UNDECIDED, "not decided"),
    ],
)
def test_a_difference_is_called_what_its_interval_allows(relation: Relation, words: str) -> None:
    found = replace(comparison(), relation=relation)
    (table,) = section(made(run_results(comparisons=(found,))), "comparisons").blocks
    assert isinstance(table, Table)
    assert table.rows[0].cells[-1].text == words


def test_no_table_stands_twice_in_a_document() -> None:
    tables = [block for block in blocks_of(made()) if isinstance(block, Table)]
    heads = [tuple(column.head for column in table.columns) for table in tables]
    assert len(set(heads)) == len(heads) >= 4


def test_an_open_limit_is_said_in_how_sure_it_is_and_one_of_another_option_is_not() -> None:
    advised = recommendation(action=Action.PILOT, ship=None, pilot=TUNE, certainty=Certainty.ALL, open_to=())
    floor = broken(TUNE, state=LimitState.OPEN)
    found = facts(made(run_results(recommendation=advised, verdict=verdict(limits=(floor,)))))
    assert found["How sure"] == (
        "Not sure yet. Open: the floor of right answers. Decided: every comparison with another option."
    )
    other = verdict(limits=(broken(RETRIEVE, state=LimitState.OPEN),))
    assert facts(made(run_results(recommendation=advised, verdict=other)))["How sure"].startswith("Sure on")


def test_a_tile_holds_a_figure_and_a_short_name_and_a_sentence_stands_in_a_line() -> None:
    found = recommended(made())
    tiles = {fact.label for fact in found.tiles}
    assert {"Right answers", "Cost a month, all in", "The step costs", "Who decides"} == tiles
    assert {fact.label for fact in found.lines} == {"Next step", "How sure"}


def test_lists_of_labels_stand_with_the_data_and_not_with_what_could_change_the_decision() -> None:
    lists = "3 labels have fewer than 10 training rows."
    assert lists not in str(section(made(), "change")) and lists in str(section(made(), "risks"))
