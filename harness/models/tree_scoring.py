"""Exact log-probabilities of a closed set of answers, many prompts at a time.

log P(answer | prompt) is the sum of the model's token log-probabilities over the answer and its
end-of-turn token. All answers of a prompt are computed in the one pass that reads it, as a prefix tree
(`choice_tree`, `tree_attention`), and a prompt prefix that requests share is computed once. Logits are
computed at the end of the prompt and the tree's nodes only; the log-softmax over the vocabulary is in
fp32 whatever the model computes in.

Against one full pass an answer: at most 1e-3 apart in fp32 (tests hold it to that; the difference is
rounding in another order of summation) and about 0.5 in bf16, in units of log-probability. Ordinary
passes in bf16 are as far from fp32 themselves (0.14 to 0.43 on four prompts of SmolLM2-135M).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from harness.models import tree_attention
from harness.models.choice_tree import ChoiceTree, choice_tree
from harness.models.tree_attention import Parts, TreePass

_ROWS = 256  # rows of logits held at once: 256 x 49,152 x 4 bytes = 50 MB
_STEP = 16  # suffixes are padded to multiples of this: a new shape costs a kernel build in bf16
_AGREE = {torch.float32: 1e-2, torch.bfloat16: 1.0}  # of log-probabilities, for the check on loading


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


def padded(length: int) -> int:
    """The padded length of a suffix."""
    return -(-length // _STEP) * _STEP


class TreeScorer:
    """Scores answers with a causal language model of transformers (typed loosely, as the classes vary)."""

    def __init__(self, model: Any) -> None:
        tree_attention.register()
        self._model = model
        self._groups = model.config.num_attention_heads // (
            getattr(model.config, "num_key_value_heads", None) or model.config.num_attention_heads
        )

    def read_prefix(self, ids: Sequence[int]) -> Prefix:
        """Compute a prefix once."""
        record: list[Parts] = []
        tokens = torch.tensor([list(ids)], device=self._model.device)
        positions = torch.arange(len(ids), device=self._model.device).unsqueeze(0)
        self._hidden(tokens, positions, TreePass(suffix=len(ids), record=record))
        return Prefix(ids=tuple(ids), layers=record)

    def score(
        self, suffixes: Sequence[Sequence[int]], tree: ChoiceTree, prefix: Prefix | None
    ) -> torch.Tensor:
        """Log-probabilities (b, answers), fp32 and not normalised over the answers.

        Args:
            suffixes: what follows the prefix in each prompt; at least one token each.
            tree: the answers.
            prefix: what all prompts begin with, or None.
        """
        device = self._model.device
        past = len(prefix.ids) if prefix else 0
        s, t = padded(max(len(suffix) for suffix in suffixes)), len(tree.tokens)
        lengths = torch.tensor([len(suffix) for suffix in suffixes], device=device)
        fill = [0] * s
        rows = [[*suffix, *fill[len(suffix) :], *tree.tokens] for suffix in suffixes]
        depths = torch.tensor(tree.depths, dtype=torch.long, device=device)
        positions = torch.cat(
            [torch.arange(s, device=device).expand(len(rows), s), lengths.unsqueeze(1) + depths], dim=1
        )
        mask = self._tree_mask(tree, lengths, s) if t else None
        tree_pass = TreePass(suffix=s, tree_mask=mask, prefix=prefix.layers if prefix else None)
        hidden = self._hidden(torch.tensor(rows, device=device), positions + past, tree_pass)
        ends = hidden[torch.arange(len(rows), device=device), lengths - 1].unsqueeze(1)
        return self._edge_sums(torch.cat([ends, hidden[:, s:]], dim=1), tree)

    def _hidden(self, tokens: torch.Tensor, positions: torch.Tensor, tree: TreePass) -> torch.Tensor:
        with torch.inference_mode():
            output = self._model.base_model(
                input_ids=tokens, position_ids=positions, use_cache=False, tree=tree, return_dict=True
            )
        hidden: torch.Tensor = output.last_hidden_state
        return hidden

    def _tree_mask(self, tree: ChoiceTree, lengths: torch.Tensor, s: int) -> torch.Tensor:
        t = len(tree.tokens)
        seen = torch.zeros(t, t, dtype=torch.bool)
        for node in range(t):
            seen[node, list(tree.ancestors(node))] = True
        suffix = torch.arange(s, device=lengths.device) < lengths.unsqueeze(1)
        b = len(lengths)
        allowed = torch.cat(
            [suffix[:, None, :].expand(b, t, s), seen.to(lengths.device).expand(b, t, t)], dim=2
        )
        mask = torch.zeros(allowed.shape, dtype=self._model.dtype, device=lengths.device)
        mask.masked_fill_(~allowed, -torch.inf)
        return mask.unsqueeze(1).repeat(1, 1, self._groups, 1)

    def _edge_sums(self, hidden: torch.Tensor, tree: ChoiceTree) -> torch.Tensor:
        """(b, 1 + nodes, d) hidden states, the prompt's end first, to (b, answers)."""
        b, nodes, width = hidden.shape
        flat = hidden.reshape(b * nodes, width)
        wanted: list[list[int]] = [[] for _ in range(nodes)]
        for node, token in tree.edges:
            wanted[node + 1].append(token)
        most = max(len(tokens) for tokens in wanted)
        table = torch.tensor([tokens + [0] * (most - len(tokens)) for tokens in wanted], device=flat.device)
        table = table.repeat(b, 1)
        parts = []
        for start in range(0, len(flat), _ROWS):
            with torch.inference_mode():
                logits = self._model.lm_head(flat[start : start + _ROWS]).float()
                picked = logits.gather(1, table[start : start + _ROWS])
                parts.append(picked - logits.logsumexp(-1, keepdim=True))
        found = torch.cat(parts).reshape(b, nodes, most)
        column: list[int] = []
        count = [0] * nodes
        for node, _ in tree.edges:
            column.append(count[node + 1])
            count[node + 1] += 1
        edges = found[:, [node + 1 for node, _ in tree.edges], column]
        return torch.stack([edges[:, list(path)].sum(-1) for path in tree.paths], dim=1)


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


def tree_scorer(model: Any, prompt: Sequence[int], answers: Sequence[Sequence[int]]) -> TreeScorer | None:
    """A tree scorer for the model if it agrees with ordinary passes on this probe, else None.

    The model is left with the attention that is to be used.
    """
    ordinary = model.config._attn_implementation
    expected = PlainScorer(model).score(prompt, answers)
    try:
        scorer = TreeScorer(model)
        model.set_attn_implementation(tree_attention.NAME)
        half = len(prompt) // 2
        prefix = scorer.read_prefix(prompt[:half])
        got = scorer.score([prompt[half:]], choice_tree(answers), prefix)[0]
        if bool((got - expected).abs().max() <= _AGREE.get(model.dtype, 1.0)):
            return scorer
    except (NotImplementedError, AttributeError, KeyError, TypeError, ValueError, RuntimeError):
        pass  # another architecture: fused heads, no lm_head, own cache; the ordinary pass serves it
    model.set_attn_implementation(ordinary)
    return None
