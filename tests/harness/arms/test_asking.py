"""How items go to a model that something is found for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from harness.arms.base import Explained, found_meanwhile
from harness.core.records import Completion, Item, ModelIdentity, Outcome, Timing

ITEMS = [Item(id=f"i{number}", text=f"text {number}", target="a") for number in range(8)]


def parts_of(identity: ModelIdentity) -> list[int]:
    """How many items were asked about at a time."""
    asked: list[int] = []

    def show(items: Sequence[Item]) -> tuple[dict[str, Explained], float]:
        return {item.id: Explained(messages=()) for item in items}, 0.0

    def ask(items: Sequence[Item], shown: Mapping[str, Explained], seconds: float) -> Iterator[Outcome]:
        asked.append(len(items))
        assert set(shown) == {item.id for item in items}
        for item in items:
            yield Completion(item_id=item.id, text="a", timing=Timing(model_s=0.0))

    model: Any = SimpleNamespace(identity=identity)
    found = [outcome.item_id for outcome in found_meanwhile(model, ITEMS, show, ask)]
    assert found == [item.id for item in ITEMS]
    return asked


def test_a_served_model_is_asked_in_parts_and_a_batch_is_handed_in_whole(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("harness.arms.base._AT_ONCE", 3)
    batch = (("processing", "batch"),)
    assert parts_of(ModelIdentity(id="m", location="remote")) == [3, 3, 2]
    assert parts_of(ModelIdentity(id="m", location="remote", decides=batch)) == [8]
    assert parts_of(ModelIdentity(id="m", location="local")) == [8]
