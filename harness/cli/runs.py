"""`harness runs`, `report`, `score`, `compare`, `errors`, `explain`, `track-record`: no model is called."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.finishing import show, show_results
from harness.cli.options import (
    DEFAULT_RUNS,
    CallOptions,
    HereOptions,
    Json,
    NoTexts,
    Price,
    PriceAt,
    RunName,
    Runs,
    run_in,
)
from harness.cli.typed import a_number, arm_names, split_names
from harness.core.errors import UsageError

if TYPE_CHECKING:
    from harness.core.wording import Currency
    from harness.report.context import Branding
    from harness.report.files import Advised


Company = Annotated[
    str, typer.Option("--company", envvar="TOR_COMPANY", help="Name on the pages of PDF and HTML.")
]
Logo = Annotated[
    Path | None,
    typer.Option("--logo", envvar="TOR_LOGO", help="PNG, JPEG or SVG for the first page of PDF and HTML."),
]
CurrencyName = Annotated[
    str,
    typer.Option(
        "--currency", envvar="TOR_CURRENCY", help="USD, EUR at the use case's rate, or EUR=0.92, on pages."
    ),
]


def make_branding(company: str, logo: Path | None, currency: str, stated: Currency) -> Branding:
    """What the flags say.

    Raises:
        UsageError: for a logo or a currency that cannot be used.
    """
    from advisor.reading import Unreadable, read_bytes
    from harness.report.context import MOST_LOGO_BYTES, Branding, chosen_currency, image_kind

    data = b""
    if logo is not None:
        try:
            data = read_bytes(logo, MOST_LOGO_BYTES)
        except FileNotFoundError as error:
            raise UsageError("The logo does not exist.", got=str(logo)) from error
        except Unreadable as error:
            raise UsageError(f"The logo cannot be read: {error}.", got=str(logo)) from error
    return Branding(
        company=company,
        logo=data,
        logo_kind=image_kind(data) if logo is not None else "",
        currency=chosen_currency(currency, stated),
    )


def runs(runs: Runs = DEFAULT_RUNS, as_json: Json = False) -> None:
    """List the runs, oldest first."""
    from harness.recommendation.history import list_history
    from harness.report.text import print_document
    from harness.report.topics.runs import runs_document, runs_json

    rows = list_history(runs)
    if as_json:
        typer.echo(json.dumps(runs_json(rows), indent=1))
    else:
        print_document(runs_document(rows))


def report(
    name: Annotated[
        str, typer.Argument(metavar="[RUN|CASE.yaml]", help="A run, or a use case that is not measured yet.")
    ] = "latest",
    formats: Annotated[
        list[str] | None, typer.Option("--format", "-f", help="text,pdf,html,json,csv,md,parquet")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o", "--output", help="Folder for the files.", show_default="the run folder's report/, or here"
        ),
    ] = None,
    full: Annotated[bool, typer.Option("--full", help="All sections, in text.")] = False,
    company: Company = "",
    logo: Logo = None,
    currency: CurrencyName = "",
    price_date: PriceAt = "",
    evidence: Annotated[
        str, typer.Option("--evidence", metavar="RUN", help="Of a prediction: a run or drill that counts.")
    ] = "",
    no_texts: NoTexts = False,
    runs: Runs = DEFAULT_RUNS,
) -> None:
    """Show a run or a prediction (of a CASE.yaml), or write it in other formats; nothing is run."""
    from harness.recommendation.run import closed_results
    from harness.report.context import reader_currency
    from harness.report.files import export_run

    wanted = split_names(formats) or ("text",)
    if name.endswith((".yaml", ".yml")):
        from harness.report.files import advised

        found = advised(Path(name), HereOptions().context(quiet=True), price_date, evidence)
        _report_case(found, wanted, output, (company, logo, currency))
        return
    folder = run_in(runs, name)
    if "text" in wanted:
        show_results(folder, closed_results(folder), full=full)
    files = [one for one in wanted if one != "text"]
    if files:
        branding = make_branding(company, logo, currency, reader_currency(closed_results(folder)))
        context = HereOptions(runs=runs).context(quiet=True)
        where = output or folder.root / "report"
        for path in export_run(folder, files, where, context, branding, texts=not no_texts):
            typer.echo(str(path))


def _report_case(
    found: Advised,
    wanted: tuple[str, ...],
    output: Path | None,
    branded: tuple[str, Path | None, str],
) -> None:
    from harness.report.files import write_case_report
    from harness.report.text import print_document
    from harness.report.topics.advice import advice_document, case_currency

    if "text" in wanted:
        print_document(advice_document(found.advice, found.day, found.command))
    files = [one for one in wanted if one != "text"]
    if files:
        company, logo, currency = branded
        branding = make_branding(company, logo, currency, case_currency(found.advice))
        for path in write_case_report(found, files, output or Path(), branding):
            typer.echo(str(path))


def score(
    name: RunName = "latest",
    runs: Runs = DEFAULT_RUNS,
    price_date: PriceAt = "",
    price: Price = None,
    store: Annotated[
        bool, typer.Option("--store", help="Store it in the run: for older or damaged records.")
    ] = False,
    accept_changes: Annotated[
        bool,
        typer.Option(
            "--accept-changes",
            help="With --store: take changed files as they are; every report will say so.",
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Score a run again from its journal; no model is called."""
    from harness.recommendation.run import rescore, store_again

    context = CallOptions(runs=runs, price=price).context(quiet=True)
    folder = run_in(runs, name)
    if store and (price_date or price):
        raise UsageError(
            "A run is stored at the prices of its plan.",
            got="--store with --price-at or --price",
            allowed="--store alone, or other prices without it",
        )
    if accept_changes and not store:
        raise UsageError("--accept-changes goes with --store.", run=folder.command("score", "--store"))
    results = (
        store_again(folder, context, accept_changes=accept_changes)
        if store
        else rescore(folder, context, price_date)
    )
    show_results(folder, results, as_json=as_json)


