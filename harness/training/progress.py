"""What a training tells while it runs, and the stop when its loss is no number any more."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

from harness.errors import TrainingError

_DIVERGED = 3.0


def reporter(base: Any, say: Callable[[str], None], dev_loss: Callable[[float], float | None]) -> Any:
    """A trainer callback.

    Args:
        base: `transformers.TrainerCallback`.
        dev_loss: epoch -> loss on the watched dev rows, or None.
    """

    class Reporter(base):  # type: ignore[misc]
        def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            self.start = time.perf_counter()
            self.first = state.global_step

        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any) -> None:
            loss = (logs or {}).get("loss")
            if loss is None:
                return
            self.began = getattr(self, "began", float(loss))
            check(float(loss), self.began, state.global_step)
            done = state.global_step - self.first
            left = (time.perf_counter() - self.start) / max(1, done) * (state.max_steps - state.global_step)
            say(f"step {state.global_step}/{state.max_steps}, loss {float(loss):.3f}, {left:.0f} s left")

        def on_epoch_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            loss = dev_loss(float(state.epoch))
            if loss is not None:
                say(f"after epoch {state.epoch:.1f}: loss on dev rows {loss:.3f}")

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
        run="lower tune.learning_rate in the plan (a tenth is a good try), then harness run PLAN",
    )
