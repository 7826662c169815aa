"""Numbers as words, the same in every sentence, table and page. Pure formatting.

A known figure never reads as another one: tiny amounts are no 0, nearly all is no 100 %, and the unknown
is called unknown. Text that came from outside goes through `one_line` or `lines_of` before it is shown.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from decimal import Decimal

from advisor.money.ledger import Money
from advisor.money.money import UNKNOWN, format_money, unit_of
from advisor.stats.power import USUAL_DISCORDANCE, Design, items_for_tie, minimum_detectable_difference
from harness.core.records import Estimate

MISSING = "-"

_ESCAPES = re.compile(
    r"\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?"  # operating system commands, such as links and titles
    r"|[\x1b\x9b]\[?[0-?]*[ -/]*[@-~]?"  # control sequences: colours, cursor moves
)
_TINY_USD = Decimal("0.0001")


@dataclass(frozen=True, slots=True, kw_only=True)
class Currency:
    """What money is shown in.

    Attributes:
        per_usd: what one US dollar buys, from `source`.
    """

    code: str = "USD"
    per_usd: Decimal = Decimal(1)
    source: str = ""


USD = Currency()


def counted(n: int, one: str, many: str) -> str:
    """'1 label has', '1,200 labels have'."""
    return f"{n:,} {one if n == 1 else many}"


def percent(share: float | None, digits: int = 1) -> str:
    """A share as a percentage: 0.9305 -> '93.0 %'; neither a few nor nearly all are rounded away."""
    if share is None:
        return UNKNOWN
    return f"{_percentage(share, digits)} %"


def points(difference: float | None) -> str:
    """A difference of shares in signed percentage points: -0.034 -> '-3.4 points'."""
    if difference is None:
        return UNKNOWN
    shown = f"{100 * difference:+.1f}"
    return f"{'0.0' if float(shown) == 0 else shown} points"


def money(usd: Decimal | float | None, currency: Currency = USD, *, exact: bool = False) -> str:
    """Dollars in the reader's currency, '$0.0123' or 'EUR 1,230'; `exact` as `format_money` has it."""
    return format_money(None if usd is None else Decimal(usd) * currency.per_usd, currency.code, exact=exact)


def marked_money(amount: Money, currency: Currency = USD) -> str:
    """`money` with the mark of a busy machine where seconds in it were timed on one."""
    return money(amount.usd, currency) + busy_mark("" if amount.usd is None else amount.busy)


def money_range(amount: Money | None, currency: Currency = USD) -> str:
    """The range of an amount, '$3,080 to $5,090' or 'EUR 3,080 to 5,090'; '' where it says no more."""
    if amount is None or amount.low_usd is None or amount.high_usd is None:
        return ""
    low, high = money(amount.low_usd, currency), money(amount.high_usd, currency)
    return "" if low == high else f"{low} to {high.removeprefix(f'{currency.code} ')}"


def short_money(usd: Decimal | None, currency: Currency = USD) -> str:
    """`money` for a table cell: under a hundredth of a cent only the bound is shown."""
    if usd is not None and 0 < usd * currency.per_usd < _TINY_USD:
        return f"<{unit_of(currency.code)}{_TINY_USD}"
    return money(usd, currency)


def quantity(amount: Decimal | None, unit: str) -> str:
    """An amount of something with three significant digits: '0.123 hours', '350,120 tokens'."""
    if amount is None:
        return UNKNOWN
    digits = 0 if amount == 0 or abs(amount) >= 100 else max(0, 2 - amount.adjusted())
    return f"{amount:,.{min(digits, 9)}f} {unit}"


def milliseconds(value: float | None) -> str:
    """A duration in ms: two significant digits under 10, whole above."""
    if value is None:
        return MISSING
    return f"{value:#.2g}".rstrip(".") if 0 < value < 10 else f"{value:,.0f}"


def seconds(value: float | None) -> str:
    """A duration for people: '45 s', '3 min 20 s'."""
    if value is None:
        return UNKNOWN
    if value < 90:
        return f"{value:.0f} s" if value >= 10 else f"{value:.1f} s"
    return f"{int(value // 60)} min {int(value % 60)} s"


