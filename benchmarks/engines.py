"""One tuned model answered by four engines in one run: transformers here, llama.cpp, vLLM, and `generate`.

The first three stand behind the very service that `harness serve` puts behind HTTP, and give every
label's probability. `generate` of transformers writes greedily, held by a trie to what the model learnt
to say. The same dev queries, one after the other, after three that do not count; the engines take turns
query by query, so that another job on the machine slows all of them. Last, vLLM gets eight at a time.

vLLM runs already, in an environment of its own, started with what this prints:

    harness serve RUN --arm tune --engine vllm --print --vllm-args '--dtype float32'

Run: python benchmarks/engines.py RUN [--items 40] [--threads 1] [--gguf f16] [--vllm-at http://127.0.0.1:8000]
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from harness.bakeoff.run_folder import find_run
from harness.cli.options import HereOptions
from harness.core.context import Context
from harness.core.records import Item, Message
from harness.shipping.serve.service import Service
from harness.shipping.serve.wire import CompletionRequest
from harness.shipping.serving import Engine, ServeRequest, open_service
from harness.shipping.shipped import Tuned, shipped_in_run
from harness.tasks.labels import answer_text
from harness.tasks.records import PromptLimits

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.inference import Lane, Task, constrained, run, show

_AT_ONCE = 8


def served(service: Service) -> Lane:
    """An engine behind the service: a ticket in, a label's words out."""
    (name,) = service.names

    def ask(item: Item) -> str:
        turns = (Message(role="user", content=item.text),)
        asked = CompletionRequest(
            model=name, messages=turns, choices=None, wrapped_in="", top=None, stream=False
        )
        return service.answer(asked)[0].text

    return ask


def generated(tuned: Tuned, items: Sequence[Item], threads: int) -> Lane:
    """`generate` on the same weights."""
    labels = [label.name for label in tuned.task.labels]
    task = Task(
        items=tuple(items),
        choices=tuple(answer_text(label) for label in labels),
        codes=tuple(tuned.task.codes[label] for label in labels) if tuned.task.codes else (),
        limits=PromptLimits(item_chars=tuned.task.item_chars),
    )
    return constrained(task, tuned.base, tuned.adapter, threads, task.codes or task.choices)


def wishes(options: argparse.Namespace) -> dict[str, ServeRequest]:
    """What is opened, by the name it is printed under."""

    def of(engine: Engine) -> ServeRequest:
        return ServeRequest(
            targets=(options.run,), arm="tune", engine=engine, gguf=options.gguf, vllm_at=options.vllm_at
        )

    found = {"transformers here": of("transformers"), f"llama.cpp, {options.gguf}": of("llamacpp")}
    return found | ({"vLLM over HTTP": of("vllm")} if options.vllm_at else {})


def measure(options: argparse.Namespace, context: Context) -> None:
    """One line an engine."""
    folder = find_run(context.runs, options.run)
    tuned = shipped_in_run(folder, "tune", None, context)
    assert isinstance(tuned, Tuned), "the run's tuned arm"
    items = folder.items()["dev"][: options.items + 3]
    said = "codes" if tuned.task.codes else "words"
    print(f"{folder.run_id}: {len(tuned.task.labels)} labels said as {said}, {len(items) - 3} queries")
    with contextlib.ExitStack() as stack:
        lanes: dict[str, Lane] = {}
        for name, wish in wishes(options).items():
            service = open_service(wish, context)
            stack.callback(service.close)
            lanes[name] = served(service)
        lanes["generate, held to a trie"] = generated(tuned, items, options.threads)
        limits = PromptLimits(item_chars=tuned.task.item_chars)
        show(*run(Task(items=tuple(items), choices=(), codes=(), limits=limits), lanes))
        if options.vllm_at:
            start = time.perf_counter()
            with ThreadPoolExecutor(_AT_ONCE) as pool:
                list(pool.map(lanes["vLLM over HTTP"], items))
            rate = len(items) / (time.perf_counter() - start)
            print(f"{f'vLLM, {_AT_ONCE} at a time':26} {rate:6.2f} queries/s")


def main() -> None:
    """Ask all engines the same queries."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", help="a run with a tuned arm, or latest")
    parser.add_argument("--items", type=int, default=40)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--gguf", default="f16", choices=("f32", "f16", "q8_0"))
    parser.add_argument("--vllm-at", default="", help="address of a vLLM that serves it")
    options = parser.parse_args()
    measure(options, HereOptions(threads=options.threads).context(quiet=True))


if __name__ == "__main__":
    main()
