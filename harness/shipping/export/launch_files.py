"""The files with which others serve an export: Ollama, vLLM, TGI, and what to send. Pure: text in, text out.

They bind to this machine only; the base of an adapter is named by its digest, since an adapter on other
weights is another model. None of these engines is started here; docs/artefacts.md says what was run.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from harness.core.records import Artefact
from harness.shipping.export.chat_turns import Turns, go_template
from harness.tasks.classification import PromptLimits, answer_text, tune_messages
from harness.training.tuned_model import Task

_LORA_RANKS = (8, 16, 32, 64, 128, 256, 320, 512)  # what vLLM's --max-lora-rank takes
_PORT = 8000


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """What the files are about.

    Attributes:
        name: under which the model is served.
        gguf: the GGUF file's name; '' for a folder of safetensors.
        turns: the chat template taken apart; None where it cannot be.
    """

    name: str
    artefact: Artefact
    task: Task
    turns: Turns | None
    gguf: str = ""


def adapter_files(launch: Launch) -> dict[str, str]:
    """File name -> text, for a folder with an adapter."""
    return {"vllm.sh": _vllm_adapter(launch), "tgi.sh": _tgi_adapter(launch), "request.json": request(launch)}


def merged_files(launch: Launch) -> dict[str, str]:
    """File name -> text, for a folder with merged weights."""
    return {
        "Modelfile": modelfile(launch),
        "vllm.sh": _vllm_merged(launch),
        "tgi.sh": _tgi_merged(launch),
        "request.json": request(launch),
    }


def gguf_files(launch: Launch) -> dict[str, str]:
    """File name -> text, for a folder with a GGUF file."""
    return {"Modelfile": modelfile(launch), "llamacpp.sh": _llamacpp(launch), "request.json": request(launch)}


def modelfile(launch: Launch) -> str:
    """Ollama's Modelfile."""
    source = f"./{launch.gguf}" if launch.gguf else "."
    longest = max(len(answer_text(label.name)) for label in launch.task.labels)
    lines = [f"# ollama create {launch.name} -f Modelfile", f"FROM {source}"]
    if launch.turns is None:
        lines.append("# the chat template cannot be written as Ollama's; use an engine that reads Jinja")
    else:
        lines.append(f'TEMPLATE """{go_template(launch.turns)}"""')
        lines += [f"PARAMETER stop {json.dumps(stop)}" for stop in launch.turns.stops]
    lines += [
        f"SYSTEM {json.dumps(_system(launch.task))}",
        "PARAMETER temperature 0",
        f"PARAMETER num_predict {longest + 8}",
    ]
    return "\n".join(lines) + "\n"


def request(launch: Launch) -> str:
    """A request to an OpenAI-compatible server, held to the labels by vLLM's structured outputs."""
    shown = tune_messages("I was charged twice.", PromptLimits(item_chars=launch.task.item_chars))
    body = {
        "model": launch.name,
        "messages": [{"role": message.role, "content": message.content} for message in shown],
        "temperature": 0,
        "max_tokens": 32,
        "structured_outputs": {"choice": [answer_text(label.name) for label in launch.task.labels]},
    }
    return json.dumps(body, indent=2, ensure_ascii=False) + "\n"


def vllm_words(name: str, model: str, adapter: str, rank: int, port: int) -> list[str]:
    """The words of `vllm serve`; without an adapter where it is ''."""
    words = ["vllm", "serve", model, "--host", "127.0.0.1", "--port", str(port)]
    if not adapter:
        return [*words, "--served-model-name", name]
    allowed = next((size for size in _LORA_RANKS if size >= rank), rank)
    return [*words, "--enable-lora", "--lora-modules", f"{name}={adapter}", "--max-lora-rank", str(allowed)]


def _system(task: Task) -> str:
    return tune_messages("", PromptLimits(item_chars=task.item_chars))[0].content


def _script(*lines: str) -> str:
    return "\n".join(["#!/bin/sh", "set -eu", 'here=$(cd "$(dirname "$0")" && pwd)', *lines]) + "\n"


def _base_note(launch: Launch) -> str:
    digest = launch.artefact.base_digest
    return f"# BASE: folder or hub id of {launch.artefact.base_model} whose weights have sha256 {digest}"


def _vllm_adapter(launch: Launch) -> str:
    words = vllm_words(launch.name, '"$BASE"', '"$here"', launch.artefact.recipe.rank, _PORT)
    return _script(_base_note(launch), ': "${BASE:?set BASE to the base model}"', "exec " + " ".join(words))


def _vllm_merged(launch: Launch) -> str:
    return _script("exec " + " ".join(vllm_words(launch.name, '"$here"', "", 0, _PORT)))


def _tgi(volume: str, more: str, model: str) -> str:
    image = "${TGI_IMAGE:-ghcr.io/huggingface/text-generation-inference:latest}"
    return (
        f"exec docker run --rm --gpus all --shm-size 1g -p 127.0.0.1:{_PORT}:80 {volume} {more}"
        f'"{image}" --model-id {model}'
    )


def _tgi_adapter(launch: Launch) -> str:
    volumes = '-v "$here":/adapter:ro -v "$BASE":/base:ro'
    adapter = f"-e LORA_ADAPTERS={launch.name}=/adapter "
    return _script(
        _base_note(launch) + ", a folder here",
        ': "${BASE:?set BASE to the base model\'s folder}"',
        _tgi(volumes, adapter, "/base"),
    )


def _tgi_merged(launch: Launch) -> str:
    return _script(_tgi('-v "$here":/model:ro', "", "/model"))


def _llamacpp(launch: Launch) -> str:
    return _script(
        f'exec llama-server --model "$here/{launch.gguf}" --alias {launch.name} '
        f"--host 127.0.0.1 --port {_PORT} --jinja"
    )
