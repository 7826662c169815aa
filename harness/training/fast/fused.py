"""LoRA layers computed with fewer passes over the activations; the same mathematics as PEFT's own.

PEFT computes `W x`, then `B A x` beside it, scales it and adds it: three further passes over every
activation, which on a CPU cost as much as the product itself. Here, in fp32, a layer's two matrices are
added to its weight first (a small product) and one product is left; the gradient comes from thin
products. In bf16 the sum would round the adapter away, so there the thin product is added in place.

Only plain linear layers with a single LoRA adapter without dropout are changed; others stay PEFT's.
Differences to PEFT are rounding (fp32 about 1e-6, bf16 its own precision); tests compare both.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


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
