"""Loading an evalset by name, or a user's own file, into the `Evalset` record; checked and split.

Impure: reads the disk and the hub (see `harness.data.source`). What comes back has passed the gate: findings
that are errors are raised, all at once. Inputs that belong to no label, which a classifier should hand back,
are read here too.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from advisor.bundled import bundled
from advisor.options import TaskKind
from advisor.reading import Unreadable, parse_json
from harness.core.errors import DataError
from harness.core.records import AnswerSpace, Evalset, Finding, Item, Label, Target
from harness.core.references import Reference
from harness.core.wording import counted
from harness.data.card import EvalsetCard, parse_card
from harness.data.columns import OBJECTS, VALUES, Numeral, match_columns
from harness.data.field_columns import fields_of_columns
from harness.data.gate import check, require_usable
from harness.data.leakage import Likeness, cluster_rows, likeness
from harness.data.problems import Problems, shorten
from harness.data.rows import ReadTarget, RowGroups, RowReader, entries, read_rows
from harness.data.settings import DataPlan, TableForm
from harness.data.source import (
    CARD_FILE,
    DATA_DIR,
    LOCK_FILE,
    WHOLE,
    Place,
    RawFile,
    check_lock,
    documents_of,
    file_of_passage,
    is_list_of_passages,
    read_bytes,
    read_splits,
    rows_digest,
)
from harness.data.split import split_items
from harness.data.table import read_table
from harness.tasks.answers import states_none
from harness.tasks.base import Task
from harness.tasks.classification import levels_of
from harness.tasks.fields import fields_in, parse_schema
from harness.tasks.kinds import task_of
from harness.tasks.questions import (
    ANSWERABLE_COLUMN,
    BETWEEN,
    DRAFT_COLUMNS,
    EVIDENCE_COLUMNS,
    IMPOSSIBLE_COLUMN,
    QuestionTask,
    reference_of,
)
from harness.tasks.records import PromptLimits

_BESIDE_ANSWERS = (EVIDENCE_COLUMNS, DRAFT_COLUMNS, (ANSWERABLE_COLUMN,), (IMPOSSIBLE_COLUMN,))
FRACTIONS = {"train": 0.5, "dev": 0.1, "test": 0.4}
"""Of a user's own file, as the project's own evalsets are split."""


def columns_of(path: Path, form: TableForm) -> tuple[str, ...]:
    """The columns of a table, each once.

    Raises:
        DataError: if it is no table.
        UsageError: there is no such encoding.
        MissingExtra: a package that reads this kind of file is not installed.
    """
    table = read_table(read_bytes(path, "The data file"), path.name, {}, Problems(), form)
    return tuple(filter(None, dict.fromkeys(table.columns)))


def builtin_evalsets() -> dict[str, Path]:
    """The evalsets that come with the program, or stand in `evalsets/` of the working folder, by name."""
    roots = (bundled("harness", "evalsets"), Path.cwd() / "evalsets")
    found: dict[str, Path] = {}
    for root in roots:
        for card in sorted(root.glob(f"*/{CARD_FILE}")):
            found.setdefault(card.parent.name, card.parent)
    return found


def load_card(name_or_dir: str | Path) -> tuple[EvalsetCard, Path]:
    """The card of an evalset and the folder it lies in.

    Args:
        name_or_dir: a name of `builtin_evalsets`, or a folder with a `card.toml`.

    Raises:
        DataError: there is no such evalset, or its card has faults.
    """
    folder = Path(name_or_dir)
    if not (folder / CARD_FILE).is_file():
        known = builtin_evalsets()
        if str(name_or_dir) not in known:
            raise DataError(
                f"There is no evalset '{name_or_dir}'.",
                got=f"neither a known name nor a folder with a {CARD_FILE}",
                allowed=", ".join(sorted(known)) or f"a folder with a {CARD_FILE}",
            )
        folder = known[str(name_or_dir)]
    path = folder / CARD_FILE
    try:
        text = read_bytes(path, "The card").decode()
    except UnicodeDecodeError as error:
        raise DataError("The card is not valid UTF-8.", got=path) from error
    return parse_card(text, str(path)), folder


def load_evalset(
    name_or_dir: str | Path,
    *,
    environ: Mapping[str, str],
    cache: Path | None,
    offline: bool = False,
    edition: str = "",
) -> Evalset:
    """Load, check and, where it has no dev split, split an evalset.

    Args:
        edition: of its documents; the last one where none is named.
        environ: `TOR_DATA_DIR` is read from it.
        cache: keeps hub rows and the digest lock; None keeps neither, so nothing is compared.
        offline: never ask the hub.

    Raises:
        DataError: no such evalset, rows not found, or any fault of card, files or rows, all at once.
        StoreError: the cache cannot be used.
    """
    card, folder = load_card(name_or_dir)
    edition = card.edition(edition)
    card = card.of_edition(edition) if edition else card
    place = Place(folder=folder, environ=environ, cache=cache, offline=offline)
    files = read_splits(card, place)
    problems = Problems()
    space = _space(card, folder)
    task = QuestionTask(PromptLimits(), edition) if edition else task_of(space)
    parts = _read_parts(card, task, files, problems)
    second = _second_labels(files, problems)
    problems.check(f"The evalset '{card.name}'")
    splits = _arrange(card, parts, task)
    evalset = Evalset(
        name=card.name,
        title=f"{card.title}, edition {edition}" if edition else card.title,
        licence=card.licence,
        provenance=card.provenance,
        labels=_labels(card, [item for rows in splits.values() for item in rows]),
        train=splits["train"],
        dev=splits["dev"],
        test=splits["test"],
        digests={name: rows_digest(rows) for name, rows in splits.items()},
        findings=tuple(problems.findings),
        second_labels=second,
        catch_all=card.out_of_scope or card.other,
        task=card.task,
        schema=space.schema,
        documents=documents_of(card, place, edition),
    )
    evalset = _gated(evalset)
    if cache is not None:
        version = f"{card.version}/{edition}" if edition else card.version
        check_lock(cache / LOCK_FILE, f"{card.name}@{version}", evalset.digests)
    return evalset


def load_file(path: str | Path, form: DataPlan, seed: int) -> Evalset:
    """Load a user's own file (see `harness.data.table`) and split it.

    The split is stratified by label and keeps together near-duplicates and rows with an equal value
    in a group column. A label with one row only trains; with two it trains and is tested.

    Raises:
        DataError: naming every fault of the file at once.
    """
    path = Path(path)
    if form.fields:
        return _load_fields(path, form, seed)
    if form.answer:
        return _load_questions(path, form, seed)
    rows, findings = read_file(path, form)
    items = [row.item for row in rows]
    return _own_file(
        path, rows, AnswerSpace(labels=_labels_of(items)), seed, [*findings, *_rare_labels(items)]
    )


def _load_fields(path: Path, form: DataPlan, seed: int) -> Evalset:
    """A file whose columns hold the values of fields."""
    rows, findings = read_file(path, form)
    problems = Problems()
    cells = {row.item.row or place: fields_in(row.item.target) for place, row in enumerate(rows, start=1)}
    schema, targets = fields_of_columns(form.fields, cells, problems)
    problems.check(f"The data file {path.name}")
    findings = [*findings, *problems.findings]
    space = AnswerSpace(kind=TaskKind.EXTRACTION, schema=schema.json_schema())
    rows = [
        replace(row, item=replace(row.item, target=schema.ordered(target)))
        for row, target in zip(rows, targets, strict=True)
    ]
    return _own_file(path, rows, space, seed, findings)


def _load_questions(path: Path, form: DataPlan, seed: int) -> Evalset:
    """A file of questions with their answers; an empty answer is not in the documents."""
    rows, findings = read_file(path, form)
    references = [row.item.target for row in rows if isinstance(row.item.target, Reference)]
    told = {answer.casefold() for one in references for answer in one.answers}
    if "false" in told and "true" not in told:  # no answer to a question, but that there is none
        rows = [
            replace(row, item=replace(row.item, target=Reference(answerable=False)))
            if one.answers and one.answers[0].casefold() == "false"
            else row
            for row, one in zip(rows, references, strict=True)
        ]
        message = "The answer 'false' counts as none, as no answer is 'true'."
        findings = [*findings, Finding(code="no-answer", severity="note", message=message)]
    if not any(one.answerable for one in references):
        message = "No question has an answer: whatever answers one is wrong."
        findings = [*findings, Finding(code="no-answers", severity="warning", message=message)]
    return _own_file(path, rows, AnswerSpace(kind=TaskKind.QUESTION_ANSWERING), seed, findings)


def _own_file(
    path: Path, rows: Sequence[RowGroups], space: AnswerSpace, seed: int, findings: Sequence[Finding]
) -> Evalset:
    """A user's own rows, clustered, split and checked."""
    like = likeness([row.item for row in rows])
    items = cluster_rows(rows, like)
    splits = split_items(items, FRACTIONS, seed, task_of(space).stratum)
    evalset = Evalset(
        name=path.stem,
        title=f"The file {path.stem}",
        licence="not stated",
        provenance="the user's own file",
        labels=space.labels,
        train=splits["train"],
        dev=splits["dev"],
        test=splits["test"],
        digests={split: rows_digest(part) for split, part in splits.items()},
        findings=tuple(findings),
        task=space.kind,
        schema=space.schema,
    )
    return _gated(evalset, like)


