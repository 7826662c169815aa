"""What a run's report is made of: its records, currency, house, and what each figure rests on."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation

from advisor.money.ledger import Money
from advisor.sentences import capital
from harness.bakeoff.answers import ItemAnswer
from harness.bakeoff.results import ArmResult
from harness.bakeoff.run_folder import Manifest
from harness.core.errors import UsageError
from harness.core.records import ArmId, Estimate, PriceBasis
from harness.core.wording import USD, Currency, level, marked_money, money, money_range, short_money
from harness.money.records import ArmForecast
from harness.recommendation.records import RunResults
from harness.report.document import CommandOn, Span, on_run
from harness.report.topics.cells import as_title, plain_name
from harness.tasks.kinds import facts_of_kind
from harness.tasks.records import Metric, Nouns

MOST_LOGO_BYTES = 2_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Branding:
    """Company, logo and currency.

    Attributes:
        logo: an image as its bytes; empty for none. `logo_kind` is 'png', 'jpg' or 'svg'.
        currency: None for the one that the use case asks for.
    """

    company: str = ""
    logo: bytes = b""
    logo_kind: str = ""
    currency: Currency | None = None


PLAIN = Branding()


def chosen_currency(text: str, stated: Currency) -> Currency | None:
    """The currency a user asks for: `USD`, `EUR` at the use case's own rate, or `EUR=0.92`.

    Args:
        text: '' leaves it to the use case: None.
        stated: the use case's own, at its rate.

    Raises:
        UsageError: for a code that is none, or without a rate: there is no built-in one.
    """
    if not text.strip():
        return None
    code, _, rate = (part.strip() for part in text.upper().partition("="))
    if not re.fullmatch("[A-Z]{3}", code):
        raise UsageError("--currency is no currency.", got=text, allowed="USD, EUR or EUR=0.92")
    if rate:
        return Currency(code=code, per_usd=_rate(rate, text), source="given with --currency")
    for known in (USD, stated):
        if known.code == code:
            return known
    raise UsageError(
        f"No exchange rate is known for {code}.",
        allowed="the rate of the use case, or one given with the currency",
        run=f"--currency {code}=RATE   # what one US dollar buys",
    )


def _rate(rate: str, text: str) -> Decimal:
    try:
        per_usd = Decimal(rate)
    except InvalidOperation as error:
        raise UsageError("--currency has no rate.", got=text, allowed="such as EUR=0.92") from error
    if not per_usd.is_finite() or per_usd <= 0:
        raise UsageError("An exchange rate must be above 0.", got=text)
    return per_usd


def image_kind(data: bytes) -> str:
    """What kind of image these bytes are, by how they begin.

    Raises:
        UsageError: if it is none that a page can show, or too large.
    """
    if len(data) > MOST_LOGO_BYTES:
        size = f"{len(data):,} bytes"
        raise UsageError("The logo is too large.", got=size, allowed=f"at most {MOST_LOGO_BYTES:,} bytes")
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    if data.startswith(b"\xff\xd8\xff"):
        return "jpg"
    if b"<svg" in data[:2000]:
        return "svg"
    raise UsageError("The logo is no image that a page can show.", allowed="a PNG, JPEG or SVG file")


MARKS = {
    PriceBasis.MEASURED: "",
    PriceBasis.LIST_PRICE: "list price",
    PriceBasis.ILLUSTRATIVE: "illustrative",
    PriceBasis.ESTIMATE: "estimate",
}
"""What is said beside a figure that is no measurement at one's own prices."""


