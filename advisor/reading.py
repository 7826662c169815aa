"""The edge where text from outside becomes values: files, YAML, TOML, JSON. One bounded reader for all.

Whatever is wrong is one sentence in an `Unreadable`, with the line where it is known; no input ends in
another exception, fills the memory or is read for ever. What two readers could take differently is refused:
a key given twice, an alias that multiplies, a number of thousands of digits. In YAML `yes`, `no`, `on` and
`off` are words (as in YAML 1.2), so that the label or language `no` stays one.
"""

from __future__ import annotations

import functools
import json
import re
import tomllib
from collections.abc import Hashable, Iterable
from pathlib import Path
from typing import Any, NoReturn, TypeVar, cast

Record = TypeVar("Record")
MOST_BYTES = 1_000_000
MOST_DEPTH = 64
_MOST_VALUES = 200_000  # of a YAML document, its aliases written out


class Unreadable(ValueError):
    """Text that cannot be used; its message is one sentence without a full stop."""


def read_bytes(path: Path, most: int = MOST_BYTES) -> bytes:
    """The bytes of an ordinary file: no pipe, no device, nothing without an end.

    Raises:
        FileNotFoundError: if there is none.
        Unreadable: if it cannot be read or has more than `most` bytes.
    """
    try:
        if path.exists() and not path.is_file():
            raise Unreadable("it is no ordinary file")
        with path.open("rb") as file:
            content = file.read(most + 1)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise Unreadable(error.strerror or "it cannot be read") from error
    except ValueError as error:  # a name with NUL in it
        raise Unreadable(f"its name is none: {error}") from error
    if len(content) > most:
        raise Unreadable(f"it has more than {most:,} bytes")
    return content


def read_text(path: Path, most: int = MOST_BYTES) -> str:
    """The text of an ordinary file in UTF-8, without a byte-order mark.

    Raises:
        FileNotFoundError: if there is none.
        Unreadable: if it cannot be read, is too long or is not UTF-8.
    """
    try:
        return read_bytes(path, most).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Unreadable(f"it is not UTF-8 (byte {error.start:,})") from error


def read_json(path: Path, most: int = MOST_BYTES) -> Any:
    """The value of a JSON file.

    Raises:
        FileNotFoundError: if there is none.
        Unreadable: if it cannot be read, or is out of bounds.
    """
    return parse_json(read_text(path, most), most)


def check_words(words: Iterable[str]) -> None:
    """Refuse words of a command line that are no text: bytes that are not UTF-8 arrive as half surrogates.

    Raises:
        Unreadable: naming the word.
    """
    for word in words:
        if "\0" in word or not _is_text(word):
            raise Unreadable(f"{ascii(word)[:80]} is no text: it holds a NUL or half a character")


def parse_yaml(text: str, *, numbers: bool = True) -> Any:
    """The value of a YAML document.

    Args:
        numbers: whether numbers are read; else they are texts, as they were written.

    Raises:
        Unreadable: if it is none, or is out of bounds.
    """
    import yaml

    _bounded(text)
    try:
        depth = 0
        for event in yaml.parse(text, Loader=_loader_kind(numbers)):
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > MOST_DEPTH:
                _refuse(f"it is nested more than {MOST_DEPTH} deep", event.start_mark)
        loader = _loader_kind(numbers)(text)
        try:
            node = loader.get_single_node()
            if node is None:
                return None
            _check(node, {})
            return loader.construct_document(node)
        finally:
            loader.dispose()
    except yaml.YAMLError as error:
        raise Unreadable(" ".join(str(error).split())) from error


def parse_toml(text: str) -> dict[str, Any]:
    """The table of a TOML document.

    Raises:
        Unreadable: if it is none, or is out of bounds.
    """
    _bounded(text)
    if _LONG_KEY.search(text):  # the library's time grows with its square
        raise Unreadable(f"a key has more than {MOST_DEPTH} parts")
    try:
        found = tomllib.loads(text)
    except RecursionError as error:
        raise Unreadable(f"it is nested more than {MOST_DEPTH} deep") from error
    except ValueError as error:
        raise Unreadable(_one_line(error)) from error
    _check_depth(found)
    return found


def parse_json(text: str | bytes, most: int = MOST_BYTES) -> Any:
    """The value of a JSON text.

    Raises:
        Unreadable: if it is none, or is out of bounds: too deep, a key twice, half a surrogate pair.
    """
    if isinstance(text, bytes):
        try:
            text = text.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise Unreadable(f"it is not UTF-8 (byte {error.start:,})") from error
    _bounded(text, most)
    try:
        found = json.loads(text, object_pairs_hook=_each_once, parse_constant=_no_number)
    except RecursionError as error:
        raise Unreadable(f"it is nested more than {MOST_DEPTH} deep") from error
    except ValueError as error:
        raise Unreadable(_one_line(error)) from error
    if text.count("[") + text.count("{") > MOST_DEPTH or _HALF.search(text):
        _check_depth(found)
    return found


