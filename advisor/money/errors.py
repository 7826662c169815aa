"""Faults of the cost room that a user can fix, in four parts: what, got, allowed, run."""

from __future__ import annotations


class CostError(ValueError):
    """Wrong input to a cost calculation: what happened, what was got, what is allowed, what to do."""

    def __init__(
        self, what: str, *, got: object | None = None, allowed: object | None = None, run: str | None = None
    ) -> None:
        self.what, self.got, self.allowed, self.run = what, got, allowed, run
        parts = [what] + [
            f"  {name + ':':<9}{value}"
            for name, value in (("got", got), ("allowed", allowed), ("run", run))
            if value is not None
        ]
        super().__init__("\n".join(parts))


class UnknownPrice(CostError):
    """No layer of the price book knows what a model costs; there is no fallback to 0."""
