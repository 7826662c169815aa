"""An encoder with a linear head over tags and picks: texts to probabilities by token and by text.

The head gives every token a score of each tag, and of each value of each pick; a text's score of a value is
that of its strongest token. Where a token stands in the text its tokenizer says. Kept as
`harness.models.local.encoder` keeps an encoder.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.core.errors import ModelUnavailable
from harness.models.local.encoder import (
    BATCH_TOKENS,
    HeadedEncoder,
    by_length,
    load_headed,
    on_threads,
    padded,
    quiet,
    states_of,
)
from harness.models.local.letters import READ_CHARS

Place = tuple[int, int]
"""Where a token begins and ends in its text, in characters; (0, 0) for one that stands nowhere."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenShares:
    """What the encoder says of a text.

    Attributes:
        tokens: where each stands; those that stand nowhere are left out.
        tags: the probability of no tag and of each, a row a token.
        picks: of every pick the probability of nothing and of each value.
    """

    tokens: tuple[Place, ...]
    tags: NDArray[np.float64]
    picks: tuple[NDArray[np.float64], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderTagger(HeadedEncoder):
    """An encoder with a head over tags and picks, ready to answer.

    Attributes:
        sizes: of the tags and of every pick, how many scores the head gives, that of nothing included.
    """

    sizes: tuple[int, ...]

    def shares(self, texts: Sequence[str]) -> list[TokenShares]:
        """What it says of each text."""
        import torch

        rows, where = placed_tokens(self, texts)
        found: list[TokenShares | None] = [None] * len(rows)
        self.encoder.eval()
        with on_threads(self.threads), torch.inference_mode():
            for batch in by_length(rows, BATCH_TOKENS):
                ids, mask = padded([rows[row] for row in batch], self.tokenizer.pad_token_id, self.device)
                scores = self.head(states_of(self.encoder, ids, mask))
                tags, *picks = parts(scores, mask, self.sizes)
                by_token = tags.double().softmax(-1).cpu().numpy()
                by_text = [pick.double().softmax(-1).cpu().numpy() for pick in picks]
                for place, row in enumerate(batch):
                    stands = [n for n, (start, end) in enumerate(where[row]) if end > start]
                    found[row] = TokenShares(
                        tokens=tuple(where[row][n] for n in stands),
                        tags=by_token[place][stands],
                        picks=tuple(pick[place] for pick in by_text),
                    )
        return [one for one in found if one is not None]


def parts(scores: Any, mask: Any, sizes: Sequence[int]) -> list[Any]:
    """The tags' scores by token, and each pick's by text: those of its strongest token, padding aside."""
    tags, *picks = scores.split(list(sizes), dim=-1)
    aside = ~mask.bool().unsqueeze(-1)
    return [tags, *(pick.masked_fill(aside, float("-inf")).amax(dim=1) for pick in picks)]


def placed_tokens(headed: HeadedEncoder, texts: Sequence[str]) -> tuple[list[list[int]], list[list[Place]]]:
    """Token ids of each text, cut to what is read, and where each token stands in it.

    Raises:
        ModelUnavailable: if the tokenizer cannot say.
    """
    if not texts:
        return [], []
    if not headed.tokenizer.is_fast:
        raise ModelUnavailable(
            "The encoder's tokenizer does not say where its tokens stand in a text.",
            got=type(headed.tokenizer).__name__,
            allowed="an encoder with a tokenizer.json, such as minilm-l6",
        )
    with quiet():
        found = headed.tokenizer(
            [text[:READ_CHARS] for text in texts],
            truncation=True,
            max_length=headed.max_tokens,
            add_special_tokens=True,
            return_offsets_mapping=True,
        )
    return (
        [list(ids) for ids in found["input_ids"]],
        [[(int(start), int(end)) for start, end in row] for row in found["offset_mapping"]],
    )


def tagger_of(headed: HeadedEncoder, sizes: tuple[int, ...]) -> EncoderTagger:
    """The tagger that an encoder and its head are."""
    return EncoderTagger(
        **{one.name: getattr(headed, one.name) for one in fields(HeadedEncoder)}, sizes=sizes
    )


def load_tagger(
    folder: Path, sizes: tuple[int, ...], max_tokens: int, device: str = "cpu", threads: int | None = None
) -> EncoderTagger:
    """Open a tagger that `save_encoder` wrote.

    Raises:
        MissingExtra, ModelUnavailable: as `open_encoder`.
    """
    return tagger_of(load_headed(folder, sum(sizes), max_tokens, device, threads), sizes)
