"""Training twice gives the same bytes, a stopped training goes on to the same end."""

import dataclasses
import json
import math
import shutil
import sys
from pathlib import Path

import pytest

from harness.core.errors import MissingExtra, StoreError, TrainingError
from harness.core.records import Choices
from harness.models.base import ChatRequest
from harness.models.settings import ModelSettings
from harness.training.progress import check
from harness.training.tuned_model import conversations_digest, folder_digest
from tests.harness.training.samples import conversations

pytestmark = pytest.mark.models


def _quietly(lines=None):
    return (lines if lines is not None else []).append


def _weights(tuner):
    return (tuner.settings.artefacts / tuner.settings.name / "adapter_model.safetensors").read_bytes()


@pytest.fixture(scope="module")
def whole(make_tuner, tmp_path_factory):
    """A training of 24 rows that nothing stops, its artefact with it: three epochs of six steps."""
    done = make_tuner(tmp_path_factory.mktemp("whole"))
    return done, done.tune(conversations(2), conversations(), _quietly())


@pytest.fixture(scope="module")
def short(make_tuner, tmp_path_factory):
    """A training of 12 rows, its artefact with it: three epochs of three steps."""
    done = make_tuner(tmp_path_factory.mktemp("short"))
    return done, done.tune(conversations(), (), _quietly())


@pytest.fixture
def trained_here(short, tuner):
    """The short training in a run folder of this test, and its artefact."""
    done, artefact = short
    copy = tuner()
    shutil.copytree(done.settings.artefacts, copy.settings.artefacts, dirs_exist_ok=True)
    return copy, artefact


def test_two_trainings_give_the_same_bytes(tuner, whole):
    first, one = whole
    second = tuner(run="b")
    two = second.tune(conversations(2), conversations(), _quietly())
    assert _weights(first) == _weights(second)
    assert one.digest == two.digest
    assert one.curve == two.curve
    other = tuner(run="c", seed=12).tune(conversations(2), (), _quietly())
    assert other.digest != one.digest


def test_the_artefact_says_what_was_done(short):
    trained, artefact = short
    assert artefact.path == "artefacts/tune"
    assert artefact.kind == "adapter"
    assert artefact.steps == 9  # 12 rows in batches of 4, three epochs
    assert artefact.train_rows == 12
    assert artefact.data_digest == conversations_digest(conversations())
    assert artefact.digest == folder_digest(trained.settings.artefacts / "tune")
    assert artefact.train_tokens % 3 == 0 and artefact.train_s > 0
    assert artefact.curve[-1][0] == 9
    config = (trained.settings.artefacts / "tune" / "adapter_config.json").read_text()
    assert str(trained.settings.base.parent) not in config
    assert not list(trained.settings.artefacts.glob(".*"))
    json.dumps(trained.config)


def test_a_finished_artefact_is_not_trained_again(tuner, trained_here):
    first, lines = trained_here[1], []
    again = tuner().tune(conversations(), (), _quietly(lines))
    assert again == first
    assert lines == ["tune is trained already"]
    assert tuner().tune(conversations(2), (), _quietly()).data_digest != first.data_digest
    assert tuner(epochs=1.0).tune(conversations(2), (), _quietly()).steps == 6


def test_what_other_runs_may_use_is_trained_once(tuner, tmp_path):
    def of(run, **changes):
        made = tuner(run=run, **changes)
        made.settings = dataclasses.replace(made.settings, keep_in=tmp_path / "readers")
        return made

    first = of("one").tune(conversations(), (), _quietly())
    lines, other = [], of("two")
    assert other.tune(conversations(), (), _quietly(lines)) == first and lines == ["tune is trained already"]
    other.open(first).close()
    lines.clear()
    assert of("three", seed=12).tune(conversations(), (), _quietly(lines)).digest != first.digest
    assert "tune is trained already" not in lines, "another recipe is another training"
    assert of("one").tune(conversations(2), (), _quietly()).data_digest != first.data_digest


def test_only_what_was_trained_is_opened(trained_here):
    trained, artefact = trained_here
    model = trained.open(artefact)
    request = ChatRequest(
        item_id="1",
        messages=conversations()[0].prompt,
        form=Choices(answers=("login problem", "refund request")),
    )
    assert len(model.answer_one(request).choice_logprobs) == 2
    assert model.identity.id == "tiny"
    model.close()
    weights = trained.settings.artefacts / "tune" / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    with pytest.raises(StoreError, match="changed after it was trained"):
        trained.open(artefact)
    weights.unlink()
    (trained.settings.artefacts / "tune" / "adapter_config.json").unlink()
    (trained.settings.artefacts / "tune").rmdir()
    with pytest.raises(StoreError, match="missing"):
        trained.open(artefact)


