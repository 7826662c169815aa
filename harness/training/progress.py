"""The stop of a training when its loss is no number any more.

Keep the training libraries from writing to the terminal, and put their settings back afterwards.
"""

from __future__ import annotations

import logging
import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

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
