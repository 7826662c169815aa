"""The catalogue of base models as the Markdown tables of docs/base-models.md: python docs/base_models.py.

"unknown" where no opened source says.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence

from advisor.base_models.catalogue import BaseModel, Catalogue, ModelLicence, load_catalogue
from advisor.base_models.choice import Method, memory_needs
from advisor.base_models.vram import Vram, VramBasis

TOKENS = 1024  # length that the documented memory is computed for
UNKNOWN = "unknown"


def catalogue_markdown(catalogue: Catalogue) -> str:
    """Models with their memory, licences, GPUs and what each source key stands for."""
    return "\n\n".join(
        (
            _table(
                ("model", "B weights", "layers x width", "licence", "context", "languages"),
                (_facts(model) for model in catalogue.models),
            ),
            _table(
                ("model", "QLoRA", "LoRA", "16 bits", "8 bits", "4 bits"),
                (_memory(model, catalogue) for model in catalogue.models),
            ),
            _table(
                ("licence", "policy", "commercial", "derivatives", "redistribution"),
                (_terms(licence) for licence in catalogue.licences),
            ),
            _table(
                ("GPU", "GB", "usable", "compute capability", "bfloat16"),
                (
                    (
                        g.name,
                        f"{g.memory_gb:g}",
                        f"{g.usable_gb:.1f}",
                        f"{g.compute}",
                        "yes" if g.bf16 else "no",
                    )
                    for g in catalogue.gpus
                ),
            ),
        )
    )


def _facts(model: BaseModel) -> Sequence[str]:
    parts = (
        "" if model.active_b is None else f"{model.active_b:g} active",
        ("vision unknown" if model.vision_b is None else f"{model.vision_b:g} vision")
        if model.images
        else "",
    )
    inside = ", ".join(part for part in parts if part)
    extended = "" if model.context_extended is None else f" ({model.context_extended:,} extended)"
    shape = UNKNOWN if model.shape is None else f"{model.shape.layers} x {model.shape.hidden}"
    context = UNKNOWN if model.context is None else f"{model.context:,}{extended}"
    return (
        model.id,
        f"{model.parameters_b:g}{f' ({inside})' if inside else ''}",
        shape,
        model.licence.key,
        context,
        languages_text(model),
    )


def languages_text(model: BaseModel) -> str:
    """Languages its source names, and how many it claims; 'unknown' when it says neither."""
    named = " ".join(model.languages)
    claimed = "" if model.language_count is None else f"{model.language_count} claimed"
    return ", ".join(part for part in (named, claimed) if part) or UNKNOWN


def _memory(model: BaseModel, catalogue: Catalogue) -> Sequence[str]:
    qlora = memory_needs(model, Method.QLORA, TOKENS, catalogue.minima)
    lora = memory_needs(model, Method.LORA, TOKENS, catalogue.minima)
    serve = [vram_text(qlora.serve[bits]) for bits in (16, 8, 4)]
    return (model.id, vram_text(qlora.least), vram_text(lora.least), *serve)


def vram_text(vram: Vram) -> str:
    """GB with the range; `p` marks a published minimum, `>` a bound by the weights alone."""
    if vram.high is None:
        return f"> {vram.low:.1f}"
    mark = " p" if vram.basis is VramBasis.PUBLISHED else ""
    return f"{vram.value:.1f}{mark} ({vram.low:.1f}-{vram.high:.1f})"


def _terms(licence: ModelLicence) -> Sequence[str]:
    terms = (licence.commercial, licence.derivatives, licence.redistribution)
    return (licence.title, licence.policy.value, *(term or UNKNOWN for term in terms))


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


if __name__ == "__main__":
    sys.stdout.write(catalogue_markdown(load_catalogue()) + "\n")