@dataclass(frozen=True, slots=True)
class _Met:
    """What the rows of a file of questions were found to hold.

    Attributes:
        drafted: by model, questions that it drafted.
        without: by words, answers that say that there is none.
        joined: by mark, answers with a mark that may stand between several.
    """

    drafted: Counter[str] = field(default_factory=Counter)
    without: Counter[str] = field(default_factory=Counter)
    joined: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def say(self, rows: int, problems: Problems) -> None:
        """Note it."""
        for model, count in self.drafted.items():
            questions = f"{count:,} of {rows:,} questions were drafted by {model} and checked by a person"
            problems.say("drafted", f"{questions}: they are no customer data.", "warning")
        if self.without:
            words = ", ".join(shorten(words) for words, _ in self.without.most_common(3))
            many = counted(self.without.total(), "question counts", "questions count")
            message = f"{many} as not answered by the documents, where the answer is {words}."
            problems.say("no-answer", message, "note")
        for mark, answers in self.joined.items():
            if len(answers) * _SEVERAL_IN >= rows:
                many = counted(len(answers), "answer holds", "answers hold")
                message = f"{many} {mark}, such as {shorten(answers[0])}, and each is one answer: acceptable "
                problems.say("joined-answers", f"{message}ones stand between '{BETWEEN}' or in a JSON list.")


