"""The shape of the code as tests: which rooms are pure, what an import loads."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
HEAVY = (
    "torch",
    "litellm",
    "transformers",
    "streamlit",
    "pandas",
    "sklearn",
    "scipy",
    "bm25s",
    "genai_prices",
)

COMMANDS = {"cli.py", "commands.py", "interview.py", "base_models/cli.py"}
"""The advisor's command line: the files that speak with a user."""

LOADERS = {
    "assumed.py",
    "base_models/catalogue.py",
    "bundled.py",
    "case_file.py",
    "evidence.py",
    "money/machines.py",
    "money/price_file.py",
    "money/price_sources.py",
    "reading.py",
    "rubric/rubric.py",
    "run_evidence.py",
}
"""The advisor's loaders: they read the tables it carries and the user's files, and nothing else."""

PURE = {
    *(f"tasks/{name}" for name in ("base", "classification", "kinds", "label_breakdown", "labels")),
    *(f"tasks/{name}" for name in ("measures", "scored")),
    *(f"bakeoff/{name}" for name in ("business", "diagnosis", "plan", "results", "busy", "compare")),
    *(
        f"bakeoff/{name}"
        for name in ("between_runs", "cost", "diagnose", "latency", "limit_checks", "outside")
    ),
    *(f"bakeoff/{name}" for name in ("lookup", "quality", "route", "wording")),
    *(f"money/{name}" for name in ("forecast", "records", "scene", "unknowns")),
    *(f"curve/{name}" for name in ("fit", "records")),
    *(f"robustness/{name}" for name in ("checks", "records")),
    *(f"track_record/{name}" for name in ("advice_check", "count", "records")),
    *(f"recommendation/{name}" for name in ("choose", "recommend", "records")),
    "shipping/agreement",
}
"""What harness computes from records alone."""

OUTSIDE = {
    "asyncio",
    "ftplib",
    "getpass",
    "glob",
    "http",
    "httpx",
    "importlib",
    "io",
    "logging",
    "multiprocessing",
    "os",
    "pathlib",
    "platform",
    "random",
    "requests",
    "secrets",
    "shutil",
    "socket",
    "sqlite3",
    "ssl",
    "subprocess",
    "tempfile",
    "threading",
    "time",
    "urllib",
    "urllib3",
    "uuid",
}
"""Modules through which clock, environment, disk, network or global random numbers come in."""

CLOCKS = {"now", "utcnow", "today"}
SEEDED = {"default_rng", "Generator", "SeedSequence", "PCG64"}


def _sources(*roots: str) -> list[Path]:
    found: list[Path] = []
    for root in roots:
        path = ROOT / root
        found += [path] if path.suffix == ".py" else sorted(path.rglob("*.py"))
    return found


def _advisor(name: Path) -> str:
    return name.relative_to(ROOT / "advisor").as_posix()


def _harness(name: Path) -> str:
    return name.relative_to(ROOT / "harness").with_suffix("").as_posix()


def pure_files() -> list[Path]:
    """The files that promise to read nothing from outside."""
    advisor = [p for p in _sources("advisor") if _advisor(p) not in COMMANDS | LOADERS]
    return advisor + [path for path in _sources("harness") if _harness(path) in PURE]


