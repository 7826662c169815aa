"""What a run will take before it is started: arms x rows x tokens x dollars."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from advisor.money.ledger import query_cost, scaled, search_cost, total_usd
from advisor.money.price_book import PriceBook
from advisor.money.usage import CountedBy, Usage
from advisor.options import Option
from advisor.stats.power import Design
from harness.arms.retrieve import passes_of, rows_to_choose_on
from harness.bakeoff.addresses import (
    absent_models,
    address_of,
    embedding_identity,
    embeds,
    hosts_outside,
    lacks_embedding,
    missing_key,
    ranking_identity,
    refused,
    served_identity,
)
from harness.bakeoff.asking import Asking
from harness.bakeoff.evalset import load_rows, open_passages, out_of_scope_rows
from harness.bakeoff.leaving import texts_of
from harness.bakeoff.plan import ArmPlan, ExperimentPlan
from harness.bakeoff.prices import by_tokens, open_book, token_price
from harness.core.context import Context, PersonalData
from harness.core.errors import ModelUnavailable, OverBudget
from harness.core.records import Evalset, Item, Message, ModelIdentity
from harness.core.wording import about_seconds, money, reach_sentence
from harness.data.gate import REACH
from harness.knowledge.passage_index import MAX_CHARS
from harness.models.api.calls import answer_schema
from harness.models.api.dialects.vectors import embedding_usage
from harness.models.api.embedding import MOST_TEXTS, place_of
from harness.models.api.library import key_variable
from harness.privacy.detect import ONLY_WHERE_SAID
from harness.privacy.tally import Tally, tally

_CHARS_PER_TOKEN = 3.5  # cautious for English; a character outside ASCII is taken for a token of its own
_WARM_UP = 3  # queries before the latency pass that do not count, but are paid
_SAMPLE = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """One arm before the run.

    Attributes:
        calls: answers it will give, all passes together.
        input_tokens, output_tokens: over all calls, estimated from characters.
        usd: price of them; 0 for what runs here, None when no price is known.
        unstated: whether a server on this machine answers and nobody said what it bills.
        address: where its calls go; '' where none leaves this process.
        missing_key: the variable of a key that it needs and that is not set.
        missing_model: why the model that it opens here is not there, in one sentence, and what to run.
    """

    arm: str
    calls: int
    input_tokens: int
    output_tokens: int
    usd: Decimal | None
    served: bool
    unstated: bool = False
    address: str = ""
    missing_key: str = ""
    missing_model: tuple[str, str] = ("", "")


@dataclass(frozen=True, slots=True, kw_only=True)
class ToHost:
    """What would leave this machine for one host.

    Attributes:
        found: personal data in the texts.
        refused: why the host is not where the data may go; '' where it is.
    """

    host: str
    arms: tuple[str, ...]
    found: Tally
    refused: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Preflight:
    """A run before it is started.

    Attributes:
        rows: by split.
        hosts: those that texts leave this machine for; personal_data: what was asked to be done about it.
        reach: what its test items can settle, a sentence.
        drafting: what a model drafts first, a sentence; '' where nothing is drafted.
        warnings: what was found in the rows and the documents, and what the run will do without.
    """

    arms: tuple[Forecast, ...]
    rows: Mapping[str, int]
    reach: str
    hosts: tuple[ToHost, ...] = ()
    personal_data: PersonalData = ""
    drafting: str = ""
    warnings: tuple[str, ...] = ()


def preflight(plan: ExperimentPlan, context: Context, evalset: Evalset | None = None) -> Preflight:
    """Forecast every arm of a plan, and what the run can settle.

    Args:
        evalset: its rows, where they are loaded already.

    Raises:
        DataError: if the rows cannot be used.
    """
    evalset = evalset or load_rows(plan, context)
    book = open_book(plan, context)
    asking = Asking(plan, evalset, context)
    absent = absent_models(plan, context)
    splits = (("train", evalset.train), ("dev", evalset.dev), ("test", evalset.test))
    return Preflight(
        rows={
            name: len(rows)
            for name, rows in (*splits, ("out of scope", out_of_scope_rows(plan, context)))
            if rows
        },
        arms=(
            *(
                replace(
                    _forecast(arm, (plan, evalset), asking, book, context.environ),
                    missing_model=_told(absent.get(str(arm.id))),
                )
                for arm in plan.arms
            ),
            *_embedding(plan, evalset, book, context),
            *_reranking(plan, evalset, book, context),
        ),
        reach=reach_of(plan, evalset),
        hosts=_to_hosts(plan, evalset, context),
        personal_data=context.personal_data,
        drafting=_drafting(plan, len(evalset.train)),
        warnings=tuple(_warnings(plan, context, evalset)),
    )


def _told(error: ModelUnavailable | None) -> tuple[str, str]:
    if error is None:
        return "", ""
    got = "" if error.got is None else f" (got {error.got})"
    return f"{error.what.removesuffix('.')}{got}", error.run or ""


def _warnings(plan: ExperimentPlan, context: Context, evalset: Evalset) -> Iterator[str]:
    """What was found in the rows, but what they can tell apart, which stands in a line of its own."""
    for finding in evalset.findings:
        if finding.severity == "warning" and finding.code != REACH:
            yield finding.message
    what, run = _told(lacks_embedding(plan, context))
    if what:
        yield f"{what}: what is searched is searched by words only.{run and f'   {run}'}"


def _drafting(plan: ExperimentPlan, train: int) -> str:
    drafts = plan.tune.drafts
    if drafts is None:
        return ""
    answers = drafts.passages + (train + drafts.passages if drafts.wordings else 0)
    return (
        f"Before tune is trained {drafts.model} drafts rows in {answers:,} answers at most: not in the time."
    )


def _to_hosts(plan: ExperimentPlan, evalset: Evalset, context: Context) -> tuple[ToHost, ...]:
    by_host: dict[str, list[ArmPlan]] = {}
    for arm in plan.arms:
        for host in hosts_outside(arm, plan, context):
            by_host.setdefault(host, []).append(arm)
    embedding = embedding_identity(plan)
    outside = embedding is not None and embedding.location == "remote"
    against, asked = refused(plan, context), (*evalset.dev, *evalset.test)
    return tuple(
        ToHost(
            host=host,
            arms=tuple(str(arm.id) for arm in arms),
            found=tally(texts_of(arms, evalset, asked, context, embeds_outside=outside)),
            refused=next((against[str(arm.id)] for arm in arms if str(arm.id) in against), ""),
        )
        for host, arms in by_host.items()
    )


def reach_of(plan: ExperimentPlan, evalset: Evalset) -> str:
    """What the test items of a plan can settle about its pair, a sentence."""
    decision = plan.decision
    design = Design(power=decision.power, level=1 - decision.alpha_each)
    return reach_sentence(len(evalset.test), decision.margin, design)


def check_budget(forecast: Sequence[Forecast], budget_usd: Decimal | None) -> None:
    """Refuse a run that is forecast to cost more than the budget, or whose price is unknown.

    Raises:
        OverBudget: before anything was called.
    """
    if budget_usd is None:
        return
    unknown = [entry.arm for entry in forecast if entry.usd is None or entry.unstated]
    if unknown:
        raise OverBudget(
            "A budget is set, and no price is known for some arms.",
            got=", ".join(unknown),
            allowed="a price for every served model, on this machine too: it may be a gateway that bills",
            run="state it with --price provider/model=INPUT/OUTPUT (0/0 where nobody bills)",
        )
    total = sum((entry.usd for entry in forecast if entry.usd is not None), Decimal(0))
    if total > budget_usd:
        raise OverBudget(
            "The run is forecast to cost more than the budget.",
            got=money(total, exact=True),
            allowed=money(budget_usd, exact=True),
            run="raise --budget-usd, or use fewer items with --limit",
        )


def preflight_text(found: Preflight, expected_s: Mapping[str, float] | None = None) -> str:
    """What a run would take, for a terminal: rows, each arm and all of them, addresses, keys, and its reach.

    Args:
        expected_s: seconds by arm on this machine, as they were timed; empty or None where they were not.
    """
    took = expected_s or {}
    table: list[tuple[str, ...]] = [
        ("arm", "calls", "tokens in", "tokens out", "list price", "time", "where")
    ]
    table += [
        (*_figures(one.arm, (one,), took.get(one.arm)), one.address or "this machine") for one in found.arms
    ]
    table.append((*_figures("in all", found.arms, sum(took.values()) if took else None), ""))
    widths = [max(len(row[column]) for row in table) for column in range(len(table[0]))]
    lines = ["Rows: " + ", ".join(f"{count:,} {name}" for name, count in found.rows.items())]
    for row in table:
        cells = [cell.rjust(width) for cell, width in zip(row[1:-1], widths[1:-1], strict=True)]
        lines.append("  ".join((row[0].ljust(widths[0]), *cells, row[-1])).rstrip())
    missing = dict.fromkeys(one.missing_key for one in found.arms if one.missing_key)
    for key in missing:
        arms = ", ".join(one.arm for one in found.arms if one.missing_key == key)
        lines.append(f"Missing key: {key} is not set, so {arms} cannot run.   export {key}=...")
    absent = dict.fromkeys(one.missing_model for one in found.arms if one.missing_model[0])
    for what, run in absent:
        arms = ", ".join(one.arm for one in found.arms if one.missing_model[0] == what)
        lines.append(f"Missing model: {what}, so {arms} cannot run.{run and f'   {run}'}")
    lines += leaving_lines(found, took)
    lines += [found.drafting] if found.drafting else []
    lines.append("Tokens are estimated from characters; retries and hidden reasoning tokens are not in it.")
    lines.append(f"What it can tell apart: {found.reach}")
    lines.append(
        "Time: from a few queries and training steps timed here; a call to a served model counts as a second."
        if took
        else "Time: not known, as the models could not be timed here."
    )
    lines += [f"Warning: {message}" for message in found.warnings]
    return "\n".join(lines)


_DONE_ABOUT: Mapping[PersonalData, str] = {
    "": "nothing is sent before --redact or --allow-pii says what is done about it",
    "redact": "it is replaced by placeholders",
    "allow": "it is sent as it is",
}


def leaving_lines(found: Preflight, took: Mapping[str, float]) -> list[str]:
    """What would leave this machine, a line a host; none where nothing does.

    Args:
        took: seconds by arm, as far as they are known.
    """
    return [_leaving_line(one, found, took) for one in found.hosts]


def _leaving_line(one: ToHost, found: Preflight, took: Mapping[str, float]) -> str:
    """What leaves this machine for a host, and whether it may."""
    arms = [arm for arm in found.arms if arm.arm in one.arms]
    usd = [arm.usd for arm in arms]
    known = [price for price in usd if price is not None]
    cost = money(sum(known, Decimal(0))) if len(known) == len(usd) else "at a price that is not known"
    seconds = sum(took.get(arm.arm, 0.0) for arm in arms)
    parts = [
        f"{one.found.texts:,} texts in {sum(arm.calls for arm in arms):,} calls of {', '.join(one.arms)}",
        f"{sum(arm.input_tokens + arm.output_tokens for arm in arms):,} tokens, {cost}",
        *([about_seconds(seconds)] if seconds else []),
    ]
    line = f"Leaves this machine for {one.host}: {', '.join(parts)}."
    if one.refused:
        line = f"{line} It may not: {one.refused}."
    if not one.found:
        return f"{line} No personal data was found in them. {ONLY_WHERE_SAID}"
    what = _DONE_ABOUT[found.personal_data]
    return f"{line} Personal data in {one.found.rows:,} of them ({one.found.words}): {what}."


def _figures(name: str, arms: Sequence[Forecast], seconds_: float | None) -> tuple[str, ...]:
    """A line's name, calls, tokens in and out, list price and time; prices that are not known are said."""
    served = [one.usd for one in arms if one.served]
    known, unknown = [usd for usd in served if usd is not None], served.count(None)
    price = money(sum(known, Decimal(0)) if known else None) if served else "runs here"
    return (
        name,
        f"{sum(one.calls for one in arms):,}",
        f"{sum(one.input_tokens for one in arms):,}",
        f"{sum(one.output_tokens for one in arms):,}",
        f"{price} + {unknown} unknown" if known and unknown else price,
        "-" if seconds_ is None else about_seconds(seconds_),
    )


