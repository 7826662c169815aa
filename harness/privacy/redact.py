"""Placeholders in the place of personal data: one for each value, the same wherever the value stands.

What a model is sent holds `[EMAIL_1]`; an answer that holds it is read with the value in its place. Which
value a placeholder stands for is kept in one file that its owner alone may read, and nowhere else.
"""

from __future__ import annotations

import dataclasses
import json
import re
import threading
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from advisor.options import Option
from harness.core.errors import StoreError
from harness.core.files import write_atomically
from harness.core.records import Item, Message, Neighbour, Passage, Target
from harness.privacy.detect import VERSION, FoundValue, Kind, find
from harness.tasks.base import ReadsPassages, Task
from harness.tasks.records import Guide, Score

_PLACEHOLDER = re.compile(rf"\[?\b({'|'.join(Kind)})_(\d{{1,9}})\b\]?")


class Placeholders:
    """Which placeholder stands for which value. Threads may share it."""

    def __init__(self, values: Mapping[str, tuple[str, str]] | None = None, path: Path | None = None) -> None:
        """Begin with those known already.

        Args:
            values: by placeholder, without brackets, the value and how it was first written.
            path: where they are kept; None keeps them in memory.
        """
        self._path = path
        self._lock = threading.Lock()
        self._written = {name: written for name, (_, written) in (values or {}).items()}
        self._by_value = {(_kind(name), value): name for name, (value, _) in (values or {}).items()}
        self._last = {
            kind: max((_number(n) for n in self._written if _kind(n) is kind), default=0) for kind in Kind
        }
        self._known: dict[str, str] = {}

    def __len__(self) -> int:
        return len(self._written)

    @classmethod
    def read(cls, path: Path) -> Placeholders:
        """Those kept in a file; none where there is no such file.

        Raises:
            StoreError: if the file is damaged.
        """
        if not path.exists():
            return cls(path=path)
        try:
            raw = json.loads(path.read_text(encoding="utf-8"))
            values = {str(name): (str(value), str(written)) for name, (value, written) in raw.items()}
            for name in values:
                _kind(name), _number(name)
        except (OSError, ValueError, TypeError, AttributeError) as error:
            raise StoreError(
                f"{path} is damaged, so that answers cannot be read with the values in them.",
                allowed="the file as it was written; without it answers keep their placeholders",
            ) from error
        return cls(values, path)

    def keep(self) -> None:
        """Write the file, for its owner alone; nothing where there are none."""
        if self._path is None or not self._written:
            return
        with self._lock:
            values = {name: (value, self._written[name]) for (_, value), name in self._by_value.items()}
        content = json.dumps(values, ensure_ascii=False, indent=1) + "\n"
        write_atomically(self._path, content, private=True)

    def avoid(self, texts: Iterable[str]) -> None:
        """Take no placeholder that stands in these texts already: it is somebody else's."""
        for text in texts:
            for kind, number in _PLACEHOLDER.findall(text) if "_" in text else ():
                self._last[Kind(kind)] = max(self._last[Kind(kind)], int(number))

    def redact(self, text: str) -> str:
        """A text with placeholders; a value that is new gets one, which is kept."""
        known = self._known.get(text)
        if known is not None:
            return known
        there = find(text)
        new = len(self._written)
        parts, at = [], 0
        for one in there:
            parts += [text[at : one.start], f"[{self._name(one, text[one.start : one.end])}]"]
            at = one.end
        redacted = "".join((*parts, text[at:]))
        self._known[text] = redacted
        if self._path is not None and self._path.exists() and len(self._written) > new:
            self.keep()
        return redacted

    def restore(self, text: str) -> str:
        """A text with the values in it; what is no placeholder of ours stays as it is."""
        if not self._written or "_" not in text:
            return text
        inside_json = text.lstrip().startswith(("{", "[{", "```"))

        def value(match: re.Match[str]) -> str:
            written = self._written.get(f"{match.group(1)}_{int(match.group(2))}")
            if written is None:
                return match.group()
            return json.dumps(written, ensure_ascii=False)[1:-1] if inside_json else written

        return _PLACEHOLDER.sub(value, text)

    def _name(self, found: FoundValue, written: str) -> str:
        with self._lock:
            key = (found.kind, found.value)
            if key not in self._by_value:
                self._last[found.kind] += 1
                self._by_value[key] = f"{found.kind.value}_{self._last[found.kind]}"
                self._written[self._by_value[key]] = written
            return self._by_value[key]


def _kind(name: str) -> Kind:
    return Kind(name.rpartition("_")[0])


def _number(name: str) -> int:
    return int(name.rpartition("_")[2])


class _Redacting:
    """A task that writes its prompts with placeholders and reads answers with the values in them."""

    def __init__(self, task: Task, placeholders: Placeholders) -> None:
        self._task = task
        self._placeholders = placeholders

    def __getattr__(self, name: str) -> Any:
        return getattr(self._task, name)

    def settings(self, option: Option) -> Mapping[str, object]:
        """What decides the answers: that something was replaced as well."""
        return {
            **self._task.settings(option),
            "personal_data": f"replaced by placeholders, version {VERSION}",
        }

    def messages(
        self, option: Option, item: Item, shown: Sequence[Item] = (), guide: Guide = Guide.DEFINITIONS
    ) -> tuple[Message, ...]:
        """The prompt, of rows in which placeholders stand before anything is cut short."""
        return self._task.messages(option, self._item(item), [self._item(row) for row in shown], guide)

    def reading(self, item: Item, passages: Sequence[Passage]) -> tuple[Message, ...]:
        """The same over documents."""
        return cast(ReadsPassages, self._task).reading(
            self._item(item), [self._passage(one) for one in passages]
        )

    def target_text(self, target: Any) -> str:
        """What a tuned model learns to say, with placeholders in it."""
        return self._task.target_text(
            _replaced(target, self._placeholders) if isinstance(target, dict) else target
        )

    def parse(self, text: str) -> Target | None:
        """The answer, with the values in it."""
        return self._task.parse(self._placeholders.restore(text))

    def score(self, item: Item, text: str | None, hits: Sequence[Neighbour] = ()) -> Score:
        """How good the answer is, with the values in it."""
        return self._task.score(item, None if text is None else self._placeholders.restore(text), hits)

    def _item(self, item: Item) -> Item:
        target: Any = item.target
        if isinstance(target, dict):
            target = _replaced(target, self._placeholders)
        return dataclasses.replace(item, text=self._placeholders.redact(item.text), target=target)

    def _passage(self, passage: Passage) -> Passage:
        redact = self._placeholders.redact
        return dataclasses.replace(
            passage,
            text=redact(passage.text),
            document=redact(passage.document),
            headings=tuple(map(redact, passage.headings)),
            table_head=redact(passage.table_head),
        )


def _replaced(value: Any, placeholders: Placeholders) -> Any:
    """A value of fields, strings in it with placeholders."""
    if isinstance(value, str):
        return placeholders.redact(value)
    if isinstance(value, dict):
        return {name: _replaced(one, placeholders) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_replaced(one, placeholders) for one in value]
    return value


def redacting(task: Task, placeholders: Placeholders) -> Task:
    """The task for a model that is sent placeholders."""
    return cast(Task, _Redacting(task, placeholders))


def strings_of(value: object) -> Iterable[str]:
    """Every string in a target."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from strings_of(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from strings_of(one)
