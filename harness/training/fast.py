"""The same training with less work: shared prefixes, frozen layers, fused adapters, loss where it counts.

Shared prefixes. Compute what all rows of a batch begin with once, in training too.

A chat template and an instruction put the same tokens in front of every row; in short rows they are most
of it. Here a batch is one line of tokens, the shared prefix first and then the rows without it, and only
attention knows of rows: prefix tokens see the prefix, a row's tokens the prefix and their own row. Gradients
flow through the one copy of the prefix and add up over the rows. The mathematics is unchanged, since
attention is causal: a prefix token never sees what follows it.

Registered with transformers as an attention of its own, used only inside `forward_over_prefix`.
`prefix_fits` tries it on two rows rather than guess: sliding windows and other attentions do not pass.

Frozen layers. Compute the lower layers of a model once a row, before training, and keep what they give.

While adapters sit on the upper layers only, the lower ones see the same rows in every epoch and give
the same hidden states. They are computed once, in a fixed order (by length, then as given), so that a
training gone on after a kill works with bit-identical states. The mathematics is unchanged: rows are
right-padded and attention is causal, so a row's states depend neither on padding nor on its batch
(beyond rounding). What all rows begin with is computed and kept once (shared prefixes).

Applies to decoders whose layers lie in `layers`, are called in order and take and give hidden states,
as in the Llama family; `FrozenLayers.fits` tries it on one row rather than guess.

The last layer. Compute the uppermost layer only where the loss is.

Above its attention, the last layer treats every token on its own, and only the answer's tokens are read
afterwards: its output projection and its MLP, 84 % of its weights in SmolLM2, can leave out all others.
The mathematics is unchanged.

Applies to layers built as in the Llama family (`input_layernorm`, `self_attn` with `o_proj`,
`post_attention_layernorm`, `mlp`, two residual sums); `LastLayer.fits` tries it on one row rather than guess.

Fused adapters. LoRA layers in fewer passes over the activations; the same mathematics as PEFT's own.

PEFT computes `W x`, then `B A x` beside it, scales it and adds it: three further passes over every
activation, which on a CPU cost as much as the product itself. Here, in fp32, a layer's two matrices are
added to its weight first (a small product) and one product is left; the gradient comes from thin
products. In bf16 the sum would round the adapter away, so there the thin product is added in place.

Only plain linear layers with a single LoRA adapter without dropout are changed; others stay PEFT's.
Differences to PEFT are rounding (fp32 about 1e-6, bf16 its own precision); tests compare both.

The loss. The loss of a batch on the answers' tokens alone, without logits where there is no loss.

A vocabulary of 49,152 makes logits at every position the largest part of a small model's step; an
answer is three to six of a hundred tokens. No attention mask is passed: rows are right-padded and
attention is causal, so padding cannot reach a real token, and the unmasked path is the faster one.

Models that change their logits after the head (soft caps, scales) are left to TRL's own loss; see
`has_plain_head`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

PREFIX_ATTENTION = "tune_or_retrieve_shared_prefix"
_SHARE = 0.1  # how much the codes' share of all words weighs beside which code it is
LEAST_PREFIX = 8  # tokens; a shorter prefix is not worth the detour
_TOLERANCE, _ROUNDED = 1e-3, 0.05  # of the largest state, in fp32 and in 16 bits; see `_agree`


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """How a line of tokens is to be read: `prefix` of them, then `rows` rows of `length`."""

    prefix: int
    rows: int
    length: int


def common_prefix(rows: Sequence[Sequence[int]], answers: Sequence[int]) -> tuple[int, ...]:
    """What all rows begin with, leaving each at least the token before its answer; () if not worth it.

    Args:
        answers: how many tokens at the end of each row are its answer.
    """
    if len(rows) < 2:
        return ()
    most = min(len(row) - answer - 1 for row, answer in zip(rows, answers, strict=True))
    low, high = (
        min(map(tuple, rows)),
        max(map(tuple, rows)),
    )  # in lexical order the two ends share what all share
    shared = next((i for i in range(min(len(low), len(high))) if low[i] != high[i]), len(low))
    length = min(most, shared)
    return low[:length] if length >= LEAST_PREFIX else ()


def forward_over_prefix(decoder: Any, prefix: Any, rows: Any) -> Any:
    """The decoder's last hidden state, (1, p + b * s, width), from one copy of the prefix.

    Args:
        prefix: token ids (p,) or hidden states (p, width).
        rows: what follows it, right-padded: token ids (b, s) or hidden states (b, s, width).
    """
    import torch

    _register_attention()
    layout = Layout(prefix=len(prefix), rows=rows.shape[0], length=rows.shape[1])
    line = torch.cat([prefix, rows.flatten(0, 1)]).unsqueeze(0)
    own = torch.arange(layout.length, device=line.device) + layout.prefix
    positions = torch.cat([torch.arange(layout.prefix, device=line.device), own.repeat(layout.rows)])
    given = {"inputs_embeds": line} if line.is_floating_point() else {"input_ids": line}
    before = decoder.config._attn_implementation
    decoder.config._attn_implementation = PREFIX_ATTENTION
    try:
        return decoder(
            **given, position_ids=positions.unsqueeze(0), use_cache=False, layout=layout
        ).last_hidden_state
    finally:
        decoder.config._attn_implementation = before


def line_of(prefix: int, mask: Any) -> Any:
    """A (b, L) mask over whole rows as one over the line, (1, p + b * (L - p)); False on the prefix."""
    import torch

    rest = mask[:, prefix:].flatten()
    return torch.cat([torch.zeros(prefix, dtype=torch.bool, device=mask.device), rest]).unsqueeze(0)


def prefix_fits(decoder: Any, prefix: Sequence[int], rows: Sequence[Sequence[int]]) -> bool:
    """Whether two rows give what ordinary passes over each give."""
    import torch

    device = decoder.embed_tokens.weight.device
    two = [list(row) for row in rows[:2]]
    p, longest = len(prefix), max(len(row) for row in two)
    ids = torch.tensor([[*row, *[0] * (longest - len(row))] for row in two], device=device)
    with torch.no_grad():
        try:
            line = forward_over_prefix(decoder, ids[0, :p], ids[:, p:])[0]
        except (NotImplementedError, TypeError, ValueError, KeyError):
            return False
        rest = line[p:].unflatten(0, (len(two), longest - p))
        for place, row in enumerate(two):
            whole = decoder(input_ids=ids[place : place + 1, : len(row)], use_cache=False).last_hidden_state[
                0
            ]
            got = torch.cat([line[:p], rest[place, : len(row) - p]])
            if not _agree(whole, got):
                return False
    return True


def _agree(whole: Any, short: Any) -> bool:
    """Whether a short way gives the states of the whole one, up to rounding.

    In bf16 a prefix computed once moves a state of SmolLM2 by up to 0.015 of the largest, one token that is
    not seen by 0.54, a window that ends too early by 0.21.
    """
    bound = _TOLERANCE if whole.element_size() >= 4 else _ROUNDED
    return bool((whole - short).abs().max() <= bound * whole.abs().max())


def _register_attention() -> None:
    """Make the attention known to transformers under `PREFIX_ATTENTION`; again is harmless."""
    from transformers import AttentionInterface

    AttentionInterface.register(PREFIX_ATTENTION, shared_attention)


def shared_attention(
    module: Any,
    query: Any,
    key: Any,
    value: Any,
    attention_mask: Any,
    scaling: float | None = None,
    **kwargs: Any,
) -> tuple[Any, None]:
    """The attention as transformers calls it; how the line is read comes as the keyword `layout`.

    Shapes: query (1, heads, n, d), key and value (1, kv_heads, n, d); returns (1, n, heads, d).

    Raises:
        NotImplementedError: if the layer needs a sliding window, a soft cap or sinks.
    """
    import torch

    layout: Layout = kwargs["layout"]
    for name in ("sliding_window", "softcap", "s_aux", "position_bias"):
        if kwargs.get(name) is not None:
            raise NotImplementedError(f"a shared prefix without {name}")
    attend = torch.nn.functional.scaled_dot_product_attention
    groups = query.shape[1] // key.shape[1]
    key, value = (x.repeat_interleave(groups, dim=1) for x in (key, value))
    p = layout.prefix
    first = attend(query[:, :, :p], key[:, :, :p], value[:, :, :p], is_causal=True, scale=scaling)

    def rows(x: Any) -> Any:
        return x[0, :, p:].unflatten(1, (layout.rows, layout.length)).transpose(0, 1)

    def behind(x: Any) -> Any:
        return torch.cat([x[:, :, :p].expand(layout.rows, -1, -1, -1), rows(x)], dim=2)

    mask = torch.ones(layout.length, p + layout.length, dtype=torch.bool, device=query.device).tril(p)
    rest = attend(rows(query), behind(key), behind(value), attn_mask=mask, scale=scaling)
    whole = torch.cat([first, rest.transpose(0, 1).flatten(1, 2).unsqueeze(0)], dim=2)
    return whole.transpose(1, 2), None


MAX_BYTES = 3 * 2**30
_BATCH_TOKENS = 2048


class FrozenLayers:
    """The `depth` lowest layers of a decoder, and what they gave for each row."""

    def __init__(self, decoder: Any, depth: int, prefix: Sequence[int] = ()) -> None:
        """
        Args:
            decoder: the bare decoder, whose forward takes `input_ids` or `inputs_embeds`.
            depth: how many layers are frozen; 0 keeps nothing.
            prefix: what all rows begin with, if it is to be computed once.
        """
        self.decoder = decoder
        self.depth = depth
        self.prefix = tuple(prefix)
        self._kept: dict[tuple[int, ...], Any] = {}
        self._prefix_states: Any = None

    def __len__(self) -> int:
        return len(self._kept)

    def fits(self, row: Sequence[int], rows: Sequence[Sequence[int]], max_bytes: int = MAX_BYTES) -> bool:
        """Whether skipping the frozen layers gives what the whole decoder gives, and the rows fit."""
        import torch

        width = self.decoder.config.hidden_size
        size = sum(len(one) for one in rows) * width * self.decoder.embed_tokens.weight.element_size()
        if self.depth <= 0 or size > max_bytes:
            return False
        dropout = float(getattr(self.decoder.config, "attention_dropout", 0.0) or 0.0)
        if dropout or not hasattr(self.decoder, "layers") or len(self.decoder.layers) <= self.depth:
            return False
        with torch.no_grad():
            whole = _whole(self.decoder, torch.tensor([list(row)], device=self._device()))
            self.keep([row])
            with self.skipped():
                upper = self.upper(self.states([row], len(row)))
        return _agree(whole, upper)

    def keep(self, rows: Sequence[Sequence[int]]) -> None:
        """Compute and keep the states of rows of token ids."""
        wanted, p = {tuple(row) for row in rows} - self._kept.keys(), len(self.prefix)
        ordered = sorted(wanted, key=lambda row: (-len(row), row))
        while ordered:
            count = max(1, _BATCH_TOKENS // (len(ordered[0]) - p))
            part, ordered = ordered[:count], ordered[count:]
            states = self._compute(part)
            for row, state in zip(part, states, strict=True):
                self._kept[row] = state[: len(row) - p].clone()

    def states(self, rows: Sequence[Sequence[int]], length: int) -> Any:
        """Kept states behind the prefix, (rows, length - p, width), zero where a row is shorter."""
        import torch

        first, p = self._kept[tuple(rows[0])], len(self.prefix)
        size = (len(rows), length - p, first.shape[-1])
        result = torch.zeros(size, dtype=first.dtype, device=first.device)
        for place, row in enumerate(rows):
            result[place, : len(row) - p] = self._kept[tuple(row)]
        return result

    def upper(self, states: Any) -> Any:
        """The decoder's last hidden state from kept states; only inside `skipped`.

        With a prefix it is one line, (1, p + rows * length, width), see `forward_over_prefix`.
        """
        if self.prefix:
            return forward_over_prefix(self.decoder, self._prefix_states, states)
        return self.decoder(inputs_embeds=states, use_cache=False).last_hidden_state

    @contextmanager
    def skipped(self) -> Iterator[None]:
        """Within the block the decoder's lower layers hand on what they are given."""
        lower = [self.decoder.layers[i] for i in range(self.depth)]
        for layer in lower:
            layer.forward = _pass_on
        try:
            yield
        finally:
            for layer in lower:
                del layer.forward  # uncovers the class's own

    def _compute(self, rows: Sequence[Sequence[int]]) -> Any:
        """States after the frozen layers, (rows, tokens, width); the layers above it are not run."""
        import torch

        p = len(self.prefix)
        length = -(-max(len(row) for row in rows) // 16) * 16
        ids = torch.tensor([[*row, *([0] * (length - len(row)))] for row in rows], device=self._device())
        above = self.decoder.layers[self.depth]
        hook = above.register_forward_pre_hook(_stop, with_kwargs=True)
        try:
            with torch.no_grad():
                if p:
                    forward_over_prefix(self.decoder, ids[0, :p], ids[:, p:])
                else:
                    _whole(self.decoder, ids)
        except _Reached as reached:
            if not p:
                return reached.states
            self._prefix_states = reached.states[0, :p].clone()
            return reached.states[0, p:].unflatten(0, (len(rows), length - p))
        finally:
            hook.remove()
        raise AssertionError("the decoder did not call its layers")

    def _device(self) -> Any:
        return self.decoder.embed_tokens.weight.device


class _Reached(Exception):
    """Carries the states out of a forward pass that need not go on."""

    def __init__(self, states: Any) -> None:
        super().__init__()
        self.states = states


def _stop(module: Any, args: Any, kwargs: Any) -> None:
    raise _Reached(args[0] if args else kwargs["hidden_states"])


def _whole(decoder: Any, ids: Any) -> Any:
    return decoder(input_ids=ids, use_cache=False).last_hidden_state


def _pass_on(hidden_states: Any, *args: Any, **kwargs: Any) -> Any:
    return hidden_states


_PARTS = ("input_layernorm", "self_attn", "post_attention_layernorm", "mlp")


class LastLayer:
    """The last layer of a decoder, told by `wanted` which positions are read."""

    def __init__(self, decoder: Any) -> None:
        self.decoder = decoder
        self.wanted: Any = None

    def fits(self, row: Sequence[int]) -> bool:
        """Whether the short way gives what the layer itself gives, in a whole pass over `row`."""
        import torch

        layer = self.decoder.layers[-1]
        if not all(hasattr(layer, part) for part in _PARTS) or not hasattr(layer.self_attn, "o_proj"):
            return False
        ids = torch.tensor([list(row)], device=self.decoder.embed_tokens.weight.device)
        with torch.no_grad():
            whole = self.decoder(input_ids=ids, use_cache=False).last_hidden_state[:, -1]
            with self.shortened():
                self.wanted = torch.zeros_like(ids, dtype=torch.bool)
                self.wanted[:, -1] = True
                short = self.decoder(input_ids=ids, use_cache=False).last_hidden_state
        return _agree(whole, short)

    @contextmanager
    def shortened(self) -> Iterator[None]:
        """Within the block the decoder gives (wanted positions, width) instead of all positions."""
        layer = self.decoder.layers[-1]
        hook = layer.self_attn.o_proj.register_forward_pre_hook(self._pick)
        layer.forward = self._forward
        try:
            yield
        finally:
            hook.remove()
            del layer.forward  # uncovers the class's own

    def _pick(self, module: Any, args: Any) -> Any:
        return (args[0][self.wanted], *args[1:])

    def _forward(self, hidden_states: Any, **kwargs: Any) -> Any:
        layer = self.decoder.layers[-1]
        attended, _ = layer.self_attn(hidden_states=layer.input_layernorm(hidden_states), **kwargs)
        hidden = hidden_states[self.wanted] + attended
        return hidden + layer.mlp(layer.post_attention_layernorm(hidden))


@contextmanager
def fused_adapters(model: Any) -> Iterator[int]:
    """Within the block, compute the model's LoRA layers in the short way; yields how many there are."""
    changed = [module for module in model.modules() if _is_plain(module)]
    merged, thin = _functions()
    for module in changed:
        import torch

        wide = module.base_layer.weight.dtype in (torch.float32, torch.float64)
        function = merged if wide else thin
        module.forward = _forward(module, function)
    try:
        yield len(changed)
    finally:
        for module in changed:
            del module.forward  # uncovers the class's own


def _is_plain(module: Any) -> bool:
    import torch
    from peft.tuners.lora import Linear

    if type(module) is not Linear or type(module.base_layer) is not torch.nn.Linear:
        return False
    names = module.active_adapters
    if module.base_layer.bias is not None or module.disable_adapters or module.merged or len(names) != 1:
        return False
    name = names[0]
    identity = isinstance(module.lora_dropout[name], torch.nn.Identity)
    no_bias = module.lora_A[name].bias is None and module.lora_B[name].bias is None
    return identity and no_bias and not module.lora_variant and not module.fan_in_fan_out


def _forward(module: Any, function: Any) -> Any:
    name = module.active_adapters[0]
    scale = float(module.scaling[name])

    def forward(x: Any, *args: Any, **kwargs: Any) -> Any:
        a, b = module.lora_A[name].weight, module.lora_B[name].weight
        return function.apply(x, module.base_layer.weight, a, b, scale)

    return forward


def _functions() -> tuple[Any, Any]:
    import torch

    class Merged(torch.autograd.Function):  # type: ignore[misc]
        """y = x (W + scale B A)^T in fp32."""

        @staticmethod
        def forward(ctx: Any, x: Any, weight: Any, a: Any, b: Any, scale: float) -> Any:
            whole = torch.addmm(weight, b, a, alpha=scale)
            ctx.save_for_backward(x, whole, a, b)
            ctx.scale = scale
            return torch.nn.functional.linear(x, whole)

        @staticmethod
        def backward(ctx: Any, grad: Any) -> tuple[Any, ...]:
            x, whole, a, b = ctx.saved_tensors
            flat, given = x.reshape(-1, x.shape[-1]), grad.reshape(-1, grad.shape[-1])
            down = (given @ b).mul_(ctx.scale)
            grad_b = (given.t() @ (flat @ a.t())).mul_(ctx.scale)
            grad_x = (given @ whole).view_as(x) if ctx.needs_input_grad[0] else None
            return grad_x, None, down.t() @ flat, grad_b, None

    class Thin(torch.autograd.Function):  # type: ignore[misc]
        """y = x W^T + scale (x A^T) B^T with the products in the base's precision."""

        @staticmethod
        def forward(ctx: Any, x: Any, weight: Any, a: Any, b: Any, scale: float) -> Any:
            low_a, low_b = a.to(x.dtype), b.to(x.dtype)
            flat = x.reshape(-1, x.shape[-1])
            y = flat @ weight.t()
            y.addmm_(flat @ low_a.t(), low_b.t(), alpha=scale)
            ctx.save_for_backward(x, weight, low_a, low_b)
            ctx.scale, ctx.kept = scale, a.dtype
            return y.view(*x.shape[:-1], y.shape[-1])

        @staticmethod
        def backward(ctx: Any, grad: Any) -> tuple[Any, ...]:
            x, weight, a, b = ctx.saved_tensors
            flat, given = x.reshape(-1, x.shape[-1]), grad.reshape(-1, grad.shape[-1])
            down = (given @ b).mul_(ctx.scale)
            grad_b = (given.t() @ (flat @ a.t())).mul_(ctx.scale).to(ctx.kept)
            grad_x = None
            if ctx.needs_input_grad[0]:
                grad_x = (given @ weight).addmm_(down, a).view_as(x)
            return grad_x, None, (down.t() @ flat).to(ctx.kept), grad_b, None

    return Merged, Thin


_LOGIT_CHANGES = ("final_logit_softcapping", "logit_scale", "logits_scaling", "lm_head_multiplier")


def has_plain_head(model: Any) -> bool:
    """Whether logits are the head's product and nothing else."""
    changed = [getattr(model.config, name, None) for name in _LOGIT_CHANGES]
    plain = all(value in (None, 0, 1, 1.0) for value in changed)
    return plain and getattr(model, "model", None) is not None and hasattr(model, "lm_head")


def answer_loss(
    model: Any,
    inputs: Any,
    frozen: FrozenLayers | None = None,
    last: LastLayer | None = None,
    prefix: Sequence[int] = (),
    codes: Any = None,
) -> Any:
    """Mean cross-entropy (nats per answer token), computed in fp32.

    Over the whole vocabulary. With `codes` over these alone, since no other answer is asked for, and a tenth
    of -log(share that the whole vocabulary's softmax gives to the codes together), so that an engine that
    picks among all words says a code as well (docs/lab-log.md, "The loss of codes").

    Args:
        model: the causal language model under the adapters, with `model` and `lm_head`.
        inputs: `input_ids`, `labels` and `attention_mask` of right-padded rows.
        frozen: where the lower layers' states are kept, skipped; None runs all layers.
        last: the last layer, shortened; None runs it at all positions.
        prefix: what all rows begin with, to be computed once; frozen layers have to know the same.
        codes: token ids of all codes (n,); each row's answer is then one of them.
    """
    import torch

    labels = inputs["labels"]
    wanted = torch.nn.functional.pad(labels[:, 1:] != -100, (0, 1))  # the token before each answer token
    targets = labels[:, 1:][wanted[:, :-1]]
    if prefix:
        wanted = line_of(len(prefix), wanted)
    if last is not None:
        last.wanted = wanted
    hidden = _hidden(model, inputs, frozen, len(prefix))
    read = hidden if last is not None else hidden[wanted]
    if codes is None:
        return torch.nn.functional.cross_entropy(model.lm_head(read).float(), targets)
    logits = model.lm_head(read).float()
    among = logits[:, codes]
    places = (targets.unsqueeze(1) == codes).int().argmax(1)
    share = among.logsumexp(1) - logits.logsumexp(1)
    return torch.nn.functional.cross_entropy(among, places) - _SHARE * share.mean()


def _hidden(model: Any, inputs: Any, frozen: FrozenLayers | None, prefix: int) -> Any:
    ids = inputs["input_ids"]
    if frozen is not None:
        lengths = inputs["attention_mask"].sum(dim=1).tolist()
        rows = [row[:length] for row, length in zip(ids.tolist(), lengths, strict=True)]
        return frozen.upper(frozen.states(rows, ids.shape[1]))
    if prefix:
        return forward_over_prefix(model.model, ids[0, :prefix], ids[:, prefix:])
    return model.model(input_ids=ids, use_cache=False).last_hidden_state
