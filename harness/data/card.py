"""The card of an evalset: what the rows are, where they come from, how they are read and split.

Pure: TOML text in, a frozen `EvalsetCard` out; reading files is `harness.data.load`'s work. Unknown keys are
refused and all faults of a card are reported at once.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, ValidationError, model_validator

from advisor.options import TaskKind
from advisor.reading import Unreadable, parse_toml
from harness.core.errors import DataError
from harness.core.parts import Part, faults_of
from harness.core.records import Label

Name = Annotated[str, Field(min_length=1)]
EDITION = "{edition}"
"""In a card's columns and file names: stands for the edition that is asked for."""
_PATH = r"^(?:[\w{][\w.{}-]*/)?[\w{][\w.{}-]*"
FileName = Annotated[str, Field(pattern=rf"{_PATH}\.(csv|tsv|jsonl|ndjson|json)$")]
PathName = Annotated[str, Field(pattern=rf"{_PATH}$")]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Columns(Part):
    """Which column holds what.

    Attributes:
        id: '' numbers the rows of a split from 0: `test-00017`.
        text: joined in this order with a blank line between; empty ones are left out, so a ticket's
            subject stands first.
        label: of a classification; fields: of an extraction, an object of values by field; reference: of
            questions, an object of answers, evidence and answerable, or of those by edition; or
        answer, documents, quote, answerable: of questions, a column each: an acceptable answer, the document
            or list of documents in which it stands, its words there, and whether there is an answer.
        answerable_values: of that column, where there is one.
        cluster: rows with the same value stay in one split and are resampled together.
        slices: columns under which results are also reported; listed: those of them whose values are lists,
            of which every entry counts as a value.
    """

    id: str = ""
    text: Annotated[tuple[Name, ...], Field(min_length=1)]
    label: str = ""
    fields: str = ""
    reference: str = ""
    answer: str = ""
    documents: str = ""
    quote: str = ""
    answerable: str = ""
    answerable_values: tuple[Name, ...] = ()
    cluster: str = ""
    slices: tuple[Name, ...] = ()
    listed: tuple[Name, ...] = ()


class Files(Part):
    """The splits as files beside the card, or in the folder of this evalset under `TOR_DATA_DIR`.

    Attributes:
        whole: one file of all rows, instead of train and test; [split] parts it.
        out_of_scope: inputs that none of the labels describes; they have an id and texts, and no label.
    """

    train: FileName | None = None
    dev: FileName | None = None
    test: FileName | None = None
    whole: FileName | None = None
    second_labels: FileName | None = None
    out_of_scope: FileName | None = None

    @model_validator(mode="after")
    def _of_one_way(self) -> Files:
        if (self.whole is None) is (self.train is None) or (self.train is None) is not (self.test is None):
            raise ValueError("name train and test, or whole")
        return self


class HubRows(Part):
    """Where `datasets.load_dataset` finds the rows.

    Attributes:
        train, dev, test: the hub's names of the splits; dev '' when it has none.
        label: the label column there, where its name differs from the card's.
    """

    id: Name
    config: str = ""
    revision: str = ""
    train: Name = "train"
    dev: str = ""
    test: Name = "test"
    label: str = ""


class DevSplit(Part):
    """How dev is carved out of train where the evalset has none, or dev and test out of the whole.

    Stratified by label; rows of one cluster and near-duplicates stay together.
    """

    dev_fraction: Annotated[float, Field(gt=0, lt=0.5)]
    test_fraction: Annotated[float, Field(gt=0, lt=0.9)] | None = None
    seed: int

    @property
    def fractions(self) -> dict[str, float]:
        """The share of each split of what is parted."""
        shares = {"train": 1 - self.dev_fraction - (self.test_fraction or 0.0), "dev": self.dev_fraction}
        return shares if self.test_fraction is None else shares | {"test": self.test_fraction}


