"""The harness's errors as one tree: faults a user can fix, and the rest.

    HarnessError
    +-- UserError           wrong input; printed in one block without a traceback
    |   +-- UsageError      wrong flag, plan or name                      exit 2
    |   +-- DataError       the evalset or the user's file is not usable  exit 1
    |   +-- MissingExtra    an optional package is not installed          exit 1
    |   +-- ModelUnavailable  weights, endpoint or key not there          exit 1
    |   +-- TrainingError    a training run diverged or cannot start         exit 1
    |   +-- StoreError      run folder missing, read-only, full, corrupt  exit 1
    +-- IncompleteRun       a run stopped before its manifest             exit 3
    |   +-- WaitTooLong     a provider asks for a long pause              exit 3
    +-- OverBudget          the next call would pass `--budget-usd`       exit 4

A failed call to a model is no exception: it is a `records.Failure`.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

from harness.core.collector import uncollected

_PACKAGES = {
    "sklearn": "scikit-learn",
    "markdown_it": "markdown-it-py",
    "python_calamine": "python-calamine",
}
"""By module, the package it comes with where that has another name."""


def command(*words: object) -> str:
    """`harness` with these words, quoted where they need it: to be pasted as it stands."""
    return shlex.join(("harness", *map(str, words)))


def command_on(run: Path, verb: str, *more: str) -> str:
    """A command on the run in this folder; with `--runs` where it does not lie in ./runs."""
    there = run.absolute().parent
    where = () if there == Path("runs").absolute() else ("--runs", there)
    return command(*verb.split(), run.name, *more, *where)


class HarnessError(Exception):
    """Base of every error this package raises on purpose."""

    exit_code: ClassVar[int] = 1


class UserError(HarnessError):
    """A fault the user can fix: what happened, what was got, what is allowed, what to run.

    All parts are plain text without markup.
    """

    def __init__(
        self,
        what: str,
        *,
        got: object | None = None,
        allowed: object | None = None,
        run: str | None = None,
    ) -> None:
        self.what = what
        self.got = got
        self.allowed = allowed
        self.run = run
        super().__init__(str(self))

    def __str__(self) -> str:
        lines = [self.what]
        if self.got is not None:
            lines.append(f"  got:     {self.got}")
        if self.allowed is not None:
            lines.append(f"  allowed: {self.allowed}")
        if self.run is not None:
            lines.append(f"  run:     {self.run}")
        return "\n".join(lines)


class UsageError(UserError):
    """A flag, a plan or a name that the command cannot take."""

    exit_code: ClassVar[int] = 2


class DataError(UserError):
    """An evalset, card or data file that cannot be used as it is."""


class MissingExtra(UserError):
    """An optional package is missing; `run` holds the install command."""

    @classmethod
    def of(cls, package: str, extra: str) -> MissingExtra:
        """Build the error for `package`, which the extra named `extra` installs."""
        return cls(
            f"The package '{package}' is not installed.",
            run=f"pip install 'tune-or-retrieve[{extra}]'",
        )


@contextmanager
def needs(extra: str) -> Iterator[None]:
    """Imports of packages that this extra installs.

    Raises:
        MissingExtra: naming the one that is not there.
    """
    try:
        with uncollected():
            yield
    except ImportError as error:
        module = (error.name or extra).partition(".")[0]
        raise MissingExtra.of(_PACKAGES.get(module, module), extra) from error


class ModelUnavailable(UserError):
    """Weights, an endpoint or an access key are not there."""


class TrainingError(UserError):
    """A training run that diverged or cannot start; `run` says what to try."""


class StoreError(UserError):
    """A run folder that is missing, read-only, out of space or damaged."""


@contextmanager
def on_disk(what: str, *, got: object | None = None, allowed: object | None = None) -> Iterator[None]:
    """Work on files; `what` is what cannot be done where the disk refuses, and the reason is added to it.

    Raises:
        StoreError: with that.
    """
    try:
        yield
    except OSError as error:
        raise StoreError(f"{what}: {error.strerror}.", got=got, allowed=allowed) from error


class IncompleteRun(UserError):
    """A run that stopped before its manifest was written; `resume` goes on with it."""

    exit_code: ClassVar[int] = 3


class WaitTooLong(IncompleteRun):
    """A provider asks to be left alone for longer than a run waits; what was computed is kept."""


class OverBudget(UserError):
    """The next paid call could pass the budget; what was computed is kept."""

    exit_code: ClassVar[int] = 4
