"""Watch a training answer dev items: accuracy and a few sample answers at the end of each epoch.

The model is scored as it stands, whole and with its adapters unmerged, by the code that scores it later
(`tree_scoring`), so an answer can differ from the shipped model's by rounding only. Nothing is chosen here,
and the weights are the same bytes whether somebody watches or not (a test compares them).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from harness.core.records import Conversation, Message
from harness.core.wording import percent
from harness.models.local.rendering import Renderer

_PROBE = (Message(role="user", content="I was charged twice, please send my money back."),)
_PROBE_ANSWERS = ("refund request", "refund", "other")
_SHOWN_CHARS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """What to watch, and where to tell it.

    Attributes:
        choices: the answers the model may give.
        items: most dev rows that are answered, evenly drawn from them.
        samples: how many of these are shown.
        tell: takes whole lines, several an epoch.
    """

    choices: tuple[str, ...]
    items: int
    samples: int
    tell: Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """One dev row and the answer the model gives."""

    row: Conversation
    answer: str
    probability: float

    @property
    def correct(self) -> bool:
        """Whether it is the row's own answer."""
        return self.answer == self.row.completion


def drawn(rows: Sequence[Conversation], count: int) -> list[Conversation]:
    """`count` rows evenly spread over all of them, in order."""
    if count >= len(rows):
        return list(rows)
    return [rows[(2 * place + 1) * len(rows) // (2 * count)] for place in range(count)]


def answer_rows(
    model: Any, renderer: Renderer, rows: Sequence[Conversation], choices: Sequence[str]
) -> list[Answered]:
    """The model's answers to rows.

    Args:
        model: the causal language model under the adapters, computing all its layers.
    """
    import torch

    ids = [renderer.completion_ids(choice) for choice in choices]
    found = []
    with _scoring(model, renderer) as score:
        for row in rows:
            logprobs = score(renderer.prompt_ids(row.prompt), ids)
            shares = torch.softmax(torch.tensor(logprobs), dim=0).tolist()
            best = max(range(len(choices)), key=lambda i: (shares[i], -i))
            found.append(Answered(row=row, answer=choices[best], probability=shares[best]))
    return found


def sample_lines(answered: Sequence[Answered], count: int) -> list[str]:
    """A few answers, one a line: what was asked, what was answered, what is right."""
    lines = []
    for one in answered[:count]:
        text = " ".join(one.row.prompt[-1].content.split())
        shown = text if len(text) <= _SHOWN_CHARS else text[: _SHOWN_CHARS - 3] + "..."
        verdict = "right" if one.correct else f"wrong, it is '{one.row.completion}'"
        lines.append(f"  '{shown}' -> '{one.answer}' ({percent(one.probability, 0)}): {verdict}")
    return lines


@contextmanager
def _scoring(
    model: Any, renderer: Renderer
) -> Iterator[Callable[[Sequence[int], Sequence[Sequence[int]]], list[float]]]:
    """A function from a prompt's and the answers' tokens to the answers' log-probabilities."""
    from harness.models.local.choice_tree import choice_tree
    from harness.models.local.tree_scoring import PlainScorer, tree_scorer

    ordinary = model.config._attn_implementation
    probe = renderer.prompt_ids(_PROBE)
    try:
        scorer = tree_scorer(model, probe, [renderer.completion_ids(answer) for answer in _PROBE_ANSWERS])

        def score(prompt: Sequence[int], answers: Sequence[Sequence[int]]) -> list[float]:
            if scorer is None:
                plain: list[float] = PlainScorer(model).score(prompt, answers).tolist()
                return plain
            row: list[float] = scorer.score([prompt], choice_tree([tuple(a) for a in answers]), None)[
                0
            ].tolist()
            return row

        yield score
    finally:
        model.set_attn_implementation(ordinary)
