"""Options that several commands share. Every flag can also be set by an environment variable."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.errors import UsageError

if TYPE_CHECKING:
    from harness.pipelines.context import Context, Progress

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
        "--threads", envvar="TOR_THREADS", min=1, help="CPU threads of local models. [default: all]"
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
) -> Context:
    """The outside world of this command line: its environment, clock and folders."""
    from harness.environment import BusyWatch
    from harness.models.settings import cache_dir
    from harness.pipelines.context import Context

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
        watch=BusyWatch,
    )


def _money(text: str | None) -> Decimal | None:
    if text is None:
        return None
    try:
        amount = Decimal(text)
    except InvalidOperation as error:
        raise UsageError("--budget-usd is no amount.", got=text, allowed="a number, such as 2.50") from error
    if not amount.is_finite() or amount <= 0:
        raise UsageError("--budget-usd must be above 0.", got=text)
    return amount


def split_names(values: list[str] | None) -> tuple[str, ...]:
    """Names given as repeated flags, as a comma list, or both."""
    return tuple(part.strip() for value in values or [] for part in value.split(",") if part.strip())
