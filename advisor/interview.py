"""`advisor interview`: the same questions in the same order for everyone; every answer is saved at once.

The short list has twelve questions, one line an answer, so that answers can be piped: which line answers
which question never depends on what was answered before. Enter skips a question (not known), `?` lists what
is allowed, `q` or Ctrl-C stops; a later run goes on with the questions that have no answer. At a terminal a
wrong answer is asked for again; in a pipe it ends the interview, as the next line answers the next question.
What was understood is said at the end. Most questions, their units and ranges stand in `advisor.case`.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import re
import sys
from pathlib import Path
from typing import Any

import typer

from advisor.case import (
    AnswerKind,
    Ask,
    Incumbent,
    UseCase,
    answer_type,
    answer_words,
    asks,
    build_case,
    choices,
    facts_needed,
)
from advisor.case_file import dump_case, load_case
from advisor.errors import CaseError
from advisor.money.money import CURRENCIES, format_money
from advisor.numbers import NumberFault, figure, read_number
from advisor.reading import parse_yaml
from advisor.units import amount_and_currency

INTRO = "Enter skips a question, ? says what is allowed, q stops; answers are kept in {path}."
CHANGES, TODAY, TRIES = "changes", "today", "tries"
"""Questions of the short list whose answer lies elsewhere than in a field of their own."""
SHORT = (
    "name",
    "task",
    "problems",
    "needs_facts",
    CHANGES,
    TRIES,
    "examples",
    "queries_per_month",
    "p95_ms",
    "quality_floor",
    "residency",
    TODAY,
)
_OWN = {
    "name": Ask("What shall we call it?"),
    CHANGES: Ask("How often does what is right change (facts, labels)?", "times a month", 0),
    TRIES: Ask("Of ten tries with a general model, how many were right?", "tries", 0),
    TODAY: Ask("What does one item cost today, everything counted?", "money", 0),
}
Answers = dict[str, Any]
"""The use case so far, as its file holds it."""


def run_interview(path: Path, *, everything: bool, as_json: bool) -> None:
    """Ask, save after every answer, and end with what was understood and what to run next.

    Raises:
        CaseError: if the file is there and is no use case, or cannot be written; in a pipe on a wrong answer.
    """
    raw = _resume(path)
    typer.echo(INTRO.format(path=path), err=True)
    stopped = not _ask_all(path, raw, questions(everything=everything))
    case = _save(path, raw)
    if as_json:
        typer.echo(json.dumps({"path": str(path), "answered": sorted(raw), "complete": not stopped}))
        return
    typer.echo("\n".join(understood(case, questions(everything=everything))))
    if stopped:
        typer.echo(f"kept {path} ({case.name}); go on with: advisor interview {path}")
    else:
        typer.echo(f"wrote {path} ({case.name}); next: advisor assess {path}")


def _resume(path: Path) -> Answers:
    if not path.exists():
        return {}
    return _plain(load_case(path))


def _save(path: Path, raw: Answers) -> UseCase:
    case = build_case({"name": path.stem, **raw})
    text = f"# Written by advisor interview; edit freely.\n# advisor assess {path.name}\n{dump_case(case)}"
    partial = path.with_name(path.name + ".part")
    try:
        partial.write_text(text, encoding="utf-8")
        partial.replace(path)
    except OSError as fault:
        raise CaseError(f"The answers cannot be written: {fault.strerror}.", got=str(path)) from None
    return case


def questions(*, everything: bool) -> tuple[str, ...]:
    """What is asked, in order: the same whatever is answered."""
    return ("name", *asks(), TODAY) if everything else SHORT


def senseless(name: str, raw: Answers) -> bool:
    """Whether a question makes no sense for the answers so far."""
    case = build_case({"name": "so far", **raw})
    task = raw.get("task")
    if name in ("labels", "labels_per_class", "label_changes_per_month"):
        return task is not None and task != AnswerKind.CLASSIFICATION.value
    if name.startswith("knowledge_") or name in ("citations_required", "retrieval_recall"):
        return facts_needed(case) is False
    if name.endswith("_items"):
        return getattr(case, name.replace("_items", "_accuracy")) is None
    if name in ("api_model", "general_model"):
        return case.offline is True or raw.get("residency") == "self-host-only"
    return False


def _ask_all(path: Path, raw: Answers, names: tuple[str, ...]) -> bool:
    """Ask what has no answer yet; False where it was stopped before the end."""
    short = names == SHORT
    try:
        for number, name in enumerate(names, start=1):
            place = f"{number}/{len(names)}"
            if _answered(name, raw):
                continue
            if not short and senseless(name, raw):
                typer.echo(f"{place}  {_ask(name).question} - makes no sense here, not asked", err=True)
                continue
            found = _ask_one(path, name, place, raw)
            if found is not None:
                raw.update(found)
                _save(path, raw)
    except (KeyboardInterrupt, EOFError, typer.Abort):
        typer.echo("", err=True)
        return False
    return True


def _answered(name: str, raw: Answers) -> bool:
    if name == TODAY:
        return (raw.get("incumbent") or {}).get("cost_per_item") is not None
    if name == TRIES:
        return "prompting_accuracy" in raw
    if name == CHANGES:
        return "knowledge_changes_per_month" in raw or "label_changes_per_month" in raw
    return bool(raw.get(name)) if name == "name" else name in raw


def _ask(name: str) -> Ask:
    return _OWN[name] if name in _OWN else asks()[name]


def allowed(name: str, ask: Ask) -> str:
    """What may be answered, in words."""
    if name == TODAY:
        return "such as 0.10, or 0,10 EUR"
    if name == TRIES:
        return "such as 8, or 17 of 20; no where none was made"
    if name not in _OWN:
        if choices(name):
            return ("any of " if name == "problems" else "") + ", ".join(choices(name))
        if answer_type(name) is bool:
            return "yes, no"
    if name == "languages":
        return "codes such as en, de"
    if not ask.unit:
        return "a short name" if name == "name" else "a word"
    if ask.unit == "share":
        return "a share, such as 0.9 or 90 %"
    if ask.low is None:
        return ask.unit
    low = f"above {ask.low:g}" if ask.above else f"{ask.low:g}"
    return (
        f"{ask.unit}, {low}{'' if ask.above else ' or more'}"
        if ask.high is None
        else f"{ask.unit}, {low} to {ask.high:g}"
    )


def _ask_one(path: Path, name: str, place: str, raw: Answers) -> Answers | None:
    """One answer as the file holds it; None when skipped.

    Args:
        place: of the question among all, such as 3/12.
    """
    ask, piped = _ask(name), not sys.stdin.isatty()
    default = f" (Enter: {path.stem})" if name == "name" else ""
    while True:
        typer.echo(f"{place}  {ask.question} [{allowed(name, ask)}]{default}: ", nl=False, err=True)
        answer = _line().strip()
        if piped:
            typer.echo(answer, err=True)
        if answer.lower() in ("q", "quit"):
            raise typer.Abort
        if answer == "?":
            typer.echo(f"      allowed: {allowed(name, ask)}; Enter if you do not know", err=True)
            continue
        try:
            return _read(name, answer or (path.stem if default else ""), raw)
        except ValueError as fault:
            why = re.sub(r"^[a-z_]+(\.\w+)?: ", "", str(fault).splitlines()[-1].strip(" -"))
            if piped:
                hint = re.sub(r"^got .*, allowed: [^;]*;?", "", why).strip()
                why_not = f"so: {hint}" if hint else "so"
                raise CaseError(
                    f"Question {place.replace('/', ' of ')} cannot be answered "
                    f"{why_not}{'' if why_not.endswith('?') else '.'}",
                    got=answer,
                    allowed=allowed(name, ask),
                    run=f"advisor interview {path}   # goes on with this question",
                ) from None
            typer.echo(f"      {why}", err=True)


def _line() -> str:
    try:
        return input()
    except UnicodeDecodeError:
        raise CaseError("stdin is not UTF-8.") from None


def _read(name: str, answer: str, raw: Answers) -> Answers | None:
    """What an answer puts into the file; None where it says that it is not known.

    Raises:
        ValueError: with the reason in its last line, if it cannot be used.
    """
    if not answer:
        return None
    if name not in (CHANGES, TRIES):
        _echo(_ask(name), answer)
    match name:
        case "name":
            return {"name": build_case({"name": answer}).name}
        case _ if name == CHANGES:
            return _changes(answer, raw)
        case _ if name == TODAY:
            return _today(answer, raw)
        case _ if name == TRIES:
            return _tries(answer, raw)
    case = build_case({"name": "so far", **raw, name: answer})
    if getattr(case, name) is None:
        return None
    alone = dataclasses.replace(UseCase(name=case.name), **{name: getattr(case, name)})
    return {name: _plain(alone)[name]}


def _echo(ask: Ask, answer: str) -> None:
    """How a number was read that can be written in several ways."""
    with contextlib.suppress(NumberFault):
        echo = ask.read(answer).echo if ask.unit else ""
        if echo:
            typer.echo(f"      {echo}", err=True)


def _changes(answer: str, raw: Answers) -> Answers | None:
    """Changes of the facts where answers need some, else of the labels where there are any."""
    facts = facts_needed(build_case({"name": "so far", **raw}))
    labels = raw.get("task") in (None, AnswerKind.CLASSIFICATION.value)
    name = "knowledge_changes_per_month" if facts or not labels else "label_changes_per_month"
    found = _read(name, answer, raw)
    if facts is False and not labels and found is not None:
        typer.echo("      not used: without facts and labels nothing is kept up to date", err=True)
        return None
    return found


def _tries(answer: str, raw: Answers) -> Answers | None:
    """How many tries were right, of ten unless said otherwise."""
    if answer.lower() in ("no", "none", "none made", "nein", "keine"):
        return None
    if answer.endswith("%"):
        raise ValueError(f"must be how many were right of how many, as 7 of 10; got {answer}")
    right, of = [*re.split(r"\s*(?:\b(?:out )?of\b|\bvon\b|/)\s*", answer.strip().lower(), maxsplit=1), "10"][
        :2
    ]
    try:
        good, made = (read_number(part, "count").value for part in (right, of))
    except NumberFault as fault:
        raise ValueError(f"must be how many were right; {fault}") from None
    if good != int(good) or made != int(made) or not 0 <= good <= made or made < 1:
        raise ValueError(f"must be a number right of a number made; got {answer}")
    patch: Answers = {"prompting_accuracy": round(float(good / made), 4), "prompting_items": int(made)}
    build_case({"name": "so far", **raw, **patch})
    return patch


def _today(answer: str, raw: Answers) -> Answers | None:
    """What an item costs today, and the currency if one is named."""
    number, code = amount_and_currency(answer)
    if code and code not in CURRENCIES:
        raise ValueError(f"unknown currency; got {code}, allowed: {', '.join(CURRENCIES)}")
    patch: Answers = {"incumbent": {**(raw.get("incumbent") or {}), "cost_per_item": number}}
    if code:
        patch["currency"] = code
    case = build_case({"name": "so far", **raw, **patch})
    if case.incumbent is None or case.incumbent.cost_per_item is None:
        return None
    written = _plain(case)
    return {key: written[key] for key in patch}


def understood(case: UseCase, names: tuple[str, ...]) -> list[str]:
    """What the answers were read as, a line each, and which are not known."""
    rows, unknown = [], []
    for name in names:
        if name == "name":
            continue
        value = _value(case, name)
        if value:
            rows.append((_ask(name).question, value))
        elif not _no_answer_wanted(name, case):
            unknown.append(_ask(name).question)
    lines = ["Understood:"] * bool(rows) + [f"  {question} {value}" for question, value in rows]
    if unknown:
        lines += ["Not known; ranges stand in, and the advice names them:", *(f"  {one}" for one in unknown)]
    return lines


def _no_answer_wanted(name: str, case: UseCase) -> bool:
    """Whether a question makes no sense for this use case, so that its answer is not missed."""
    if name == CHANGES:
        return facts_needed(case) is False and case.task not in (None, AnswerKind.CLASSIFICATION)
    return name in asks() and senseless(name, _plain(case))


def _plain(case: UseCase) -> Answers:
    raw: Answers = parse_yaml(dump_case(case))
    return raw


def _value(case: UseCase, name: str) -> str:
    """A field in words; '' where it is not known."""
    if name == TODAY:
        today: Incumbent | None = case.incumbent
        if today is None or today.cost_per_item is None:
            return ""
        return format_money(today.cost_per_item, case.currency, exact=True)
    if name == TRIES:
        share, made = case.prompting_accuracy, case.prompting_items
        if share is None:
            return ""
        share_text = f"{figure(round(100 * share, 2))} % right"
        return share_text if made is None else f"{share_text} of {made}"
    if name == CHANGES:
        found = [
            (case.knowledge_changes_per_month, "of the facts"),
            (case.label_changes_per_month, "of the labels"),
        ]
        return ", ".join(f"{figure(times)} a month {what}" for times, what in found if times is not None)
    value, unit = getattr(case, name), _ask(name).unit
    if value is None:
        return ""
    said, of = answer_words(value, unit), case.currency if unit == "money" else unit.split(" (")[0]
    return said if unit in ("", "share") else f"{said} {of}"
