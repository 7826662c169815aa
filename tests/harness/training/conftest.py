"""A tiny random decoder with SmolLM2's tokenizer: training paths are the same, a step takes milliseconds."""

import shutil

import pytest

from harness.models.settings import ModelSettings
from harness.training.tuner import LocalTuner, TunerSettings
from tests.harness.training.samples import recipe


def make_tiny(folder, tokenizer_from, layers=4):
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(3)
    config = LlamaConfig(
        vocab_size=49152,
        hidden_size=64,  # the least that 4-bit blocks of 64 fit
        intermediate_size=128,
        num_hidden_layers=layers,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=512,
        tie_word_embeddings=True,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=2,
        initializer_range=0.3,  # at the usual 0.02 a width of 64 cannot tell 49,152 tokens apart
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "chat_template.jinja"):
        if (tokenizer_from / name).exists():
            shutil.copy(tokenizer_from / name, folder / name)
    return folder


@pytest.fixture(scope="session")
def tiny(smollm2, tmp_path_factory):
    return make_tiny(tmp_path_factory.mktemp("tiny"), smollm2)


@pytest.fixture(scope="session")
def make_tuner(tiny):
    """Makes the tuner of a run folder; keyword arguments go to the recipe."""

    def make(folder, name="tune", **changes):
        artefacts = folder / "artefacts"
        artefacts.mkdir(parents=True, exist_ok=True)
        return LocalTuner(
            TunerSettings(
                base=tiny,
                model="tiny",
                base_digest="d" * 64,
                artefacts=artefacts,
                name=name,
                recipe=recipe(**changes),
                opening=ModelSettings(cache=folder, precision="fp32", threads=1),
            )
        )

    return make


@pytest.fixture
def tuner(make_tuner, tmp_path):
    """Makes tuners of run folders of this test; keyword arguments go to the recipe."""
    return lambda name="tune", run="run", **changes: make_tuner(tmp_path / run, name, **changes)
