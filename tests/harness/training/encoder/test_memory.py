"""Memory of an encoder's training: against sums made by hand, and the mildest way out."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch

from advisor.base_models.vram import GIB
from harness.core.errors import TrainingError
from harness.training.encoder import session as room
from harness.training.encoder.session import encoder_memory, require_room_to_open, require_room_to_train
from harness.training.encoder.trainings import LabelJob, LabelSession, train_encoder
from tests.support.tiny_encoder import tiny_base, tiny_recipe


class Layer(torch.nn.Module):
    """Of 10 to 30 and back, with one norm."""

    def __init__(self) -> None:
        super().__init__()
        self.up, self.down = torch.nn.Linear(10, 30), torch.nn.Linear(30, 10)
        self.norm = torch.nn.LayerNorm(10)


LAYERS = [Layer(), Layer(), Layer()]
RECIPE = tiny_recipe(batch_size=32, max_tokens=100)


def test_every_part_is_the_sum_made_by_hand() -> None:
    needed = encoder_memory(LAYERS, 5000, RECIPE, heads=2)
    a_token = 2 * (10 + 30) * 4 + 10 * 8 + 2 * 100 * (4 + 4 + 4 + 1)
    assert needed.states * GIB == pytest.approx(5000 * 12)
    assert needed.activations * GIB == pytest.approx(32 * 100 * 3 * a_token)
    assert needed.total == pytest.approx(needed.states + needed.activations) and needed.weights == 0


def test_layers_that_are_not_trained_keep_nothing_and_16_bits_keep_less() -> None:
    whole = encoder_memory(LAYERS, 1, RECIPE, heads=2).activations
    upper = encoder_memory(LAYERS, 1, dataclasses.replace(RECIPE, tuned_layers=1), heads=2).activations
    half = encoder_memory(LAYERS, 1, dataclasses.replace(RECIPE, precision="bf16"), heads=2).activations
    assert upper == pytest.approx(whole / 3) and whole / 2 < half < whole


@pytest.mark.parametrize(
    ("share", "trained", "way"),
    [
        (0.7, 1, "encoder.batch_size: 16"),
        (0.2, 1, "encoder.batch_size: 4"),
        (0.5, 10**8, "encoder.batch_size: 4, encoder.method: lora"),
        (0.0, 1, "smaller encoder"),
    ],
)
def test_what_cannot_fit_is_refused_with_the_mildest_change_that_does(
    share: float, trained: int, way: str
) -> None:
    total = encoder_memory(LAYERS, trained, RECIPE, heads=2).total
    with pytest.raises(TrainingError, match="does not fit") as error:
        require_room_to_train((LAYERS, trained, 2), RECIPE, share * total)
    assert way in str(error.value.run)
    require_room_to_train((LAYERS, trained, 2), RECIPE, total)
    require_room_to_train((LAYERS, trained, 2), RECIPE, None)


def test_weights_that_do_not_fit_are_not_opened() -> None:
    with pytest.raises(TrainingError, match="smaller encoder"):
        require_room_to_open(tiny_base(), 1e-9)
    require_room_to_open(tiny_base(), None)


def test_a_training_asks_before_its_first_step(monkeypatch: pytest.MonkeyPatch) -> None:
    job = LabelJob(
        base=Path(tiny_base()), texts=("a", "b"), targets=(0, 1), labels=("x", "y"), recipe=RECIPE, threads=1
    )
    free = iter([1.0, 1e-6])
    monkeypatch.setattr(room, "free_gib", lambda device: next(free))
    monkeypatch.setattr(LabelSession, "run", lambda self, say: pytest.fail("it began"))
    with pytest.raises(TrainingError, match="does not fit"):
        train_encoder(job, lambda line: None)
