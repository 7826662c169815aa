"""Linear classifiers on TF-IDF and on sentence embeddings; the best on dev is the arm.

The cheap baseline that often wins: published MiniLM + logistic regression reaches about 93 % on
Banking77, above most generative models tuned for it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from advisor.money.usage import Usage
from harness.arms.base import (
    KEPT,
    Material,
    WithoutLanguageModel,
    folds,
    model_facts,
    shared_time,
)
from harness.core.artefacts import LinearArtefact
from harness.core.errors import DataError, ModelUnavailable, StoreError, needs
from harness.core.files import sha256_of, sha256_or_missing, written_whole
from harness.core.records import ArmId, Completion, Fitted, Item, Outcome
from harness.core.serial import decode, encode
from harness.data.source import rows_digest
from harness.knowledge.retriever import indexing_usage
from harness.models.base import EmbeddingModel
from harness.models.deciding import same_versions, versions_of
from harness.models.remembering import KnownTexts
from harness.tasks.wording import clip

Logits = NDArray[np.float64]

MODEL_FILE, RECORD_FILE = "classifier.safetensors", "linear.json"
_PACKAGES = ("scikit-learn", "scipy", "numpy")


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One classifier to try: the features it reads and the inverse regularisation C of its head."""

    features: str  # 'tfidf', 'embedding', or 'both' side by side
    head: str  # 'logistic' or 'svm'
    c: float

    @property
    def name(self) -> str:
        """The candidate in one word, as trials list it."""
        return f"{self.features}+{self.head}(C={self.c:g})"


TFIDF = tuple(Candidate(features="tfidf", head="svm", c=c) for c in (0.3, 1.0))
BOTH = tuple(Candidate(features="both", head="svm", c=c) for c in (0.3, 1.0))
EMBEDDING = tuple(Candidate(features="embedding", head="logistic", c=c) for c in (3.0, 10.0, 30.0))

# The settings below decide answers: what stands here is what the arm's configuration says.
_WORDS: dict[str, Any] = {"ngram_range": (1, 2), "sublinear_tf": True, "strip_accents": "unicode"}
_LETTERS: dict[str, Any] = {
    "analyzer": "char_wb",
    "ngram_range": (2, 5),
    "sublinear_tf": True,
    "min_df": 2,
}
_COUNTED = {"words": _WORDS, "letters": _LETTERS}
_LONGEST = 8_000  # characters that are counted; a longer text keeps its beginning and its end
_SVM: dict[str, Any] = {}
_LOGISTIC: dict[str, Any] = {"max_iter": 1000}


@dataclass(frozen=True, slots=True, kw_only=True)
class LinearClassifier:
    """A fitted candidate: texts in, a distribution over the labels out.

    Attributes:
        labels: the closed set; seen: those that stood in train, in the order of the head's classes.
        head: scikit-learn's classifier.
        counting: its vectorisers by name ('words', 'letters'); empty where only vectors are read.
        embedder: None where only words and letters are counted.
    """

    candidate: Candidate
    labels: tuple[str, ...]
    seen: tuple[str, ...]
    head: Any
    counting: Mapping[str, Any]
    embedder: EmbeddingModel | None

    def features(self, texts: Sequence[str]) -> Any:
        """What the head reads."""
        counts = _counted(self.counting, texts)
        return ReadTexts(texts=texts, counts=counts, embedder=self.embedder).features(self.candidate)

    def scores(self, features: Any) -> Logits:
        """The head's decision scores, a column a label of `seen`."""
        raw = np.asarray(self.head.decision_function(features), dtype=np.float64)
        return np.stack([-raw, raw], axis=1) if raw.ndim == 1 else raw

    def logprobs(self, texts: Sequence[str]) -> Logits:
        """Log-softmax of the scores; labels absent from train get the lowest score less 5."""
        seen = self.scores(self.features(texts))
        full = np.repeat(seen.min(axis=1, keepdims=True) - 5.0, len(self.labels), axis=1)
        full[:, [self.labels.index(name) for name in self.seen]] = seen
        full -= full.max(axis=1, keepdims=True)
        result: Logits = full - np.log(np.exp(full).sum(axis=1, keepdims=True))
        return result


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadTexts:
    """Texts as the candidates read them.

    Attributes:
        counts: of words and of letters, a sparse matrix each with a row a text; none where neither is read.
        embedder: remembers vectors; None where none are read.
    """

    texts: Sequence[str]
    counts: Sequence[Any]
    embedder: EmbeddingModel | None

    def features(self, candidate: Candidate) -> Any:
        """What a candidate reads side by side, each with unit rows; sparse unless it reads vectors alone."""
        vectors = None
        if candidate.features != "tfidf":
            assert self.embedder is not None, "this candidate reads vectors"
            vectors = self.embedder.embed(self.texts)
        if candidate.features == "embedding":
            return vectors
        from scipy.sparse import csr_matrix, hstack

        return hstack([*self.counts, *([] if vectors is None else [csr_matrix(vectors)])]).tocsr()


