"""`advisor interview`: a few questions in plain words; every answer is saved as soon as it is given.

Enter skips a question (not known), `?` lists what is allowed, `q` or Ctrl-C stops; a later run goes on with
the questions that have no answer. The questions stand in `use_case`.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import typer

from advisor.case import Ask, Task, UseCase, answer_type, asks, build_case, choices, facts_needed
from advisor.case_file import dump_case, load_case, numbers_read
from advisor.errors import CaseError
from advisor.reading import parse_yaml

INTRO = "Enter skips a question, ? says what is allowed, q stops; answers are kept in {path}."


def run_interview(path: Path, *, everything: bool, as_json: bool) -> None:
    """Ask, save after every answer, and end with what to run next.

    Raises:
        CaseError: if the file is there and is no use case, or cannot be written.
    """
    raw = _resume(path)
    typer.echo(INTRO.format(path=path), err=True)
    stopped = False
    try:
        if not raw.get("name"):
            raw["name"] = typer.prompt("A short name for it", default=path.stem, err=True)
            _save(path, raw)
        _ask_all(path, raw, everything=everything)
    except (typer.Abort, KeyboardInterrupt, EOFError):
        stopped = True
    case = _save(path, raw)
    if as_json:
        typer.echo(json.dumps({"path": str(path), "answered": sorted(raw), "complete": not stopped}))
        return
    if stopped:
        typer.echo(f"\nkept {len(raw)} answers in {path}; go on with: advisor interview {path}", err=True)
    else:
        typer.echo(f"wrote {path} ({case.name}); next: advisor assess {path}")


def _resume(path: Path) -> dict[str, Any]:
    if not path.exists():
        return {}
    case = load_case(path)
    read: dict[str, Any] = parse_yaml(dump_case(case))
    return read


def _save(path: Path, raw: dict[str, Any]) -> UseCase:
    case = build_case({"name": path.stem, **raw})
    text = f"# Written by advisor interview; edit freely.\n# advisor assess {path.name}\n{dump_case(case)}"
    partial = path.with_name(path.name + ".part")
    try:
        partial.write_text(text, encoding="utf-8")
        partial.replace(path)
    except OSError as fault:
        raise CaseError(f"The answers cannot be written: {fault.strerror}.", got=str(path)) from None
    return case


def questions(raw: dict[str, Any], *, everything: bool) -> tuple[str, ...]:
    """The fields still to be asked, in order, without those that make no sense for the answers so far."""
    return tuple(
        name
        for name, ask in asks().items()
        if name not in raw
        and (everything or ask.short or _worth_asking(name, raw))
        and not senseless(name, raw)
    )


def _worth_asking(name: str, raw: dict[str, Any]) -> bool:
    """Questions the short list adds for some cases."""
    if name in ("labels", "label_changes_per_month"):
        return raw.get("task") == Task.CLASSIFICATION.value
    if name == "knowledge_tokens":
        return raw.get("needs_facts") is True
    return name in ("input_tokens", "output_tokens") and "queries_per_month" in raw


def senseless(name: str, raw: dict[str, Any]) -> bool:
    """Whether a question makes no sense for the answers so far."""
    case = build_case({"name": "so far", **raw})
    task = raw.get("task")
    if name in ("labels", "labels_per_class", "label_changes_per_month"):
        return task is not None and task != Task.CLASSIFICATION.value
    if name.startswith("knowledge_") or name in ("citations_required", "retrieval_recall"):
        return facts_needed(case) is False
    if name.endswith("_items"):
        return getattr(case, name.replace("_items", "_accuracy")) is None
    if name in ("api_model", "general_model"):
        return case.offline is True or raw.get("residency") == "self-host-only"
    return False


def _ask_all(path: Path, raw: dict[str, Any], *, everything: bool) -> None:
    skipped: set[str] = set()
    while True:
        left = [name for name in questions(raw, everything=everything) if name not in skipped]
        if not left:
            return
        name = left[0]
        value = _ask_one(name, asks()[name], raw)
        if value is None:
            skipped.add(name)
            continue
        raw[name] = value
        _save(path, raw)


def allowed(name: str, ask: Ask) -> str:
    """What may be answered, in words."""
    if choices(name):
        return ("any of " if name == "problems" else "") + ", ".join(choices(name))
    if answer_type(name) is bool:
        return "yes, no"
    if name == "languages":
        return "codes such as en, de"
    if not ask.unit:
        return "a word"
    if ask.low is None:
        return ask.unit
    return f"{ask.unit}, {ask.low:g} {'or more' if ask.high is None else f'to {ask.high:g}'}"


def _ask_one(name: str, ask: Ask, raw: dict[str, Any]) -> Any:
    """One answer as the file holds it; None when skipped."""
    while True:
        answer = str(
            typer.prompt(f"{ask.question} [{allowed(name, ask)}]", default="", show_default=False, err=True)
        ).strip()
        if answer.lower() in ("q", "quit"):
            raise typer.Abort
        if answer == "?":
            typer.echo(f"  allowed: {allowed(name, ask)}; Enter if you do not know", err=True)
            continue
        if not answer:
            return None
        try:
            case = build_case({"name": "so far", **raw, name: answer})
            if getattr(case, name) is None:
                return None
            for echo in numbers_read(f"{name}: {json.dumps(answer)}", "the answer"):
                typer.echo(f"  {echo}", err=True)
        except ValueError as fault:
            typer.echo(f"  {str(fault).splitlines()[-1].strip(' -')}", err=True)
            continue
        return _as_written(case, name)


def _as_written(case: UseCase, name: str) -> Any:
    alone = dataclasses.replace(UseCase(name=case.name), **{name: getattr(case, name)})
    return parse_yaml(dump_case(alone))[name]
