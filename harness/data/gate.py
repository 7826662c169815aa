"""The gate: what is wrong, thin or odd about an evalset, as findings. Pure.

It changes nothing: overlapping test rows are kept and reported, and `exact_overlap_ids` of
`harness.data.leakage` names them so that accuracy can be given without them as well.

Personal data by `harness.privacy.detect`; a clean result is no proof of absence. Addresses under the domains
that RFC 2606 reserves for examples are counted like any other.

What makes a label unclear or gives it away: look-alikes, missing values, labels in the text. Pure.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from advisor.options import TaskKind
from advisor.stats.power import USUAL_DISCORDANCE, Design, minimum_detectable_difference
from harness.core.errors import DataError
from harness.core.records import Evalset, Finding, Item
from harness.core.references import Reference
from harness.core.wording import counted, reach_sentence
from harness.data.leakage import Likeness, fingerprint, likeness, overlaps, shared_ngram_ids
from harness.privacy.detect import ONLY_WHERE_SAID, Kind, find
from harness.tasks.answers import words as compared
from harness.tasks.wording import in_words

MISSING = frozenset(
    {"nan", "none", "null", "na", "n/a", "#n/a", "nil", "nat", "<na>", "undefined", "missing"}
)
"""Labels, case-folded, that programs write where a cell is empty."""

_BETWEEN = re.compile(r"(?<=[^\W_])[\s_-]+(?=[^\W_])")
_WHOLE_NUMBER = re.compile(r"([+-]?\d+)\.0+")
_JOINT = re.compile(r"[;|,/+]")
_MISREAD = re.compile(r"\S{0,20}(?:Ã.|â€.)\S{0,20}")
_WORDS = re.compile(r"[^\W_]+")
_DAY = re.compile(
    r"(\d{4}([-/.])\d{1,2}\2\d{1,2}|\d{1,2}([-/.])\d{1,2}\3(\d{4}|\d{2})|\d{1,2}\.? [^\W\d]{3,9}\.?,? \d{4}"
    r"|[^\W\d]{3,9}\.? \d{1,2},? \d{4})([T ,]+\d{1,2}:\d{2}.*)?"
)
_MANY_DATES = 10
_READ_CHARS = 8_000
_NO_ROOM, _FORM = "characters that take no room", "the form of their characters"
_UNSEEN = frozenset({_NO_ROOM, _FORM})  # differences that no screen shows
NEARLY_ALL = 0.9
"""From this share of the rows on, what names or settles the label is taken for a copy of it."""
_FEW = 0.01  # rows below this share move no figure by a point
LONG_ANSWERS = "long-answers"
_LONG_ANSWER_WORDS = 20
"""One with more is hardly ever given word for word: of SQuAD's own answers 99 % have at most 15."""
_CATEGORY_CHARS = 100
_FEW_VALUES = 0.1
"""A part of the text with more distinct values than this share of the rows is no category."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TellingPart:
    """A place in the text that settles the label.

    Attributes:
        place: 'the first part' or 'the last part'.
        values: some of its values.
        rows: how many rows have the label that most rows with their value have.
    """

    place: str
    values: tuple[str, ...]
    rows: int


def visible(label: str) -> str:
    """A label without characters that take no room, such as a zero-width space."""
    return "".join(char for char in label if unicodedata.category(char) != "Cf")


def plain(label: str) -> str:
    """What a label is when case, blanks, hyphens, character forms and a trailing .0 do not count."""
    text = " ".join(visible(unicodedata.normalize("NFKC", label)).casefold().split())
    number = _WHOLE_NUMBER.fullmatch(text)
    if number:
        return number.group(1)
    return _BETWEEN.sub(" ", text).strip(" _") or text


def look_alikes(labels: Sequence[str]) -> list[tuple[str, ...]]:
    """Labels that a reader would take for one, in their order."""
    forms: dict[str, list[str]] = defaultdict(list)
    for label in dict.fromkeys(labels):
        forms[plain(label)].append(label)
    return [tuple(variants) for variants in forms.values() if len(variants) > 1]


def difference(one: str, other: str) -> str:
    """In what two look-alikes differ."""
    if visible(one) == visible(other):
        return _NO_ROOM
    if one.casefold() == other.casefold():
        return "case"
    if one.casefold().split() == other.casefold().split():
        return "blanks"
    if _WHOLE_NUMBER.fullmatch(one) or _WHOLE_NUMBER.fullmatch(other):
        return "how a number is written"
    if unicodedata.normalize("NFKC", one) == unicodedata.normalize("NFKC", other):
        return _FORM
    return "case, blanks, hyphens or underscores"


def dates_among(labels: Sequence[str]) -> tuple[str, ...]:
    """The labels, where there are many and nearly all of them are dates: no class, but a column of days."""
    found = tuple(label for label in labels if _DAY.fullmatch(label.strip()))
    return found if len(found) >= max(_MANY_DATES, NEARLY_ALL * len(labels)) else ()


def names_own_label(items: Sequence[Item]) -> int:
    """In how many rows the text names their own label, as whole words, and no other."""
    labels: dict[tuple[str, ...], str] = {}
    for label in {item.label for item in items}:
        labels[tuple(_WORDS.findall(plain(label)))] = label
    labels.pop((), None)
    lengths = sorted({len(words) for words in labels}, reverse=True)
    return sum(_named(item.text, labels, lengths) == {item.label} for item in items)


def _named(text: str, labels: Mapping[tuple[str, ...], str], lengths: Sequence[int]) -> set[str]:
    """The labels named in a text; a name inside a longer name does not count."""
    words, found, place = _WORDS.findall(text[:_READ_CHARS].casefold()), set[str](), 0
    while place < len(words):
        size = next((n for n in lengths if tuple(words[place : place + n]) in labels), 0)
        if size:
            found.add(labels[tuple(words[place : place + size])])
        place += size or 1
    return found


def settled_by_a_part(items: Sequence[Item]) -> Iterator[TellingPart]:
    """Parts of the text with few values of which each stands under one label in nearly all rows.

    The parts are what the text columns were joined from; only the first and the last are looked at.
    """
    most = Counter(item.label for item in items).most_common(1)[0][1] if items else 0
    for place, end in (("the first part", 0), ("the last part", -1)):
        found: dict[str, Counter[str]] = defaultdict(Counter)
        for item in items:
            parts = item.text.split("\n\n")
            if len(parts) > 1 and len(parts[end]) < _CATEGORY_CHARS:
                found[parts[end]][item.label] += 1
            if len(found) > _FEW_VALUES * len(items):
                break
        told = sum(labels.most_common(1)[0][1] for labels in found.values())
        if 1 < len(found) <= _FEW_VALUES * len(items) and told > max(most, NEARLY_ALL * len(items)):
            yield TellingPart(place=place, values=tuple(list(found)[:3]), rows=told)


Severity = Literal["error", "warning", "note"]
SHOWN_IDS = 20


REACH = "power"
PERSONAL_DATA = "personal-data"
"""The finding that says what the test rows can show; a run's own comparison says it better afterwards."""
_FOR_EVERY_SPLIT = 3  # rows of a label, as `split` places them
_TESTED = ("label-not-in-test", "thin-support-test")


