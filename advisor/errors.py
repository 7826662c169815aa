"""The fault of the advisor that a user can fix; it prints as a block: what, got, allowed, run."""

from __future__ import annotations

from advisor.money.money import CostError


class CaseError(CostError):
    """A use case that cannot be used, or a wrong flag; exit code 2."""
