"""MiniLM against its own definition: mean of the token vectors, L2-normalised; both computed in float64."""

import numpy as np
import pytest

from harness.core.errors import ModelUnavailable
from harness.models.local.embedding import TransformersEmbedding
from harness.models.settings import ModelSettings
from tests.support.float64 import float64

pytestmark = pytest.mark.models

TEXTS = [
    "My card was declined.",
    "Ma carte a été refusée et je ne comprends pas pourquoi",
    "",
    "log in " * 400,
]


@pytest.fixture(scope="module")
def model(minilm, model_cache):
    model = TransformersEmbedding("minilm-l6", minilm, ModelSettings(cache=model_cache, threads=1))
    model._model.double()
    with float64():
        yield model


def test_vectors_are_the_normalised_mean_of_token_vectors(model, minilm):
    import torch
    from transformers import AutoModel, AutoTokenizer

    encoder = AutoModel.from_pretrained(minilm).double().eval()
    tokenizer = AutoTokenizer.from_pretrained(minilm)
    expected = []
    for text in TEXTS:
        inputs = tokenizer(text, truncation=True, max_length=256, return_tensors="pt")
        with torch.inference_mode():
            mean = encoder(**inputs).last_hidden_state[0].mean(0).numpy()
        expected.append(mean / np.linalg.norm(mean))
    np.testing.assert_allclose(model.embed(TEXTS), np.stack(expected), atol=1e-5)


def test_shape_type_and_length(model):
    vectors = model.embed(TEXTS)
    assert vectors.shape == (4, 384)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-6)
    assert model.embed([]).shape == (0, 384)


def test_the_same_texts_give_the_same_bits_and_batch_mates_change_only_rounding(model):
    first, again = model.embed(TEXTS), model.embed(TEXTS)
    assert np.array_equal(first, again)
    np.testing.assert_allclose(model.embed(TEXTS[:1])[0], first[0], atol=1e-6)


@pytest.mark.parametrize(("told", "used"), [(None, 1), (2, 2)])
def test_embedding_takes_one_thread_unless_told_and_leaves_the_others_theirs(
    minilm, model_cache, monkeypatch, told, used
):
    import torch

    found = TransformersEmbedding("minilm-l6", minilm, ModelSettings(cache=model_cache, threads=told))
    before, seen = torch.get_num_threads(), []
    encode = found._model.encode
    monkeypatch.setattr(
        found._model, "encode", lambda *a, **k: seen.append(torch.get_num_threads()) or encode(*a, **k)
    )
    torch.set_num_threads(3)
    try:
        found.embed(TEXTS[:2])
        assert seen == [used] and torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


def test_many_texts_give_the_same_bits_on_any_number_of_threads(minilm, model_cache):
    import torch

    texts = [f"{'my card was declined ' * (place % 5)}{place}" for place in range(40)]
    before = torch.get_num_threads()
    one, three = (
        TransformersEmbedding("minilm-l6", minilm, ModelSettings(cache=model_cache, threads=told)).embed(
            texts
        )
        for told in (1, 3)
    )
    assert np.array_equal(one, three) and torch.get_num_threads() == before
    alone = TransformersEmbedding("minilm-l6", minilm, ModelSettings(cache=model_cache)).embed(texts[7:8])
    np.testing.assert_allclose(alone[0], one[7], atol=1e-6)  # each in its place


def test_it_says_how_large_it_is_and_that_nobody_bills_for_it(model):
    assert model.identity.parameters == 22_713_216
    assert model.identity.location == "local"
    assert model.usage_of("hello world") is None


def test_a_folder_without_a_model_is_a_clear_error(tmp_path, model_cache):
    with pytest.raises(ModelUnavailable):
        TransformersEmbedding("x", tmp_path, ModelSettings(cache=model_cache))