def read_record(kind: type[Record], raw: Any) -> Record:
    """A frozen record, and those in it, from tables: unknown keys and missing ones are faults.

    Raises:
        Unreadable: with every fault.
    """
    from pydantic import ValidationError

    from advisor.faults import sentences

    try:
        found: Record = _adapter(cast(Hashable, kind)).validate_python(raw)
    except ValidationError as error:
        raise Unreadable("; ".join(sentences(error))) from None
    return found


@functools.cache
def _adapter(kind: Any) -> Any:
    from pydantic import ConfigDict, TypeAdapter

    return TypeAdapter(kind | None, config=ConfigDict(extra="forbid"))  # a dataclass alone takes no config


_TAG = "tag:yaml.org,2002:"
_LONG_KEY = re.compile(r"""(?<![\w-])(?:(?:[\w-]++|"[^"\n]*"|'[^'\n]*')[ \t]*\.[ \t]*){64}""")
_HALF = re.compile(r"\\u[dD][89a-fA-F]")  # where half a surrogate pair may be


def _bounded(text: str, most: int = MOST_BYTES) -> None:
    if len(text) > most:
        raise Unreadable(f"it has more than {most:,} characters")
    if not _is_text(text):
        raise Unreadable("it holds half a surrogate pair, which is no text")


def _is_text(text: str) -> bool:
    """Whether UTF-8 can hold it: half a surrogate pair is no text."""
    return text.isascii() or not any("\ud800" <= mark <= "\udfff" for mark in text)


def _one_line(error: Exception) -> str:
    words = " ".join(str(error).split())
    return "it has thousands of digits" if words.startswith("Exceeds the limit") else words[:300]


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"the key {next(key for key in keys if keys.count(key) > 1)!r} stands there twice")
    return found


def _no_number(word: str) -> NoReturn:
    raise ValueError(f"{word} is no number")


def _check_depth(value: object) -> None:
    """Bounded depth and whole text, level by level."""
    level: list[object] = [value]
    for _ in range(MOST_DEPTH + 1):
        below: list[object] = []
        for part in level:
            match part:
                case dict():
                    below += [*part, *part.values()]
                case list():
                    below += part
                case str():
                    _bounded(part)
        if not below:
            return
        level = below
    raise Unreadable(f"it is nested more than {MOST_DEPTH} deep")


@functools.cache
def _loader_kind(numbers: bool) -> Any:
    """A safe loader, in C where there is one, with the words of YAML 1.2 and the line of every fault."""
    import yaml

    base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

    class Loader(base):  # type: ignore[misc]
        def construct_object(self, node: Any, deep: bool = False) -> Any:
            try:
                return super().construct_object(node, deep=deep)
            except (ValueError, ArithmeticError, LookupError, AttributeError) as error:
                _refuse(f"{str(node.value)[:40]!r} cannot be read: {_one_line(error)}", node.start_mark)

    out = [_TAG + name for name in ("bool", "value", *(() if numbers else ("int", "float")))]
    Loader.yaml_implicit_resolvers = {
        first: [(tag, words) for tag, words in kinds if tag not in out]
        for first, kinds in base.yaml_implicit_resolvers.items()
    }
    Loader.add_implicit_resolver(
        _TAG + "bool", re.compile(r"(?:true|True|TRUE|false|False|FALSE)\Z"), list("tTfF")
    )
    return Loader


def _check(node: Any, sizes: dict[int, int | None]) -> int:
    """How many values a node stands for with its aliases written out; keys twice and circles are refused."""
    import yaml

    known = sizes.get(id(node), 0)
    if known is None:
        _refuse("an alias stands within what it names", node.start_mark)
    if known:
        return known
    sizes[id(node)] = None
    parts: Iterable[Any] = ()
    if isinstance(node, yaml.MappingNode):
        _check_keys(node)
        parts = (part for pair in node.value for part in pair)
    elif isinstance(node, yaml.SequenceNode):
        parts = node.value
    size = 1 + sum(_check(part, sizes) for part in parts)
    if size > _MOST_VALUES:
        _refuse(f"it stands for more than {_MOST_VALUES:,} values", node.start_mark)
    sizes[id(node)] = size
    return size


def _check_keys(node: Any) -> None:
    seen: set[tuple[str, str]] = set()
    for key, value in node.value:
        if isinstance(key.value, str):
            left_open = (value.tag, value.value) == (_TAG + "null", "")
            if node.flow_style and left_open and key.value[:1].isdigit():
                rest = f"{key.value[:40]!r} is no key"
                _refuse(f"{rest}: a figure with a comma needs quotation marks inside {{ }}", key.start_mark)
            if (key.tag, key.value) in seen:
                _refuse(f"the key {key.value[:40]!r} stands there twice", key.start_mark)
            seen.add((key.tag, key.value))


def _refuse(what: str, mark: Any) -> NoReturn:
    raise Unreadable(f"line {mark.line + 1}: {what}")