def _forecast(
    arm: ArmPlan,
    of: tuple[ExperimentPlan, Evalset],
    asking: Asking,
    book: PriceBook,
    environ: Mapping[str, str],
) -> Forecast:
    (plan, evalset), task = of, asking.task
    calls = _calls(arm, plan, evalset)
    chars = _mean_prompt_chars(arm, evalset.test[:_SAMPLE], asking)
    identity = served_identity(arm, environ)
    form = task.form()
    if identity is not None and chars:  # the budget counts the schema too
        chars += len(json.dumps(answer_schema(form)))
    output = max((len(task.target_text(item.target)) for item in evalset.train), default=0)
    per_call = Usage(
        input_tokens=round(chars / _CHARS_PER_TOKEN),
        output_tokens=round(output / _CHARS_PER_TOKEN) + 8 if chars else 0,
        counted_by=CountedBy.ESTIMATE,
    )
    unstated = identity is not None and identity.location == "loopback" and not by_tokens(identity, book)
    billed = identity is not None and not unstated
    return Forecast(
        arm=str(arm.id),
        calls=calls,
        input_tokens=(per_call.input_tokens or 0) * calls,
        output_tokens=(per_call.output_tokens or 0) * calls,
        usd=_usd(identity, per_call, calls, book) if billed else Decimal(0),
        served=identity is not None,
        unstated=unstated,
        address=address_of(arm, environ),
        missing_key=missing_key(arm, environ),
    )


