"""Tokens a second of written answers: this project's writer beside `generate` of transformers and llama.cpp.

`python benchmarks/generation.py --rows 16 --tokens 48` answers the first messages of `ticket-fields`
with SmolLM2-135M on one thread: free text to the same length by all, then answers held to the schema. With
`--gguf FILE` llama.cpp answers too, one message at a time.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Sequence
from typing import Any

import torch

from advisor.options import Option
from harness.core.records import AnswerForm, FreeText, Item, JsonSchema
from harness.data.load import load_evalset
from harness.models.base import ChatReply, ChatRequest
from harness.models.local.transformers_chat import TransformersChat
from harness.models.open import open_chat
from harness.models.resolve import Embedded, local_folder
from harness.models.settings import ModelSettings, cache_dir
from harness.tasks.kinds import task_of


def main() -> None:
    """Print a line a way."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=16)
    parser.add_argument("--tokens", type=int, default=48)
    parser.add_argument("--gguf", default="")
    asked = parser.parse_args()
    opening = ModelSettings(cache=cache_dir(os.environ), threads=1, precision="fp32")
    evalset = load_evalset("ticket-fields", environ=os.environ, cache=None)
    task = task_of(evalset.space)
    rows = evalset.test[: asked.rows]
    schema = task.form()
    assert isinstance(schema, JsonSchema)
    held = JsonSchema(schema=schema.schema, max_tokens=asked.tokens)
    chat = TransformersChat("smollm2-135m", local_folder(Embedded(name="smollm2-135m"), opening), opening)

    def requests(form: AnswerForm) -> list[ChatRequest]:
        return [
            ChatRequest(item_id=row.id, messages=task.messages(Option.TUNE, row), form=form) for row in rows
        ]

    ways: list[tuple[str, Callable[[], int]]] = [
        ("generate, free text, one at a time", lambda: by_generate(chat, rows, task, asked.tokens)),
        (
            "this writer, free text, one at a time",
            lambda: alone(chat, requests(FreeText(max_tokens=asked.tokens))),
        ),
        (
            "this writer, free text, together",
            lambda: together(chat, requests(FreeText(max_tokens=asked.tokens))),
        ),
        ("this writer, held to the schema, one at a time", lambda: alone(chat, requests(held))),
        ("this writer, held to the schema, together", lambda: together(chat, requests(held))),
    ]
    if asked.gguf:
        llama = open_chat(asked.gguf, opening)
        ways += [
            (
                "llama.cpp, free text, one at a time",
                lambda: alone(llama, requests(FreeText(max_tokens=asked.tokens))),
            ),
            ("llama.cpp, held to the schema, one at a time", lambda: alone(llama, requests(held))),
        ]
    for name, way in ways:
        began, busy = time.perf_counter(), time.process_time()
        tokens = way()
        spent, cpu = time.perf_counter() - began, time.process_time() - busy
        print(
            f"{name:48} {tokens:5} tokens {spent:7.1f} s {tokens / spent:6.1f} tok/s, "
            f"of CPU {tokens / cpu:6.1f} tok/s"
        )


def by_generate(chat: TransformersChat, rows: Sequence[Item], task: Any, most: int) -> int:
    """Greedy `generate` with its own cache and the model's usual attention."""
    model = chat._model
    own = model.config._attn_implementation
    model.set_attn_implementation("sdpa")
    written = 0
    for row in rows:
        ids = torch.tensor([chat.renderer.prompt_ids(task.messages(Option.TUNE, row))])
        with torch.inference_mode():
            whole = model.generate(
                ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=most, pad_token_id=2
            )
        written += whole.shape[1] - ids.shape[1]
    model.set_attn_implementation(own)
    return written


def alone(chat: Any, requests: Sequence[ChatRequest]) -> int:
    """Requests one after the other."""
    return sum(_tokens(chat.answer_one(request)) for request in requests)


def together(chat: TransformersChat, requests: Sequence[ChatRequest]) -> int:
    """Requests in batches."""
    return sum(map(_tokens, chat.answer(requests)))


def _tokens(reply: object) -> int:
    assert isinstance(reply, ChatReply), reply
    return int(reply.usage.output_tokens or 0)


if __name__ == "__main__":
    main()
