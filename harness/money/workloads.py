"""What the arms of a run take, as `advisor.money` wants it said: measured ledgers and seconds, no prices."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from advisor.money.inputs import CostInputs, machine_time, times
from advisor.money.ledger import LedgerLine, PriceBasis, line, scaled
from advisor.money.machines import Machine
from advisor.money.ranges import Scenario
from advisor.money.workload import RunsOn, Workload
from advisor.options import Option
from harness.bakeoff.results import ArmResult
from harness.core.records import Estimate, HostedModel
from harness.money.records import ArmGrounds, HostedPrice

_PER_1K = Decimal(1000)


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledRows:
    """Labelled rows of the run: they are there already, and an index holds those to train on."""

    train: int
    test: int


def of_arm(
    arm: ArmResult,
    known: ArmGrounds,
    inputs: CostInputs,
    rows: LabelledRows,
    machine: Machine,
    *,
    whole: bool,
) -> Workload:
    """A measured arm, at the scenario of the inputs.

    Args:
        machine: what its answers run on.
        whole: whether it holds machines of its own.
    """
    option = arm.arm.option
    tokens = [entry for entry in arm.cost.lines if entry.unit != "hours"]
    here = len(tokens) < len(arm.cost.lines)
    return Workload(
        method=option.value,
        model=arm.arm.model,
        accuracy=accuracy_at(arm.primary, inputs.scenario),
        calls=scaled(tokens, 1 / _PER_1K),
        runs_on=RunsOn.NONE if not here else RunsOn.WHOLE if whole else RunsOn.SHARED,
        busy_s=known.seconds,
        search_s=known.search_s_per_query,
        per_s=known.per_s,
        machine=machine,
        one_off=_once(arm, known, inputs, rows),
        refit=_refit(arm, known, inputs),
        reindex=_reindex(known, inputs, rows),
    )


def of_hosted(price: HostedPrice, inputs: CostInputs) -> Workload:
    """A hosted model that was not run, at its list price; built, run and changed as a retrieve arm is."""
    usd, option = price.usd_per_1k.usd, Option.RETRIEVE
    unit = None if usd is None else usd / _PER_1K
    call = line("calls at list price", Decimal(1), "queries", unit, price.usd_per_1k.basis, price.source)
    return Workload(
        method=option.value,
        model=price.model,
        accuracy=None,
        calls=(call,),
        machine=inputs.machine,
        reindex=(machine_time("indexing again", 0.0, inputs.machine),),
    )


def accuracy_at(accuracy: Estimate, scenario: Scenario) -> float | None:
    """A cheap end has the high accuracy: fewer wrong answers are paid for."""
    end = {Scenario.CHEAP: accuracy.high, Scenario.DEAR: accuracy.low}.get(scenario)
    return accuracy.value if end is None else end


def _once(
    arm: ArmResult, known: ArmGrounds, inputs: CostInputs, rows: LabelledRows
) -> tuple[LedgerLine, ...]:
    """Fitting as it was measured, and the labels: those of the run are there already."""
    option = arm.arm.option
    there = f"the {rows.train:,} training and {rows.test:,} test rows are labelled already"
    labels = line("labels to buy", Decimal(0), "items", inputs.example_usd, PriceBasis.MEASURED, there)
    if not option.traits.fitted:
        return (labels,)
    if (hosted := arm.fitted.hosted) is not None:
        return (labels, _at_provider("fitting", Decimal(1), hosted))
    name = "first index" if option is Option.RETRIEVE else "fitting"
    return (labels, machine_time(name, known.refit_s, inputs.machine), *known.index)


def _at_provider(name: str, times_: Decimal | None, made: HostedModel) -> LedgerLine:
    """So many trainings at a provider, each at what the run's was billed."""
    return line(name, times_, "trainings", made.usd, PriceBasis.MEASURED, made.price)


def _refit(arm: ArmResult, known: ArmGrounds, inputs: CostInputs) -> tuple[LedgerLine, ...]:
    """A fitting that works, and for trainings those lost to crashes and bad recipes."""
    option = arm.arm.option
    if (hosted := arm.fitted.hosted) is not None:  # jobs that come to nothing are not billed
        return (_at_provider("fitting again", Decimal(1), hosted),)
    again = machine_time("fitting again", known.refit_s, inputs.machine)
    if not option.traits.tuned:
        return (again,)
    failed = inputs.failed_share
    lost = None if failed is None or failed >= 1 else Decimal(str(failed)) / (1 - Decimal(str(failed)))
    return (again, machine_time("failed trainings", times(lost, known.refit_s), inputs.machine))


def _reindex(known: ArmGrounds, inputs: CostInputs, rows: LabelledRows) -> tuple[LedgerLine, ...]:
    """Indexing was not timed by itself: embedding and searching each training row once."""
    again = machine_time("indexing again", times(rows.train, known.search_s_per_query), inputs.machine)
    return (again, *known.index)
