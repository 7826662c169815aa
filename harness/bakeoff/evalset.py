"""The rows of a plan: loaded, limited and checked.

Documents that questions are about are indexed once, and where evidence stands in their passages is found
here. Of a question that was looked at before, the rows that earlier runs tested are left out, so that only
fresh items count.
"""

from __future__ import annotations

import dataclasses
import hashlib
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from advisor.options import TaskKind
from harness.bakeoff.plan import ExperimentPlan
from harness.bakeoff.run_folder import PASSAGES, DataFacts, RunFolder, find_run
from harness.core.context import Context
from harness.core.errors import DataError, StoreError, UsageError, command
from harness.core.records import Evalset, Finding, Item, Passage
from harness.core.references import EvidenceQuote, Reference
from harness.core.serial import decode
from harness.core.wording import counted
from harness.data.gate import of_what_is_left, require_usable
from harness.data.leakage import exact_overlap_ids, normalise
from harness.data.load import builtin_evalsets, load_card, load_evalset, load_file, out_of_scope_of
from harness.data.problems import shorten
from harness.data.source import CARD_FILE, Place, documents_of
from harness.data.split import keep_test, limit_evalset, subsample
from harness.knowledge.choosing import Quote, holding
from harness.knowledge.documents import source_of
from harness.knowledge.passage_index import (
    IndexSettings,
    PassageIndex,
    build_index,
    earlier_index,
    save_index,
)
from harness.models.base import EmbeddingModel


@dataclass(frozen=True, slots=True, kw_only=True)
class EarlierLooks:
    """The runs that a plan comes after, the latest first, and the texts that they tested, normalised."""

    runs: tuple[str, ...] = ()
    tested: frozenset[str] = frozenset()

    @property
    def look(self) -> int:
        """Which look the plan is, from 1."""
        return len(self.runs) + 1


def earlier_looks(plan: ExperimentPlan, context: Context) -> EarlierLooks:
    """Everything that the run a plan comes after has tested, and those before it.

    Raises:
        UsageError: if there is no such run.
        StoreError: if its items cannot be read.
    """
    runs: list[str] = []
    tested: set[str] = set()
    name = plan.data.after
    while name and name not in runs:
        folder: RunFolder = find_run(context.runs, name)
        runs.append(folder.run_id)
        tested |= {normalise(item.text) for item in folder.items()["test"]}
        name = folder.plan().data.after
    return EarlierLooks(runs=tuple(runs), tested=frozenset(tested))


def only_fresh(evalset: Evalset, before: EarlierLooks) -> Evalset:
    """The evalset without the test items that earlier looks tested, and a finding that says so.

    Raises:
        DataError: if none is left.
    """
    if not before.runs:
        return evalset
    fresh = tuple(item for item in evalset.test if normalise(item.text) not in before.tested)
    latest, gone = before.runs[0], len(evalset.test) - len(fresh)
    if not fresh:
        raise DataError(
            f"Run {latest} and those before it have tested every test item of {evalset.name}.",
            allowed="rows with fresh items: a further look counts only what no earlier one has seen",
            run=command("report", latest),
        )
    left = keep_test(evalset, fresh)
    message = f"Look {before.look}: {gone:,} test items that {latest} or a run before it tested are left out."
    note = Finding(code="further-look", severity="note", message=message)
    return dataclasses.replace(left, findings=(*evalset.findings, note))


MOST_NAMED = 5
"""Files, or pieces of evidence, that a finding names."""


def open_passages(documents: str, embedding: EmbeddingModel | None, context: Context) -> PassageIndex:
    """The index of documents as they are now; what was read and embedded earlier is not read again.

    Args:
        documents: a folder, a file or a glob.

    Raises:
        UsageError: there is no such folder.
        DataError: no document can be read.
        StoreError: the cache cannot be written.
        MissingExtra: what reads documents is not installed.
    """
    source = source_of(documents)
    name = "" if embedding is None else embedding.identity.id
    known = hashlib.sha256(f"{source.root}\n{source.pattern}\n{name}".encode()).hexdigest()[:32]
    folder = context.cache / "indexes" / f"documents-{known}"
    try:
        earlier = earlier_index(folder)
    except StoreError:  # none yet, or a damaged one
        earlier = None
    settings = IndexSettings(embedding=name)
    index, changes = build_index(
        source, settings, embedding, context.clock(), earlier=earlier, progress=context.progress
    )
    if earlier is None or changes.new or changes.gone or changes.embedded:
        save_index(index, folder)
    return index


