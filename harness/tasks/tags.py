"""Fields as tags on a text's tokens and picks of a whole text: what an encoder learns, and how it is read.

A field whose values are written in the text is a tag: every token bears at most one. A field with a closed
set of values is a pick: one of them or nothing, decided by the text's strongest token; each value of a
repeated one is a pick of its own. So a value that is neither written nor one of a closed set cannot be
learnt, and none is made up: what is read stands in the text, or in the schema.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.core.records import Fields
from harness.models.local.encoder import EncoderTagger, TokenShares
from harness.tasks.fields import Field, FieldKind, FieldSchema, entries_of, put, read_value, same_as
from harness.tasks.spans import Span, in_text, places, readings, whole_words

Shares = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldPick:
    """One choice made for a whole text: nothing, or one of these values of a field."""

    field: Field
    values: tuple[str | bool, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Marked:
    """What a text teaches.

    Attributes:
        tags: stretches, each with the place of its field among those that are written.
        picks: of every pick 0 for nothing, or the place of the value, from 1.
        stated, learnt: values that the row states, and those among them that tags and picks can give.
    """

    tags: tuple[tuple[Span, int], ...]
    picks: tuple[int, ...]
    stated: int
    learnt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TagThresholds:
    """From which probability on a tag or a value of a pick is taken."""

    tag: float = 0.5
    pick: float = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldTags:
    """The tags and picks of a schema.

    Attributes:
        written: fields whose values stand in the text, in the order of their tags.
    """

    schema: FieldSchema
    written: tuple[Field, ...]
    picks: tuple[FieldPick, ...]

    @classmethod
    def of(cls, schema: FieldSchema) -> FieldTags:
        """Those of a schema."""
        written = tuple(one for one in schema.fields if in_text(one))
        picks = tuple(pick for one in schema.fields if not in_text(one) for pick in _picks(one))
        return cls(schema=schema, written=written, picks=picks)

    @property
    def sizes(self) -> tuple[int, ...]:
        """Of the tags and of every pick, how many probabilities there are, that of nothing included."""
        return (1 + len(self.written), *(1 + len(pick.values) for pick in self.picks))

    def marked(self, text: str, values: Fields) -> Marked:
        """What a row teaches; of stretches that overlap the longer one."""
        found, stated, learnt = [], 0, 0
        for place, one in enumerate(self.written):
            for value in entries_of(values, one.path):
                spans = places(one, value, text)
                found += [(span, place) for span in spans]
                stated, learnt = stated + 1, learnt + bool(spans)
        chosen = tuple(_picked(pick, values) for pick in self.picks)
        closed = sum(len(entries_of(values, one.path)) for one in self.schema.fields if not in_text(one))
        kept = _apart(sorted(found, key=lambda mark: (mark[0][0] - mark[0][1], mark[0], mark[1])))
        return Marked(tags=tuple(sorted(kept)), picks=chosen, stated=stated + closed, learnt=learnt + closed)

    def read(self, text: str, tagged: TokenShares, least: TagThresholds) -> dict[str, Any]:
        """The fields that a text states, in the schema's form."""
        found: dict[str, Any] = {}
        for place, one in enumerate(self.written):
            shares = tagged.tags[:, place + 1]
            put(found, one, _values(one, text, _stretches(one, text, tagged.tokens, shares, least.tag)))
        for pick, shares in zip(self.picks, tagged.picks, strict=True):
            best = int(np.argmax(shares[1:]))
            if shares[1 + best] >= least.pick:
                put(found, pick.field, [pick.values[best]])
        return self.schema.ordered(found)


def _picks(one: Field) -> Iterator[FieldPick]:
    values: tuple[str | bool, ...] = (True, False) if one.kind is FieldKind.YES_NO else one.choices
    if one.repeated:
        yield from (FieldPick(field=one, values=(value,)) for value in values)
    else:
        yield FieldPick(field=one, values=values)


def _picked(pick: FieldPick, values: Fields) -> int:
    said = [read_value(pick.field, value) for value in entries_of(values, pick.field.path)]
    return next((place for place, value in enumerate(pick.values, 1) if value in said), 0)


def _apart(marks: Sequence[tuple[Span, int]]) -> list[tuple[Span, int]]:
    """Marks that overlap no earlier one."""
    kept: list[tuple[Span, int]] = []
    for (start, end), place in marks:
        if all(end <= other[0] or start >= other[1] for other, _ in kept):
            kept.append(((start, end), place))
    return kept


def _stretches(
    one: Field, text: str, tokens: Sequence[Span], shares: Shares, least: float
) -> list[tuple[float, Span]]:
    """Stretches that may hold a value, the likeliest first: runs of tagged tokens, or numbers and dates."""
    if one.kind is FieldKind.TEXT:
        found = list(_runs(text, tokens, shares, least))
    else:
        found = []
        for span, _ in readings(one, text):
            inside = [
                share
                for (start, end), share in zip(tokens, shares, strict=True)
                if start < span[1] and end > span[0]
            ]
            if inside and float(np.mean(inside)) >= least:
                found.append((float(np.mean(inside)), span))
    return sorted(found, key=lambda stretch: (-stretch[0], stretch[1][0] - stretch[1][1], stretch[1]))


def _runs(text: str, tokens: Sequence[Span], shares: Shares, least: float) -> Iterator[tuple[float, Span]]:
    for bears, run in itertools.groupby(range(len(tokens)), key=lambda place: shares[place] >= least):
        places_ = list(run)
        if bears:
            span = whole_words((tokens[places_[0]][0], tokens[places_[-1]][1]), text)
            if span[0] < span[1]:
                yield float(shares[places_].mean()), span


def _values(one: Field, text: str, stretches: Sequence[tuple[float, Span]]) -> list[Any]:
    """The values of the likeliest stretches, each once."""
    found: dict[str, Any] = {}
    taken: list[Span] = []
    for _, (start, end) in stretches:
        if any(start < other[1] and end > other[0] for other in taken):
            continue
        value = read_value(one, text[start:end])
        if value is not None and same_as(one, value):
            taken.append((start, end))
            found.setdefault(same_as(one, value), value)
    return list(found.values())


def share_learnt(marks: Sequence[Marked]) -> tuple[int, int]:
    """Of all values that rows state, how many tags and picks can give."""
    return sum(one.learnt for one in marks), sum(one.stated for one in marks)


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldReader:
    """An encoder with what its scores mean, ready to answer."""

    tagger: EncoderTagger
    tags: FieldTags
    least: TagThresholds

    def read(self, texts: Sequence[str]) -> list[dict[str, Any]]:
        """The fields that each text states."""
        shares = self.tagger.shares(texts)
        return [self.tags.read(text, one, self.least) for text, one in zip(texts, shares, strict=True)]

    def answers(self, texts: Sequence[str]) -> list[str]:
        """The same as a model would write them: one line of JSON a text."""
        return [self.tags.schema.written(values) for values in self.read(texts)]
