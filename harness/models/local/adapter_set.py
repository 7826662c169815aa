"""One base model with several adapters in memory; each answers under its own name.

The weights of the base are held once and the adapter that answers is switched on, unmerged. A model with a
single adapter is better opened merged (`TransformersChat`): that is what a bake-off scores. In fp32 the two
differ by rounding; in bf16 the merged weights are rounded once more than here.
Not for several threads at once: whoever serves it holds a lock around it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.core.errors import ModelUnavailable, needs
from harness.core.records import Failure, ModelIdentity
from harness.models.base import ChatReply, ChatRequest
from harness.models.local.precision import choose_precision
from harness.models.local.safe_weights import require_safe_adapter
from harness.models.local.transformers_chat import TransformersChat, load_causal
from harness.models.settings import ModelSettings


class AdapterSet:
    """A base model and its adapters."""

    def __init__(
        self, model_id: str, base: Path, adapters: Mapping[str, Path], settings: ModelSettings
    ) -> None:
        """Load the base once and every adapter onto it.

        Args:
            adapters: name -> folder; at least one.

        Raises:
            MissingExtra: torch, transformers or peft is missing.
            ModelUnavailable: if the base or an adapter cannot be loaded.
        """
        with needs("train"):
            from peft import PeftModel
        plain = dataclasses.replace(settings, adapter=None)
        model, tokenizer = load_causal(base, plain, choose_precision(settings.device, settings.precision))
        self._peft: Any = None
        for name, folder in adapters.items():
            require_safe_adapter(folder)
            try:
                if self._peft is None:
                    self._peft = PeftModel.from_pretrained(
                        model, folder, adapter_name=name, local_files_only=True
                    )
                else:
                    self._peft.load_adapter(str(folder), adapter_name=name, local_files_only=True)
            except (OSError, ValueError, KeyError, RuntimeError) as error:
                raise ModelUnavailable(
                    "The adapter does not load onto this model.", got=f"{folder}: {str(error)[:200]}"
                ) from error
        self._peft.eval()
        self._on = next(iter(adapters))
        self._peft.set_adapter(self._on)
        self._chat = TransformersChat(model_id, base, plain, tuned=(self._peft.get_base_model(), tokenizer))

    def member(self, name: str) -> Member:
        """The model under one of the adapters' names."""
        return Member(self, name)

    def answer_one(self, name: str, request: ChatRequest) -> ChatReply | Failure:
        """Answer with this adapter."""
        if name != self._on:
            self._peft.set_adapter(name)
            self._chat.forget()  # keys and values of another adapter's prompts
            self._on = name
        return self._chat.answer_one(request)

    @property
    def identity(self) -> ModelIdentity:
        """The base model."""
        return self._chat.identity

    def close(self) -> None:
        """Free base and adapters; again is harmless."""
        if self._peft is not None:
            self._chat.close()
            self._peft = None


class Member:
    """One adapter of a set."""

    def __init__(self, whole: AdapterSet, name: str) -> None:
        self._whole = whole
        self._name = name

    @property
    def identity(self) -> ModelIdentity:
        """The base model, under the adapter's name."""
        return dataclasses.replace(self._whole.identity, id=self._name)

    def answer_one(self, request: ChatRequest) -> ChatReply | Failure:
        """Answer with this adapter."""
        return self._whole.answer_one(self._name, request)

    def close(self) -> None:
        """Free the whole set."""
        self._whole.close()