class LinearArm(WithoutLanguageModel):
    """The best linear head on dev, with a distribution over the labels."""

    def __init__(
        self, arm: ArmId, embedder: EmbeddingModel | None, seed: int, keep_in: Path | None = None
    ) -> None:
        """
        Args:
            keep_in: the folder in which the classifier is kept once it is fitted; None keeps it nowhere.
        """
        self.id = arm
        self._embedder = embedder
        self._seed = seed
        self._keep_in = keep_in
        self._classifier: LinearClassifier | None = None

    @property
    def config(self) -> Mapping[str, object]:
        """Candidates with their settings, embedding model, libraries and seed."""
        return {
            "arm": self.id.key,
            "candidates": [candidate.name for candidate in self._candidates()],
            "tfidf": {"words": _WORDS, "letters": _LETTERS, "chars": _LONGEST},
            "heads": {"svm": _SVM, "logistic": _LOGISTIC},
            "embedding": model_facts(self._embedder.identity) if self._embedder else None,
            "seed": self._seed,
            **dict(versions_of(*_PACKAGES)),
        }

    def fit(self, material: Material, stored: Fitted | None) -> Fitted:
        """Fit every candidate on train, score it on dev and keep the best (the first among equals).

        What was kept before is taken again, so that a run that goes on answers with the same classifier.

        Raises:
            DataError: with fewer than two labels in train.
            MissingExtra: without scikit-learn.
        """
        _need_sklearn()
        if stored is not None and self._kept(stored):
            return stored
        start = time.perf_counter()
        names = material.task.choices
        texts, labels = [i.text for i in material.train], [i.label for i in material.train]
        if len(set(labels)) < 2:
            raise DataError("A classifier needs at least two labels in train.", got=len(set(labels)))
        counting, counts = _counting(texts)
        rows = ReadTexts(texts=texts, counts=counts, embedder=self._embedder)
        asked = [item.text for item in material.dev]
        dev = ReadTexts(texts=asked, counts=_counted(counting, asked), embedder=self._embedder)
        trials: list[tuple[str, float]] = []
        best: tuple[float, LinearClassifier] | None = None
        for candidate in self._candidates():
            material.say(f"fitting {candidate.name}")
            classifier = _fit(candidate, rows, labels, counting, names, self._seed)
            accuracy = _accuracy(classifier, dev, material.dev)
            trials.append((candidate.name, accuracy))
            if best is None or accuracy > best[0]:
                best = (accuracy, classifier)
        assert best is not None
        self._classifier = best[1]
        train = rows_digest(material.train)
        choices: dict[str, str | int | float] = {
            "classifier": best[1].candidate.name,
            "train_digest": train[:16],
        }
        if self._keep_in is not None:
            choices[KEPT] = save_linear(best[1], self._keep_in, train, len(material.train))
        return Fitted(
            choices=choices,
            trials=tuple(trials),
            seconds=time.perf_counter() - start,
            indexed=indexing_usage(self._embedder if best[1].embedder else None, texts),
            notes=() if self._embedder else ("No embedding model here: TF-IDF candidates only.",),
        )

    def out_of_fold(self, material: Material) -> Iterator[Outcome]:
        """Answer the training rows, each by the chosen candidate fitted without its fold."""
        assert self._classifier is not None, "fit comes first"
        candidate, names = self._classifier.candidate, self._classifier.labels
        known = [item.text for item in material.train]
        embedder = None if self._embedder is None else KnownTexts(self._embedder, known)
        for others, held in folds(material.train, self._seed):
            texts, labels = [item.text for item in others], [item.label for item in others]
            if len(set(labels)) < 2:
                continue
            counting, counts = _counting(texts)
            rows = ReadTexts(texts=texts, counts=counts, embedder=embedder)
            fitted = _fit(candidate, rows, labels, counting, names, self._seed)
            yield from self._by(fitted, held, batched=True)

    def close(self) -> None:
        """Forget the classifier."""
        self._classifier = None

    def _candidates(self) -> tuple[Candidate, ...]:
        return TFIDF + (EMBEDDING + BOTH if self._embedder else ())

    def _kept(self, stored: Fitted) -> bool:
        """Take the classifier that was kept; False where there is none, or it was changed."""
        if self._keep_in is None or stored.choices.get(KEPT) != pin_of(self._keep_in):
            return False
        with suppress(StoreError):
            self._classifier = load_linear(self._keep_in, self._embedder)
        return self._classifier is not None

    def _pass(self, items: Sequence[Item], *, batched: bool) -> Iterator[Outcome]:
        assert self._classifier is not None, "fit comes first"
        return self._by(self._classifier, items, batched=batched)

    def _by(self, classifier: LinearClassifier, items: Sequence[Item], *, batched: bool) -> Iterator[Outcome]:
        start = time.perf_counter()
        logprobs = classifier.logprobs([item.text for item in items])
        timing = shared_time(items, time.perf_counter() - start, batched=batched)
        for item, row in zip(items, logprobs, strict=True):
            yield Completion(
                item_id=item.id,
                text=classifier.labels[int(np.argmax(row))],
                choice_logprobs=tuple(float(v) for v in row),
                usage=self._usage_of(item),
                timing=timing,
            )

    def _usage_of(self, item: Item) -> Usage | None:
        """What embedding an item used of a service; None where none was asked."""
        reads = self._classifier is not None and self._classifier.embedder is not None
        return self._embedder.usage_of(item.text, query=False) if reads and self._embedder else None


