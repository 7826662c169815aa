"""Codes: for each label one word of the base model's vocabulary, one token, that a tuned model says for it.

A label's words take several tokens, a code one: one forward pass gives every label's probability, and
training has one answer token a row. The vocabulary stays as it is, so an adapter is plain LoRA and any
engine serves it.

The word is near what sets the label's name apart: the mean of the name's pieces less the mean over all
labels, in the table from which the model predicts. No two labels get the same word; the choice is the best
for all of them together. A word helps the training and is no name: people are shown labels, never codes. A
word that is a label's name is a code of that label or of none. Computed in float64 and rounded, so that
every machine chooses the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.core.errors import MissingExtra
from harness.core.records import Label
from harness.models.local.rendering import Renderer
from harness.tasks.classification import answer_text

_HEAD, _EMBEDDING = "lm_head.weight", "embed_tokens.weight"
_ROWS = 4096  # of the table, read at once
_DIGITS = 6
_FORBIDDEN = -9.0  # below any sum of cosines that could make up for it

Table = NDArray[np.float64]


def choose_codes(base: Path, labels: Sequence[Label]) -> dict[str, str]:
    """Label -> its code, in the labels' order; empty where there are too few words, or they cannot be read.

    Args:
        base: folder of the base model.

    Raises:
        MissingExtra: without transformers or scipy.
    """
    try:
        from scipy.optimize import linear_sum_assignment
        from transformers import AutoTokenizer
    except ImportError as error:
        raise MissingExtra.of(error.name or "transformers", "train") from error
    tokenizer = AutoTokenizer.from_pretrained(base, local_files_only=True, trust_remote_code=False)
    renderer, names = Renderer(tokenizer), [answer_text(label.name) for label in labels]
    words = _words(tokenizer)
    pieces = [tokenizer(f" {name}", add_special_tokens=False)["input_ids"] for name in names]
    close = _closeness(base, list(words), pieces)
    if close is None:
        return {}
    tokens = np.array(list(words))
    owners = {name.casefold(): place for place, name in enumerate(names)}
    for place, word in enumerate(words.values()):
        if (owner := owners.get(word.strip())) is not None:
            close[np.arange(len(names)) != owner, place] = _FORBIDDEN
    while len(tokens) >= len(labels):
        rows, places = linear_sum_assignment(-close)
        chosen = [int(tokens[place]) for _, place in sorted(zip(rows, places, strict=True))]
        wrong = [token for token in chosen if not _stands_alone(renderer, words[token], token)]
        if not wrong:
            return {label.name: words[token] for label, token in zip(labels, chosen, strict=True)}
        kept = ~np.isin(tokens, wrong)
        tokens, close = tokens[kept], close[:, kept]
    return {}


def _words(tokenizer: Any) -> dict[int, str]:
    """Token -> word, of the vocabulary's lower-case words: those with a blank in front, if there are any."""
    texts = {token: tokenizer.decode([token]) for token in range(len(tokenizer))}
    found = {
        token: text
        for token, text in texts.items()
        if (word := text.removeprefix(" ")).isascii() and word.isalpha() and word.islower()
        if len(word) > 1
    }
    blank = {token: text for token, text in found.items() if text.startswith(" ")}
    return blank or found


def _stands_alone(renderer: Renderer, word: str, token: int) -> bool:
    """Whether the word is this one token where the model's answer stands, and nothing is cut from it."""
    ids = renderer.completion_ids(word)
    return ids[:1] == (token,) and len(ids) == len(renderer.completion_ids("x" if word != "x" else "y"))


def _closeness(base: Path, words: Sequence[int], pieces: Sequence[Sequence[int]]) -> Table | None:
    """(labels, words) cosine of what sets a name apart and a word; None where the table cannot be read."""
    wanted = np.unique([token for name in pieces for token in name])
    rows: dict[int, Table] = {}
    total, count = 0.0, 0
    for start, part in _table(base):
        inside = wanted[(wanted >= start) & (wanted < start + len(part))]
        rows |= {int(token): part[token - start] for token in inside}
        total, count = total + part.sum(0), count + len(part)
    if not count or len(rows) < len(wanted):
        return None
    means = np.stack([np.mean([rows[token] for token in name], axis=0) for name in pieces])
    apart = _unit(means - means.mean(0))
    listed = np.array(words)
    close = np.full((len(pieces), len(words)), -1.0)
    for start, part in _table(base):
        inside = np.nonzero((listed >= start) & (listed < start + len(part)))[0]
        close[:, inside] = apart @ _unit(part[listed[inside] - start] - total / count).T
    return np.round(close, _DIGITS)


def _unit(rows: Table) -> Table:
    unit: Table = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    return unit


def _table(base: Path) -> Iterator[tuple[int, Table]]:
    """Rows of the table a model predicts from, in parts: the first row's number, and the rows."""
    from safetensors import safe_open

    found: dict[str, tuple[Path, str]] = {}
    for path in sorted(base.glob("*.safetensors")):
        with safe_open(path, framework="pt") as file:
            for name in file.keys():  # noqa: SIM118 - the file is no dict
                for end in (_HEAD, _EMBEDDING):
                    if name.endswith(end):
                        found.setdefault(end, (path, name))
    if not found:
        return
    path, name = found.get(_HEAD) or found[_EMBEDDING]
    with safe_open(path, framework="pt") as file:
        part = file.get_slice(name)
        for start in range(0, part.get_shape()[0], _ROWS):
            yield start, part[start : start + _ROWS].double().numpy()