@dataclass(frozen=True, slots=True, kw_only=True)
class GateLimits:
    """From where on the gate speaks up.

    Attributes:
        support_train, support_test: rows of a label under which it is called thin.
        imbalance: ratio of the largest to the smallest label in train.
        long_chars: characters from which a row counts as very long.
        ngram_share: share of rows with an 8-gram of another row.
        difference: the margin of a tie for which the rows needed are stated.
        coarse: a smallest detectable difference above this is a warning.
    """

    support_train: int = 5
    support_test: int = 5
    imbalance: float = 20.0
    long_chars: int = 8_000
    ngram_share: float = 0.02
    difference: float = 0.02
    coarse: float = 0.06


DEFAULT_LIMITS = GateLimits()


def check(
    evalset: Evalset, limits: GateLimits = DEFAULT_LIMITS, like: Likeness | None = None
) -> tuple[Finding, ...]:
    """All findings on an evalset, errors first.

    Args:
        like: how its rows were compared, where that was done before.
    """
    closed = evalset.task is TaskKind.CLASSIFICATION
    dates = dates_among(evalset.label_names) if closed else ()
    if dates:
        message = (
            f"The label column holds {len(dates):,} different dates ({_some(dates[:3])}). Name the column "
            "that holds the answer (--label)."
        )
        return (_finding("label-dates", "error", message),)
    like = like or likeness(_rows(evalset))
    found = [
        *_structure(evalset, like),
        *(_label_set(evalset, limits) if closed else ()),
        *_overlap(evalset, like),
        *_texts(evalset, limits),
        *_long_answers(evalset),
        *_conflicts(evalset),
        *_personal_data(evalset),
        *_power(evalset, limits),
        *_provenance(evalset),
    ]
    return tuple(_sorted(found))


