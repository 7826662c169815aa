"""Codes: one token each, one for every label; and what is trained, asked and answered with them."""

import dataclasses
import json

import pytest

from harness.core.records import Choices, Label
from harness.models.base import ChatRequest
from harness.models.local.rendering import Renderer
from harness.models.settings import ModelSettings
from harness.training.codes import UntunedBase, choose_codes
from harness.training.fast import answer_loss
from harness.training.rows import tokenise
from harness.training.tuner import LocalTuner, TunerSettings
from tests.harness.training.samples import conversations, recipe

pytestmark = pytest.mark.models

NAMES = ("login_problem", "refund_request", "data_export", "complaint")


def labels(*names):
    return tuple(Label(name=name, definition="") for name in names)


@pytest.fixture(scope="module")
def reader(smollm2):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(smollm2)
    model = AutoModelForCausalLM.from_pretrained(smollm2)
    return UntunedBase(model=model, tokenizer=tokenizer, renderer=Renderer(tokenizer))


@pytest.fixture(scope="module")
def renderer(reader):
    return reader.renderer


def chosen(reader, *names):
    return dict(zip(names, choose_codes(reader, [name.replace("_", " ") for name in names]), strict=True))


@pytest.mark.parametrize(
    "names",
    [
        ("card", "card_arrival", "card_arrival_late", "arrival"),  # substrings of each other
        ("A", "B", "7", "n/a"),
        ("Rechnung", "税金", "возврат", "استرداد"),
        tuple(f"queue {number}" for number in range(500)),
    ],
)
def test_every_label_has_a_token_of_its_own(reader, names):
    codes = chosen(reader, *names)
    tokens = [reader.renderer.completion_ids(code)[0] for code in codes.values()]
    assert len(set(tokens)) == len(names)
    ends = reader.renderer.completion_ids("x")[1:]
    assert all(reader.renderer.completion_ids(code)[1:] == ends for code in codes.values())


def test_a_code_is_a_word_of_its_label_and_no_other_labels_name(reader):
    codes = chosen(reader, "refund", "refund_billing", "billing", "card_swallowed")
    assert codes["refund"].casefold() == " refund" and codes["billing"].casefold() == " billing"
    assert codes["refund_billing"].strip().casefold() not in ("refund", "billing")


def test_more_labels_than_words_have_no_codes(reader, monkeypatch):
    monkeypatch.setattr("harness.training.codes._words", lambda tokenizer: {4716: "ref"})
    assert choose_codes(reader, ["one", "two"]) == ()


@pytest.fixture
def coded(tiny, tmp_path):
    """Makes tuners that learn codes; keyword arguments go to the recipe."""

    def make(**changes):
        (tmp_path / "run" / "artefacts").mkdir(parents=True, exist_ok=True)
        return LocalTuner(
            TunerSettings(
                base=tiny, model="tiny", base_digest="d" * 64, artefacts=tmp_path / "run" / "artefacts",
                name="tune", recipe=recipe(answer="codes", **changes),
                opening=ModelSettings(cache=tmp_path, precision="fp32", threads=1), labels=labels(*NAMES),
            )
        )  # fmt: skip

    return make


def test_a_tiny_set_is_learnt_by_heart_and_answered_in_one_pass(coded):
    trained = coded(epochs=30.0, tuned_layers=4, rank=16, alpha=32)
    rows = conversations()
    artefact = trained.tune(rows, (), [].append)
    assert tuple(artefact.codes) == NAMES and artefact.recipe.answer == "codes"
    model = trained.open(artefact)
    codes = tuple(artefact.codes.values())
    right = {row.item_id: artefact.codes[row.completion.replace(" ", "_")] for row in rows}
    asked = [
        ChatRequest(item_id=r.item_id, messages=r.prompt, form=Choices(answers=codes, one_token=True))
        for r in rows
    ]
    replies = {reply.item_id: reply for reply in model.answer(asked)}
    assert sum(replies[row.item_id].text == right[row.item_id] for row in rows) >= 11
    assert {reply.usage.output_tokens for reply in replies.values()} == {1}
    alone = model.answer_one(asked[0])
    assert alone.choice_logprobs == pytest.approx(replies[asked[0].item_id].choice_logprobs, abs=2e-3)
    model.close()


def test_probabilities_are_those_of_the_next_token(coded):
    """The second way: an ordinary pass of the merged model, softmax over the codes' rows of its logits."""
    import torch

    trained = coded(epochs=1.0)
    rows = conversations()
    artefact = trained.tune(rows, (), [].append)
    model, codes = trained.open(artefact), tuple(artefact.codes.values())
    reply = model.answer_one(
        ChatRequest(item_id="1", messages=rows[0].prompt, form=Choices(answers=codes, one_token=True))
    )
    ids = [model.renderer.completion_ids(code)[0] for code in codes]
    prompt = torch.tensor([model.renderer.prompt_ids(rows[0].prompt)])
    model._model.set_attn_implementation("sdpa")
    with torch.no_grad():
        expected = model._model(input_ids=prompt).logits[0, -1, ids].log_softmax(0).tolist()
    assert reply.choice_logprobs == pytest.approx(expected, abs=2e-3)
    model.close()


def test_rows_end_with_their_code(renderer):
    row = dataclasses.replace(conversations()[0], completion=" refund")
    assert tokenise(row, renderer, 96, one_token=True).answer == 1
    whole, code = tokenise(row, renderer, 96), tokenise(row, renderer, 96, one_token=True)
    assert code.ids == whole.ids[: len(code.ids)] and whole.answer > 1


def test_the_loss_is_over_the_codes_and_a_tenth_of_what_other_words_take(tiny):
    """By hand, from the ordinary logits. Over the codes alone, a model said other words freely."""
    import torch
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(tiny)
    codes = torch.tensor([310, 77, 4000])
    ids = torch.tensor([[5, 6, 7, 8, 77], [9, 10, 310, 0, 0]])
    given = torch.tensor([[-100, -100, -100, -100, 77], [-100, -100, 310, -100, -100]])
    inputs = {"input_ids": ids, "labels": given, "attention_mask": (ids > 0).long()}
    with torch.no_grad():
        logits = model(input_ids=ids).logits[[0, 1], [3, 1]]
    shares = logits.softmax(1)[:, codes]
    right, taken = shares[[0, 1], [1, 0]], shares.sum(1)
    expected = (-(right / taken).log() - 0.1 * taken.log()).mean()
    assert float(answer_loss(model, inputs, codes=codes).detach()) == pytest.approx(float(expected), abs=1e-5)


def test_a_stopped_training_goes_on_with_its_codes(coded):
    """They are kept with the checkpoints."""
    tuner, lines = coded(), []

    class Stopped(Exception):
        pass

    def stop(line):
        if line.startswith("step 5/"):
            raise Stopped

    with pytest.raises(Stopped):
        tuner.tune(conversations(), (), stop)
    (kept,) = tuner.settings.artefacts.glob(".*/codes.json")
    swapped = [" one", " two", " three", " four"]
    kept.write_text(json.dumps(swapped))
    assert list(tuner.tune(conversations(), (), lines.append).codes.values()) == swapped
    assert not any("choosing" in line for line in lines)


def test_keys_of_answers_in_words_are_as_before(tuner):
    """A run's answers are found by its keys: a setting that is younger must not change those of others."""
    assert "answer" not in tuner().config["recipe"]
