"""Run folders: made before data is seen, filled as the run goes, closed by a manifest.

    runs/<run id>/
        plan.yaml         the locked plan, defaults spelled out
        writer.json       the process that writes the run now, if any (`harness.bakeoff.run_lock`)
        lock.json         plan digest and when it was locked; written before any data is read
        items.jsonl       the rows as the arms saw them, with their split
        out_of_scope.jsonl   inputs that belong to no label, where there are any
        rest.jsonl        test rows that only arms answer which cost nothing, where there are any
        unseen_labels.json   labels that were left out of a training, where that was asked for
        freshness.json    what keeping up with change takes (`harness.freshness`), where it was drilled
        failed_arms.json  arms that could not be settled or could not answer, and why, where there are any
        passages.jsonl    the passages of documents that arms were shown, where questions are about documents
        data.json         what is known about the rows: labels, digests, findings, second labels
        journal.sqlite    every outcome
        accepted.json     files that were changed after the run was closed, and taken as they were
        artefacts/        tuned models
        curves/           learning curves, where any were asked for (`harness.curve.run`)
        results.json      what was measured and decided (`harness.bakeoff.results.BakeoffResults`)
        robustness.json   what arms do with what they should not answer (`harness.robustness.records`)
        money.json        what the arms cost (`harness.money.records.CostForecast`)
        prediction.json   the advice against the measurement, where there was advice (`harness.track_record`)
        recommendation.json   what to do (`harness.recommendation.records.Recommendation`)
        answers.json      by arm: the answer to each test item as a number, for reading a few of many
        manifest.json     environment and digests of the files above; written last, atomically

A folder without a manifest is an incomplete run. What a manifest has a digest of is checked before it is
shown or scored (`RunFolder.check`).
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from advisor.options import TaskKind, current_names
from harness.bakeoff.journal import Journal, examine
from harness.bakeoff.plan import ExperimentPlan, dump_plan, parse_plan, written_digest
from harness.bakeoff.results import RESULTS_SCHEMA, Accepted, BakeoffResults, FailedArm
from harness.bakeoff.run_lock import writing
from harness.core.environment import Environment
from harness.core.errors import IncompleteRun, StoreError, UsageError, UserError, command, command_on, on_disk
from harness.core.files import sha256_or_missing, write_atomically
from harness.core.records import AnswerSpace, Evalset, Finding, Item, Label, Passage
from harness.core.serial import decode, decode_item, encode
from harness.privacy.redact import Placeholders

ANSWERS = "answers.json"
JOURNAL = "journal.sqlite"
ACCEPTED = "accepted.json"
OUT_OF_SCOPE = "out_of_scope.jsonl"
REST, REST_DEV = "rest.jsonl", "rest_dev.jsonl"
UNSEEN = "unseen_labels.json"
INJECTED = "injected.jsonl"
RESULTS = "results.json"
ROBUSTNESS = "robustness.json"
MONEY = "money.json"
FRESHNESS = "freshness.json"
LOAD = "load.json"
PREDICTION = "prediction.json"
RECOMMENDATION = "recommendation.json"
FAILED = "failed_arms.json"
PASSAGES = "passages.jsonl"
PRIVACY = "privacy.json"
PLACEHOLDERS = "placeholders.json"
"""What placeholders in answers stand for: for its owner alone, in no manifest, so that it may be deleted."""
CONCLUDED = (RESULTS, ROBUSTNESS, MONEY, PREDICTION, RECOMMENDATION)
"""What each capability concludes, in a file of its own."""

FROM_JOURNAL = frozenset({*CONCLUDED, ANSWERS})
"""Files that are made from the others, and can be made again."""

_ALWAYS = ("plan.yaml", "lock.json", "items.jsonl", "data.json", RESULTS)
_SOMETIMES = (
    *CONCLUDED[1:],
    ANSWERS,
    OUT_OF_SCOPE,
    REST,
    REST_DEV,
    UNSEEN,
    INJECTED,
    FAILED,
    PASSAGES,
    FRESHNESS,
    PRIVACY,
    LOAD,
    "imports.json",
    "tuned.json",
    ACCEPTED,
)
_LOOKS = "test_looks.jsonl"
_MARKS = ("lock.json", "items.jsonl", RESULTS)
_T = TypeVar("_T")


class EarlierVersion(StoreError):
    """Results that another version's rule reached."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """When a plan was locked, under which digest.

    Attributes:
        homes: folders that relative paths of its data start from; empty in older runs.
    """

    run_id: str
    plan_digest: str
    locked_at: datetime
    homes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """The last file of a complete run.

    Attributes:
        files: sha256 of each file, and of what the journal holds (`Journal.content_digest`).
        sealed: sha256 of this record without it; '' in runs of earlier versions.
    """

    run_id: str
    plan_digest: str
    finished_at: datetime
    wall_s: float
    environment: Environment
    files: dict[str, str]
    sealed: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DataFacts:
    """What is known about the rows beside the rows themselves.

    Attributes:
        task: what is asked about them; labels or schema: what may be answered.
        overlap: ids of test items whose text stands in train.
        catch_all: the label for what no other fits; '' where there is none.
        look: which look at its question the run is; from the second on only fresh test items are in it.
    """

    name: str
    title: str
    licence: str
    provenance: str
    labels: tuple[Label, ...]
    digests: dict[str, str]
    findings: tuple[Finding, ...]
    second_labels: dict[str, str]
    overlap: tuple[str, ...]
    catch_all: str = ""
    look: int = 1
    task: TaskKind = TaskKind.CLASSIFICATION
    schema: dict[str, Any] = field(default_factory=dict)

    @property
    def space(self) -> AnswerSpace:
        """What may be answered."""
        return AnswerSpace(kind=self.task, labels=self.labels, schema=self.schema)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFolder:
    """One run on disk."""

    root: Path

    @property
    def run_id(self) -> str:
        """The folder's name."""
        return self.root.name

    def command(self, verb: str, *more: str) -> str:
        """A command on this run, to be pasted as it stands; with `--runs` where it does not lie in ./runs."""
        return command_on(self.root, verb, *more)

    @property
    def home(self) -> RunFolder:
        """The run itself, of a folder that lies in one (a curve's, a drill's)."""
        within = (self.root, *self.root.absolute().parents[:4])
        return RunFolder(root=next((root for root in within if (root / "lock.json").exists()), self.root))

    @property
    def artefacts(self) -> Path:
        """Where tuned models lie."""
        return self.root / "artefacts"

    @property
    def curves(self) -> Path:
        """Where the learning curves of this run lie."""
        return self.root / "curves"

    def writing(self) -> AbstractContextManager[None]:
        """Hold the run for this process: whatever writes a run does so under this.

        Raises:
            StoreError: if another process holds it, naming that process.
        """
        return writing(self.root)

    def journal(self, *, read_only: bool = False) -> Journal:
        """Open the journal; answers with placeholders in them are read with the values in their place."""
        kept = self.home.root / PLACEHOLDERS
        restore = Placeholders.read(kept).restore if kept.exists() else None
        return Journal(self.root / JOURNAL, read_only=read_only, restore=restore)

    def lock(self) -> Lock:
        """When the plan was locked, under which digest."""
        return self._record("lock.json", lambda text: decode(Lock, text))

    def plan(self) -> ExperimentPlan:
        """The locked plan.

        Raises:
            StoreError: if it was changed since it was locked.
        """
        text = self._read("plan.yaml")
        plan = parse_plan(text, str(self.root / "plan.yaml"), locked=True)
        lock = self.lock()
        if lock.plan_digest not in {plan.digest, written_digest(text)}:
            raise StoreError(
                f"The plan of run {self.run_id} was changed after it was locked.",
                got=plan.digest[:12],
                allowed=lock.plan_digest[:12],
                run=f"{command('run', self.root / 'plan.yaml')}   # a changed plan is a new run",
            )
        return plan

    def homes(self) -> tuple[Path, ...]:
        """Where relative paths of the plan's data start from: by default, beside the folder of the runs."""
        locked = self.lock().homes
        return tuple(map(Path, locked)) or (self.root.absolute().parent.parent,)

    def write_items(self, evalset: Evalset) -> None:
        """Store the rows as the arms see them."""
        splits = (("train", evalset.train), ("dev", evalset.dev), ("test", evalset.test))
        lines = (f'{{"split":"{name}","item":{encode(item)}}}\n' for name, items in splits for item in items)
        write_atomically(self.root / "items.jsonl", lines)

    def items(self) -> dict[str, tuple[Item, ...]]:
        """The stored rows by split."""
        found: dict[str, list[Item]] = {"train": [], "dev": [], "test": []}
        slices: dict[Any, Any] = {}
        for number, line in enumerate(self._lines("items.jsonl"), 1):
            try:
                row = json.loads(line)
                split, item = found[row["split"]], row["item"]
            except (ValueError, KeyError, TypeError, RecursionError) as error:
                raise StoreError(
                    f"items.jsonl of run {self.run_id} is damaged.", got=f"line {number}"
                ) from error
            read = decode_item(json.dumps(item))
            split.append(replace(read, slices=slices.setdefault(read.slices, read.slices)))
        return {split: tuple(items) for split, items in found.items()}

    def write_rows(self, name: str, items: Sequence[Item | Passage]) -> None:
        """Store rows beside the run's own, such as OUT_OF_SCOPE; without any no file is written."""
        if items:
            write_atomically(self.root / name, (f"{encode(item)}\n" for item in items))

    def rows(self, name: str) -> tuple[Item, ...]:
        """What `write_rows` stored of items; none where it stored nothing."""
        return self.records(name, decode_item)

    def records(self, name: str, read: Callable[[str], _T]) -> tuple[_T, ...]:
        """What `write_rows` stored, each line read; none where it stored nothing."""
        return tuple(map(read, self._lines(name))) if (self.root / name).exists() else ()

    def write_failed(self, found: Sequence[FailedArm]) -> None:
        """Store which arms failed, or that none did."""
        if found or (self.root / FAILED).exists():
            write_atomically(self.root / FAILED, encode(tuple(found), indent=1) + "\n")

    def failed(self) -> tuple[FailedArm, ...]:
        """The arms that failed when the run last went on."""
        return self.part(FAILED, tuple[FailedArm, ...]) or ()

    def write_data_facts(self, facts: DataFacts) -> None:
        """Store what is known about the rows."""
        write_atomically(self.root / "data.json", encode(facts, indent=1) + "\n")

    def data_facts(self) -> DataFacts:
        """What is known about the rows."""
        return self._record("data.json", lambda text: decode(DataFacts, text))

    def write_part(self, name: str, record: object) -> None:
        """Store what one capability concludes; None removes what an earlier conclusion left."""
        if record is None:
            (self.root / name).unlink(missing_ok=True)
        else:
            write_atomically(self.root / name, encode(record, indent=1) + "\n")

    def part(self, name: str, kind: type[_T]) -> _T | None:
        """What one capability concluded; None where it stored nothing."""
        if not (self.root / name).exists():
            return None
        return self._record(name, lambda text: decode(kind, text))

    def write_answers(self, answers: Mapping[str, Sequence[int]]) -> None:
        """Store by arm what was answered to each test item: `Scored.answer`, in the items' order."""
        plain = {arm: [int(code) for code in codes] for arm, codes in answers.items()}
        write_atomically(self.root / ANSWERS, json.dumps(plain, separators=(",", ":")) + "\n")

    def answers(self) -> dict[str, list[int]]:
        """What `write_answers` stored; empty in a run that was concluded before there was such a file."""
        return self.part(ANSWERS, dict[str, list[int]]) or {}

    def results(self) -> BakeoffResults:
        """What was measured and decided.

        Raises:
            IncompleteRun: if the run has not come to its conclusion yet.
            StoreError: if it was decided by the rule of an earlier version: then it is decided again from the
                journal before it is shown.
        """
        if not (self.root / RESULTS).exists():
            raise IncompleteRun(
                f"Run {self.run_id} is incomplete: it has no results yet.",
                run=self.command("resume"),
            )
        return self._record(RESULTS, _decode_results)

    def closed_results(self) -> BakeoffResults:
        """The results that a run was closed with, or those it has so far.

        Raises:
            StoreError: if the plan, or anything the manifest has a digest of, was changed since.
        """
        results = self.results()
        self.plan()
        self.check()
        return results

    def write_manifest(self, *, finished_at: datetime, wall_s: float, environment: Environment) -> None:
        """Close the run. Nothing is written after this."""
        names = [*_ALWAYS, *(name for name in _SOMETIMES if (self.root / name).exists())]
        files = {name: sha256_or_missing(self.root / name) for name in names}
        if (self.root / JOURNAL).exists():
            with self.journal() as journal:  # opened to write: rows of an older journal get their digests
                files[JOURNAL] = journal.content_digest()
        manifest = Manifest(
            run_id=self.run_id,
            plan_digest=self.lock().plan_digest,
            finished_at=finished_at,
            wall_s=wall_s,
            environment=environment,
            files=files,
        )
        sealed = replace(manifest, sealed=_seal(encode(manifest)))
        write_atomically(self.root / "manifest.json", encode(sealed, indent=1) + "\n")

    def manifest(self) -> Manifest | None:
        """The manifest, None for an incomplete run."""
        if not (self.root / "manifest.json").exists():
            return None
        found = self._record("manifest.json", lambda text: decode(Manifest, text))
        if found.sealed not in ("", _seal(self._read("manifest.json"))):
            raise StoreError(
                f"manifest.json of run {self.run_id} is damaged: it is not what was written.",
                got=str(self.root),
                allowed="the file as it was; bring it back from a copy",
                run=f"rm {self.root / 'manifest.json'} && {self.command('resume')}   # closes the run again",
            )
        return found

    def changed(self, *, journal: bool = True) -> tuple[str, ...]:
        """Files that are not what the run was closed with any more; none of a run that is not closed.

        Args:
            journal: whether the answers are read through as well.
        """
        closed = self.manifest()
        if closed is None:
            return ()
        found = [name for name in closed.files if name != JOURNAL and not self.as_it_was(closed, {name})]
        if journal and closed.files.get(JOURNAL, "") not in ("", self._journal_digest()):
            found.append(JOURNAL)
        return tuple(found)

    def as_it_was(self, closed: Manifest, names: Collection[str]) -> bool:
        """Whether files, the journal not among them, are those that a manifest has the digests of."""
        return all(closed.files.get(name) in (None, sha256_or_missing(self.root / name)) for name in names)

    def check(self, *, but: Collection[str] = (), journal: bool = True) -> None:
        """Refuse a closed run that holds anything but what it was closed with.

        Args:
            but: files that are not going to be read.
            journal: whether the answers are read through as well.

        Raises:
            StoreError: naming the files, and the way on.
        """
        if not (found := [name for name in self.changed(journal=journal) if name not in but]):
            return
        again = self.command("score", "--store")
        run = f"{again}   # measures again from the journal"
        if not FROM_JOURNAL.issuperset(found):
            run = f"{again} --accept-changes   # takes them as they are; every report will say so"
        if found == [JOURNAL] and (self.root / JOURNAL).exists() and examine(self.root / JOURNAL):
            run = f"{self.command('resume')}   # names the damage, and what it would ask again"
        raise StoreError(
            f"{', '.join(found)} of run {self.run_id} "
            f"{'was' if len(found) == 1 else 'were'} changed after the run was closed.",
            got=str(self.root),
            allowed="the files as they were; bring them back from a copy",
            run=run,
        )

    def accept(self, files: Sequence[str], now: datetime) -> None:
        """Note that changed files were taken as they are."""
        noted = (*self.accepted(), Accepted(files=tuple(files), at=now))
        write_atomically(self.root / ACCEPTED, encode(noted, indent=1) + "\n")

    def accepted(self) -> tuple[Accepted, ...]:
        """What was changed after the run was closed and taken as it was, oldest first."""
        return self.part(ACCEPTED, tuple[Accepted, ...]) or ()

    def _journal_digest(self) -> str:
        """The digest of the journal's content; of a damaged or missing one, one that no journal has."""
        path = self.root / JOURNAL
        if not path.exists():
            return "missing"
        return _content_digest(path, *(_mark(path.with_name(path.name + end)) for end in ("", "-wal")))

    def discard_if_empty(self) -> None:
        """Remove the folder of a run whose rows could not be read: nothing was computed in it."""
        if not (self.root / "items.jsonl").exists():
            with suppress(StoreError), self.writing():
                shutil.rmtree(self.root, ignore_errors=True)

    def reopen(self) -> None:
        """Remove the manifest of a run that is about to go on."""
        with on_disk(f"Run {self.run_id} cannot go on", got=str(self.root), allowed="a writable folder"):
            (self.root / "manifest.json").unlink(missing_ok=True)

    def _record(self, name: str, read: Callable[[str], _T]) -> _T:
        text = self._read(name)
        try:
            return read(current_names(text))
        except EarlierVersion as error:
            again = self.command("score", "--store")
            raise StoreError(
                f"Run {self.run_id} was decided by the rule of another version.",
                got=error.got,
                allowed=error.allowed,
                run=f"{again}   # decides it again from its journal; no model is asked",
            ) from error
        except StoreError as error:
            again = self.command("score", "--store") if name in FROM_JOURNAL else ""
            raise StoreError(
                f"{name} of run {self.run_id} is damaged, or of another version.",
                got=error.got,
                allowed="the file as it was written",
                run=again or None,
            ) from error

    def _read(self, name: str) -> str:
        return "".join(self._lines(name))

    def _lines(self, name: str) -> Iterator[str]:
        try:
            with (self.root / name).open(encoding="utf-8", newline="\n") as file:  # texts hold other ends
                yield from file
        except FileNotFoundError as error:
            if not (self.root / "manifest.json").exists():
                raise IncompleteRun(
                    f"Run {self.run_id} is incomplete: it has no {name} yet.",
                    run=self.command("resume"),
                ) from error
            raise StoreError(f"Run {self.run_id} has lost its {name}.", got=str(self.root)) from error
        except (OSError, UnicodeDecodeError) as error:
            raise StoreError(f"{name} of run {self.run_id} cannot be read: {error}.") from error


