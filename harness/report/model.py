"""What a report says, in which order. Pure: records in, view out; every format shows this view.

The order is that of a reader's questions: what was compared, how the arms did, what follows from it and
how sure that is, what was not measured, what the data are worth, and what to run next.
"""

from __future__ import annotations

from decimal import Decimal
from typing import assert_never

from harness.bakeoff.results import Answer, DataSummary, LimitState, Verdict
from harness.bakeoff.wording import limit_words
from harness.core.wording import decimal, money, one_line, percent, seconds, share_sentence
from harness.money.records import Published
from harness.recommendation.records import Recommendation, RunResults
from harness.report.advice import advice_section
from harness.report.details import Closing, detail_sections, lines, short
from harness.report.money import money_section
from harness.report.recommendation_words import (
    answer_sentence,
    cautions,
    certainty_words,
    headline,
    reason_sentence,
    risk_sentence,
    step_sentence,
)
from harness.report.tables import (
    arm_named,
    arms_table,
    frontier_table,
    slices_table,
)
from harness.report.view import (
    Block,
    Bullets,
    Command,
    CommandOn,
    Fact,
    Section,
    Sentence,
    Tone,
    View,
    on_run,
)

SHORT_DIGEST = 12
NOT_MEASURED = "not measured"


def report_view(
    results: RunResults, closing: Closing | None = None, command: CommandOn | None = None
) -> View:
    """The whole report of a run.

    Args:
        closing: the run's manifest; None for an incomplete run, and then the report says so.
        command: makes the commands under next steps; None names the run alone.
    """
    sections = (
        _header(results, closing),
        Section(
            key="arms",
            title="What was measured",
            blocks=(arms_table(results),),
        ),
        _verdict(results),
        advice_section(results.advice),
        money_section(results),
        _frontier(results),
        _slices(results),
        _data(results),
        _next_steps(results, command or on_run(results.run_id)),
        *detail_sections(results, closing),
    )
    return View(
        title="RAG or fine-tuning? Bake-off report",
        sections=tuple(section for section in sections if section.blocks),
    )


def answer_words(verdict: Verdict) -> str:
    """The answer to the title's question, in one sentence."""
    rag, tuned = (one_line(str(arm)) for arm in verdict.pair) if verdict.pair else ("RAG", "fine-tuning")
    match verdict.answer:
        case Answer.RETRIEVE:
            return f"RAG. {rag} beats {tuned}."
        case Answer.RETRIEVE_AS_GOOD:
            return f"RAG is at least as good: {rag} is not worse than {tuned} by the margin."
        case Answer.TUNE_AS_GOOD:
            return f"Fine-tuning is at least as good: {tuned} is not worse than {rag} by the margin."
        case Answer.TUNE:
            return f"Fine-tuning. {tuned} beats {rag}."
        case Answer.TIED:
            return f"A tie between {rag} and {tuned}."
        case Answer.NOT_ENOUGH_EVIDENCE:
            if verdict.pair is None:
                return "RAG and fine-tuning were not both run."
            return f"Not enough evidence to choose between {rag} and {tuned}."
        case _:
            assert_never(verdict.answer)


def open_limits(verdict: Verdict) -> tuple[str, ...]:
    """Limits that these items show neither to be kept nor to be broken, a line an arm and limit."""
    return lines(
        f"{check.arm}: {limit_words(check)}" for check in verdict.limits if check.state is LimitState.OPEN
    )


