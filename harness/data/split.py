"""Splitting: stratified, of labels by label, groups kept whole, seeded, the same on every machine. Pure.

Quotas are set per label so that both each label's and the whole's shares come as near to the
fractions as whole rows allow; groups then fill the quotas, the hardest first. With single-row groups
the quotas are met exactly.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from harness.core.records import Evalset, Item
from harness.data.source import rows_digest
from harness.tasks.kinds import task_of

Fractions = Mapping[str, float]
Stratum = Callable[[Item], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Group:
    rows: tuple[int, ...]
    labels: tuple[tuple[str, int], ...]


def stratified_group_split(
    labels: Sequence[str], groups: Sequence[str | None], fractions: Fractions, seed: int
) -> list[str]:
    """Assign every row to a split.

    Args:
        groups: rows with the same value go to the same split; None is a group of its own.
        fractions: share of each split, summing to 1. The first split named is the one that learns:
            each label has at least one row there, whatever the fractions say. A label with rows
            enough then gets one into the last split, then into those between.

    Returns:
        The split's name for each row, in row order.

    Raises:
        ValueError: fractions are not positive or do not sum to 1, or the lengths differ.
    """
    if len(labels) != len(groups):
        raise ValueError(f"{len(labels)} labels but {len(groups)} groups")
    if not fractions or min(fractions.values()) <= 0 or abs(sum(fractions.values()) - 1) > 1e-9:
        raise ValueError(f"fractions must be positive and sum to 1, got {dict(fractions)}")
    names = tuple(fractions)
    need = _quotas(labels, fractions)
    assigned = [names[0]] * len(labels)
    for group in _in_order(labels, groups, seed):
        split = _best_split(group, need, names)
        for label, count in group.labels:
            need[label][split] -= count
        for row in group.rows:
            assigned[row] = split
    _give_learner_every_label(assigned, labels, groups, names[0])
    return assigned


def split_items(
    items: Sequence[Item], fractions: Fractions, seed: int, stratum: Stratum
) -> dict[str, tuple[Item, ...]]:
    """Split items by stratum and cluster; each part keeps the items' order.

    Raises:
        ValueError: as `stratified_group_split`.
    """
    labels = [stratum(item) for item in items]
    assigned = stratified_group_split(labels, [item.cluster for item in items], fractions, seed)
    pairs = list(zip(items, assigned, strict=True))
    return {name: tuple(item for item, split in pairs if split == name) for name in fractions}


def subsample(items: Sequence[Item], n: int | None, seed: int, stratum: Stratum) -> tuple[Item, ...]:
    """At most n items with the strata in proportion, in their order; all of them when n is None.

    With n of at least the number of strata every one keeps a row.
    """
    if n is None or n >= len(items):
        return tuple(items)
    if n <= 0:
        return ()
    rng = np.random.default_rng(seed)
    by_label: dict[str, list[int]] = defaultdict(list)
    for row, item in enumerate(items):
        by_label[stratum(item)].append(row)
    counts = {label: len(rows) for label, rows in sorted(by_label.items())}
    kept: list[int] = []
    for label, quota in _proportional(counts, n).items():
        rows = np.array(by_label[label])
        kept.extend(int(row) for row in rng.permutation(rows)[:quota])
    return tuple(items[row] for row in sorted(kept))


def limit_evalset(
    evalset: Evalset, *, train: int | None, dev: int | None, test: int | None, seed: int
) -> Evalset:
    """The evalset with its splits subsampled and their digests computed anew; findings are kept."""
    stratum = task_of(evalset.space).stratum
    part = replace(
        evalset,
        train=subsample(evalset.train, train, seed, stratum),
        dev=subsample(evalset.dev, dev, seed, stratum),
    )
    return keep_test(part, subsample(evalset.test, test, seed, stratum))


def keep_test(evalset: Evalset, test: tuple[Item, ...]) -> Evalset:
    """The evalset with these of its test items only, digests computed anew; findings are kept."""
    kept = {item.id for item in test}
    parts = {"train": evalset.train, "dev": evalset.dev, "test": test}
    return replace(
        evalset,
        test=test,
        digests={name: rows_digest(rows) for name, rows in parts.items()},
        second_labels={item: label for item, label in evalset.second_labels.items() if item in kept},
    )


def _proportional(counts: dict[str, int], n: int) -> dict[str, int]:
    """Largest remainders over the labels, after one row for each where n suffices for that."""
    floor = 1 if n >= len(counts) else 0
    total, free = sum(counts.values()), n - floor * len(counts)
    spare = total - floor * len(counts)
    exact = {label: free * (count - floor) / spare if spare else 0.0 for label, count in counts.items()}
    quota = {label: floor + int(share) for label, share in exact.items()}
    by_remainder = sorted(counts, key=lambda label: (int(exact[label]) - exact[label], label))
    for label in by_remainder[: n - sum(quota.values())]:
        quota[label] += 1
    return quota


def _quotas(labels: Sequence[str], fractions: Fractions) -> dict[str, dict[str, int]]:
    """Rows each split should get of each label.

    Rounded down first; each label's left-over rows go to the splits that are furthest behind over
    all labels so far, so that rounding does not add up.
    """
    names = tuple(fractions)
    behind = dict.fromkeys(names, 0.0)
    quotas: dict[str, dict[str, int]] = {}
    for label, count in sorted(Counter(labels).items()):
        quota = {name: int(fractions[name] * count) for name in names}
        for name in names:
            behind[name] += fractions[name] * count - quota[name]
        first = _minimum_presence(quota, count, names)
        for name in first:
            quota[name] += 1
            behind[name] -= 1
        while sum(quota.values()) < count:
            name = max(names, key=lambda n: (behind[n], -names.index(n)))
            quota[name] += 1
            behind[name] -= 1
        while sum(quota.values()) > count:
            name = max((n for n in names if quota[n] > 1), key=lambda n: (-behind[n], -names.index(n)))
            quota[name] -= 1
            behind[name] += 1
        quotas[label] = quota
    return quotas


def _minimum_presence(quota: dict[str, int], count: int, names: tuple[str, ...]) -> list[str]:
    """Splits that have no row of a label yet and must get one: learner, then last, then the others."""
    priority = [names[0], *reversed(names[1:])][:count]
    return [name for name in priority if quota[name] == 0]


def _in_order(labels: Sequence[str], groups: Sequence[str | None], seed: int) -> list[_Group]:
    """Groups, the hardest to place first: most labels, then most rows, then a seeded shuffle."""
    members: dict[str, list[int]] = defaultdict(list)
    for row in range(len(groups)):
        members[_group_key(row, groups)].append(row)
    found = [
        _Group(rows=tuple(rows), labels=tuple(sorted(Counter(labels[row] for row in rows).items())))
        for rows in members.values()
    ]
    shuffled = [found[i] for i in np.random.default_rng(seed).permutation(len(found))]
    return sorted(shuffled, key=lambda group: (-len(group.labels), -len(group.rows)))


def _best_split(group: _Group, need: dict[str, dict[str, int]], names: tuple[str, ...]) -> str:
    """The split whose quotas the group fills best: least overshoot, then the greatest need."""

    def fit(name: str) -> tuple[int, int, int]:
        overshoot = sum(max(0, count - max(0, need[label][name])) for label, count in group.labels)
        wanted = sum(need[label][name] for label, _ in group.labels)
        return (-overshoot, wanted, -names.index(name))

    return max(names, key=fit)


def _give_learner_every_label(
    assigned: list[str], labels: Sequence[str], groups: Sequence[str | None], learner: str
) -> None:
    """Move the smallest group of a label into the learner where large groups left it without one."""
    members: dict[str, list[int]] = defaultdict(list)
    by_label: dict[str, list[int]] = defaultdict(list)
    for row, label in enumerate(labels):
        members[_group_key(row, groups)].append(row)
        by_label[label].append(row)
    for _, rows in sorted(by_label.items()):
        if not any(assigned[row] == learner for row in rows):
            whole = [members[_group_key(row, groups)] for row in rows]
            for row in min(whole, key=lambda group: (len(group), group)):
                assigned[row] = learner


def _group_key(row: int, groups: Sequence[str | None]) -> str:
    group = groups[row]
    return f"row {row}" if group is None else f"group {group}"