def with_evidence(evalset: Evalset, index: PassageIndex) -> Evalset:
    """The evalset with the passages that hold the quotes of its evidence."""

    by_name = _by_bare_name(index)

    def placed(items: Sequence[Item]) -> tuple[Item, ...]:
        return tuple(dataclasses.replace(item, target=_placed(item.target, index, by_name)) for item in items)

    found = dataclasses.replace(
        evalset, train=placed(evalset.train), dev=placed(evalset.dev), test=placed(evalset.test)
    )
    said = (*_of_documents(index), *_of_evidence(found, index, by_name))
    return dataclasses.replace(found, findings=(*evalset.findings, *said))


def _of_documents(index: PassageIndex) -> Iterator[Finding]:
    """How many documents were read, and which were left out and why."""
    read, skipped = index.record.documents, index.record.skipped
    lead = counted(len(read), "document was read", "documents were read")
    message = f"{lead} and cut into {counted(len(index), 'passage', 'passages')}."
    yield Finding(code="documents", severity="note", message=message)
    if skipped:
        named = ", ".join(
            f"{one.document} ({one.reason.value.replace('-', ' ')})" for one in skipped[:MOST_NAMED]
        )
        more = f" and {len(skipped) - MOST_NAMED:,} more" if len(skipped) > MOST_NAMED else ""
        lead = counted(len(skipped), "file was left out", "files were left out")
        message = f"{lead}, so that nothing is found there: {named}{more}."
        yield Finding(code="documents-left-out", severity="warning", message=message)


def _of_evidence(
    evalset: Evalset, index: PassageIndex, by_name: Mapping[str, list[str]]
) -> Iterator[Finding]:
    """Evidence that stands nowhere: a document that was not read, or a quote that is not in its document."""
    there = {passage.document for passage in index.passages} | index.copies.keys()
    missing = [
        (item.id, quote)
        for item in (*evalset.train, *evalset.dev, *evalset.test)
        if isinstance(item.target, Reference)
        for quote in item.target.evidence
        if not quote.passages
    ]
    for unread, what in (
        (True, "in a document that is not there or was not read"),
        (False, "in no passage of its document word for word, or over the end of one"),
    ):
        found = [(name, quote) for name, quote in missing if (quote.document not in there) is unread]
        if found:
            shown = "; ".join(
                f"{name} ({_where(quote, by_name if unread else {})})" for name, quote in found[:MOST_NAMED]
            )
            more = f"; and {len(found) - MOST_NAMED:,} more" if len(found) > MOST_NAMED else ""
            lead = counted(len(found), "piece of evidence stands", "pieces of evidence stand")
            yield Finding(
                code="evidence-missing",
                severity="warning",
                message=f"{lead} {what}, so that nothing counts as finding it: {shown}{more}.",
                item_ids=tuple(dict.fromkeys(name for name, _ in found))[:20],
            )


def _where(evidence: EvidenceQuote, by_name: Mapping[str, list[str]]) -> str:
    """Evidence for a finding: its document, which ones that may be, and its quote."""
    alike = by_name.get(_bare_name(evidence.document), [])
    either = f", which may be {' or '.join(alike[:MOST_NAMED])}" if alike else ""
    return f"{evidence.document}{either}" + (f": {shorten(evidence.quote)}" if evidence.quote else "")


def _by_bare_name(index: PassageIndex) -> dict[str, list[str]]:
    """By file name in lower case, the documents in any folder that have it."""
    found: dict[str, list[str]] = {}
    for document in (*(one.id for one in index.record.documents), *index.copies):
        found.setdefault(_bare_name(document), []).append(document)
    return found


