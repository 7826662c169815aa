"""Commented plans to start from, written by `harness init`."""

from __future__ import annotations

from importlib import resources

EXAMPLES = ("tickets",)


def example_plan(name: str) -> str:
    """The text of an example plan."""
    return resources.files("harness.cli").joinpath("plans", f"{name}.yaml").read_text(encoding="utf-8")