def _header(results: RunResults, closing: Closing | None) -> Section:
    data = results.data
    arms = ", ".join(one_line(str(arm.arm)) for arm in results.arms)
    digest = data.digests.get("test", "")
    clusters = "" if data.clusters is None else f", {data.clusters:,} groups of related items in test"
    blocks: list[Block] = [
        Fact(label="run", text=f"{one_line(results.run_id)}, seed {results.seed}"),
        Fact(label="compared", text=f"{len(results.arms)} arms: {arms}"),
        Fact(label="on", text=f"{one_line(data.title)} ({one_line(data.name)}), {one_line(data.licence)}"),
        Fact(label="data are", text=one_line(data.provenance)),
        Fact(
            label="items",
            text=f"train {data.train:,}, dev {data.dev:,}, test {data.test:,}; "
            f"{data.labels:,} labels{clusters}",
        ),
        Fact(
            label="digests",
            text=f"plan {short(results.plan_digest)}, test rows {short(digest) or 'unknown'}",
        ),
        Fact(label="looks", text=looks_words(results), tone=_looks_tone(results)),
    ]
    if closing is None:
        blocks.append(
            Fact(label="state", text="incomplete: this run has no manifest; figures may change", tone="warn")
        )
    else:
        blocks.append(
            Fact(
                label="finished",
                text=f"{closing.finished_at:%Y-%m-%d %H:%M} UTC, "
                f"{seconds(closing.wall_s)} after its last start",
            )
        )
    return Section(key="header", title="The run", blocks=tuple(blocks))


def _verdict(results: RunResults) -> Section:
    verdict, advised = results.verdict, results.recommendation
    blocks: list[Block] = [
        Fact(
            label="do this", text=one_line(headline(advised)), tone="warn" if advised.ship is None else "good"
        ),
        Bullets(label="because", items=lines(map(reason_sentence, advised.reasons))),
        Fact(label="how sure", text=one_line(certainty_words(advised))),
        Fact(label="next step", text=one_line(step_sentence(advised.next, results))),
        Fact(label="biggest risk", text=one_line(risk_sentence(advised.risk))),
        Fact(label="RAG or tuning", text=answer_words(verdict), tone=_answer_tone(verdict.answer)),
        Fact(label="because", text=one_line(answer_sentence(results))),
        Bullets(label="what could change this", items=lines(cautions(results)) or ("nothing named",)),
        Bullets(
            label="limits broken",
            items=lines(f"{check.arm}: {limit_words(check)}" for check in verdict.broken) or ("none",),
            tone="warn" if verdict.broken else "plain",
        ),
        *(
            [Bullets(label="not shown yet", items=open_limits(verdict), tone="warn")]
            if open_limits(verdict)
            else []
        ),
        *([Bullets(label="notes", items=lines(results.notes))] if results.notes else []),
        Sentence(
            text="RAG here: the model is shown the most similar labelled training items with each query. "
            "Fine-tuning: the model's weights were adapted to the training items beforehand.",
            tone="faint",
        ),
    ]
    return Section(key="verdict", title="Verdict", blocks=tuple(blocks))


def _what_it_takes(advised: Recommendation) -> str:
    return "; the figures below are what it would have to reach" if advised.frontier else ""


def _frontier(results: RunResults) -> Section:
    advised = results.recommendation
    title = "Large hosted (frontier) models"
    if results.frontier_measured:
        text = "Measured in this run: see the arms named provider/model above."
        return Section(key="frontier", title=title, blocks=(Sentence(text=text),))
    blocks: list[Block] = [
        Fact(
            label="frontier RAG",
            text=f"{NOT_MEASURED}. None was run{_what_it_takes(advised)}.",
            tone="warn",
        )
    ]
    if advised.frontier:
        blocks.append(frontier_table(advised))
    blocks += [Sentence(text=_published(figure)) for figure in advised.published]
    blocks += [
        Command(
            command=one_line(gap.settle_command),
            purpose=f"settles it for {one_line(gap.model)}, all its calls: {_settle_price(gap.settle_usd)}",
        )
        for gap in advised.frontier
        if gap.settle_command
    ]
    return Section(key="frontier", title=title, blocks=tuple(blocks))


def _settle_price(usd: Decimal | None) -> str:
    return "at a price that is unknown" if usd is None else f"about {money(usd)} at list prices (estimate)"


def _published(figure: Published) -> str:
    return one_line(
        f"Published, not measured here: {figure.statement} "
        f"[{percent(figure.low)} to {percent(figure.high)}; {figure.source}; checked {figure.checked}]"
    )