def save_linear(classifier: LinearClassifier, folder: Path, data_digest: str, train_rows: int) -> str:
    """Keep a classifier in a folder, whole or not at all; returns what pins it.

    Raises:
        StoreError: if it cannot be written.
    """
    from safetensors.numpy import save_file

    facts = classifier.embedder.identity if classifier.embedder else None
    arrays = {"weights": classifier.head.coef_, "offsets": classifier.head.intercept_}
    for name, counts in classifier.counting.items():
        terms = "\0".join(counts.get_feature_names_out()).encode("utf-8", "surrogatepass")
        arrays |= {f"{name}.terms": np.frombuffer(terms, dtype=np.uint8), f"{name}.rarity": counts.idf_}
    with written_whole(folder) as scratch:
        save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, scratch / MODEL_FILE)
        record = LinearArtefact(
            digest=sha256_of(scratch / MODEL_FILE),
            classifier=classifier.candidate.name,
            embedding=facts,
            labels=classifier.labels,
            seen=classifier.seen,
            packages=dict(versions_of(*_PACKAGES)),
            data_digest=data_digest,
            train_rows=train_rows,
        )
        (scratch / RECORD_FILE).write_text(encode(record, indent=1) + "\n", encoding="utf-8")
    return pin_of(folder)


def pin_of(folder: Path) -> str:
    """What pins a kept classifier: sha256 of its record, which has the sha256 of its file."""
    return sha256_or_missing(folder / RECORD_FILE)


def read_linear(folder: Path) -> LinearArtefact:
    """The record of a kept classifier.

    Raises:
        StoreError: if it is not there, or its file is another than was written.
    """
    try:
        record = decode(LinearArtefact, (folder / RECORD_FILE).read_bytes())
        found = sha256_of(folder / MODEL_FILE)
    except OSError as error:
        raise StoreError(
            f"There is no linear classifier in {folder} that this version reads.",
            got=error.strerror,
            allowed=f"{RECORD_FILE} with {MODEL_FILE}; earlier versions kept another file: run the arm again",
        ) from error
    if found != record.digest:
        raise StoreError("The linear classifier was changed after it was fitted.", got=str(folder))
    return record


def load_linear(folder: Path, embedder: EmbeddingModel | None) -> LinearClassifier:
    """Open a kept classifier. Its file holds numbers and terms only: nothing in it is run.

    Args:
        embedder: the model whose vectors it reads; not needed by one that counts words and letters only.

    Raises:
        StoreError: if it is not what was kept.
        UsageError: if the libraries here are others than those it was made with.
        ModelUnavailable: if the embedding model is not the one it was fitted on.
        MissingExtra: without scikit-learn.
    """
    _need_sklearn()
    record = read_linear(folder)
    same_versions("The classifier", record.packages, _PACKAGES)
    candidate = next((one for one in TFIDF + EMBEDDING + BOTH if one.name == record.classifier), None)
    if candidate is None:
        raise StoreError("This linear classifier is of another version.", got=record.classifier)
    if record.embedding is None:
        embedder = None
    elif embedder is None or model_facts(embedder.identity) != model_facts(record.embedding):
        raise ModelUnavailable(
            "The embedding model is not the one the classifier was fitted on.",
            got="none" if embedder is None else embedder.identity.id,
            allowed=record.embedding.id,
            run="harness models pull",
        )
    head, counting = _opened(folder / MODEL_FILE, candidate, record)
    return LinearClassifier(
        candidate=candidate,
        labels=record.labels,
        seen=record.seen,
        head=head,
        counting=counting,
        embedder=embedder,
    )