def _sorted(found: Iterable[Finding]) -> list[Finding]:
    order = {"error": 0, "warning": 1, "note": 2}
    return sorted(found, key=lambda finding: order[finding.severity])


def of_what_is_left(evalset: Evalset, limits: GateLimits = DEFAULT_LIMITS) -> tuple[Finding, ...]:
    """The findings of a whole evalset, but what test rows can show is that of the rows that a limit left."""
    tested = _tested(evalset, limits) if evalset.task is TaskKind.CLASSIFICATION else ()
    left = {finding.code: finding for finding in (*_power(evalset, limits), *tested)}
    own = (REACH, *_TESTED)
    kept = [left.pop(f.code, f) for f in evalset.findings if f.code in left or f.code not in own]
    return tuple(_sorted([*kept, *left.values()]))


def require_usable(name: str, findings: Sequence[Finding]) -> None:
    """Raise if a finding is an error.

    Raises:
        DataError: naming every error.
    """
    errors = [finding for finding in findings if finding.severity == "error"]
    if errors:
        lines = "\n".join(f"  - {error.message.removesuffix('.')}{_places(error)}." for error in errors)
        raise DataError(f"{name} cannot be used: {counted(len(errors), 'problem', 'problems')}.\n{lines}")


def _places(finding: Finding) -> str:
    if not finding.item_ids:
        return ""
    return f" ({', '.join(finding.item_ids[:5])}{', ...' if len(finding.item_ids) > 5 else ''})"


def _finding(code: str, severity: Severity, message: str, items: Iterable[str] = ()) -> Finding:
    return Finding(code=code, severity=severity, message=message, item_ids=tuple(items)[:SHOWN_IDS])


def _splits(evalset: Evalset) -> dict[str, tuple[Item, ...]]:
    return {"train": evalset.train, "dev": evalset.dev, "test": evalset.test}


def _rows(evalset: Evalset) -> tuple[Item, ...]:
    return evalset.train + evalset.dev + evalset.test


def _structure(evalset: Evalset, like: Likeness) -> Iterable[Finding]:
    empty = [split for split, rows in _splits(evalset).items() if not rows]
    if empty:
        named = f"{empty[0]} split has" if len(empty) == 1 else f"{' and '.join(empty)} splits have"
        why = _swallowed(evalset, like) or _too_few(evalset)
        yield _finding("empty-split", "error", f"The {named} no rows{why}.")
    counts = Counter(item.id for item in _rows(evalset))
    twice = [own for own, count in counts.items() if count > 1]
    if twice:
        yield _finding(
            "duplicate-id", "error", f"{counted(len(twice), 'id is', 'ids are')} there more than once.", twice
        )
    homes: dict[str, set[str]] = defaultdict(set)
    for split, rows in _splits(evalset).items():
        for item in rows:
            if item.cluster is not None:
                homes[item.cluster].add(split)
    torn = {cluster for cluster, where in homes.items() if len(where) > 1}
    if torn:
        some = counted(len(torn), "cluster has", "clusters have")
        message = f"{some} rows in more than one split: {_some(sorted(torn))}."
        rows_of = (item.id for item in _rows(evalset) if item.cluster in torn)
        yield _finding("cluster-across-splits", "warning", message, rows_of)


def _too_few(evalset: Evalset) -> str:
    """Why a split is empty: a label's first row is for train, its second for test, its third for dev."""
    if evalset.task is not TaskKind.CLASSIFICATION or not evalset.train:
        return ""
    most = max(Counter(item.label for item in _rows(evalset)).values())
    if most >= _FOR_EVERY_SPLIT:
        return ""
    if most == 1:
        return (
            ": each row has a label of its own, as ids and free texts are. Name the column that holds the "
            f"answer (--label), or label more rows: from {_FOR_EVERY_SPLIT} on a label is in all three splits"
        )
    return (
        f": no label has more than {counted(most, 'row', 'rows')}, and a label is in all three splits from "
        f"{_FOR_EVERY_SPLIT} rows on. Label more rows, or join labels that are alike"
    )


