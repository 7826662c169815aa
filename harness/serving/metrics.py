"""What the server counted, as Prometheus reads it: so that drift is visible from outside.

    tor_requests_total{model,status}     requests
    tor_answers_total{model,label}       labels given; against tor_train_share it shows a changed mix
    tor_train_share{model,label}         share of each label in training
    tor_confidence{model}                histogram of the answer's probability, not scaled by a temperature
    tor_answer_seconds{model}            histogram of the model's own time
    tor_wait_seconds{model}              histogram of the time before it
    tor_input_tokens_total{model}        tokens read, cached ones included

No text of a request is kept. Format: Prometheus text exposition 0.0.4.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

CONFIDENCE = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1.0)
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


@dataclass
class _Histogram:
    bounds: Sequence[float]
    counts: list[int] = field(default_factory=list)
    total: float = 0.0

    def __post_init__(self) -> None:
        self.counts = [0] * (len(self.bounds) + 1)

    def add(self, value: float) -> None:
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """One answer that was given.

    Attributes:
        confidence: the answer's probability; None where the engine gives none.
    """

    model: str
    label: str
    confidence: float | None
    answer_s: float
    wait_s: float
    input_tokens: int | None


class Metrics:
    """Counters and histograms; several threads may use them."""

    def __init__(self, train_counts: Mapping[str, Mapping[str, int]]) -> None:
        """
        Args:
            train_counts: model -> label -> rows it was trained on.
        """
        self._lock = threading.Lock()
        self._train_counts = train_counts
        self._requests: Counter[tuple[str, int]] = Counter()
        self._answers: Counter[tuple[str, str]] = Counter()
        self._tokens: Counter[str] = Counter()
        self._histograms: dict[tuple[str, str], _Histogram] = {}

    def finished(self, model: str, status: int) -> None:
        """A request ended with this HTTP status; `model` is '' for one that named none that is served."""
        with self._lock:
            self._requests[model, status] += 1

    def given(self, one: Given) -> None:
        """An answer was given."""
        with self._lock:
            self._answers[one.model, one.label] += 1
            self._tokens[one.model] += one.input_tokens or 0
            self._observe("tor_answer_seconds", one.model, one.answer_s, SECONDS)
            self._observe("tor_wait_seconds", one.model, one.wait_s, SECONDS)
            if one.confidence is not None:
                self._observe("tor_confidence", one.model, one.confidence, CONFIDENCE)

    def text(self) -> str:
        """Everything counted so far."""
        with self._lock:
            lines = [
                *_counter("tor_requests_total", "Requests.", self._requests, ("model", "status")),
                *_counter("tor_answers_total", "Labels given.", self._answers, ("model", "label")),
                *_counter(
                    "tor_input_tokens_total",
                    "Tokens read.",
                    {(model,): count for model, count in self._tokens.items()},
                    ("model",),
                ),
                *self._shares(),
            ]
            for name, words in (
                ("tor_confidence", "Probability of the answer."),
                ("tor_answer_seconds", "Seconds the model took."),
                ("tor_wait_seconds", "Seconds a request waited for it."),
            ):
                lines += self._histogram(name, words)
        return "\n".join(lines) + "\n"

    def _observe(self, name: str, model: str, value: float, bounds: Sequence[float]) -> None:
        self._histograms.setdefault((name, model), _Histogram(bounds)).add(value)

    def _shares(self) -> list[str]:
        lines = _head("tor_train_share", "Share of a label among the training rows.", "gauge")
        for model, counts in sorted(self._train_counts.items()):
            total = sum(counts.values())
            for label, count in counts.items():
                names = _names({"model": model, "label": label})
                lines.append(f"tor_train_share{names} {count / total if total else 0.0:.6g}")
        return lines

    def _histogram(self, name: str, words: str) -> list[str]:
        lines = _head(name, words, "histogram")
        for (own, model), found in sorted(self._histograms.items(), key=lambda pair: pair[0]):
            if own != name:
                continue
            seen = 0
            for bound, count in zip([*map(_number, found.bounds), "+Inf"], found.counts, strict=True):
                seen += count
                lines.append(f"{name}_bucket{_names({'model': model, 'le': bound})} {seen}")
            lines.append(f"{name}_sum{_names({'model': model})} {found.total:.6g}")
            lines.append(f"{name}_count{_names({'model': model})} {seen}")
        return lines


def _counter(name: str, words: str, counts: Mapping[Any, int], keys: tuple[str, ...]) -> list[str]:
    lines = _head(name, words, "counter")
    for key, count in sorted(counts.items(), key=lambda pair: [str(part) for part in pair[0]]):
        lines.append(f"{name}{_names(dict(zip(keys, key, strict=True)))} {count}")
    return lines


def _head(name: str, words: str, kind: str) -> list[str]:
    return [f"# HELP {name} {words}", f"# TYPE {name} {kind}"]


def _names(values: Mapping[str, object]) -> str:
    return "{" + ",".join(f'{key}="{_escaped(str(value))}"' for key, value in values.items()) + "}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _number(value: float) -> str:
    return f"{value:g}"
