"""What a report rests on: the data and their risks, the method, the run, the machine, the sources. Pure."""

from __future__ import annotations

from advisor.options import TaskKind
from advisor.sentences import capital
from harness.bakeoff.results import ArmResult, DataSummary, RouteDesign
from harness.core.wording import MISSING, counted, decimal, one_line, percent, seconds, share_sentence
from harness.data.gate import PERSONAL_DATA
from harness.privacy.detect import ONLY_WHERE_SAID
from harness.report.context import ReportContext
from harness.report.document import (
    Block,
    Bullets,
    Fact,
    Facts,
    Paragraph,
    Section,
    Sources,
    Text,
    outside,
    section,
    there,
)
from harness.report.topics.arms import what_they_are
from harness.report.topics.decision import looks_words
from harness.report.topics.forecast import limit_sentence
from harness.report.topics.freshness import until_right
from harness.tasks.records import Nouns

SHORT_DIGEST = 12
MOST_OF_A_SENTENCE = 400


def short(digest: str) -> str:
    """The beginning of a digest, as printed."""
    return digest[:SHORT_DIGEST]


def risks_section(c: ReportContext) -> Section:
    """What the data are worth, strange input, drift and privacy."""
    data = c.results.data
    warnings = [f.message for f in data.findings if f.severity == "warning" and f.code != PERSONAL_DATA]
    personal = [f.message for f in data.findings if f.code == PERSONAL_DATA]
    drift = [
        limit_sentence(c, limit)
        for limit in c.results.outlook.limits
        if limit.what in {"change rate", "model retirement"}
    ]
    drift += [] if c.results.drill is None else until_right(c.results.drill)
    rows = there(
        Fact(label="Data", text=_joined(f"{data.title}: {data.provenance}.", *warnings)),
        Fact(label=capital(c.nouns.answers), text=agreement_words(data, c.nouns)),
        Fact(label="Strange messages", text=_strange(c)) if data.labels else None,
        Fact(label="Drift", text=_joined(*drift) or "How fast answers go stale was not measured."),
        Fact(label="Privacy", text=_joined(_where_texts_go(c), *_sent(c), *personal)),
    )
    return section("risks", "Risks", Facts(rows=rows))


def _joined(*sentences: str) -> str:
    return " ".join(outside(sentence, MOST_OF_A_SENTENCE) for sentence in sentences)


def _sent(c: ReportContext) -> list[str]:
    """What left the machine in the run, and what became of personal data in it."""
    sent = c.results.sent
    if sent is None:
        return []
    to = " and ".join(sent.hosts)
    if not sent.rows:
        return [
            f"In the {sent.texts:,} texts that went to {to} no personal data was found. {ONLY_WHERE_SAID}"
        ]
    found = ", ".join(f"{count:,} {kind}" for kind, count in sent.found.items())
    became = "replaced by placeholders" if sent.personal_data == "redact" else "sent as it is"
    return [f"{sent.rows:,} of {sent.texts:,} texts for {to} hold personal data ({found}): {became}."]


def _strange(c: ReportContext) -> str:
    """What the arm to use, or else the best that was looked at, does with input that belongs nowhere."""
    use = c.used
    if use is not None and use.arm.to_today:
        use = next(iter(c.results.parts(use.arm)), use)
    looked = [arm for arm in c.results.arms if c.results.robustness_of(arm.arm) is not None]
    if use is None and looked:
        use = max(looked, key=lambda arm: arm.quality.dev.value or 0.0)
    harm = None if use is None else c.results.robustness_of(use.arm)
    if use is None or harm is None:
        return "What is answered to messages that belong to no label was not measured."
    found = []
    if harm.rejection is not None and harm.rejection.threshold is not None:
        found.append(
            f"If {c.name(use.arm)} answers only where it is sure, so that "
            f"{percent(harm.rejection.wanted, 0)} of ordinary messages are still answered, "
            f"{share_sentence(harm.rejection.handed_back)} of messages that belong to no label are "
            "handed back; "
            "the others get a wrong label."
        )
    if harm.unseen:
        names = ", ".join(label.label for label in harm.unseen)
        found.append(f"Messages of a kind it was not trained on ({names}) get the labels of others.")
    if harm.agreement is not None:
        found.append(
            f"{len(harm.agreement.seeds)} trainings that differ in chance only give the same answer to "
            f"{share_sentence(harm.agreement.unanimous)} of the test items."
        )
    if harm.injection is not None and harm.injection.flipped.value is not None:
        found.append(
            f"Of messages with an order hidden in them {share_sentence(harm.injection.flipped)} got the "
            "answer that was ordered."
        )
    return " ".join(found)


