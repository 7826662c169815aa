"""What the server counted, as Prometheus reads it: so that drift is visible from outside.

    tor_requests_total{model,status}     requests
    tor_answers_total{model,label}       labels given; against tor_train_share it shows a changed mix
    tor_train_share{model,label}         share of each label in training
    tor_confidence{model}                histogram of the answer's probability, not scaled by a temperature
    tor_answer_seconds{model}            histogram of the model's own time
    tor_wait_seconds{model}              histogram of the time before it
    tor_input_tokens_total{model}        tokens read, cached ones included
    tor_waiting{model}                   requests that wait for the model or are in it

No text of a request is kept. Counters and histograms are prometheus-client's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

CONFIDENCE = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1.0)
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenAnswer:
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
        from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics

        disable_created_metrics()  # type: ignore[no-untyped-call]
        own = self._registry = CollectorRegistry()
        self._requests = Counter("tor_requests", "Requests.", ("model", "status"), registry=own)
        self._answers = Counter("tor_answers", "Labels given.", ("model", "label"), registry=own)
        self._tokens = Counter("tor_input_tokens", "Tokens read.", ("model",), registry=own)
        words = "Share of a label among the training rows."
        shares = Gauge("tor_train_share", words, ("model", "label"), registry=own)
        self._confidence, self._answer_s, self._wait_s = (
            Histogram(name, words, ("model",), registry=own, buckets=buckets)
            for name, words, buckets in (
                ("tor_confidence", "Probability of the answer.", CONFIDENCE),
                ("tor_answer_seconds", "Seconds the model took.", SECONDS),
                ("tor_wait_seconds", "Seconds a request waited for it.", SECONDS),
            )
        )
        self._waiting = Gauge("tor_waiting", "Requests waiting or answered.", ("model",), registry=own)
        for model, counts in train_counts.items():
            total = sum(counts.values())
            for label, count in counts.items():
                shares.labels(model, label).set(count / total if total else 0.0)

    def finished(self, model: str, status: int) -> None:
        """A request ended with this HTTP status; `model` is '' for one that named none that is served."""
        self._requests.labels(model, str(status)).inc()

    def given(self, one: GivenAnswer) -> None:
        """An answer was given."""
        self._answers.labels(one.model, one.label).inc()
        self._tokens.labels(one.model).inc(one.input_tokens or 0)
        self._answer_s.labels(one.model).observe(one.answer_s)
        self._wait_s.labels(one.model).observe(one.wait_s)
        if one.confidence is not None:
            self._confidence.labels(one.model).observe(one.confidence)

    def waiting(self, model: str, change: int) -> None:
        """So many more requests wait for a model or are in it."""
        self._waiting.labels(model).inc(change)

    def text(self) -> bytes:
        """Everything counted so far."""
        from prometheus_client import generate_latest

        return generate_latest(self._registry)