def impurities(source: str) -> Iterator[str]:
    """What in a module's source reaches outside, as 'line: what'."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import(names=names):
                for alias in names:
                    if alias.name.split(".")[0] in OUTSIDE:
                        yield f"{node.lineno}: import {alias.name}"
            case ast.ImportFrom(module=str(module), level=0) if module.split(".")[0] in OUTSIDE:
                yield f"{node.lineno}: from {module}"
            case ast.Call(
                func=ast.Name(id="open" | "print" | "input" | "eval" | "exec" | "__import__" as name)
            ):
                yield f"{node.lineno}: {name}()"
            case ast.Call(func=ast.Attribute(attr=name)) if name in CLOCKS:
                yield f"{node.lineno}: .{name}()"
            case ast.Call(func=ast.Attribute(attr="default_rng"), args=[], keywords=[]):
                yield f"{node.lineno}: default_rng() without a seed"
            case ast.Attribute(value=ast.Attribute(value=ast.Name(id="np"), attr="random"), attr=name):
                if name not in SEEDED:
                    yield f"{node.lineno}: np.random.{name}"
            case ast.Global():
                yield f"{node.lineno}: global {', '.join(node.names)}"


def test_there_is_something_to_look_at() -> None:
    assert len(_sources("advisor")) >= 40
    assert len(_sources("harness")) >= 100
    assert len(pure_files()) >= 40
    there = {_advisor(path) for path in _sources("advisor")}
    assert there >= COMMANDS | LOADERS, "a name of these lists is gone from the advisor"
    assert {_harness(path) for path in _sources("harness")} >= PURE, (
        "a name of this list is gone from the harness"
    )


@pytest.mark.parametrize("path", pure_files(), ids=lambda p: p.relative_to(ROOT).as_posix())
def test_pure_rooms_read_nothing_from_outside(path: Path) -> None:
    assert list(impurities(path.read_text(encoding="utf-8"))) == []


def test_the_advisors_loaders_read_files_only() -> None:
    allowed = ("pathlib", "importlib", "io")
    for name in sorted(LOADERS):
        found = impurities((ROOT / "advisor" / name).read_text(encoding="utf-8"))
        bad = [entry for entry in found if not any(f" {module}" in entry for module in allowed)]
        assert bad == [], f"advisor/{name}"


@pytest.mark.parametrize(
    "line",
    [
        "import os",
        "from pathlib import Path",
        "import urllib.request",
        "def f():\n    from time import sleep",
        "datetime.now()",
        "date.today()",
        "open('x')",
        "np.random.rand(3)",
        "np.random.default_rng()",
        "def f():\n    global x",
    ],
)
def test_the_look_itself_sees_what_is_impure(line: str) -> None:
    assert list(impurities(line))


@pytest.mark.parametrize("line", ["np.random.default_rng(seed)", "from datetime import date", "rng.random()"])
def test_the_look_itself_lets_pure_code_pass(line: str) -> None:
    assert not list(impurities(line))


def _imports_outside_functions(tree: ast.Module) -> Iterator[str]:
    stack: list[ast.AST] = list(tree.body)
    while stack:
        node = stack.pop()
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.Lambda():
                continue
            case ast.If(test=ast.Name(id="TYPE_CHECKING"), orelse=orelse):
                stack += orelse
                continue
            case ast.Import(names=names):
                yield from (alias.name.split(".")[0] for alias in names)
            case ast.ImportFrom(module=str(module), level=0):
                yield module.split(".")[0]
        stack += list(ast.iter_child_nodes(node))


_LOCAL = ROOT / "harness/models/local"
TENSORS = sorted([*_LOCAL.glob("tree_*.py"), _LOCAL / "packed_products.py"])
"""Modules of nothing but tensor code; whoever needs them imports them inside a function."""


def test_tensor_modules_are_imported_late() -> None:
    assert TENSORS
    names = {path.stem for path in TENSORS}
    for path in _sources("advisor", "harness"):
        if path in TENSORS:
            continue
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            match node:
                case ast.ImportFrom(module=str(module)):
                    assert module.split(".")[-1] not in names, path


def test_heavy_packages_are_imported_inside_functions() -> None:
    late = {
        *HEAVY,
        *["trl", "peft", "datasets", "bitsandbytes", "sentence_transformers", "xllamacpp", "pyarrow"],
    }
    found = {
        f"{path.relative_to(ROOT)}: {name}"
        for path in _sources("advisor", "harness")
        if path not in TENSORS
        for name in _imports_outside_functions(ast.parse(path.read_text(encoding="utf-8")))
        if name in late
    }
    assert found == set()


COMMAND_HELP = """
import sys
sys.argv = [{name!r}, '--help']
from {package}.cli import main
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
loaded = [name for name in {heavy!r} if name in sys.modules]
assert not loaded, loaded
"""


@pytest.mark.parametrize(
    ("package", "word"), [("harness", "bakeoff"), ("advisor", "assess")], ids=["harness", "advisor"]
)
def test_help_loads_nothing_heavy(package: str, word: str) -> None:
    code = COMMAND_HELP.format(name=package, package=package, heavy=HEAVY)
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert word in done.stdout


def test_every_folder_of_modules_is_a_package() -> None:
    folders = {path.parent for path in _sources("advisor", "harness", "dashboards", "tests")}
    assert [f.relative_to(ROOT).as_posix() for f in sorted(folders) if not (f / "__init__.py").exists()] == []