def _swallowed(evalset: Evalset, like: Likeness) -> str:
    """Why a split or a label's rows are missing from it: one cluster holds half of all rows, or more."""
    rows = _rows(evalset)
    clusters = Counter(item.cluster for item in rows if item.cluster is not None)
    if not clusters:
        return ""
    tied = {cluster for cluster, count in clusters.items() if count > len(rows) / 10}
    held = sum(clusters[cluster] for cluster in tied)
    if held < len(rows) / 2:
        return ""
    shared = f"; {like.boilerplate.rows} rows hold {like.boilerplate.text!r}" if like.boilerplate else ""
    return (
        f": {held} of {len(rows)} rows are near-duplicates of one another or of one group, and such rows "
        f"stay in one split{shared}. Take what they share out of the text, or name the columns that differ "
        "(--text) or finer groups (--group)"
    )


def _second_labels(evalset: Evalset) -> Iterable[Finding]:
    known = set(evalset.label_names)
    stray = sorted(set(evalset.second_labels) - {item.id for item in evalset.test})
    if stray:
        some = counted(len(stray), "second label names", "second labels name")
        yield _finding("second-label", "error", f"{some} no test row.", stray)
    alien = sorted(item for item, label in evalset.second_labels.items() if label not in known)
    if alien:
        some = counted(len(alien), "second label is", "second labels are")
        yield _finding("second-label", "error", f"{some} not in the label set.", alien)


def _label_set(evalset: Evalset, limits: GateLimits) -> Iterable[Finding]:
    """What is wrong, thin or odd about labels."""
    known = set(evalset.label_names)
    unknown = [item for item in _rows(evalset) if item.label not in known]
    if unknown:
        names = ", ".join(ascii(name) for name in sorted({item.label for item in unknown})[:5])
        message = (
            f"{counted(len(unknown), 'row has', 'rows have')} a label that is not in the label set: {names}."
        )
        yield _finding("unknown-label", "error", message, (item.id for item in unknown))
    yield from _second_labels(evalset)
    yield from _labels(evalset, limits)
    yield from _given_away(evalset)


def _labels(evalset: Evalset, limits: GateLimits) -> Iterable[Finding]:
    train = Counter(item.label for item in evalset.train)
    test = Counter(item.label for item in evalset.test)
    if len(train.keys() | test.keys()) < 2:
        only = ", ".join(map(repr, train or test))
        yield _finding(
            "one-class", "error", f"All rows carry one label, {only}; there is nothing to classify."
        )
        return
    unseen = sorted(set(test) - set(train))
    if unseen:
        message = (
            f"{counted(len(unseen), 'label is', 'labels are')} in test but not in train: {_some(unseen)}."
        )
        rows = (item.id for item in evalset.test if item.label in set(unseen))
        yield _finding("label-only-in-test", "error", message, rows)
    yield from _support("train", train, limits.support_train)
    yield from _tested(evalset, limits)
    if train and max(train.values()) / min(train.values()) > limits.imbalance:
        (most, many), (least_label, few) = train.most_common(1)[0], train.most_common()[-1]
        message = f"Labels are uneven in train: {many} rows of {most!r}, {few} of {least_label!r}."
        yield _finding("imbalance", "note", message)
    yield from _spellings(evalset)


def _tested(evalset: Evalset, limits: GateLimits) -> Iterable[Finding]:
    """Labels on which the test rows measure nothing, or next to nothing."""
    test, labels = Counter(item.label for item in evalset.test), evalset.label_names
    untested = sorted(set(labels) - set(test))
    if untested:
        message = (
            f"{len(evalset.test):,} test rows do not measure {len(labels):,} labels: "
            f"{counted(len(untested), 'label has', 'labels have')} no test row: {_some(untested)}."
        )
        yield _finding("label-not-in-test", "warning", message)
    yield from _support("test", test, limits.support_test)


def _support(name: str, counts: Counter[str], least: int) -> Iterable[Finding]:
    thin = sorted(label for label, count in counts.items() if count < least)
    if thin:
        some = counted(len(thin), "label has", "labels have")
        message = f"{some} fewer than {least} {name} rows: {_some(thin)}."
        yield _finding(f"thin-support-{name}", "warning", message)