def create_run(
    runs: Path, plan: ExperimentPlan, now: datetime, homes: Sequence[Path] = (Path(),)
) -> RunFolder:
    """Make a run folder and lock the plan in it, before any data is read.

    The run is named after a second of its own, so names stand in the order of the starts.

    Args:
        homes: folders that relative paths of the plan's data start from, in the order they are tried.

    Raises:
        StoreError: if the folder cannot be written.
    """
    second = now
    while any(runs.glob(f"{second:%Y%m%d-%H%M%S}-*")):
        second += timedelta(seconds=1)
    folder = RunFolder(root=runs / f"{second:%Y%m%d-%H%M%S}-{plan.digest[:6]}")
    try:
        folder.artefacts.mkdir(parents=True, exist_ok=False)
    except FileExistsError:  # another start took the name just now
        return create_run(runs, plan, now, homes)
    except OSError as error:
        raise StoreError(
            f"No run folder can be made in {runs}: {error.strerror}.",
            allowed="a writable folder",
            run="set TOR_RUNS_DIR or --runs to another folder",
        ) from error
    write_atomically(folder.root / "plan.yaml", dump_plan(plan))
    absolute = tuple(dict.fromkeys(str(home.absolute()) for home in homes))
    lock = Lock(run_id=folder.run_id, plan_digest=plan.digest, locked_at=now, homes=absolute)
    write_atomically(folder.root / "lock.json", encode(lock) + "\n")
    return folder


