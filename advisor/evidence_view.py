"""What `advisor evidence` shows: published figures, and the rubric's factors with their sources."""

from __future__ import annotations

from dataclasses import dataclass

from advisor.errors import CaseError
from advisor.evidence import NOT_MEASURED_HERE, Evidence, load_evidence
from advisor.options import current_name
from advisor.rubric.rubric import load_rubric
from advisor.text import ascii_safe


def figures(task: str | None, option: str | None) -> tuple[Evidence, ...]:
    """The packaged figures, those of one task or option if named.

    Raises:
        CaseError: if nothing is published for that task or option, or the option has a new name.
    """
    known = load_evidence()
    if option is not None and current_name(option) != option:
        now = current_name(option)
        raise CaseError(f"{option} is called {now} now.", got=option, allowed=now)
    for name, wanted in (("task", task), ("option", option)):
        allowed = sorted({getattr(e, name) for e in known if getattr(e, name)})
        if wanted is not None and wanted not in allowed:
            raise CaseError(f"Nothing is published for that {name}.", got=wanted, allowed=", ".join(allowed))
    return tuple(e for e in known if task in (None, e.task) and option in (None, e.option))


_TAGS = "P text or table seen, R public repository, S second-hand, V vendor, C computed, U unverified"


def figures_text(found: tuple[Evidence, ...]) -> str:
    """One line a figure."""
    lines = [f"{len(found)} figures, {NOT_MEASURED_HERE} ({_TAGS})", ""]
    for e in found:
        n = "" if e.n is None else f" n={e.n}"
        lines.append(
            f"[{e.tag}] {e.task:<18} {e.option or '-':<14} {e.metric:<26} {e.value:>10g}{n}  {e.study}"
        )
        lines.append(f"      {e.source}{'; ' + e.note if e.note else ''}")
    return ascii_safe("\n".join(lines) + "\n")


@dataclass(frozen=True, slots=True, kw_only=True)
class FactorRow:
    """A factor of the rubric as shown."""

    name: str
    weight: float
    toward: dict[str, float]
    reason: str
    source: str
    opened: str


def rubric_rows() -> tuple[FactorRow, ...]:
    """The rubric's factors, heaviest first."""
    rows = [
        FactorRow(
            name=f.name,
            weight=f.weight,
            toward={o.value: v for o, v in f.toward.items()},
            reason=f.reason,
            source=f.source,
            opened=f.opened,
        )
        for f in load_rubric().factors
    ]
    return tuple(sorted(rows, key=lambda row: (-row.weight, row.name)))


def rubric_text(rows: tuple[FactorRow, ...]) -> str:
    """The factors with weight, directions, reason and source."""
    lines = [f"{len(rows)} factors; weights set by hand, so agreement with published cases is in-sample", ""]
    for row in rows:
        toward = ", ".join(f"{name} {value:+g}" for name, value in row.toward.items())
        lines += [f"{row.weight:<4g} {row.name}: {row.reason}", f"     {toward}"]
        lines += [f"     source: {row.source} (opened: {row.opened})", ""]
    return ascii_safe("\n".join(lines))
