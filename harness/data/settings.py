"""How a plan names its rows, and how a table of them is read."""

from __future__ import annotations

from pydantic import ValidationInfo, model_validator

from harness.core.names import as_names, flag_value
from harness.core.parts import Count, EditionName, Part


class TableForm(Part):
    """How a table is read; what is left out is looked for.

    `records` are the places of the rows in a JSON document, `sheet` one of a workbook. With `no_header`
    columns are called 1, 2, 3; with `no_quotes` a quotation mark is a character like any other.
    """

    encoding: str = "utf-8"
    records: tuple[str, ...] = ()
    sheet: str = ""
    no_header: bool = False
    no_quotes: bool = False


class DataPlan(TableForm):
    """Which rows: an evalset by name, or a user's own file.

    For a file: `text` columns are joined, `label` is one column or the levels of one label, `fields` are
    columns that hold what is to be read out of the text, `answer` is what answers a question over the
    documents in the folder `docs`, one of the three. `edition` is one of an evalset's documents. `id` is ''
    for a column called id where there is one, otherwise for row numbers. Rows with an equal value in a
    `group` column stay in one split. `after` names a run that asked the same question: what it tested is
    left out, and this run is a further look.
    """

    evalset: str = ""
    file: str = ""
    text: tuple[str, ...] = ()
    label: str | tuple[str, ...] = ""
    fields: tuple[str, ...] = ()
    answer: str = ""
    docs: str = ""
    edition: EditionName = ""
    group: tuple[str, ...] = ()
    id: str = ""
    slices: tuple[str, ...] = ()
    skip_unlabelled: bool = False
    limit_train: Count | None = None
    limit_dev: Count | None = None
    limit_test: Count | None = None
    limit_out_of_scope: Count | None = None
    free_take_all: bool = False
    free_take_dev: bool = False
    after: str | None = None

    @property
    def labels(self) -> tuple[str, ...]:
        """The label column, or the columns of its levels."""
        return as_names(self.label)

    @property
    def flags(self) -> list[str]:
        """The flags of the command line that name the same rows."""
        if self.evalset:
            return ["--evalset", self.evalset, *(["--edition", self.edition] if self.edition else [])]
        words = ["--docs", self.docs, "--questions", self.file] if self.docs else ["--data", self.file]
        lists = (
            ("--text", self.text),
            ("--label", self.labels),
            ("--fields", self.fields),
            ("--group", self.group),
        )
        for flag, names in (*lists, ("--slice", self.slices), ("--records", self.records)):
            words += [flag, flag_value(names)] if names else []
        words += [] if self.encoding == "utf-8" else ["--encoding", self.encoding]
        words += ["--answer", self.answer] if self.answer else []
        words += ["--id", self.id] if self.id else []
        words += ["--sheet", self.sheet] if self.sheet else []
        switches = (("--skip-unlabelled", self.skip_unlabelled), ("--no-header", self.no_header))
        return words + [flag for flag, on in (*switches, ("--no-quotes", self.no_quotes)) if on]

    @model_validator(mode="after")
    def _label_apart(self, info: ValidationInfo) -> DataPlan:
        """Refused for new plans only: a run that was locked stays readable."""
        if not (info.context or {}).get("locked"):
            answers = (self.answer,) * bool(self.answer)
            both = [name for name in (*self.labels, *self.fields, *answers) if name in self.text]
            if both:
                column = "field" if both[0] in self.fields else "answer" if both[0] in answers else "label"
                raise ValueError(
                    f"the {column} column {both[0]!r} is among the text columns, which give the answer away"
                )
        return self

    @model_validator(mode="after")
    def _one_source(self) -> DataPlan:
        if bool(self.evalset) == bool(self.file):
            raise ValueError("name either an evalset or a file, not both or neither")
        if self.file and not (self.text and (self.label or self.fields or self.answer)):
            raise ValueError(
                "a file needs the names of its text and label columns (--text, --label or --fields)"
            )
        if (bool(self.label) + bool(self.fields) + bool(self.answer)) > 1:
            raise ValueError(
                "name either label columns (--label), columns of fields (--fields) or an answer column "
                "(--answer)"
            )
        if bool(self.docs) != bool(self.answer):
            raise ValueError("questions need documents, and documents questions (--docs, --questions)")
        if self.edition and not self.evalset:
            raise ValueError("an edition is one of an evalset's (--evalset, --edition)")
        return self
