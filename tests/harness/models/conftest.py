"""One loaded SmolLM2 for all tests of this folder, on one thread; loaded in fp32, computed in float64."""

import pytest

from harness.models.settings import ModelSettings


@pytest.fixture(scope="session")
def loaded(smollm2, model_cache):
    from harness.models.local.transformers_chat import TransformersChat

    chat = TransformersChat(
        "smollm2-135m", smollm2, ModelSettings(cache=model_cache, precision="fp32", threads=1)
    )
    chat._model.double()
    return chat


@pytest.fixture
def chat(loaded):
    from tests.support.float64 import float64

    with float64():
        yield loaded