def _embedding(
    plan: ExperimentPlan, evalset: Evalset, book: PriceBook, context: Context
) -> Iterator[Forecast]:
    """What embedding through an API takes for all arms: every text once, and each timed query again."""
    identity = embedding_identity(plan)
    if identity is None:
        return
    asked = [item.text for item in (*evalset.dev, *evalset.test)]
    found = [item.text for item in evalset.train]
    if evalset.documents:
        found = [one.whole for one in open_passages(evalset.documents, None, context).passages]
    timed = [item.text for item in evalset.test[: plan.latency.items]]
    arms = sum(embeds(arm) and not arm.batch for arm in plan.arms)
    once, again = sum(map(_weight, (*asked, *found))), arms * sum(map(_weight, timed))
    used = embedding_usage(round((once + again) / _CHARS_PER_TOKEN), CountedBy.ESTIMATE)
    calls = math.ceil((len(asked) + len(found)) / MOST_TEXTS) + arms * len(timed)
    price = token_price(identity, book)
    usd = total_usd(search_cost([used], price, None)) if by_tokens(identity, book) else Decimal(0)
    part = Forecast(
        arm=f"embedding by {identity.id}",
        calls=calls,
        input_tokens=used.embedding_tokens or 0,
        output_tokens=0,
        usd=usd,
        served=True,
    )
    yield _placed(part, (identity, plan.retrieve.embedding_base), book, context)


