"""What others published: figures to print as "published, not measured here", with their source.

Facts that calibrate the advice and stand beside a measurement; never a measurement of this project. Where
a source gave one figure, low and high are its own stated bounds, else None.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from pathlib import Path

from advisor.errors import CaseError
from advisor.options import current_name
from advisor.reading import parse_toml, read_record

NOT_MEASURED_HERE = "published, not measured here"


class Tag(StrEnum):
    """How a figure came to be known."""

    PRIMARY = "P"  # the text or table itself was seen
    REPOSITORY = "R"  # a measurement in a public repository, not peer-reviewed
    SECOND_HAND = "S"  # quoted by someone else
    VENDOR = "V"  # said by who sells it
    COMPUTED = "C"  # computed from published inputs
    UNVERIFIED = "U"  # noted once, and not found again at any address


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceSetting:
    """Which use cases an accuracy speaks for, in the words that bands are kept by (`bands.toml`)."""

    kind: str
    examples: str | None = None
    labels: str | None = None
    model: str | None = None
    size: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """One published figure.

    Attributes:
        key: unique.
        study: who measured.
        task: evalset or task, such as 'banking77'.
        option: as `harness` calls it ('prompt', 'retrieve', 'tune', 'tune+retrieve', 'linear',
            'route'), 'encoder' for a fine-tuned encoder, 'base' for an untouched model, '' for none.
        model: what was used, '' when it does not matter.
        metric: with its unit, as shares for accuracies ('accuracy', 'usd_per_1k', 'vram_gb').
        low, high: bounds the source states.
        n: test rows or tasks behind it, None when not stated.
        source: citation or address.
        checked: when it was looked at.
        note: what a reader must know to use it.
        band: for which use cases it counts among the accuracies that bands are fitted to; None where it does
            not.
    """

    key: str
    study: str
    task: str
    option: str
    model: str
    metric: str
    value: float
    low: float | None = None
    high: float | None = None
    n: int | None = None
    source: str
    tag: Tag
    checked: date
    note: str = ""
    band: EvidenceSetting | None = None

    def __post_init__(self) -> None:
        """Refuse bounds that the figure does not lie within.

        Raises:
            ValueError: naming the figure.
        """
        low = self.value if self.low is None else self.low
        high = self.value if self.high is None else self.high
        if not low <= self.value <= high:
            raise ValueError(f"evidence {self.key}: need low <= value <= high")


def parse_evidence(text: str) -> tuple[Evidence, ...]:
    """Read evidence from TOML: `checked` for all, a list of `[[figure]]`, and of `[[table]]` with its
    `figures`.

    Raises:
        ValueError: on an unknown key, a missing one, a doubled figure or bounds out of order.
    """
    content = parse_toml(text)
    rows = [{"checked": content.get("checked"), **row} for row in content.get("figure", [])]
    for table in content.get("table", []):
        key, listed = table.pop("key", ""), table.pop("figures", [])
        rows += [
            {"key": f"{key}-{row.get('task')}-{row.get('model')}-{row.get('option')}", **table, **row}
            for row in listed
        ]
    found: tuple[Evidence, ...] = read_record(tuple[Evidence, ...], rows)
    keys = [figure.key for figure in found]
    doubled = sorted({key for key in keys if keys.count(key) > 1})
    if doubled:
        raise ValueError(f"doubled evidence keys: {', '.join(doubled)}")
    return found


def figures(task: str | None, option: str | None) -> tuple[Evidence, ...]:
    """The packaged figures, those of one task or option if named.

    Raises:
        CaseError: if nothing is published for that task or option.
    """
    known = load_evidence()
    option = None if option is None else current_name(option)
    for name, wanted in (("task", task), ("option", option)):
        allowed = sorted({getattr(e, name) for e in known if getattr(e, name)})
        if wanted is not None and wanted not in allowed:
            raise CaseError(f"Nothing is published for that {name}.", got=wanted, allowed=", ".join(allowed))
    return tuple(e for e in known if task in (None, e.task) and option in (None, e.option))


@functools.cache
def load_evidence() -> tuple[Evidence, ...]:
    """The packaged figures of `evidence.toml`."""
    return parse_evidence(Path(__file__).with_name("evidence.toml").read_text(encoding="utf-8"))


def published(
    task: str, option: str, *, metric: str = "accuracy", evidence: Sequence[Evidence] | None = None
) -> tuple[Evidence, ...]:
    """What is published of an option on a task, the lowest figure first.

    Args:
        evidence: the figures to look in, by default the packaged ones (read from the package).
    """
    known = load_evidence() if evidence is None else evidence
    hits = (e for e in known if (e.task, e.option, e.metric) == (task, option, metric))
    return tuple(sorted(hits, key=lambda e: e.value))
