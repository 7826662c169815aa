"""The size and shape of the code, as a Markdown table: python docs/figures.py [--walk] [--root FOLDER].

A room is a second-level folder (`harness/report`); files that lie in a package itself are the room of its
name. Statements are nodes of the syntax tree, docstrings left out. A function's length is counted from `def`
to its last line. `--walk` runs a bake-off on two cheap arms in a scratch folder and counts the project's
files of which at least one function is entered.
"""

from __future__ import annotations

import argparse
import ast
import os
import sys
import tempfile
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

PACKAGES = ("advisor", "harness", "dashboards")
SHEETS = {".typ", ".css", ".js", ".html"}
_FUNCTION = 0x1  # CO_OPTIMIZED: code of a function, not of a module or a class
_WALK = [
    "bakeoff",
    *("--evalset", "support-tickets", "--arms", "floor,linear", "--limit", "30", "--limit-train", "90"),
    *("--price-at", "2026-11-20", "--offline"),
]


@dataclass(frozen=True, slots=True)
class Module:
    """One Python file of the project.

    Attributes:
        name: dotted.
        room: second-level folder, or the package.
    """

    name: str
    room: str
    path: Path
    lines: int
    tree: ast.Module


def modules(root: Path) -> list[Module]:
    """Every module of the three packages."""
    found = []
    for package in PACKAGES:
        for path in sorted((root / package).rglob("*.py")):
            parts = path.relative_to(root).with_suffix("").parts
            text = path.read_text(encoding="utf-8")
            name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            room = "/".join(parts[:2]) if len(parts) > 2 else package
            found.append(Module(name, room, path, len(text.splitlines()), ast.parse(text)))
    return found


def docstrings(tree: ast.Module) -> list[ast.Expr]:
    """The docstrings of a module, its classes and its functions."""
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    nodes = [
        node for node in ast.walk(tree) if isinstance(node, kinds) and ast.get_docstring(node, clean=False)
    ]
    return [first for node in nodes if isinstance(first := node.body[0], ast.Expr)]


def statements(tree: ast.Module) -> int:
    """Statements of a module, docstrings left out."""
    return sum(isinstance(node, ast.stmt) for node in ast.walk(tree)) - len(docstrings(tree))


def room_rows(found: Sequence[Module]) -> list[list[str]]:
    """Per room: files, lines, statements, share of docstrings; the sum last."""
    by_room: dict[str, list[Module]] = defaultdict(list)
    for module in found:
        by_room[module.room].append(module)
        by_room[f"{module.room.split('/')[0]} in all"].append(module)
        by_room["in all"].append(module)
    order = sorted(
        by_room, key=lambda room: (room == "in all", room.split("/")[0].split()[0], "in all" in room, room)
    )
    return [_room_row(room, by_room[room]) for room in order]


def _room_row(room: str, found: Sequence[Module]) -> list[str]:
    lines = sum(module.lines for module in found)
    told = sum((d.end_lineno or d.lineno) - d.lineno + 1 for m in found for d in docstrings(m.tree))
    counts = (len(found), lines, sum(statements(module.tree) for module in found))
    name = f"**{room}**" if "in all" in room else room
    return [name, *(f"{count:,}" for count in counts), f"{100 * told / max(1, lines):.1f} %"]


def presentation(root: Path, found: Sequence[Module]) -> int:
    """Lines that only show: reports, pages, the advisor's texts and views, and their sheets."""
    shows = ("harness/report", "dashboards")
    total = sum(
        module.lines
        for module in found
        if module.room.startswith(shows)
        or (module.room.startswith("advisor") and module.path.stem.endswith(("text", "view")))
    )
    sheets = [path for folder in shows for path in (root / folder).rglob("*") if path.suffix in SHEETS]
    return total + sum(len(path.read_text(encoding="utf-8").splitlines()) for path in sheets)


def records(found: Sequence[Module]) -> dict[tuple[str, str], str]:
    """(module, class) -> room of every frozen dataclass and pydantic model."""
    classes = [(m, node) for m in found for node in m.tree.body if isinstance(node, ast.ClassDef)]
    models = {"BaseModel"}
    while True:
        more = {node.name for _, node in classes if models & {_last(base) for base in node.bases}} - models
        if not more:
            break
        models |= more
    return {
        (module.name, node.name): module.room
        for module, node in classes
        if node.name in models or any(_frozen(decorator) for decorator in node.decorator_list)
    }


