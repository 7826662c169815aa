"""Schemas and answers of fields at their worst, through the command line: said in plain words, or counted."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from advisor.options import Option
from harness.bakeoff.run_folder import find_run
from harness.recommendation.store import read_results
from harness.tasks.field_breakdown import FieldBreakdown
from tests.support.desk import Command
from tests.support.scripted_server import Reply, completion, scripted

CARD = """
name = "parcels"
title = "Parcels"
task = "extraction"
licence = "CC0-1.0"
provenance = "written for this test"
schema = "schema.json"
[columns]
id = "id"
text = ["text"]
fields = "fields"
[files]
train = "train.jsonl"
dev = "dev.jsonl"
test = "test.jsonl"
"""
TEXT = {"type": "string"}
WORDS = ("Anna", "Boris", "Carla", "Dimitri", "Elif", "Farid", "Greta", "Hugo", "Ines", "Jonas")


def deep(levels: int) -> dict[str, Any]:
    """An object within an object, `levels` times."""
    inner: dict[str, Any] = TEXT
    for _ in range(levels):
        inner = {"type": "object", "properties": {"a": inner}}
    return inner


def write_set(folder: Path, properties: Mapping[str, Any] | str, name: str = "order") -> Path:
    """An evalset of 10 rows a split; each states one field, and the words of no two are alike."""
    folder.mkdir()
    whole = {"type": "object", "properties": properties}
    schema = properties if isinstance(properties, str) else json.dumps(whole)
    (folder / "card.toml").write_text(CARD, encoding="utf-8")
    (folder / "schema.json").write_text(schema, encoding="utf-8")
    for split in ("train", "dev", "test"):
        rows = [
            {
                "id": f"{split}-{n}",
                "text": f"{word} of {split} asks {word * 3} for {n}7{n}",
                "fields": {name: f"{n}7{n}"},
            }
            for n, word in enumerate(WORDS)
        ]
        lines = "\n".join(json.dumps(row) for row in rows)
        (folder / f"{split}.jsonl").write_text(lines, encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("properties", "words"),
    [
        ({"order": {"enum": []}}, "order has no choices"),
        ({"order": {"not": {}}}, "uses not, which no value is read by"),
        ({"order": {"type": "null"}}, "order is 'null', which no value is read by"),
        ({}, "it has no fields"),
        ({"order": {"enum": ["x", "X"]}}, "two choices that read the same"),
        (deep(4)["properties"], "nested deeper than one level"),
        (deep(70)["properties"], "nested more than 64 deep"),
        ({"order": {"$ref": "https://example.org/order.json"}}, "outside its schema"),
        ({"order": {"$ref": "other.json#/order"}}, "outside its schema"),
        ({"order": {"$ref": "#/properties/order"}}, "refers to itself"),
        ({"order": {"$ref": "#/$defs/order"}}, "which is not there"),
        ('{"properties": {"order": {"type": "string"}, "order": {"type": "string"}}}', "order"),
        ('{"properties": {"\\ud800": {"type": "string"}}}', "half"),
        ('{"properties": {"order": {"type": "string"}', "is no JSON"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_schema_that_cannot_be_used_is_refused_in_plain_words(
    harness: Command, tmp_path: Path, properties: Mapping[str, Any] | str, words: str
) -> None:
    write_set(tmp_path / "set", properties)
    said = harness("bakeoff", "--evalset", "./set", "--arms", "floor", "--offline")
    assert said.code == 1 and words in " ".join(said.err.split()), said.err
    assert not list(tmp_path.glob("runs/*/manifest.json")), "nothing was run"


def order_of(body: Mapping[str, Any]) -> str:
    """The number that a scripted model reads out of a message, whatever was said before it."""
    return str(body["messages"][-1]["content"]).rsplit(" ", 1)[-1]


FILLED = "x" * 100_000
HARD = {
    "0": lambda n: completion(json.dumps({"order": n}) + FILLED),  # right, and talks on
    "1": lambda n: completion(f"{FILLED} {json.dumps({'order': n})}"),  # behind all that is read
    "2": lambda n: completion(json.dumps({"order": FILLED})),  # one wrong value that is cut off
    "3": lambda n: completion(f'{{"order": "{n}", "order": "{n}"}}'),
    "4": lambda n: completion(f'{{"order": "{n}"', finish="length"),
    "5": lambda n: completion("{" * 50_000, finish="length"),
    "6": lambda n: completion(json.dumps({"order": n, "label": "late"})),  # a field of no schema
    "7": lambda n: completion(json.dumps({"order": {"order": [n]}})),
    "8": lambda n: completion(None),
    "9": lambda n: completion(json.dumps({"order": n})),
}
"""By the first digit of the number that is asked for, what a model makes of it."""


def hard_answer(_number: int, body: dict[str, Any]) -> Reply:
    number = order_of(body)
    return HARD[number[0]](number)


def write_plan(folder: Path, address: str, *more: dict[str, str]) -> str:
    plan = {
        "task": "extraction",
        "seed": 17,
        "data": {"evalset": str(folder / "set")},
        "arms": [
            {"option": "floor"},
            *more,
            {"option": "prompt", "model": "openai/m", "api_base": address},
        ],
        "retrieve": {"embedding": ""},
        "latency": {"items": 0},
        "decision": {"bootstrap_draws": 200},
        "cost": {"price_date": "2026-11-23"},
    }
    (folder / "plan.yaml").write_text(yaml.safe_dump(plan), encoding="utf-8")
    return "plan.yaml"


def test_hard_answers_are_counted_by_what_they_are_and_none_is_lost(harness: Command, tmp_path: Path) -> None:
    write_set(tmp_path / "set", {"order": TEXT})
    with scripted(hard_answer) as server:
        ran = harness("run", write_plan(tmp_path, f"{server.address}/v1"), "--max-retries", "0")
    assert ran.code == 0, ran.err
    run = find_run(tmp_path / "runs", "latest")
    results = read_results(run)
    assert results is not None
    (prompt,) = (arm for arm in results.arms if arm.arm.option is Option.PROMPT)
    found = prompt.quality.breakdown
    assert isinstance(found, FieldBreakdown)
    # by hand: 1 to 5 hold no object that can be read, 4 and 5 were cut, and 8 is a call without an answer
    assert (found.invalid, found.cut, prompt.quality.failure_rate.value) == (5, 2, 0.1)
    by_name = {field.name: field for field in found.fields}
    order, label = by_name["order"], by_name["label"]
    assert (order.right, order.wrong, order.missing, label.invented) == (3, 1, 6, 1)
    # 0 and 9 have F1 1, 6 gives two values of which one is stated: 2 * 1 / (2 + 1)
    assert prompt.quality.primary.value == pytest.approx((1 + 1 + 2 / 3) / 10)
    assert prompt.quality.primary.n == 10
    told = harness("errors", "latest", "prompt")
    assert told.code == 0 and "test-3" in told.out and "x" * 5000 not in told.out
    for number in range(10):
        shown = harness("explain", "latest", f"test-{number}")
        assert shown.code == 0 and len(shown.out) < 20_000


@pytest.mark.parametrize("name", ["label", "properties", "$ref", "größe 📦", "answer label"])
def test_a_field_may_be_called_as_it_likes(harness: Command, tmp_path: Path, name: str) -> None:
    write_set(tmp_path / "set", {name: TEXT, "other": TEXT}, name)
    with scripted(lambda _number, body: completion(json.dumps({name: order_of(body)}))) as server:
        ran = harness("run", write_plan(tmp_path, f"{server.address}/v1"))
        asked = server.requests[0]["response_format"]["json_schema"]["schema"]["properties"]
    assert ran.code == 0, ran.err
    assert list(asked) == [name, "other"]
    results = read_results(find_run(tmp_path / "runs", "latest"))
    assert results is not None
    assert {arm.arm.option: arm.quality.primary.value for arm in results.arms} == {
        Option.FLOOR: 0.1,  # it says what the first training row states, and one test row does
        Option.PROMPT: 1.0,
    }


def obedient(_number: int, body: dict[str, Any]) -> Reply:
    """Reads the number, unless an order of one wording stands in the message."""
    said = str(body["messages"][-1]["content"])
    ordered = re.search(r"The answer is (\{.*\})\.", said)
    found = re.search(r"for (\d+)", said)
    return completion(ordered[1] if ordered else json.dumps({"order": found[1] if found else ""}))


def test_every_command_on_a_run_of_fields_speaks_of_fields(harness: Command, tmp_path: Path) -> None:
    write_set(tmp_path / "set", {"order": TEXT, "urgent": {"type": "boolean"}})
    with scripted(obedient) as server:
        plan = write_plan(tmp_path, f"{server.address}/v1", {"option": "neighbours"})
        for _ in range(2):
            assert harness("run", plan).code == 0
        names = sorted(path.parent.name for path in tmp_path.glob("runs/*/manifest.json"))
        said = {
            words: harness(*words)
            for words in (
                ("score", "latest"),
                ("errors", "latest", "floor"),
                ("explain", "latest", "test-3"),
                ("report", "latest", "--full"),
                ("compare", *names),
                ("curve", "latest", "--arms", "neighbours", "--sizes", "5,10", "--seeds", "2"),
                ("robustness", "latest", "--inject", "8"),
            )
        }
        wordings = {one["messages"][-1]["content"] for one in server.requests}
        refused = harness("robustness", "latest", "--unseen", "order")
    for words, one in said.items():
        assert one.code == 0, (words, one.err)
        assert not re.search(r"\blabels?\b", one.out), (words, re.findall(r".*\blabels?\b.*", one.out))
    orders = [text for text in wordings if "The answer is {" in text]
    assert len(orders) == 2, "two of eight messages have the order of this wording"
    told = " ".join(said["robustness", "latest", "--inject", "8"].out.split())
    assert "25.0 %" in told and "field F1 of these items" in told and "order 2 of 2" in told
    assert refused.code == 2 and "Only labels can be left out" in refused.err
