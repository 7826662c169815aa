"""What the executive report says in each state a run can be in; expected words by hand from the fixture."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal

import pytest

from advisor.options import Option
from advisor.stats.paired import Relation
from harness.bakeoff.results import Answer
from harness.core.errors import UsageError
from harness.core.records import ArmId
from harness.core.wording import USD
from harness.money.records import CostForecast
from harness.recommendation.records import Certainty, RunResults
from harness.report.dress import Dress, Rate, chosen_currency
from harness.report.executive import reader_currency, run_dossier, run_paper
from harness.report.executive_parts import new_to_it
from harness.report.paper import (
    Cards,
    Chart,
    Citations,
    Grid,
    Panel,
    Panels,
    Paper,
    Paragraph,
    Points,
    Terms,
    Text,
    day_words,
    letter,
    outside,
)
from harness.report.plain import decision, in_plain_words, plain_name
from harness.report.view import Cell
from tests.support.closing import closing
from tests.support.money import outlook
from tests.support.results import (
    BOTH,
    LINEAR,
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


def paper(results: RunResults | None = None, dress: Dress | None = None) -> Paper:
    return run_paper(results or run_results(), closing(), dress or Dress())


def cards(found: Paper) -> dict[str, tuple[str, str]]:
    """Label -> value and note."""
    (block,) = [block for block in found.summary if isinstance(block, Cards)]
    return {card.label: (card.value.text, plain(card.note)) for card in block.cards}


def panels(found: Paper) -> dict[str, Panel]:
    (block,) = [block for block in found.summary if isinstance(block, Panels)]
    return {panel.title: panel for panel in block.panels}


def plain(text: Text) -> str:
    return "".join(span.text for span in text)


def texts(found: Paper) -> Iterator[Text]:
    """Every running text, for a look at its references."""
    yield found.standfirst
    for block in (*found.summary, *(block for part in found.parts for block in part.blocks)):
        match block:
            case Paragraph(text=text) | Chart(caption=text):
                yield text
            case Cards(cards=several):
                yield from ((card.value, *card.note) for card in several)
            case Panels(panels=several):
                yield from (line for panel in several for line in panel.lines)
            case Points(items=items):
                yield from items
            case Terms(rows=rows):
                yield from (text for _, text in rows)
            case Grid(refs=refs):
                yield from ((replace(found.standfirst[0], refs=cited),) for cited in refs)
            case _:
                continue
    yield from (part.lead for part in found.parts)


def test_page_1_gives_decision_money_confidence_risk_and_next_step() -> None:
    """3,902.123 dollars a month against 9,400; 5,497.877 less; all in the case's euros at 0.92."""
    found = paper()
    assert found.headline == "Use the linear classifier; fine-tuning beats RAG."
    assert cards(found)["Cost a month"][0] == "EUR 3,590"
    assert cards(found)["Against today"] == ("EUR 5,058 less", "today EUR 8,648 a month (people)")
    assert cards(found)["Right answers"] == ("81.2 %", "95 % interval 77.0 to 84.8, n=560")
    assert cards(found)["How sure"][0] == "Fairly sure"
    step = [plain(line) for line in panels(found)["Next step"].lines]
    assert step[0].startswith("Pilot the linear classifier on real queries for a month")
    assert step[1:] == ["Cost: EUR 5,798 (EUR 3,935 to EUR 9,099)", "Who decides: budget holder"]
    assert "machine-written" in plain(panels(found)["The main risk"].lines[0])
    assert plain(panels(found)["Until when this holds"].lines[0]) == "1 December 2026"


def test_page_1_names_no_arm_in_the_harnesss_own_words() -> None:
    found = paper()
    said = [found.headline, plain(found.standfirst), *(note for _, note in cards(found).values())]
    said += [plain(line) for panel in panels(found).values() for line in panel.lines]
    assert not [text for text in said if "@" in text.replace("openai/", "")]


def test_every_reference_has_a_source_and_every_source_is_cited() -> None:
    found = paper()
    cited = {number for text in texts(found) for span in text for number in span.refs}
    assert cited == set(range(1, len(found.references) + 1))
    assert len(set(found.references)) == len(found.references) >= 8


def test_what_is_no_measurement_is_marked() -> None:
    marks = {span.mark for text in texts(paper()) for span in text if span.mark}
    assert marks >= {"illustrative", "as stated", "published elsewhere"}


