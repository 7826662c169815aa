"""Codes: for each label one word of the base model's vocabulary, one token, that a tuned model says for it.

A label's words take several tokens, a code one: one forward pass gives every label's probability, and
training has one answer token a row. The vocabulary stays as it is, so an adapter is plain LoRA and any
engine serves it.

The word is near what sets the label's name apart: the mean of the name's pieces less the mean over all
labels, in the table from which the model predicts. No two labels get the same word; the choice is the best
for all of them together. A word helps the training and is no name: people are shown labels. Measured beside
other choices: docs/lab-log.md, "How a tuned model says a label".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from harness.models.local.rendering import Renderer


@dataclass(frozen=True, slots=True, kw_only=True)
class UntunedBase:
    """The base model that codes are chosen for, not trained yet (typed loosely: heavy imports)."""

    model: Any
    tokenizer: Any
    renderer: Renderer


def choose_codes(base: UntunedBase, labels: Sequence[str]) -> tuple[str, ...]:
    """The code of each label, in the labels' order; () where the vocabulary has too few words.

    Args:
        labels: in words.
    """
    words = _words(base.tokenizer)
    if len(words) < len(labels):
        return ()
    import numpy as np
    from scipy.optimize import linear_sum_assignment

    tokens = list(words)
    fit = _closeness(base, labels, tokens)
    _forbid(fit, labels, list(words.values()))
    kept = np.arange(len(tokens))
    while len(kept) >= len(labels):
        chosen = [tokens[kept[place]] for place in linear_sum_assignment(-fit[:, kept])[1]]
        wrong = [token for token in chosen if not _stands_alone(base.renderer, words[token], token)]
        if not wrong:
            return tuple(words[token] for token in chosen)
        kept = kept[~np.isin([tokens[place] for place in kept], wrong)]
    return ()


def _words(tokenizer: Any) -> dict[int, str]:
    """Token -> word of ASCII letters in the vocabulary: those with a blank in front, if there are any."""
    texts = {token: tokenizer.decode([token]) for token in range(len(tokenizer))}
    found = {
        token: text
        for token, text in texts.items()
        if (word := text.removeprefix(" ")).isascii() and word.isalpha() and len(word) > 1
    }
    blank = {token: text for token, text in found.items() if text.startswith(" ")}
    return blank or found


def _closeness(base: UntunedBase, labels: Sequence[str], tokens: Sequence[int]) -> Any:
    """(labels, words) cosine of what sets a name apart and a word, in float64."""
    import torch

    table = base.model.lm_head.weight.detach()
    pieces = [base.tokenizer(f" {label}", add_special_tokens=False)["input_ids"] for label in labels]
    names = torch.stack([table[ids].double().mean(0) for ids in pieces])
    words = table[list(tokens)].double() - table.float().mean(0).double()
    unit = torch.nn.functional.normalize
    return (unit(names - names.mean(0), dim=1) @ unit(words, dim=1).t()).cpu().numpy()


def _forbid(fit: Any, labels: Sequence[str], words: Sequence[str]) -> None:
    """A word that is a label's name is a code of that label or of none."""
    owners = {label.casefold(): place for place, label in enumerate(labels)}
    lowest = -2.0 * len(labels)  # no sum of cosines makes up for it
    for place, word in enumerate(words):
        if (owner := owners.get(word.strip().casefold())) is not None:
            kept = fit[owner, place]
            fit[:, place] = lowest
            fit[owner, place] = kept


def _stands_alone(renderer: Renderer, word: str, token: int) -> bool:
    """Whether the word is this one token where the model's answer stands, and nothing is cut from it."""
    ids = renderer.completion_ids(word)
    return ids[:1] == (token,) and ids[1:] == renderer.completion_ids("x")[1:]
