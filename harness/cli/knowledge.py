"""`harness knowledge`: documents as an index that is searched, and kept up to date."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from advisor.grouped import grouped
from harness.cli.finishing import show, show_json
from harness.cli.options import CallOptions, HereOptions, Json, stoppable
from harness.cli.typed import a_number, one_of

app = typer.Typer(no_args_is_help=True, help="Index documents, keep the index up to date, and search in it.")

MODES = ("lexical", "dense", "fused")
Index = Annotated[
    Path, typer.Option("--index", "-o", envvar="TOR_INDEX", help="Folder of the index.", show_default=True)
]
Mode = Annotated[
    str,
    typer.Option(
        "--mode",
        envvar="TOR_SEARCH_MODE",
        help="lexical (BM25), dense (vectors) or fused.",
        show_default="the index's own, by the question's language",
    ),
]
DEFAULT_INDEX = Path("knowledge")


@app.command("build")
@grouped
def build(
    source: Annotated[
        str, typer.Argument(metavar="FOLDER", help="A folder, a file, or a glob in quotes: 'docs/**/*.pdf'.")
    ],
    index: Index = DEFAULT_INDEX,
    embedding: Annotated[
        str,
        typer.Option(
            "--embedding",
            envvar="TOR_EMBEDDING",
            help="minilm-l6, a folder, a hub id, or provider/model; '' for none.",
        ),
    ] = "minilm-l6",
    embedding_base: Annotated[
        str,
        typer.Option(
            "--embedding-base",
            envvar="TOR_EMBEDDING_BASE",
            help="Address of your own server for --embedding.",
        ),
    ] = "",
    mode: Mode = "",
    questions: Annotated[
        Path | None,
        typer.Option(
            "--questions", help="Questions with evidence, as JSON Lines, to choose the mode by. Never test."
        ),
    ] = None,
    max_chars: Annotated[
        int,
        typer.Option(
            "--max-chars",
            envvar="TOR_MAX_CHARS",
            parser=a_number("--max-chars", "count", 100, 20_000),
            help="Characters of a passage at most.",
        ),
    ] = 800,
    max_mib: Annotated[
        float,
        typer.Option(
            "--max-mib",
            envvar="TOR_MAX_MIB",
            parser=a_number("--max-mib", "amount", 0.001, 2048),
            help="A larger file is left out.",
        ),
    ] = 64,
    as_json: Json = False,
    *,
    here: CallOptions,
) -> None:
    """Read documents and index their passages; an index in the same folder is replaced."""
    from harness.knowledge import run
    from harness.knowledge.choosing import read_questions
    from harness.knowledge.documents import source_of
    from harness.knowledge.passage_index import IndexSettings
    from harness.knowledge.retriever import SearchMode
    from harness.report.topics.knowledge import index_document

    settings = IndexSettings(
        embedding=embedding,
        embedding_base=embedding_base,
        mode=SearchMode(one_of(mode, MODES, "search mode")) if mode else None,
        max_chars=int(max_chars),
        max_mib=max_mib,
    )
    asked = () if questions is None else read_questions(questions)
    context = here.context(quiet=as_json)
    with stoppable(context, "The index was not written.", "the same command again"):
        report = run.build(source_of(source), settings, index, context, asked)
    show(report, index_document(report), as_json=as_json)


@app.command("update")
@grouped
def update(index: Index = DEFAULT_INDEX, as_json: Json = False, *, here: CallOptions) -> None:
    """Bring an index up to date: only what changed is read and embedded, what is gone is found no more."""
    from harness.knowledge import run
    from harness.report.topics.knowledge import index_document

    context = here.context(quiet=as_json)
    with stoppable(context, "The index stays as it was.", "the same command again"):
        report = run.update(index, context)
    show(report, index_document(report), as_json=as_json)


@app.command("search")
@grouped
def search(
    question: Annotated[str, typer.Argument(help="What to look for.")],
    index: Index = DEFAULT_INDEX,
    k: Annotated[
        int, typer.Option("-k", parser=a_number("-k", "count", 1, 1000), help="Passages to show.")
    ] = 5,
    mode: Mode = "",
    as_json: Json = False,
    *,
    here: CallOptions,
) -> None:
    """Show the passages that a question finds, best first."""
    from harness.knowledge.retriever import SearchChoice, SearchMode
    from harness.knowledge.run import open_index
    from harness.report.text import print_document
    from harness.report.topics.knowledge import search_document

    chosen = SearchChoice(mode=SearchMode(one_of(mode, MODES, "search mode"))) if mode else None
    opened = open_index(index, here.context(quiet=True))
    [hits] = opened.search(question, int(k), search=chosen)
    found = tuple((hit, opened.by_id[hit.item_id]) for hit in hits)
    if as_json:
        show_json(found)
        return
    search = chosen or opened.record.search
    language = opened.language(question)
    how = opened.describe(SearchChoice(mode=search.of(language)))
    print_document(search_document(found, how, language, opened.record.languages))


@app.command("status")
def status(index: Index = DEFAULT_INDEX, as_json: Json = False) -> None:
    """Show what an index holds and what was left out; opens no model."""
    from harness.knowledge.passage_index import sound_record
    from harness.report.topics.knowledge import status_document

    record = sound_record(index)
    show(record, status_document(str(index), record), as_json=as_json)


@app.command("questions")
@grouped
def questions(
    index: Index = DEFAULT_INDEX,
    *,
    model: Annotated[
        str,
        typer.Option("--model", help="What drafts them, on this machine: qwen2.5-coder-1.5b, a GGUF file."),
    ],
    output: Annotated[Path, typer.Option("--output", help="The table to write.")] = Path("drafted.csv"),
    count: Annotated[
        int,
        typer.Option(
            "--count", parser=a_number("--count", "count", 1, 10_000), help="Passages to ask about at most."
        ),
    ] = 30,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Which passages are drawn.")] = 17,
    api_base: Annotated[
        str, typer.Option("--api-base", help="Address of a model that is served on this machine.")
    ] = "",
    force: Annotated[bool, typer.Option("--force", help="Overwrite an existing file.")] = False,
    as_json: Json = False,
    here: HereOptions,
) -> None:
    """Draft questions from passages of an index, for a person to check before a run uses them."""
    from harness.core.errors import UsageError, command
    from harness.knowledge.drafting import KeptDrafts, write_drafts
    from harness.knowledge.run import draft_questions, passages_to_ask
    from harness.report.topics.knowledge import drafted_document

    if output.exists() and not force:
        again = command(
            "knowledge", "questions", "--index", index, "--model", model, "--output", output, "--force"
        )
        raise UsageError(f"{output} exists already.", got=str(output), run=again)
    context = here.context(quiet=as_json)
    kept = KeptDrafts.beside(output)
    with stoppable(context, f"What was drafted is kept in {kept.path}.", "the same command again"):
        asked = passages_to_ask(index, int(count), seed)
        drafted = draft_questions(asked, model, kept, seed, context, api_base)
        write_drafts(drafted, output)
        kept.discard()
    show(drafted, drafted_document(drafted, str(output)), as_json=as_json)
