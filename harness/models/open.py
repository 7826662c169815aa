"""Opens a model by its name: the one place that decides between this process and a provider."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, assert_never

from harness.core.errors import UsageError
from harness.models.base import ChatModel, ChatRequest, EmbeddingModel
from harness.models.embedded import gguf_of
from harness.models.resolve import Embedded, Folder, GgufFile, HubModel, Provider, local_folder, resolve
from harness.models.settings import ModelSettings

if TYPE_CHECKING:
    from harness.models.api.batch.chat import BatchedChat
    from harness.models.api.client import ServedChat

GGUF_CONTEXT = 4096
"""Tokens of prompt and answer that llama.cpp is given room for."""


def open_chat(
    model: str, settings: ModelSettings, let_go: Callable[[ChatRequest], None] | None = None
) -> ChatModel:
    """Open a chat model; `harness.models.resolve` says what the string may be.

    Args:
        let_go: called with every request to a provider's model before it is sent; what it raises, stops it.

    Raises:
        ValueError: a model that is not on this machine is opened without anybody to ask what may be sent.
        ModelUnavailable: it is not there, cannot be loaded, or is a provider's while offline.
        UsageError: an effort or batches are asked of a model that runs here.
        MissingExtra: the packages for it are not installed.
    """
    source = resolve(model)
    if not isinstance(source, Provider) and (settings.effort or settings.batches):
        raise UsageError(
            "This model runs here: it takes no effort, and answers in no provider's batches.",
            got=model,
            allowed="provider/model, or neither --effort nor --batch",
        )
    match source:
        case Provider(model=name):
            from harness.models.api.client import open_served_chat

            served = open_served_chat(name, settings)
            chat = served if settings.batches is None else _in_batches(served, settings.batches)
            if let_go is None and chat.identity.location == "remote":
                raise ValueError(f"{name} is not on this machine: open it with a check of what it is sent")
            chat.let_go = let_go or chat.let_go
            return chat
        case GgufFile(path=path):
            return _by_llama_cpp(model, path, settings)
        case Embedded(name=name) if (kept := gguf_of(name, settings.cache)) is not None:
            return _by_llama_cpp(model, kept, settings)
        case Embedded() | Folder() | HubModel():
            from harness.models.local.transformers_chat import TransformersChat

            return TransformersChat(model, local_folder(source, settings), settings)
        case _:
            assert_never(source)


def _in_batches(chat: ServedChat, folder: Path) -> BatchedChat:
    from harness.models.api.batch.chat import BatchedChat

    return BatchedChat(chat, folder)


def _by_llama_cpp(model: str, path: Path, settings: ModelSettings) -> ChatModel:
    from harness.models.local.llama_cpp import LlamaAnswerer

    context = settings.max_context or GGUF_CONTEXT
    return LlamaAnswerer(model, path, context=context, threads=settings.threads)


def open_embedding(model: str, settings: ModelSettings) -> EmbeddingModel:
    """Open an embedding model of this machine; `open_served_embedding` opens one behind an API.

    Raises:
        ValueError: it is behind an API, where whoever opens it has to check what is sent.
        ModelUnavailable: it is not there or cannot be loaded.
        MissingExtra: the packages for it are not installed.
    """
    source = resolve(model)
    match source:
        case Provider(model=name):
            raise ValueError(f"{name} is behind an API: open it with a check of what it is sent")
        case Embedded() | Folder() | GgufFile() | HubModel():
            from harness.models.local.embedding import TransformersEmbedding

            return TransformersEmbedding(model, local_folder(source, settings), settings)
        case _:
            assert_never(source)