class EvalsetCard(Part):
    """A whole card.

    `task` is its kind. `[labels]` maps each label to its definition and fixes the label order.

    Attributes:
        version: rows may only change together with it.
        source: where the rows were published.
        files: splits beside the card; folder: splits under `TOR_DATA_DIR/<name>`.
        sha256: of files, by file name; a file that was never hashed is absent.
        schema_file: of an extraction, a JSON Schema of the fields; it lies beside the card.
        documents: of questions, the folder of each edition's documents, or a JSON Lines file of passages
            with an id and a text each; the newest last; beside the card or where its rows are.
        out_of_scope: the label of queries no other label fits; other: the catch-all label.
    """

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")]
    title: Name
    task: TaskKind = TaskKind.CLASSIFICATION
    languages: tuple[Name, ...] = ()
    licence: Name
    provenance: Name
    description: str = ""
    version: str = "1"
    source: str = ""
    citation: str = ""
    columns: Columns
    files: Files | None = None
    folder: Files | None = None
    hub: HubRows | None = None
    sha256: dict[str, Sha256] = Field(default_factory=dict)
    split: DevSplit | None = None
    labels: dict[str, str] = Field(default_factory=dict)
    schema_file: FileName | None = Field(default=None, alias="schema")
    documents: dict[str, PathName] = Field(default_factory=dict)
    out_of_scope: str = ""
    other: str = ""

    @model_validator(mode="after")
    def _of_one_kind(self) -> EvalsetCard:
        columns = self.columns
        stated: dict[TaskKind, dict[str, object]] = {
            TaskKind.CLASSIFICATION: {"columns.label": columns.label, "[labels]": self.labels},
            TaskKind.EXTRACTION: {"columns.fields": columns.fields, "schema": self.schema_file},
            TaskKind.QUESTION_ANSWERING: {
                "columns.reference": columns.reference or columns.answer,
                "[documents]": self.documents,
            },
        }
        lacking = [name for name, value in stated[self.task].items() if not value and name != "[labels]"]
        if lacking:
            raise ValueError(f"a card for {self.task.value} needs {' and '.join(lacking)}")
        odd = [
            name
            for kind, part in stated.items()
            for name, value in part.items()
            if value and kind is not self.task
        ]
        if odd:
            raise ValueError(f"a card for {self.task.value} has no {' and '.join(odd)}")
        unknown = [name for name in columns.listed if name not in columns.slices]
        if unknown:
            raise ValueError(f"columns.listed names no slices: {', '.join(unknown)}")
        return self

    @model_validator(mode="after")
    def _consistent(self) -> EvalsetCard:
        if self.files is None and self.folder is None and self.hub is None:
            raise ValueError("name where the rows are: [files], [folder] or [hub]")
        if self.files is not None and self.files.dev is None and self.split is None:
            raise ValueError("without a dev file, [split] must say how dev is carved out of train")
        whole = any(one is not None and one.whole for one in (self.files, self.folder))
        if whole is not (self.split is not None and self.split.test_fraction is not None):
            raise ValueError("split.test_fraction goes with a file that is whole")
        if self.split is not None and self.split.fractions["train"] <= 0:
            raise ValueError("[split] leaves nothing to train on")
        unknown = [n for n in (self.out_of_scope, self.other) if n and self.labels and n not in self.labels]
        if unknown:
            raise ValueError(f"not in [labels]: {', '.join(unknown)}")
        return self

    @property
    def target(self) -> str:
        """The column of what is right."""
        return self.columns.label or self.columns.fields or self.columns.reference or self.columns.answer

    def of_edition(self, edition: str) -> EvalsetCard:
        """The card with this edition's columns and files."""
        return EvalsetCard.model_validate_json(self.model_dump_json(by_alias=True).replace(EDITION, edition))

    def edition(self, asked: str) -> str:
        """The edition of the documents that is asked for, the last one where none is.

        Raises:
            DataError: there is no such edition.
        """
        if asked and asked not in self.documents:
            raise DataError(
                f"The evalset '{self.name}' has no edition '{asked}'.",
                got=f"--edition {asked}",
                allowed=", ".join(self.documents) or "no edition: it has no documents",
            )
        return asked or next(reversed(self.documents), "")

    @property
    def label_guide(self) -> tuple[Label, ...]:
        """The labels with their definitions, in the card's order; empty without `[labels]`."""
        return tuple(Label(name=name, definition=text) for name, text in self.labels.items())


def parse_card(text: str, source: str) -> EvalsetCard:
    """Read a card.

    Args:
        source: the file's name, for messages.

    Raises:
        DataError: with every fault of the card, each on its own line.
    """
    try:
        raw = parse_toml(text)
    except Unreadable as error:
        raise DataError(f"{source} is not valid TOML.", got=error) from error
    try:
        return EvalsetCard.model_validate(raw)
    except ValidationError as error:
        raise DataError(
            f"{source} is not a usable card: {faults_of(error, 'card')}",
            allowed="the keys of docs/evalsets.md",
        ) from error