def _opened(path: Path, candidate: Candidate, record: LinearArtefact) -> tuple[Any, Mapping[str, Any]]:
    """The head and the vectorisers as they were fitted."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file
    from sklearn.feature_extraction.text import TfidfVectorizer

    try:
        arrays = load_file(path)
        head, counting = _head(candidate, seed=0), {}
        head.coef_, head.intercept_ = arrays["weights"], arrays["offsets"]
        head.classes_ = np.asarray(record.seen)
        for name, settings in _COUNTED.items():
            if f"{name}.terms" in arrays:
                terms = arrays[f"{name}.terms"].tobytes().decode("utf-8", "surrogatepass").split("\0")
                counting[name] = TfidfVectorizer(**settings, vocabulary=terms)
                counting[name].idf_ = arrays[f"{name}.rarity"]
        rows = len(record.seen) if len(record.seen) > 2 else 1  # of two labels the second's score alone
        counted = sum(len(one.vocabulary) for one in counting.values())
        if (
            bool(counting) != (candidate.features != "embedding")
            or head.intercept_.shape != (rows,)
            or head.coef_.shape[0] != rows
            or (candidate.features == "tfidf" and head.coef_.shape[1] != counted)
        ):
            raise ValueError(f"arrays of the shapes { {name: one.shape for name, one in arrays.items()} }")
    except (KeyError, IndexError, ValueError, SafetensorError) as error:
        raise StoreError(
            "The linear classifier cannot be read.", got=f"{path}: {str(error)[:200]}"
        ) from error
    return head, counting


def _need_sklearn() -> None:
    with needs("linear"):
        import sklearn  # noqa: F401


def _counting(texts: Sequence[str]) -> tuple[Mapping[str, Any], list[Any]]:
    """What counts and weights words and groups of letters, fitted, and what it counted in these texts."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    fitted: dict[str, Any] = {}
    counts, cut = [], _cut(texts)
    for name, settings in _COUNTED.items():
        counting = TfidfVectorizer(**settings)
        with suppress(ValueError):  # no word, or no letter group, is left to count, as in texts of emoji
            counts.append(counting.fit_transform(cut))
            fitted[name] = counting
    if not fitted:
        raise DataError(
            "The training texts give a classifier nothing to count.",
            got=f"no word, and no letter group that stands twice, in {len(texts):,} texts",
        )
    return fitted, counts


def _counted(counting: Mapping[str, Any], texts: Sequence[str]) -> list[Any]:
    """What fitted counters count in texts."""
    cut = _cut(texts)
    return [counts.transform(cut) for counts in counting.values()] if cut else []


def _cut(texts: Sequence[str]) -> list[str]:
    return [clip(text, _LONGEST) for text in texts]


def _head(candidate: Candidate, seed: int) -> Any:
    from sklearn.linear_model import LogisticRegression
    from sklearn.svm import LinearSVC

    if candidate.head == "svm":
        return LinearSVC(C=candidate.c, random_state=seed, **_SVM)
    return LogisticRegression(C=candidate.c, random_state=seed, **_LOGISTIC)


def _fit(
    candidate: Candidate,
    rows: ReadTexts,
    labels: Sequence[str],
    counting: Mapping[str, Any],
    names: tuple[str, ...],
    seed: int,
) -> LinearClassifier:
    """Fits a candidate to rows and their labels."""
    from threadpoolctl import threadpool_limits

    head, features = _head(candidate, seed), rows.features(candidate)
    with threadpool_limits(
        1, user_api="blas"
    ):  # products this small wait for a second thread: 60 times the CPU
        head.fit(features, labels)
    return LinearClassifier(
        candidate=candidate,
        labels=names,
        seen=tuple(sorted(set(labels))),
        head=head,
        counting={} if candidate.features == "embedding" else counting,
        embedder=None if candidate.features == "tfidf" else rows.embedder,
    )


def _accuracy(classifier: LinearClassifier, read: ReadTexts, dev: Sequence[Item]) -> float:
    if not dev:
        return 0.0
    seen = classifier.scores(read.features(classifier.candidate))
    winners = [classifier.seen[column] for column in np.argmax(seen, axis=1)]
    return float(np.mean([winner == item.label for winner, item in zip(winners, dev, strict=True)]))
