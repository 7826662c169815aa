"""How long a whole run still takes: what was forecast by arm, corrected by what the arms so far took."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from harness.core.context import Progress

_LEAST_S, _EVERY_S = 5.0, 20.0
_SLOWEST, _FASTEST = 5.0, 0.2  # how far what was seen may correct what was forecast


class WholeRun:
    """Tells a run's progress on, with the time that is left of all of it.

    Args:
        inner: what it is told to.
        expected_s: seconds forecast by arm; stages of other names are part of the arm before.
        clock: seconds that only grow.
    """

    def __init__(
        self, inner: Progress, expected_s: Mapping[str, float], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._inner = inner
        self._ahead = dict(expected_s)
        self._clock = clock
        self._now = ""  # the arm at work
        self._now_s = 0.0
        self._since = self._said = clock()
        self._seen_s = self._forecast_s = 0.0

    def stage(self, title: str, total: int | None) -> None:
        """A new stage, and what is left of the run as it begins."""
        arm = title.partition(": ")[0]
        if arm in self._ahead:
            self._finish()
            self._now, self._now_s, self._since = arm, self._ahead.pop(arm), self._clock()
        elif arm != self._now and not self._ahead:
            self._finish()
        self._said = self._clock()
        words = self.left()
        self._inner.stage(f"{title} ({words})" if words else title, total)

    def advance(self, steps: int) -> None:
        """So many steps done; now and then what is left of the run."""
        self._inner.advance(steps)
        if self._clock() - self._said > _EVERY_S:
            self._said = self._clock()
            self._inner.note(self.left())

    def note(self, line: str) -> None:
        """As it is."""
        self._inner.note(line)

    def waiting(self, line: str) -> None:
        """As it is."""
        self._inner.waiting(line)

    def close(self) -> None:
        """As it is."""
        self._inner.close()

    def left(self) -> str:
        """What is left of the whole run, in words; '' where nothing was forecast."""
        if not self._now and not self._ahead:
            return ""
        here = self._clock() - self._since if self._now else 0.0
        factor = 1.0
        if self._forecast_s > _LEAST_S:
            factor = min(_SLOWEST, max(_FASTEST, self._seen_s / self._forecast_s))
        left_s = max(0.0, factor * self._now_s - here) + factor * sum(self._ahead.values())
        return "under a minute left in all" if left_s < 50 else f"about {left_s / 60:.0f} min left in all"

    def _finish(self) -> None:
        if self._now:
            self._seen_s += self._clock() - self._since
            self._forecast_s += self._now_s
            self._now = ""