_SEVERAL_IN = 5  # of so many rows one has a mark before it is told of
_JOINS = {"';'": ";", "' / '": " / ", "a line break": "\n"}


def _reads(form: DataPlan, met: _Met) -> ReadTarget:
    """What reads the cells of a target, and notes what it meets."""
    if form.answer:
        read = QuestionTask(PromptLimits()).read_target

        def counting(cells: Sequence[str]) -> Target | None:
            target, cell = read(cells), cells[0].strip()
            met.drafted.update(filter(None, [cells[3].strip()]))
            if cell and states_none(cell):
                met.without[cell] += 1
            if isinstance(target, Reference) and target.answers == (cell,):
                for mark, between in _JOINS.items():
                    if between in cell:
                        met.joined[mark].append(cell)
            return target

        return counting
    return _cells_of(form.fields) if form.fields else levels_of


def _cells_of(names: Sequence[str]) -> Callable[[Sequence[str]], Target]:
    """Reads the cells of fields: what is not empty, by the column's name."""
    return lambda cells: {
        name: cell if isinstance(cell, Numeral) else cell.strip()
        for name, cell in zip(names, cells, strict=True)
        if cell.strip()
    }


def read_file(path: Path, form: DataPlan) -> tuple[list[RowGroups], list[Finding]]:
    """The rows of a user's own file, neither clustered nor split, and how it was read.

    Raises:
        DataError: naming every fault of the file at once.
        UsageError: there is no such encoding.
        MissingExtra: a package that reads this kind of file is not installed.
    """
    problems = Problems()
    met = _Met()
    reader = RowReader(
        id=form.id,
        text=form.text,
        label=form.fields or form.labels or (form.answer,) * bool(form.answer),
        purpose=VALUES if form.fields or form.answer else "label",
        read=_reads(form, met),
        groups=form.group,
        slices=form.slices,
        prefix="row",
        skip_unlabelled=form.skip_unlabelled,
        optional_id="id",
        optional_label=_BESIDE_ANSWERS if form.answer else (),
    )
    table = read_table(read_bytes(path, "The data file"), path.name, reader.asked, problems, form)
    rows = read_rows(table, reader, problems)
    if not rows and not problems:
        problems.add("no rows below the header")
    if form.answer and not table.usable:
        problems.advise(
            "the same command with --text and --answer, and the file's own names of these columns"
        )
    problems.check(f"The data file {path.name}")
    document, quote = (match_columns({"": (name,)}, table.columns) for name in EVIDENCE_COLUMNS)
    if form.answer and document.missing and not quote.missing:
        problems.say(
            "quote-alone", "The column 'quote' was left out: no column 'document' says where it stands."
        )
    met.say(len(rows), problems)
    return rows, problems.findings