def about_seconds(value: float) -> str:
    """A span as it is told in passing: '45 s', '12 min'."""
    return f"{value:.0f} s" if value < 90 else f"{value / 60:.0f} min"


def decimal(value: float | None, digits: int = 3) -> str:
    """A plain figure such as macro-F1 or kappa: 0.789."""
    return MISSING if value is None else f"{value:.{digits}f}"


def epochs(count: float) -> str:
    """How often training went over its rows."""
    shown = f"{count:.3g}"
    return f"{shown} epoch" if shown == "1" else f"{shown} epochs"


def busy_mark(busy: str) -> str:
    """What stands behind a figure that was timed on a busy machine."""
    return "!" if busy else ""


def level(estimate: Estimate) -> str:
    """The name of the interval: '95 % interval'."""
    return f"{100 * estimate.level:g} % interval"


def share_sentence(estimate: Estimate | None) -> str:
    """A share with all it rests on: '81.2 % (95 % interval 77.0 to 84.8, n=560)'."""
    if estimate is None:
        return MISSING
    if estimate.value is None:
        return f"{MISSING} ({estimate.reason or 'not measured'}, n={estimate.n:,})"
    inside = f"n={estimate.n:,}"
    if estimate.low is not None and estimate.high is not None:
        bounds = f"{_percentage(estimate.low, 1)} to {_percentage(estimate.high, 1)}"
        inside = f"{level(estimate)} {bounds}, {inside}"
    elif estimate.reason:
        inside = f"no interval: {estimate.reason}, {inside}"
    return f"{percent(estimate.value)} ({inside})"


def reach_sentence(n: int, margin: float, design: Design) -> str:
    """What a run on so many test items can tell apart, before anything of it is known."""
    shares = USUAL_DISCORDANCE
    seen = [minimum_detectable_difference(n, share, design) for share in shares]
    ties = [items_for_tie(0.0, share, margin, design) or 0 for share in shares]
    reach = [
        f"{'no difference' if found is None else f'{100 * found:.1f} points or more'} if they disagree on "
        f"{percent(share, 0)} of them"
        for share, found in zip(shares, seen, strict=True)
    ]
    return (
        f"Between two arms {n:,} test rows show {reach[0]}, {reach[1]} ({percent(design.power, 0)} power); "
        f"a tie within {100 * margin:g} points takes about {ties[0]:,} and {ties[1]:,} rows."
    )


def bounds(estimate: Estimate) -> str:
    """The interval of a share in percent, for a cell: '77.0-84.8'; '' without one."""
    if estimate.low is None or estimate.high is None:
        return ""
    return f"{_percentage(estimate.low, 1)}-{_percentage(estimate.high, 1)}"


def tally(estimate: Estimate) -> str:
    """The count behind a rate over n items: rate 0.0125 of 560 -> '7'."""
    return MISSING if estimate.value is None else f"{round(estimate.value * estimate.n):,}"


def one_line(text: str) -> str:
    """Text from outside made harmless for one line: no escapes, control or direction characters."""
    return " ".join("".join(_shown(c) for c in _ESCAPES.sub("", text)).split())


def lines_of(text: str) -> list[str]:
    """Text from outside made harmless, its line breaks kept."""
    whole = _ESCAPES.sub("", text).replace("\r\n", "\n").replace("\r", "\n").replace("\t", "    ")
    return ["".join(_shown(c) for c in line).rstrip() for line in whole.split("\n")]


def _percentage(share: float, digits: int) -> str:
    smallest = 10.0**-digits
    shown = f"{100 * share:.{digits}f}"
    if share > 0 and float(shown) == 0:
        return f"<{smallest:.{digits}f}"
    if round(share, 12) < 1 and float(shown) >= 100:
        return f">{100 - smallest:.{digits}f}"
    return shown


def _shown(character: str) -> str:
    """A character as it may be printed: Cc, Cf (direction marks), Cs and separators become blanks."""
    category = unicodedata.category(character)
    if category in {"Cc", "Zl", "Zp"}:
        return " "
    return "" if category in {"Cf", "Cs", "Co", "Cn"} else character
