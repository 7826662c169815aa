"""Progress on stderr: bars on a terminal, one line a stage elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.core.context import Progress


def open_progress(*, quiet: bool = False) -> Progress:
    """The progress for this terminal."""
    if quiet:
        return _waits_only()
    return BarProgress() if sys.stderr.isatty() else LineProgress()


def _waits_only() -> Progress:
    """Says nothing but why nothing moves."""
    from harness.core.context import Quiet

    class WaitsOnly(Quiet):
        def waiting(self, line: str) -> None:
            print(line, file=sys.stderr, flush=True)  # noqa: T201

    return WaitsOnly()


def teller(progress: Progress) -> Callable[[str], None]:
    """Writes whole lines to stderr that stay, above the bars where there are some."""

    def tell(line: str) -> None:
        if isinstance(progress, BarProgress):
            progress.line(line)
        else:
            print(line, file=sys.stderr, flush=True)  # noqa: T201

    return tell


class LineProgress:
    """One line when a stage begins, and one every half minute while it lasts."""

    def __init__(self) -> None:
        self._start = time.monotonic()
        self._said = self._start
        self._title = ""
        self._done = 0
        self._total: int | None = None

    def stage(self, title: str, total: int | None) -> None:
        """Say that a stage begins; what was left of the run then is not said again with later lines."""
        title_alone = title.rpartition(" (")[0] if title.endswith("left in all)") else title
        self._title, self._done, self._total = title_alone, 0, total
        self._say(title)

    def advance(self, steps: int) -> None:
        """Count, and say so now and then."""
        self._done += steps
        if time.monotonic() - self._said > 30:
            self._say(f"{self._title}: {self._done}/{self._total}")

    def note(self, line: str) -> None:
        """Say a line, at most every ten seconds."""
        if time.monotonic() - self._said > 10:
            self._say(f"{self._title}: {line}")

    def waiting(self, line: str) -> None:
        """Say a line."""
        self._say(f"{self._title}: {line}")

    def close(self) -> None:
        """Nothing more comes, and nothing is said of it."""

    def _say(self, line: str) -> None:
        self._said = time.monotonic()
        print(f"[{self._said - self._start:6.0f} s] {line}", file=sys.stderr, flush=True)  # noqa: T201


class BarProgress:
    """A bar a stage, kept when it is done."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as RichProgress

        self._bars = RichProgress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("[dim]{task.fields[note]}"),
            console=Console(stderr=True),
            transient=False,
        )
        self._bars.start()
        self._task: int | None = None

    def stage(self, title: str, total: int | None) -> None:
        """Finish the last bar and begin one."""
        self._finish()
        self._task = self._bars.add_task(_plain(title), total=total, note="")

    def advance(self, steps: int) -> None:
        """Move the bar."""
        if self._task is not None:
            self._bars.advance(self._task, steps)  # type: ignore[arg-type]

    def line(self, line: str) -> None:
        """Write a line above the bars."""
        self._bars.console.print(line, markup=False, highlight=False)

    def waiting(self, line: str) -> None:
        """Write a line above the bars."""
        self.line(line)

    def note(self, line: str) -> None:
        """Write beside the bar."""
        if self._task is not None:
            self._bars.update(self._task, note=_plain(line))  # type: ignore[arg-type]

    def close(self) -> None:
        """Finish the last bar and give the terminal back."""
        self._finish()
        self._bars.stop()

    def _finish(self) -> None:
        if self._task is None:
            return
        task = self._bars.tasks[-1]
        total = task.total if task.total is not None else 1
        self._bars.update(self._task, total=total, completed=total, note="")  # type: ignore[arg-type]


def _plain(text: str) -> str:
    return text.replace("[", "(").replace("]", ")")
