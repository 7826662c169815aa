"""The files with which others serve an export: Ollama, vLLM, TGI, and what to send. Pure: text in, text out.

They bind to this machine only; the base of an adapter is named by its digest, since an adapter on other
weights is another model. None of these engines is started here; docs/artefacts.md says what was run.

A chat template taken apart into turns, for engines that do not read Jinja (Ollama's Go templates).

A template is written out only if it does nothing but put words around each turn: rendering some
conversations turn by turn has to give what the template gives. Others are left to engines that read Jinja.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from harness.core.records import Artefact, Message
from harness.models.local.rendering import Renderer
from harness.shipping.asked import fields_form, tuned_turns
from harness.tasks.labels import answer_text
from harness.training.tuned_model import TunedTask

_ROLES = ("system", "user", "assistant")
_A, _B, _C = "Alpha one.", "Beta two?", "Gamma 3!"


@dataclass(frozen=True, slots=True, kw_only=True)
class Turns:
    """What stands around a turn, by role; and what opens the answer.

    Attributes:
        around: role -> (before, after).
        opening: what the model continues.
        stops: what ends its answer.
    """

    around: dict[str, tuple[str, str]]
    opening: str
    stops: tuple[str, ...]

    def render(self, messages: Sequence[Message]) -> str:
        """The text the model continues."""
        turns = [self.around[m.role][0] + m.content + self.around[m.role][1] for m in messages]
        return "".join(turns) + self.opening


def take_apart(tokenizer: Any) -> Turns | None:
    """The turns of a tokenizer's chat template; None if it does more than put words around them."""
    renderer = Renderer(tokenizer)
    system, user = Message(role="system", content=_A), Message(role="user", content=_B)
    answer, again = Message(role="assistant", content=_C), Message(role="user", content=_A)
    open_turn = renderer.render_prompt((system, user))
    longer = renderer.render_prompt((system, user, answer, again))
    ending = renderer.completion_text(_C)
    found = _around(open_turn, longer, ending)
    if found is None:
        return None
    tries = (
        (system, user),
        (system, user, answer, again),
        (system, user, answer, again, answer, user),
    )
    if any(found.render(messages) != renderer.render_prompt(messages) for messages in tries):
        return None
    return found


def _around(open_turn: str, longer: str, ending: str) -> Turns | None:
    """The words around turns, read off two renderings."""
    if open_turn.count(_A) != 1 or open_turn.count(_B) != 1 or _C not in ending:
        return None
    before_system, rest = open_turn.split(_A)
    middle, opening_all = rest.split(_B)
    if not longer.startswith(open_turn + _C):
        return None
    after_answer = longer[len(open_turn + _C) :]
    between, last, tail = after_answer.partition(_A)
    if not last or tail != opening_all:
        return None
    stop = ending.partition(_C)[2].strip()
    if not stop:
        return None
    after_system, before_user = _split(middle, between, stop)
    after_assistant = between[: len(between) - len(before_user)]
    after_user, opening = _split(opening_all, opening_all, stop) if stop in opening_all else ("", opening_all)
    if not between.endswith(before_user) or not before_user:
        return None
    around = {
        "system": (before_system, after_system),
        "user": (before_user, after_user),
        "assistant": (opening, after_assistant),
    }
    return Turns(around=around, opening=opening, stops=(stop,))


def _split(words: str, other: str, stop: str) -> tuple[str, str]:
    """What closes one turn and what opens the next: cut behind the end-of-turn mark and its line end, or else
    before the words that both places share."""
    if stop in words:
        cut = words.index(stop) + len(stop)
        cut += len(words[cut:]) - len(words[cut:].lstrip())
        return words[:cut], words[cut:]
    length = next(n for n in range(len(words) + 1) if other.endswith(words[n:]))
    return words[:length], words[length:]


def go_template(turns: Turns) -> str:
    """The turns as a template of Go's text/template, over `.Messages` as Ollama gives them."""
    branches = []
    for number, role in enumerate(_ROLES):
        before, after = turns.around[role]
        word = "if" if number == 0 else "else if"
        branches.append(
            f'{{{{ {word} eq .Role "{role}" }}}}{_literal(before)}{{{{ .Content }}}}{_literal(after)}'
        )
    return f"{{{{- range .Messages }}}}{''.join(branches)}{{{{ end }}}}{{{{ end }}}}{_literal(turns.opening)}"


def _literal(text: str) -> str:
    """Words as Go writes them: braces inside a string constant, everything else as it is."""
    return "{{ " + json.dumps(text) + " }}" if "{{" in text or "}}" in text else text


_LORA_RANKS = (8, 16, 32, 64, 128, 256, 320, 512)  # what vLLM's --max-lora-rank takes
_PORT = 8000


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """What the files are about.

    Attributes:
        name: under which the model is served.
        gguf: the GGUF file's name; '' for a folder of safetensors.
        turns: the chat template taken apart; None where it cannot be.
        code_tokens: the token of each label's code; empty for a model that says words.
    """

    name: str
    artefact: Artefact
    task: TunedTask
    turns: Turns | None
    gguf: str = ""
    code_tokens: tuple[int, ...] = ()