def _slices(results: RunResults) -> Section:
    """Accuracy by slice, of the arm to ship and of the pair."""
    pair = results.verdict.pair or ()
    wanted = dict.fromkeys([results.recommendation.ship, *pair])
    arms = [arm for arm in (arm_named(results, name) for name in wanted) if arm is not None]
    table = slices_table(arms) if arms else None
    blocks: tuple[Block, ...] = ()
    if table is not None:
        lead = Sentence(
            text="Accuracy in % (95 % interval) by slice of the test items; small slices say little."
        )
        blocks = (lead, table)
    return Section(key="slices", title="Slices", blocks=blocks)


def _data(results: RunResults) -> Section:
    data = results.data
    blocks: list[Block] = [
        Fact(
            label="always guess",
            text=f"the most frequent label is right for {percent(data.majority_share)} of test",
        )
    ]
    if data.annotator_agreement is not None:
        blocks.append(Fact(label="annotators", text=_agreement(data)))
    found = [f.message for f in data.findings if f.severity != "note"]
    warnings = [message for message in found if message not in cautions(results)]
    if len(warnings) < len(found):
        warnings.append("further warnings stand above, under what could change this")
    blocks.append(
        Bullets(
            label="warnings",
            items=lines(warnings) or ("none",),
            tone="warn" if warnings else "plain",
        )
    )
    notes = [f.message for f in data.findings if f.severity == "note"]
    if notes:
        blocks.append(Bullets(label="notes", items=lines(notes)))
    return Section(key="data", title="What the data are worth", blocks=tuple(blocks))


def _agreement(data: DataSummary) -> str:
    assert data.annotator_agreement is not None
    kappa = data.annotator_kappa
    said = f"two annotators gave the same label to {share_sentence(data.annotator_agreement)}"
    if kappa is not None:
        where = "" if kappa.low is None else f" ({decimal(kappa.low, 2)} to {decimal(kappa.high, 2)})"
        said += f"; beyond chance (Cohen's kappa) {decimal(kappa.value, 2)}{where}"
    if "machine" in data.provenance:
        said += ". Both annotators are machines: this is no human ceiling."
    return said


def _next_steps(results: RunResults, command: CommandOn) -> Section:
    blocks: list[Block] = [
        Command(command=command("errors"), purpose="the wrong answers, the most confident first"),
        Command(command=command("report", "--format", "pdf,html,csv"), purpose="the same as files"),
        Command(command="harness runs", purpose="all runs"),
    ]
    if any(arm.latency.busy or arm.cost.usd_per_1k.busy for arm in results.arms):
        again = "once the machine is idle: times the figures marked ! again; no answer changes"
        blocks.insert(0, Command(command=command("latency"), purpose=again))
    return Section(key="next", title="Next steps", blocks=tuple(blocks))


def looks_words(results: RunResults) -> str:
    """How often this question, and these test items, have been looked at."""
    data = results.data
    look = f"look {data.look}"
    if data.look > 1 or data.planned_looks > 1:
        look = f"look {data.look} of {max(data.look, data.planned_looks)}"
    if data.look > data.planned_looks:
        look += f", and {data.planned_looks} planned: each alone has the plan's risk of a wrong word"
    elif data.planned_looks > 1:
        look += ", the plan's risk of a wrong word split over them"
    if data.look > 1:
        look += "; only items count that no earlier look tested"
    if results.looks <= 1:
        return f"{look}; this is the first locked plan to test these items"
    return (
        f"{look}; {results.looks} locked plans have tested these items, and each makes a lucky result "
        "a little more likely"
    )


def _looks_tone(results: RunResults) -> Tone:
    return "warn" if results.looks > 1 or results.data.look > results.data.planned_looks else "plain"


def _answer_tone(answer: Answer) -> Tone:
    return "warn" if answer is Answer.NOT_ENOUGH_EVIDENCE else "good"
