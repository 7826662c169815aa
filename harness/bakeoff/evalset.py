"""The rows of a plan: loaded, limited and checked."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

from advisor.options import TaskKind
from harness.bakeoff.documents import open_passages, with_evidence
from harness.bakeoff.looks import earlier_looks, only_fresh
from harness.bakeoff.plan import ExperimentPlan
from harness.bakeoff.run_folder import DataFacts, RunFolder
from harness.core.context import Context
from harness.core.errors import DataError, UsageError
from harness.core.records import Evalset, Finding, Item, Passage
from harness.data.gate import of_what_is_left, require_usable
from harness.data.leakage import exact_overlap_ids
from harness.data.load import builtin_evalsets, load_card, load_evalset, load_file, out_of_scope_of
from harness.data.source import CARD_FILE, Place, documents_of
from harness.data.split import limit_evalset, subsample


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
