"""What a frontier model that was not run would have to reach, at list prices on counted tokens.

Tokens are those counted for the best local retrieve arm with that model's tokenizer: an estimate, and
marked so. Hidden reasoning tokens are not in it.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from decimal import Decimal

from advisor.evidence import Tag, load_evidence, published_range
from advisor.money.ledger import Covers, Money, PriceBasis, per_thousand, query_cost, total_usd
from advisor.money.money import UnknownPrice
from advisor.money.price_book import PriceBook
from advisor.money.usage import CountedBy, Usage
from advisor.options import Option
from harness.arms.retrieve import passes_of, rows_to_choose_on
from harness.bakeoff.answer_sets import StoredRun
from harness.bakeoff.plan import DecisionPlan, ExperimentPlan, LatencyPlan, RetrievePlan
from harness.bakeoff.results import ArmResult
from harness.core.records import Choices, Item
from harness.models.api.calls import answer_schema
from harness.money.records import FrontierGap, Published
from harness.tasks.base import Task

_TASKS = {"banking77": "Banking77", "clinc150": "CLINC150"}
_BEST_KNOWN = "banking77"
_CHARS_PER_TOKEN = 4.0


def frontier_gaps(
    run: StoredRun, arms: tuple[ArmResult, ...], ship: ArmResult | None, calls: int
) -> tuple[FrontierGap, ...]:
    """One gap for each frontier model of the plan; none without a counted retrieve arm.

    Where nothing may be shipped, the floor of the plan is what it would have to reach; without a floor
    there is nothing to name.

    Args:
        calls: what a run of the model takes, see `calls_to_settle`.
    """
    plan, counted = run.plan, counted_usage(arms, run.task)
    if counted is None or (ship is None and plan.decision.quality_floor is None):
        return ()
    return tuple(_gap(model, plan, ship, run.book, counted, calls) for model in plan.cost.frontier)


def calls_to_settle(items: Mapping[str, Sequence[Item]]) -> int:
    """Calls of `prompt` and `retrieve` on one more model, with the defaults of the command line."""
    retrieve, test, dev = RetrievePlan(), len(items["test"]), len(items["dev"])
    answered = dev + test + min(LatencyPlan().items, test)
    passes = passes_of(retrieve.k)
    return 2 * answered + passes * rows_to_choose_on(passes, retrieve.dev_items, dev, test)


def published_for(name: str) -> tuple[Published, ...]:
    """The published accuracy range of retrieval on this evalset; on Banking77 where none is known.

    Only figures that a reader can look up count.
    """
    task = name if name in _TASKS else _BEST_KNOWN
    known = [figure for figure in load_evidence() if figure.tag is not Tag.UNVERIFIED]
    found = published_range(task, Option.RETRIEVE.value, evidence=known)
    if found is None:
        return ()
    other = "" if task == name else f", which is another task: no figure is known for {name}"
    sources = "; ".join(dict.fromkeys(f"{figure.study} ({figure.source})" for figure in found.figures))
    return (
        Published(
            statement=f"hosted models given similar labelled examples, on {_TASKS[task]}{other}",
            low=found.low,
            high=found.high,
            source=sources,
            checked=f"{max(figure.checked for figure in found.figures):%Y-%m-%d}",
        ),
    )


def counted_usage(arms: tuple[ArmResult, ...], task: Task) -> Usage | None:
    """Mean tokens of a retrieve query, as a service without a warm prompt cache would see them.

    A service is sent the JSON schema of the labels and answers in JSON; where the arm ran here, neither was
    counted, so both are added.
    """
    for arm in arms:
        tokens = arm.cost.mean_tokens
        if arm.arm.option is Option.RETRIEVE and tokens.get("input_tokens") is not None:
            whole = (tokens["input_tokens"] or 0.0) + (tokens.get("cached_tokens") or 0.0)
            output = tokens.get("output_tokens")
            here = arm.identity is None or arm.identity.location != "remote"
            schema, answer = _held_to_json(task) if here else (0, 0)
            return Usage(
                input_tokens=round(whole) + schema,
                output_tokens=None if output is None else max(1, round(output), answer),
                counted_by=CountedBy.ESTIMATE,
            )
    return None


def _held_to_json(task: Task) -> tuple[int, int]:
    """Tokens of the schema that holds an answer, and of a mean label in JSON; fields are JSON already."""
    form = Choices(answers=task.choices) if task.choices else task.form()
    schema = answer_schema(form)
    answers = [json.dumps({"label": label}) for label in task.choices]
    mean = sum(map(len, answers)) / len(answers) if answers else 0.0
    there = 0 if schema is None else round(len(json.dumps(schema)) / _CHARS_PER_TOKEN)
    return there, round(mean / _CHARS_PER_TOKEN)


def _gap(
    model: str, plan: ExperimentPlan, ship: ArmResult | None, book: PriceBook, counted: Usage, calls: int
) -> FrontierGap:
    command = shlex.join(["harness", "bakeoff", *_rows(plan), "--model", model])
    try:
        price = book.price(model)
    except UnknownPrice as error:
        unknown = Money(
            usd=None,
            basis=PriceBasis.ESTIMATE,
            covers=Covers.CALLS,
            source=str(error).splitlines()[0],
            reason="no price",
        )
        return FrontierGap(
            model=model,
            usd_per_1k=unknown,
            accuracy_to_win=_to_win(ship, plan.decision),
            accuracy_same_cost_per_correct=None,
            settle_usd=None,
            settle_command=command,
        )
    lines = per_thousand(query_cost(counted, price), 1)
    per_1k = total_usd(lines)
    source = lines[0].source + "; tokens counted with the local model's tokenizer"
    return FrontierGap(
        model=model,
        usd_per_1k=Money(usd=per_1k, basis=PriceBasis.ESTIMATE, covers=Covers.CALLS, source=source),
        accuracy_to_win=_to_win(ship, plan.decision),
        accuracy_same_cost_per_correct=_same_cost(per_1k, ship),
        settle_usd=None if per_1k is None else per_1k * calls / 1000,
        settle_command=command,
    )


def _rows(plan: ExperimentPlan) -> list[str]:
    """The flags that name the same rows, split alike, and the same margin."""
    data = plan.data
    words = [*data.flags, "--seed", str(plan.seed)]
    margin = plan.decision.margin
    words += [] if margin == DecisionPlan().margin else ["--margin", f"{margin:g}"]
    words += [] if data.limit_test is None else ["--limit", str(data.limit_test)]
    return words + ([] if data.limit_train is None else ["--limit-train", str(data.limit_train)])


def _to_win(ship: ArmResult | None, decision: DecisionPlan) -> float | None:
    """Accuracy at which it would beat the shipped arm by more than the margin, or keep the floor."""
    if ship is None:
        return decision.quality_floor
    margin = decision.margin
    value = ship.primary.value
    return None if value is None or value + margin > 1 else value + margin


def _same_cost(per_1k: Decimal | None, ship: ArmResult | None) -> float | None:
    """Accuracy at which 1,000 correct answers cost the same; None where that lies above 1 or is unknown."""
    if ship is None:
        return None
    own = ship.cost.usd_per_1k_correct.usd
    if per_1k is None or not own:
        return None
    needed = float(per_1k / own)
    return needed if needed <= 1 else None
