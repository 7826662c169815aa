"""What a training tells while it runs, and the stop when its loss is no number any more.

Keep the training libraries from writing to the terminal, and put their settings back afterwards.
"""

from __future__ import annotations

import logging
import math
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from harness.core.errors import TrainingError

_LOGGERS = ("bitsandbytes", "trl", "peft", "accelerate", "datasets")


@contextmanager
def quiet() -> Iterator[None]:
    """Within the block, progress bars, notices and warnings of the libraries are not shown."""
    levels = {name: logging.getLogger(name).level for name in _LOGGERS}
    for name in _LOGGERS:
        logging.getLogger(name).setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        bars, verbosity = _silence()
        try:
            yield
        finally:
            _restore(bars, verbosity)
            for name, level in levels.items():
                logging.getLogger(name).setLevel(level)


def _silence() -> tuple[bool, int]:
    import datasets
    from transformers.utils import logging as transformers_logging

    bars = transformers_logging.is_progress_bar_enabled()
    verbosity = transformers_logging.get_verbosity()
    transformers_logging.disable_progress_bar()
    transformers_logging.set_verbosity_error()
    datasets.disable_progress_bars()
    return bars, verbosity


def _restore(bars: bool, verbosity: int) -> None:
    import datasets
    from transformers.utils import logging as transformers_logging

    if bars:
        transformers_logging.enable_progress_bar()
    transformers_logging.set_verbosity(verbosity)
    datasets.enable_progress_bars()


_DIVERGED = 3.0


class AtEpochs(Protocol):
    """What is done at the beginning and the end of an epoch."""

    def epoch_begins(self, step: int) -> None:
        """Called before an epoch's rows are drawn."""
        ...

    def look(self, epoch: float, step: int) -> bool:
        """Look at the model; True when training is to stop."""
        ...

    def seen(self, step: int) -> bool:
        """Whether this step was looked at before."""
        ...

    def saved(self) -> None:
        """Called when a checkpoint was written."""
        ...

    @property
    def steps_per_epoch(self) -> int:
        """Optimiser steps of a whole epoch."""
        ...

    @property
    def saves(self) -> bool:
        """Whether every look needs a checkpoint of its own."""
        ...


class StopNow(Exception):
    """A training gone on after a kill finds that it had come to its early stop."""


def reporter(base: Any, say: Callable[[str], None], at_epochs: AtEpochs) -> Any:
    """A trainer callback.

    Args:
        base: `transformers.TrainerCallback`.
    """

    class Reporter(base):  # type: ignore[misc]
        def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            self.start = time.perf_counter()
            self.first = state.global_step
            per_epoch = at_epochs.steps_per_epoch
            if self.first and self.first % per_epoch == 0 and not at_epochs.seen(self.first):
                self._look(self.first / per_epoch, state, control)  # killed between checkpoint and look
                if control.should_training_stop:
                    raise StopNow

        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any) -> None:
            loss = (logs or {}).get("loss")
            if loss is None:
                return
            self.began = getattr(self, "began", float(loss))
            check(float(loss), self.began, state.global_step)
            done = state.global_step - self.first
            left = (time.perf_counter() - self.start) / max(1, done) * (state.max_steps - state.global_step)
            say(f"step {state.global_step}/{state.max_steps}, loss {float(loss):.3f}, {left:.0f} s left")

        def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            at_epochs.saved()

        def on_epoch_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            at_epochs.epoch_begins(state.global_step)

        def on_epoch_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            self._look(float(state.epoch), state, control)

        def _look(self, epoch: float, state: Any, control: Any) -> None:
            if at_epochs.look(epoch, state.global_step):
                control.should_training_stop = True
            if at_epochs.saves:
                control.should_save = True

    return Reporter()


def check(loss: float, began: float, step: int) -> None:
    """Stop a training that has diverged.

    Args:
        began: the first loss that was logged.

    Raises:
        TrainingError: if the loss is not a finite number, or three times what it was at the start.
    """
    if math.isfinite(loss) and loss <= _DIVERGED * max(began, 1.0):
        return
    raise TrainingError(
        f"The training diverged: its loss became {loss:.3g} at step {step}, from {began:.3g} at the start.",
        run="the plan again with a lower tune.learning_rate (a tenth is a good try)",
    )
