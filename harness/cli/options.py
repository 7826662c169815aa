"""Options that several commands share. Every flag can also be set by an environment variable."""

from __future__ import annotations

import csv
import io
import os
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from advisor.numbers import NumberFault, read_number
from harness.core.errors import UsageError

if TYPE_CHECKING:
    from harness.core.context import Context, Progress

Runs = Annotated[
    Path, typer.Option("--runs", envvar="TOR_RUNS_DIR", help="Folder of the run folders.", show_default=True)
]
Json = Annotated[bool, typer.Option("--json", help="Machine-readable output on stdout.")]
Offline = Annotated[
    bool, typer.Option("--offline", envvar="TOR_OFFLINE", help="Never use the network (loopback is allowed).")
]
Threads = Annotated[
    int | None,
    typer.Option(
        "--threads",
        envvar="TOR_THREADS",
        min=1,
        help="CPU threads of whatever computes here. [default: all; 1 to embed]",
    ),
]
Concurrency = Annotated[
    int,
    typer.Option(
        "--max-concurrency",
        "-j",
        envvar="TOR_MAX_CONCURRENCY",
        min=1,
        help="Calls to a served model at once.",
    ),
]
Budget = Annotated[
    str | None,
    typer.Option(
        "--budget-usd", envvar="TOR_BUDGET_USD", help="Stop before paid calls could cost more than this."
    ),
]
Timeout = Annotated[
    float, typer.Option("--timeout", envvar="TOR_TIMEOUT", min=1, help="Seconds one call may take.")
]
Retries = Annotated[
    int,
    typer.Option(
        "--max-retries", envvar="TOR_MAX_RETRIES", min=0, help="Further attempts after a failed call."
    ),
]
Price = Annotated[
    list[str] | None,
    typer.Option("--price", help="Your own price, dollars per million tokens: openai/gpt-6-luna=0.10/0.50"),
]
AskAgain = Annotated[
    bool,
    typer.Option(
        "--ask-again", help="Ask again for answers that are damaged, or that another program or model gave."
    ),
]

Data = Annotated[
    str,
    typer.Option(
        "--data", help="Your own tickets: CSV, JSON, Excel, ODS or Parquet; CSV and JSON also as .gz."
    ),
]
Text = Annotated[
    list[str] | None,
    typer.Option(
        "--text", help="Its text column(s): subject,body. Can be given again, for names with commas."
    ),
]
LabelColumn = Annotated[
    list[str] | None, typer.Option("--label", help="Its label column; two are joined: area,topic.")
]
Group = Annotated[
    list[str] | None, typer.Option("--group", help="Columns (customer, thread) whose rows stay together.")
]
IdColumn = Annotated[
    str, typer.Option("--id", help="Column of the row ids. [default: id where there is one, else numbers]")
]
Slice = Annotated[
    list[str] | None, typer.Option("--slice", help="Columns (language, channel) to report by as well.")
]
SkipUnlabelled = Annotated[bool, typer.Option("--skip-unlabelled", help="Leave out rows without a label.")]
Records = Annotated[
    list[str] | None, typer.Option("--records", help="Where the rows are in a JSON document: result.tickets")
]
Sheet = Annotated[str, typer.Option("--sheet", help="Which sheet of a workbook.")]
NoHeader = Annotated[
    bool, typer.Option("--no-header", help="The table has no header: its columns are called 1, 2, 3.")
]
NoQuotes = Annotated[
    bool, typer.Option("--no-quotes", help='A " in the table is a character like any other.')
]
Encoding = Annotated[str, typer.Option("--encoding", help="Of a text file, such as cp1252.")]

DEFAULT_RUNS = Path("runs")


def make_context(
    runs: Path,
    progress: Progress,
    *,
    offline: bool = False,
    threads: int | None = None,
    budget_usd: str | None = None,
    price: list[str] | None = None,
    concurrency: int = 8,
    timeout_s: float = 60.0,
    max_retries: int = 4,
    retry_failures: bool = False,
    ask_again: bool = False,
) -> Context:
    """The outside world of this command line: its environment, clock and folders."""
    from harness.core.context import Context
    from harness.core.environment import BusyWatch, limit_threads
    from harness.models.settings import cache_dir

    if threads is not None:
        limit_threads(threads, os.environ)
    return Context(
        runs=runs,
        cache=cache_dir(os.environ),
        environ=os.environ,
        clock=lambda: datetime.now(UTC),
        progress=progress,
        offline=offline,
        threads=threads,
        budget_usd=_money(budget_usd),
        price_overrides=tuple(price or ()),
        concurrency=concurrency,
        timeout_s=timeout_s,
        max_retries=max_retries,
        retry_failures=retry_failures,
        ask_again=ask_again,
        watch=BusyWatch,
    )


def _money(text: str | None) -> Decimal | None:
    if text is None:
        return None
    amount = typed_amount(text, "--budget-usd")
    if amount <= 0:
        raise UsageError("--budget-usd must be above 0.", got=text)
    return amount


def typed_amount(text: str, option: str) -> Decimal:
    """An amount that an option was given, by the rule of `advisor.numbers`; said where it was not plain.

    Raises:
        UsageError: if it is none, or could be two.
    """
    try:
        found = read_number(text, "amount")
    except NumberFault as fault:
        raise UsageError(
            f"{option} is no amount: {fault}.", got=text, allowed="a number, such as 2.50"
        ) from fault
    if found.echo:
        typer.echo(f"{option}: {found.echo}", err=True)
    return found.value


def split_names(values: list[str] | None) -> tuple[str, ...]:
    """Names given as repeated flags, as a comma list, or both; a name in double quotes may hold commas."""
    return tuple(part for value in values or [] for part in _parts(value) if part)


def _parts(value: str) -> list[str]:
    if '"' not in value:
        return [part.strip() for part in value.split(",")]
    row = next(csv.reader(io.StringIO(value, newline=""), skipinitialspace=True), [])
    return [part.strip() for part in row]
