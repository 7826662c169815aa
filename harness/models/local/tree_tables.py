"""A tree of answers as tensors, made once for each set of choices and device."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from harness.models.local.choice_tree import ChoiceTree


class TreeTables:
    """What scoring looks up; t nodes, e edges, a answers. Row 0 of `next` and `edges` is the prompt's end.

    Attributes:
        tokens, depths: (t,), as in the tree.
        ancestors: (t, t), whether a node sees another.
        next: (t + 1, w) the tokens whose log-probability is wanted after each node, padded with 0.
        edges: (t + 1, w) where these stand in a row of edge values, padded with `spare`.
        paths: (a, longest) the edges of each answer, padded with `zero`.
        zero, spare: two further places of a row of edge values: one stays 0, one is written and not read.
    """

    def __init__(self, tree: ChoiceTree, device: torch.device) -> None:
        self.zero, self.spare = len(tree.edges), len(tree.edges) + 1
        tokens: list[list[int]] = [[] for _ in range(len(tree.tokens) + 1)]
        edges: list[list[int]] = [[] for _ in tokens]
        for edge, (node, token) in enumerate(tree.edges):
            tokens[node + 1].append(token)
            edges[node + 1].append(edge)
        seen = torch.zeros(len(tree.tokens), len(tree.tokens), dtype=torch.bool)
        for node in range(len(tree.tokens)):
            seen[node, list(tree.ancestors(node))] = True
        self.tokens = torch.tensor(tree.tokens, dtype=torch.long, device=device)
        self.depths = torch.tensor(tree.depths, dtype=torch.long, device=device)
        self.ancestors = seen.to(device)
        self.next = _filled(tokens, 0, device)
        self.edges = _filled(edges, self.spare, device)
        self.paths = _filled(tree.paths, self.zero, device)

    def values(self, rows: int) -> torch.Tensor:
        """(rows, e + 2) edge values of which none is known yet: -inf."""
        values = torch.full((rows, self.spare + 1), -torch.inf, device=self.paths.device)
        values[:, self.zero] = 0.0
        return values

    def sums(self, values: torch.Tensor) -> torch.Tensor:
        """(rows, a) log-probabilities of the answers; -inf where an edge is not known."""
        return values[:, self.paths].sum(-1)


def _filled(rows: Sequence[Sequence[int]], fill: int, device: torch.device) -> torch.Tensor:
    most = max(len(row) for row in rows)
    return torch.tensor([[*row, *[fill] * (most - len(row))] for row in rows], device=device)
