"""What tuning SmolLM2-135M takes in fp32 and in bf16: the frozen layers' pass, and a step of the recipe.

    python -m benchmarks.tuning_steps [--layers 8] [--batch 8] [--steps 24]

Banking77's training rows, said as codes, by the product's own session. CPU seconds count, one thread; of the
steps the first half warms up (in bf16 every new length builds kernels) and is left out.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.answer_forms import prepare
from harness.training.progress import quiet
from harness.training.trl_trainer import Session, TrainingJob


def measure(session: Session) -> tuple[float, float, float]:
    """CPU seconds of the frozen layers, CPU ms a step, tokens a CPU second; padding counts as no token."""
    seen: list[tuple[float, int]] = []
    step = session.trainer.training_step

    def counted(model: Any, inputs: Any, *args: Any) -> Any:
        seen.append((time.process_time(), int(inputs["attention_mask"].sum())))
        return step(model, inputs, *args)

    session.trainer.training_step = counted
    start = time.process_time()
    session.run()
    end, half = time.process_time(), len(seen) // 2
    seconds = end - seen[half][0]
    tokens = sum(count for _, count in seen[half:])
    return seen[0][0] - start, 1000 * seconds / (len(seen) - half), tokens / seconds


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--layers", type=int, default=8)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--steps", type=int, default=24)
    options = parser.parse_args()
    told = {"evalset": "banking77", "per_label": 0, "epochs": 1.0, "layers": options.layers}
    more = {"method": "auto", "seed": 17, "threads": 1, "learning_rate": None, "batch_size": options.batch}
    bench = prepare(argparse.Namespace(**told, **more))
    rows = bench.conversations(bench.train[: options.batch * options.steps])
    print("| numbers | frozen layers, CPU s | CPU ms a step | tokens a CPU second |")
    print("|---|---|---|---|")
    for method in ("lora-fp32", "lora-bf16"):
        with quiet(), tempfile.TemporaryDirectory() as folder:
            job = TrainingJob(
                base=bench.base,
                work=Path(folder) / "work",
                out=Path(folder) / "out",
                recipe=replace(bench.recipe, method=method, answer="codes"),  # type: ignore[arg-type]
                train=rows,
                dev=(),
                threads=1,
                labels=tuple(bench.answers),
            )
            frozen, step, rate = measure(Session(job, lambda line: None, max_steps=options.steps))
        print(f"| {method.partition('-')[2]} | {frozen:.1f} | {step:.0f} | {rate:,.0f} |", flush=True)


if __name__ == "__main__":
    main()