def homes_of(plan_file: Path) -> tuple[Path, ...]:
    """Where relative paths of a plan's data start from: here, beside the plan, and where its run's did."""
    folder = RunFolder(root=plan_file.parent)
    with suppress(UserError):
        return (Path(), folder.root, *folder.homes())
    return (Path(), folder.root)


def find_run(runs: Path, name: str) -> RunFolder:
    """The run of this name or path; `latest` is the newest, and a unique beginning is enough.

    Raises:
        UsageError: if there is none or several.
    """
    if os.sep in name and any((Path(name) / mark).exists() for mark in _MARKS):
        return RunFolder(root=Path(name))
    names = [folder.run_id for folder in list_runs(runs)]
    found = names[-1:] if name == "latest" else [n for n in names if n.startswith(name)]
    if len(found) == 1:
        return RunFolder(root=runs / found[0])
    if not names:
        raise UsageError(
            f"There is no run in the folder {runs} yet.",
            got=name,
            run="harness demo   # makes the first one; --runs names another folder",
        )
    raise UsageError(
        f"{'No run' if not found else 'More than one run'} is called '{name}' in {runs}.",
        got=", ".join(found) or None,
        allowed=", ".join(names[-5:]),
        run="harness runs",
    )


def list_runs(runs: Path) -> list[RunFolder]:
    """All run folders, oldest first; one that lost its lock is a damaged run, not none."""
    if not runs.is_dir():
        return []
    try:
        return [RunFolder(root=p) for p in sorted(runs.iterdir()) if any((p / n).exists() for n in _MARKS)]
    except OSError as error:
        raise StoreError(f"The runs in {runs} cannot be listed: {error.strerror}.") from error


