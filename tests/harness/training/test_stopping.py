"""Early stopping and watching: the best epoch's weights are kept, and looking on changes nothing."""

import pytest

from harness.core.errors import TrainingError
from harness.core.records import Choices, EpochNote
from harness.training import watching as stopping
from harness.training.watching import DevWatch, best_note, drawn, stops
from tests.harness.training.samples import conversations


def notes(*losses):
    return [EpochNote(epoch=n, step=10 * n, dev_loss=loss) for n, loss in enumerate(losses, 1)]


def test_the_best_epoch_is_the_lowest_and_the_first_of_equals():
    assert best_note(notes(2.0, 1.0, 1.0, 3.0)).step == 20
    assert best_note(notes(None, 1.5)).step == 20
    assert best_note(notes(None, None)) is None and best_note([]) is None


@pytest.mark.parametrize(
    ("losses", "patience", "stop"),
    [
        ((2.0,), 1, False),
        ((2.0, 1.9), 1, False),
        ((2.0, 2.0), 1, True),  # an equal loss is no lower one
        ((2.0, 2.1), 2, False),
        ((2.0, 2.1, 2.2), 2, True),
        ((2.0, 2.1, 1.0), 2, False),
        ((2.0, 3.0, 4.0), None, False),
        ((None, None, None), 1, False),
    ],
)
def test_when_training_stops(losses, patience, stop):
    assert stops(notes(*losses), patience) is stop


def test_rows_are_drawn_evenly():
    assert drawn([*"abcdefghij"], 3) == ["b", "f", "i"]  # the middles of three equal parts
    assert drawn([*"ab"], 3) == ["a", "b"]


def crossed(copies=1):
    """Dev rows whose answers are another label's: the better the model learns, the higher their loss."""
    rows = conversations(copies)
    return [
        type(row)(item_id=row.item_id, prompt=row.prompt, completion=other.completion)
        for row, other in zip(rows, rows[1:] + rows[:1], strict=True)
    ]


def weights(tuner):
    return (tuner.settings.artefacts / tuner.settings.name / "adapter_model.safetensors").read_bytes()


def dev_loss(tuner, rows):
    """Nats per answer token of the stored adapter, by PEFT and plain passes: a second implementation."""
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from harness.models.local.rendering import Renderer
    from harness.models.local.tree_scoring import PlainScorer

    base = tuner.settings.base
    renderer = Renderer(AutoTokenizer.from_pretrained(base))
    model = AutoModelForCausalLM.from_pretrained(base)
    scorer = PlainScorer(PeftModel.from_pretrained(model, tuner.settings.artefacts / tuner.settings.name))
    total = tokens = 0
    for row in rows:
        answer = renderer.completion_ids(row.completion)
        total -= float(scorer.score(renderer.prompt_ids(row.prompt), [answer])[0])
        tokens += len(answer)
    return total / tokens


@pytest.mark.models
def test_training_stops_early_and_keeps_the_best_epoch(tuner):
    lines = []
    stopping_early = tuner(epochs=12.0, learning_rate=5e-2, patience=2)
    artefact = stopping_early.tune(conversations(), crossed(), lines.append)
    best = best_note(artefact.epochs)
    assert artefact.steps == 3 * len(artefact.epochs) < 36  # 12 rows in batches of 4
    assert artefact.kept_step == best.step == artefact.epochs[-3].step
    assert artefact.train_tokens * 12 == pytest.approx(
        tuner(run="all", epochs=12.0, learning_rate=5e-2).tune(conversations(), (), lines.append).train_tokens
        * len(artefact.epochs)
    )
    assert any("stopping early" in line for line in lines)
    assert dev_loss(stopping_early, crossed()) == pytest.approx(best.dev_loss, rel=1e-4)


class Killed(BaseException):
    pass


