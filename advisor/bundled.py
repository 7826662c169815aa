"""Folders that travel with the program: at the top of a checkout, within a package of an installed wheel."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from advisor.errors import CaseError


def bundled(package: str, folder: str) -> Path:
    """A folder that is carried in a package's wheel and stands beside the package in a checkout."""
    home = Path(str(resources.files(package)))
    inside = home / folder
    return inside if inside.is_dir() else home.parent / folder


def example_cases() -> dict[str, Path]:
    """The complete use cases that come with the program, by name."""
    return {path.stem: path for path in sorted(bundled("advisor", "examples").glob("*.yaml"))}


def example_case(name: str) -> Path:
    """The file of one of these use cases.

    Raises:
        CaseError: if there is none of this name.
    """
    found = example_cases()
    if name not in found:
        raise CaseError("There is no such example.", got=name, allowed=", ".join(found))
    return found[name]