@pytest.mark.parametrize(
    ("answer", "ship", "words"),
    [
        (Answer.TUNE, TUNE, "Use the fine-tuned model: fine-tuning beats RAG."),
        (Answer.RETRIEVE, RETRIEVE, "Use RAG: RAG beats fine-tuning."),
        (Answer.TIED, RETRIEVE, "Use RAG; RAG and fine-tuning are tied."),
        (Answer.RETRIEVE_AS_GOOD, RETRIEVE, "Use RAG: RAG is at least as good as fine-tuning."),
        (
            Answer.NOT_ENOUGH_EVIDENCE,
            LINEAR,
            "Use the linear classifier; the evidence does not yet choose between RAG and fine-tuning.",
        ),
        (Answer.TUNE, None, "Use none of them yet: fine-tuning beats RAG."),
    ],
)
def test_the_decision_is_one_sentence(answer: Answer, ship: ArmId | None, words: str) -> None:
    results = run_results(verdict=verdict(answer=answer, limits=()), recommendation=recommendation(ship=ship))
    assert decision(results) == words


def test_an_arm_with_a_limit_still_open_is_piloted_and_not_used() -> None:
    results = run_results(recommendation=recommendation(ship=None, pilot=TUNE))
    assert decision(results) == (
        "Pilot the fine-tuned model, with a limit not shown yet: fine-tuning beats RAG."
    )
    assert any("a pilot is as far as these items go" in notice for notice in paper(results).notices)


@pytest.mark.parametrize(
    ("settled", "words"),
    [
        (Certainty.ALL, "Sure"),
        (Certainty.SOME_OPEN, "Fairly sure"),
        (Certainty.NO_RIVAL, "Nothing to compare"),
        (Certainty.NO_ARM, "No arm"),
    ],
)
def test_how_sure_is_said_from_what_is_settled_and_not_from_words(settled: Certainty, words: str) -> None:
    found = paper(run_results(recommendation=recommendation(certainty=settled)))
    (card,) = [c for b in found.summary if isinstance(b, Cards) for c in b.cards if c.label == "How sure"]
    assert card.value.text == words and (card.mood == "good") == (settled is Certainty.ALL)


def test_two_arms_of_one_option_are_told_apart_by_their_model() -> None:
    other = ArmId(option=Option.RETRIEVE, model="openai/gpt-6-luna")
    assert plain_name(RETRIEVE, (RETRIEVE, TUNE)) == "RAG"
    assert plain_name(other, (RETRIEVE, other)) == "RAG (openai/gpt-6-luna)"


@pytest.mark.parametrize("option", list(Option))
def test_every_option_has_an_everyday_name_and_a_line_on_what_it_is(option: Option) -> None:
    assert plain_name(ArmId(option=option, model="m")) != option.value or option is Option.FLOOR
    assert option.traits.about


def test_an_arm_that_is_ruled_out_is_called_so_beside_its_month() -> None:
    money = outlook()
    arms = tuple(replace(found, barred=found.arm == RETRIEVE) for found in money.arms)
    (chart,) = [
        b for b in paper(run_results(outlook=replace(money, arms=arms))).summary if isinstance(b, Chart)
    ]
    assert chart.svg.count("retrieve@smollm2-135m, ruled out") == 1
    assert "tune@smollm2-135m, ruled out" not in chart.svg


def test_the_longer_of_two_arm_names_is_replaced_first() -> None:
    sentence = f"{BOTH} minus {TUNE}: +0.2 points."
    assert (
        in_plain_words(sentence, run_results())
        == "Fine-tuning with RAG minus the fine-tuned model: +0.2 points."
    )
    assert in_plain_words("openai/gpt-6-luna is dear.", run_results()) == "openai/gpt-6-luna is dear."


def test_not_enough_evidence_looks_it() -> None:
    results = run_results(verdict=verdict(answer=Answer.NOT_ENOUGH_EVIDENCE))
    assert any("Not enough evidence" in notice for notice in paper(results).notices)


def test_a_run_without_one_of_the_pair_does_not_speak_of_evidence() -> None:
    found = paper(run_results(verdict=verdict(answer=Answer.NOT_ENOUGH_EVIDENCE, pair=None)))
    assert found.headline == "Use the linear classifier; RAG and fine-tuning were not both run."
    assert not any("Not enough evidence" in notice for notice in found.notices)


def test_an_incomplete_run_looks_it_and_is_dated_by_its_start() -> None:
    found = run_paper(run_results(), None)
    assert found.state == "incomplete" and any("Incomplete" in notice for notice in found.notices)
    assert f"{found.day:%Y-%m-%d %H:%M}" == "2026-11-23 20:15"
    assert run_paper(run_results(run_id="own-name"), None).day.year == 1970


