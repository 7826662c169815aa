"""The allowed answers as a prefix tree of tokens, flattened for one pass of tree attention. Pure.

Node 0 is the end of the prompt and is not stored; every further node is one token that some answer
passes through. The end-of-turn token of an answer is never computed on, so it is no node: its
probability is read at the answer's last node.

Which first tokens of the answers must be looked below, so that the rest can be left out. Pure.

The end of a prompt gives the probability of every first token. No answer is more probable than its first
token, and all answers under one first token are together no more probable than it: P(first token) bounds
the mass of its branch. `to_open` says which branches to compute, most probable first, until what is left
out is together at most `EPS` of what was found and none of it could be the best.

With found mass Z, left-out mass U <= B and B <= EPS * Z, a found answer has probability P / (Z + U) and is
reported as P / (Z + B): too low by at most EPS of itself. A left-out answer has at most EPS. So every
reported probability is within EPS of the exact one, and the best answer is the exact best one.

Every label's log-probability from an engine that tells the likeliest next tokens only. Pure.

The engine is asked after the prompt and below the labels that can matter (`models.branch_search`). A token it
does not name has at most the probability of the least it named; labels that rest on such a bound are together
at most `EPS` of what was found, or the engine is asked there for all its tokens. So the best label is the
exact best, and no probability is off by more than twice `EPS`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from harness.core.errors import DataError

EPS = 1e-3  # most probability that may be left out, as a share of what was found
# Before anything is found, the answers are taken to hold this share of their first tokens' mass, as they do
# in a tuned model; a smaller one opens more branches at once, a larger one needs a second round more often.
_GUESS = math.log(0.9)
_LEAD = math.log(2.0)  # the best must be twice any bound: far more than rounding


def log_sum(values: Sequence[float]) -> float:
    """log of the sum of exp(values); -inf of nothing."""
    top = max(values, default=-math.inf)
    if top == -math.inf:
        return top
    return top + math.log(math.fsum(math.exp(value - top) for value in values))


def to_open(
    bounds: Sequence[float], opened: Collection[int], found: Sequence[float], eps: float = EPS
) -> list[int]:
    """The branches to compute next, most probable first; empty when the bound holds.

    Everything is in log-probabilities, not normalised over the answers. Two rounds are always enough:
    what was found only grows.

    Args:
        bounds: of each branch, that of its first token.
        opened: branches computed already.
        found: of each answer below `opened`; empty before the first round.
        eps: 0 opens every branch that is possible at all.
    """
    total = log_sum(found) if opened else log_sum(bounds) + _GUESS
    most = total + (math.log(eps) if eps > 0 else -math.inf)
    lead = max(found, default=-math.inf) - _LEAD if opened else math.inf
    rest = sorted((i for i in range(len(bounds)) if i not in opened), key=lambda i: (bounds[i], -i))
    left, count = -math.inf, 0
    for branch in rest:
        left = log_sum((left, bounds[branch]))
        if left > most or bounds[branch] > lead:
            break
        count += 1
    return rest[count:][::-1]


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


def common_prefix(sequences: Sequence[tuple[int, ...]]) -> int:
    """How many tokens all sequences begin with in common, leaving each at least one of its own."""
    if not sequences:
        return 0
    low, high = min(sequences), max(sequences)  # in lexicographic order these two differ first
    limit = min(len(sequence) for sequence in sequences) - 1
    count = 0
    while count < limit and low[count] == high[count]:
        count += 1
    return count


def batches(lengths: Sequence[int], budget: int) -> list[list[int]]:
    """Indices grouped by falling length; each group's count times its longest length is within `budget`.

    A single item over the budget is a group of its own. Ties keep the given order.
    """
    order = sorted(range(len(lengths)), key=lambda index: -lengths[index])
    groups: list[list[int]] = []
    for index in order:
        if groups and (len(groups[-1]) + 1) * lengths[groups[-1][0]] <= budget:
            groups[-1].append(index)
        else:
            groups.append([index])
    return groups