def test_a_tiny_set_is_learnt_by_heart(tuner):
    """The tuned model answers its own training rows; the base, random weights, does not."""
    trained = tuner(epochs=30.0, tuned_layers=4, rank=16, alpha=32)
    rows = conversations()
    artefact = trained.tune(rows, (), _quietly())
    choices = tuple(sorted({row.completion for row in rows}))
    model = trained.open(artefact)
    requests = [
        ChatRequest(item_id=r.item_id, messages=r.prompt, form=Choices(answers=choices)) for r in rows
    ]
    answers = {reply.item_id: reply.text for reply in model.answer(requests)}
    assert sum(answers[row.item_id] == row.completion for row in rows) >= 11
    assert artefact.curve[-1][1] < 0.6 * artefact.curve[0][1]


@pytest.mark.parametrize("step", [14, 17])
def test_a_stopped_training_goes_on_to_the_same_end(tuner, whole, step):
    """Six steps an epoch, a checkpoint every two: from an epoch's end, and from within the third."""

    class Stopped(Exception):
        pass

    def stop(line):
        lines.append(line)
        if line.startswith(f"step {step}/"):
            raise Stopped

    lines = []
    reference, trained = whole
    with pytest.raises(Stopped):
        tuner(run="stopped").tune(conversations(2), conversations(), stop)
    lines.clear()
    (kept,) = tuner(run="stopped").settings.artefacts.glob(".*.work/seconds.txt")
    assert float(kept.read_text()) > 0
    kept.write_text("1000")
    went_on = tuner(run="stopped")
    artefact = went_on.tune(conversations(2), conversations(), _quietly(lines))
    assert any(line.startswith("going on from step 1") for line in lines)
    assert _weights(went_on) == _weights(reference)
    assert artefact.curve == trained.curve
    assert artefact.train_s > 1000, "the seconds of all starts"


def test_checkpoints_of_another_recipe_are_not_taken_up(tuner):
    def stop(line):
        if line.startswith("step 14/"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tuner().tune(conversations(2), (), stop)
    lines = []
    tuner(learning_rate=5e-3).tune(conversations(2), (), _quietly(lines))
    assert not any(line.startswith("going on") for line in lines)


def test_a_diverging_training_stops_with_advice(tuner, tiny, tmp_path):
    """Weights that are no numbers stand for any cause of such a loss: it reaches the log, and it stops."""
    from safetensors.torch import load_file, save_file

    broken = Path(shutil.copytree(tiny, tmp_path / "broken"))
    weights = load_file(broken / "model.safetensors")
    weights["model.norm.weight"][:] = math.nan
    save_file(weights, broken / "model.safetensors", metadata={"format": "pt"})
    on_broken = tuner()
    on_broken.settings = dataclasses.replace(on_broken.settings, base=broken)
    with pytest.raises(TrainingError, match="diverged: its loss became nan at step 1") as caught:
        on_broken.tune(conversations(), (), _quietly())
    assert "learning_rate" in str(caught.value)
    assert not (on_broken.settings.artefacts / "tune").exists()


@pytest.mark.parametrize("loss", [math.nan, math.inf, 31.0])
def test_what_counts_as_divergence(loss):
    with pytest.raises(TrainingError, match="diverged"):
        check(loss, 10.0, 5)
    check(29.0, 10.0, 5)


def test_four_bits_train_on_a_cpu(tuner):
    trained = tuner(method="qlora-4bit", epochs=1.0)
    artefact = trained.tune(conversations(), (), _quietly())
    assert artefact.recipe.method == "qlora-4bit"
    assert trained.identity.precision == "nf4"
    assert artefact.steps == 3
    trained.open(artefact).close()


def test_bf16_trains(tuner):
    lines = []
    artefact = tuner(method="lora-bf16").tune(conversations(), conversations(), _quietly(lines))
    assert artefact.curve[-1][1] < artefact.curve[0][1]


def test_faults_a_user_can_mend(tuner, tmp_path, monkeypatch):
    import torch

    with pytest.raises(TrainingError, match="no training rows"):
        tuner().tune((), (), _quietly())
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    on_gpu = tuner(run="gpu")
    opening = ModelSettings(cache=tmp_path, device="cuda")
    on_gpu.settings = dataclasses.replace(on_gpu.settings, opening=opening)
    with pytest.raises(TrainingError, match="GPU"):
        on_gpu.tune(conversations(), (), _quietly())
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)
    with pytest.raises(MissingExtra, match="bitsandbytes"):
        tuner(run="bits", method="qlora-4bit").tune(conversations(), (), _quietly())


def test_nothing_but_our_lines_is_written(tuner, capfd):
    tuner().tune(conversations(), conversations(), _quietly())
    out, err = capfd.readouterr()
    assert out == "" and err == ""


def test_a_measured_speed_is_real_and_leaves_nothing(tiny, tmp_path):
    from harness.training.speed import measure_speed
    from harness.training.trl_trainer import TrainingJob
    from tests.harness.training.samples import recipe

    job = TrainingJob(
        base=tiny,
        work=tmp_path / "work",
        out=tmp_path / "out",
        recipe=recipe(),
        train=conversations(3),
        dev=(),
        threads=1,
    )
    measured = measure_speed(job)
    assert measured.speed.step_tokens_per_s > 0
    assert measured.speed.frozen_tokens_per_s is not None and measured.speed.frozen_tokens_per_s > 0
    assert measured.tokens > 36 * 20
    assert not job.work.exists() and not job.out.exists()