def _spellings(evalset: Evalset) -> Iterable[Finding]:
    counts = Counter(item.label for item in _rows(evalset))
    for variants in look_alikes(evalset.label_names):
        shown = ascii if difference(*variants[:2]) in _UNSEEN else repr
        listed = " and ".join(_counted(label, counts, shown) for label in variants[:6])
        more = ", ..." if len(variants) > 6 else ""
        message = f"Labels that look alike: {listed}{more} differ in {difference(*variants[:2])} only."
        yield _finding("label-spelling", "warning", message)
    missing = [label for label in evalset.label_names if label.casefold() in MISSING]
    if missing:
        listed = ", ".join(_counted(label, counts) for label in missing[:6])
        message = (
            f"Labels that read like a missing value: {listed}. If they mean that there is none, empty these "
            "cells and leave them out with --skip-unlabelled."
        )
        yield _finding("label-missing", "warning", message)
    joined = _joined(evalset.label_names)
    if joined:
        some = counted(len(joined), "label joins", "labels join")
        listed = ", ".join(_counted(label, counts) for label in joined[:6])
        message = (
            f"{some} others: {listed}. Each counts as a label of its own here; where a text may have "
            "several, give every label a column of yes and no, and read these with --fields."
        )
        yield _finding("label-joined", "warning", message)


def _joined(labels: Sequence[str]) -> list[str]:
    """Labels that hold several others, as exports write tags: 'pay;login' beside 'pay' and 'login'."""
    parts = {label: [part.strip(" '\"") for part in _JOINT.split(label.strip("[]"))] for label in labels}
    listed = Counter(part for label in labels if set(label) & set(";|") for part in set(parts[label]))
    known = {*labels, *(part for part, count in listed.items() if count > 1)}
    return [label for label, found in parts.items() if len(found) > 1 and known.issuperset(found)]


def _counted(label: str, counts: Counter[str], shown: Callable[[str], str] = repr) -> str:
    return f"{shown(label)} ({counts[label]:,} rows)"


def _given_away(evalset: Evalset) -> Iterable[Finding]:
    """Whether the text holds a copy of the label, so that reading it off is no achievement."""
    rows = _rows(evalset)
    if len({item.label for item in rows}) < 2:
        return
    named = names_own_label(rows)
    if named >= NEARLY_ALL * len(rows):
        message = (
            f"{named:,} of {len(rows):,} rows name their own label in the text, and no other: if it is not "
            "known when a text arrives, leave that column or phrase out."
        )
        yield _finding("label-in-text", "warning", message)
    for given in settled_by_a_part(rows):
        message = (
            f"{given.place.capitalize()} of the text ({_some(given.values)}) decides the label in "
            f"{given.rows:,} of {len(rows):,} rows: if it is not known when a text arrives, leave its column "
            "out."
        )
        yield _finding("label-settled", "warning", message)


def _overlap(evalset: Evalset, like: Likeness) -> Iterable[Finding]:
    parts = _splits(evalset)
    if like.boilerplate:
        message = (
            f"{like.boilerplate.rows} rows hold a phrase that many share, such as {like.boilerplate.text!r}; "
            "such phrases are left out where near-duplicates are looked for."
        )
        yield _finding("boilerplate", "note", message)
    for (against, name), found in overlaps(parts, like).items():
        exact = [overlap.row_id for overlap in found if overlap.kind == "exact"]
        near = [overlap.row_id for overlap in found if overlap.kind == "near"]
        share = f"of {len(parts[name])} {name} rows"
        if exact:
            message = f"{len(exact)} {share} stand in {against} word for word; they are kept."
            yield _finding(f"{against}-{name}-overlap", "warning", message, exact)
        if near:
            message = f"{len(near)} {share} are near-duplicates of rows in {against}; they are kept."
            yield _finding(f"{against}-{name}-near-duplicates", "note", message, near)


def _texts(evalset: Evalset, limits: GateLimits) -> Iterable[Finding]:
    rows = _rows(evalset)
    empty = [item.id for item in rows if not item.text.strip()]
    if empty:
        message = f"{counted(len(empty), 'row has', 'rows have')} no text."
        yield _finding("empty-text", "warning", message, empty)
    misread = {item.id: found for item in rows if (found := _misread(item.text))}
    if misread:
        few = len(misread) < _FEW * len(rows)
        written, meant = next(iter(misread.values()))
        message = (
            f"In {len(misread):,} of {len(rows):,} rows letters were read in a wrong encoding before this "
            f"file was written, such as {written!r} for {meant!r}: export it anew as UTF-8."
        )
        yield _finding("misread-letters", "note" if few else "warning", message, misread)
    long = [item.id for item in rows if len(item.text) > limits.long_chars]
    if long:
        some = counted(len(long), "row is", "rows are")
        message = f"{some} longer than {limits.long_chars:,} characters and will be cut."
        yield _finding("long-text", "note", message, long)
    shared = shared_ngram_ids(rows)
    if rows and len(shared) / len(rows) > limits.ngram_share:
        message = f"{len(shared)} of {len(rows)} rows share a run of 8 words with another row."
        yield _finding("shared-8-grams", "note", message, sorted(shared))


