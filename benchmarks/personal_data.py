"""What is found in the rows of the evalsets, and how long reading them takes.

    python benchmarks/personal_data.py                    # counts by evalset
    python benchmarks/personal_data.py ticket-fields      # and every finding with what stands around it

The evalsets hold invented contacts; what is no contact is a false alarm and is counted by eye. `banking77` is
read where TOR_DATA_DIR names the folder that it lies in.
"""

from __future__ import annotations

import csv
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from harness.privacy.detect import find

ROOT = Path(__file__).resolve().parents[1]
SPLITS = ("train", "dev", "test", "out_of_scope")
COLUMNS = ("subject", "body", "text", "question")
AROUND = 25


def rows(name: str) -> Iterator[str]:
    """Every text of an evalset."""
    for split in SPLITS:
        path = ROOT / "evalsets" / name / f"{split}.jsonl"
        for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
            row = json.loads(line)
            yield "\n".join(row[column] for column in COLUMNS if column in row)
    folder = Path(os.environ.get("TOR_DATA_DIR", "")) / name
    for path in sorted(folder.glob("*.csv")) if name == "banking77" else ():
        with path.open(encoding="utf-8", newline="") as file:
            yield from (row["text"] for row in csv.DictReader(file) if row.get("text"))


def main(shown: str) -> None:
    """Print counts by evalset, and every finding of one."""
    for name in ("support-tickets", "policy-qa", "ticket-fields", "banking77"):
        texts = list(rows(name))
        start = time.process_time()
        found = [find(text) for text in texts]
        spent = time.process_time() - start
        counts = Counter(one.kind.nouns for there in found for one in there)
        listed = ", ".join(f"{count} {kind}" for kind, count in counts.items()) or "nothing"
        print(f"{name}: {len(texts):,} rows, {listed}, {1e6 * spent / max(1, len(texts)):.0f} us a row")
        for text, there in zip(texts, found, strict=True) if name == shown else ():
            for one in there:
                print(f"  {one.kind.value:7} {text[max(0, one.start - AROUND) : one.end + AROUND]!r}")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "")
