"""A tuned encoder as one ONNX file with its head: what any onnxruntime serves.

torch's tracing exporter is used, without a runtime of its own: it writes every architecture that was tried
(BERT, DistilBERT, MPNet, XLM-RoBERTa, ModernBERT) and asks for nothing beside torch and onnx.
"""

from __future__ import annotations

import shutil
import warnings
from pathlib import Path
from typing import Any

from harness.core.errors import ModelUnavailable, needs
from harness.models.local.encoder import LETTERS_FILE, EncoderClassifier, padded, pooled
from harness.models.local.onnx_encoder import INPUTS, MODEL_FILE, TOKENIZER_FILE
from harness.training.encoder.artefact import RECORD_FILE

_OPSET = 17


def write_onnx(classifier: EncoderClassifier, kept: Path, out: Path) -> None:
    """Write the ONNX file and what is read beside it into a folder that exists.

    Args:
        kept: the folder in which the encoder is kept.

    Raises:
        MissingExtra: without onnx.
        ModelUnavailable: if the encoder cannot be written as ONNX, or has no fast tokenizer.
    """
    with needs("onnx"):
        import onnx  # noqa: F401
        import torch
    if not (kept / TOKENIZER_FILE).is_file():
        raise ModelUnavailable(
            "The encoder's tokenizer has no tokenizer.json, without which ONNX is not served.",
            got=classifier.encoder.config.model_type,
            run="harness export --format safetensors",
        )
    sample = padded(classifier.tokenise(["a", "a longer text"]), classifier.tokenizer.pad_token_id)
    axes = {name: {0: "batch", 1: "length"} for name in INPUTS} | {"scores": {0: "batch"}}
    classifier.encoder.set_attn_implementation("eager")  # plain operations, which every opset has
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            torch.onnx.export(
                _whole(classifier),
                sample,
                str(out / MODEL_FILE),
                input_names=list(INPUTS),
                output_names=["scores"],
                dynamic_axes=axes,
                opset_version=_OPSET,
                dynamo=False,
            )
    except (RuntimeError, ValueError, NotImplementedError) as error:
        raise ModelUnavailable(
            "This encoder cannot be written as ONNX.",
            got=(str(error).splitlines() or [type(error).__name__])[0][:200],
            run="harness export --format safetensors",
        ) from error
    for name in (TOKENIZER_FILE, RECORD_FILE, LETTERS_FILE):
        if name != LETTERS_FILE or classifier.letters is not None:
            shutil.copy2(kept / name, out / name)


def _whole(classifier: EncoderClassifier) -> Any:
    """Encoder, pooling and head as one module."""
    import torch

    class Whole(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.encoder = classifier.encoder
            self.head = classifier.head

        def forward(self, input_ids: Any, attention_mask: Any) -> Any:
            return self.head(pooled(self.encoder, input_ids, attention_mask, classifier.pooling))

    return Whole().eval()