def test_a_run_without_money_looks_it_and_shows_accuracies_on_page_1() -> None:
    found = paper(run_results(outlook=None))
    assert any("No monthly figures" in notice for notice in found.notices)
    assert cards(found)["Cost per 1,000 queries"][0] == "$0.0123"
    assert cards(found)["Against today"][0] == "unknown"
    assert [block.key for block in found.summary if isinstance(block, Chart)] == ["accuracy"]


def test_months_that_are_not_known_look_it() -> None:
    money = outlook()
    unknown = next(found.month_usd for found in money.arms if found.month_usd.usd is None)
    arms = tuple(replace(found, month_usd=unknown, saving_usd_per_month=unknown) for found in money.arms)
    found = paper(run_results(outlook=replace(money, arms=arms)), Dress(currency=USD))
    assert any("No monthly totals" in notice for notice in found.notices)
    assert cards(found)["Cost per 1,000 queries"][0] == "$0.0123"
    assert cards(found)["Against today"] == ("unknown", "a month's total is not known: see The money")
    assert [block.key for block in found.summary if isinstance(block, Chart)] == ["accuracy"]


def test_rows_that_stand_in_train_are_not_called_new() -> None:
    ship = run_results().arms[1]
    quality = ship.quality
    n = quality.accuracy.n
    seen = replace(quality, accuracy_without_overlap=replace(quality.accuracy, n=n - 7))
    assert new_to_it(replace(ship, quality=seen)).startswith("All but 7 were new")
    fresh = replace(quality, accuracy_without_overlap=quality.accuracy)
    assert new_to_it(replace(ship, quality=fresh)) == "None had been seen before."


def test_nothing_to_ship_looks_it() -> None:
    found = paper(run_results(recommendation=none_to_ship()))
    assert any("No arm may be shipped" in notice for notice in found.notices)
    assert "comes nearest and breaks a limit" in plain(found.standfirst)
    assert "Right answers" not in cards(found)
    best, note = cards(found)["Right answers, at best"]
    known = [arm.quality.accuracy.value or 0.0 for arm in run_results().arms]
    assert best == f"{100 * max(known):.1f} %" and note.endswith("not to be used as it is")


def test_where_every_arm_breaks_a_limit_its_readers_are_led_to_the_reasons() -> None:
    results = run_results()
    limits = tuple(broken(arm.arm) for arm in results.arms)
    found = paper(run_results(verdict=verdict(limits=limits), recommendation=none_to_ship()))
    assert plain(found.standfirst).startswith("Every way that was tried breaks a limit")
    assert cards(found)["Against today"] == ("-", "nothing to ship"), "months are known; there is no arm"


def test_an_arm_has_its_options_colour_whatever_the_verdict() -> None:
    for results in (run_results(), run_results(recommendation=none_to_ship())):
        (chart,) = [b for p in paper(results).parts for b in p.blocks
                    if isinstance(b, Chart) and b.key == "accuracy"]  # fmt: skip
        for arm in results.arms:
            row = chart.svg.split(f'data-arm="{arm.arm}"')[1].split("</g>")[0]
            assert {option.traits.colour for option in Option if option.traits.runs} & set(
                re.findall("#[0-9a-f]{6}", row)
            ) == {arm.arm.option.traits.colour}


def test_a_name_opens_a_sentence_with_a_large_letter() -> None:
    results = run_results()
    said = in_plain_words(f"Nothing yet. {LINEAR} leads, before {RETRIEVE}: {LINEAR} is small.", results)
    assert said == "Nothing yet. The linear classifier leads, before RAG: the linear classifier is small."
    assert in_plain_words(f"{TUNE} leads.", results) == "The fine-tuned model leads."


def test_what_a_price_rests_on_is_said_once() -> None:
    dossier = run_dossier(run_results(), closing())
    dossier.prices(dollars("0.1", source="a machine (illustrative)"), dollars("0.1", source="a second one"))
    assert dossier.cites.sources == (
        "Prices: a machine (illustrative).",
        "Prices: a second one (illustrative).",
    )


def test_an_arm_over_a_limit_is_ruled_out_with_its_reason() -> None:
    found = paper()
    (grid,) = [b for p in found.parts if p.key == "compared" for b in p.blocks if isinstance(b, Grid)][:1]
    ruled = [row.cells[0].text for row in grid.table.rows if row.tone == "faint"]
    assert ruled == ["The prompted model: ruled out"]
    assert any("the floor is 50.0 %" in note for note in grid.table.notes)


