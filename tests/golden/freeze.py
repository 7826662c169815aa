"""Freeze anew what frozen runs say, with the reason: python -m tests.golden.freeze NAME ... --reason WHY.

Shows every difference, writes `expected.json` and `decision.txt` of the named runs, and adds a line to
`CHANGES.md`. With `--show` it only shows.
"""

from __future__ import annotations

import argparse
import json
import re
import tempfile
from pathlib import Path
from typing import Any

from tests.golden.golden import (
    CONCLUDED,
    HERE,
    UNFINISHED,
    copy_of,
    decision,
    differences,
    measured,
    only_moved,
    score_again,
)

MOST_PATHS = 6


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="+", choices=(*CONCLUDED, *UNFINISHED, "all"))
    parser.add_argument("--reason", default="", help="why the difference is right, in one line")
    parser.add_argument("--show", action="store_true", help="write nothing")
    given = parser.parse_args()
    names = (*CONCLUDED, *UNFINISHED) if "all" in given.names else given.names
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            changed = freeze(name, Path(folder), given.reason, write=not given.show)
        print(f"{name}: {'; '.join(changed) or 'as it was'}")


def freeze(name: str, folder: Path, reason: str, *, write: bool) -> list[str]:
    """The paths that differ, index and arm left out; written where that is asked for.

    Raises:
        SystemExit: if a difference has no reason.
    """
    run = copy_of(name, folder)
    files: dict[str, str] = {}
    paths: list[str] = []
    if name in CONCLUDED:
        score_again(name, run)
        new, old = measured(run), _expected(name)
        for path, was, now in differences(old, new):
            print(f"{path}\n    was {was!r}\n    is  {now!r}")
            paths.append(re.sub(r"\[[^]]*\]", "[*]", path))
        if paths and only_moved(old, new):
            print("The same values stand at other paths; none changed.")
        files["expected.json"] = json.dumps(new, indent=1, ensure_ascii=False) + "\n"
    files["decision.txt"] = decision(run)
    if _text(name, "decision.txt") != files["decision.txt"]:
        paths.append("decision.txt")
        print(files["decision.txt"])
    kinds = list(dict.fromkeys(paths))
    fresh = not (HERE / name / "decision.txt").exists()
    if write and kinds:
        if not (reason or fresh):
            raise SystemExit("A difference needs its --reason; --show only shows.")
        for file, text in files.items():
            (HERE / name / file).write_text(text, encoding="utf-8")
        if not fresh:
            more = f" and {len(kinds) - MOST_PATHS} more" if len(kinds) > MOST_PATHS else ""
            shown = ", ".join(f"`{kind}`" for kind in kinds[:MOST_PATHS])
            with (HERE / "CHANGES.md").open("a", encoding="utf-8") as log:
                log.write(f"- {name}: {shown}{more}: {reason}\n")
    return kinds


def _expected(name: str) -> Any:
    text = _text(name, "expected.json")
    return json.loads(text) if text else {}


def _text(name: str, file: str) -> str:
    path = HERE / name / file
    return path.read_text(encoding="utf-8") if path.exists() else ""


if __name__ == "__main__":
    main()
