"""Python's collector of cycles, at rest while things are made that are kept: modules, tokenizers, models.

It looks through all objects again and again as they become more, and finds next to nothing: a quarter of the
time of importing torch and transformers, half of opening a tokenizer (docs/lab-log.md).
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def uncollected() -> Iterator[None]:
    """Within the block, or the function that it decorates, no cycles are looked for; afterwards as before."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()
