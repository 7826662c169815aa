"""What to do, the pair's answer, what could change it, and what to run next. Pure."""

from __future__ import annotations

from typing import assert_never

from advisor.options import Option, TaskKind
from advisor.sentences import capital
from harness.bakeoff.limit_checks import FINE_TUNED
from harness.bakeoff.results import Accepted, Answer, BakeoffResults, Verdict
from harness.bakeoff.wording import limit_words, more_items_words
from harness.core.errors import command as command_line
from harness.core.records import ArmId
from harness.core.wording import bounds, counted, level, percent, points
from harness.data.gate import PERSONAL_DATA
from harness.money.records import Limit, PlanKey
from harness.recommendation.records import Action, NextStep, StepKind
from harness.report.context import ReportContext
from harness.report.document import (
    Block,
    Bullets,
    Command,
    Fact,
    Facts,
    Paragraph,
    RecommendationBlock,
    Section,
    Span,
    Text,
    Tone,
    day_words,
    outside,
    said,
    section,
)
from harness.report.topics.cells import RAG_HERE, RAG_OVER_DOCUMENTS, TUNING_HERE, bare_points
from harness.report.topics.forecast import limit_sentence
from harness.report.topics.recommendation import (
    RunWords,
    answer_sentence,
    cautions,
    certainty_words,
    difference_sentence,
    headline,
    reached,
    reason_sentence,
    risk_sentence,
    step_action,
)

_SAID_ELSEWHERE = {
    PERSONAL_DATA,
    "label-not-in-test",
    "rare-label",
    "thin-support-test",
    "thin-support-train",
}
"""Findings that stand beside the data: single labels, and personal data, which no answer hangs on."""
NO_LAST_DAY = "Nothing known today, such as a price change or the end of a model, limits how long this holds."


def words_of(c: ReportContext) -> RunWords:
    """Everyday names and the reader's currency."""
    return RunWords(name=c.name, currency=c.currency, metric=c.metric)


def decision_section(c: ReportContext) -> Section:
    """The recommendation, what a reader must know before anything else, and the answer to the question."""
    return section("decision", "What to do", recommendation(c), *notices(c), pair_answer(c), page="fit")


def recommendation(c: ReportContext) -> RecommendationBlock:
    """What to do now, why, what it costs, who decides and by when."""
    advised, words = c.results.recommendation, words_of(c)
    tones: dict[Action, Tone] = {Action.SHIP: "good", Action.KEEP_TODAY: "plain"}
    reasons: list[Text] = []
    for reason in advised.reasons:
        arm = c.arm(reason.arm)
        cited = c.money_sources() if reason.cost is not None else c.accuracy(arm) if arm is not None else ()
        reasons.append(said(Span(text=reason_sentence(reason, words), sources=cited)))
    sure = certainty_words(advised, words, c.results.verdict.limits)
    return RecommendationBlock(
        headline=headline(advised, words),
        reasons=tuple(reasons),
        facts=(*_right(c), *_cost(c), *_next(c), Fact(label="How sure", text=sure)),
        tone=tones.get(advised.action, "warn"),
    )


def _right(c: ReportContext) -> list[Fact]:
    """Right answers of the arm to use."""
    used = c.used
    found = None if used is None else used.quality.primary
    if used is None or found is None or found.value is None:
        return []
    figure = Span(text=percent(found.value), strong=True, sources=c.accuracy(used))
    inside = bounds(found)
    return [Fact(label=capital(c.metric.noun), text=said(figure, f" ({inside})" if inside else ""))]


def _cost(c: ReportContext) -> list[Fact]:
    """Of the arm to use, a month; without a month, its calls."""
    used, today = c.used, c.results.outlook.incumbent
    if c.results.recommendation.action is Action.KEEP_TODAY and today is not None:
        return [Fact(label="Cost a month, all in", text=said(c.amount(today.month_usd, strong=True)))]
    if used is None:
        return []
    found = c.forecast(used.arm)
    if found is None or found.month_usd.usd is None:
        return [Fact(label="Cost of 1,000 queries", text=said(c.price(used.cost.usd_per_1k), ", calls only"))]
    spread = c.range(found.month_usd)
    text = said(c.amount(found.month_usd, strong=True), f" ({spread})" if spread else "")
    return [Fact(label="Cost a month, all in", text=text)]


def _next(c: ReportContext) -> list[Fact]:
    step = c.results.recommendation.next
    spread = f" ({c.range(step.usd)})" if c.range(step.usd) else ""
    more = f": {_why_unknown(c, step)}" if step.usd.usd is None else spread
    facts = [
        Fact(label="Next step", text=step_action(step, c.results, words_of(c))),
        Fact(label="The step costs", text=said(c.amount(step.usd, strong=True), more)),
        Fact(label="Who decides", text=f"the {step.decides.value}"),
    ]
    if step.before is not None:
        day = Span(text=day_words(step.before), strong=True, sources=c.validity())
        facts.append(Fact(label="Decide before", text=said(day, ", when a price or a model changes")))
    return facts


