"""What was typed: numbers as people write them, names in lists, and what is stated of money."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated

import typer

from advisor.numbers import NumberFault, NumberKind, read_number
from advisor.options import current_name
from harness.core.errors import UsageError

if TYPE_CHECKING:
    from harness.bakeoff.planning import StatedMoney


def a_number(
    option: str, kind: NumberKind, low: float, high: float | None = None
) -> Callable[[object], float]:
    """How an option reads a number that people write in several ways: 3.000, 0,85 or, of a share, 85 %.

    Args:
        option: its name, for what is said of it.
        kind: 'count' for whole numbers, 'amount' for others.
        low, high: what it may be, both included; a share goes up to 1.
    """
    span = f"at least {low:g}" if high is None else f"{low:g} to {high:g}"

    def number(value: object) -> float:
        text = str(value).strip()
        hundredths = high == 1 and text.endswith("%")
        found = _typed(text.removesuffix("%") if hundredths else text, option, kind, f"a number, {span}")
        exact = found / 100 if hundredths else found
        if exact < Decimal(str(low)) or (high is not None and exact > Decimal(str(high))):
            raise UsageError(f"{option} must be {span}.", got=text)
        if kind == "amount":
            return float(exact)
        if exact != int(exact):
            raise UsageError(f"{option} must be a whole number.", got=text)
        return int(exact)

    number.__name__ = "share" if high == 1 else "number"
    return number


def one_of(value: str, allowed: Mapping[str, object] | tuple[str, ...], what: str) -> str:
    """The value, where it is one of those allowed.

    Raises:
        UsageError: where it is none.
    """
    if value not in allowed:
        raise UsageError(f"There is no such {what}.", got=value, allowed=", ".join(allowed))
    return value


def typed_amount(text: str, option: str) -> Decimal:
    """An amount that an option was given, by the rule of `advisor.numbers`; said where it was not plain.

    Raises:
        UsageError: if it is none, or could be two.
    """
    return _typed(text, option, "amount", "a number, such as 2.50")


def typed_count(text: str, option: str) -> int:
    """A count that an option was given, by the same rule.

    Raises:
        UsageError: if it is none, or not a whole number of at least 1.
    """
    found = _typed(text, option, "count", "a whole number, such as 12500")
    if found < 1 or found != int(found):
        raise UsageError(f"{option} must be a whole number of at least 1.", got=text)
    return int(found)


def _typed(text: str, option: str, kind: NumberKind, allowed: str) -> Decimal:
    try:
        found = read_number(text, kind)
    except NumberFault as fault:
        raise UsageError(f"{option} is no {kind}: {fault}.", got=text, allowed=allowed) from fault
    if found.echo:
        typer.echo(f"{option}: {found.echo}", err=True)
    return found.value


def split_names(values: list[str] | None) -> tuple[str, ...]:
    """Names given as repeated flags, as a comma list, or both; a name in double quotes may hold commas."""
    return tuple(part for value in values or [] for part in _parts(value) if part)


def arm_names(values: list[str] | None) -> tuple[str, ...]:
    """`split_names` for arms and options; one by its name of an earlier version is taken, and said so."""
    names = split_names(values)
    now = tuple(map(current_name, names))
    for old, new in zip(names, now, strict=True):
        if old != new:
            typer.echo(f"{old} is called {new} now, and taken as that.", err=True)
    return now


def _parts(value: str) -> list[str]:
    if '"' not in value:
        return [part.strip() for part in value.split(",")]
    row = next(csv.reader(io.StringIO(value, newline=""), skipinitialspace=True), [])
    return [part.strip() for part in row]


@dataclass(frozen=True, slots=True, kw_only=True)
class MoneyStated:
    """What is stated of money: the machine, the volume, and what is done today."""

    machine: Annotated[
        str,
        typer.Option(
            "--machine",
            envvar="TOR_MACHINE",
            help="What local arms, or the server here, run on: cpu-2, L4, H100 ...",
            show_default="cpu-2; unknown for a server here",
        ),
    ] = ""
    machine_hour_usd: Annotated[
        str | None,
        typer.Option(
            "--machine-hour-usd", envvar="TOR_MACHINE_HOUR_USD", help="What an hour of that machine costs."
        ),
    ] = None
    volume: Annotated[
        str | None, typer.Option("--volume", envvar="TOR_VOLUME", help="Queries a month: 12500 or 12.5k.")
    ] = None
    today_cost: Annotated[
        str | None,
        typer.Option("--today-cost", help="What an item costs today, in dollars or the currency of --fx."),
    ] = None
    today_accuracy: Annotated[
        float | None,
        typer.Option(
            "--today-accuracy",
            parser=a_number("--today-accuracy", "amount", 0, 1),
            help="Share of right answers today: 0.93.",
        ),
    ] = None
    wrong_answer_usd: Annotated[
        str | None,
        typer.Option("--wrong-answer-usd", help="What a wrong answer costs to notice and repair."),
    ] = None
    fx: Annotated[
        str,
        typer.Option(
            "--fx", help="Show this currency: EUR=1.08@2026-11-20 (one euro in dollars, and the day)."
        ),
    ] = ""

    def stated(self) -> StatedMoney:
        """The same as a plan takes it.

        Raises:
            UsageError: if an amount or a rate is none.
        """
        from advisor.money.money import CostError, parse_rate
        from harness.bakeoff.planning import StatedMoney

        def amount(text: str | None, option: str) -> Decimal | None:
            return None if text is None else typed_amount(text, option)

        try:
            exchange = parse_rate(self.fx) if self.fx else None
        except CostError as error:
            raise UsageError(error.what, got=error.got, allowed=error.allowed) from error
        return StatedMoney(
            machine=self.machine,
            machine_hour_usd=amount(self.machine_hour_usd, "--machine-hour-usd"),
            volume=None if self.volume is None else typed_count(self.volume, "--volume"),
            today_cost=amount(self.today_cost, "--today-cost"),
            today_accuracy=self.today_accuracy,
            wrong_answer_usd=amount(self.wrong_answer_usd, "--wrong-answer-usd"),
            exchange=exchange,
        )
