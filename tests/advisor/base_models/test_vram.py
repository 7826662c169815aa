"""The memory formula against three published tables, parts by hand, and counts by another library."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from advisor.base_models.vram import (
    GIB,
    SERVE_BAND,
    TUNE_BAND,
    ModelShape,
    ServingRun,
    Tuning,
    VramBasis,
    adapter_parameters,
    count_parameters,
    kv_cache_bytes,
    serving_parts,
    serving_vram,
    tuning_parts,
    tuning_vram,
)


def shape(*sizes: int, tied: bool, experts: int = 1) -> ModelShape:
    layers, hidden, heads, kv_heads, ffn, vocab = sizes
    return ModelShape(
        layers=layers, hidden=hidden, heads=heads, kv_heads=kv_heads, head_dim=128, ffn=ffn, vocab=vocab,
        tied=tied, experts=experts,
    )  # fmt: skip


LLAMA_8B = shape(32, 4096, 32, 8, 14336, 128256, tied=False)
LLAMA2_7B = shape(32, 4096, 32, 32, 11008, 32000, tied=False)

# Unsloth's requirements page states sizes, not models; these stand for them.
UNSLOTH = [
    # size, shape, QLoRA GB, LoRA GB, error stated in the docstring for each, %
    (3, shape(28, 3072, 24, 8, 8192, 128256, tied=True), 3.5, 8, 1, -7),
    (7, shape(32, 4096, 32, 8, 14336, 32768, tied=False), 5, 19, 12, -20),
    (8, LLAMA_8B, 6, 22, 18, -24),
    (14, shape(40, 5120, 40, 10, 17920, 100352, tied=False), 8.5, 33, 24, -11),
    (32, shape(64, 5120, 40, 8, 27648, 152064, tied=False), 26, 76, -20, -16),
    (70, shape(80, 8192, 64, 8, 28672, 128256, tied=False), 41, 164, -1, -18),
]
# LLaMA-Factory wiki, performance comparison: Llama 2 7B, 4 bits, rank 8, batch 1, GB by length.
LENGTHS = (1024, 2048, 4096, 8192, 16384, 32768, 65536, 100_000)
PLAIN_GB = (6, 7, 9, 12, 19, 32)
LEAN_GB = (5, 6, 7, 8, 10, 16, 25, 37)
# Qwen3 speed benchmark, transformers, MB by (input length, bits); 2,048 tokens are generated.
QWEN3 = {
    "0.6B": (
        shape(28, 1024, 16, 8, 3072, 151936, tied=True),
        [(1, 16, 1394), (30720, 16, 4755), (1, 8, 986)],
    ),
    "1.7B": (shape(28, 2048, 16, 8, 6144, 151936, tied=True), [(1, 16, 3412), (30720, 8, 5590)]),
    "4B": (shape(36, 2560, 32, 8, 9728, 151936, tied=True), [(1, 16, 7973), (1, 4, 2915), (30720, 4, 7742)]),
    "8B": (
        shape(36, 4096, 32, 8, 12288, 151936, tied=False),
        [
            (1, 16, 15947),
            (30720, 16, 20267),
            (1, 8, 9323),
            (30720, 8, 13644),
            (1, 4, 6177),
            (30720, 4, 11001),
        ],
    ),
    "14B": (
        shape(40, 5120, 40, 8, 17408, 151936, tied=False),
        [(14336, 16, 30775), (14336, 8, 18253), (14336, 4, 12438)],
    ),
    "32B": (
        shape(64, 5120, 64, 8, 25600, 151936, tied=False),
        [(1, 16, 62751), (30720, 16, 70728), (30720, 8, 41060), (30720, 4, 27718)],
    ),
    "30B-A3B": (
        shape(48, 2048, 32, 4, 768, 151936, tied=False, experts=128),
        [(1, 16, 58462), (30720, 16, 61342), (30720, 8, 33177)],
    ),
}
QWEN3_ROWS = [(name, s, *row) for name, (s, rows) in QWEN3.items() for row in rows]
FP8_SMALL = [("0.6B", 1, 1217), ("1.7B", 6144, 3462), ("4B", 30720, 9611)]


@pytest.mark.parametrize(("size", "sizes", "qlora", "lora", "qlora_error", "lora_error"), UNSLOTH)
def test_errors_against_the_published_minima_are_those_the_docstring_states(
    size: int, sizes: ModelShape, qlora: float, lora: float, qlora_error: int, lora_error: int
) -> None:
    parameters = count_parameters(sizes)
    assert parameters == pytest.approx(size * 1e9, rel=0.09)
    for bits, published, error in ((4, qlora, qlora_error), (16, lora, lora_error)):
        computed = tuning_parts(parameters, sizes, Tuning(bits=bits, tokens=1024, lean=True)).total
        assert round(100 * (computed / published - 1)) == pytest.approx(error, abs=1)
        assert TUNE_BAND[0] <= published / computed <= TUNE_BAND[1]


def test_length_sweeps_of_a_measured_table_are_met_within_13_percent() -> None:
    parameters = count_parameters(LLAMA2_7B)
    for lean, published in ((False, PLAIN_GB), (True, LEAN_GB)):
        for tokens, gb in zip(LENGTHS, published, strict=False):
            computed = tuning_parts(parameters, LLAMA2_7B, Tuning(rank=8, tokens=tokens, lean=lean)).total
            assert -0.13 <= computed / gb - 1 <= 0.055, (lean, tokens)
            assert TUNE_BAND[0] <= gb / computed <= TUNE_BAND[1]


def test_a_batch_of_four_in_16_bits_costs_what_the_same_table_says() -> None:
    """LLaMA-Factory: rank 8, batch 4, 1,024 tokens: 17 GB with flash attention, 16 GB with Unsloth."""
    parameters = count_parameters(LLAMA2_7B)
    for lean, gb in ((False, 17), (True, 16)):
        run = Tuning(bits=16, rank=8, batch=4, tokens=1024, lean=lean)
        assert tuning_parts(parameters, LLAMA2_7B, run).total == pytest.approx(gb, rel=0.07)


@pytest.mark.parametrize(("name", "sizes", "length", "bits", "mebibytes"), QWEN3_ROWS)
def test_serving_memory_is_that_of_qwens_table(
    name: str, sizes: ModelShape, length: int, bits: int, mebibytes: int
) -> None:
    parts = serving_parts(count_parameters(sizes), sizes, ServingRun(bits=bits, tokens=length + 2048))
    computed = (parts.total - parts.overhead) * 1024
    assert {16: -0.03, 8: -0.05, 4: -0.08}[bits] <= computed / mebibytes - 1 <= 0.03, name
    low, high = SERVE_BAND[bits]
    assert low <= mebibytes / computed <= high


@pytest.mark.parametrize(("name", "length", "mebibytes"), FP8_SMALL)
def test_small_fp8_files_are_known_to_be_larger_but_stay_in_the_range(
    name: str, length: int, mebibytes: int
) -> None:
    sizes = QWEN3[name][0]
    parts = serving_parts(count_parameters(sizes), sizes, ServingRun(bits=8, tokens=length + 2048))
    computed = (parts.total - parts.overhead) * 1024
    assert -0.23 <= computed / mebibytes - 1 < -0.07
    assert mebibytes / computed <= SERVE_BAND[8][1]


def test_parts_by_hand() -> None:
    """8B: 32 x 16 x (2 x 8192 + 2 x 5120 + 3 x 18432) adapter weights; 131,072 cache bytes a token."""
    assert adapter_parameters(LLAMA_8B, 16) == 32 * 16 * 81920 == 41_943_040
    assert kv_cache_bytes(LLAMA_8B, 1000) == 1000 * 131_072
    parts = tuning_parts(8e9, LLAMA_8B, Tuning(bits=16, rank=16, tokens=1, lean=True))
    assert parts.weights == pytest.approx(16e9 / GIB)
    assert parts.adapter == pytest.approx(41_943_040 * 10 / GIB)
    assert parts.total == pytest.approx(parts.weights + parts.adapter + parts.activations + 1.0)


def test_layers_with_a_window_stop_growing_and_recurrent_ones_cache_nothing() -> None:
    windowed = ModelShape(
        layers=6, hidden=8, heads=2, kv_heads=1, head_dim=4, ffn=8, vocab=10, tied=True,
        full_layers=1, window=100,
    )  # fmt: skip
    recurrent = replace(windowed, window=0)
    assert kv_cache_bytes(windowed, 50) == 2 * 4 * 2 * 6 * 50
    assert kv_cache_bytes(windowed, 1000) == 2 * 4 * 2 * (1000 + 5 * 100)
    assert kv_cache_bytes(recurrent, 1000) == 2 * 4 * 2 * 1000


@pytest.mark.slow
def test_counts_agree_with_transformers_and_peft() -> None:
    """A second implementation: a small Llama is built, and its matrices and adapters are counted."""
    peft, transformers = pytest.importorskip("peft"), pytest.importorskip("transformers")
    sizes = ModelShape(layers=3, hidden=64, heads=4, kv_heads=2, head_dim=16, ffn=96, vocab=100, tied=False)
    config = transformers.LlamaConfig(
        num_hidden_layers=3, hidden_size=64, num_attention_heads=4, num_key_value_heads=2, head_dim=16,
        intermediate_size=96, vocab_size=100, tie_word_embeddings=False,
    )  # fmt: skip
    model = transformers.LlamaForCausalLM(config)
    assert sum(p.numel() for p in model.parameters() if p.dim() == 2) == count_parameters(sizes)
    targets = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
    tuned = peft.get_peft_model(model, peft.LoraConfig(r=4, target_modules=targets))
    assert tuned.get_nb_trainable_parameters()[0] == adapter_parameters(sizes, 4)


def test_an_unknown_shape_leaves_a_lower_bound_and_no_upper_one() -> None:
    bound = tuning_vram(10 * GIB, None, Tuning(bits=4))
    assert (bound.value, bound.low, bound.high, bound.basis) == (5.0, 5.0, None, VramBasis.WEIGHTS_ONLY)
    assert serving_vram(10 * GIB, None, ServingRun(bits=16)).low == 20.0
    assert tuning_vram(10 * GIB, None, Tuning(), published=7.0).low == 7.0


def test_a_published_minimum_is_the_value_and_the_formula_widens_the_range() -> None:
    need = tuning_vram(8e9, LLAMA_8B, Tuning(tokens=1024, lean=True), published=6)
    computed = tuning_parts(8e9, LLAMA_8B, Tuning(tokens=1024, lean=True)).total
    assert (need.value, need.basis) == (6, VramBasis.PUBLISHED)
    assert need.low == pytest.approx(min(6, TUNE_BAND[0] * computed))
    assert need.high == pytest.approx(computed)


@given(st.integers(1, 64), st.integers(1, 8), st.integers(1, 40_000), st.booleans())
def test_more_of_anything_never_needs_less(rank: int, batch: int, tokens: int, lean: bool) -> None:
    def total(**change: int) -> float:
        run = Tuning(**{"rank": rank, "batch": batch, "tokens": tokens, "lean": lean} | change)
        return tuning_parts(8e9, LLAMA_8B, run).total

    assert total() <= min(
        total(rank=rank + 1), total(batch=batch + 1), total(tokens=tokens + 1), total(bits=16)
    )
    assert total(lean=True) <= total(lean=False)


@pytest.mark.parametrize("bad", [{"bits": 8}, {"rank": 0}, {"batch": 0}, {"tokens": -1}])
def test_impossible_runs_are_refused(bad: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        Tuning(**bad)


def test_impossible_shapes_and_servers_are_refused() -> None:
    with pytest.raises(ValueError, match="not a transformer"):
        shape(0, 8, 1, 1, 8, 8, tied=True)
    with pytest.raises(ValueError, match="at least 1"):
        ServingRun(sequences=0)
