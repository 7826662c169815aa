"""SIGTERM and SIGHUP end a command as Ctrl-C does: files are closed, and the way on is said."""

from __future__ import annotations

import signal
import threading
from types import FrameType

_WORDS = "Answers that were stored are kept; `harness runs` lists runs to go on with."


class Stops:
    """Which signal asked this process to stop, once one did."""

    def __init__(self) -> None:
        """Listen, where this is the main thread; a signal that is ignored (nohup) stays ignored."""
        self.received: signal.Signals | None = None
        if threading.current_thread() is not threading.main_thread():
            return
        for name in ("SIGTERM", "SIGHUP"):
            number = getattr(signal, name, None)  # Windows has no SIGHUP
            if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self._stop)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        first = self.received is None
        self.received = signal.Signals(number)
        if first:  # a second one would only break the tidying up that the first has begun
            raise KeyboardInterrupt

    @property
    def exit_code(self) -> int:
        """The shell's convention: 128 and the signal's number."""
        return 128 + (self.received or signal.SIGINT)

    @property
    def words(self) -> str:
        """One line for a command that has no way on of its own to tell."""
        return f"stopped by {(self.received or signal.SIGINT).name}. {_WORDS}"
