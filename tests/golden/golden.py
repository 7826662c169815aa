"""Frozen run folders, and what is measured and decided in them; the layout of a run folder stays in here.

`tests/golden/<name>/` is a folder of runs with one run in it, as the harness wrote it (weights left out, the
journal packed). Beside it is what it says: `expected.json` (every figure and text of its results, by path)
and `decision.txt` (the sentences of the decision as the terminal shows them).
"""

from __future__ import annotations

import json
import lzma
import math
import re
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from advisor.money.words import break_even_words
from harness.bakeoff.run import manifest_of
from harness.bakeoff.run_folder import RunFolder, list_runs
from harness.bakeoff.wording import limit_words
from harness.cli.app import app
from harness.core.context import Context, Quiet
from harness.core.errors import HarnessError
from harness.core.serial import encode
from harness.recommendation.conclude import conclude_again
from harness.recommendation.records import RunResults
from harness.recommendation.run import stored_looks
from harness.recommendation.store import read_results
from harness.report.context import ReportContext
from harness.report.document import Block, Bullets, Fact, Facts, Paragraph, RecommendationBlock, plain
from harness.report.run_document import run_document
from harness.report.topics.decision import accepted_sentence, no_route
from harness.report.topics.forecast import (
    limit_sentence,
    payback_sentence,
    serving_sentence,
    unstated_sentence,
)
from harness.report.topics.prediction import wrong_sentences
from harness.report.topics.recommendation import (
    answer_sentence,
    cautions,
    certainty_words,
    reason_sentence,
    risk_sentence,
    step_action,
)

HERE = Path(__file__).resolve().parent
CONCLUDED = ("local", "served", "routed", "imported")
UNFINISHED = ("stopped", "incomplete")
PRICES = dict.fromkeys(("served", "routed"), ("openai/served-1=1/3",))
NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
TOLERANCE = 1e-9
"""Relative; of floats, and of decimals that are written as text."""

_SECTIONS = ("decision", "options", "change", "dates", "advice")
_NUMBER = re.compile(r"-?\d+(\.\d+)?([eE][-+]?\d+)?")


def copy_of(name: str, folder: Path) -> RunFolder:
    """A frozen run in a folder of runs that may be written to."""
    runs = folder / name
    shutil.copytree(HERE / name, runs)
    for packed in runs.rglob("*.xz"):
        packed.with_suffix("").write_bytes(lzma.decompress(packed.read_bytes()))
        packed.unlink()
    (run,) = list_runs(runs)
    return run


def command(verb: str, run: RunFolder, *more: str) -> tuple[int, str]:
    """Exit code and text of `harness VERB RUN`; the folder of the runs is written RUNS in the text."""
    done = CliRunner().invoke(app, [verb, run.run_id, "--runs", str(run.root.parent), *more])
    code, text = done.exit_code, done.output
    if isinstance(done.exception, HarnessError):
        code, text = getattr(done.exception, "exit_code", 1), str(done.exception)
    elif done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return code, text.replace(str(run.root.parent.absolute()), "RUNS")


def score_again(name: str, run: RunFolder) -> None:
    """Measure and decide again from the journal, and close the run with that; no model is called.

    Args:
        name: of the frozen run: prices that were stated on the command line are stated again.
    """
    context = Context(
        runs=run.root.parent,
        cache=run.root.parent / "cache",
        environ={},
        clock=lambda: NOW,
        progress=Quiet(),
        offline=True,
        price_overrides=PRICES.get(name, ()),
    )
    with run.writing():
        conclude_again(run, stored_looks(run), manifest_of(run), context)


def measured(run: RunFolder) -> dict[str, Any]:
    """Every figure and text of a run's results, wherever its folder keeps them."""
    results = read_results(run)
    found: dict[str, Any] = json.loads(encode(results))
    for key in ("schema", "margin", "task", "metrics"):
        del found[key]
    for arm in found["arms"]:
        _as_frozen(arm)
    robustness = {_name(one.pop("arm")): one for one in found.pop("robustness")}
    found["harm"] = {_name(arm["arm"]): robustness.get(_name(arm["arm"])) for arm in found["arms"]}
    advised = found.pop("recommendation")
    found["verdict"] |= {
        "answer_because": answer_sentence(results),
        "hangs_on": list(cautions(results)),
        "sure": certainty_words(results.recommendation),
        "settled": advised["certainty"],
        "vetoes": [
            {"arm": json.loads(encode(check.arm)), "reason": limit_words(check, results.metric)}
            for check in results.verdict.broken
        ],
        "frontier_measured": results.frontier_measured,
        **{key: advised[key] for key in ("ship", "pilot", "open_to", "frontier", "published")},
    }
    found["recommendation"] = {
        "action": advised["action"],
        "reasons": [reason_sentence(reason) for reason in results.recommendation.reasons],
        "next": step_action(results.recommendation.next, results),
        "next_usd": advised["next"]["usd"],
        "risk": risk_sentence(results.recommendation.risk),
    }
    _worded(found, results)
    return found


