"""Log-probabilities of a closed set of answers, many prompts at a time, exact or within a stated bound.

log P(answer | prompt) is the sum of the model's token log-probabilities over the answer and its
end-of-turn token. Answers are a prefix tree (`choice_tree`, `tree_attention`); a prompt prefix that
requests share is computed once. Logits are computed at the end of the prompt and the tree's nodes only;
the log-softmax over the vocabulary is in fp32 whatever the model computes in.

`score` computes all answers of a prompt in the one pass that reads it. `score_needed` reads the prompt
alone, which gives every first token, and then only the branches `branch_search` asks for: the best answer is
the same, and after normalising over the answers no probability is off by more than `EPS` (1e-3). Answers
left out share the mass their first token could give them at most, in equal parts, so their own
log-probability is no estimate of theirs; all of them together have at most `EPS`. Which branches are
computed depends on the prompt alone, up to rounding, and not on the other prompts of a batch.

What is computed, against one full pass an answer: the same in float64 (tests hold it to 1e-8), at most 1e-3
apart in fp32 (rounding in another order of summation) and up to 2 in bf16 (the worst on 12 prompts of
SmolLM2-135M), in units of log-probability. Ordinary passes in bf16 are off themselves.

Grouping prompts for batched passes. Pure.

A tree of answers as tensors, made once for each set of choices and device.

Attention for one pass over prompt suffixes and a tree of answers, behind a shared prompt prefix.

A row of the batch is `[suffix, padding, tree]`. Suffix tokens are causal; a tree token sees the whole
suffix of its row and its own ancestors; everything sees the prefix, whose keys and values are held once
for the whole batch and never copied. In a later pass over nodes alone (`Below`) the nodes of all rows
stand in one line without padding, and each sees the recorded suffix of its row.

The parts are computed apart and merged by their log-sum-exp (the split-softmax identity of
FlashAttention, Dao et al. 2022, section 3.1), so that prefix and suffix need no mask and the mask of the
tree stays small.

It is registered with transformers as an attention of its own; `harness.models.local.tree_scoring` checks on
loading that a model's forward pass agrees with its ordinary one. Sliding windows, soft caps and
attention sinks are refused.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from harness.core.records import Message
from harness.models.local.choice_tree import EPS, ChoiceTree, batches, choice_tree, to_open
from harness.models.local.rendering import Renderer

_PROBE = (Message(role="user", content="I was charged twice, please send my money back."),)
_PROBE_ANSWERS = ("refund request", "refund", "other")


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


ATTENTION = "tune_or_retrieve_tree"
Parts = tuple[torch.Tensor, torch.Tensor]


@dataclass(frozen=True, slots=True, kw_only=True)
class PackedLine:
    """The tokens of r rows in one line without padding; row i has at most m of them.

    Attributes:
        rows, places: r and m.
        at: (n,) at which of the r * m places each token of the line stands; what fills it up is its first.
        spread: (r * m,) which token of the line stands at each place; 0 at places without one.
    """

    rows: int
    places: int
    at: torch.Tensor
    spread: torch.Tensor

    @classmethod
    def of(cls, counts: torch.Tensor, multiple: int) -> PackedLine:
        """That of so many tokens a row, at least one in all, filled up to a multiple."""
        places, n = int(counts.max()), int(counts.sum())
        at = (torch.arange(places, device=counts.device) < counts.unsqueeze(1)).flatten().nonzero().squeeze(1)
        spread = torch.zeros(len(counts) * places, dtype=torch.long, device=counts.device)
        spread[at] = torch.arange(n, device=counts.device)
        return cls(
            rows=len(counts), places=places, at=torch.cat([at, at[:1].expand(-n % multiple)]), spread=spread
        )

    @property
    def of_row(self) -> torch.Tensor:
        """(n,) the row of each token."""
        return self.at // self.places

    def by_row(self, x: torch.Tensor) -> torch.Tensor:
        """(1, h, n, d) of the line -> (r, h, m, d)."""
        h, d = x.shape[1], x.shape[3]
        return x[0].index_select(1, self.spread).reshape(h, self.rows, self.places, d).transpose(0, 1)

    def attend(
        self, q: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, scale: float, mask: torch.Tensor
    ) -> Parts:
        """Attention of the line's tokens to what stands by row: (1, h, n, d) and (1, h, n)."""
        h, d = q.shape[1], q.shape[3]
        folded = self.by_row(q).reshape(self.rows, keys.shape[1], -1, d)
        out, lse = attend(folded, keys, values, scale, mask=mask)
        out = out.reshape(self.rows, h, self.places, d).transpose(0, 1).reshape(h, -1, d)
        lse = lse.reshape(self.rows, h, self.places).transpose(0, 1).reshape(h, -1)
        return out.index_select(1, self.at).unsqueeze(0), lse.index_select(1, self.at).unsqueeze(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Below:
    """A pass over tree nodes of r rows, in one line; row i has at most m of them.

    Attributes:
        layers: keys and values of the rows' suffixes by layer, each (r, kv_heads, s, d).
        mask: (r, 1, groups * m, s + m), 0 where a node may look and -inf elsewhere.
    """

    layers: list[Parts]
    mask: torch.Tensor
    line: PackedLine


@dataclass(frozen=True, slots=True, kw_only=True)
class Writing:
    """A pass over the next tokens of r answers that are being written, in one line; at most m of each.

    Attributes:
        layers: keys and values by layer of all columns there is room for, each (r, kv_heads, room, d).
        columns: (n,) at which column of its row each of the tokens stands.
        mask: (r, 1, groups * m, width), 0 where a token may look and -inf elsewhere.
    """

    layers: list[Parts]
    columns: torch.Tensor
    mask: torch.Tensor
    line: PackedLine


@dataclass(slots=True, kw_only=True)
class TreePass:
    """What one forward pass tells every layer's attention.

    Attributes:
        suffix: padded length s of the suffix; what follows in a row are its t tree tokens.
        tree_mask: (b, 1, groups * t, s + t), 0 where a tree token may look and -inf elsewhere; None
            when t is 0.
        prefix: keys and values by layer, each (1, kv_heads, p, d); None without a prefix.
        record: filled with this pass's keys and values by layer when not None.
        below: set for a pass over nodes alone; `suffix` is then 0.
        writing: set for a pass over answers that are being written; `suffix` is then 0.
    """

    suffix: int
    tree_mask: torch.Tensor | None = None
    prefix: list[Parts] | None = None
    record: list[Parts] | None = None
    below: Below | None = None
    writing: Writing | None = None


def register_tree_attention() -> None:
    """Make the attention known to transformers under `NAME`; again is harmless."""
    from transformers import AttentionInterface

    AttentionInterface.register(ATTENTION, tree_attention)


def tree_attention(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    **kwargs: Any,
) -> tuple[torch.Tensor, None]:
    """The attention function as transformers calls it; its `TreePass` comes as the keyword `tree`.

    Shapes: query (b, heads, s + t, d), key and value (b, kv_heads, s + t, d); returns (b, s + t, heads, d).

    Raises:
        NotImplementedError: if the layer needs a sliding window, a soft cap or sinks.
    """
    tree: TreePass = kwargs["tree"]
    for name in ("sliding_window", "softcap", "s_aux", "position_bias"):
        if kwargs.get(name) is not None:
            raise NotImplementedError(f"tree attention without {name}")
    if tree.record is not None:
        tree.record.append((key, value))
    scale = scaling if scaling is not None else query.shape[-1] ** -0.5
    if tree.writing is not None:
        own, own_lse = _written(query, key, value, tree.writing, module.layer_idx, scale)
    elif tree.below is not None:
        own, own_lse = _below(query, key, value, tree.below, module.layer_idx, scale)
    else:
        own, own_lse = _own(query, key, value, tree, scale)
    if tree.prefix is not None:
        past_key, past_value = tree.prefix[module.layer_idx]
        past, past_lse = _prefix(query, past_key, past_value, scale)
        weight = torch.sigmoid(past_lse - own_lse).unsqueeze(-1).to(own.dtype)
        own = torch.lerp(own, past, weight)
    return own.transpose(1, 2), None


def _own(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, tree: TreePass, scale: float) -> Parts:
    """Attention inside the rows: causal over the suffix, masked for the tree."""
    heads, s, t = q.shape[1], tree.suffix, q.shape[2] - tree.suffix
    groups = heads // k.shape[1]
    ks, vs = (x[:, :, :s].repeat_interleave(groups, dim=1) for x in (k, v))
    out, lse = attend(q[:, :, :s], ks, vs, scale, causal=True)
    if t == 0:
        return out, lse
    folded = q[:, :, s:].reshape(q.shape[0], k.shape[1], groups * t, q.shape[3])
    tree_out, tree_lse = attend(folded, k, v, scale, mask=tree.tree_mask)
    shape = (q.shape[0], heads, t)
    return (
        torch.cat([out, tree_out.reshape(*shape, -1)], dim=2),
        torch.cat([lse, tree_lse.reshape(shape)], dim=2),
    )


def _below(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, below: Below, layer: int, scale: float
) -> Parts:
    """Attention of nodes to their row's suffix and to their ancestors."""
    past_k, past_v = below.layers[layer]
    keys = torch.cat([past_k, below.line.by_row(k)], dim=2)
    values = torch.cat([past_v, below.line.by_row(v)], dim=2)
    return below.line.attend(q, keys, values, scale, below.mask)


def _written(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, writing: Writing, layer: int, scale: float
) -> Parts:
    """Attention of new tokens to their row's columns; theirs are filled."""
    keys, values = writing.layers[layer]
    rows, width = writing.line.of_row, writing.mask.shape[-1]
    keys[rows, :, writing.columns], values[rows, :, writing.columns] = (
        k[0].transpose(0, 1),
        v[0].transpose(0, 1),
    )
    return writing.line.attend(q, keys[:, :, :width], values[:, :, :width], scale, writing.mask)


def _prefix(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, scale: float) -> Parts:
    """Attention of all rows to the shared prefix: the batch is folded into the query length."""
    b, heads, n, d = q.shape
    kv = k.shape[1]
    folded = q.reshape(b, kv, -1, d).transpose(0, 1).reshape(1, kv, -1, d)
    out, lse = attend(folded, k, v, scale)
    out = out.reshape(kv, b, heads // kv, n, -1).transpose(0, 1).reshape(b, heads, n, -1)
    return out, lse.reshape(kv, b, heads // kv, n).transpose(0, 1).reshape(b, heads, n)


def attend(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    scale: float,
    *,
    causal: bool = False,
    mask: torch.Tensor | None = None,
) -> Parts:
    """Softmax attention and the log-sum-exp of its scores, (b, h, n, d) and fp32 (b, h, n).

    On a CPU the fused kernel of torch is used, which returns both; elsewhere plain matrix products.
    """
    if q.device.type == "cpu":
        out, lse = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(
            q, k, v, 0.0, causal, attn_mask=mask, scale=scale
        )
        return out, lse
    scores = (q @ k.transpose(-1, -2)).float() * scale
    if mask is not None:
        scores = scores + mask
    if causal:
        n, m = scores.shape[-2:]
        scores = scores.masked_fill(torch.ones(n, m, dtype=torch.bool, device=q.device).triu(1), -torch.inf)
    lse = scores.logsumexp(-1)
    return torch.exp(scores - lse.unsqueeze(-1)).to(v.dtype) @ v, lse


_ROWS = 256  # rows of logits held at once: 256 x 49,152 x 4 bytes = 50 MB
_STEP = 16  # bf16 passes are padded to multiples of this: a new shape costs a kernel build
_AGREE = {torch.float64: 1e-6, torch.float32: 1e-2, torch.bfloat16: 1.0}
# of log-probabilities, for the check on loading


@dataclass(frozen=True, slots=True, kw_only=True)
class Prefix:
    """A prompt prefix and its keys and values by layer."""

    ids: tuple[int, ...]
    layers: list[Parts]

    def cut(self, length: int) -> Prefix:
        """The first `length` tokens of it, sharing memory."""
        if length == len(self.ids):
            return self
        layers = [(k[:, :, :length], v[:, :, :length]) for k, v in self.layers]
        return Prefix(ids=self.ids[:length], layers=layers)


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeScores:
    """Scores of b prompts.

    Attributes:
        logprobs: for each prompt one for each answer, not normalised over the answers.
        nodes: for each prompt how many nodes were computed beside it.
    """

    logprobs: list[list[float]]
    nodes: list[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Read:
    """Prompts that were read: the hidden state at each end, own lengths, keys and values by layer."""

    ends: torch.Tensor
    lengths: torch.Tensor
    past: int
    prefix: Prefix | None
    layers: list[Parts]


class TreeScorer:
    """Scores answers with a causal language model of transformers (typed loosely, as the classes vary)."""

    def __init__(self, model: Any) -> None:
        register_tree_attention()
        self._model = model
        self._groups = model.config.num_attention_heads // (
            getattr(model.config, "num_key_value_heads", None) or model.config.num_attention_heads
        )
        self._step = _STEP if model.dtype == torch.bfloat16 else 1
        self._tables: dict[ChoiceTree, TreeTables] = {}

    @property
    def groups(self) -> int:
        """Query heads for each head of keys and values."""
        return int(self._groups)

    @property
    def multiple(self) -> int:
        """Tokens of a pass are filled up to a multiple of this."""
        return self._step

    def padded(self, length: int) -> int:
        """The padded length of a suffix."""
        return -(-length // self._step) * self._step

    def read_prefix(self, ids: Sequence[int]) -> Prefix:
        """Compute a prefix once."""
        record: list[Parts] = []
        tokens = torch.tensor([list(ids)], device=self._model.device)
        positions = torch.arange(len(ids), device=self._model.device).unsqueeze(0)
        self.hidden(tokens, positions, TreePass(suffix=len(ids), record=record))
        return Prefix(ids=tuple(ids), layers=record)

    @torch.inference_mode()  # type: ignore[untyped-decorator]
    def score(
        self, suffixes: Sequence[Sequence[int]], tree: ChoiceTree, prefix: Prefix | None
    ) -> torch.Tensor:
        """Log-probabilities (b, answers) of all answers, fp32 and not normalised over the answers.

        Args:
            suffixes: what follows the prefix in each prompt; at least one token each.
            tree: the answers.
            prefix: what all prompts begin with, or None.
        """
        tables, b = self._tables_of(tree), len(suffixes)
        tokens, lengths = self._suffixes(suffixes)
        s, past = tokens.shape[1], len(prefix.ids) if prefix else 0
        rows = torch.cat([tokens, tables.tokens.expand(b, -1)], dim=1)
        own = torch.arange(s, device=tokens.device).expand(b, s)
        positions = torch.cat([own, lengths.unsqueeze(1) + tables.depths], dim=1)
        mask = self._mask(lengths, s, tables.ancestors.expand(b, -1, -1)) if tree.tokens else None
        tree_pass = TreePass(suffix=s, tree_mask=mask, prefix=prefix.layers if prefix else None)
        hidden = self.hidden(rows, positions + past, tree_pass)
        ends = hidden[torch.arange(b, device=tokens.device), lengths - 1].unsqueeze(1)
        nodes = torch.arange(-1, len(tree.tokens), device=tokens.device)
        values = tables.values(b)
        flat = torch.cat([ends, hidden[:, s:]], dim=1).flatten(0, 1)
        self._write(values, tables, flat, _pairs(b, nodes))
        return tables.sums(values)

    @torch.inference_mode()  # type: ignore[untyped-decorator]
    def score_needed(
        self,
        suffixes: Sequence[Sequence[int]],
        tree: ChoiceTree,
        prefix: Prefix | None,
        *,
        eps: float = EPS,
        budget: int = 1 << 30,
    ) -> TreeScores:
        """Log-probabilities of the answers that matter, and shares of a bound for the others.

        Args:
            suffixes, tree, prefix: as for `score`.
            eps: most probability left out, as a share of what was computed; 0 computes every answer.
            budget: most nodes of one pass, places without a node included.
        """
        tables, read = self._tables_of(tree), self._read(suffixes, prefix)
        values = tables.values(len(suffixes))
        self._write(
            values, tables, read.ends, _pairs(len(suffixes), torch.tensor([-1], device=values.device))
        )
        edges = [branch.edge for branch in tree.branches]
        bounds: list[list[float]] = values[:, edges].tolist()
        bare = [index for index, branch in enumerate(tree.branches) if not branch.nodes]
        opened = [set(bare) for _ in suffixes]
        wanted = [to_open(row, (), (), eps) for row in bounds]
        while any(wanted):
            needed = [[n for index in row for n in tree.branches[index].nodes] for row in wanted]
            for group in batches([len(nodes) for nodes in needed], budget):
                members = sorted(row for row in group if needed[row])
                if members:
                    self._open(read, tables, values, {row: needed[row] for row in members})
            scores: list[list[float]] = tables.sums(values).tolist()
            for row, indices in enumerate(wanted):
                opened[row].update(indices)
                found = [scores[row][answer] for i in opened[row] for answer in tree.branches[i].answers]
                wanted[row] = to_open(bounds[row], opened[row], found, eps) if indices else []
        logprobs = [
            _with_shares(row, tree, row_bounds, done)
            for row, row_bounds, done in zip(tables.sums(values).tolist(), bounds, opened, strict=True)
        ]
        nodes = [sum(len(tree.branches[index].nodes) for index in row) for row in opened]
        return TreeScores(logprobs=logprobs, nodes=nodes)

    def _tables_of(self, tree: ChoiceTree) -> TreeTables:
        if tree not in self._tables:
            self._tables[tree] = TreeTables(tree, self._model.device)
        return self._tables[tree]

    def _suffixes(self, suffixes: Sequence[Sequence[int]]) -> tuple[torch.Tensor, torch.Tensor]:
        s = self.padded(max(len(suffix) for suffix in suffixes))
        device = self._model.device
        rows = torch.tensor([[*suffix, *[0] * (s - len(suffix))] for suffix in suffixes], device=device)
        return rows, torch.tensor([len(suffix) for suffix in suffixes], device=device)

    def _read(self, suffixes: Sequence[Sequence[int]], prefix: Prefix | None) -> _Read:
        """One pass over the prompts alone."""
        tokens, lengths = self._suffixes(suffixes)
        past, record = len(prefix.ids) if prefix else 0, list[Parts]()
        positions = torch.arange(past, past + tokens.shape[1], device=tokens.device).expand(tokens.shape)
        layers = prefix.layers if prefix else None
        hidden = self.hidden(
            tokens, positions, TreePass(suffix=tokens.shape[1], prefix=layers, record=record)
        )
        ends = hidden[torch.arange(len(suffixes), device=tokens.device), lengths - 1]
        return _Read(ends=ends, lengths=lengths, past=past, prefix=prefix, layers=record)

    def _open(
        self, read: _Read, tables: TreeTables, values: torch.Tensor, needed: dict[int, list[int]]
    ) -> None:
        """One pass over nodes of some rows (rising), all in one line; `values` gets what they tell."""
        device, count = values.device, sum(map(len, needed.values()))
        line = PackedLine.of(
            torch.tensor([len(nodes) for nodes in needed.values()], device=device), self._step
        )
        rows = torch.tensor(list(needed), device=device)
        padded = torch.tensor(
            [[*nodes, *[-1] * (line.places - len(nodes))] for nodes in needed.values()], device=device
        )
        nodes, of = padded.flatten()[line.at], rows[line.of_row]
        seen = tables.ancestors[padded.unsqueeze(2), padded.unsqueeze(1)]
        seen = seen & (padded >= 0).unsqueeze(2) & (padded >= 0).unsqueeze(1)
        whole = len(rows) == len(read.lengths)  # then nothing recorded need be copied
        below = Below(
            layers=read.layers if whole else [(k[rows], v[rows]) for k, v in read.layers],
            mask=self._mask(read.lengths[rows], read.layers[0][0].shape[2], seen),
            line=line,
        )
        positions = read.past + read.lengths[of] + tables.depths[nodes]
        layers = read.prefix.layers if read.prefix else None
        tree = TreePass(suffix=0, prefix=layers, below=below)
        hidden = self.hidden(tables.tokens[nodes].unsqueeze(0), positions.unsqueeze(0), tree)
        self._write(values, tables, hidden[0, :count], (of[:count], nodes[:count]))

    def hidden(self, tokens: torch.Tensor, positions: torch.Tensor, tree: TreePass) -> torch.Tensor:
        """The last hidden states of one pass."""
        with torch.inference_mode():
            output = self._model.base_model(
                input_ids=tokens, position_ids=positions, use_cache=False, tree=tree, return_dict=True
            )
        hidden: torch.Tensor = output.last_hidden_state
        return hidden

    def _mask(self, lengths: torch.Tensor, s: int, seen: torch.Tensor) -> torch.Tensor:
        """What nodes see: the suffix of their row, and what `seen` (b, t, t) says among nodes."""
        b, t, _ = seen.shape
        suffix = torch.arange(s, device=lengths.device) < lengths.unsqueeze(1)
        allowed = torch.cat([suffix[:, None, :].expand(b, t, s), seen], dim=2)
        mask = torch.zeros(allowed.shape, dtype=self._model.dtype, device=lengths.device)
        mask.masked_fill_(~allowed, -torch.inf)
        return mask.unsqueeze(1).repeat(1, 1, self._groups, 1)

    def _write(
        self, values: torch.Tensor, tables: TreeTables, hidden: torch.Tensor, where: tuple[torch.Tensor, ...]
    ) -> None:
        """Edge values from hidden states (n, d); `where` has row and node of each, -1 for the prompt."""
        rows, nodes = where
        for start in range(0, len(hidden), _ROWS):
            part = slice(start, start + _ROWS)
            logits = self._model.lm_head(hidden[part]).float()
            picked = logits.gather(1, tables.next[nodes[part] + 1]) - logits.logsumexp(-1, keepdim=True)
            values[rows[part].unsqueeze(1), tables.edges[nodes[part] + 1]] = picked


def _with_shares(
    scores: list[float], tree: ChoiceTree, bounds: Sequence[float], opened: Collection[int]
) -> list[float]:
    """The scores, where the answers of each branch left out share its bound equally."""
    full = list(scores)
    for index, branch in enumerate(tree.branches):
        if index not in opened:
            share = bounds[index] - math.log(len(branch.answers))
            for answer in branch.answers:
                full[answer] = share
    return full


def _pairs(rows: int, nodes: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Every row with every node, row by row."""
    return torch.arange(rows, device=nodes.device).repeat_interleave(len(nodes)), nodes.repeat(rows)


class PlainScorer:
    """The same log-probabilities by one ordinary pass an answer; for models the tree cannot serve."""

    def __init__(self, model: Any) -> None:
        self._model = model

    def score(self, prompt: Sequence[int], answers: Sequence[Sequence[int]]) -> torch.Tensor:
        """Log-probabilities (answers,), fp32."""
        sums = []
        for answer in answers:
            ids = torch.tensor([[*prompt, *answer]], device=self._model.device)
            with torch.inference_mode():
                logits = self._model(input_ids=ids, use_cache=False, logits_to_keep=len(answer) + 1).logits
            steps = logits[0, :-1].float().log_softmax(-1)
            sums.append(steps[torch.arange(len(answer)), list(answer)].sum())
        return torch.stack(sums)


def probed_scorer(model: Any, renderer: Renderer) -> TreeScorer | None:
    """`tree_scorer` on a prompt and answers as they are rendered for the model."""
    prompt = renderer.prompt_ids(_PROBE)
    return tree_scorer(model, prompt, [renderer.completion_ids(answer) for answer in _PROBE_ANSWERS])


def tree_scorer(model: Any, prompt: Sequence[int], answers: Sequence[Sequence[int]]) -> TreeScorer | None:
    """A tree scorer for the model if it agrees with ordinary passes on this probe, else None.

    The model is left with the attention that is to be used.
    """
    ordinary = model.config._attn_implementation
    expected = PlainScorer(model).score(prompt, answers)
    try:
        scorer = TreeScorer(model)
        model.set_attn_implementation(ATTENTION)
        half = len(prompt) // 2
        prefix = scorer.read_prefix(prompt[:half])
        tree, rest = choice_tree(answers), [prompt[half:]]
        whole = scorer.score(rest, tree, prefix)[0].tolist()
        branches = scorer.score_needed(rest, tree, prefix, eps=0.0).logprobs[0]
        limit = _AGREE.get(model.dtype, 1.0)
        pairs = zip([*expected.tolist()] * 2, [*whole, *branches], strict=True)
        if all(abs(one - other) <= limit for one, other in pairs):
            return scorer
    except (NotImplementedError, AttributeError, KeyError, TypeError, ValueError, RuntimeError):
        pass  # another architecture: fused heads, no lm_head, own cache; the ordinary pass serves it
    model.set_attn_implementation(ordinary)
    return None
