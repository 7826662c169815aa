"""An encoder that reads fields: it learns, keeps what it learnt, and says what it cannot learn."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from advisor.options import Option, TaskKind
from harness.arms.base import KEPT, Material
from harness.arms.encoder import TaggerArm
from harness.core.artefacts import TaggerArtefact
from harness.core.errors import DataError
from harness.core.records import AnswerSpace, ArmId, Completion, Item
from harness.tasks.extraction import ExtractionTask
from harness.tasks.kinds import task_of
from harness.tasks.records import PromptLimits
from harness.training.encoder.artefact import open_kept, open_reader, read_encoder
from tests.support.tiny_encoder import tiny_recipe, tiny_settings

SCHEMA = {
    "properties": {
        "thing": {"type": "string"},
        "level": {"type": "string", "enum": ["low", "high"]},
        "paid": {"type": "boolean"},
    }
}
THINGS = ["parcel", "password", "courier", "invoice", "bill", "login"]


def row(n: int, name: str) -> Item:
    thing = THINGS[n % len(THINGS)]
    late, paid = n % 2 == 0, n % 3 == 0
    text = f"the {thing} {'never comes' if late else 'is late'} {'charged' if paid else 'please'}"
    target: dict[str, Any] = {"thing": thing, "level": "high" if late else "low"}
    return Item(id=f"{name}-{n}", text=text, target=target | ({"paid": True} if paid else {}))


def task() -> ExtractionTask:
    found = task_of(AnswerSpace(kind=TaskKind.EXTRACTION, schema=SCHEMA), PromptLimits())
    assert isinstance(found, ExtractionTask)
    return found


TRAIN, DEV, TEST = (tuple(row(n, name) for n in range(48)) for name in ("train", "dev", "test"))
RECIPE = tiny_recipe(epochs=20, smoothing=0.0)


def material(train: tuple[Item, ...] = TRAIN, dev: tuple[Item, ...] = DEV[:12]) -> Material:
    return Material(task=task(), train=train, dev=dev, say=lambda line: None)


def arm(keep_in: Path | None = None) -> TaggerArm:
    name = ArmId(option=Option.ENCODER, model="tiny")
    return TaggerArm(name, tiny_settings(keep_in, RECIPE), task().fields)


def answers(found: TaggerArm) -> list[str]:
    return [outcome.text for outcome in found.predict(TEST[:12]) if isinstance(outcome, Completion)]


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> tuple[TaggerArm, Any, Path]:
    home = tmp_path_factory.mktemp("tagger") / "kept"
    found = arm(home)
    return found, found.fit(material(), None), home


def test_it_reads_what_stands_in_a_text_and_what_is_chosen(kept: tuple[TaggerArm, Any, Path]) -> None:
    right = [json.loads(text) == item.target for text, item in zip(answers(kept[0]), TEST, strict=False)]
    assert sum(right) >= 11, "a few words give everything away"


def test_one_item_alone_is_answered_as_among_others(kept: tuple[TaggerArm, Any, Path]) -> None:
    one = kept[0].predict_one(TEST[3])
    assert isinstance(one, Completion) and one.text == answers(kept[0])[3]
    assert one.choice_logprobs is None, "it says nothing of an answer as a whole"


def test_it_says_how_much_of_the_rows_it_can_learn(kept: tuple[TaggerArm, Any, Path]) -> None:
    """Two values in each of 48 rows, and a third in every third."""
    assert kept[1].notes[0].startswith("Of 112 values that the training rows state, 112 stand")


def test_what_is_kept_is_taken_again_and_answers_the_same(kept: tuple[TaggerArm, Any, Path]) -> None:
    first, fitted, home = kept
    record = read_encoder(home)
    assert isinstance(record, TaggerArtefact) and record.train_rows == 48
    assert record.fields == task().fields.json_schema()
    again = arm(home)
    assert again.fit(material(), fitted) is fitted and answers(again) == answers(first)
    assert open_reader(home).answers([TEST[0].text]) == answers(first)[:1]
    assert KEPT in fitted.choices
    with pytest.raises(Exception, match="reads fields and gives no labels"):
        open_kept(home)


def test_rows_that_teach_nothing_are_refused_with_what_can_be_done() -> None:
    rows = tuple(Item(id=str(n), text="nothing here", target={"thing": "a lamp"}) for n in range(4))
    with pytest.raises(DataError, match="nothing to learn") as error:
        arm().fit(material(train=rows), None)
    assert "prompt, retrieve and tune" in str(error.value.allowed)


def test_without_dev_rows_the_middle_is_taken() -> None:
    fitted = arm().fit(material(train=TRAIN[:8], dev=()), None)
    assert (fitted.choices["tag from"], fitted.choices["pick from"]) == (0.5, 0.5)


@pytest.mark.parametrize("text", ["", " ", "x" * 100_000, "the parcel " * 10_000, "\u202e\x00 😀 {{}}"])
def test_odd_texts_are_answered_within_the_schema(text: str, kept: tuple[TaggerArm, Any, Path]) -> None:
    found = kept[0].predict_one(Item(id="odd", text=text, target={}))
    assert isinstance(found, Completion) and set(json.loads(found.text)) <= {"thing", "level", "paid"}
