"""The allowed answers as a prefix tree of tokens, flattened for one pass of tree attention. Pure.

Node 0 is the end of the prompt and is not stored; every further node is one token that some answer
passes through. The end-of-turn token of an answer is never computed on, so it is no node: its
probability is read at the answer's last node.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.core.errors import DataError


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch:
    """All answers with one first token.

    Attributes:
        edge: index in the tree's `edges` of the first token.
        nodes: the nodes below that edge, parents before children; empty where the token is an answer.
        answers: indices of the answers.
    """

    edge: int
    nodes: tuple[int, ...]
    answers: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChoiceTree:
    """A prefix tree over tokenised answers.

    Attributes:
        tokens: token of each node, parents before children; length t.
        parents: index of each node's parent in `tokens`, -1 for the end of the prompt.
        depths: 0 for the first token after the prompt.
        edges: every (node, next token) whose log-probability is needed, each once; node -1 is the end
            of the prompt.
        paths: for each answer, the edges whose log-probabilities add up to its own.
        lengths: tokens of each answer, end-of-turn included.
        branches: one for each first token, in the order of their first answers.
    """

    tokens: tuple[int, ...]
    parents: tuple[int, ...]
    depths: tuple[int, ...]
    edges: tuple[tuple[int, int], ...]
    paths: tuple[tuple[int, ...], ...]
    lengths: tuple[int, ...]
    branches: tuple[Branch, ...]

    def ancestors(self, node: int) -> tuple[int, ...]:
        """The node itself and all nodes above it, from the node upwards."""
        chain = []
        while node >= 0:
            chain.append(node)
            node = self.parents[node]
        return tuple(chain)


def require_distinct(choices: Sequence[str], answers: Sequence[Sequence[int]]) -> None:
    """Check that a model can tell the choices apart.

    Args:
        answers: the choices as the model's tokens.

    Raises:
        DataError: naming the first two that are the same tokens.
    """
    seen: dict[tuple[int, ...], str] = {}
    for choice, answer in zip(choices, answers, strict=True):
        other = seen.setdefault(tuple(answer), choice)
        if other is not choice:
            raise DataError(
                f"Two labels are the same to the model: {other!a} and {choice!a}.",
                allowed="labels that differ in what a model reads",
            )


def choice_tree(answers: Sequence[Sequence[int]]) -> ChoiceTree:
    """Build the tree of tokenised answers, each ending with its end-of-turn token.

    Raises:
        ValueError: if there is no answer, one has no token, or two are the same.
    """
    if not answers or any(len(answer) == 0 for answer in answers):
        raise ValueError("there must be at least one choice, and each must have a token")
    nodes: dict[tuple[int, ...], int] = {}
    edges: dict[tuple[int, int], int] = {}
    tokens: list[int] = []
    parents: list[int] = []
    depths: list[int] = []
    paths: list[tuple[int, ...]] = []
    for answer in answers:
        node = -1
        path: list[int] = []
        for depth, token in enumerate(answer):
            path.append(edges.setdefault((node, token), len(edges)))
            if depth == len(answer) - 1:
                break
            key = tuple(answer[: depth + 1])
            if key not in nodes:
                nodes[key] = len(tokens)
                tokens.append(token)
                parents.append(node)
                depths.append(depth)
            node = nodes[key]
        paths.append(tuple(path))
    if len(set(paths)) != len(paths):
        raise ValueError("two choices are the same to the model's tokenizer")
    return ChoiceTree(
        tokens=tuple(tokens),
        parents=tuple(parents),
        depths=tuple(depths),
        edges=tuple(edges),
        paths=tuple(paths),
        lengths=tuple(len(answer) for answer in answers),
        branches=_branches(paths, tuple(edges)),
    )


def _branches(paths: Sequence[tuple[int, ...]], edges: Sequence[tuple[int, int]]) -> tuple[Branch, ...]:
    answers: dict[int, list[int]] = {}
    nodes: dict[int, set[int]] = {}
    for answer, path in enumerate(paths):
        answers.setdefault(path[0], []).append(answer)
        nodes.setdefault(path[0], set()).update(edges[step][0] for step in path[1:])
    return tuple(
        Branch(edge=edge, nodes=tuple(sorted(nodes[edge])), answers=tuple(members))
        for edge, members in answers.items()
    )
