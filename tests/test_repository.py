"""The repository as a whole: budgets of size, documents that match the folders, files that parse."""

from __future__ import annotations

import ast
import functools
import re
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from advisor.case_file import parse_case
from harness.bakeoff.plan import parse_plan
from harness.data.card import parse_card

ROOT = Path(__file__).resolve().parent.parent
MOST_LINES = 650
MOST_LINES_OF_A_FUNCTION = 60
CODE = sorted(path for room in ("advisor", "harness", "dashboards") for path in (ROOT / room).rglob("*.py"))


@functools.cache
def tracked() -> list[Path]:
    """The files of the repository; all text files where there is no git."""
    try:
        done = subprocess.run(
            ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True, timeout=30, text=True
        )
        return [ROOT / name for name in done.stdout.split("\0") if name and (ROOT / name).is_file()]
    except (OSError, subprocess.CalledProcessError):
        hidden = re.compile(r"/(\.[^/]+|__pycache__|runs|[^/]+\.egg-info)/")
        return [p for p in ROOT.rglob("*") if p.is_file() and not hidden.search(f"/{p.relative_to(ROOT)}")]


def texts() -> Iterator[tuple[str, str]]:
    """(name, text) of every tracked text file."""
    for path in tracked():
        try:
            yield path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue


def test_there_is_something_to_look_at() -> None:
    assert len(CODE) >= 150
    assert len(tracked()) >= 200


def test_files_are_short() -> None:
    long = {p.relative_to(ROOT).as_posix(): len(p.read_text(encoding="utf-8").splitlines()) for p in CODE}
    assert {name: lines for name, lines in long.items() if lines > MOST_LINES} == {}


def test_functions_are_short() -> None:
    """Counted from the first statement after the docstring: a flag of a command is a parameter, not work."""
    long = {}
    for path in CODE:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                first = node.body[1 if ast.get_docstring(node) and len(node.body) > 1 else 0]
                lines = (node.end_lineno or 0) - first.lineno + 1
                if lines > MOST_LINES_OF_A_FUNCTION:
                    long[f"{path.relative_to(ROOT)}:{node.name}"] = lines
    assert long == {}


def test_the_readme_shows_the_folders_there_are() -> None:
    """All at the top, and the rooms of advisor and harness below them."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    found = re.search(r"<!-- tree -->\s*```[a-z]*\n(.*?)```\s*<!-- /tree -->", readme, re.DOTALL)
    assert found, "README.md has no <!-- tree --> block"
    shown, top = set(), ""
    for line in found.group(1).splitlines():
        name = line.split("/")[0]
        top = top if name.startswith(" ") else name
        shown.add(f"{top}/{name.strip()}" if name.startswith(" ") else name)
    parts = [path.relative_to(ROOT).parts for path in tracked()]
    real = {part[0] for part in parts if len(part) > 1}
    real |= {"/".join(part[:2]) for part in parts if len(part) > 2 and part[0] in ("advisor", "harness")}
    assert shown == {name for name in real if not name.startswith(".")}


def test_links_between_documents_lead_somewhere() -> None:
    broken = []
    for name, text in texts():
        if name.endswith(".md"):
            for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text):
                if "://" not in target and not ((ROOT / name).parent / target).exists():
                    broken.append(f"{name}: {target}")
    assert broken == []


CARDS = sorted((ROOT / "evalsets").glob("*/card.toml"))
PLANS = sorted((ROOT / "harness/cli/plans").glob("*.y*ml"))
EXAMPLES = sorted((ROOT / "examples").rglob("*.y*ml"))


@pytest.mark.parametrize("path", CARDS, ids=lambda p: p.parent.name)
def test_cards_parse(path: Path) -> None:
    assert parse_card(path.read_text(encoding="utf-8"), path.name).name == path.parent.name


@pytest.mark.parametrize("path", PLANS, ids=lambda p: p.name)
def test_plans_parse(path: Path) -> None:
    assert parse_plan(path.read_text(encoding="utf-8"), path.name).arms


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.name)
def test_examples_parse(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    if "arms" in yaml.safe_load(text):
        assert parse_plan(text, path.name).arms
    else:
        assert parse_case(text, path.name).name


def test_there_are_cards_plans_and_examples() -> None:
    assert len(CARDS) >= 3 and len(PLANS) >= 1 and len(EXAMPLES) >= 1


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """The wheel as `make wheel` builds it, with the builder that is installed here."""
    builder = pytest.importorskip("hatchling.builders.wheel")
    out = tmp_path_factory.mktemp("dist")
    (path,) = builder.WheelBuilder(str(ROOT)).build(directory=str(out), versions=["standard"])
    return zipfile.ZipFile(path)


def test_the_wheel_carries_every_file_of_the_packages(wheel: zipfile.ZipFile) -> None:
    carried = set(wheel.namelist())
    names = [path.relative_to(ROOT).as_posix() for path in tracked()]
    needed = [name for name in names if name.split("/")[0] in {"advisor", "harness", "dashboards"}]
    assert len(needed) > 200 and [name for name in needed if name not in carried] == []


def test_the_wheel_carries_evalsets_examples_and_licences(wheel: zipfile.ZipFile) -> None:
    carried = set(wheel.namelist())
    names = [path.relative_to(ROOT).as_posix() for path in tracked()]
    needed = [f"harness/{name}" for name in names if name.startswith("evalsets/")]
    needed += [f"advisor/{name}" for name in names if name.startswith("examples/")]
    licences = [name for name in carried if ".dist-info/licenses/" in name]
    assert len(needed) > 15 and [name for name in needed if name not in carried] == []
    assert {Path(name).name for name in licences} == {"LICENSE", "NOTICE", "OFL.txt"}


def test_the_wheel_carries_nothing_else(wheel: zipfile.ZipFile) -> None:
    tops = {name.split("/")[0] for name in wheel.namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"advisor", "harness", "dashboards"}


MACHINE_PATH = re.compile(r"(?<![\w./:-])/(?:work|root|Users|home/[a-z]+|mnt|private)/[\w.-]+")
SECRET = re.compile(
    r"\b(?:sk-(?:proj|ant)-[A-Za-z0-9_-]{16,}|AKIA[0-9A-Z]{16}|ghp_[A-Za-z0-9]{30,}|hf_[A-Za-z]{30,})"
)


def test_no_file_names_a_folder_of_somebodys_machine() -> None:
    found = [f"{name}: {match}" for name, text in texts() for match in MACHINE_PATH.findall(text)]
    assert [entry for entry in found if not entry.startswith("tests/test_repository.py")] == []


def test_no_file_holds_a_key() -> None:
    assert [name for name, text in texts() if SECRET.search(text)] == []


def test_nothing_is_left_open_in_words() -> None:
    """An unfinished place is an error a user gets told, not a mark in the source."""
    marks = re.compile(r"\b(?:TO" + r"DO|FIX" + r"ME|XX" + r"X)\b")
    assert [name for name, text in texts() if name.endswith((".py", ".md")) and marks.search(text)] == []
