"""A run's arms at some figures: what they take, what they and their rivals cost, built once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cached_property

from advisor.money.crossing import Shape, Shapes
from advisor.money.inputs import CostInputs, machine_time, times
from advisor.money.ledger import LedgerLine, PriceBasis, line, scaled
from advisor.money.machines import NO_MACHINE, Machine
from advisor.money.money import Scenario
from advisor.money.workload import CostCurve, RunsOn, Workload, cost_curve, today_curve
from advisor.options import Option
from harness.bakeoff.results import ArmResult, BakeoffResults
from harness.core.records import ArmId, Estimate, HostedModel
from harness.money.records import ArmGrounds, Grounds, HostedPrice, IncumbentCosts

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


Curves = Mapping[Scenario, CostCurve]


@dataclass(frozen=True, kw_only=True)  # no slots: what was built once is kept
class Scene:
    """Everything a forecast is reckoned from.

    Attributes:
        ship: the arm that is to be used.
    """

    results: BakeoffResults
    inputs: CostInputs
    grounds: Grounds
    today: IncumbentCosts | None
    ship: ArmId | None = None

    @property
    def volume(self) -> int:
        """Queries a month."""
        return self.inputs.queries_per_month

    @property
    def priced(self) -> bool:
        """Whether a wrong answer has a price."""
        return self.inputs.wrong_answer_usd is not None

    @property
    def priced_today(self) -> bool:
        """Whether wrong answers can be counted on both sides of a comparison with the incumbent."""
        return self.priced and self.today is not None and self.today.accuracy is not None

    @cached_property
    def arms(self) -> dict[ArmId, ArmResult]:
        """The measured arms."""
        return {arm.arm: arm for arm in self.results.arms}

    @cached_property
    def may_ship(self) -> tuple[ArmResult, ...]:
        """The arms without a veto, the floor left out."""
        return tuple(arm for arm in self.counted if arm.arm not in self.barred)

    @property
    def barred(self) -> frozenset[ArmId]:
        """The arms with a veto."""
        return self.results.verdict.barred

    @property
    def counted(self) -> tuple[ArmResult, ...]:
        """The arms whose money is shown: all but the floor, those with a veto marked as barred."""
        return tuple(arm for arm in self.results.arms if arm.arm.option is not Option.FLOOR)

    @cached_property
    def acceptable(self) -> tuple[ArmId, ...]:
        """The arms that are not worse than the best by the margin."""
        return tuple(arm for arm in self.grounds.acceptable if arm in self.arms)

    @cached_property
    def not_run(self) -> tuple[HostedPrice, ...]:
        """Hosted models that were not run."""
        return tuple(price for price in self.grounds.hosted if price.arm is None)

    def _models(self, arm: ArmResult) -> list[ArmResult]:
        """The arm, and those that a route is made of, as far as a model runs on a machine of one's own."""
        models = (arm, *self.results.parts(arm.arm))
        return [one for one in models if one.identity is not None and not one.hosted]

    def whole(self, arm: ArmResult) -> bool:
        """Whether the arm is paid by whole machines: it keeps a language model in memory."""
        return bool(self._models(arm))

    def machine(self, arm: ArmResult, inputs: CostInputs) -> Machine:
        """What the arm's answers run on; not known where a server here was not given its machine."""
        served = any(one.identity and one.identity.location == "loopback" for one in self._models(arm))
        return NO_MACHINE if served and not inputs.machine_stated else inputs.machine

    def known(self, arm: ArmResult) -> ArmGrounds:
        """What is known of the arm's seconds."""
        return next((one for one in self.grounds.arms if one.arm == arm.arm), ArmGrounds(arm=arm.arm))

    def workload(self, arm: ArmResult, inputs: CostInputs) -> Workload:
        """What the arm takes, at the scenario of the inputs."""
        rows = LabelledRows(train=self.results.data.train, test=self.results.data.test)
        machine = self.machine(arm, inputs)
        return of_arm(arm, self.known(arm), inputs, rows, machine, whole=self.whole(arm))

    def curves(self, arm: ArmResult, *, accuracy_at_likely: bool = False) -> Curves:
        """An arm at all ends."""
        found = {}
        for end in Scenario:
            inputs = self.inputs.at(end)
            work = self.workload(arm, inputs)
            if accuracy_at_likely:
                work = replace(work, accuracy=accuracy_at(arm.primary, Scenario.LIKELY))
            found[end] = cost_curve(work, inputs)
        return found

    def likely_shape(self, arm: ArmId, *, counted: bool) -> Shape:
        """The staircase of an arm at likely figures."""
        return cost_curve(self.workload(self.arms[arm], self.inputs), self.inputs).shape(counted=counted)

    @cached_property
    def incumbent(self) -> Curves | None:
        """What is done today, None where nobody said."""
        if (today := self.today) is None:
            return None
        return {
            end: today_curve(today.kind, today.usd_per_item, today.accuracy, self.inputs.at(end))
            for end in Scenario
        }

    def hosted(self, price: HostedPrice) -> Curves:
        """A hosted model that was not run."""
        return {
            end: cost_curve(of_hosted(price, given), given)
            for end in Scenario
            if (given := self.inputs.at(end))
        }

    def at(self, inputs: CostInputs) -> Scene:
        """The same run at other figures."""
        return replace(self, inputs=inputs)


def shapes_of(curves: Curves, *, counted: bool) -> Shapes:
    """The staircases of all ends."""
    return {end: curve.shape(counted=counted) for end, curve in curves.items()}
