"""What a caller sets on every model behind an API."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic

from harness.models.api.asking import Asked, Asker
from harness.models.api.budget import SpendGuard
from harness.models.api.dialects.said import Got


class AskedModel(Generic[Asked, Got]):
    """A model that is asked by an `Asker`."""

    _asker: Asker[Asked, Got]

    @property
    def guard(self) -> SpendGuard | None:
        """The budget asked before each call."""
        return self._asker.guard

    @guard.setter
    def guard(self, guard: SpendGuard | None) -> None:
        self._asker.guard = guard

    @property
    def say(self) -> Callable[[str], None]:
        """Takes a line on why nothing moves; called on another thread than the caller's."""
        return self._asker.say

    @say.setter
    def say(self, say: Callable[[str], None]) -> None:
        self._asker.say = say