def _reranking(
    plan: ExperimentPlan, evalset: Evalset, book: PriceBook, context: Context
) -> Iterator[Forecast]:
    """What reranking takes for all arms: each query once, and each timed one again."""
    identity = ranking_identity(plan)
    if identity is None:
        return
    arms = [arm for arm in plan.arms if arm.option is Option.RETRIEVE]
    timed = sum(min(plan.latency.items, len(evalset.test)) for arm in arms if not arm.batch)
    calls = len(evalset.dev) + len(evalset.test) + timed
    rows = [_weight(item.text) for item in evalset.train[:_SAMPLE]]
    each = MAX_CHARS if evalset.documents else sum(rows) / max(1, len(rows))
    query = sum(_weight(item.text) for item in evalset.test[:_SAMPLE]) / max(1, len(evalset.test[:_SAMPLE]))
    tokens = round(calls * plan.retrieve.reranked * (each + query) / _CHARS_PER_TOKEN)
    price = token_price(identity, book)
    by_search = price is not None and price.usd_per_mtok.ranking is not None
    used = Usage(
        input_tokens=0,
        output_tokens=0,
        ranking_tokens=0 if by_search else tokens,
        rankings=calls if by_search else 0,
        counted_by=CountedBy.ESTIMATE,
    )
    part = Forecast(
        arm=f"reranking by {identity.id}",
        calls=calls,
        input_tokens=tokens,
        output_tokens=0,
        usd=total_usd(search_cost([used], None, price)) if by_tokens(identity, book) else Decimal(0),
        served=True,
    )
    yield _placed(part, (identity, plan.retrieve.rerank_base), book, context)


def _placed(part: Forecast, served: tuple[ModelIdentity, str], book: PriceBook, context: Context) -> Forecast:
    """With a model's address, its missing key, and whether somebody said what it bills."""
    identity, base = served
    address, where = place_of(identity.id, base, context.environ, offline=False)
    key = key_variable(where.provider, own_endpoint=False)
    return replace(
        part,
        unstated=not by_tokens(identity, book),
        address=address,
        missing_key=key if where.own and not context.environ.get(key) else "",
    )


def _usd(identity: ModelIdentity | None, per_call: Usage, calls: int, book: PriceBook) -> Decimal | None:
    price = token_price(identity, book)
    return None if price is None else total_usd(scaled(query_cost(per_call, price), Decimal(calls)))


def _calls(arm: ArmPlan, plan: ExperimentPlan, evalset: Evalset) -> int:
    if arm.option is Option.ROUTE:
        return 0
    warm = 0 if arm.batch else min(plan.latency.items, len(evalset.test))
    calls = len(evalset.dev) + len(evalset.test) + warm + min(_WARM_UP, warm)
    if arm.option is Option.RETRIEVE:
        passes = passes_of(plan.retrieve.k, documents=bool(evalset.documents))
        rows = len(evalset.dev), len(evalset.test)
        calls += max(0, passes - 1) * rows_to_choose_on(passes, plan.retrieve.dev_items, *rows)
    return calls


def _mean_prompt_chars(arm: ArmPlan, sample: Sequence[Item], asking: Asking) -> float:
    if not sample or not arm.option.traits.needs_model:
        return 0.0
    shown = asking.shown(arm, sample, lambda messages: _chars(messages) / _CHARS_PER_TOKEN)
    return sum(_chars(one.messages) for one in shown) / len(shown)


def _chars(messages: Sequence[Message]) -> int:
    return sum(_weight(message.content) + 16 for message in messages)


def _weight(text: str) -> int:
    """Characters, those outside ASCII as many as make a token."""
    foreign = sum(not character.isascii() for character in text)
    return len(text) + round(foreign * (_CHARS_PER_TOKEN - 1))
