"""Extraction: the fields that a text states, as JSON by a schema.

The wording below is frozen as that of classification is: a changed word is a new `PROMPT_VERSION`. An item's
value is the F1 of its (field, value) pairs: 1 where nothing is stated and nothing is given, 0 where no object
can be read in the answer. What counts as the same value is `harness.tasks.fields`' matter.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, assert_never

from advisor.options import Option, TaskKind
from advisor.reading import Unreadable, parse_json
from harness.core.records import Estimate, Item, JsonSchema, Message, Neighbour, Target
from harness.tasks.field_breakdown import FieldBreakdown, by_field, micro_f1
from harness.tasks.fields import (
    Field,
    FieldKind,
    entries_of,
    fields_in,
    parse_schema,
    put,
    same_as,
    whole,
)
from harness.tasks.json_answers import read_object, structured
from harness.tasks.labels import said
from harness.tasks.measures import Measuring, everything, mean
from harness.tasks.records import Combined, Guide, Metric, Nouns, PromptLimits, Score
from harness.tasks.scored import Scored
from harness.tasks.spans import in_text, places
from harness.tasks.wording import check_sends, clip, example_turns, messages_digest

PROMPT_VERSION = "extraction-1"
PROMPT_VERSIONS = (PROMPT_VERSION,)
_TUNED_TASK = "Give the fields that the message states as JSON."

FIELD_F1 = Metric(name="field F1", noun="field F1", whole="whole answers", primary=True)
ALL_RIGHT = Metric(name="all fields right", noun="messages with all fields right")
MICRO_F1 = Metric(name="F1 over fields", noun="F1 over fields", per_item=False)
NOUNS = Nouns(
    answer="field",
    answers="fields",
    invalid="holds no JSON object",
    invalid_many="hold no JSON object",
    invalid_past="held no JSON object",
)

_ROOM, _FIELD_ROOM = 16, 16  # tokens of an answer, and of each field in it


class ExtractionTask:
    """Fields of one evalset."""

    kind = TaskKind.EXTRACTION
    metrics = (FIELD_F1, ALL_RIGHT, MICRO_F1)
    choices: tuple[str, ...] = ()

    def __init__(self, schema: Mapping[str, Any], limits: PromptLimits) -> None:
        """
        Raises:
            DataError: if the schema cannot be used.
        """
        self.fields = parse_schema(dict(schema), "The schema of the fields")
        self._limits = limits
        described = any(one.description for one in self.fields.fields)
        self.guides = tuple(Guide) if described else (Guide.NAMES,)

    def read_target(self, cells: Sequence[str]) -> Target | None:
        """Fields from one cell of JSON, or from a cell a field, where an empty one is absent.

        Raises:
            ValueError: if that is no JSON object, or values do not fit the schema.
        """
        values = self._of_json(cells[0]) if len(cells) == 1 else None
        if values is None:
            values = self._of_cells(cells)
        misfits = self.fields.misfits(values)
        if misfits:
            raise ValueError("; ".join(misfits[:3]))
        return self.fields.ordered(values)

    def stratum(self, item: Item) -> str:
        """How many fields are stated."""
        return str(sum(bool(entries_of(fields_in(item.target), one.path)) for one in self.fields.fields))

    def settings(self, option: Option) -> Mapping[str, object]:
        """Prompt, limits, the fields and what they mean."""
        return {
            "prompt": {"version": PROMPT_VERSION, "wording": self._wording(option)},
            "limits": dataclasses.asdict(self._limits),
            "schema": self.fields.json_schema(),
            "max_tokens": self.form().max_tokens,
        }

    def messages(
        self, option: Option, item: Item, shown: Sequence[Item] = (), guide: Guide = Guide.DEFINITIONS
    ) -> tuple[Message, ...]:
        """The guide to the fields, or one line for a tuned model; examples as turns; the message."""
        user = Message(role="user", content=clip(item.text, self._limits.item_chars))
        check_sends(option)
        guided = option.traits.prompted
        system = self._guide(guide, examples=option is Option.RETRIEVE) if guided else _TUNED_TASK
        turns = example_turns(shown, self.target_text, self._limits.example_chars)
        return (Message(role="system", content=system), *turns, user)

    def form(self, among: Sequence[Item] | None = None) -> JsonSchema:
        """The schema; rows restrict nothing, as the values are an open set."""
        rooms = len(self.fields.fields) + sum(one.repeated for one in self.fields.fields)
        return JsonSchema(schema=self.fields.json_schema(), max_tokens=_ROOM + _FIELD_ROOM * rooms)

    def target_text(self, target: Target) -> str:
        """One line of JSON in the schema's order."""
        return self.fields.written(fields_in(target))

    def parse(self, text: str) -> Target | None:
        """The values of the object in an answer, None if it holds none."""
        found = read_object(said(text), {one.path[0] for one in self.fields.fields})
        return None if found is None else _stated(found)

    def score(self, item: Item, text: str | None, hits: Sequence[Neighbour] = ()) -> Score:
        """F1 of the item's pairs, and whether all are right."""
        answer = None if text is None else self.parse(text)
        counts = self.fields.count(fields_in(item.target), fields_in(answer))
        f1 = 0.0 if answer is None else whole(counts).f1
        values = {FIELD_F1.name: f1, ALL_RIGHT.name: float(f1 == 1.0)}
        return Score(values=values, answer=answer, detail=counts)

    def others(self, test: Scored, how: Measuring) -> tuple[Estimate, ...]:
        """Messages with all fields right, and the F1 of all pairs of all messages (micro)."""
        right = mean(ALL_RIGHT.name, test, (test.values >= 1.0).astype(float), everything(test), how)
        return right, micro_f1(MICRO_F1.name, test, how)

    def breakdown(self, dev: Scored, test: Scored, how: Measuring) -> FieldBreakdown:
        """Field by field."""
        return by_field(test, self.fields, how)

    def combine(self, rows: Sequence[Item], weights: Sequence[float], item: Item | None = None) -> Combined:
        """Field by field the value with the most weight, absent where that is the most.

        With an item, values of its rows that do not stand in its text count as absent; a choice and a yes
        or no need not stand there.
        """
        found: dict[str, Any] = {}
        for one in self.fields.fields:
            votes: Counter[str] = Counter()
            said_as: dict[str, Any] = {}
            for row, weight in zip(rows, weights, strict=True):
                values = [
                    value
                    for value in entries_of(fields_in(row.target), one.path)
                    if item is None or not in_text(one) or places(one, value, item.text)
                ]
                key = " ".join(sorted(same_as(one, value) for value in values))
                said_as.setdefault(key, values)
                votes[key] += weight  # type: ignore[assignment]
            best = max(votes, key=lambda key: (votes[key], key == ""), default="")
            put(found, one, said_as.get(best, ()))
        return Combined(text=self.fields.written(found))

    def _of_json(self, cell: str) -> dict[str, Any] | None:
        """The object in a cell; None for a cell that holds the one field's value."""
        if not cell.strip():
            return None
        values = structured(cell)
        if isinstance(values, dict):
            return values
        try:
            parse_json(cell)
        except Unreadable as error:
            if len(self.fields.fields) == 1 and not cell.lstrip().startswith("{"):
                return None
            raise ValueError(f"the fields are no JSON: {error}") from error
        if len(self.fields.fields) == 1:
            return None
        raise ValueError("the fields are no JSON object")

    def _of_cells(self, cells: Sequence[str]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for one, cell in zip(self.fields.fields, cells, strict=False):
            if cell.strip():
                found[one.path[0]] = cell.strip()
        return found

    def _guide(self, guide: Guide, *, examples: bool) -> str:
        lines = [_line(one, guide) for one in self.fields.fields]
        before = "Similar earlier messages with their fields come first. " if examples else ""
        return (
            "Read the message and answer with one JSON object of the fields it states. Leave out every field "
            f"that the message does not state. {before}".rstrip()
            + "\n\nFields:\n"
            + "\n".join(lines)
        )

    def _wording(self, option: Option) -> str:
        """Sha256 (hex) of the messages of a made-up item: a changed word of the prompt changes it."""
        item = Item(id="", text="I ordered two of them. " * (self._limits.item_chars // 20), target={})
        shown = [Item(id="", text="Where is my parcel? " * 40, target={})]
        return messages_digest(
            message for guide in Guide for message in self.messages(option, item, shown, guide)
        )


def _line(one: Field, guide: Guide) -> str:
    match one.kind:
        case FieldKind.CHOICE:
            kind = f"one of {', '.join(one.choices)}"
        case FieldKind.DATE:
            kind = "date as YYYY-MM-DD"
        case FieldKind.YES_NO:
            kind = "true or false"
        case FieldKind.TEXT | FieldKind.NUMBER | FieldKind.WHOLE:
            kind = one.kind.value
        case _:
            assert_never(one.kind)
    kind = f"list, each {kind}" if one.repeated else kind
    meaning = f": {one.description}" if one.description and guide is Guide.DEFINITIONS else ""
    return f"- {one.name} ({kind}){meaning}"


def _stated(found: Mapping[str, Any]) -> dict[str, Any]:
    """An answer without what states nothing."""
    return {name: value for name, value in found.items() if value not in (None, "", [], {})}
