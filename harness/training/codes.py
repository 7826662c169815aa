"""Codes: for each label one word of the base model's vocabulary, one token, that a tuned model says for it.

A label's words take several tokens, a code one: one forward pass gives every label's probability, and
training has one answer token a row. The vocabulary stays as it is, so an adapter is plain LoRA and any
engine serves it.

Before training the base reads a few training rows of each label. A label's code is a word that it would
rather say after these rows than after all others, and that is near what sets the label's name apart: the
mean of the name's pieces less the mean over all labels. Both are brought to unit spread and added. No two
labels get the same word; the choice is the best for all of them together. So training begins with words that
tell the labels apart already. A code is no name: people are shown labels.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from harness.core.records import Conversation
from harness.models.local.rendering import Renderer
from harness.training.rows import tokenise

_ROWS = 5  # of each label that the base reads
_BATCH = 16
_TINY = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """The base model that codes are chosen for, not trained yet (typed loosely: heavy imports)."""

    model: Any
    tokenizer: Any
    renderer: Renderer


def choose_codes(
    base: Reader, labels: Sequence[str], rows: Sequence[Conversation], max_tokens: int, seed: int
) -> tuple[str, ...]:
    """The code of each label, in the labels' order; () where the vocabulary has too few words.

    Args:
        labels: in words.
        rows: training rows, answered in words.
        max_tokens: what is read of a row.
        seed: draws the rows that are read.
    """
    words = _words(base.tokenizer)
    if len(words) < len(labels):
        return ()
    import numpy as np
    from scipy.optimize import linear_sum_assignment

    tokens = list(words)
    fit = _fit(base, labels, _drawn(rows, seed), max_tokens, tokens)
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


def _drawn(rows: Sequence[Conversation], seed: int) -> list[Conversation]:
    """A few rows of each label."""
    shuffled, counts = list(rows), dict[str, int]()
    random.Random(seed).shuffle(shuffled)
    kept = []
    for row in shuffled:
        counts[row.completion] = counts.get(row.completion, 0) + 1
        if counts[row.completion] <= _ROWS:
            kept.append(row)
    return kept


def _fit(
    base: Reader, labels: Sequence[str], rows: Sequence[Conversation], max_tokens: int, tokens: Sequence[int]
) -> Any:
    """(labels, words) how well each word suits each label."""
    import torch

    table = base.model.lm_head.weight.detach()
    own = table[list(tokens)].float()
    told = torch.zeros(len(labels), len(tokens))
    if rows:
        places = torch.tensor([labels.index(row.completion) for row in rows])
        said = _states(base, rows, max_tokens) @ own.cpu().t()
        said = said - said.mean(0)
        told.index_add_(0, places, said)
        told /= torch.bincount(places, minlength=len(labels)).clamp(min=1).unsqueeze(1)
        within = (said - told[places]).square().mean(0).sqrt()
        told /= within + within.median() + _TINY
    pieces = [base.tokenizer(f" {label}", add_special_tokens=False)["input_ids"] for label in labels]
    names = torch.stack([table[ids].float().mean(0) for ids in pieces])
    unit = torch.nn.functional.normalize
    close = unit(names - names.mean(0), dim=1) @ unit(own - table.float().mean(0), dim=1).t()
    return (told / (told.std() + _TINY) + close.cpu() / (close.std().cpu() + _TINY)).double().numpy()


def _states(base: Reader, rows: Sequence[Conversation], max_tokens: int) -> Any:
    """(rows, width) hidden states from which the base would answer, fp32 on the CPU."""
    import torch

    ids = [row.ids[:-1] for row in (tokenise(r, base.renderer, max_tokens, one_token=True) for r in rows)]
    table = base.model.lm_head.weight
    found = torch.zeros(len(ids), table.shape[1])
    order = sorted(range(len(ids)), key=lambda place: len(ids[place]))
    for start in range(0, len(order), _BATCH):
        part = order[start : start + _BATCH]
        longest = -(-max(len(ids[place]) for place in part) // 4) * 4
        padded = [[*ids[place], *[0] * (longest - len(ids[place]))] for place in part]
        with torch.no_grad():
            given = torch.tensor(padded, device=table.device)
            states = base.model.model(input_ids=given, use_cache=False).last_hidden_state
        for row, place in enumerate(part):
            found[place] = states[row, len(ids[place]) - 1].float().cpu()
    return found


def _forbid(fit: Any, labels: Sequence[str], words: Sequence[str]) -> None:
    """A word that is a label's name is a code of that label or of none."""
    owners = {label.casefold(): place for place, label in enumerate(labels)}
    lowest = float(fit.min()) - len(labels) * float(fit.max() - fit.min() + 1.0)
    for place, word in enumerate(words):
        if (owner := owners.get(word.strip().casefold())) is not None:
            kept = fit[owner, place]
            fit[:, place] = lowest
            fit[owner, place] = kept


def _stands_alone(renderer: Renderer, word: str, token: int) -> bool:
    """Whether the word is this one token where the model's answer stands, and nothing is cut from it."""
    ids = renderer.completion_ids(word)
    return ids[:1] == (token,) and ids[1:] == renderer.completion_ids("x")[1:]
