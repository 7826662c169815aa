"""Every label's log-probability from an engine that tells the likeliest next tokens only. Pure.

The engine is asked after the prompt and below the labels that can matter (`models.branch_search`). A token it
does not name has at most the probability of the least it named; labels that rest on such a bound are together
at most `EPS` of what was found, or the engine is asked there for all its tokens. So the best label is the
exact best, and no probability is off by more than twice `EPS`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from harness.models.local.branch_search import EPS, log_sum, to_open
from harness.models.local.choice_tree import ChoiceTree


@dataclass(frozen=True, slots=True, kw_only=True)
class Following:
    """Tokens that can come next.

    Attributes:
        known: token -> log-probability.
        least: bound of every other token; minus infinity where all are known.
    """

    known: Mapping[int, float]
    least: float


Ask = Callable[[int, bool], Following]


@dataclass
class _Search:
    """What is known so far: edge values, those that are bounds only, and which branches were opened."""

    tree: ChoiceTree
    ask: Ask
    values: dict[int, float] = field(default_factory=dict)
    bounds_only: set[int] = field(default_factory=set)
    opened: set[int] = field(default_factory=set)

    def look(self, node: int, *, whole: bool) -> None:
        """Ask what follows a node, -1 for the prompt."""
        following = self.ask(node, whole)
        for edge, (at, token) in enumerate(self.tree.edges):
            if at == node:
                self.values[edge] = following.known.get(token, following.least)
                self.bounds_only.discard(edge)
                if token not in following.known and following.least > -math.inf:
                    self.bounds_only.add(edge)

    def score(self, answer: int) -> float:
        return sum(self.values[edge] for edge in self.tree.paths[answer])

    def found(self) -> dict[int, float]:
        """The scores of all answers in opened branches."""
        return {a: self.score(a) for index in self.opened for a in self.tree.branches[index].answers}

    def doubtful(self) -> set[int]:
        """The nodes to ask again, if what rests on bounds is more than may be."""
        found = self.found()
        resting = {a: s for a, s in found.items() if self.bounds_only.intersection(self.tree.paths[a])}
        if log_sum(list(resting.values())) <= log_sum(list(found.values())) + math.log(EPS):
            return set()
        edges = self.bounds_only.intersection(edge for answer in resting for edge in self.tree.paths[answer])
        return {self.tree.edges[edge][0] for edge in edges}


def label_scores(tree: ChoiceTree, ask: Ask) -> list[float]:
    """Log-probability of each answer of the tree, not normalised over them.

    Args:
        ask: (node, whole) -> what follows it; node -1 is the end of the prompt, `whole` wants every token.
    """
    search = _Search(tree, ask)
    search.look(-1, whole=False)
    search.opened = {index for index, branch in enumerate(tree.branches) if not branch.nodes}
    while True:
        bounds = [search.values[branch.edge] for branch in tree.branches]
        found = list(search.found().values())
        wanted = to_open(bounds, search.opened if found else (), found)
        for index in wanted:
            for node in tree.branches[index].nodes:
                search.look(node, whole=False)
            search.opened.add(index)
        if not wanted:
            again = search.doubtful()
            if not again:
                break
            for node in again:
                search.look(node, whole=True)
    scores = [0.0] * len(tree.paths)
    for index, branch in enumerate(tree.branches):
        for answer in branch.answers:
            share = bounds[index] - math.log(len(branch.answers))
            scores[answer] = search.score(answer) if index in search.opened else share
    return scores
