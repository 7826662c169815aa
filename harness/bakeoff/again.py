"""What going on with a run would ask again, said and refused before anything is asked.

An answer is asked again only where its user wants it: `--ask-again`. Answers can be out of reach because the
journal is damaged, missing or not what the run was closed with, or because their keys name another program,
model or setting than would answer now. Reading, scoring and reporting need none of this.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from advisor.money.ledger import total_usd
from advisor.money.price_book import Price
from harness.arms.base import Arm, canonical, config_digest
from harness.bakeoff.cost import cost_lines
from harness.bakeoff.journal import Journal, Lane, Pass, examine, salvage
from harness.bakeoff.journal_damage import Damage
from harness.bakeoff.plan import ExperimentPlan
from harness.bakeoff.prices import open_book, prices_for
from harness.bakeoff.run_folder import JOURNAL, RunFolder
from harness.core.context import Context
from harness.core.errors import StoreError
from harness.core.records import ArmId, Item, Outcome
from harness.core.wording import about_seconds

_MOST_REASONS, _LONGEST = 3, 40
CONSENT = "--ask-again"
"""The flag by which a user says that answers may be asked again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Again:
    """What one arm would be asked or settled on again.

    Attributes:
        answers: answers to the same items under other keys.
        usd: what asking them again would cost at today's prices of the run; None where it costs no money or
            its price is not known.
        seconds: what they took, settling included.
        because: what differs from when they were given.
    """

    arm: ArmId
    answers: int
    usd: Decimal | None
    seconds: float
    because: tuple[str, ...]

    @property
    def words(self) -> str:
        """The arm, how many answers, what they cost and why, on one line."""
        what = f"{self.answers:,} answer{'s' * (self.answers != 1)}" if self.answers else "fitted again"
        cost = (
            f"about ${self.usd:.4f}" if self.usd is not None else f"they took {about_seconds(self.seconds)}"
        )
        return f"{self.arm}: {what} ({cost}), because {' and '.join(self.because)}"


def sound_journal(folder: RunFolder, context: Context) -> None:
    """Refuse to go on from a journal that is not what was written; with consent, keep what can be read.

    Raises:
        StoreError: if it is damaged, missing or changed, and nobody said that it may be asked again.
    """
    path, closed = folder.root / JOURNAL, folder.manifest()
    consent = folder.command("resume", CONSENT)
    if not (folder.root / "items.jsonl").exists():
        return  # it stopped before anything was asked
    if not path.exists():
        if closed is not None and JOURNAL in closed.files and not context.ask_again:
            raise StoreError(
                f"Run {folder.run_id} has lost its journal, and every answer with it.",
                allowed="the file as it was written; bring it back from a copy",
                run=f"{consent}   # without a copy: asks everything again",
            )
        return
    damage = examine(path)
    if damage and not context.ask_again:
        raise StoreError(
            f"The journal of run {folder.run_id} is damaged: {damage.words}.",
            got=str(path),
            allowed="the file as it was written; bring it back from a copy",
            run=f"{consent}   # keeps what can be read, and asks the rest again",
        )
    if damage:
        _mend(folder, damage, context)
    elif JOURNAL in folder.changed():
        if not context.ask_again:
            raise StoreError(
                f"{JOURNAL} of run {folder.run_id} was changed after the run was closed.",
                got=str(path),
                allowed="the file as it was; bring it back from a copy",
                run=f"{consent}   # goes on from it as it is; every report will say so",
            )
        folder.accept([JOURNAL], context.clock())


def _mend(folder: RunFolder, damage: Damage, context: Context) -> None:
    changed = JOURNAL in folder.changed() and _changed_besides(folder, damage)
    kept = salvage(folder.root / JOURNAL)
    if changed:
        folder.accept([JOURNAL], context.clock())
    context.progress.stage(f"kept {kept:,} answers of the damaged journal; its file is kept beside it", None)


