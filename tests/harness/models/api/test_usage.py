"""Buckets from usage as providers report it.

The native payloads have the shapes the providers document (Anthropic Messages, Gemini generateContent,
Bedrock Converse, OpenAI chat completions, DeepSeek); each goes through litellm's own translation first,
so a change of that translation shows here. Expected buckets are by hand from the native payload.
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from advisor.money.usage import CountedBy, Usage
from harness.models.api.dialects.openai_chat import usage_of
from harness.models.api.dialects.said import UNREPORTED
from harness.models.api.library import load_litellm


def buckets(usage: Usage) -> tuple[int | None, ...]:
    return (
        usage.input_tokens,
        usage.cached_tokens,
        usage.cache_write_tokens,
        usage.output_tokens,
        usage.reasoning_tokens,
    )


def through_litellm(**reported) -> Usage:
    load_litellm()
    from litellm.types.utils import Usage as Reported

    return usage_of(Reported(**reported).model_dump(), True)


def test_openai_prompt_tokens_include_cached_and_completion_tokens_include_reasoning():
    usage = through_litellm(
        prompt_tokens=1200,
        completion_tokens=300,
        total_tokens=1500,
        prompt_tokens_details={"cached_tokens": 1024, "audio_tokens": 0},
        completion_tokens_details={"reasoning_tokens": 256, "audio_tokens": 0},
    )
    assert buckets(usage) == (176, 1024, 0, 44, 256)
    assert usage.counted_by is CountedBy.PROVIDER


def test_openai_cache_writes_are_inside_prompt_tokens():
    usage = through_litellm(
        prompt_tokens=1200,
        completion_tokens=10,
        total_tokens=1210,
        prompt_tokens_details={"cached_tokens": 0, "cache_write_tokens": 1024},
    )
    assert buckets(usage) == (176, 0, 1024, 10, 0)


def test_anthropic_input_tokens_exclude_cache_reads_and_writes():
    load_litellm()
    from litellm.llms.anthropic.chat.transformation import AnthropicConfig

    native = {
        "input_tokens": 21,
        "cache_creation_input_tokens": 188,
        "cache_read_input_tokens": 2048,
        "output_tokens": 9,
    }
    reported = AnthropicConfig().calculate_usage(usage_object=native, reasoning_content=None)
    assert buckets(usage_of(reported.model_dump(), True)) == (21, 2048, 188, 9, 0)


def test_gemini_counts_thoughts_beside_the_answer_and_cached_inside_the_prompt():
    load_litellm()
    from litellm.llms.vertex_ai.gemini.vertex_and_google_ai_studio_gemini import VertexGeminiConfig

    native = {
        "usageMetadata": {
            "promptTokenCount": 500,
            "cachedContentTokenCount": 400,
            "candidatesTokenCount": 12,
            "thoughtsTokenCount": 88,
            "totalTokenCount": 600,
        }
    }
    reported = VertexGeminiConfig.calculate_usage(native)
    assert buckets(usage_of(reported.model_dump(), True)) == (100, 400, 0, 12, 88)


def test_bedrock_converse_excludes_cache_reads_and_writes():
    load_litellm()
    from litellm.llms.bedrock.chat.converse_transformation import AmazonConverseConfig

    native = {
        "inputTokens": 30,
        "outputTokens": 8,
        "totalTokens": 38 + 70 + 5,
        "cacheReadInputTokens": 70,
        "cacheWriteInputTokens": 5,
    }
    reported = AmazonConverseConfig().usage_from_batch_output(native)
    assert buckets(usage_of(reported.model_dump(), True)) == (30, 70, 5, 8, 0)


def test_deepseek_cache_hits_are_inside_the_prompt():
    usage = through_litellm(
        prompt_tokens=100,
        completion_tokens=5,
        total_tokens=105,
        prompt_cache_hit_tokens=64,
        prompt_cache_miss_tokens=36,
    )
    assert buckets(usage) == (36, 64, 0, 5, 0)


def test_a_gateway_that_passes_anthropics_counts_through_is_seen_by_its_total():
    usage = usage_of(
        {
            "prompt_tokens": 3000,
            "completion_tokens": 9,
            "total_tokens": 3000 + 2048 + 9,
            "cache_read_input_tokens": 2048,
        },
        True,
    )
    assert buckets(usage) == (3000, 2048, 0, 9, 0)


def test_a_gateway_that_counts_reasoning_beside_the_answer_is_seen_by_its_total():
    usage = usage_of(
        {
            "prompt_tokens": 100,
            "completion_tokens": 300,
            "total_tokens": 650,
            "completion_tokens_details": {"reasoning_tokens": 250},
        },
        True,
    )
    assert buckets(usage) == (100, 0, 0, 300, 250)


@pytest.mark.parametrize(
    "reported", [None, {}, {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}]
)
def test_no_usage_is_unknown_and_not_zero(reported):
    assert usage_of(reported, True) == UNREPORTED
    assert buckets(UNREPORTED) == (None,) * 5


def test_zero_output_is_believed_only_without_text():
    reported = {"prompt_tokens": 10, "completion_tokens": 0, "total_tokens": 10}
    assert buckets(usage_of(reported, True)) == (10, 0, 0, None, None)
    assert buckets(usage_of(reported, False)) == (10, 0, 0, 0, 0)


@given(
    st.integers(1, 10**6),
    st.integers(0, 10**6),
    st.integers(0, 10**6),
    st.integers(1, 10**6),
    st.integers(0, 10**6),
)
def test_openai_style_buckets_add_up_to_the_reported_total(uncached, cached, written, visible, reasoning):
    prompt, output = uncached + cached + written, visible + reasoning
    usage = usage_of(
        {
            "prompt_tokens": prompt,
            "completion_tokens": output,
            "total_tokens": prompt + output,
            "prompt_tokens_details": {"cached_tokens": cached, "cache_write_tokens": written},
            "completion_tokens_details": {"reasoning_tokens": reasoning},
        },
        True,
    )
    assert buckets(usage) == (uncached, cached, written, visible, reasoning)


def test_names_without_prompt_and_completion_are_read_too():
    beside = usage_of(
        {"input_tokens": 200, "output_tokens": 10, "cache_read_input_tokens": 800}, has_text=True
    )
    assert (beside.input_tokens, beside.cached_tokens, beside.output_tokens) == (200, 800, 10)
    placeholders = {
        "prompt_tokens": 0,
        "completion_tokens": 0,
        "prompt_tokens_details": {"cached_tokens": 0},
        "input_tokens": 1000,
        "output_tokens": 10,
        "input_tokens_details": {"cached_tokens": 800},
        "total_tokens": 1010,
    }
    inside = usage_of(placeholders, has_text=True)
    assert (inside.input_tokens, inside.output_tokens) in ((200, 10), (1000, 10))