def count_looks(runs: Path, test_digest: str, plan_digest: str) -> int:
    """Note that this plan looks at this test split, and count the distinct plans that have.

    Raises:
        StoreError: if the list of looks is damaged or cannot be written: a look that is not counted
            would make the report claim fewer than there were.
    """
    path = runs / _LOOKS
    line = json.dumps({"test": test_digest, "plan": plan_digest}) + "\n"
    try:
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        seen = {row["plan"] for row in map(json.loads, text.splitlines()) if row["test"] == test_digest}
        if plan_digest not in seen:
            with path.open("a", encoding="utf-8") as file:
                file.write(line if not text or text.endswith("\n") else "\n" + line)
    except OSError as error:
        raise StoreError(
            f"{path} cannot be written: {error.strerror}.", allowed="a writable folder"
        ) from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise StoreError(
            f"{path} is damaged, so the looks at this test split cannot be counted.",
            allowed="one JSON object a line",
            run=f"repair or remove {path}",
        ) from error
    return len(seen | {plan_digest})


def _seal(text: str) -> str:
    """Sha256 (hex) of a manifest as it is written, its seal left out."""
    raw = json.loads(text)
    raw.pop("sealed", None)
    return hashlib.sha256(json.dumps(raw, sort_keys=True).encode()).hexdigest()


def _mark(path: Path) -> tuple[int, ...]:
    """What changes when a file is written."""
    try:
        found = path.stat()
    except OSError:
        return ()
    return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


@functools.lru_cache(maxsize=64)
def _content_digest(path: Path, *marks: tuple[int, ...]) -> str:
    """A page reads a run over and over: the journal is read through once until it is written again."""
    try:
        with Journal(path, read_only=True) as journal:
            return "damaged" if journal.damage() else journal.content_digest()
    except StoreError:
        return "damaged"


def _decode_results(text: str) -> BakeoffResults:
    try:
        raw = json.loads(text)
    except (ValueError, RecursionError):
        raw = None  # `decode` says what is wrong with it
    found = raw.get("schema") if isinstance(raw, dict) else RESULTS_SCHEMA
    if found != RESULTS_SCHEMA:
        raise EarlierVersion(
            "The verdict of this run was reached by another version's rule.",
            got=f"results of schema {found}",
            allowed=f"schema {RESULTS_SCHEMA}",
        )
    return decode(BakeoffResults, text)