def _changed_besides(folder: RunFolder, damage: Damage) -> bool:
    """Whether more than the damaged rows differs from what the run was closed with, or nobody can say."""
    closed = folder.manifest()
    if damage.file or closed is None:
        return True
    with folder.journal(read_only=True) as journal:
        return journal.content_digest() != closed.files.get(JOURNAL)


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmToAsk:
    """What an arm is about to be asked.

    Attributes:
        facts: everything that decides its answers now.
        parts: the items, by pass.
    """

    arm: Arm
    seed: int
    facts: Mapping[str, object]
    parts: Mapping[Pass, Sequence[Item]]


def asked_again(wanted: ArmToAsk, journal: Journal, plan: ExperimentPlan, context: Context) -> Again | None:
    """What this arm would be asked or settled on again, None for nothing."""
    arm, seed, facts, parts = wanted.arm, wanted.seed, wanted.facts, wanted.parts
    config = config_digest(facts)
    found: list[Outcome] = []
    for split, items in parts.items():
        lane = Lane(arm=arm.id, seed=seed, split=split, config=config)
        found += journal.others(lane, items).values()
    stored = next((one for one in journal.settled() if (one.arm, one.seed) == (arm.id, seed)), None)
    settles = stored is not None and stored.config != config
    if not found and not (settles and stored is not None and stored.fitted.artefact is not None):
        return None
    prices = prices_for(arm.identity, plan, open_book(plan, context))
    usd = None
    if found and isinstance(prices.answers, Price):
        per_1k = total_usd(cost_lines(found, arm.identity, prices))
        usd = None if per_1k is None else per_1k * len(found) / 1000
    seconds = sum(one.timing.model_s for one in found if one.timing is not None)
    return Again(
        arm=arm.id,
        answers=len(found),
        usd=usd,
        seconds=seconds + (stored.fitted.seconds if settles and stored is not None else 0.0),
        because=_because(journal.config_of(arm.id, seed), facts),
    )


def refuse(what: str, again: Sequence[Again], consent: str) -> None:
    """Refuse to ask again what is answered.

    Args:
        what: what would go on.
        consent: what to run to have it go on all the same.

    Raises:
        StoreError: naming every arm with count, cost and reason, if there is any.
    """
    if not again:
        return
    count = sum(one.answers for one in again)
    usd = sum((one.usd for one in again if one.usd is not None), Decimal(0))
    cost = f", for about ${usd:.4f}" if usd else ""
    raise StoreError(
        f"Going on with {what} would ask again for {count:,} answers that it has{cost}: they "
        "were given by another program, model or setting than would answer now.",
        got="; ".join(one.words for one in again),
        allowed="what the run began with; it can be read, scored and reported as it is",
        run=consent,
    )


def _because(before: str | None, now: Mapping[str, object]) -> tuple[str, ...]:
    """The facts that differ, the first few of them."""
    if before is None:
        return ("an earlier version of this program gave them, whose keys held less",)
    try:
        old, new = _flat(json.loads(before)), _flat(json.loads(canonical(now)))
    except (ValueError, RecursionError):
        return ("what they were given by was not kept",)
    names = [name for name in sorted(old.keys() | new.keys()) if old.get(name) != new.get(name)]
    found = [f"{name} was {_short(old.get(name))} and is {_short(new.get(name))}" for name in names]
    more = [f"{len(found) - _MOST_REASONS} more facts differ"] if len(found) > _MOST_REASONS else []
    return (*found[:_MOST_REASONS], *more) or ("the configuration differs",)


def _flat(value: Any, name: str = "") -> dict[str, str]:
    if isinstance(value, dict):
        found: dict[str, str] = {}
        for key, entry in value.items():
            found |= _flat(entry, f"{name}.{key}" if name else str(key))
        return found
    return {name: json.dumps(value)}


def _short(text: str | None) -> str:
    if text is None:
        return "not there"
    return text if len(text) <= _LONGEST else f"{text[:16]}…"