def compare(
    a: Annotated[str, typer.Argument(metavar="A", help="A run.")],
    b: Annotated[str, typer.Argument(metavar="B", help="Another run.")],
    runs: Runs = DEFAULT_RUNS,
    as_json: Json = False,
) -> None:
    """Compare two runs arm by arm, paired where they share their test items."""
    from harness.recommendation.run import compare_two
    from harness.report.topics.compare import compare_document

    context = HereOptions(runs=runs).context(quiet=True)
    found = compare_two(run_in(runs, a), run_in(runs, b), context)
    show(found, compare_document(found), as_json=as_json)


def errors(
    name: RunName = "latest",
    arm: Annotated[
        str, typer.Argument(metavar="[ARM]", help="Default: the arm to ship, or the best on dev.")
    ] = "",
    label: Annotated[str, typer.Option("--label", help="Only items of this label.")] = "",
    limit: Annotated[
        int | None,
        typer.Option(
            "--limit",
            "-n",
            parser=a_number("--limit", "count", 1),
            help="At most this many.",
            show_default="30 in text, else all",
        ),
    ] = None,
    no_texts: NoTexts = False,
    as_json: Json = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="A table on stdout.")] = False,
    runs: Runs = DEFAULT_RUNS,
) -> None:
    """List an arm's wrong answers, the most confident first; no model is called."""
    from harness.core.serial import encode
    from harness.recommendation.mistakes import ErrorsRequest, arm_errors, first_of
    from harness.report.tables import errors_csv
    from harness.report.text import print_document
    from harness.report.topics.items import MOST_SHOWN, errors_document

    if as_json and as_csv:
        raise UsageError("One format at a time.", got="--json and --csv", allowed="one of them")
    request = ErrorsRequest(arm=next(iter(arm_names([arm])), ""), label=label, texts=not no_texts)
    found = arm_errors(run_in(runs, name), request)
    if as_json or as_csv:
        kept = first_of(found, limit)
        typer.echo(encode(kept, indent=1) if as_json else errors_csv(kept), nl=as_json)
    else:
        print_document(errors_document(found, limit or MOST_SHOWN))


def explain(
    name: Annotated[str, typer.Argument(metavar="RUN", help="A run id, its beginning, or latest.")],
    item: Annotated[str, typer.Argument(metavar="ID", help="An item's id, or its row number in your file.")],
    runs: Runs = DEFAULT_RUNS,
    as_json: Json = False,
) -> None:
    """Show one item in every arm: messages, neighbours, raw answer, usage and prices."""
    from harness.bakeoff.explain import explain_item
    from harness.report.topics.items import explain_document

    context = HereOptions(runs=runs).context(quiet=True)
    found = explain_item(run_in(runs, name), item, context)
    show(found, explain_document(found), as_json=as_json)


def track_record(runs: Runs = DEFAULT_RUNS, as_json: Json = False) -> None:
    """Count over all runs how many predicted ranges held: the advice against what was measured."""
    from harness.report.topics.runs import track_document
    from harness.track_record.over_runs import record_of_runs

    record = record_of_runs(runs)
    show(record, track_document(record), as_json=as_json)