def _why_unknown(c: ReportContext, step: NextStep) -> str:
    """Why a step has no price, in one clause; which keys of the plan are missing stands with the money."""
    keys = {found.key for found in c.results.outlook.unknown}
    if step.kind is StepKind.PILOT and PlanKey.BUSINESS in keys:
        return "the plan does not say what people's time costs"
    return step.usd.reason


def notices(c: ReportContext) -> list[Block]:
    """What a reader must know before anything else."""
    results, found = c.results, []
    if c.closing is None:
        found.append("Incomplete run: it has no manifest yet, so figures may change.")
    found += [f"{capital(c.name(one.arm))} failed and is left out: {one.reason}" for one in results.failed]
    found += _better_but_ruled_out(c)
    if results.data.look > results.data.planned_looks:
        found.append(f"{capital(looks_words(results))}.")
    return [Paragraph(text=text, tone="warn") for text in found]


def _better_but_ruled_out(c: ReportContext) -> list[str]:
    """Options with more right answers than the one recommended, and the limits that rule them out."""
    used = c.used
    broken: dict[ArmId, list[str]] = {}
    for check in c.results.verdict.broken:
        broken.setdefault(check.arm, []).append(limit_words(check, c.metric))
    said_of = []
    for arm, limits in broken.items():
        rate, least = (None if one is None else one.primary.value for one in (c.arm(arm), used))
        if rate is not None and least is not None and rate > least:
            why = "; ".join(limits)
            said_of.append(f"{capital(c.name(arm))} is right in {percent(rate)} but ruled out: {why}.")
    return said_of


def pair_answer(c: ReportContext) -> Facts:
    """RAG or fine-tuning: the answer, on which figures it rests, and what both words mean here."""
    verdict = c.results.verdict
    rows = [
        Fact(
            label="RAG or fine-tuning?",
            text=said(Span(text=answer_words(verdict), strong=True), " ", *_pair_figures(c)),
            tone="warn" if verdict.answer is Answer.NOT_ENOUGH_EVIDENCE else "good",
        )
    ]
    found = c.results.pair
    if found is not None and verdict.answer is Answer.NOT_ENOUGH_EVIDENCE:
        rows.append(Fact(label="To decide it", text=f"{capital(more_items_words(found.more_items))}."))
    rows += [*_stands_for_tuning(c), *_on_one_model(c)]
    rag = RAG_OVER_DOCUMENTS if c.results.task is TaskKind.QUESTION_ANSWERING else RAG_HERE
    return Facts(rows=(*rows, Fact(label="In this report", text=f"{rag} {TUNING_HERE}", tone="faint")))


def _stands_for_tuning(c: ReportContext) -> list[Fact]:
    """Which of several fine-tuned models the answer is about, and by what it was chosen."""
    pair = c.results.verdict.pair
    tuned = [arm for arm in c.results.arms if arm.arm.option in FINE_TUNED]
    if pair is None or len(tuned) < 2:
        return []
    name = capital(c.name(pair[1]))
    said_of = f"{name}: of {len(tuned)} fine-tuned models the one right most often on the dev rows."
    return [Fact(label="Fine-tuning means", text=said_of)]


def _on_one_model(c: ReportContext) -> list[Fact]:
    """Beneath a pair of two models, what the method alone does: RAG and fine-tuning of one model."""
    if c.results.pair is None or c.results.pair.same_model:
        return []
    words = words_of(c)
    return [
        Fact(label="On one model", text=difference_sentence(found, words))
        for found in c.results.comparisons
        if found.same_model and {found.a.option, found.b.option} == {Option.RETRIEVE, Option.TUNE}
    ]


def _pair_figures(c: ReportContext) -> tuple[Span, ...]:
    found = c.results.pair
    arms = [] if found is None else [arm for arm in (c.arm(found.a), c.arm(found.b)) if arm is not None]
    if found is None or found.difference.value is None or len(arms) < 2:
        return said(answer_sentence(c.results, words_of(c)))
    d, (one, other) = found.difference, arms
    ends = None if d.low is None or d.high is None else f"{bare_points(d.low)} to {bare_points(d.high)}"
    where = "" if ends is None else f" ({level(d)} {ends})"
    kind = "on the same model" if found.same_model else "each on its own model"
    return said(
        f"Of the same {counted(d.n, 'test item', 'test items')} "
        f"{reached(c.metric, c.name(one.arm), one.quality.primary.value)} and "
        f"{c.name(other.arm)} {percent(other.quality.primary.value)}, {kind}: "
        f"a difference of {points(d.value)}{where}",
        Span(text=".", sources=c.accuracy(*arms)),
        *_small(c),
    )


def _small(c: ReportContext) -> tuple[str, ...]:
    """A difference that is there and does not matter."""
    found = c.results.pair
    if c.results.verdict.answer is not Answer.TIED or found is None:
        return ()
    low, high = found.difference.low, found.difference.high
    if low is None or high is None or low <= 0 <= high:
        return ()
    return (" There is a difference, smaller than you said matters.",)