def _bare_name(document: str) -> str:
    return unicodedata.normalize("NFC", document).replace("\\", "/").rpartition("/")[2].lower()


def _placed(target: object, index: PassageIndex, by_name: Mapping[str, list[str]]) -> Reference:
    """A reference whose evidence knows its passages; a file's bare name will do where only one has it."""
    assert isinstance(target, Reference), "questions have references"
    evidence = []
    for one in target.evidence:
        found = by_name.get(_bare_name(one.document), [])
        document = found[0] if len(found) == 1 and one.document not in found else one.document
        passages = holding(index, Quote(document=document, quote=one.quote))
        evidence.append(dataclasses.replace(one, document=document, passages=passages))
    return dataclasses.replace(target, evidence=tuple(evidence))


def stored_passages(folder: RunFolder) -> dict[str, Passage]:
    """The passages that arms were shown, by id; none in a run from before they were stored.

    Raises:
        StoreError: they cannot be read.
    """
    stored = folder.records(PASSAGES, lambda line: decode(Passage, line))
    return {passage.id: passage for passage in stored}


def kind_of(data: Mapping[str, object], context: Context) -> TaskKind:
    """What is asked about the rows that a plan's data part names; loading them says what is wrong with it."""
    if data.get("fields"):
        return TaskKind.EXTRACTION
    if data.get("answer"):
        return TaskKind.QUESTION_ANSWERING
    name = data.get("evalset")
    if not name:
        return TaskKind.CLASSIFICATION
    try:
        card, _ = load_card(_evalset_at(str(name), context.homes))
    except DataError:
        return TaskKind.CLASSIFICATION
    return card.task


def load_rows(plan: ExperimentPlan, context: Context, folder: RunFolder | None = None) -> Evalset:
    """Load the rows a plan names.

    Args:
        folder: the run the plan is locked in, which knows where relative paths start from.

    Raises:
        DataError: if they cannot be used; every fault at once.
        UsageError: if the plan comes after a run that is not there.
    """
    data = plan.data
    homes = context.homes if folder is None else folder.homes()
    if data.evalset:
        evalset = load_evalset(
            _evalset_at(data.evalset, homes),
            environ=context.environ,
            cache=context.cache,
            offline=context.offline,
            edition=data.edition,
        )
    else:
        evalset = load_file(_file_at(data.file, homes), data, plan.seed)
        if data.docs:
            title = f"{evalset.title}, over the documents in {data.docs}"
            evalset = dataclasses.replace(evalset, title=title, documents=str(_file_at(data.docs, homes)))
    if evalset.task is not plan.task:
        raise UsageError(
            f"The plan is for {plan.task.value}, its evalset for {evalset.task.value}.",
            got=f"task: {plan.task.value}",
            allowed=f"task: {evalset.task.value}",
        )
    require_usable(evalset.name, evalset.findings)
    if evalset.documents:
        evalset = with_evidence(evalset, open_passages(evalset.documents, None, context))
    if plan.tune.learn_from is not None:
        evalset = _with_lessons(evalset, plan, context, folder)
    if plan.tune.drafts is not None:
        texts = tuple(item.text for item in (*evalset.dev, *evalset.test))
        evalset = dataclasses.replace(evalset, never_taught=texts)
    fresh = only_fresh(evalset, earlier_looks(plan, context))
    left = limit_evalset(
        fresh, train=data.limit_train, dev=data.limit_dev, test=data.limit_test, seed=plan.seed
    )
    found = dataclasses.replace(left, findings=of_what_is_left(left))
    kept = {item.id for item in (*left.test, *left.dev)}
    taken = (data.free_take_all, fresh.test), (data.free_take_all or data.free_take_dev, fresh.dev)
    rest, rest_dev = (
        tuple(item for item in items if item.id not in kept) if take else () for take, items in taken
    )
    return dataclasses.replace(found, rest=rest, rest_dev=rest_dev)


