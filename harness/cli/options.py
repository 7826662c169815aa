"""Options that several commands share, each declared once. Every flag can also be an environment variable.

Options that go together stand in a group: a frozen record whose fields are options. A command that takes a
group names it as one parameter under `@grouped`; on the command line its fields are options like any other.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.typed import a_number, arm_names, one_of, split_names, typed_amount
from harness.core.errors import DataError, IncompleteRun, UsageError, command

if TYPE_CHECKING:
    from harness.bakeoff.planning import PlanRequest, StatedMoney
    from harness.bakeoff.run_folder import RunFolder
    from harness.core.context import Context
    from harness.shipping.registry.registry import Registry

DEFAULT_RUNS = Path("runs")


def run_in(runs: Path, name: str) -> RunFolder:
    """A run by its id, its beginning, or `latest`.

    Raises:
        UsageError: if there is none, or more than one.
    """
    from harness.bakeoff.run_folder import find_run

    return find_run(runs, name)


Runs = Annotated[
    Path, typer.Option("--runs", envvar="TOR_RUNS_DIR", help="Folder of the run folders.", show_default=True)
]
RunName = Annotated[str, typer.Argument(metavar="[RUN]", help="A run id, its beginning, or latest.")]
Json = Annotated[bool, typer.Option("--json", help="Machine-readable output on stdout.")]
Price = Annotated[
    list[str] | None,
    typer.Option("--price", help="Your own price, dollars per million tokens: openai/gpt-6-luna=0.10/0.50"),
]
PriceAt = Annotated[str, typer.Option("--price-at", help="Prices of this day.", show_default="today")]
Encoding = Annotated[str, typer.Option("--encoding", help="Encoding of a text file, such as cp1252.")]
NoTexts = Annotated[bool, typer.Option("--no-texts", help="Leave your items' texts out.")]
DryRun = Annotated[
    bool,
    typer.Option("--dry-run", help="Print rows, time, dollars, addresses, missing keys; run nothing."),
]
AskAgain = Annotated[
    bool,
    typer.Option(
        "--ask-again", help="Ask again for answers that are damaged, or that another program or model gave."
    ),
]
ArmName = Annotated[
    str,
    typer.Option(
        "--arm", help="linear, or tune@smollm2-135m.", show_default="the one recommended, or the only one"
    ),
]
SeedNumber = Annotated[
    int | None, typer.Option("--seed", help="Training seed.", show_default="the plan's first")
]


@dataclass(frozen=True, slots=True, kw_only=True)
class HereOptions:
    """Where a command works, and with what of this machine."""

    runs: Runs = DEFAULT_RUNS
    offline: Annotated[
        bool,
        typer.Option("--offline", envvar="TOR_OFFLINE", help="Never use the network (loopback is allowed)."),
    ] = False
    threads: Annotated[
        int | None,
        typer.Option(
            "--threads",
            envvar="TOR_THREADS",
            min=1,
            help="CPU threads for computing here.",
            show_default="all; 1 to embed",
        ),
    ] = None

    def context(self, *, quiet: bool = False) -> Context:
        """The outside world of this command line: its environment, clock, folders and progress.

        Args:
            quiet: nothing is said of how far it is.
        """
        from harness.cli.progress import open_progress
        from harness.core.context import Context
        from harness.core.environment import BusyWatch, limit_threads
        from harness.models.settings import cache_dir

        if self.threads is not None:
            limit_threads(self.threads, os.environ)
        return Context(
            runs=self.runs,
            cache=cache_dir(os.environ),
            environ=os.environ,
            clock=lambda: datetime.now(UTC),
            progress=open_progress(quiet=quiet),
            offline=self.offline,
            threads=self.threads,
            watch=BusyWatch,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class AtRegistry:
    """Which registry of tuned models; it stands among the runs where none is named."""

    registry: Annotated[
        str,
        typer.Option(
            "--registry",
            envvar="TOR_REGISTRY",
            help="A folder, or s3://, gs://, ...",
            show_default="runs/registry",
        ),
    ] = ""
    runs: Runs = DEFAULT_RUNS

    def open(self) -> Registry:
        """The registry itself."""
        from harness.shipping.adapters import open_registry

        return open_registry(self.registry, HereOptions(runs=self.runs).context(quiet=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class CallOptions(HereOptions):
    """The same, and how served models are called and billed."""

    budget_usd: Annotated[
        str | None,
        typer.Option(
            "--budget-usd",
            envvar="TOR_BUDGET_USD",
            help="Stop before paid calls could cost more than this.",
        ),
    ] = None
    timeout: Annotated[
        float, typer.Option("--timeout", envvar="TOR_TIMEOUT", min=1, help="Seconds one call may take.")
    ] = 60.0
    max_retries: Annotated[
        int,
        typer.Option("--max-retries", envvar="TOR_MAX_RETRIES", min=0, help="Retries after a failed call."),
    ] = 4
    rpm: Annotated[
        float | None,
        typer.Option("--rpm", envvar="TOR_RPM", min=0.01, help="Calls a minute to a served model at most."),
    ] = None
    tpm: Annotated[
        float | None,
        typer.Option("--tpm", envvar="TOR_TPM", min=1, help="Tokens a minute of a served model at most."),
    ] = None
    price: Price = None
    redact: Annotated[
        bool,
        typer.Option(
            "--redact",
            envvar="TOR_REDACT",
            help="Replace personal data by placeholders before a text leaves this machine.",
        ),
    ] = False
    allow_pii: Annotated[
        bool,
        typer.Option("--allow-pii", envvar="TOR_ALLOW_PII", help="Send personal data in texts as it is."),
    ] = False
    own_host: Annotated[
        list[str] | None,
        typer.Option(
            "--own-host",
            envvar="TOR_OWN_HOSTS",
            help="A host that is your own as this machine is: 10.0.0.5, or llm.example.net.",
        ),
    ] = None

    def context(self, *, quiet: bool = False) -> Context:
        """The outside world, with what calls may cost and take.

        Raises:
            UsageError: if the budget is no amount above 0, or personal data is both replaced and sent.
        """
        if self.redact and self.allow_pii:
            raise UsageError("Personal data is either replaced or sent.", allowed="--redact or --allow-pii")
        return dataclasses.replace(
            HereOptions.context(self, quiet=quiet),
            budget_usd=_budget(self.budget_usd),
            price_overrides=tuple(self.price or ()),
            timeout_s=self.timeout,
            max_retries=self.max_retries,
            rpm=self.rpm,
            tpm=self.tpm,
            personal_data="redact" if self.redact else "allow" if self.allow_pii else "",
            own_hosts=tuple(host.casefold() for host in split_names(self.own_host)),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ManyCallOptions(CallOptions):
    """The same, and how many calls at once."""

    concurrency: Annotated[
        int,
        typer.Option(
            "--max-concurrency",
            "-j",
            envvar="TOR_MAX_CONCURRENCY",
            min=1,
            help="Calls to a served model at once.",
        ),
    ] = 8
    engine: Annotated[
        str,
        typer.Option(
            "--engine",
            envvar="TOR_ENGINE",
            help="Where served models are asked from: local, or ray (workers of a cluster, RAY_ADDRESS).",
        ),
    ] = "local"

    def context(self, *, quiet: bool = False) -> Context:
        """The outside world, with all that is said of calls."""
        one_of(self.engine, ("local", "ray"), "engine")
        return dataclasses.replace(
            CallOptions.context(self, quiet=quiet),
            concurrency=self.concurrency,
            engine="ray" if self.engine == "ray" else "local",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RowOptions:
    """Which rows, and how a user's own file is read."""

    evalset: Annotated[str, typer.Option("--evalset", help="An evalset by name or folder.")] = ""
    data: Annotated[
        str,
        typer.Option(
            "--data", help="Your own tickets: CSV, JSON, Excel, ODS or Parquet; also packed as .gz or .zip."
        ),
    ] = ""
    text: Annotated[
        list[str] | None,
        typer.Option("--text", help="Text columns: subject,body. Repeat it for names with commas."),
    ] = None
    label: Annotated[
        list[str] | None, typer.Option("--label", help="Label column; two are joined: area,topic.")
    ] = None
    fields: Annotated[
        list[str] | None,
        typer.Option(
            "--fields",
            help="Columns of what is to read out of the text: order_id,date,amount; or one of JSON objects.",
        ),
    ] = None
    docs: Annotated[
        str, typer.Option("--docs", help="A folder of documents that questions are answered from.")
    ] = ""
    questions: Annotated[
        str,
        typer.Option(
            "--questions",
            help="A table of your questions with columns question and answer; an empty answer is not in the "
            "documents, several are parted by |.",
        ),
    ] = ""
    answer: Annotated[
        str, typer.Option("--answer", help="Column of the answers to --questions.", show_default="answer")
    ] = ""
    edition: Annotated[
        str, typer.Option("--edition", help="Of an evalset's documents.", show_default="the last")
    ] = ""
    group: Annotated[
        list[str] | None,
        typer.Option("--group", help="Columns (customer, thread) whose rows stay together."),
    ] = None
    own_id: Annotated[
        str,
        typer.Option(
            "--id", help="Column of the row ids.", show_default="id where there is one, else numbers"
        ),
    ] = ""
    slices: Annotated[
        list[str] | None,
        typer.Option("--slice", help="Columns (language, channel) to report by as well."),
    ] = None
    skip_unlabelled: Annotated[
        bool, typer.Option("--skip-unlabelled", help="Leave out rows without a label.")
    ] = False
    encoding: Encoding = "utf-8"
    records: Annotated[
        list[str] | None,
        typer.Option("--records", help="Where the rows are in a JSON document: result.tickets"),
    ] = None
    sheet: Annotated[str, typer.Option("--sheet", help="Which sheet of a workbook.")] = ""
    no_header: Annotated[
        bool, typer.Option("--no-header", help="The table has no header: its columns are called 1, 2, 3.")
    ] = False
    no_quotes: Annotated[
        bool, typer.Option("--no-quotes", help='A " in the table is a character like any other.')
    ] = False

    def part(self) -> dict[str, object]:
        """The data part of a plan.

        Raises:
            UsageError: if a file is named without its text or label columns; its columns are listed.
        """
        labels, fields = list(split_names(self.label)), list(split_names(self.fields))
        asked = self._asked()
        if not (self.evalset or self.data or asked):
            raise UsageError(
                "No rows are named to compare the options on.",
                allowed="--data FILE, --evalset NAME, or --docs FOLDER --questions TABLE",
                run="the same command with --data tickets.csv --text subject,body --label queue",
            )
        if self.data and not self.evalset and not (self.text and (labels or fields)):
            raise self._unnamed(self.data, "text and label", self._columns(self.data))
        if self.questions and not (self.text and self.answer):
            self._need_questions()
        return {
            "evalset": self.evalset,
            "file": self.data or self.questions,
            "text": list(split_names(self.text)) or ["question"] * asked,
            "label": labels[0] if len(labels) == 1 else labels or "",
            "fields": fields,
            "answer": self.answer or "answer" * asked,
            "docs": self.docs,
            "edition": self.edition,
            "group": list(split_names(self.group)),
            "id": self.own_id,
            "slices": list(split_names(self.slices)),
            "skip_unlabelled": self.skip_unlabelled,
            "encoding": self.encoding,
            "records": list(split_names(self.records)),
            "sheet": self.sheet,
            "no_header": self.no_header,
            "no_quotes": self.no_quotes,
        }

    def _asked(self) -> bool:
        """Whether questions are asked over documents.

        Raises:
            UsageError: if one of the two is named without the other, or beside other rows.
        """
        others = [flag for flag, given in (("--evalset", self.evalset), ("--data", self.data)) if given]
        if (self.docs or self.questions) and (others or not (self.docs and self.questions)):
            raise UsageError(
                "Questions and the documents that answer them are named together, and alone.",
                got=" ".join(
                    [*others, *(f"--docs {self.docs}",) * bool(self.docs)]
                    + [f"--questions {self.questions}"] * bool(self.questions)
                ),
                allowed="--docs FOLDER --questions TABLE",
                run=command("bakeoff", "--docs", "FOLDER", "--questions", "qa.csv"),
            )
        return bool(self.docs)

    def _need_questions(self) -> None:
        """The columns of a questions' table go by these names unless named."""
        from harness.data.columns import match_columns

        asked = {"text": tuple(split_names(self.text)) or ("question",), "answer": (self.answer or "answer",)}
        with suppress(DataError):  # what no table is, is said where its rows are read
            columns = self._columns(self.questions)
            missing = match_columns(asked, columns).missing
            if missing:
                file = f"{self.questions} without {', '.join(missing)}"
                raise self._unnamed(file, "question and answer", columns)

    def _columns(self, file: str) -> tuple[str, ...]:
        """The columns there are to choose from."""
        from harness.data.load import columns_of
        from harness.data.settings import TableForm

        form = TableForm(
            encoding=self.encoding,
            records=tuple(split_names(self.records)),
            sheet=self.sheet,
            no_header=self.no_header,
            no_quotes=self.no_quotes,
        )
        return columns_of(Path(file), form)

    def _unnamed(self, file: str, which: str, columns: Sequence[str]) -> UsageError:
        from harness.data.columns import column_name

        last = "--answer" if self.questions else "--label"
        flags = "--text, --answer" if self.questions else "--text, --label or --fields"
        return UsageError(
            f"A file needs the names of its {which} columns ({flags}).",
            got=f"--{'questions' if self.questions else 'data'} {file}",
            allowed=", ".join(map(column_name, columns)),
            run=f"the same command with --text COLUMN[,COLUMN] {last} COLUMN",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanOptions(RowOptions):
    """What a plan is made from."""

    arms: Annotated[
        list[str] | None,
        typer.Option(
            "--arms",
            help="Some of floor, neighbours, linear, encoder, prompt, retrieve, tune, tune+retrieve, route "
            "and route@today, with commas.",
        ),
    ] = None
    model: Annotated[
        list[str] | None,
        typer.Option(
            "--model", envvar="TOR_MODEL", help="Models of prompt and retrieve, such as openai/gpt-6-luna."
        ),
    ] = None
    all_documents: Annotated[
        bool,
        typer.Option("--all-documents", help="The arm prompt reads every document, where they fit."),
    ] = False
    tune_model: Annotated[
        str,
        typer.Option(
            "--tune-model", envvar="TOR_TUNE_MODEL", help="The model to tune; openai/… at its provider."
        ),
    ] = "smollm2-135m"
    encoder_model: Annotated[
        str,
        typer.Option("--encoder-model", envvar="TOR_ENCODER_MODEL", help="The encoder to tune."),
    ] = "minilm-l6"
    api_base: Annotated[
        str,
        typer.Option("--api-base", envvar="TOR_API_BASE", help="An OpenAI-compatible endpoint for --model."),
    ] = ""
    effort: Annotated[
        str,
        typer.Option(
            "--effort",
            envvar="TOR_EFFORT",
            help="How hard a reasoning model of --model is asked to think: none, minimal, low, medium, high.",
        ),
    ] = ""
    batch: Annotated[
        bool,
        typer.Option(
            "--batch",
            envvar="TOR_BATCH",
            help="Ask --model through its provider's batch interface: cheaper, within a day, no latency.",
        ),
    ] = False
    limit: Annotated[
        int | None,
        typer.Option(
            "--limit",
            "-n",
            envvar="TOR_LIMIT",
            parser=a_number("--limit", "count", 1),
            help="Use this many test items; language models answer as many dev items, 30 at least.",
        ),
    ] = None
    limit_train: Annotated[
        int | None,
        typer.Option(
            "--limit-train", parser=a_number("--limit-train", "count", 1), help="Use this many training rows."
        ),
    ] = None
    minutes: Annotated[
        float | None,
        typer.Option(
            "--minutes",
            envvar="TOR_MINUTES",
            parser=a_number("--minutes", "amount", 1),
            help="Size the plan to take about this long here.",
        ),
    ] = None
    seed: Annotated[
        int,
        typer.Option("--seed", envvar="TOR_SEED", help="Decides the split, the training and the intervals."),
    ] = 17
    seeds: Annotated[
        list[str] | None, typer.Option("--train-seeds", help="Train once with each: 17,18,19")
    ] = None
    after: Annotated[
        str, typer.Option("--after", help="A run on the same question: what it tested is left out.")
    ] = ""
    margin: Annotated[
        float | None,
        typer.Option(
            "--margin",
            envvar="TOR_MARGIN",
            parser=a_number("--margin", "amount", 0, 1),
            help="The difference in accuracy that does not matter to you.",
            show_default="0.02",
        ),
    ] = None
    floor: Annotated[
        float | None,
        typer.Option(
            "--floor",
            envvar="TOR_FLOOR",
            parser=a_number("--floor", "amount", 0, 1),
            help="The least share of right answers that is of use to you: 0.85.",
        ),
    ] = None
    price_date: PriceAt = ""
    residency: Annotated[
        str,
        typer.Option(
            "--residency",
            envvar="TOR_RESIDENCY",
            help="Where the data may go: anywhere, region, self-host-only.",
            show_default="the use case's",
        ),
    ] = ""
    region: Annotated[
        str, typer.Option("--region", envvar="TOR_REGION", help="Of --residency region.", show_default="EU")
    ] = ""

    def request(self, runs: Path, case: Path | None, money: StatedMoney) -> PlanRequest:
        """The same as the planning takes it.

        Args:
            case: the use case whose advice is locked with the plan.
            money: what is stated of it.

        Raises:
            UsageError: if there is no run to come after.
        """
        from harness.bakeoff.planning import PlanRequest
        from harness.bakeoff.sizing import FEW_DEV

        few = {"limit_dev": max(self.limit, FEW_DEV), "free_take_dev": True} if self.limit else {}
        after = {"after": run_in(runs, self.after).run_id} if self.after else {}
        return PlanRequest(
            case=case,
            data=self.part() | {"limit_test": self.limit, "limit_train": self.limit_train} | few | after,
            options=arm_names(self.arms),
            models=split_names(self.model),
            all_documents=self.all_documents,
            tune_model=self.tune_model,
            encoder_model=self.encoder_model,
            api_base=self.api_base,
            effort=self.effort,
            batch=self.batch,
            minutes=self.minutes,
            seed=self.seed,
            train_seeds=split_names(self.seeds),
            margin=self.margin,
            floor=self.floor,
            money=money,
            price_date=self.price_date,
            residency=self.residency,
            region=self.region,
        )


@contextmanager
def stoppable(context: Context, stopped: str, run: str) -> Iterator[None]:
    """Ctrl-C says what is kept and how to go on; the progress is closed either way.

    Raises:
        IncompleteRun: with these words, when it is stopped.
    """
    try:
        yield
    except KeyboardInterrupt as error:
        raise IncompleteRun(stopped, run=run) from error
    finally:
        context.progress.close()


def _budget(text: str | None) -> Decimal | None:
    if text is None:
        return None
    amount = typed_amount(text, "--budget-usd")
    if amount <= 0:
        raise UsageError("--budget-usd must be above 0.", got=text)
    return amount
