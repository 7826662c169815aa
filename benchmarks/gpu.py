"""On a GPU: the exported Unsloth job beside TRL with bitsandbytes, then vLLM serving the tuned model.

Both train the same base on the same rows by the same 4-bit recipe, one after the other, each in a process of
its own, so that neither's patches or memory reach the other. Tokens a second leave loading out. Peak memory
is what torch reserved. Each adapter is scored on the same dev rows by the same code. The first one then
answers dev queries, served, at several loads; 1,000 queries cost their share of a GPU hour at that rate.

What is not installed is said and left out. Without a CUDA GPU nothing is measured.

Run: python benchmarks/gpu.py [--evalset support-tickets] [--rows 400] [--epochs 3] [--gpu-hour-usd 0.8]
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from harness.bakeoff.evalset import load_rows
from harness.bakeoff.plan import build_plan
from harness.bakeoff.tuning import export_job
from harness.cli.options import HereOptions
from harness.core.records import Choices
from harness.models.base import ChatRequest
from harness.models.resolve import local_folder, resolve
from harness.models.settings import ModelSettings, cache_dir
from harness.shipping.export.launch_files import vllm_words
from harness.tasks.classification import tune_messages
from harness.tasks.labels import answer_text
from harness.training.recipe import TrainingHardware, choose_recipe

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.running import free_port, running
from benchmarks.training import MODEL, Bench, dev_accuracy

LOADS = (1, 8, 32)
_WARM_UP = 8
_UNSLOTH = (
    "import json, runpy, sys, torch; runpy.run_path(sys.argv[1], run_name='__main__'); "
    "print(json.dumps({'peak': torch.cuda.max_memory_reserved()}))"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """An adapter, and what making it took."""

    adapter: Path
    seconds: float
    tokens: int
    peak_mib: float


def prepare(options: argparse.Namespace) -> Bench:
    """Plan, rows and base model; test rows stay unread by anything."""
    raw: dict[str, Any] = {
        "seed": 17,
        "data": {"evalset": options.evalset, "limit_train": options.rows},
        "arms": [{"option": "tune", "model": MODEL}],
        "tune": {"method": "qlora-4bit", "epochs": options.epochs},
        "cost": {"price_date": f"{date.today():%Y-%m-%d}"},
    }
    plan = build_plan(raw, "the benchmark")
    opening = ModelSettings(cache=cache_dir(os.environ), device=options.device)
    base = local_folder(resolve(MODEL), opening)  # type: ignore[arg-type]
    evalset = load_rows(plan, HereOptions().context(quiet=True))
    hardware = TrainingHardware(device="cuda", precision="bf16", layers=1)  # a GPU tunes all layers
    recipe = choose_recipe(plan.tune, len(evalset.train), hardware, 17)
    return Bench(plan=plan, evalset=evalset, base=base, recipe=recipe, opening=opening)


def train_here(bench: Bench, out: Path, device: str) -> None:
    """TRL with bitsandbytes, in this process; writes `took.json` beside the adapter."""
    import torch

    from harness.training.trl_trainer import TrainingJob, train

    job = TrainingJob(
        base=bench.base,
        work=out / "work",
        out=out / "adapter",
        recipe=bench.recipe,
        train=bench.conversations(bench.evalset.train),
        dev=(),
        device=device,
    )
    done = train(job, lambda line: None)
    peak = torch.cuda.max_memory_reserved() if device == "cuda" else 0
    took = {"seconds": done.seconds, "tokens": done.tokens, "peak": peak}
    (out / "took.json").write_text(json.dumps(took), encoding="utf-8")


def by_trl(options: argparse.Namespace, out: Path) -> Trained:
    """The same in a process of its own."""
    out.mkdir()
    words = [sys.executable, __file__, *_flags(options), "--lane", str(out)]
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
    took = json.loads((out / "took.json").read_text(encoding="utf-8"))
    return Trained(
        adapter=out / "adapter", seconds=took["seconds"], tokens=took["tokens"], peak_mib=took["peak"] / 2**20
    )


def by_unsloth(bench: Bench, out: Path) -> Trained:
    """The job as `harness tune --export-job` writes it, on the base at hand."""
    export_job(bench.plan, "", out, HereOptions().context(quiet=True))
    job = json.loads((out / "job.json").read_text(encoding="utf-8")) | {"hub_base": str(bench.base)}
    (out / "job.json").write_text(json.dumps(job), encoding="utf-8")
    words = [sys.executable, "-c", _UNSLOTH, str(out / "train.py")]
    said = subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True).stdout
    took = json.loads((out / "adapter" / "training.json").read_text(encoding="utf-8"))
    peak = json.loads(said.strip().splitlines()[-1])["peak"]
    return Trained(
        adapter=out / "adapter", seconds=took["seconds"], tokens=took["tokens"], peak_mib=peak / 2**20
    )


def requests_of(bench: Bench, count: int) -> list[ChatRequest]:
    """The first dev rows as queries."""
    choices = tuple(answer_text(label.name) for label in bench.evalset.labels)
    return [
        ChatRequest(
            item_id=item.id,
            messages=tune_messages(item.text, bench.plan.prompt.limits),
            form=Choices(answers=choices),
        )
        for item in bench.evalset.dev[:count]
    ]


@contextlib.contextmanager
def vllm_server(bench: Bench, adapter: Path) -> Iterator[str]:
    """`vllm serve` on loopback, up and warm."""
    port = free_port()
    words = vllm_words("tuned", str(bench.base), str(adapter), bench.recipe.rank, port)
    address = f"http://127.0.0.1:{port}"
    with (
        tempfile.TemporaryDirectory() as folder,
        running(words, Path(folder), os.environ, f"{address}/health"),
    ):
        yield address


def ask(address: str, request: ChatRequest) -> float:
    """Seconds of one answer, held to the labels."""
    body = {
        "model": "tuned",
        "messages": [{"role": m.role, "content": m.content} for m in request.messages],
        "temperature": 0,
        "max_tokens": 24,
        "structured_outputs": {"choice": list(request.choices)},
    }
    start = time.perf_counter()
    data = json.dumps(body).encode()
    call = urllib.request.Request(
        f"{address}/v1/chat/completions", data, {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(call, timeout=120) as response:
        json.load(response)["choices"][0]["message"]["content"]
    return time.perf_counter() - start


def serve(bench: Bench, adapter: Path, items: int, gpu_hour_usd: float) -> None:
    """One line a load."""
    queries = requests_of(bench, items)
    with vllm_server(bench, adapter) as address:
        for query in queries[:_WARM_UP]:
            ask(address, query)
        for load in LOADS:
            start = time.perf_counter()
            with ThreadPoolExecutor(load) as pool:
                took = sorted(pool.map(lambda query: ask(address, query), queries))
            per_second = len(took) / (time.perf_counter() - start)
            p95 = took[min(len(took) - 1, int(0.95 * len(took)))]
            usd = 1000 * gpu_hour_usd / 3600 / per_second
            print(
                f"vllm, {load:2} at a time   p50 {1000 * statistics.median(took):6.0f} ms"
                f"  p95 {1000 * p95:6.0f} ms  {per_second:7.1f} queries/s  ${usd:.5f} per 1,000",
                flush=True,
            )


def _flags(options: argparse.Namespace) -> list[str]:
    return [
        "--evalset", options.evalset, "--rows", str(options.rows), "--epochs", str(options.epochs),
        "--device", options.device,
    ]  # fmt: skip


def _arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--evalset", default="support-tickets")
    parser.add_argument("--rows", type=int, default=400)
    parser.add_argument("--epochs", type=float, default=3.0)
    parser.add_argument("--dev", type=int, default=100)
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("--gpu-hour-usd", type=float, default=0.8, help="illustrative unless it is yours")
    parser.add_argument("--device", default="cuda", choices=("cuda", "cpu"), help="cpu: the TRL lane alone")
    parser.add_argument("--lane", type=Path, default=None, help=argparse.SUPPRESS)
    return parser.parse_args(words)


def main() -> None:
    """Train both ways, score, serve; one line each."""
    import torch

    options = _arguments()
    if options.device == "cuda" and not torch.cuda.is_available():
        raise SystemExit(
            "torch sees no CUDA GPU: nothing is measured. Run it where `nvidia-smi` shows one and torch is "
            "a CUDA build; `--device cpu` tries the lane of TRL and bitsandbytes alone."
        )
    bench = prepare(options)
    if options.lane is not None:
        train_here(bench, options.lane, options.device)
        return
    name = torch.cuda.get_device_name(0) if options.device == "cuda" else "cpu"
    print(f"{len(bench.evalset.train)} rows of {options.evalset}, {options.epochs:g} epochs, 4-bit, {name}")
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        lanes = {"TRL + bitsandbytes": by_trl(options, scratch / "trl")}
        if options.device == "cuda" and importlib.util.find_spec("unsloth"):
            lanes["Unsloth"] = by_unsloth(bench, scratch / "unsloth")
        else:
            print("Unsloth                  not measured: it is not installed, or there is no GPU")
        for lane, done in lanes.items():
            accuracy = dev_accuracy(bench, done.adapter, options.dev)
            print(
                f"{lane:20} {done.seconds:7.1f} s {done.tokens / done.seconds:8.0f} tok/s "
                f"{done.peak_mib:8.0f} MiB   dev accuracy {accuracy:.3f} (n={options.dev})",
                flush=True,
            )
        if options.device == "cuda" and shutil.which("vllm"):
            serve(bench, next(iter(lanes.values())).adapter, options.queries, options.gpu_hour_usd)
        else:
            print("vLLM                     not measured: it is not installed, or there is no GPU")


if __name__ == "__main__":
    main()