def _gated(evalset: Evalset, like: Likeness | None = None) -> Evalset:
    findings = check(evalset, like=like)
    require_usable(f"The evalset '{evalset.name}'", findings)
    return replace(evalset, findings=(*evalset.findings, *findings))


def _space(card: EvalsetCard, folder: Path) -> AnswerSpace:
    """What may be answered: the card's labels, or the schema beside it.

    Raises:
        DataError: if the schema cannot be read or used.
    """
    if card.schema_file is None:
        return AnswerSpace(kind=card.task, labels=card.label_guide)
    path = folder / card.schema_file
    try:
        raw = parse_json(read_bytes(path, "The schema of the fields"))
    except Unreadable as error:
        raise DataError("The schema of the fields is no JSON.", got=f"{path}: {error}") from error
    parse_schema(raw, str(path))
    return AnswerSpace(kind=card.task, schema=raw)


def _read_parts(
    card: EvalsetCard, task: Task, files: Mapping[str, RawFile], problems: Problems
) -> dict[str, list[RowGroups]]:
    columns = card.columns
    stated = tuple(filter(None, (columns.quote, columns.answerable)))
    parts: dict[str, list[RowGroups]] = {}
    for split in ("train", "dev", "test", WHOLE):
        if split not in files:
            continue
        raw, own = files[split], Problems()
        reader = RowReader(
            id=columns.id,
            text=columns.text,
            label=(card.target, *stated),
            documents=columns.documents,
            purpose=OBJECTS if columns.fields or columns.reference else "label",
            groups=(columns.cluster,) if columns.cluster else (),
            slices=columns.slices,
            listed=columns.listed,
            prefix="row" if split == WHOLE else split,
            read=_answers_in(card) if columns.answer else task.read_target,
        )
        table = read_table(raw.content, raw.name, reader.asked, own)
        parts[split] = read_rows(table, reader, own)
        problems.merge(raw.name, own)
    return parts


def _answers_in(card: EvalsetCard) -> ReadTarget:
    """Reads the cells of an answer and of the columns that say where it stands and whether there is one."""
    columns = card.columns
    listed = is_list_of_passages(card)

    def read(cells: Sequence[str]) -> Target | None:
        named = iter(cell.strip() for cell in cells)
        answer, quote, answerable, documents = (
            next(named) if name else ""
            for name in (columns.answer, columns.quote, columns.answerable, columns.documents)
        )
        if columns.answerable and answerable not in columns.answerable_values:
            answer = ""
        evidence = [
            {"document": file_of_passage(one) if listed else one, "quote": quote}
            for one in (entries(documents) if answer else ())
        ]
        return reference_of({"answers": [answer] * bool(answer), "evidence": evidence})

    return read


