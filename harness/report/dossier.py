"""What a page's figures rest on: the records, the currency, and the references they cite. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

from harness.bakeoff.results import ArmResult, Money
from harness.core.records import ArmId, Estimate, PriceBasis
from harness.core.wording import Currency, level, money, one_line, short_money
from harness.money.records import Amount, ArmForecast
from harness.recommendation.records import RunResults
from harness.report.charts import Axis
from harness.report.details import Closing
from harness.report.paper import Citations, Span

MARKS = {
    PriceBasis.MEASURED: "",
    PriceBasis.LIST_PRICE: "list price",
    PriceBasis.ILLUSTRATIVE: "illustrative",
    PriceBasis.ESTIMATE: "estimate",
}
"""What is said beside a figure that is no measurement at one's own prices."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dossier:
    """Records behind a paper, and the citations handed out so far."""

    results: RunResults
    closing: Closing | None
    currency: Currency
    cites: Citations = field(default_factory=Citations)

    @property
    def run(self) -> str:
        """The run's id, harmless."""
        return one_line(self.results.run_id)

    def outlook_of(self, arm: ArmId) -> ArmForecast | None:
        """An arm's money; None where there is none."""
        outlook = self.results.outlook
        return None if outlook is None else next((o for o in outlook.arms if o.arm == arm), None)

    def accuracy(self, *arms: ArmResult) -> tuple[int, ...]:
        """Where accuracies come from."""
        return self.cites.cite(*(self._estimate("Accuracy", arm.quality.accuracy) for arm in arms))

    def latency(self, *arms: ArmResult) -> tuple[int, ...]:
        """Where answer times come from."""
        timed = [arm.latency for arm in arms if arm.latency.p50_ms.value is not None]
        found = [f"n={latency.p50_ms.n:,} queries, {one_line(latency.conditions)}" for latency in timed]
        return self.cites.cite(*(f"Answer times: run {self.run}, {how}." for how in found))

    def prices(self, *prices: Money) -> tuple[int, ...]:
        """Where prices per 1,000 come from."""
        return self.cites.cite(
            *(f"Prices: {_with_basis(price)}." for price in prices if price.usd is not None)
        )

    def money(self) -> tuple[int, ...]:
        """Where a month and a horizon come from."""
        outlook = self.results.outlook
        if outlook is None:
            return ()
        business = outlook.business
        rate = ""
        if self.currency.code != "USD":
            rate = f" 1 US dollar = {self.currency.per_usd} {self.currency.code}"
            rate += f" ({one_line(self.currency.source)})."
        return self.cites.cite(
            f"Money a month: costs measured in run {self.run}, reckoned for "
            f"{business.queries_per_month:,} queries a month over {business.horizon_months:g} months; "
            f"ranges are those of what is assumed.{rate}"
        )

    def today(self) -> tuple[int, ...]:
        """Where today's figures come from."""
        return self.cites.cite("Today: as the use case states it; not measured in this run.")

    def validity(self) -> tuple[int, ...]:
        """Where the day on which something known changes comes from."""
        outlook = self.results.outlook
        limits = () if outlook is None else outlook.limits
        return self.cites.cite(
            *(f"Validity: {one_line(limit.source)}." for limit in limits if limit.on is not None)
        )

    def price(self, price: Money) -> Span:
        """A price per 1,000, marked with what it rests on."""
        mark = "" if price.usd is None else _marks(price)
        return Span(text=short_money(price.usd, self.currency), mark=mark, refs=self.prices(price))

    def shown(self, usd: Decimal | None) -> float | None:
        """Dollars as a place on a money axis."""
        return None if usd is None else float(usd * self.currency.per_usd)

    def _estimate(self, what: str, estimate: Estimate) -> str:
        if estimate.value is None:
            return ""
        how = "no interval" if estimate.low is None else f"{level(estimate)} by {one_line(estimate.method)}"
        return f"{what}: run {self.run}, n={estimate.n:,} {one_line(estimate.unit)} of the test split, {how}."


def _with_basis(price: Money) -> str:
    """Where a price comes from and what it rests on, said once."""
    basis = f" ({price.basis.value})"
    return one_line(price.source).removesuffix(basis) + basis


def _marks(figure: Money | Amount) -> str:
    busy = "timed on a busy machine" if figure.busy else ""
    return ", ".join(part for part in (MARKS[figure.basis], busy) if part)


def amount_words(dossier: Dossier, amount: Amount, *, strong: bool = False) -> Span:
    """Money with the mark of what it rests on; unknown stays the word."""
    if amount.usd is None:
        return Span(text=money(None), strong=strong)
    return Span(
        text=money(amount.usd, dossier.currency),
        mark=_marks(amount),
        refs=dossier.money(),
        strong=strong,
    )


def money_axis(currency: Currency, title: str = "") -> Axis:
    """An axis of money, its values in the reader's currency."""
    unit = Currency(code=currency.code)
    return Axis(title=title, low=0.0, label=lambda value: money(value, unit).removesuffix(".00"))
