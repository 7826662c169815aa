"""How items go to a model that something is found for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from advisor.options import Option
from harness.arms.base import Explained, FindingArm
from harness.core.records import ArmId, Completion, Item, ModelIdentity, Neighbour, Outcome, Timing

ITEMS = [Item(id=f"i{number}", text=f"text {number}", target="a") for number in range(8)]


class Counting(FindingArm[int]):
    """Finds nothing, and counts how many items are asked about at a time."""

    def __init__(self, identity: ModelIdentity) -> None:
        model: Any = SimpleNamespace(identity=identity)
        task: Any = SimpleNamespace(form=lambda: None)
        super().__init__(ArmId(option=Option.RETRIEVE, model="m"), model, task)
        self.asked: list[int] = []

    def _found(self, items: Sequence[Item]) -> list[tuple[Neighbour, ...]]:
        return [()] * len(items)

    def _shown(self, item: Item, nearest_first: Sequence[Neighbour]) -> Explained:
        return Explained(messages=())

    def _use(self, way: int, dev: Sequence[Item]) -> None: ...

    def _ask(
        self, items: Sequence[Item], shown: Mapping[str, Explained], seconds: float
    ) -> Iterator[Outcome]:
        self.asked.append(len(items))
        assert set(shown) == {item.id for item in items}
        for item in items:
            yield Completion(item_id=item.id, text="a", timing=Timing(model_s=0.0))


def parts_of(identity: ModelIdentity) -> list[int]:
    """How many items were asked about at a time."""
    arm = Counting(identity)
    assert [outcome.item_id for outcome in arm.predict(ITEMS)] == [item.id for item in ITEMS]
    return arm.asked


def test_a_served_model_is_asked_in_parts_and_a_batch_is_handed_in_whole(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("harness.arms.base._AT_ONCE", 3)
    batch = (("processing", "batch"),)
    assert parts_of(ModelIdentity(id="m", location="remote")) == [3, 3, 2]
    assert parts_of(ModelIdentity(id="m", location="remote", decides=batch)) == [8]
    assert parts_of(ModelIdentity(id="m", location="local")) == [8]
