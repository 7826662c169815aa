"""What a training step of the encoder takes, in fp32 and in bf16 products, on Banking77's training rows.

    python benchmarks/encoder_steps.py [--steps 12]

CPU seconds count, one thread; the first step of each warms up and is left out.
"""

from __future__ import annotations

import argparse
import csv
import os
import time
from pathlib import Path

from harness.models.resolve import Embedded, local_folder
from harness.models.settings import ModelSettings, cache_dir
from harness.training.encoder.recipe import recipes_for
from harness.training.encoder.trainings import LabelJob, LabelSession
from harness.training.settings import EncoderPlan


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=12)
    steps = parser.parse_args().steps
    path = Path(os.environ.get("TOR_DATA_DIR", "data")) / "banking77" / "train.csv"
    rows = list(csv.DictReader(path.open(encoding="utf-8", newline="")))[::13]
    labels = tuple(sorted({row["category"] for row in rows}))
    base = local_folder(Embedded(name="minilm-l6"), ModelSettings(cache=cache_dir(os.environ)))
    print("| products | CPU ms a step of 32 rows | tokens a CPU second |")
    print("|---|---|---|")
    for precision in ("fp32", "bf16"):
        recipe = recipes_for(EncoderPlan(trials=1), len(rows), 22_700_000, precision, 17)[0]  # type: ignore[arg-type]
        session = LabelSession(
            LabelJob(
                base=base,
                texts=tuple(row["text"] for row in rows),
                targets=tuple(labels.index(row["category"]) for row in rows),
                labels=labels,
                recipe=recipe,
                threads=1,
            )
        )
        session.run(lambda line: None, most_steps=1)
        started, before = time.process_time(), session.tokens
        session.run(lambda line: None, most_steps=1 + steps)
        seconds = time.process_time() - started
        print(f"| {precision} | {1000 * seconds / steps:.0f} | {(session.tokens - before) / seconds:,.0f} |")


if __name__ == "__main__":
    main()