@pytest.mark.models
@pytest.mark.parametrize("moment", ["before-note", "after-note", "before-publish"])
def test_a_killed_early_stopping_goes_on_to_the_same_end(tuner, monkeypatch, moment):
    """Stopped at the worst moments: a checkpoint without its note, a note without its checkpoint, the end."""
    from harness.training import trl_trainer

    whole = tuner(run="whole", epochs=12.0, learning_rate=5e-2, patience=2)
    reference = whole.tune(conversations(), crossed(), [].append)
    last = reference.epochs[-1].step
    real = stopping.Epochs.add

    def add(self, note, save):
        if moment == "before-note" and note.step == last:
            raise Killed
        stop = real(self, note, save)
        if moment == "after-note" and note.step == last - 3:
            raise Killed
        return stop

    def kill(*_):
        raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(stopping.Epochs, "add", add)
        if moment == "before-publish":
            patch.setattr(trl_trainer, "publish", kill)
        tuner(run="killed", epochs=12.0, learning_rate=5e-2, patience=2).tune(
            conversations(), crossed(), [].append
        )
    went_on = tuner(run="killed", epochs=12.0, learning_rate=5e-2, patience=2)
    artefact = went_on.tune(conversations(), crossed(), [].append)
    assert weights(went_on) == weights(whole)
    assert (artefact.epochs, artefact.steps, artefact.kept_step, artefact.curve) == (
        reference.epochs,
        reference.steps,
        reference.kept_step,
        reference.curve,
    )


@pytest.mark.models
def test_a_training_killed_after_its_last_checkpoint_is_not_trained_further(tuner, monkeypatch):
    from harness.training import trl_trainer

    whole = tuner(run="whole", epochs=2.5)
    reference = whole.tune(conversations(2), conversations(), [].append)

    def kill(*_):
        raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(trl_trainer, "publish", kill)
        tuner(run="killed", epochs=2.5).tune(conversations(2), conversations(), [].append)
    went_on = tuner(run="killed", epochs=2.5)
    artefact = went_on.tune(conversations(2), conversations(), [].append)
    assert weights(went_on) == weights(whole)
    assert (artefact.steps, artefact.curve) == (reference.steps, reference.curve)


@pytest.mark.models
def test_watching_tells_answers_and_changes_no_byte(tuner):
    rows = conversations()
    told = []
    watch = DevWatch(
        choices=tuple(sorted({r.completion for r in rows})), items=8, samples=2, tell=told.append
    )
    alone, watched = tuner(run="alone", epochs=4.0), tuner(run="watched", epochs=4.0)
    alone.tune(rows, rows, [].append)
    import dataclasses

    watched.settings = dataclasses.replace(watched.settings, watch=watch)
    artefact = watched.tune(rows, rows, [].append)
    assert weights(alone) == weights(watched)
    assert watched.config == alone.config
    assert [note.dev_items for note in artefact.epochs] == [8] * 4
    epochs = [line for line in told if line.startswith("after epoch")]
    assert len(epochs) == 4 and f"{artefact.epochs[-1].dev_correct} of 8 dev items right" in epochs[-1]
    samples = [line for line in told if "->" in line]
    assert len(samples) == 8 and all("right" in line or "wrong, it is" in line for line in samples)


@pytest.mark.models
def test_the_watched_accuracy_is_that_of_the_artefact(tuner):
    """After the last epoch the live model and the merged artefact give the same answers."""
    import dataclasses

    from harness.models.base import ChatRequest

    rows = conversations()
    choices = tuple(sorted({r.completion for r in rows}))
    trained = tuner(epochs=10.0, tuned_layers=4, rank=16, alpha=32)
    watch = DevWatch(choices=choices, items=12, samples=0, tell=[].append)
    trained.settings = dataclasses.replace(trained.settings, watch=watch)
    artefact = trained.tune(rows, rows, [].append)
    model = trained.open(artefact)
    asked = [ChatRequest(item_id=r.item_id, messages=r.prompt, form=Choices(answers=choices)) for r in rows]
    answers = {reply.item_id: reply.text for reply in model.answer(asked)}
    assert artefact.epochs[-1].dev_correct == sum(answers[r.item_id] == r.completion for r in rows)


@pytest.mark.models
def test_a_dev_loss_that_is_no_number_stops(tuner, monkeypatch):
    from harness.training.trl_trainer import Session

    monkeypatch.setattr(Session, "_dev_loss", lambda self: float("nan"))
    with pytest.raises(TrainingError, match="diverged"):
        tuner().tune(conversations(), conversations(), [].append)