def crossing(found: Sequence[Module]) -> set[tuple[str, str]]:
    """Records that a module of another room imports, by whichever module it gets them."""
    known = records(found)
    imports = {module.name: dict(_imported(module)) for module in found}
    crossed = set()
    for module in found:
        for source in imports[module.name].values():
            home = _home(source, known, imports)
            if home is not None and known[home] != module.room:
                crossed.add(home)
    return crossed


def _home(
    source: tuple[str, str], known: Mapping[tuple[str, str], str], imports: Mapping[str, Mapping[str, Any]]
) -> tuple[str, str] | None:
    for _ in range(5):
        if source in known:
            return source
        source = imports.get(source[0], {}).get(source[1], ("", ""))
    return None


def _imported(module: Module) -> Iterator[tuple[str, tuple[str, str]]]:
    for node in ast.walk(module.tree):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] in PACKAGES:
            for alias in node.names:
                yield alias.asname or alias.name, (node.module, alias.name)


def _frozen(decorator: ast.expr) -> bool:
    if not isinstance(decorator, ast.Call) or _last(decorator.func) != "dataclass":
        return False
    frozen = [k.value for k in decorator.keywords if k.arg == "frozen"]
    return any(isinstance(value, ast.Constant) and value.value is True for value in frozen)


def _last(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def two_homes(found: Sequence[Module]) -> list[str]:
    """Names of classes that are defined in two or more modules."""
    counts = Counter(
        name
        for module in found
        for name in {node.name for node in module.tree.body if isinstance(node, ast.ClassDef)}
    )
    return sorted(name for name, count in counts.items() if count > 1)


def function_lengths(found: Sequence[Module]) -> list[int]:
    """Lines of every function, from `def` to its last line, shortest first."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    nodes = [node for module in found for node in ast.walk(module.tree) if isinstance(node, kinds)]
    return sorted((node.end_lineno or node.lineno) - node.lineno + 1 for node in nodes)


def walked(root: Path) -> set[str]:
    """Project files of which a small bake-off enters at least one function."""
    entered: set[str] = set()
    packages = tuple(f"{root / package}{os.sep}" for package in PACKAGES)

    def look(frame: FrameType, event: str, _argument: object) -> None:
        code = frame.f_code
        if event == "call" and code.co_flags & _FUNCTION and code.co_filename.startswith(packages):
            entered.add(code.co_filename)

    sys.path.insert(0, str(root))
    from harness.cli.app import app

    with tempfile.TemporaryDirectory() as folder:
        _profiled(look, lambda: app([*_WALK, "--runs", folder], standalone_mode=False))
    return {Path(name).relative_to(root).as_posix() for name in entered}


def _profiled(look: Callable[[FrameType, str, object], None], work: Callable[[], object]) -> None:
    threading.setprofile(look)
    sys.setprofile(look)
    stdout, sys.stdout = sys.stdout, sys.stderr
    try:
        work()
    finally:
        sys.stdout = stdout
        sys.setprofile(None)
        threading.setprofile(None)  # type: ignore[arg-type]


def figures(root: Path, *, walk: bool) -> str:
    """Everything as Markdown."""
    found = modules(root)
    lines = sum(module.lines for module in found)
    crossed, twice, lengths = crossing(found), two_homes(found), function_lengths(found)
    overall = [
        ("presentation lines", f"{presentation(root, found):,}"),
        ("records that cross a folder", f"{len(crossed)} of {len(records(found))}"),
        ("... per 1,000 lines", f"{1000 * len(crossed) / lines:.2f}"),
        ("class names with two homes", f"{len(twice)}: {', '.join(twice)}"),
        ("function lines p50 / p90 / max", " / ".join(str(_quantile(lengths, q)) for q in (0.5, 0.9, 1.0))),
    ]
    if walk:
        overall.append(("files a run walks through", str(len(walked(root)))))
    head = _table(["room", "files", "lines", "statements", "docstrings"], room_rows(found))
    return f"{head}\n{_table(['over all', ''], [list(row) for row in overall])}"


def _quantile(ordered: Sequence[int], share: float) -> int:
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    rule = ["---", *("---:" for _ in head[1:])]
    return "".join(f"| {' | '.join(row)} |\n" for row in [head, rule, *rows])


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--walk", action="store_true", help="also run a bake-off and count the files it enters"
    )
    parser.add_argument("--root", type=Path, default=Path(__file__).resolve().parent.parent)
    given = parser.parse_args()
    sys.stdout.write(figures(given.root.resolve(), walk=given.walk))


if __name__ == "__main__":
    main()