def _with_lessons(
    evalset: Evalset, plan: ExperimentPlan, context: Context, folder: RunFolder | None
) -> Evalset:
    """With the questions over other documents that a reader is tuned on; of an evalset none that test.

    Raises:
        DataError: if they cannot be used, or one of them is tested too.
    """
    tune = plan.tune.model_copy(update={"learn_from": None})
    there = plan.model_copy(update={"data": plan.tune.learn_from, "tune": tune})
    found = load_rows(there, context, folder)
    rows = (*found.train, *found.dev, *(() if there.data.evalset else found.test))
    lessons = dataclasses.replace(found, train=rows, dev=(), test=(), rest=(), rest_dev=())
    tested = exact_overlap_ids(rows, evalset.test)
    if tested:
        raise DataError(
            "Questions that a reader is to be tuned on (tune.learn_from) are among those that test it.",
            got=f"{len(tested):,} test questions, such as {sorted(tested)[0]}",
            allowed="other questions",
        )
    said = f"tune+retrieve learns to read from {len(rows):,} questions of another set: {lessons.title}."
    note = Finding(code="lessons", severity="note", message=said)
    return dataclasses.replace(evalset, lessons=lessons, findings=(*evalset.findings, note))


def passages_of(plan: ExperimentPlan, context: Context, folder: RunFolder) -> dict[str, Passage]:
    """The passages of a run's documents as they are now, by id; none where they are gone or have none."""
    data, homes = plan.data, folder.homes()
    try:
        if data.docs:
            documents = str(_file_at(data.docs, homes))
        else:
            card, home = load_card(_evalset_at(data.evalset, homes))
            place = Place(folder=home, environ=context.environ, cache=context.cache, offline=context.offline)
            documents = documents_of(card, place, card.edition(data.edition))
        return dict(open_passages(documents, None, context).by_id) if documents else {}
    except (DataError, UsageError):
        return {}


def other_editions(plan: ExperimentPlan, folder: RunFolder) -> tuple[str, ...]:
    """The editions of a run's documents that it was not about; none of a file's, or where the set is gone."""
    if not plan.data.evalset:
        return ()
    try:
        card, _ = load_card(_evalset_at(plan.data.evalset, folder.homes()))
        return tuple(one for one in card.documents if one != card.edition(plan.data.edition))
    except DataError:
        return ()


def out_of_scope_rows(
    plan: ExperimentPlan, context: Context, folder: RunFolder | None = None
) -> tuple[Item, ...]:
    """Inputs that belong to no label of the plan's evalset, where its card names any.

    Raises:
        DataError: if they cannot be used.
    """
    if not plan.data.evalset:
        return ()
    homes = context.homes if folder is None else folder.homes()
    rows = out_of_scope_of(_evalset_at(plan.data.evalset, homes), context.environ)
    return subsample(rows, plan.data.limit_out_of_scope, plan.seed, lambda item: "")


def _file_at(path: str, homes: Sequence[Path]) -> Path:
    """The first of these files that is there; as written where none is."""
    return next((home / path for home in homes if (home / path).exists()), Path(path))


def _evalset_at(name: str, homes: Sequence[Path]) -> str:
    """An evalset's folder under one of these folders, itself or in their `evalsets/`; else as written."""
    if name in builtin_evalsets():
        return name
    places = (home / part for home in homes for part in (name, Path("evalsets") / name))
    return next((str(place) for place in places if (place / CARD_FILE).is_file()), name)


def facts_of(evalset: Evalset, look: int = 1) -> DataFacts:
    """What a run keeps about its rows."""
    return DataFacts(
        name=evalset.name,
        title=evalset.title,
        licence=evalset.licence,
        provenance=evalset.provenance,
        labels=evalset.labels,
        digests=evalset.digests,
        findings=evalset.findings,
        second_labels=evalset.second_labels,
        overlap=tuple(sorted(exact_overlap_ids(evalset.train, evalset.test))),
        catch_all=evalset.catch_all,
        look=look,
        task=evalset.task,
        schema=evalset.schema,
    )
