"""The parts of the executive report that show limits: what would change it, risks, method, sources. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from harness.core.wording import money, one_line, percent, seconds, share_sentence
from harness.money.records import FrontierGap, Limit
from harness.recommendation.records import RunResults
from harness.report.dossier import MARKS, Dossier
from harness.report.model import looks_words
from harness.report.paper import (
    Block,
    Grid,
    Part,
    Points,
    References,
    Span,
    Terms,
    Text,
    day_words,
    outside,
    said,
)
from harness.report.plain import arm_ids, capital, in_plain_words, plain_name
from harness.report.recommendation_words import cautions
from harness.report.tables import arm_named
from harness.report.view import Cell, Column, Row, Table, on_run

NO_LAST_DAY = "Nothing known today, such as a price change or the end of a model, sets it a last day."

MOST_OF_A_SENTENCE = 400


def change_part(dossier: Dossier) -> Part:
    """What would change the decision, and until when it holds."""
    results = dossier.results
    advised, outlook = results.recommendation, results.outlook
    hangs_on = tuple(said(in_plain_words(s, results)) for s in cautions(results))
    blocks: list[Block] = [Points(items=hangs_on, label="What could change this")] if hangs_on else []
    if advised.frontier:
        blocks += _frontier(dossier, advised.frontier)
    if advised.published:
        published = tuple(_published(dossier))
        blocks.append(Points(items=published, label="Published by others, not measured here"))
    limits = () if outlook is None else outlook.limits
    if limits:
        rows = tuple((_when(limit), _limit(dossier, limit)) for limit in limits)
        blocks.append(Terms(rows=rows, label="Dates and limits that are known"))
    valid = None if outlook is None else outlook.valid_until
    lead = said(NO_LAST_DAY)
    if valid is not None:
        lead = said(
            "This decision holds until ",
            Span(text=day_words(valid), strong=True, refs=dossier.validity()),
            ". Look at it again then, or when one of these happens.",
        )
    return Part(key="change", title="What would change this decision", lead=lead, blocks=tuple(blocks))


def _when(limit: Limit) -> str:
    return capital(limit.what) if limit.on is None else f"{capital(limit.what)}, {day_words(limit.on)}"


def _limit(dossier: Dossier, limit: Limit) -> Text:
    refs = dossier.cites.cite(f"Validity: {one_line(limit.source)}.")
    return said(Span(text=in_plain_words(limit.sentence, dossier.results), refs=refs))


def _frontier(dossier: Dossier, gaps: tuple[FrontierGap, ...]) -> list[Block]:
    rows = tuple(
        Row(
            cells=(
                Cell(text=one_line(gap.model)),
                Cell(text=money(gap.usd_per_1k.usd, dossier.currency), interval=MARKS[gap.usd_per_1k.basis]),
                Cell(text="above 100 %" if gap.accuracy_to_win is None else percent(gap.accuracy_to_win)),
                Cell(text=money(gap.settle_usd, dossier.currency), interval="list price"),
            )
        )
        for gap in gaps
    )
    refs = dossier.prices(*(gap.usd_per_1k for gap in gaps))
    grid = Grid(
        table=Table(
            columns=(
                Column(head=("large hosted model", "(not run)"), right=False),
                Column(head=("per 1,000", "queries")),
                Column(head=("right answers", "it would need")),
                Column(head=("calls to", "find out")),
            ),
            rows=rows,
        ),
        caption="What large hosted models would have to reach to change the decision. None was run.",
        refs=((), refs, (), refs),
        shares=(3, 1.6, 1.6, 1.6),
    )
    return [grid]


def _published(dossier: Dossier) -> Iterable[Text]:
    for figure in dossier.results.recommendation.published:
        refs = dossier.cites.cite(
            f"Published: {one_line(figure.source)}, checked {one_line(figure.checked)}; not measured here."
        )
        span = f"{one_line(figure.statement)}: {percent(figure.low)} to {percent(figure.high)}"
        yield said(Span(text=span, mark="published elsewhere", refs=refs))


def risk_part(dossier: Dossier) -> Part:
    """Data, licence, drift, privacy."""
    results = dossier.results
    data, outlook = results.data, results.outlook
    warnings = [f.message for f in data.findings if f.severity == "warning"]
    personal = [f.message for f in data.findings if f.code.startswith("pii")]
    drift = [
        limit.sentence
        for limit in (() if outlook is None else outlook.limits)
        if limit.what in {"change rate", "model retirement"}
    ]
    rows = (
        (
            "Data",
            said(
                " ".join(
                    [
                        f"The items are {outside(data.provenance)}.",
                        *(outside(text, MOST_OF_A_SENTENCE) for text in warnings),
                    ]
                )
            ),
        ),
        ("Labels", said(_agreement(results))),
        ("Strange messages", said(_strange(results))),
        (
            "Licence",
            said(
                f"Data: {outside(data.licence) or 'not stated'}. "
                "Check the licence of each model before it is used; a run does not record it."
            ),
        ),
        (
            "Drift",
            said(
                " ".join(in_plain_words(s, results) for s in drift)
                or "How fast answers go stale was not measured."
            ),
        ),
        (
            "Privacy",
            said(
                " ".join(
                    [_where_texts_go(results), *(outside(text, MOST_OF_A_SENTENCE) for text in personal)]
                )
            ),
        ),
    )
    return Part(key="risks", title="Risks", blocks=(Terms(rows=rows),))


def _agreement(results: RunResults) -> str:
    found = results.data.annotator_agreement
    if found is None:
        return "No second person labelled the items: how sure the labels themselves are is not known."
    who = " Both were machines: this is no human ceiling." if "machine" in results.data.provenance else ""
    return f"Two annotators gave the same label to {share_sentence(found)}.{who}"


def _strange(results: RunResults) -> str:
    """What the arm to ship, or else the best that was looked at, does with input that belongs nowhere."""
    ship = arm_named(results, results.recommendation.ship)
    looked = [arm for arm in results.arms if results.robustness_of(arm.arm) is not None]
    if ship is None and looked:
        ship = max(looked, key=lambda arm: arm.quality.dev_accuracy.value or 0.0)
    harm = None if ship is None else results.robustness_of(ship.arm)
    if ship is None or harm is None:
        return "What is answered to messages that belong to no label was not looked at."
    name, found = plain_name(ship.arm, arm_ids(results)), []
    if harm.rejection is not None and harm.rejection.threshold is not None:
        found.append(
            f"If {name} answers only where it is sure, so that {percent(harm.rejection.wanted, 0)} of "
            f"ordinary messages are still answered, {share_sentence(harm.rejection.handed_back)} of "
            "messages that belong to no label are handed back; the others get a wrong label."
        )
    if harm.unseen:
        names = ", ".join(one_line(label.label) for label in harm.unseen)
        found.append(f"Messages of a kind it was not trained on ({names}) get the labels of others.")
    if harm.agreement is not None:
        found.append(
            f"{len(harm.agreement.seeds)} trainings that differ in chance only give the same label to "
            f"{share_sentence(harm.agreement.unanimous)} of the test items."
        )
    return " ".join(found)


def _where_texts_go(results: RunResults) -> str:
    ship = arm_named(results, results.recommendation.ship)
    if ship is None:
        return "Nothing is shipped yet."
    remote = ship.hosted
    name = capital(plain_name(ship.arm, arm_ids(results)))
    if remote:
        return f"{name} sends every text to its provider."
    return f"{name} runs on machines of your own: no text leaves them."


def method_part(dossier: Dossier) -> Part:
    """How it was measured, for readers who never ran such a test."""
    results = dossier.results
    data = results.data
    looks = f"{capital(looks_words(results))}."
    steps = (
        f"The data ({outside(data.title)}) were split before anything ran: {data.train:,} items to learn "
        f"from, {data.dev:,} to choose settings with, {data.test:,} to be tested on.",
        "The plan was locked before any item was read: what is compared, what counts as better, and at "
        "which prices.",
        "Each way answered every test item once. An answer that failed or named no label counts as wrong.",
        "An interval says how far a figure could move with other items of the same kind. A difference counts "
        "only if it holds after allowing for all comparisons made.",
        "Answer times come from one query at a time on a warm machine.",
        looks,
    )
    used = dict.fromkeys(arm.arm.option for arm in results.arms)
    first = {option: next(arm.arm for arm in results.arms if arm.arm.option is option) for option in used}
    terms = tuple((capital(plain_name(first[option])), said(option.traits.about)) for option in used)
    return Part(
        key="method",
        title="How it was measured",
        lead=said(
            "RAG, here: the model is shown similar past items before it answers. "
            "Fine-tuning: the model was adapted to past items beforehand."
        ),
        blocks=(
            Points(items=tuple(said(step) for step in steps)),
            Terms(rows=terms, label="The ways that were compared"),
        ),
    )


def sources_part(dossier: Dossier) -> Part:
    """The references, and what makes the run repeatable. Made last: every other part has cited by then."""
    results = dossier.results
    data = results.data
    rows: list[tuple[str, Text]] = [
        ("Run", said(f"{dossier.run}, seed {results.seed}")),
        ("Plan", said(f"sha256 {one_line(results.plan_digest)}")),
        (
            "Test items",
            said(f"n={data.test:,}, sha256 {one_line(data.digests.get('test', '')) or 'unknown'}"),
        ),
        ("Data", said(f"{outside(data.name)}, {outside(data.licence)}")),
    ]
    closing = dossier.closing
    if closing is None:
        rows.append(("State", said("incomplete: no manifest, so no finish time and no versions")))
    else:
        machine = closing.environment
        finished = f"{closing.finished_at:%Y-%m-%d %H:%M} UTC, {seconds(closing.wall_s)} after its last start"
        source = f"source {one_line(machine.commit) or 'unknown'}, Python {one_line(machine.python)}"
        hardware = f"{one_line(machine.cpu)}, {machine.cores} cores, GPU: {one_line(machine.gpu) or 'none'}"
        rows += [
            ("Finished", said(finished)),
            ("Versions", said(f"{source}{_packages(machine)}")),
            ("Machine", said(hardware)),
        ]
    again = on_run(dossier.results.run_id)("report", "--format", "text,html,json")
    rows.append(("Again", said(f"{again} shows the same figures with all details")))
    return Part(
        key="sources",
        title="Where every figure comes from",
        blocks=(References(), Terms(rows=tuple(rows), label="To do it again")),
    )


def _packages(machine: object) -> str:
    found = getattr(machine, "packages", None) or {}
    return "".join(f", {one_line(name)} {one_line(version)}" for name, version in found.items() if version)
