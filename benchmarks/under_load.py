"""One tuned model under load in its engines, by the commands a user types: `harness run`, `harness load`.

Behind `harness serve` a question is put as in training and every label gets its probability (transformers,
llama.cpp, vLLM). Asked directly, llama.cpp's own server and vLLM read the prompt of a bake-off and write
JSON held to a schema, with log-probabilities; so does transformers behind `harness serve --as-sent`, for
comparison. Each engine answers the rows of a run first (which also warms it), then 1, 2, 4 … questions at
once until it is full, then questions at a rate of 0.7 of that, whatever is in flight. One table, in Markdown.

vLLM runs in an environment of its own (`make .venv-vllm/.ready`); without one its rows are left out.

Run: python benchmarks/under_load.py RUN [--duration 10] [--rows 30] [--threads 1] [--vllm .venv-vllm/bin]
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from harness.bakeoff.journal import Lane
from harness.bakeoff.run_folder import find_run
from harness.core.records import Completion

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.running import free_port, running, vllm_environ

ROOT = Path(__file__).resolve().parents[1]
_OWN_SLOTS = 4
_SHARE = 0.7
_VLLM = "vLLM, bf16, eager"
_LLAMA = """
import sys, threading, xllamacpp
file, port, slots, threads = sys.argv[1], *map(int, sys.argv[2:])
params = xllamacpp.CommonParams()
params.model.path, params.hostnames, params.port = file, ["127.0.0.1"], port
params.n_parallel, params.n_ctx = slots, slots * 4096
params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads
params.ui = params.warmup = False
server = xllamacpp.Server(params)
threading.Event().wait()
"""


@dataclass(frozen=True, kw_only=True)
class Bench:
    """What all engines are asked with.

    Attributes:
        run: the folder of the run with the tuned arm; room: a folder for everything else.
        rows: of dev and test each, that an engine answers before it is put under load.
        duration_s: of each step.
        vllm: the programs of vLLM's environment; None leaves vLLM out.
    """

    run: Path
    room: Path
    rows: int
    duration_s: float
    threads: int
    vllm: Path | None

    @property
    def tuned(self) -> tuple[str, ...]:
        """The run's tuned model, as commands take it."""
        return str(self.run), "--arm", "tune"

    @property
    def environ(self) -> dict[str, str]:
        """Of the project's own commands."""
        own = {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": str(self.threads), "OPENAI_API_KEY": "none"}
        return {**os.environ, **own}

    def harness(self, *words: str) -> str:
        """A command's standard output.

        Raises:
            SystemExit: it failed.
        """
        done = subprocess.run(
            _harness(*words), cwd=self.room, env=self.environ, stdout=subprocess.PIPE, text=True, check=False
        )
        if done.returncode:
            raise SystemExit(f"harness {shlex.join(words)} ended with {done.returncode}")
        return done.stdout


@dataclass(frozen=True, kw_only=True)
class Engine:
    """A server: what the table calls it, the words that start it, and where it listens."""

    name: str
    words: tuple[str, ...]
    port: int
    environ: dict[str, str]

    @property
    def at(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"


def _harness(*words: str) -> list[str]:
    return [sys.executable, "-m", "harness", *words]


def _served(bench: Bench, name: str, *words: str) -> Engine:
    """An engine in, or behind, `harness serve`."""
    port = free_port()
    own = _harness("serve", *words, "--port", str(port), "--threads", str(bench.threads))
    return Engine(name=name, words=tuple(own), port=port, environ=bench.environ)


def engines(bench: Bench) -> Iterator[Engine]:
    """Those of the project's own environment, each to be started alone."""
    tuned = bench.tuned
    yield _served(bench, "transformers in `harness serve`", *tuned)
    yield _served(bench, "transformers in `harness serve --as-sent`", *tuned, "--as-sent")
    yield _served(
        bench, "llama.cpp, GGUF F16, in `harness serve`", *tuned, "--engine", "llamacpp", "--gguf", "f16"
    )
    (file,) = (bench.room / "gguf").glob("*.gguf")
    port = free_port()
    told = (str(file), str(port), str(_OWN_SLOTS), str(bench.threads))
    own = (sys.executable, "-c", _LLAMA, *told)
    name = f"llama.cpp's own server, GGUF F16, {_OWN_SLOTS} slots"
    yield Engine(name=name, words=own, port=port, environ=bench.environ)


def vllm_engine(bench: Bench) -> Engine | None:
    """vLLM with the merged weights, started by the command that `harness serve` prints."""
    if bench.vllm is None:
        return None
    port = free_port()
    asked = ("serve", "merged", "--engine", "vllm", "--print", "--port", str(port))
    words = shlex.split(bench.harness(*asked, "--vllm-args", "--enforce-eager"))
    program = str(bench.vllm / words[0])
    environ = vllm_environ(bench.vllm, os.environ)
    return Engine(name=_VLLM, words=(program, *words[1:]), port=port, environ=environ)


def measure(bench: Bench, engine: Engine) -> list[str]:
    """The rows of the table: of an engine that runs."""
    with urllib.request.urlopen(f"{engine.at}/v1/models", timeout=60) as answer:
        model = json.load(answer)["data"][0]["id"]
    raw = yaml.safe_load((bench.run / "plan.yaml").read_text(encoding="utf-8"))
    few = {"limit_dev": bench.rows, "limit_test": bench.rows, "limit_train": None}
    plan = {
        "seed": 17,
        "data": {**raw["data"], **few},
        "arms": [{"option": "prompt", "model": f"openai/{model}", "api_base": f"{engine.at}/v1"}],
        "latency": {"items": 0},
        "cost": {"price_date": raw["cost"]["price_date"]},
    }
    (bench.room / "plan.yaml").write_text(yaml.safe_dump(plan))
    runs = Path(tempfile.mkdtemp(dir=bench.room))
    bench.harness("run", "plan.yaml", "--runs", str(runs), "-j", "2", "--timeout", "600")
    sure = confidence(runs)

    def load(*more: str) -> list[dict[str, Any]]:
        asked = ("load", "latest", "--runs", str(runs), "--arm", "prompt", "--json")
        found = json.loads(bench.harness(*asked, "--duration", f"{bench.duration_s:g}", *more))
        return list(found)

    steps = load()
    full = max((step["per_second"] for step in steps if not step["failures"]), default=0.0)
    rate = load("--rate", f"{max(0.01, _SHARE * full):.3g}")
    return [row(engine.name, step, sure, full) for step in (*steps[-2:], *rate)]


def confidence(runs: Path) -> str:
    """How many answers of a run came with a probability for each label, of how many there are."""
    folder = find_run(runs, "latest")
    with folder.journal(read_only=True) as journal:
        (one,) = journal.settled()
        items = folder.items()["test"]
        lane = Lane(arm=one.arm, seed=one.seed, split="test", config=one.config)
        found = [journal.outcomes(lane, items).get(item.id) for item in items]
    sure = sum(isinstance(answer, Completion) and answer.choice_logprobs is not None for answer in found)
    return f"{sure} of {len(found)}"


def row(name: str, step: dict[str, Any], sure: str, full: float) -> str:
    """A line of the table."""
    if step["rate"] is not None:
        asked = f"{step['rate']:.3g} a second"
    else:
        asked = f"{step['concurrency']} at once{', full' if step['per_second'] == full else ''}"
    whole = [_quantile(one) for one in step["whole"]] or ["none"] * 3
    first = " / ".join(f"{1000 * one['seconds']:,.0f}" for one in step["first"][:2]) or "none"
    kinds = ", ".join(f"{kind} {count}" for kind, count in sorted(step["failures"].items()))
    failed = f"{sum(step['failures'].values())} of {step['sent']}{f' ({kinds})' if kinds else ''}"
    cells = (name, asked, f"{step['per_second']:.1f}", *whole, first, failed, sure)
    return f"| {' | '.join(cells)} |"


def _quantile(one: dict[str, Any]) -> str:
    found = one["interval"]
    between = f" ({1000 * found['low']:,.0f} to {1000 * found['high']:,.0f})" if found else ""
    return f"{1000 * one['seconds']:,.0f}{between}"


def run(bench: Bench, only: str) -> None:
    """Print the table, engine by engine; `only` those with this in their name."""
    for words in (("gguf", "--precision", "f16"), ("merged",)):
        bench.harness("export", *bench.tuned, "--check", "0", "-o", words[0], "--format", *words)
    heads = ("engine", "asked", "answers/s", "p50 ms", "p95 ms", "p99 ms", "first word p50 / p95", "failed")
    print(f"| {' | '.join((*heads, 'with every label its probability'))} |\n|{'---|' * 9}", flush=True)
    for engine in engines(bench):
        if only in engine.name:
            show(bench, engine)
    if only not in _VLLM:
        return
    vllm = vllm_engine(bench)
    if vllm is None:
        print("vLLM is left out: --vllm names no environment that is there", file=sys.stderr)
        return
    with running(vllm.words, bench.room, vllm.environ, f"{vllm.at}/health"):
        print("\n".join(measure(bench, vllm)), flush=True)
        words = ("merged", "--engine", "vllm", "--vllm-at", vllm.at)
        show(bench, _served(bench, "vLLM behind `harness serve`", *words))


def show(bench: Bench, engine: Engine) -> None:
    """Start an engine, measure it and end it."""
    with running(engine.words, bench.room, engine.environ, f"{engine.at}/health"):
        print("\n".join(measure(bench, engine)), flush=True)


def main() -> None:
    """Put all engines under load, one after the other."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("run", help="the folder of a run with a tuned arm")
    parser.add_argument("--duration", type=float, default=10.0, help="seconds of each step")
    parser.add_argument("--rows", type=int, default=30)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--vllm", type=Path, default=ROOT / ".venv-vllm" / "bin", metavar="BIN")
    parser.add_argument("--only", default="", help="engines with this in their name")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as room:
        run(
            Bench(
                run=Path(options.run).resolve(),
                room=Path(room),
                rows=options.rows,
                duration_s=options.duration,
                threads=options.threads,
                vllm=options.vllm.resolve() if (options.vllm / "python").exists() else None,
            ),
            options.only,
        )


if __name__ == "__main__":
    main()
