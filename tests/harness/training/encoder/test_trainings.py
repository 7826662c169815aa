"""Training an encoder: it learns, tricks change no result, and a kill costs an epoch at most."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.core.errors import TrainingError
from harness.training.encoder import session as room
from harness.training.encoder.session import layers_of, rate_at
from harness.training.encoder.trainings import LabelJob, LabelSession, contrast, fit_head, train_encoder
from tests.support.tickets import LABELS, evalset
from tests.support.tiny_encoder import tiny_base, tiny_recipe

ROWS = evalset()
NAMES = tuple(label.name for label in LABELS)


def job(work: Path | None = None, **changes: Any) -> LabelJob:
    return LabelJob(
        base=tiny_base(),
        texts=tuple(item.text for item in ROWS.train),
        targets=tuple(NAMES.index(item.label) for item in ROWS.train),
        labels=NAMES,
        recipe=tiny_recipe(**changes),
        work=work,
        threads=1,
    )


def scores(trained: Any) -> Any:
    return trained.model.scores([item.text for item in ROWS.test])


def silent(line: str) -> None:
    """Says nothing."""


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"tuned": "lora", "rank": 4, "learning_rate": 1e-2},
        {"warm_up_pairs": 2},
        {"tuned_layers": 1},
        {"precision": "bf16"},
        {"head_first": True},
        {"head_first": True, "warm_up_pairs": 2},
    ],
    ids=str,
)
def test_every_recipe_learns_the_words_that_give_a_label_away(changes: dict[str, Any]) -> None:
    trained = train_encoder(job(**changes), silent)
    winners = scores(trained).argmax(axis=1)
    right = np.mean([NAMES[w] == item.label for w, item in zip(winners, ROWS.test, strict=True)])
    assert right > 0.85 and trained.curve[-1][1] < trained.curve[-2 if len(trained.curve) > 1 else 0][1] + 0.5


def test_the_same_seed_gives_the_same_weights_and_another_seed_others() -> None:
    one, same, other = (scores(train_encoder(job(seed=seed, epochs=2), silent)) for seed in (1, 1, 2))
    assert (one == same).all() and not np.allclose(one, other, atol=1e-3)


def test_holding_only_the_words_seen_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    few = scores(train_encoder(job(epochs=2), silent))
    monkeypatch.setattr(room, "_hold_words_seen", lambda encoder, rows: None)
    assert scores(train_encoder(job(epochs=2), silent)) == pytest.approx(few, abs=1e-4)


def test_words_never_seen_keep_their_vectors() -> None:
    from harness.models.local.encoder import open_encoder

    before, tokenizer = open_encoder(tiny_base())
    after = train_encoder(job(epochs=1), silent).model.encoder.get_input_embeddings().weight
    unseen, seen = tokenizer.convert_tokens_to_ids(["请求", "parcel"])
    assert (after[unseen] == before.get_input_embeddings().weight[unseen]).all()
    assert not (after[seen] == before.get_input_embeddings().weight[seen]).all()


@pytest.mark.parametrize(
    "changes",
    [{}, {"tuned": "lora", "rank": 4}, {"warm_up_pairs": 1}, {"warm_up_pairs": 1, "head_first": True}],
    ids=str,
)
def test_a_training_killed_in_an_epoch_ends_as_if_it_never_was(
    changes: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = train_encoder(job(epochs=3, **changes), silent)
    monkeypatch.setattr(room, "_EVERY_S", -1.0)  # a checkpoint after every epoch
    stopped = LabelSession(job(tmp_path, epochs=3, **changes))
    stopped.run(silent, most_steps=7)  # in the second epoch of five steps
    assert len(list(tmp_path.glob("epoch-*.safetensors"))) == 1
    kept = json.loads((tmp_path / "epoch.json").read_text())
    (tmp_path / "epoch.json").write_text(json.dumps(kept | {"seconds": 1000}))
    resumed = train_encoder(job(tmp_path, epochs=3, **changes), silent)
    assert (scores(resumed) == scores(whole)).all()
    assert resumed.curve == whole.curve and resumed.tokens == whole.tokens
    assert kept["seconds"] > 0 and resumed.seconds > 1000, "the seconds of all starts"


@pytest.mark.parametrize("damage", ["json", "weights"])
def test_a_damaged_checkpoint_begins_again(
    damage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "_EVERY_S", -1.0)
    LabelSession(job(tmp_path, epochs=2)).run(silent, most_steps=7)
    broken = tmp_path / ("epoch.json" if damage == "json" else "epoch-1.safetensors")
    broken.write_bytes(broken.read_bytes()[:10])
    found = train_encoder(job(tmp_path, epochs=2), silent)
    assert (scores(found) == scores(train_encoder(job(epochs=2), silent))).all()


def test_a_training_that_diverges_is_stopped() -> None:
    session = LabelSession(job())
    session.opened.head.weight.data.fill_(float("inf"))
    with pytest.raises(TrainingError, match="diverged"):
        session.run(silent)


@pytest.mark.parametrize("fault", [MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory")])
def test_too_little_memory_is_told_with_a_way_out(fault: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: LabelSession, *args: object, **kwargs: object) -> None:
        raise fault

    monkeypatch.setattr(LabelSession, "run", fail)
    with pytest.raises(TrainingError, match="memory") as error:
        train_encoder(job(), silent)
    assert "encoder.batch_size" in str(error.value.run)


def test_batches_hold_every_row_once_in_another_order_each_epoch() -> None:
    session = LabelSession(job(warm_up_pairs=1))
    epochs = [[row for batch in session._batches(number) for row in batch] for number in range(3)]
    assert all(Counter(rows) == Counter(range(len(ROWS.train))) for rows in epochs)
    assert epochs[1] != epochs[2]


def test_the_rate_rises_and_falls_to_zero() -> None:
    rates = [rate_at(step, 100) for step in range(100)]
    assert rates[9] == max(rates) == 1.0 and rates[0] == 0.1 and 0 < rates[-1] < 0.02
    assert rate_at(0, 1) == 1.0


def test_contrast_is_least_where_rows_of_a_label_lie_together() -> None:
    import torch

    targets = torch.tensor([0, 0, 1, 1])
    together = torch.tensor([[1.0, 0.0], [1.0, 0.1], [0.0, 1.0], [0.1, 1.0]])
    assert contrast(together, targets) < contrast(together[[0, 2, 1, 3]], targets)
    assert float(contrast(together, torch.arange(4))) == 0.0, "without pairs there is nothing to learn"


def test_a_fitted_head_begins_with_a_lower_loss_than_one_at_random() -> None:
    first = [train_encoder(job(epochs=1, head_first=choice), silent).curve[0][1] for choice in (True, False)]
    assert first[0] < first[1]


def test_a_head_is_fitted_alike_whatever_the_length_of_the_vectors() -> None:
    import torch

    torch.manual_seed(1)
    vectors = torch.randn(40, 6)
    targets = [row % 4 for row in range(40)]
    vectors[range(40), targets] += 3.0
    scores = []
    for factor in (1.0, 50.0):
        head = torch.nn.Linear(6, 5)
        fit_head(head, factor * vectors, targets, 0.1)
        scores.append(head(factor * vectors).detach())
    assert (scores[0].argmax(dim=1) == torch.tensor(targets)).float().mean() > 0.9, "a label without rows too"
    assert torch.allclose(scores[0], scores[1], atol=1e-2)


def test_layers_are_found_whatever_they_are_called() -> None:
    from harness.models.local.encoder import open_encoder

    assert len(layers_of(open_encoder(tiny_base())[0])) == 2


def test_one_row_a_label_and_labels_in_any_script_train() -> None:
    labels = tuple(f"метка {number} 税" for number in range(40))
    base = dataclasses.replace(job(epochs=1), labels=labels, texts=tuple(labels), targets=tuple(range(40)))
    assert train_encoder(base, silent).model.scores(["x"]).shape == (1, 40)