def _where_texts_go(c: ReportContext) -> str:
    use = c.used
    if use is None:
        return "Nothing is shipped yet."
    name, parts = capital(c.name(use.arm)), c.results.parts(use.arm)
    if use.arm.to_today and parts:
        itself = _where(capital(c.name(parts[0].arm)), parts[0], c.results.task)
        return f"{itself} The rest goes where it goes today."
    if any(part.hosted for part in parts):
        return f"{name} sends what it hands on to a provider."
    return _where(name, use, c.results.task)


def _where(name: str, arm: ArmResult, kind: TaskKind) -> str:
    if arm.hosted:
        return f"{name} sends every text to its provider."
    read = "documents" if kind is TaskKind.QUESTION_ANSWERING else "training rows"
    holds = f" It answers from the {read} as they are: who has it can read them."
    rows = holds if arm.arm.option.traits.searches else ""
    return f"{name} runs on machines of your own: no text leaves them.{rows}"


def _guess(data: DataSummary) -> Fact | None:
    """What guessing reaches; nothing where answers are no labels."""
    if data.majority_share is None:
        return None
    guess = f"the most frequent label is right for {percent(data.majority_share)} of the test items"
    return Fact(label="Always guess", text=guess)


def data_section(c: ReportContext) -> Section:
    """What the data are worth: what guessing reaches, how sure the labels are, what was found in the rows."""
    data = c.results.data
    warnings = tuple(found.message for found in data.findings if found.severity != "note")
    notes = tuple(found.message for found in data.findings if found.severity == "note")
    sure = Fact(label=capital(c.nouns.answers), text=agreement_words(data, c.nouns))
    return section(
        "data",
        "What the data are worth",
        Facts(rows=there(_guess(data), sure)),
        Bullets(label="Warnings", items=warnings or ("none",), tone="warn" if warnings else "plain"),
        Bullets(label="Notes", items=notes) if notes else None,
    )


def agreement_words(data: DataSummary, nouns: Nouns) -> str:
    """How sure the labels, or other answers, themselves are."""
    found, kappa = data.annotator_agreement, data.annotator_kappa
    if found is None:
        verb = "labelled" if data.labels else "read"
        return f"No second person {verb} the items: how sure the {nouns.answers} themselves are is not known."
    text = f"Two annotators gave the same {nouns.answer} to {share_sentence(found)}"
    if kappa is not None:
        where = "" if kappa.low is None else f" ({decimal(kappa.low, 2)} to {decimal(kappa.high, 2)})"
        text += f"; beyond chance (Cohen's kappa) {decimal(kappa.value, 2)}{where}"
    if "machine" in data.provenance:
        text += ". Both were machines: this is no human ceiling"
    return f"{text}."


def method_section(c: ReportContext) -> Section:
    """How it was measured, for readers who never ran such a test."""
    data = c.results.data
    steps: tuple[Text, ...] = (
        f"The data ({outside(data.title)}) were split before anything ran: {data.train:,} items to learn "
        f"from, {data.dev:,} to choose settings with, {data.test:,} to be tested on.",
        "The plan was locked before any item was read: what is compared, what counts as better, and at "
        "which prices.",
        f"Every option answered every test item once. {new_to_it(c.results.arms[0])}",
        f"An answer that failed or {c.nouns.invalid_past} counts as wrong.",
        "An interval says how far a figure could move with other items of the same kind. A difference counts "
        "only if it holds after allowing for all comparisons made.",
        "Answer times come from one query at a time on a warm machine.",
        f"{capital(looks_words(c.results))}.",
    )
    return section("method", "How it was measured", Bullets(items=steps), what_they_are(c))


def new_to_it(arm: ArmResult) -> str:
    """Whether the test items were new to what learned from the training rows."""
    quality = arm.quality
    known = quality.primary.n - quality.without_overlap.n
    if not known:
        return "None of them had been seen before."
    return f"All but {known:,} of them were new: these stand word for word among the items to learn from."


def sources_section(c: ReportContext) -> Section:
    """The sources of all figures, and what makes the run repeatable."""
    files = c.command("report", "--format", "text,html,json")
    more = "slices, labels, confused labels, wrong answers, answer times, cost lines and settings"
    rows = (
        *run_facts(c),
        *_machine_facts(c),
        Fact(label="All details", text=f"{files} shows the same figures with {more}"),
    )
    again = Facts(rows=rows, label="To do it again")
    return section("sources", "Where every figure comes from", Sources(), again)


