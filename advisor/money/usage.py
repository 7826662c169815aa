"""Token usage in exclusive buckets: no token is counted in two of them.

Providers disagree on whether their input count includes cached tokens; each adapter (one a source,
in `harness.models`) turns what it was told into these buckets once. `None` means unknown, and a sum
with an unknown part is unknown.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from enum import StrEnum


class CountedBy(StrEnum):
    """Who counted the tokens."""

    PROVIDER = "provider"  # reported by the service that was called
    TOKENIZER = "tokenizer"  # counted with the model's own tokenizer
    ESTIMATE = "estimate"  # counted with another model's tokenizer


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Tokens of one call, in exclusive buckets.

    Attributes:
        input_tokens: uncached input tokens.
        cached_tokens: input tokens read from the provider's prompt cache.
        cache_write_tokens: input tokens written to that cache.
        output_tokens: visible output tokens.
        reasoning_tokens: hidden reasoning tokens, billed as output.
        embedding_tokens: tokens sent to an embedding model by the same query.
        ranking_tokens: tokens sent to a reranker by the same query.
        rankings: searches that a reranker bills for, where it bills by them.
        counted_by: who counted.
    """

    input_tokens: int | None
    cached_tokens: int | None = 0
    cache_write_tokens: int | None = 0
    output_tokens: int | None
    reasoning_tokens: int | None = 0
    embedding_tokens: int | None = 0
    ranking_tokens: int | None = 0
    rankings: int | None = 0
    counted_by: CountedBy

    def __post_init__(self) -> None:
        """Refuse negative counts.

        Raises:
            ValueError: if a bucket is negative.
        """
        for name in BUCKETS:
            value = getattr(self, name)
            if value is not None and value < 0:
                raise ValueError(f"{name} must be at least 0, got {value}")


BUCKETS = tuple(field.name for field in fields(Usage) if field.name != "counted_by")
"""The names of the buckets of `Usage`."""

TOKENS = tuple(name for name in BUCKETS if name.endswith("_tokens"))
"""Those of them that count tokens."""


def add(usages: Iterable[Usage]) -> Usage:
    """Sum usages bucket by bucket, every attempt included; a sum with an unknown part is unknown.

    `counted_by` is the weakest of the parts. The sum of nothing is a known zero. Do not price a sum of
    calls at long-context tiers: tiers look at single calls (`ledger.query_cost` takes them one by one).
    """
    parts = tuple(usages)
    if len(parts) == 1:
        return parts[0]
    sums: dict[str, int | None] = {}
    for name in BUCKETS:
        counts = [getattr(part, name) for part in parts]
        sums[name] = None if None in counts else sum(counts)
    order = tuple(CountedBy)
    weakest = max((part.counted_by for part in parts), key=order.index, default=CountedBy.PROVIDER)
    return Usage(**sums, counted_by=weakest)
