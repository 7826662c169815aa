"""What is trained besides language models: classifier, encoder, tagger, and a vote that is kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from harness.core.records import ModelIdentity


@dataclass(frozen=True, slots=True, kw_only=True)
class LinearArtefact:
    """A linear classifier as it is scored and shipped; it lies in a folder beside this record.

    Attributes:
        digest: sha256 of the classifier's file.
        classifier: the candidate that was chosen on dev, such as `tfidf+svm(C=1)`.
        embedding: the model whose vectors it reads; None where it counts words and letters only.
        labels: the closed set, in the order in which scores are given; seen: those it was trained on.
        packages: name -> version of the libraries that count and weigh.
        data_digest: sha256 of the training rows.
    """

    schema: Literal[1] = 1
    digest: str
    classifier: str
    embedding: ModelIdentity | None
    labels: tuple[str, ...]
    seen: tuple[str, ...]
    packages: dict[str, str]
    data_digest: str
    train_rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderRecipe:
    """Everything that decides the training of an encoder.

    Attributes:
        tuned: 'whole' adapts every weight, 'lora' low-rank additions to every matrix, merged afterwards.
        head_factor: the head's rate over the encoder's: it starts from nothing.
        smoothing: share of the probability that the target leaves to the other labels.
        warm_up_pairs: passes over the rows as pairs of one label before the head is trained, as SetFit does;
            0 for none.
        tuned_layers: how many of the uppermost layers are adapted, None for all and the word vectors.
        max_tokens: longer texts are cut.
        rank: of the low-rank additions; 0 where every weight is adapted.
        precision: what is multiplied in; weights, sums and steps are fp32 in both.
        seed: never null.
        head_first: the head begins as the best linear one on the vectors as they are, instead of at random.
        letters: letter groups are fitted beside the encoder, and dev chooses how much they count.
    """

    tuned: Literal["whole", "lora"]
    epochs: int
    learning_rate: float
    head_factor: float
    smoothing: float
    warm_up_pairs: int
    tuned_layers: int | None
    batch_size: int
    max_tokens: int
    rank: int
    precision: Literal["fp32", "bf16"]
    seed: int
    head_first: bool = False
    letters: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TunedEncoder:
    """A tuned encoder with its head as it is scored and shipped; it lies in a folder beside this record.

    Attributes:
        digest: sha256 over the files of the folder, this record left out.
        base_model, base_digest: what it was tuned from.
        pad_token: the id that fills a batch up.
        packages: name -> version of the libraries that made it.
        data_digest: sha256 of the training rows.
        train_tokens, train_s: tokens seen over all epochs, and wall seconds.
        curve: (step, loss) pairs as logged.
    """

    schema: Literal[1] = 1
    digest: str
    base_model: str
    base_digest: str
    pad_token: int
    recipe: EncoderRecipe
    packages: dict[str, str]
    data_digest: str
    train_rows: int
    train_tokens: int
    train_s: float
    steps: int
    curve: tuple[tuple[int, float], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderArtefact(TunedEncoder):
    """One that gives labels.

    Attributes:
        pooling: how a text's tokens become one vector.
        labels: the closed set, in the order in which scores are given.
        temperature: by which scores are divided; fitted on dev.
        letters: what the margins of letter groups are multiplied by; 0 where the encoder reads alone.
    """

    pooling: Literal["mean", "cls"]
    labels: tuple[str, ...]
    temperature: float
    letters: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TaggerArtefact(TunedEncoder):
    """One that reads fields.

    Attributes:
        fields: the JSON Schema of what it reads, which decides what each score of the head means.
        tag_from, pick_from: the probability from which on a tag, and a value of a closed set, is taken.
    """

    fields: dict[str, Any]
    tag_from: float
    pick_from: float


@dataclass(frozen=True, slots=True, kw_only=True)
class VoteArtefact:
    """A vote of training rows as it is scored and shipped; rows and vectors lie beside this record.

    Attributes:
        digest: sha256 over these files.
        mode, k, power: which search finds the rows, how many vote, and how a vote falls with similarity.
        even, temperature: how a share of the votes is read as a probability.
        embedding: the model of the vectors; None where words are searched only.
        labels: the closed set, in the order in which scores are given.
        packages: name -> version of the libraries that search.
        data_digest: sha256 of the training rows.
    """

    schema: Literal[1] = 1
    digest: str
    mode: str
    k: int
    power: int
    even: int
    temperature: float
    embedding: ModelIdentity | None
    labels: tuple[str, ...]
    packages: dict[str, str]
    data_digest: str
    train_rows: int

    @property
    def named(self) -> str:
        """The vote in a few words."""
        return f"vote of {self.k} of {self.train_rows} rows, {self.mode} search"
