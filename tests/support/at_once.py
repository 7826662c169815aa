"""The command line in a process that calls it a hundred times: built once, and without pauses."""

from __future__ import annotations

import dataclasses
import functools

import pytest
import typer.main
import typer.testing

from harness.core import environment
from harness.core.environment import BusyWatch, MachineLook, look_at_machine


def unwaited_watch(beside: bool) -> BusyWatch:
    """A watch of a timed pass on a clock that a pause puts forward: the counters are real, nothing waits."""
    skipped_s: list[float] = []

    def look() -> MachineLook:
        seen = look_at_machine()
        return dataclasses.replace(seen, at_s=seen.at_s + sum(skipped_s))

    return BusyWatch(beside, look, skipped_s.append)


def start_at_once(patch: pytest.MonkeyPatch) -> None:
    """Keep what a command line is built to, and wait for no pause beside a timed pass."""
    build = functools.cache(typer.main.get_command)
    patch.setattr(typer.main, "get_command", build)
    patch.setattr(typer.testing, "_get_command", build)
    patch.setattr(environment, "BusyWatch", unwaited_watch)
