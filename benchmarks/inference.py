"""Answering with one of a closed set of labels: this project beside what one would write instead.

- this project, labels as codes (one token each, one pass) and as words (exact scores of all labels);
- `generate` of transformers, greedy, held to the labels' words by `prefix_allowed_tokens_fn` (a trie), and to
  the codes (one token), on the very same weights;
- llama.cpp's server on loopback with a grammar of the labels, on the GGUF that the weights were made from
  (quantised: faster a step, and not the same numbers).

The first lane is the one the others are held against. The same queries, one after the other, after three
that do not count; the lanes take turns query by query, so that another job on the machine slows all of
them. Greedy decoding need not find the likeliest label: how often it gave the first lane's label is
printed; without an adapter that learnt codes those of words are another model's answers. Last, this
project answers all queries at once, in batches.

Run: python benchmarks/inference.py [--evalset support-tickets] [--items 40] [--threads 2] [--adapter DIR]
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from harness.bakeoff.evalset import load_rows
from harness.bakeoff.plan import build_plan
from harness.cli.options import HereOptions
from harness.core.records import Choices, Failure, Item
from harness.models.base import ChatRequest
from harness.models.local.transformers_chat import TransformersChat
from harness.models.resolve import local_folder, resolve
from harness.models.settings import ModelSettings, cache_dir
from harness.shipping.export.merge import load_tokenizer
from harness.tasks.classification import tune_messages
from harness.tasks.labels import answer_text
from harness.tasks.records import PromptLimits
from harness.training.codes import UntunedBase, choose_codes

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

MODEL = "smollm2-135m"
_WARM_UP = 3

Lane = Callable[[Item], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """Queries and the labels they may be answered with."""

    items: tuple[Item, ...]
    choices: tuple[str, ...]
    codes: tuple[str, ...]
    limits: PromptLimits

    def request(self, item: Item, said: Sequence[str]) -> ChatRequest:
        """The question, to be answered by words or by codes."""
        messages = tune_messages(item.text, self.limits)
        one_token = said is self.codes
        return ChatRequest(
            item_id=item.id, messages=messages, form=Choices(answers=tuple(said), one_token=one_token)
        )

    def in_words(self, answer: str) -> str:
        """A code as the words of its label."""
        return self.choices[self.codes.index(answer)] if answer in self.codes else answer


def ours(task: Task, model: TransformersChat, said: Sequence[str]) -> Lane:
    """Exact scores of all labels, as words or as codes."""

    def ask(item: Item) -> str:
        reply = model.answer_one(task.request(item, said))
        assert not isinstance(reply, Failure)
        return task.in_words(reply.text)

    return ask


def constrained(task: Task, base: Path, adapter: Path | None, threads: int, said: Sequence[str]) -> Lane:
    """`generate`, held to the labels' words or to the codes."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    torch.set_num_threads(threads)
    tokenizer = AutoTokenizer.from_pretrained(base)
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    if adapter is not None:
        from peft import PeftModel

        model = PeftModel.from_pretrained(model, adapter).merge_and_unload()
    model.eval()
    end = tokenizer.eos_token_id
    allowed: dict[tuple[int, ...], set[int]] = {}
    for choice in said:
        ids = [*tokenizer(choice, add_special_tokens=False).input_ids, end]
        for depth, token in enumerate(ids):
            allowed.setdefault(tuple(ids[:depth]), set()).add(token)

    def ask(item: Item) -> str:
        turns = [{"role": m.role, "content": m.content} for m in tune_messages(item.text, task.limits)]
        text = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
        ids = tokenizer(text, add_special_tokens=False, return_tensors="pt").input_ids
        start = ids.shape[1]
        with torch.inference_mode():
            out = model.generate(
                ids,
                attention_mask=torch.ones_like(ids),
                do_sample=False,
                max_new_tokens=1 if said is task.codes else 24,
                pad_token_id=end,
                prefix_allowed_tokens_fn=lambda _, so_far: sorted(
                    allowed.get(tuple(so_far[start:].tolist()), {end})
                ),
            )
        return task.in_words(str(tokenizer.decode(out[0, start:], skip_special_tokens=True)))

    return ask


@contextlib.contextmanager
def llama_cpp(task: Task, gguf: Path) -> Iterator[Lane]:
    """llama.cpp behind HTTP on this machine, one thread, a grammar of the labels."""
    from tests.support.llama_server import llama_server

    grammar = "root ::= " + " | ".join(json.dumps(choice) for choice in task.choices)
    with llama_server(gguf, slots=1) as address:

        def ask(item: Item) -> str:
            turns = [{"role": m.role, "content": m.content} for m in tune_messages(item.text, task.limits)]
            body = {"messages": turns, "temperature": 0, "max_tokens": 24, "grammar": grammar}
            request = urllib.request.Request(
                f"{address}/chat/completions",
                json.dumps(body).encode(),
                {"Content-Type": "application/json"},
            )
            with urllib.request.urlopen(request, timeout=120) as response:
                return str(json.load(response)["choices"][0]["message"]["content"]).strip()

        yield ask