_ANSWERS = {
    Answer.RETRIEVE: "RAG beats fine-tuning.",
    Answer.RETRIEVE_AS_GOOD: "RAG is at least as good as fine-tuning.",
    Answer.TUNE_AS_GOOD: "Fine-tuning is at least as good as RAG.",
    Answer.TUNE: "Fine-tuning beats RAG.",
    Answer.TIED: "RAG and fine-tuning are tied.",
    Answer.NOT_ENOUGH_EVIDENCE: "Not enough evidence to choose between RAG and fine-tuning.",
}


def answer_words(verdict: Verdict) -> str:
    """The answer to the title's question, in one sentence."""
    return "RAG and fine-tuning were not both run." if verdict.pair is None else _ANSWERS[verdict.answer]


def looks_words(results: BakeoffResults) -> str:
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


def change_section(c: ReportContext) -> Section:
    """What could change the decision, and until when it holds."""
    words = words_of(c)
    risk = risk_sentence(c.results.recommendation.risk, words)
    elsewhere = {one.message for one in c.results.data.findings if one.code in _SAID_ELSEWHERE}
    found = tuple(text for text in cautions(c.results, words) if text not in elsewhere)
    notes = (*no_route(c.results), *map(accepted_sentence, c.results.accepted))
    return section(
        "change",
        "What could change this",
        Paragraph(text=said(Span(text="The main risk. ", strong=True), risk)),
        Bullets(items=found) if found else None,
        Bullets(label="Notes", items=notes) if notes else None,
        lead=_holds(c),
    )


def dates_section(c: ReportContext) -> Section:
    """On which day, or from which volume or rate of change on, the answer is another one."""
    rows = tuple(Fact(label=_when(limit), text=_limit(c, limit)) for limit in c.results.outlook.limits)
    return section("dates", "Dates and limits that are known", Facts(rows=rows) if rows else None, spare=2)


def _holds(c: ReportContext) -> Text:
    until = c.results.outlook.valid_until
    if until is None:
        return NO_LAST_DAY
    return said(
        "This holds until ",
        Span(text=day_words(until), strong=True, sources=c.validity()),
        ". Look at it again then, or when one of these happens.",
    )


def _when(limit: Limit) -> str:
    return capital(limit.what) if limit.on is None else f"{capital(limit.what)}, {day_words(limit.on)}"


def _limit(c: ReportContext, limit: Limit) -> Text:
    return said(Span(text=limit_sentence(c, limit), sources=(f"Validity: {limit.source}.",)))


def no_route(results: BakeoffResults) -> tuple[str, ...]:
    """Why a run whose plan names a route has none."""
    if results.route is None:
        wanted = "No route between two options: it needs a linear or tuned arm and a prompted one."
        return (wanted,) if results.route_asked else ()
    return (f"No route between two options: {results.route.reason}.",) if results.route.reason else ()


def accepted_sentence(found: Accepted) -> str:
    """What was changed after a run was closed, and when that was taken as found."""
    files = ", ".join(map(outside, found.files))
    return f"Changed after the run was closed, and taken as found on {found.at:%Y-%m-%d}: {files}."


def next_section(c: ReportContext) -> Section:
    """Commands on this run."""
    step, picked = c.results.recommendation.next, c.results.recommendation.arm
    idle = "once the machine is idle: times the figures marked ! again; no answer changes"
    fresh = ("--data", "fresh.csv", "--text", "text", "--label", "label", "--after", c.results.run_id)
    labelled = "the next step, once fresh items are labelled: they alone decide"
    busy = any(arm.latency.busy or arm.cost.usd_per_1k.busy for arm in c.results.arms)
    return section(
        "next",
        "Next steps",
        Command(command=step.command, purpose="the next step") if step.command else None,
        Command(command=command_line("bakeoff", *fresh), purpose=labelled)
        if step.kind is StepKind.LABEL
        else None,
        Command(command=c.command("latency"), purpose=idle) if busy else None,
        None if picked is None else _export(c, picked),
        Command(command=c.command("errors"), purpose="the wrong answers, the most confident first"),
        Command(command=c.command("report", "--format", "pdf,html,csv"), purpose="the same as files"),
        Command(command=c.command("report", "--full"), purpose="every section here"),
        Command(command="harness runs", purpose="all runs"),
    )


def _export(c: ReportContext, picked: ArmId) -> Command | None:
    """What writes the arm to use as a folder to serve: of a route to today's way, the arm that is asked."""
    first = next(iter(c.results.parts(picked)), None) if picked.to_today else None
    if not _can_be_exported(c, (picked if first is None else first.arm).option):
        return None
    named = picked.option.value if first is None else str(picked)
    ship = c.command("export", "--arm", named, "-o", "shipped")
    return Command(command=ship, purpose="what is recommended, as a folder to serve")


def _can_be_exported(c: ReportContext, option: Option) -> bool:
    """Whether a run keeps what `harness export` takes: of fields a tuned model, of labels any fitted one."""
    match c.results.task:
        case TaskKind.CLASSIFICATION:
            return option.traits.exported
        case TaskKind.EXTRACTION:
            return option.traits.exported and option.traits.tuned
        case TaskKind.QUESTION_ANSWERING:
            return False
        case _:
            assert_never(c.results.task)
