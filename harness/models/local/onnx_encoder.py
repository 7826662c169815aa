"""An encoder with its head as one ONNX file, run by onnxruntime: no torch and no transformers.

<folder>/model.onnx       token ids and their mask in, the head's scores out
<folder>/tokenizer.json   read by tokenizers
<folder>/letters.safetensors   where letter groups count too
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from harness.core.errors import ModelUnavailable, needs
from harness.models.local.encoder import READ_CHARS, Letters, Logits, by_length, load_letters, log_softmax

MODEL_FILE, TOKENIZER_FILE = "model.onnx", "tokenizer.json"
INPUTS = ("input_ids", "attention_mask")
_BATCH_TOKENS = 2_048


@dataclass(frozen=True, slots=True, kw_only=True)
class OnnxEncoder:
    """An encoder in onnxruntime, ready to answer; see `harness.models.local.encoder.EncoderClassifier`."""

    session: Any
    tokenizer: Any
    pad: int
    labels: tuple[str, ...]
    temperature: float
    letters: Letters | None = None

    def logprobs(self, texts: Sequence[str]) -> Logits:
        """Log-probability of each label, calibrated."""
        rows = [one.ids for one in self.tokenizer.encode_batch([text[:READ_CHARS] for text in texts])]
        found = np.zeros((len(rows), len(self.labels)), dtype=np.float64)
        for batch in by_length(rows, _BATCH_TOKENS):
            longest = max(len(rows[row]) for row in batch)
            ids = np.full((len(batch), longest), self.pad, dtype=np.int64)
            mask = np.zeros((len(batch), longest), dtype=np.int64)
            for place, row in enumerate(batch):
                ids[place, : len(rows[row])], mask[place, : len(rows[row])] = rows[row], 1
            found[batch] = self.session.run(None, dict(zip(INPUTS, (ids, mask), strict=True)))[0]
        if self.letters is not None:
            found += self.letters.scores(texts)
        return log_softmax(found / self.temperature)


def open_onnx(
    folder: Path, labels: tuple[str, ...], told: tuple[int, int, float], threads: int | None = None
) -> OnnxEncoder:
    """Open an ONNX file and its tokenizer.

    Args:
        told: the padding's token, most tokens and temperature.
        threads: CPU threads; None leaves onnxruntime's own choice.

    Raises:
        MissingExtra: without onnxruntime or tokenizers.
        ModelUnavailable: if the files cannot be opened.
    """
    with needs("onnx"):
        import onnxruntime
        from tokenizers import Tokenizer
    pad, most, temperature = told
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or 0
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(
            str(folder / MODEL_FILE), options, providers=["CPUExecutionProvider"]
        )
        tokenizer = Tokenizer.from_file(str(folder / TOKENIZER_FILE))
    except Exception as error:
        raise ModelUnavailable(
            "The ONNX export cannot be opened.", got=f"{folder}: {str(error)[:200]}"
        ) from error
    tokenizer.enable_truncation(max_length=most)
    tokenizer.no_padding()
    return OnnxEncoder(
        session=session,
        tokenizer=tokenizer,
        pad=pad,
        labels=labels,
        temperature=temperature,
        letters=load_letters(folder, len(labels)),
    )
