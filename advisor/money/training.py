"""What a tuned model costs to make once on a machine by the hour, with the runs that fail."""

from __future__ import annotations

from decimal import Decimal

from advisor.money.ledger import LedgerLine, line
from advisor.money.machines import Machine
from advisor.money.money import CostError


def training_lines(
    hours: float | None, machine: Machine, *, runs: int = 1, failed_share: float = 0.0
) -> tuple[LedgerLine, ...]:
    """Machine hours of all runs, the failed ones included.

    Args:
        hours: of one run that works; None when not known.
        runs: runs that are evaluated, seeds and recipe choices included.
        failed_share: runs lost to crashes and bad recipes, as a share of all runs started.

    Raises:
        CostError: if hours or runs are negative, or every run fails.
    """
    if runs < 1 or not 0 <= failed_share < 1:
        raise CostError(
            "Training needs at least one run and a share of failures below 1.",
            got=f"{runs} runs, {failed_share} failed",
        )
    if hours is not None and not hours >= 0:
        raise CostError("Training hours must be at least 0.", got=hours)
    all_hours = None if hours is None else Decimal(str(hours)) * runs
    lines = [line("training", all_hours, "hours", machine.usd_per_hour, machine.basis, machine.source)]
    if failed_share and all_hours is not None:
        share = Decimal(str(failed_share))
        failed = all_hours * share / (1 - share)
        lines.append(
            line("failed runs", failed, "hours", machine.usd_per_hour, machine.basis, machine.source)
        )
    return tuple(lines)
