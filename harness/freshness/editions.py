"""Two editions of the rows of a drill: the same questions, and what is right for them before and after."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pydantic import ValidationError

from advisor.options import TaskKind
from harness.bakeoff.evalset import load_rows
from harness.bakeoff.plan import ExperimentPlan
from harness.core.context import Context
from harness.core.errors import DataError, UsageError
from harness.core.parts import faults_of
from harness.core.records import Evalset, Item, Label, Target
from harness.core.references import Reference
from harness.data.settings import DataPlan
from harness.freshness.plan import ChangePlan, DrillPlan, LabelChanges
from harness.freshness.records import Group, LabelChange


@dataclass(frozen=True, slots=True, kw_only=True)
class Editions:
    """The rows before and after, tests in the same order.

    Attributes:
        groups: of each test item.
    """

    first: Evalset
    second: Evalset
    groups: tuple[Group, ...]
    changes: tuple[LabelChange, ...] = ()


def load_editions(plan: DrillPlan, context: Context) -> Editions:
    """Both editions of a drill.

    Raises:
        DataError: if rows cannot be used, or nothing changes between them.
        UsageError: if a changed label is one that nothing holds, or `second` names no rows.
    """
    rows = load_rows(plan.experiment, context)
    if plan.change.labels is not None:
        return by_labels(rows, plan.change.labels)
    data = plan.experiment.data
    limited = any((data.limit_train, data.limit_dev, data.limit_test))
    return _between(rows, load_rows(_second(plan.experiment, plan.change), context), limited=limited)


def by_labels(rows: Evalset, changes: LabelChanges) -> Editions:
    """The editions of rows whose labels are those of edition two, but for the withdrawn.

    Raises:
        UsageError: of rows without labels, and of a label that none of them holds.
    """
    if rows.task is not TaskKind.CLASSIFICATION:
        raise UsageError("Only a classification has labels that change.", got=rows.task.value)
    held = {item.label for item in rows.test} & {item.label for item in rows.train}
    missing = sorted(set(changes.named) - held)
    if missing:
        raise UsageError(
            "A changed label is one that no row of train and test holds.",
            got=", ".join(missing),
            allowed=", ".join(sorted(held)),
        )
    made = sorted(set(changes.split) & set(rows.label_names))
    if made:
        raise UsageError("The label before a split must be a new name.", got=", ".join(made))
    whole = {part: name for name, parts in changes.split.items() for part in parts}
    before, after = whole | changes.added, dict(changes.withdrawn)
    first = _renamed(rows, before, _labels_before(rows, changes))
    kept = tuple(label for label in rows.labels if label.name not in changes.withdrawn)
    second = _renamed(rows, after, kept)
    groups = tuple(
        Group.WITHDRAWN if item.label in after else Group.CHANGED if item.label in before else Group.UNCHANGED
        for item in rows.test
    )
    counts = Counter(item.label for item in rows.test)
    return Editions(first=first, second=second, groups=groups, changes=tuple(_said(changes, counts)))


def _labels_before(rows: Evalset, changes: LabelChanges) -> tuple[Label, ...]:
    defined = {label.name: label.definition for label in rows.labels}
    gone = {part for parts in changes.split.values() for part in parts} | set(changes.added)
    wholes = tuple(
        Label(name=name, definition=" ".join(filter(None, (defined[part] for part in parts))))
        for name, parts in changes.split.items()
    )
    return (*(label for label in rows.labels if label.name not in gone), *wholes)


def _renamed(rows: Evalset, names: Mapping[str, str], labels: tuple[Label, ...]) -> Evalset:
    def renamed(items: Sequence[Item]) -> tuple[Item, ...]:
        return tuple(dataclasses.replace(item, target=names.get(item.label, item.label)) for item in items)

    return dataclasses.replace(
        rows, labels=labels, train=renamed(rows.train), dev=renamed(rows.dev), test=renamed(rows.test)
    )


def _said(changes: LabelChanges, counts: Mapping[str, int]) -> list[LabelChange]:
    found = [
        LabelChange(kind="split", before=(name,), after=parts, items=sum(counts[part] for part in parts))
        for name, parts in changes.split.items()
    ]
    found += [
        LabelChange(kind="added", before=(before,), after=(name,), items=counts[name])
        for name, before in changes.added.items()
    ]
    return found + [
        LabelChange(kind="withdrawn", before=(name,), after=(after,), items=counts[name])
        for name, after in changes.withdrawn.items()
    ]


def _second(plan: ExperimentPlan, change: ChangePlan) -> ExperimentPlan:
    """The plan with the data of edition two: those of edition one but for the keys that differ."""
    limits = {"limit_test": None, "limit_dev": None, "limit_train": None}
    try:
        data = DataPlan.model_validate(plan.data.model_dump() | limits | change.second)
    except ValidationError as error:
        raise UsageError(f"freshness.second names no rows: {faults_of(error, 'data')}") from error
    return plan.model_copy(update={"data": data})


def _between(first: Evalset, second: Evalset, *, limited: bool) -> Editions:
    """Edition two with the rows in the splits that edition one has them in.

    Rows with the same id and text are the same. Those that only edition two has are learnt from, unless a
    limit of the plan leaves rows out or they belong with a row of test.
    """
    later = {item.id: item for item in (*second.train, *second.dev, *second.test)}

    def same(items: Sequence[Item]) -> list[Item]:
        return [item for item in items if item.id in later and later[item.id].text == item.text]

    def now(items: Sequence[Item]) -> tuple[Item, ...]:
        return tuple(later[item.id] for item in same(items))

    both = same(first.test)
    if not both:
        raise DataError(
            "The two editions have no test item in common.", allowed="rows with the same id and text"
        )
    test, labels = now(both), set(second.label_names)
    groups = tuple(_group(item.target, new.target, labels) for item, new in zip(both, test, strict=True))
    if set(groups) == {Group.UNCHANGED}:
        raise DataError("Nothing changes between the two editions: every test item has the answer it had.")
    new = [] if limited else _new(first, second)
    kept = dataclasses.replace(
        second,
        test=test,
        dev=now(first.dev),
        train=(*now(first.train), *new),
        never_taught=tuple(dict.fromkeys((*first.never_taught, *second.never_taught))),
    )
    return Editions(first=dataclasses.replace(first, test=tuple(both)), second=kept, groups=groups)


def _new(first: Evalset, second: Evalset) -> list[Item]:
    """Rows to learn from that only edition two has, and that belong with no row of test."""
    known = {item.id for item in (*first.train, *first.dev, *first.test)}
    tested = {item.cluster for item in first.test if item.cluster is not None}
    return [item for item in second.train if item.id not in known and item.cluster not in tested]


def _group(before: Target, after: Target, labels: set[str]) -> Group:
    if isinstance(before, Reference) and isinstance(after, Reference):
        if before.answerable and not after.answerable:
            return Group.WITHDRAWN
        same = (before.answerable, set(before.answers)) == (after.answerable, set(after.answers))
        return Group.UNCHANGED if same else Group.CHANGED
    if before == after:
        return Group.UNCHANGED
    return Group.WITHDRAWN if isinstance(before, str) and before not in labels else Group.CHANGED
