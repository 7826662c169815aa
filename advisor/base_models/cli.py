"""`advisor models`: open models for a GPU, a licence policy and a task, with the reasons."""

from __future__ import annotations

import json
import shlex
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from advisor.errors import CaseError

if TYPE_CHECKING:
    from advisor.base_models.catalogue import Catalogue, Gpu
    from advisor.base_models.choice import Pick, Selection
    from advisor.case import UseCase


def models(  # noqa: PLR0913 - one parameter a flag
    case: Annotated[
        Path | None,
        typer.Argument(metavar="[CASE.yaml]", help="A use case: what it states need not be stated here."),
    ] = None,
    gpu: Annotated[
        str | None, typer.Option("--gpu", help="T4, L4, 3060, 4070, 4090, A10, A100-40, A100-80, H100.")
    ] = None,
    licence: Annotated[
        str | None,
        typer.Option(
            "--licence", help="permissive, commercial (terms accepted) or research. [default: commercial]"
        ),
    ] = None,
    task: Annotated[
        str | None, typer.Option("--task", help="What an answer is. [default: classification]")
    ] = None,
    method: Annotated[str, typer.Option("--method", help="qlora (4 bits) or lora (16 bits).")] = "qlora",
    tokens: Annotated[
        int | None, typer.Option("--tokens", min=1, help="Prompt and answer. [default: by task]")
    ] = None,
    language: Annotated[
        list[str] | None, typer.Option("--language", help="ISO code of a language needed; repeatable.")
    ] = None,
    region: Annotated[
        str | None, typer.Option("--region", help="Where your organisation is, such as EU.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="Picks to show.")] = 5,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, all picks.")] = False,
) -> None:
    """Pick open models that fit a GPU, a licence policy and a task, and say why the others do not."""
    from advisor.base_models.catalogue import find, find_gpu, find_task, load_catalogue, read_policy
    from advisor.base_models.choice import Method, ModelRequest, select

    catalogue = load_catalogue()
    stated = {} if case is None else _stated(case)
    wish = ModelRequest(
        gpu=find_gpu(catalogue.gpus, gpu) if gpu else _stated_gpu(case, stated.get("gpu"), catalogue),
        policy=read_policy(licence or stated.get("licence") or "commercial"),
        task=find_task(catalogue.tasks, task or stated.get("task") or "classification"),
        method=find(tuple(Method), method, lambda m: m.value, "method"),
        tokens=tokens or stated.get("tokens"),
        languages=tuple(code.lower() for code in language or stated.get("languages") or ()),
        region=None if region is None else region.upper(),
    )
    selection = select(wish, catalogue)
    if as_json:
        typer.echo(json.dumps(selection_document(selection, catalogue), indent=1))
        return
    for line in selection_lines(selection, catalogue, limit):
        typer.echo(line)


def _stated(path: Path) -> dict[str, Any]:
    """What a use case says of the model that is wanted; what it does not state is None."""
    from advisor.case_file import load_case

    case: UseCase = load_case(path)
    sizes = (case.input_tokens, case.output_tokens)
    return {
        "gpu": case.hardware,
        "licence": case.licence,
        "task": case.task,
        "tokens": None if None in sizes else sum(filter(None, sizes)),
        "languages": tuple(dict.fromkeys(code.partition("-")[0] for code in case.languages or ())),
    }


def _stated_gpu(path: Path | None, name: str | None, catalogue: Catalogue) -> Gpu:
    """The GPU that a use case states.

    Raises:
        CaseError: if it states none, or one whose facts are not known here.
    """
    from advisor.base_models.catalogue import UnknownChoice, find_gpu

    try:
        return find_gpu(catalogue.gpus, name or "none")
    except UnknownChoice as error:
        raise CaseError(
            "No GPU is named whose memory is known here.",
            got=name or "none",
            allowed=error.allowed,
            run=shlex.join(("advisor", "models", *([str(path)] if path else []), "--gpu", "L4")),
        ) from error


def selection_lines(selection: Selection, catalogue: Catalogue, limit: int) -> list[str]:
    """The selection as text: the wish, `limit` picks, and every refusal, one line each."""
    wish, picks = selection.wish, selection.picks
    gpu, task = wish.gpu, wish.task
    band = f"{task.low_b:g}-{task.high_b:g}B, start at {task.start_b:g}B"
    bf16 = "bfloat16" if gpu.bf16 else "no bfloat16: float16"
    lines = [
        f"{gpu.name}: {gpu.memory_gb:g} GB, {gpu.usable_gb:.1f} usable, {bf16}. Licences: {wish.policy}.",
        f"{task.name}: {band} ({task.why}); {wish.length} tokens.",
        _error_line(),
        "",
        f"Picks ({min(limit, len(picks))} of {len(picks)}; candidates to measure, not winners):",
    ]
    lines += [f"  {pick.model.id}: {pick.why}{_caveats(pick)}" for pick in picks[:limit]] or ["  none"]
    lines += ["", f"Not picked ({len(selection.refusals)}):"]
    lines += [f"  {refusal.model.id}: {refusal.why}" for refusal in selection.refusals]
    return [*lines, "", f"Facts checked on {catalogue.checked}; sources with --json."]


def _error_line() -> str:
    from advisor.base_models.vram import TUNE_BAND

    return (
        f"Memory is an estimate for one sequence at a time; published figures lie at {TUNE_BAND[0]:g} to "
        f"{TUNE_BAND[1]:g} of what the tuning formula gives."
    )


def _caveats(pick: Pick) -> str:
    model = pick.model
    unknown = f"; unknown: {', '.join(model.unknown)}" if model.unknown else ""
    regions = (
        f"; licence grants nothing in: {', '.join(model.not_granted_in)}" if model.not_granted_in else ""
    )
    return unknown + regions


def selection_document(selection: Selection, catalogue: Catalogue) -> dict[str, Any]:
    """The selection as JSON values; unknown facts are null, and each source is spelt out."""
    wish = selection.wish
    return {
        "checked": catalogue.checked.isoformat(),
        "gpu": asdict(wish.gpu) | {"usable_gb": wish.gpu.usable_gb},
        "policy": wish.policy.value,
        "task": asdict(wish.task),
        "method": wish.method.value,
        "tokens": wish.length,
        "estimate": _error_line(),
        "picks": [_pick_document(pick, catalogue) for pick in selection.picks],
        "refusals": [{"id": refusal.model.id, "why": refusal.why} for refusal in selection.refusals],
    }


def _pick_document(pick: Pick, catalogue: Catalogue) -> dict[str, Any]:
    model = asdict(pick.model)
    model["languages"] = list(pick.model.languages) or None
    model["sources"] = {fact: catalogue.sources[key] for fact, key in pick.model.sources.items()}
    return model | {
        "why": pick.why,
        "fit": pick.fit.value,
        "unknown": list(pick.model.unknown),
        "tune_gb": asdict(pick.needs.least),
        "tune_plain_gb": asdict(pick.needs.plain),
        "serve_gb": {str(bits): asdict(vram) for bits, vram in pick.needs.serve.items()},
    }
