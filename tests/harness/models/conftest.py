"""One loaded SmolLM2 for all tests of this folder, on one thread and in fp32."""

import pytest

from harness.models.settings import ModelSettings


@pytest.fixture(scope="session")
def chat(smollm2, model_cache):
    from harness.models.transformers_chat import TransformersChat

    return TransformersChat(
        "smollm2-135m", smollm2, ModelSettings(cache=model_cache, precision="fp32", threads=1)
    )
