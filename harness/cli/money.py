"""What a command line states of money, for the commands that make or run a plan."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.typed import a_number, typed_amount, typed_count
from harness.core.errors import UsageError

if TYPE_CHECKING:
    from harness.bakeoff.stated import StatedMoney


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
        from harness.bakeoff.stated import StatedMoney

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
