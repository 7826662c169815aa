"""How long the commands take to start: median of fresh processes, and what plain Python takes here.

Run: python benchmarks/startup.py [N]
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

COMMANDS = {
    "python -c pass": ["-c", "pass"],
    "import harness": ["-c", "import harness"],
    "import typer, rich": ["-c", "import typer, rich"],
    "harness --help": [
        "-c",
        "import sys; sys.argv=['harness','--help']; from harness.cli import main; main()",
    ],
    "harness runs": ["-c", "import sys; sys.argv=['harness','runs']; from harness.cli import main; main()"],
    "advisor --help": [
        "-c",
        "import sys; sys.argv=['advisor','--help']; from advisor.cli import main; main()",
    ],
}


def seconds(words: list[str]) -> float:
    """Wall seconds of one fresh process.

    Raises:
        CalledProcessError: if it ends with an error; then its time says nothing.
    """
    start = time.perf_counter()
    subprocess.run([sys.executable, *words], check=True, capture_output=True)
    return time.perf_counter() - start


def main(repeats: int) -> None:
    """Print one line a command: median, least and most milliseconds."""
    print(f"{'command':22} {'median':>8} {'least':>8} {'most':>8}  (ms, n={repeats})")
    for name, words in COMMANDS.items():
        seconds(words)  # files come into the cache of the system
        found = sorted(1000 * seconds(words) for _ in range(repeats))
        print(f"{name:22} {statistics.median(found):8.0f} {found[0]:8.0f} {found[-1]:8.0f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 11)
