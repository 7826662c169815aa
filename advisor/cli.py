"""`advisor`: interview, assess, probe, cost, models, evidence; all but probe take --json.

Exit codes: 0 ok, 1 error, 2 usage (a wrong flag, or a use case that cannot be used).
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from advisor.base_models.cli import models
from advisor.bundled import example_case, example_cases
from advisor.errors import CaseError
from advisor.grouped import grouped
from advisor.money.money import CostError
from advisor.reading import Unreadable, check_words

if TYPE_CHECKING:
    from advisor.commands import CommandPrices

app = typer.Typer(
    name="advisor",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,  # help in plain ASCII
    pretty_exceptions_enable=False,
    help="RAG or fine-tuning? Advice for a use case, with its price and what would prove it wrong.",
    context_settings={"help_option_names": ["-h", "--help"]},
)

Case = Annotated[
    Path | None, typer.Argument(metavar="[CASE.yaml]", help="The use case; '-' reads it from stdin.")
]
Example = Annotated[
    str, typer.Option("--example", help="One of the use cases that come with it, such as ticket-routing.")
]
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


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceFlags:
    """What a command line says of prices."""

    price_at: PriceAt = None
    prices: Prices = None
    price: Price = None
    gpu_hour_usd: GpuHour = None

    @property
    def prices_stated(self) -> CommandPrices:
        """The same for the commands."""
        from advisor.commands import CommandPrices

        return CommandPrices(
            price_at=self.price_at,
            file=self.prices,
            overrides=tuple(self.price or ()),
            machine_hour=self.gpu_hour_usd,
        )


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
@grouped
def assess(
    case: Case = None,
    example: Example = "",
    as_json: Json = False,
    verbose: Verbose = False,
    evidence: Annotated[
        str,
        typer.Option(
            "--evidence", metavar="RUN", help="A stored run, folder or id: what it measured counts."
        ),
    ] = "",
    flags: PriceFlags = PriceFlags(),
) -> None:
    """Say what to try first, why, at what price, and what would change the answer."""
    from advisor.commands import assess_text

    path = _case(case, example)
    typer.echo(
        assess_text(path, flags.prices_stated, run=evidence, as_json=as_json, verbose=verbose), nl=False
    )


@app.command(
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}
)
def probe(context: typer.Context) -> None:
    """Try a few examples with a named model and keep what it got right in the use case (`harness probe`)."""
    import subprocess

    raise typer.Exit(subprocess.run([sys.executable, "-m", "harness", "probe", *context.args]).returncode)


@app.command()
@grouped
def cost(
    case: Case = None,
    example: Example = "",
    as_json: Json = False,
    flags: PriceFlags = PriceFlags(),
) -> None:
    """Price every option line by line over the horizon, against today."""
    from advisor.commands import cost_text_of

    typer.echo(cost_text_of(_case(case, example), flags.prices_stated, as_json=as_json), nl=False)


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
    from advisor.commands import as_json_text
    from advisor.evidence import figures
    from advisor.rubric.rubric import load_rubric
    from advisor.text import figures_text, rubric_text

    if rubric:
        rows = sorted(load_rubric().factors, key=lambda factor: (-factor.weight, factor.name))
        typer.echo(as_json_text(rows) if as_json else rubric_text(rows), nl=False)
        return
    found = figures(task, option)
    typer.echo(as_json_text(found) if as_json else figures_text(found), nl=False)


def _case(case: Path | None, example: str) -> Path:
    """The file of the use case that was named.

    Raises:
        CaseError: if it was named twice, or not at all.
    """
    if (case is None) == (not example):
        raise CaseError(
            "Name one use case: a file or an example.",
            got=None if case is None else f"{case} and --example {example}",
            allowed=f"CASE.yaml, or --example with one of {', '.join(example_cases())}",
        )
    return example_case(example) if case is None else case


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


def main(argv: list[str] | None = None) -> None:
    """Run the command line; errors a user can fix are printed without a traceback."""
    arguments = sys.argv[1:] if argv is None else argv
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    try:
        _check_words(arguments)
        app(args=arguments, prog_name="advisor")
    except CaseError as error:
        _fail(f"advisor: {error}", 2)
    except CostError as error:
        _fail(f"advisor: {error}", 1)
    except KeyboardInterrupt:
        _fail("advisor: stopped", 1)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # so that closing it says nothing
        sys.exit(1)


def _check_words(arguments: list[str]) -> None:
    own = [value for name, value in os.environ.items() if name.startswith("TOR_")]
    try:
        check_words([*arguments, *own])
    except Unreadable as error:
        raise CaseError(f"An argument or a TOR_ variable cannot be used: {error}.") from None


def _fail(message: str, code: int) -> None:
    sys.stderr.write(message + "\n")
    sys.exit(code)


if __name__ == "__main__":
    main()