def adapter_files(launch: Launch) -> dict[str, str]:
    """File name -> text, for a folder with an adapter."""
    return {"vllm.sh": _vllm_adapter(launch), "tgi.sh": _tgi_adapter(launch), **_client_files(launch)}


def merged_files(launch: Launch) -> dict[str, str]:
    """File name -> text, for a folder with merged weights."""
    return {
        "Modelfile": modelfile(launch),
        "vllm.sh": _script("exec " + " ".join(vllm_words(launch.name, '"$here"', "", 0, _PORT))),
        "tgi.sh": _script(_tgi('-v "$here":/model:ro', "", "/model")),
        **_client_files(launch),
    }


def gguf_files(launch: Launch) -> dict[str, str]:
    """File name -> text, for a folder with a GGUF file."""
    return {
        "Modelfile": modelfile(launch),
        "llamacpp.sh": _script(
            f'exec llama-server --model "$here/{launch.gguf}" --alias {launch.name} '
            f"--host 127.0.0.1 --port {_PORT} --jinja"
        ),
        **_client_files(launch),
    }


def _client_files(launch: Launch) -> dict[str, str]:
    """What to send, and for a model that says codes which label each of them means."""
    codes = launch.task.codes
    meant = {code: label for label, code in codes.items()}
    listed = {"labels.json": json.dumps(meant, indent=1, ensure_ascii=False) + "\n"} if codes else {}
    return {"request.json": request(launch), **listed}


def modelfile(launch: Launch) -> str:
    """Ollama's Modelfile."""
    source = f"./{launch.gguf}" if launch.gguf else "."
    longest = max((len(answer_text(label.name)) for label in launch.task.labels), default=0)
    most = 1 if launch.task.codes else longest + 8  # nothing trains what would follow a code
    if launch.task.fields:
        most = fields_form(launch.task).max_tokens
    lines = [f"# ollama create {launch.name} -f Modelfile", f"FROM {source}"]
    if launch.turns is None:
        lines.append("# the chat template cannot be written as Ollama's; use an engine that reads Jinja")
    else:
        lines.append(f'TEMPLATE """{go_template(launch.turns)}"""')
        lines += [f"PARAMETER stop {json.dumps(stop)}" for stop in launch.turns.stops]
    lines += [
        f"SYSTEM {json.dumps(_system(launch.task))}",
        "PARAMETER temperature 0",
        f"PARAMETER num_predict {most}",
    ]
    return "\n".join(lines) + "\n"


def request(launch: Launch) -> str:
    """A request to an OpenAI-compatible server, held to what the model may say.

    Words are held by vLLM's structured outputs. A code is one token: its log-probability is the label's, and
    a bias of 100, the most that the API knows, on all codes alike leaves nothing else. (A grammar would also
    let the beginning of a code through, as " " of " billing".)
    """
    said = [answer_text(label.name) for label in launch.task.labels]
    held: dict[str, object] = {"max_tokens": 32, "structured_outputs": {"choice": said}}
    if launch.code_tokens:
        bias = {str(token): 100 for token in launch.code_tokens}
        held = {"max_tokens": 1, "logprobs": True, "top_logprobs": 20, "logit_bias": bias}
    if launch.task.fields:
        form = fields_form(launch.task)
        held = {"max_tokens": form.max_tokens, "structured_outputs": {"json": form.schema}}
    shown = tuned_turns(launch.task, "I was charged twice.")
    body = {
        "model": launch.name,
        "messages": [{"role": message.role, "content": message.content} for message in shown],
        "temperature": 0,
        **held,
    }
    return json.dumps(body, indent=2, ensure_ascii=False) + "\n"


def vllm_words(name: str, model: str, adapter: str, rank: int, port: int) -> list[str]:
    """The words of `vllm serve`; without an adapter where it is ''.

    Any number of log-probabilities may be asked for: labels stand far down the list of likely tokens.
    """
    words = ["vllm", "serve", model, "--host", "127.0.0.1", "--port", str(port), "--max-logprobs", "-1"]
    if not adapter:
        return [*words, "--served-model-name", name]
    allowed = next((size for size in _LORA_RANKS if size >= rank), rank)
    return [*words, "--enable-lora", "--lora-modules", f"{name}={adapter}", "--max-lora-rank", str(allowed)]


def _system(task: TunedTask) -> str:
    return tuned_turns(task, "")[0].content


def _script(*lines: str) -> str:
    return "\n".join(["#!/bin/sh", "set -eu", 'here=$(cd "$(dirname "$0")" && pwd)', *lines]) + "\n"


def _base_note(launch: Launch) -> str:
    digest = launch.artefact.base_digest
    return f"# BASE: folder or hub id of {launch.artefact.base_model} whose weights have sha256 {digest}"


def _vllm_adapter(launch: Launch) -> str:
    words = vllm_words(launch.name, '"$BASE"', '"$here"', launch.artefact.recipe.rank, _PORT)
    return _script(_base_note(launch), ': "${BASE:?set BASE to the base model}"', "exec " + " ".join(words))


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