def run_section(c: ReportContext) -> Section:
    """The run: what it was made of, and when."""
    return section("run", "The run", Facts(rows=(*run_facts(c), *_machine_facts(c))))


def run_facts(c: ReportContext) -> tuple[Fact, ...]:
    """Run, data, digests, looks."""
    results, data = c.results, c.results.data
    groups = counted(data.clusters or 0, "group", "groups")
    clusters = "" if data.clusters is None else f", {groups} of related items in test"
    seen = results.looks > 1 or data.look > data.planned_looks
    test = short(data.digests.get("test", "")) or "unknown"
    return (
        Fact(label="Run", text=f"{results.run_id}, seed {results.seed}"),
        Fact(
            label="Data",
            text=f"{outside(data.title)} ({outside(data.name)}), licence: {outside(data.licence)}",
        ),
        Fact(label="They are", text=outside(data.provenance)),
        Fact(
            label="Items",
            text=(
                f"train {data.train:,}, dev {data.dev:,}, test {data.test:,}"
                + (f"; {data.labels:,} labels" if data.labels else "")
                + clusters
            ),
        ),
        Fact(label="Digests", text=f"plan {short(results.plan_digest)}, test items {test} (sha256)"),
        Fact(label="Looks", text=looks_words(results), tone="warn" if seen else "plain"),
    )


def _machine_facts(c: ReportContext) -> tuple[Fact, ...]:
    closing = c.closing
    if closing is None:
        text = "incomplete: this run has no manifest, so no finish time and no versions; figures may change"
        return (Fact(label="State", text=text, tone="warn"),)
    machine = closing.environment
    memory = MISSING if machine.memory_gib is None else f"{machine.memory_gib:g} GiB"
    versions = "".join(f", {name} {version}" for name, version in machine.packages.items() if version)
    return (
        Fact(
            label="Finished",
            text=f"{closing.finished_at:%Y-%m-%d %H:%M} UTC, {seconds(closing.wall_s)} after its last start",
        ),
        Fact(
            label="Versions", text=f"commit {machine.commit or 'unknown'}, Python {machine.python}{versions}"
        ),
        Fact(
            label="Machine",
            text=f"{machine.cpu}, {machine.cores} cores, {memory}, GPU: {machine.gpu or 'none'}",
        ),
    )


def settings_section(c: ReportContext) -> Section:
    """What each arm chose before it saw test, and the route's threshold."""
    return section(
        "settings",
        "What each option chose before it saw test",
        *(_settings(c, arm) for arm in c.results.arms),
        None if c.results.route is None else Paragraph(text=f"Route: {_route(c, c.results.route)}"),
    )


def _settings(c: ReportContext, arm: ArmResult) -> Block:
    quality = arm.quality
    facts = [
        ", ".join(f"{name} = {value}" for name, value in arm.fitted.choices.items()) or "nothing to choose",
        f"fitted in {seconds(arm.fitted.seconds)}",
        *(f"training seed {seed.seed}: {share_sentence(seed.primary)}" for seed in arm.seeds),
        *arm.fitted.notes,
    ]
    if quality.by_label.ece is not None:
        facts.append(
            f"calibration error (ECE) {decimal(quality.by_label.ece.value)} (n={quality.by_label.ece.n:,}, "
            f"{quality.by_label.ece.method})"
        )
    if quality.by_label.coverage is not None:
        facts.append(f"{quality.by_label.coverage.metric}: {share_sentence(quality.by_label.coverage)}")
    if arm.peak_memory_mib is not None:
        facts.append(f"peak memory {arm.peak_memory_mib:,.0f} MiB, the whole process")
    if arm.identity is not None:
        who = arm.identity
        facts.append(f"model {who.id} {who.precision} {short(who.revision)} ({who.location})")
    label = f"{c.title(arm.arm)} ({one_line(arm.arm.label)})"
    return Bullets(label=label, items=tuple(dict.fromkeys(facts)))


def _route(c: ReportContext, design: RouteDesign) -> str:
    first, then = c.name(design.first), c.name(design.then)
    if design.threshold is None:
        return f"{first}, then {then}: no threshold. {design.reason}"
    return (
        f"{first} keeps answers with a confidence of at least {design.threshold:.3f} and hands the rest to "
        f"{then}; kept {share_sentence(design.kept)}, aimed at a precision of "
        f"{percent(design.precision, 0)}; on "
        f"dev, with thresholds from other folds, {share_sentence(design.dev_precision)} of the kept "
        "answers were "
        "right"
    )