def run(task: Task, lanes: dict[str, Lane]) -> tuple[dict[str, list[float]], dict[str, list[str]]]:
    """Seconds and answers by lane, the lanes taking turns."""
    seconds: dict[str, list[float]] = {name: [] for name in lanes}
    answers: dict[str, list[str]] = {name: [] for name in lanes}
    for index, item in enumerate(task.items):
        for name, ask in lanes.items():
            start = time.perf_counter()
            answer = ask(item)
            if index >= _WARM_UP:
                seconds[name].append(time.perf_counter() - start)
                answers[name].append(answer)
    return seconds, answers


def show(seconds: dict[str, list[float]], answers: dict[str, list[str]]) -> None:
    """One line a lane; the first is the one the others are held against."""
    first = next(iter(seconds))
    for name, found in seconds.items():
        ordered = sorted(found)
        p95 = ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))]
        same = sum(a == b for a, b in zip(answers[first], answers[name], strict=True)) / len(found)
        ratio = statistics.median(b / a for a, b in zip(seconds[first], found, strict=True))
        print(
            f"{name:26} p50 {1000 * statistics.median(found):7.0f} ms  p95 {1000 * p95:7.0f} ms  "
            f"{len(found) / sum(found):6.2f} queries/s  x{ratio:.2f} the time  same answer {same:.2f}"
        )


def show_batches(task: Task, model: TransformersChat, name: str, said: Sequence[str]) -> None:
    """Queries a second where all are there at once; a first few warm up."""

    def answer(items: Sequence[Item]) -> float:
        requests = [task.request(item, said) for item in items]
        start = time.perf_counter()
        replies = list(model.answer(requests))
        assert not any(isinstance(reply, Failure) for reply in replies)
        return time.perf_counter() - start

    answer(task.items[:_WARM_UP])
    items = task.items[_WARM_UP:]
    print(f"{name + ', batches':26} {len(items) / answer(items):6.2f} queries/s")


def load(options: argparse.Namespace, base: Path, model: TransformersChat) -> Task:
    """Dev rows of the evalset, test rows stay unread; and the codes its labels get."""
    raw: dict[str, Any] = {
        "seed": 17,
        "data": {"evalset": options.evalset},
        "arms": [{"option": "tune", "model": MODEL}],
        "cost": {"price_date": f"{date.today():%Y-%m-%d}"},
    }
    plan = build_plan(raw, "the benchmark")
    evalset = load_rows(plan, HereOptions().context(quiet=True))
    choices = tuple(answer_text(label.name) for label in evalset.labels)
    items: Sequence[Item] = evalset.dev[: options.items + _WARM_UP]
    tokenizer = load_tokenizer(base)
    codes = choose_codes(
        UntunedBase(model=model._model, tokenizer=tokenizer, renderer=model.renderer), choices
    )
    return Task(items=tuple(items), choices=choices, codes=codes, limits=plan.prompt.limits)


def main() -> None:
    """Run all lanes on the same queries."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--evalset", default="support-tickets")
    parser.add_argument("--items", type=int, default=40)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--adapter", type=Path, default=None, help="a tuned adapter; else the base model")
    options = parser.parse_args()
    opening = ModelSettings(cache=cache_dir(os.environ), threads=options.threads, adapter=options.adapter)
    base = local_folder(resolve(MODEL), opening)  # type: ignore[arg-type]
    model = TransformersChat(MODEL, base, opening)
    task = load(options, base, model)
    lanes = {
        "codes, one pass": ours(task, model, task.codes),
        "words, exact scores": ours(task, model, task.choices),
        "generate, trie of words": constrained(task, base, options.adapter, options.threads, task.choices),
        "generate, one code": constrained(task, base, options.adapter, options.threads, task.codes),
    }
    print(
        f"{options.evalset}, {len(task.choices)} labels, {options.items} queries, {options.threads} threads"
    )
    if options.adapter is not None:  # the GGUF at hand is the base model's
        show(*run(task, lanes))
    else:
        with llama_cpp(task, next(base.glob("*.gguf"))) as served:
            show(*run(task, {**lanes, "llama.cpp, words, 1 thread": served}))
    show_batches(task, model, "codes, one pass", task.codes)
    show_batches(task, model, "words, exact scores", task.choices)


if __name__ == "__main__":
    main()
