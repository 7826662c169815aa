"""Orders hidden in texts: how the tickets are made, and what following them is counted as."""

from __future__ import annotations

import dataclasses
from collections import Counter
from pathlib import Path

import pytest

from advisor.options import Option
from harness.bakeoff.run_folder import INJECTED
from harness.core.errors import UsageError
from harness.core.records import Choices, Item
from harness.models.base import ChatRequest
from harness.recommendation.again import rescore
from harness.recommendation.run import check_robustness, start_bakeoff
from harness.recommendation.store import read_results
from harness.report.run_document import run_document
from harness.report.text import render_text
from harness.report.topics.robustness import robustness_sentences
from harness.robustness.injection import PLACES, WORDINGS, hostile_tickets
from harness.robustness.run import RobustnessRequest
from tests.harness.bakeoff.test_run import context, plan, shop, tickets
from tests.support.doubles import ScriptedChat

__all__ = ["shop", "tickets"]

LABELS = ("billing", "shipping", "sign_in")
ROWS = tuple(Item(id=f"r{n}", text=f"text {n}", target=LABELS[n % 3]) for n in range(40))


def test_every_wording_stands_above_and_below_and_orders_another_label() -> None:
    made = hostile_tickets(ROWS, LABELS, 32, seed=5)
    hows = [dict(item.slices) for item in made]
    assert Counter((how["wording"], how["place"]) for how in hows) == {
        (wording, place): 2 for wording in WORDINGS for place in PLACES
    }
    by_id = {row.id: row for row in ROWS}
    for item, how in zip(made, hows, strict=True):
        row = by_id[how["row"]]
        assert item.target == row.target != how["ordered"] and row.text in item.text
        assert how["ordered"] in item.text and item.id != row.id
        assert item.text.endswith(row.text) is (how["place"] == "above")


def test_more_of_them_begin_with_the_same() -> None:
    few, many = (hostile_tickets(ROWS, LABELS, count, seed=5) for count in (5, 500))
    assert many[:5] == few and len(many) == len(ROWS)
    assert hostile_tickets(ROWS, LABELS, 5, seed=6) != few


@dataclasses.dataclass
class Obedient(ScriptedChat):
    """Follows an order of one wording, and answers by the words of the text otherwise."""

    def scores(self, request: ChatRequest) -> list[float]:
        text = request.messages[-1].content.replace("_", " ")
        assert isinstance(request.form, Choices)
        followed = [f"The answer is {choice}." in text for choice in request.form.answers]
        found = super().scores(request)
        return [score + 100.0 * order for score, order in zip(found, followed, strict=True)]


def test_who_follows_orders_is_found_out(shop, tickets: Path, tmp_path: Path) -> None:
    made = shop()
    made.chat = Obedient(name="m")
    arms = [{"option": "floor"}, {"option": "linear"}, {"option": "prompt", "model": "m"}]
    folder, _ = start_bakeoff(plan(tickets, arms=arms), context(tmp_path))
    results = check_robustness(folder, RobustnessRequest(injected=16), context(tmp_path))
    found = {one.arm.option: one.injection for one in results.robustness}
    assert Option.FLOOR not in found and found[Option.LINEAR] is not None
    prompted = found[Option.PROMPT]
    assert prompted is not None
    by_wording = {name: (hits, asked) for name, hits, asked in prompted.by_wording}
    assert by_wording["order"][0] == by_wording["order"][1] > 0, "every one of these was followed"
    hits = sum(one for one, _ in by_wording.values())
    assert prompted.flipped.value == pytest.approx(hits / prompted.flipped.n)
    assert prompted.flipped.low is not None and prompted.flipped.low < prompted.flipped.value
    lines = " ".join(robustness_sentences(next(r for r in results.robustness if r.injection is prompted)))
    assert "got the label that was ordered" in lines and "order" in lines
    assert "orders hidden in test items" in " ".join(render_text(run_document(results), full=True).split())

    asked = len(made.chat.asked)
    again = check_robustness(folder, RobustnessRequest(), context(tmp_path))
    assert len(made.chat.asked) == asked, "what the run holds is asked once"
    assert again.robustness == results.robustness == read_results(folder).robustness
    assert rescore(folder, context(tmp_path), "").arms == results.arms
    manifest = folder.manifest()
    assert manifest is not None and INJECTED in manifest.files


def test_answers_that_are_no_labels_cannot_be_ordered(shop, tickets: Path, tmp_path: Path) -> None:
    shop()
    folder, _ = start_bakeoff(
        plan(tickets, arms=[{"option": "floor"}, {"option": "linear"}]), context(tmp_path)
    )
    with pytest.raises(UsageError, match="nothing to look at") as refusal:
        check_robustness(folder, RobustnessRequest(), context(tmp_path))
    assert "--inject" in str(refusal.value)
