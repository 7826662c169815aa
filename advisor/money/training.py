"""What a tuned model costs to make once: machine hours with failed runs, or tokens at a provider; labels."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from advisor.money.ledger import LedgerLine, PriceBasis, line
from advisor.money.machines import Machine
from advisor.money.money import CostError


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnTraining:
    """Training on a machine by the hour.

    Attributes:
        hours: of one run that works; None when not known.
        runs: runs that are evaluated, seeds and recipe choices included.
        failed_share: runs lost to crashes and bad recipes, as a share of all runs started.
    """

    hours: float | None
    machine: Machine
    runs: int = 1
    failed_share: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Labels:
    """Labelling: `items` more at `usd_per_item`; None where not known."""

    items: int | None
    usd_per_item: Decimal | None


def training_lines(training: OwnTraining) -> tuple[LedgerLine, ...]:
    """Machine hours of all runs, the failed ones included.

    Raises:
        CostError: if hours or runs are negative, or every run fails.
    """
    if training.runs < 1 or not 0 <= training.failed_share < 1:
        raise CostError(
            "Training needs at least one run and a share of failures below 1.",
            got=f"{training.runs} runs, {training.failed_share} failed",
        )
    if training.hours is not None and not training.hours >= 0:
        raise CostError("Training hours must be at least 0.", got=training.hours)
    hours = None if training.hours is None else Decimal(str(training.hours)) * training.runs
    machine = training.machine
    lines = [line("training", hours, "hours", machine.usd_per_hour, machine.basis, machine.source)]
    if training.failed_share and hours is not None:
        share = Decimal(str(training.failed_share))
        failed = hours * share / (1 - share)
        lines.append(
            line("failed runs", failed, "hours", machine.usd_per_hour, machine.basis, machine.source)
        )
    return tuple(lines)


def label_lines(
    labels: Labels, source: str, basis: PriceBasis = PriceBasis.MEASURED
) -> tuple[LedgerLine, ...]:
    """What labelling costs; nothing of anything costs 0, an unknown price of some is unknown.

    Args:
        basis: `MEASURED` for items that were counted, `ESTIMATE` for a number that is assumed.
    """
    items = None if labels.items is None else Decimal(labels.items)
    return (line("labelling", items, "items", labels.usd_per_item, basis, source),)