def _as_frozen(arm: dict[str, Any]) -> None:
    """An arm's quality by the names that its figures had when they were frozen, in their places."""
    quality = arm["quality"]
    (quality["macro_f1"],) = quality.pop("others")
    quality |= quality.pop("breakdown")
    earlier = {
        "accuracy": "primary",
        "accuracy_answered": "answered",
        "dev_accuracy": "dev",
        "accuracy_without_overlap": "without_overlap",
    }
    quality |= {old: quality.pop(new) for old, new in earlier.items()}
    for part in (*quality["slices"], *arm["seeds"]):
        part["accuracy"] = part.pop("primary")
    arm["accuracy_all_rows"] = arm.pop("primary_all_rows")


def _worded(found: dict[str, Any], results: RunResults) -> None:
    """The sentences that are made of the forecast's records, in their place."""
    c, money = ReportContext(results=results), found["outlook"]
    for stored, arm in zip(money["arms"], results.outlook.arms, strict=True):
        del stored["paid_back"]
        stored["payback"] = payback_sentence(arm, results.outlook)
        for curve, known in zip(stored["break_even"], arm.break_even, strict=True):
            for key in ("machines", "ends", "calls_only"):
                del curve[key]
            curve["reason"] = break_even_words(known)
        if arm.serving is not None:
            stored["serving"]["sentence"] = serving_sentence(arm.serving)
    kept = ("what", "on", "source", "at")
    money["limits"] = [
        {**{key: stored[key] for key in kept}, "sentence": limit_sentence(c, limit)}
        for stored, limit in zip(money["limits"], results.outlook.limits, strict=True)
    ]
    money["unknown"] = [unstated_sentence(one, results.outlook) for one in results.outlook.unknown]
    if results.advice is not None:
        found["advice"]["wrong"] = list(wrong_sentences(c, results.advice))
    del found["route_asked"]
    found["notes"] = [*no_route(results), *map(accepted_sentence, results.accepted)]
    del found["accepted"]


def decision(run: RunFolder) -> str:
    """The sentences of the decision as every report words them, one a line; tables and commands left out."""
    code, text = command("report", run)
    if code:
        return f"exit code {code}\n{text.strip()}\n"
    kept: list[str] = []
    for section in run_document(read_results(run), run.manifest()).sections:
        if section.key in _SECTIONS:
            kept += [f"[{section.title}]", *(line for block in section.blocks for line in _sentences(block))]
    return "\n".join(kept) + "\n"


def _sentences(block: Block) -> list[str]:
    match block:
        case RecommendationBlock():
            return [block.headline, *(f"- {plain(one)}" for one in block.reasons), *_said(block.facts)]
        case Facts():
            return _said(block.rows)
        case Bullets():
            label = [f"{block.label}:"] if block.label else []
            return [*label, *(f"- {plain(one)}" for one in block.items)]
        case Paragraph():
            return [plain(block.text)]
        case _:
            return []


def _said(facts: Sequence[Fact]) -> list[str]:
    return [f"{fact.label}: {plain(fact.text)}" for fact in facts]


def differences(old: Any, new: Any, path: str = "") -> Iterator[tuple[str, Any, Any]]:
    """(path, old, new) of every value that differs; what stands on one side only is `...` on the other."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in dict.fromkeys([*old, *new]):
            yield from differences(old.get(key, ...), new.get(key, ...), f"{path}.{key}".lstrip("."))
    elif isinstance(old, list) and isinstance(new, list):
        for number in range(max(len(old), len(new))):
            pair = [side[number] if number < len(side) else ... for side in (old, new)]
            yield from differences(pair[0], pair[1], f"{path}[{_place(pair, number)}]")
    elif not _same(old, new):
        yield path, old, new


def only_moved(old: Any, new: Any) -> bool:
    """Whether two results hold the same values, at whatever paths."""
    return Counter(_leaves(old)) == Counter(_leaves(new))


def _same(old: Any, new: Any) -> bool:
    if isinstance(old, bool) or isinstance(new, bool) or type(old) is type(new) is int:
        return old is new or (type(old) is type(new) and old == new)
    one, two = _number(old), _number(new)
    if one is None or two is None or isinstance(old, str) is not isinstance(new, str):
        return type(old) is type(new) and old == new
    return math.isclose(one, two, rel_tol=TOLERANCE, abs_tol=0.0)


def _number(value: Any) -> float | None:
    if isinstance(value, str):
        return float(value) if _NUMBER.fullmatch(value) else None
    return float(value) if isinstance(value, int | float) else None


def _leaves(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for entry in value.values():
            yield from _leaves(entry)
    elif isinstance(value, list):
        for entry in value:
            yield from _leaves(entry)
    else:
        number = None if isinstance(value, bool) else _number(value)
        yield repr(value) if number is None else f"{number:.8e}"


def _place(pair: list[Any], number: int) -> str:
    """An element's arm rather than its number, where it has one."""
    for side in pair:
        if isinstance(side, dict) and isinstance(side.get("arm"), dict):
            return f"{number} {_name(side['arm'])}"
    return str(number)


def _name(arm: Mapping[str, str]) -> str:
    return f"{arm['option']}@{arm['model']}"
