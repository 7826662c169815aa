"""An index of documents: what it holds, what changed, what is left out and why, what is found. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from harness.core.errors import command
from harness.core.records import Neighbour, Passage
from harness.core.wording import MISSING, counted, decimal, one_line, percent, seconds
from harness.knowledge.choosing import ENOUGH, TriedMode, leaders
from harness.knowledge.documents import SkipReason
from harness.knowledge.drafting import DraftedQuestions
from harness.knowledge.passage_index import Changes, IndexRecord
from harness.knowledge.run import IndexReport
from harness.report.document import (
    Block,
    Bullets,
    Command,
    Document,
    Fact,
    Facts,
    Paragraph,
    Table,
    section,
)
from harness.report.topics.cells import columns, row

_MOST = 20
_EXCERPT = 240
_MIB = 2**20

WHY: Mapping[SkipReason, str] = {
    SkipReason.OTHER_KIND: "a kind of file that is not read",
    SkipReason.BROKEN: "damaged, or not what its name says",
    SkipReason.ENCRYPTED: "protected by a password",
    SkipReason.ENCODING: "not UTF-8; save it as UTF-8",
    SkipReason.NO_TEXT: "no text in it: empty, or a scan",
    SkipReason.TOO_LARGE: "too large; --max-mib sets the limit",
    SkipReason.UNPACKS_TOO_LARGE: "unpacks to far more than a document holds",
    SkipReason.TOO_SLOW: "took too long to read",
    SkipReason.CHANGING: "changed while it was read; update again",
    SkipReason.OUTSIDE: "a link that leads out of the folder",
    SkipReason.UNREADABLE: "cannot be opened",
    SkipReason.NAME: "its name is no text",
}


def index_document(report: IndexReport) -> Document:
    """What a build or an update did, and what to do next."""
    record, changes = report.record, report.changes
    rows = (*_changed(changes), *_facts(record), Fact(label="time", text=seconds(report.seconds)))
    search = command("knowledge", "search", "your question", "--index", report.folder)
    return _documents(
        Facts(rows=rows),
        _tried(report.tried, record) if report.tried else None,
        _skipped(record),
        Command(command=search, purpose="shows the passages it finds"),
    )


def status_document(folder: str, record: IndexRecord) -> Document:
    """What an index holds, and what its documents left out."""
    update = command("knowledge", "update", "--index", folder)
    return _documents(
        Facts(rows=_facts(record)),
        _skipped(record),
        Command(command=update, purpose="reads what changed since then"),
    )


def _documents(*blocks: Block | None) -> Document:
    return Document(title="Index", sections=(section("index", "Documents", *blocks),))


def search_document(
    found: Sequence[tuple[Neighbour, Passage]], how: str, language: str, spoken: Sequence[str]
) -> Document:
    """The passages that a search found, best first.

    Args:
        language: of the question; spoken: the documents' languages.
    """
    none = Paragraph(text=f"No passage shares a word with it ({how}).")
    hits = Facts(rows=tuple(_hit(near, passage) for near, passage in found))
    told = (
        f"The question reads as {language}, the documents as {', '.join(spoken)}: a passage in another "
        "language is found by shared names and numbers alone. Ask in the documents' language."
    )
    shown = section(
        "hits",
        "Passages",
        *((hits, Paragraph(text=how)) if found else (none,)),
        Paragraph(text=told, tone="warn") if language and spoken and language not in spoken else None,
    )
    return Document(title="Search", sections=(shown,))


def _hit(near: Neighbour, passage: Passage) -> Fact:
    page = () if passage.page is None else (f"page {passage.page}",)
    place = one_line(" > ".join((passage.document, *page, *passage.headings)))
    text = one_line(passage.text)
    shown = text if len(text) <= _EXCERPT else f"{text[:_EXCERPT].rstrip()} …"
    return Fact(label=f"{near.rank} ({decimal(near.score)})", text=f"{place}: {shown}")


def _changed(changes: Changes) -> tuple[Fact, ...]:
    parts = [
        f"{len(names):,} {word}"
        for names, word in (
            (changes.added, "added"),
            (changes.changed, "changed"),
            (changes.withdrawn, "withdrawn"),
        )
        if names
    ]
    parts.append(f"{changes.unchanged:,} unchanged")
    return (
        Fact(label="documents", text=", ".join(parts)),
        Fact(
            label="passages",
            text=f"{changes.new:,} new, {changes.gone:,} gone; {changes.embedded:,} embedded",
        ),
    )


def _facts(record: IndexRecord) -> tuple[Fact, ...]:
    copies = sum(len(one.copies) for one in record.documents)
    size = sum(one.size for one in record.documents) / _MIB
    held = [
        counted(len(record.documents), "document", "documents"),
        f"{size:,.1f} MiB",
        counted(record.passages, "passage", "passages"),
    ]
    held += [counted(copies, "further file is a copy", "further files are copies")] if copies else []
    model = "none, lexical search only" if record.embedding is None else record.embedding.id
    return (
        Fact(label="in the index", text=", ".join(held)),
        Fact(label="folder", text=f"{record.root} ({record.pattern})"),
        Fact(label="embedding", text=model),
        Fact(label="languages", text=", ".join(record.languages) or MISSING),
        Fact(label="search", text=str(record.search)),
        Fact(label="made", text=f"{record.built_at:%Y-%m-%d %H:%M}"),
    )


def _tried(tried: Sequence[TriedMode], record: IndexRecord) -> Table:
    first, best = tried[0], leaders(tried)
    return Table(
        columns=columns("questions", "search", f"recall@{first.k}", "MRR", f"nDCG@{first.k}", left=(0, 1)),
        rows=tuple(
            row(
                f"{one.questions:,} in {one.language}" if one.language else f"all {one.questions:,}",
                one.mode.value,
                percent(one.recall),
                decimal(one.mrr),
                decimal(one.ndcg),
                mark="*" if one.mode is best[one.language] else "",
            )
            for one in tried
        ),
        notes=(
            f"* best. Chosen: {record.search}. A language with {ENOUGH} questions or more has its own, "
            "another that of all questions, or lexical where the embedding model does not read it.",
            f"For {first.within:,} of {counted(first.questions, 'question', 'questions')} one passage holds "
            "the evidence whole.",
        ),
    )


def drafted_document(drafted: DraftedQuestions, path: str) -> Document:
    """What came of drafting questions, and what a person has to do with them."""
    kept = counted(len(drafted.drafts), "question was drafted", "questions were drafted")
    about = counted(drafted.asked, "passage", "passages")
    rows = (
        Fact(label="drafted", text=f"{kept} by {drafted.by} from {about}, written to {path}"),
        Fact(
            label="not kept",
            text=f"{drafted.dropped:,}: the answer does not stand in the passage, is given away by the "
            "question, or nothing could be read",
        ),
    )
    steps = (
        "Read every row: would somebody ask this, is the answer right and whole, is it the only one?",
        "Correct or delete it, and put a mark into the column 'checked'. Rows without a mark are refused.",
        "Add questions that the documents do not answer, with an empty answer: one in six or more.",
    )
    samples = tuple(
        row(one_line(one.question), one_line(one.answer), one.document) for one in drafted.drafts[:5]
    )
    heads = columns("question", "answer", "document", left=(0, 1, 2))
    run = command("bakeoff", "--docs", "FOLDER", "--questions", path)
    shown = section(
        "drafted",
        "Drafted",
        Facts(rows=rows),
        Table(caption="The first of them", columns=heads, rows=samples) if samples else None,
        Bullets(label="Before they are used", items=steps),
        Command(command=run, purpose="runs them once they are checked"),
    )
    return Document(title="Drafted questions", sections=(shown,))


def _skipped(record: IndexRecord) -> Bullets | None:
    if not record.skipped:
        return None
    counts = Counter(one.reason for one in record.skipped)
    named = sorted(record.skipped, key=lambda one: one.reason is SkipReason.OTHER_KIND)
    lines = [f"{one_line(one.document)}: {WHY[one.reason]}" for one in named[:_MOST]]
    if len(named) > _MOST:
        lines.append(f"and {len(named) - _MOST:,} more; --json names all of them")
    total = ", ".join(f"{count:,} {reason.value}" for reason, count in counts.most_common()) or MISSING
    label = f"{counted(len(record.skipped), 'file', 'files')} left out ({total})"
    return Bullets(items=tuple(lines), label=label, tone="warn")