def test_an_unknown_next_step_price_says_why() -> None:
    step = recommendation().next
    unknown = replace(step.usd, usd=None, low_usd=None, high_usd=None, reason="nobody said so")
    found = paper(run_results(recommendation=recommendation(next=replace(step, usd=unknown))))
    said = [plain(line) for line in panels(found)["Next step"].lines]
    assert "Cost: unknown (what is missing: see The money)" in said
    assert "The next step has no price: nobody said so." in [plain(text) for text in texts(found)]


def test_more_than_today_is_said_and_warned_of() -> None:
    """RAG costs 1,153 dollars a month more than today."""
    found = paper(run_results(recommendation=recommendation(ship=RETRIEVE)), Dress(currency=USD))
    assert cards(found)["Against today"][0] == "$1,153 more"


def test_without_an_incumbent_the_saving_is_unknown() -> None:
    found = paper(run_results(outlook=replace(outlook(), incumbent=None)))
    assert cards(found)["Against today"][0] == "unknown"


def _dollars(money: CostForecast) -> CostForecast:
    return replace(money, business=replace(money.business, exchange=None))


def test_the_currency_is_the_cases_unless_the_reader_asks() -> None:
    assert reader_currency(run_results()).code == "EUR"
    assert reader_currency(run_results(outlook=_dollars(outlook()))) == USD
    assert cards(paper(dress=Dress(currency=USD)))["Cost a month"][0] == "$3,902"


RATE = Rate(code="EUR", per_usd=Decimal("0.92"), source="example")


def test_a_currency_needs_a_rate() -> None:
    assert chosen_currency("", RATE) is None
    assert chosen_currency("usd", None) == USD
    found = chosen_currency("EUR", RATE)
    assert found is not None and (found.per_usd, found.source) == (Decimal("0.92"), "example")
    given = chosen_currency("chf = 0.88", None)
    assert given is not None and (given.code, given.per_usd) == ("CHF", Decimal("0.88"))
    for wrong in ("EUR", "EURO=1", "EUR=", "EUR=x", "EUR=0", "EUR=-1", "EUR=inf", "=1"):
        with pytest.raises(UsageError):
            chosen_currency(wrong, None)


def test_small_words() -> None:
    assert [letter(n) for n in (1, 26, 27, 52, 53)] == ["a", "z", "aa", "az", "ba"]
    assert day_words(closing().finished_at.date()) == "23 November 2026"
    assert outside("x" * 200) == "x" * 89 + "\u2026"
    assert outside("\u05e9\u05dc\u05d5\u05dd") == "\u2068\u05e9\u05dc\u05d5\u05dd\u2069"
    cites = Citations()
    assert (cites.cite("a", "", "b", "a"), cites.cite("b"), cites.sources) == ((1, 2), (2,), ("a", "b"))


@pytest.mark.parametrize(
    ("relation", "words"),
    [
        (Relation.BETTER, "better"),
        (Relation.EQUIVALENT, "the same, within the margin"),
        (Relation.NON_SUPERIOR, "not better by the margin"),
        (Relation.UNDECIDED, "not settled"),
    ],
)
def test_a_difference_is_called_what_its_interval_allows(relation: Relation, words: str) -> None:
    found = replace(comparison(), relation=relation)
    said = [cell.text for row in rows_of(replace(run_results(), comparisons=(found,))) for cell in row]
    assert words in said


def rows_of(results: RunResults) -> list[tuple[Cell, ...]]:
    """The table of differences."""
    blocks = [block for part in paper(results).parts for block in part.blocks]
    (grid,) = [block for block in blocks if isinstance(block, Grid) and "first against second" in str(block)]
    return [row.cells for row in grid.table.rows]


def test_only_whole_names_of_arms_are_put_into_plain_words() -> None:
    """A model whose name begins or ends like an arm's is another one, and stays as it is."""
    for other in (f"{LINEAR}-2", f"{LINEAR}/v2", f"{LINEAR}.1", f"un{LINEAR}"):
        assert in_plain_words(f"Not {other} leads.", run_results()) == f"Not {other} leads."
    assert in_plain_words(f"{LINEAR} leads. {LINEAR}, not {LINEAR}.", run_results()) == (
        "The linear classifier leads. The linear classifier, not the linear classifier."
    )
