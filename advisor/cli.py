"""`advisor`: interview, assess, cost, models, evidence. Every command takes --json.

Composition only: files and the clock are read here, the rest is pure. Everything heavy is imported inside
the commands, so that `advisor assess` starts cold in under half a second. Exit codes: 0 ok, 1 error,
2 usage (a wrong flag or a use case that cannot be used).
"""

from __future__ import annotations

import importlib.util
import sys
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from advisor.advice import Advice
    from advisor.economics import Market
    from advisor.use_case import UseCase

app = typer.Typer(
    name="advisor",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="RAG or fine-tuning? Advice for a use case, with its price and what would prove it wrong.",
    context_settings={"help_option_names": ["-h", "--help"]},
)

Case = Annotated[Path, typer.Argument(metavar="CASE.yaml", help="The use case; '-' reads it from stdin.")]
Json = Annotated[bool, typer.Option("--json", help="Machine-readable output on stdout.")]
PriceAt = Annotated[
    str | None, typer.Option("--price-at", envvar="TOR_PRICE_AT", help="Prices of that day, YYYY-MM-DD.")
]
Prices = Annotated[Path | None, typer.Option("--prices", envvar="TOR_PRICES", help="Your own prices.yaml.")]
Price = Annotated[
    list[str] | None,
    typer.Option("--price", help="Your own price, dollars per million tokens: openai/gpt-6-luna=0.10/0.50"),
]
GpuHour = Annotated[
    str | None,
    typer.Option("--gpu-hour-usd", envvar="TOR_GPU_HOUR_USD", help="What an hour of your machine costs."),
]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Every contribution, with its source.")]


@app.command()
def interview(
    out: Annotated[Path, typer.Argument(metavar="CASE.yaml", help="Where the answers go.")] = Path(
        "case.yaml"
    ),
    everything: Annotated[bool, typer.Option("--all", help="Ask everything, not the short list.")] = False,
    as_json: Json = False,
) -> None:
    """Answer a few questions; Enter skips one, Ctrl-C keeps what was answered, a second run goes on."""
    from advisor.interview import run_interview

    run_interview(out, everything=everything, as_json=as_json)


@app.command()
def assess(
    case: Case,
    as_json: Json = False,
    verbose: Verbose = False,
    price_at: PriceAt = None,
    prices: Prices = None,
    price: Price = None,
    gpu_hour_usd: GpuHour = None,
) -> None:
    """Say what to try first, why, at what price, and what would change the answer."""
    advice = _advise(case, price_at, prices, price, gpu_hour_usd)
    if as_json:
        _print_json(advice)
        return
    from advisor.text import advice_text

    typer.echo(advice_text(advice, verbose=verbose), nl=False)


@app.command()
def cost(
    case: Case,
    as_json: Json = False,
    price_at: PriceAt = None,
    prices: Prices = None,
    price: Price = None,
    gpu_hour_usd: GpuHour = None,
) -> None:
    """Price every option line by line over the horizon, against today."""
    from advisor.cost_view import cost_sheet, cost_text

    read = _read_case(case, gpu_hour_usd)
    sheet = cost_sheet(read, _market(read, price_at, prices, price))
    if as_json:
        _print_json(sheet)
        return
    typer.echo(cost_text(sheet), nl=False)


@app.command()
def evidence(
    task: Annotated[
        str | None, typer.Option("--task", help="Only that evalset or task, such as banking77.")
    ] = None,
    option: Annotated[str | None, typer.Option("--option", help="Only that option, such as tune.")] = None,
    rubric: Annotated[bool, typer.Option("--rubric", help="The rubric's factors instead.")] = False,
    as_json: Json = False,
) -> None:
    """List the published figures the advice rests on: published, not measured here."""
    from advisor.evidence_view import figures, figures_text, rubric_rows, rubric_text

    if rubric:
        rows = rubric_rows()
        _print_json(rows) if as_json else typer.echo(rubric_text(rows), nl=False)
        return
    found = figures(task, option)
    _print_json(found) if as_json else typer.echo(figures_text(found), nl=False)


def _register_models() -> None:
    """`advisor models`, where its module is there; it is imported only when the command is asked for."""
    if importlib.util.find_spec("advisor.base_models_cli") is None:
        return
    if len(sys.argv) > 1 and sys.argv[1] in ("assess", "cost", "interview", "evidence"):
        return
    from advisor.base_models_cli import models

    app.command("models")(models)


@app.callback(invoke_without_command=True)
def _version(
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    if version:
        from importlib.metadata import PackageNotFoundError
        from importlib.metadata import version as installed

        try:
            typer.echo(f"advisor {installed('tune-or-retrieve')}")
        except PackageNotFoundError:
            typer.echo("advisor (not installed)")
        raise typer.Exit


def _read_case(path: Path, gpu_hour_usd: str | None) -> UseCase:
    from dataclasses import replace

    from advisor.assumed import rates
    from advisor.case_file import load_case, parse_case
    from advisor.cost.money import decimal, from_usd

    case = parse_case(sys.stdin.read(), "stdin") if str(path) == "-" else load_case(path)
    if gpu_hour_usd is None:
        return case
    hour = from_usd(decimal(gpu_hour_usd, "price of a machine hour"), case.currency, rates(case))
    return replace(case, machine_hour_cost=hour)


def _market(case: UseCase, price_at: str | None, prices: Path | None, price: list[str] | None) -> Market:
    from advisor.assumed import load_assumptions
    from advisor.economics import Market
    from advisor.prices import PriceOptions, open_book, price_sheet

    assumptions = load_assumptions()
    options = PriceOptions(as_of=_moment(price_at), overrides=tuple(price or ()), price_file=prices)
    return Market(sheet=price_sheet(case, assumptions, open_book(options, case)), assumptions=assumptions)


def _moment(price_at: str | None) -> datetime:
    from advisor.errors import CaseError

    if price_at is None:
        return datetime.now(UTC)
    try:
        return datetime.combine(date.fromisoformat(price_at), time(), tzinfo=UTC)
    except ValueError:
        raise CaseError("--price-at is no date.", got=price_at, allowed="YYYY-MM-DD") from None


def _advise(
    path: Path, price_at: str | None, prices: Path | None, price: list[str] | None, gpu_hour_usd: str | None
) -> Advice:
    from advisor.bands import load_bands
    from advisor.recommend import Basis, recommend
    from advisor.rubric import load_rubric

    case = _read_case(path, gpu_hour_usd)
    market = _market(case, price_at, prices, price)
    return recommend(case, Basis(rubric=load_rubric(), market=market, bands=load_bands()))


def _print_json(value: object) -> None:
    import json

    from advisor.advice import plain

    typer.echo(json.dumps(plain(value), indent=2, ensure_ascii=True))


def main() -> None:
    """Run the command line; errors a user can fix are printed without a traceback."""
    from advisor.cost.errors import CostError
    from advisor.errors import CaseError

    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    _register_models()
    try:
        app()
    except CaseError as error:
        typer.echo(f"advisor: {error}", err=True)
        sys.exit(2)
    except CostError as error:
        typer.echo(f"advisor: {error}", err=True)
        sys.exit(1)
    except KeyboardInterrupt:
        typer.echo("advisor: stopped", err=True)
        sys.exit(1)
    except BrokenPipeError:
        sys.exit(1)


if __name__ == "__main__":
    main()