def _misread(text: str) -> tuple[str, str] | None:
    """A word whose UTF-8 was taken for Windows-1252, as it is written and as it was meant."""
    for word in _MISREAD.findall(text):
        try:
            return word, word.encode("cp1252").decode()
        except UnicodeError:
            continue
    return None


def _long_answers(evalset: Evalset) -> Iterable[Finding]:
    """Questions with a paragraph for their answer: an answer is right only if one stands in it."""
    references = {item.id: item.target for item in _rows(evalset) if isinstance(item.target, Reference)}
    answered = {own: one.answers for own, one in references.items() if one.answers}
    shortest = {own: min(len(compared(way)) for way in ways) for own, ways in answered.items()}
    long = [own for own, size in shortest.items() if size > _LONG_ANSWER_WORDS]
    if long:
        message = (
            f"{len(long):,} of {len(answered):,} answered questions have no acceptable answer of at most "
            f"{_LONG_ANSWER_WORDS} words. An answer is right where an acceptable one stands in it word for "
            "word, so hardly any will be: state the fact itself in a few words, several ways with | between."
        )
        severity: Severity = "note" if len(long) < _FEW * len(answered) else "warning"
        yield _finding(LONG_ANSWERS, severity, message, long)


def _conflicts(evalset: Evalset) -> Iterable[Finding]:
    """Equal texts with different answers: the only noise in answers that shows without a model."""
    by_text: dict[bytes, list[Item]] = defaultdict(list)
    for item in _rows(evalset):
        by_text[fingerprint(item.text)].append(item)
    clashing = [
        rows for text, rows in by_text.items() if text and len({in_words(row.target) for row in rows}) > 1
    ]
    if clashing:
        answer = "label" if evalset.labels else "answer"
        message = f"{counted(len(clashing), 'text has', 'texts have')} more than one {answer}."
        yield _finding(
            "conflicting-labels", "warning", message, (row.id for rows in clashing for row in rows)
        )
    again = [rows for text, rows in by_text.items() if text and len(rows) > 1]
    if again:
        repeated = sum(len(rows) - 1 for rows in again)
        message = f"{counted(repeated, 'row repeats', 'rows repeat')} the text of another row."
        yield _finding("repeated-text", "note", message, (rows[1].id for rows in again))


def _personal_data(evalset: Evalset) -> Iterable[Finding]:
    counts: Counter[Kind] = Counter()
    rows = []
    for item in _rows(evalset):
        kinds = {one.kind for one in find(item.text)}
        counts.update(kinds)
        rows += [item.id] * bool(kinds)
    if rows:
        listed = ", ".join(
            f"{kind.nouns} in {counted(counts[kind], 'row', 'rows')}" for kind in Kind if counts[kind]
        )
        message = f"Personal data: {listed}. {ONLY_WHERE_SAID}"
        invented = "machine-written" in evalset.provenance.casefold()
        yield _finding(PERSONAL_DATA, "note" if invented else "warning", message, dict.fromkeys(rows))


def _power(evalset: Evalset, limits: GateLimits) -> Iterable[Finding]:
    n = len(evalset.test)
    if not n:
        return
    found = minimum_detectable_difference(n, USUAL_DISCORDANCE[0])
    severity: Severity = "warning" if found is None or found > limits.coarse else "note"
    yield _finding(REACH, severity, reach_sentence(n, limits.difference, Design()))


def _provenance(evalset: Evalset) -> Iterable[Finding]:
    if "machine-written" in evalset.provenance.casefold():
        message = f"The rows are {evalset.provenance}; figures need not carry over to your own data."
        yield _finding("machine-written", "note", message)


def _some(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names[:6])) + (f" and {len(names) - 6:,} more" if len(names) > 6 else "")