_LISTED = re.compile(r"(?P<of>[^:]+): (?P<model>\S+/\S+)(?P<rest> on \d{4}-\d\d-\d\d.*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportContext:
    """A run as its report sees it.

    Attributes:
        closing: the run's manifest; None for an incomplete run, and then every page says so.
        answers: every arm's answer to every test item, for formats that show wrong ones; may be empty.
        command: makes commands on the run that a reader can paste.
    """

    results: RunResults
    closing: Manifest | None = None
    currency: Currency = USD
    answers: Sequence[ItemAnswer] = ()
    command: CommandOn = field(default=on_run("latest"))

    def arm(self, wanted: ArmId | None) -> ArmResult | None:
        """The result of an arm, None if there is none."""
        return None if wanted is None else self.results.arm(wanted)

    def name(self, arm: ArmId) -> str:
        """An arm in running text: 'the linear classifier'."""
        return plain_name(arm, self.results.ids)

    def title(self, arm: ArmId) -> str:
        """An arm where its name stands alone: 'Linear classifier'."""
        return as_title(self.name(arm))

    @property
    def used(self) -> ArmResult | None:
        """The arm to ship or to pilot."""
        return self.arm(self.results.recommendation.arm)

    @property
    def months_known(self) -> bool:
        """Whether the whole month of any arm is known."""
        return any(found.month_usd.usd is not None for found in self.results.outlook.arms)

    def forecast(self, arm: ArmId) -> ArmForecast | None:
        """An arm's money; None where there is none."""
        return next((found for found in self.results.outlook.arms if found.arm == arm), None)

    def money(self, usd: Decimal | float | None) -> str:
        """Money in the reader's currency."""
        return money(usd, self.currency)

    def marked(self, amount: Money) -> str:
        """Money with the mark of a busy machine where there was one."""
        return marked_money(amount, self.currency)

    def range(self, amount: Money | None) -> str:
        """The range of an amount; '' without one that says more than the figure."""
        return money_range(amount, self.currency)

    def price(self, price: Money) -> Span:
        """A price per 1,000, marked with what it rests on."""
        mark = "" if price.usd is None else _mark(price)
        return Span(text=short_money(price.usd, self.currency), mark=mark, sources=self.prices(price))

    def amount(self, amount: Money, *, strong: bool = False) -> Span:
        """Money with the mark of what it rests on; unknown stays the word."""
        if amount.usd is None:
            return Span(text=money(None), strong=strong)
        return Span(
            text=self.money(amount.usd), mark=_mark(amount), sources=self.money_sources(), strong=strong
        )

    @property
    def metric(self) -> Metric:
        """What arms are compared by."""
        return self.results.metric

    @property
    def nouns(self) -> Nouns:
        """What the run's kind of task calls its answers."""
        return facts_of_kind(self.results.task).nouns

    def accuracy(self, *arms: ArmResult) -> tuple[str, ...]:
        """Where accuracies come from."""
        return tuple(dict.fromkeys(self._estimate(capital(self.metric.noun), arm.primary) for arm in arms))

    def latency(self, *arms: ArmResult) -> tuple[str, ...]:
        """Where answer times come from."""
        timed = [arm.latency for arm in arms if arm.latency.p50_ms.value is not None]
        how = (f"n={latency.p50_ms.n:,} queries, {latency.conditions}" for latency in timed)
        return tuple(dict.fromkeys(f"Answer times: run {self.results.run_id}, {each}." for each in how))

    def prices(self, *prices: Money) -> tuple[str, ...]:
        """Where prices per 1,000 come from."""
        known = [_with_basis(price) for price in prices if price.usd is not None]
        return tuple(f"Prices: {each}." for each in _of_one_list(known))

    def money_sources(self) -> tuple[str, ...]:
        """Where a month and a horizon come from."""
        business = self.results.outlook.business
        return (
            f"Money a month: costs measured in run {self.results.run_id}, for "
            f"{business.queries_per_month:,} queries "
            f"a month over {business.horizon_months:g} months; ranges are those of what is assumed."
            f"{rate_words(self.currency)}",
        )

    def validity(self) -> tuple[str, ...]:
        """Where the day on which something known changes comes from."""
        limits = self.results.outlook.limits
        return tuple(dict.fromkeys(f"Validity: {limit.source}." for limit in limits if limit.on is not None))

    def _estimate(self, what: str, estimate: Estimate) -> str:
        if estimate.value is None:
            return ""
        how = "no interval" if estimate.low is None else f"{level(estimate)} ({estimate.method})"
        run = self.results.run_id
        return f"{what}: run {run}, n={estimate.n:,} {estimate.unit} of the test split, {how}."


def rate_words(currency: Currency) -> str:
    """The exchange rate behind a figure that is not in dollars; '' in dollars."""
    if currency.code == "USD":
        return ""
    return f" 1 US dollar = {currency.per_usd:.6g} {currency.code} ({currency.source})."


def reader_currency(results: RunResults) -> Currency:
    """The currency the use case asks for, dollars where it gives no rate."""
    rate = results.outlook.business.exchange
    if rate is None or rate.currency == USD.code:
        return USD
    return Currency(code=rate.currency, per_usd=rate.per_usd, source=rate.said)


def _with_basis(price: Money) -> str:
    """Where a price comes from and what it rests on, said once."""
    basis = f" ({price.basis.value})"
    return price.source.removesuffix(basis) + basis


def _of_one_list(sources: Sequence[str]) -> tuple[str, ...]:
    """Each source once; models of one price list at one day stand in one line."""
    lists: dict[tuple[str, str], list[str]] = {}
    for source in sources:
        found = _LISTED.fullmatch(source)
        whole, model = ((source, ""), "") if found is None else ((found["of"], found["rest"]), found["model"])
        lists.setdefault(whole, []).append(model)
    return tuple(
        f"{of}: {', '.join(dict.fromkeys(models))}{rest}" if rest else of
        for (of, rest), models in lists.items()
    )


def _mark(figure: Money) -> str:
    busy = "timed on a busy machine" if figure.busy else ""
    return ", ".join(part for part in (MARKS[figure.basis], busy) if part)
