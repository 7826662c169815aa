"""Faults of the advisor that a user can fix; both print as blocks: what, got, allowed, run."""

from __future__ import annotations

from advisor.money.money import CostError


class AdvisorError(CostError):
    """Something the user can fix; exit code 1."""


class CaseError(AdvisorError):
    """A use case that cannot be used, or a wrong flag; exit code 2."""
