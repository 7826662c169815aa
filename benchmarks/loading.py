"""How a table grows into a checked, split evalset: CPU seconds and memory a row, beside the usual ways.

Run: python benchmarks/loading.py [ROWS ...]

The rows are machine-made: 10 to 40 drawn words, one in twenty a copy of an earlier row with one word changed.
Each figure is of a process of its own; at each size the ways take turns, and medians are shown. The others do
less: pandas reads the table and nothing else; datasketch, up to 20,000 rows, looks for near-duplicates only,
with 128 permutations on the same character 5-grams.
"""

from __future__ import annotations

import csv
import json
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

REPEATS = 3
SLOW_FROM = 20_000  # rows above which datasketch is not waited for
HERE = Path(__file__).resolve()


def write_rows(path: Path, rows: int) -> None:
    """Write a table of subject, body and one of 20 queues."""
    rng = random.Random(1)
    words = ["".join(rng.choices("abcdefghijklmnop", k=rng.randint(3, 9))) for _ in range(4000)]
    earlier: list[list[str]] = []
    with path.open("w", newline="", encoding="ascii") as file:
        table = csv.writer(file)
        table.writerow(["subject", "body", "queue"])
        for row in range(rows):
            text = [words[min(3999, int(rng.expovariate(1 / 400)))] for _ in range(rng.randint(10, 40))]
            if row % 20 == 1:
                text = list(rng.choice(earlier))
                text[rng.randrange(len(text))] = rng.choice(words)
            if len(earlier) < 1000:
                earlier.append(text)
            table.writerow([" ".join(text[:4]), " ".join(text[4:]), f"queue {row % 20}"])


def ours(path: Path) -> Callable[[], object]:
    """Read, check, cluster near-duplicates, split, all findings."""
    from harness.data.load import load_file
    from harness.data.settings import DataPlan

    form = DataPlan(file="rows", text=("subject", "body"), label="queue")
    return lambda: load_file(path, form, 17)


def pandas_read(path: Path) -> Callable[[], object]:
    """Read the table."""
    import pandas

    return lambda: pandas.read_csv(path)


def datasketch_lsh(path: Path) -> Callable[[], object]:
    """Read the table and look for near-duplicates."""
    import pandas
    from datasketch import MinHash, MinHashLSH

    def search() -> int:
        table, found = pandas.read_csv(path), 0
        index = MinHashLSH(threshold=0.8, num_perm=128)
        for row, text in enumerate(table["subject"] + "\n\n" + table["body"]):
            plain = f" {' '.join(text.casefold().split())} "
            sketch = MinHash(num_perm=128)
            sketch.update_batch([plain[i : i + 5].encode() for i in range(len(plain) - 4)])
            found += len(index.query(sketch))
            index.insert(row, sketch)
        return found

    return search


WAYS = {"tune-or-retrieve": ours, "pandas.read_csv": pandas_read, "datasketch": datasketch_lsh}


def measure(way: str, path: Path) -> dict[str, float]:
    """CPU seconds and memory of one way in this process, imports not counted."""
    work = WAYS[way](path)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.process_time()
    kept = work()
    seconds = time.process_time() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    del kept
    return {"seconds": seconds, "peak_mib": peak / 1024, "grown": (peak - before) * 1024}


def main(sizes: list[int]) -> None:
    """Print a line a size and way: medians, and ratios of CPU seconds to the first way's."""
    print(
        f"{'rows':>9} {'':18} {'CPU s':>8} {'rows/s':>9} {'ratio':>6} {'peak MiB':>9} "
        f"{'bytes a row beyond the file':>28}"
    )
    with tempfile.TemporaryDirectory() as folder:
        for rows in sizes:
            path = Path(folder) / f"{rows}.csv"
            write_rows(path, rows)
            found: dict[str, list[dict[str, float]]] = {
                way: [] for way in WAYS if way != "datasketch" or rows <= SLOW_FROM
            }
            for _ in range(REPEATS):
                for way, results in found.items():
                    words = [sys.executable, str(HERE), "--one", way, str(path)]
                    said = subprocess.run(words, check=True, capture_output=True, text=True).stdout
                    results.append(json.loads(said))
            medians = {
                way: {key: statistics.median(one[key] for one in results) for key in results[0]}
                for way, results in found.items()
            }
            for way, one in medians.items():
                ratio = one["seconds"] / medians["tune-or-retrieve"]["seconds"]
                beyond = (one["grown"] - path.stat().st_size) / rows
                print(
                    f"{rows:9,} {way:18} {one['seconds']:8.1f} {rows / one['seconds']:9,.0f} {ratio:6.3f} "
                    f"{one['peak_mib']:9,.0f} {beyond:28,.0f}",
                    flush=True,
                )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        print(json.dumps(measure(sys.argv[2], Path(sys.argv[3]))))
    else:
        main([int(size) for size in sys.argv[1:]] or [20_000, 200_000])