def _arrange(
    card: EvalsetCard, parts: Mapping[str, list[RowGroups]], task: Task
) -> dict[str, tuple[Item, ...]]:
    """The splits as items. Test rows keep the clusters of the card; nothing else grouped them."""
    if WHOLE in parts:
        assert card.split is not None, "a card with a whole file says how to part it"
        return split_items(cluster_rows(parts[WHOLE]), card.split.fractions, card.split.seed, task.stratum)
    train = tuple(cluster_rows(parts["train"]))
    test = tuple(cluster_rows(parts["test"]) if card.columns.cluster else (r.item for r in parts["test"]))
    if "dev" in parts:
        return {"train": train, "dev": tuple(cluster_rows(parts["dev"])), "test": test}
    if card.split is None:
        raise DataError(
            f"The evalset '{card.name}' has no dev split here, and its card does not say how to carve one.",
            allowed="[split] with dev_fraction and seed in the card",
        )
    return split_items(train, card.split.fractions, card.split.seed, task.stratum) | {"test": test}


def _second_labels(files: Mapping[str, RawFile], problems: Problems) -> dict[str, str]:
    if "second_labels" not in files:
        return {}
    raw, own = files["second_labels"], Problems()
    reader = RowReader(id="id", text=(), label=("label",), prefix="")
    rows = read_rows(read_table(raw.content, raw.name, reader.asked, own), reader, own)
    problems.merge(raw.name, own)
    return {row.item.id: row.item.label for row in rows}


def _labels(card: EvalsetCard, items: Sequence[Item]) -> tuple[Label, ...]:
    """The card's labels, or those of the rows where it lists none."""
    closed = card.task is TaskKind.CLASSIFICATION
    return card.label_guide or (_labels_of(items) if closed else ())


def _labels_of(items: Sequence[Item]) -> tuple[Label, ...]:
    return tuple(Label(name=name) for name in sorted({item.label for item in items}))


def _rare_labels(items: Sequence[Item]) -> list[Finding]:
    counts: dict[str, list[str]] = {}
    for item in items:
        counts.setdefault(item.label, []).append(item.id)
    rare = sorted(label for label, rows in counts.items() if len(rows) < 3)
    if not rare:
        return []
    some = counted(len(rare), "label has", "labels have")
    message = (
        f"{some} fewer than 3 rows: {', '.join(ascii(label) for label in rare[:6])}"
        f"{', ...' if len(rare) > 6 else ''}. A label with one row only trains, with two it has no dev row."
    )
    rows = tuple(item for label in rare for item in counts[label])[:20]
    return [Finding(code="rare-label", severity="warning", message=message, item_ids=rows)]


def out_of_scope_of(name_or_dir: str | Path, environ: Mapping[str, str]) -> tuple[Item, ...]:
    """The inputs that the card of an evalset names as out of scope; none where it names no file.

    Raises:
        DataError: there is no such evalset, or the file is missing or has faults.
    """
    card, folder = load_card(name_or_dir)
    if card.files is not None and card.files.out_of_scope is not None:
        return read_out_of_scope(folder / card.files.out_of_scope, card.columns.text)
    data_dir = environ.get(DATA_DIR, "").strip()
    if card.folder is not None and card.folder.out_of_scope is not None and data_dir:
        path = Path(data_dir) / card.name / card.folder.out_of_scope
        return read_out_of_scope(path, card.columns.text)
    return ()


def read_out_of_scope(path: Path, text: tuple[str, ...], encoding: str = "utf-8") -> tuple[Item, ...]:
    """A user's own file of inputs out of scope: CSV, JSONL or JSON, no label column needed.

    Args:
        text: columns joined in this order with a blank line between.

    Raises:
        DataError: naming every fault of the file at once.
    """
    problems, name = Problems(), path.name
    raw = read_bytes(path, "The file of inputs out of scope")
    form = TableForm(encoding=encoding)
    reader = RowReader(id="", text=text, label=(), prefix="out-of-scope", optional_id="id")
    rows = read_rows(read_table(raw, name, reader.asked, problems, form), reader, problems)
    if not rows and not problems:
        problems.add("no rows below the header")
    problems.check(f"The file {name}")
    return tuple(row.item for row in rows)
