"""Should we retrieve or tune? The use case as a form, and the advice that moves with it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, date, datetime, time
from importlib.util import find_spec
from typing import Any

import streamlit as st

from advisor.advice import Advice
from advisor.bundled import example_case, example_cases
from advisor.case import UseCase, asks_for_labels
from advisor.case_file import dump_case, load_case, parse_case
from advisor.commands import CommandPrices, measuring, open_market, with_rate
from advisor.errors import CaseError
from advisor.money.money import CURRENCIES, CostError
from advisor.numbers import NumberFault, read_number
from advisor.recommend import Basis, recommend
from advisor.rubric.rubric import load_bands, load_rubric
from advisor.sentences import COST, NEXT, TRIED, moved_sentence, sure_words
from dashboards import blocks, launch, markup, pieces, questions, state
from dashboards.questions import (
    ESSENTIAL,
    MORE,
    NOT_KNOWN,
    Question,
    answers_of,
    case_from,
    in_words,
    key,
    worth_asking,
)
from harness.core.wording import one_line
from harness.data.load import builtin_evalsets
from harness.report.document import Facts, RecommendationBlock, Section
from harness.report.topics.advice import NOT_BUILT, advice_document, ways_section

BLANK = "a blank form"
KEPT = "case-kept"
BEFORE, CHANGE = "advice-before", "advice-change"
IN_SIGHT = ("To build", "A month", "Saved", "Paid back", COST, NEXT, TRIED)
"""How the facts begin that stand beside the form."""
TABS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("What to do next", ("decision",)),
    ("Options", ("options", "figures")),
    ("Money", ("money",)),
    ("Ways to build it", ("ways",)),
    ("What could change it", ("change",)),
    ("Why", ("reasons", "ruled-out")),
    ("Assumed and sources", ("assumed", "sources")),
    ("Test it", ()),
)
"""What lies behind the answer, each tab with the keys of its sections; none of them is the way to a test."""
CAN_WRITE_PDF = find_spec("typst") is not None


@st.cache_resource(max_entries=256, show_spinner=False)  # type: ignore[untyped-decorator]
def advice_on(case_text: str, day: date) -> Advice:
    """The advice on a use case given as YAML."""
    case = with_rate(parse_case(case_text, "the form"), CommandPrices())
    basis = Basis(rubric=load_rubric(), market=open_market(case, CommandPrices()), bands=load_bands())
    return recommend(case, basis)


def fill(case: UseCase) -> None:
    """Put a use case into the form; that is no change of an answer."""
    for kept in (BEFORE, CHANGE):
        st.session_state.pop(kept, None)
    for name, value in answers_of(case).items():
        st.session_state[name] = value


def _start() -> None:
    chosen = st.session_state["start"]
    fill(UseCase(name="My use case") if chosen == BLANK else load_case(example_case(chosen)))


def _upload() -> None:
    file = st.session_state.get("case-file")
    if file is None:
        return
    try:
        fill(parse_case(file.getvalue().decode("utf-8-sig"), "the uploaded file"))
        st.session_state["case-fault"] = ""
    except (CaseError, UnicodeDecodeError) as fault:
        st.session_state["case-fault"] = str(fault)


def begin() -> None:
    """Where the form starts: blank, an example, or a file."""
    names = list(example_cases())
    if KEPT in st.session_state and key("name") not in st.session_state:
        st.session_state.update(st.session_state[KEPT])  # Streamlit forgets the form of a page that was left
    if key("name") not in st.session_state:
        first = "ticket-routing" if "ticket-routing" in names else BLANK
        st.session_state["start"] = first
        _start()
    st.selectbox(
        "Start from",
        [BLANK, *names],
        key="start",
        on_change=_start,
        format_func=lambda name: name.replace("-", " "),
    )
    with st.expander("or from a CASE.yaml"):
        st.file_uploader(
            "CASE.yaml",
            type=["yaml", "yml"],
            key="case-file",
            on_change=_upload,
            label_visibility="collapsed",
        )
        if st.session_state.get("case-fault"):
            st.error("This use case cannot be used; the form stays as it was.")
            st.text(st.session_state["case-fault"])


def _fewer_examples() -> None:
    """Examples of a typical label cannot be more than all examples: then they are spread evenly."""
    each, whole = key("labels_per_class"), key("examples")
    with suppress(NumberFault):
        typical, given = (
            read_number(st.session_state.get(name) or "", "count").value for name in (each, whole)
        )
        if typical > given or (given > 0) != (typical > 0):
            st.session_state[each] = ""


_MOVED = {"examples": _fewer_examples}


def worth(fields: Sequence[str]) -> list[str]:
    """Those that make sense beside the answers so far."""
    answers = {str(name): value for name, value in st.session_state.items()}
    return [field for field in fields if worth_asking(field, answers)]


def pair() -> Any:
    """Places for two questions side by side, whose fields stand on one line however long their texts are."""
    return st.columns(2, vertical_alignment="bottom")


def ask(field: str) -> None:
    """One question."""
    name = key(field)
    found: Question = questions.question(field, st.session_state.get(key("currency")) or "USD")
    match found.way:
        case "choice" | "yes or no":
            st.selectbox(found.text, found.options, key=name, format_func=in_words)
        case "choices":
            st.multiselect(found.text, found.options, key=name, format_func=in_words)
        case "number":
            _number(found.text, name, field)
        case _:
            st.text_input(found.text, key=name, placeholder=NOT_KNOWN)


def _number(text: str, name: str, field: str) -> None:
    """A number as people write it; how it was read stands under it where it could be read otherwise."""
    typed = st.text_input(text, key=name, on_change=_MOVED.get(field), placeholder=NOT_KNOWN)
    said = questions.echo(field, typed or "")
    if said:
        st.caption(said.replace("'", ""))


def form() -> None:
    """The questions that move the advice most, in sight; all others folded."""
    begin()
    asked = worth(ESSENTIAL)
    for first in range(0, len(asked), 2):
        for place, field in zip(pair(), asked[first : first + 2], strict=False):
            with place:
                ask(field)
    today()
    every = [field for fields in MORE.values() for field in fields]
    known = sum(st.session_state.get(key(field)) not in (None, "", []) for field in every)
    with st.expander(f"More questions: {known} of {len(every)} answered"):
        st.text_input("Name", key=key("name"), max_chars=120)
        for title, fields in MORE.items():
            st.markdown(f"**{title}**")
            for field in worth(fields):
                ask(field)
        st.markdown("**Today, further**")
        _number("Right answers today (%)?", key("incumbent.accuracy"), "quality_floor")
        _number("Measured on how many items?", key("incumbent.items"), "prompting_items")
        _number("95 % of them done within (ms)?", key("incumbent.p95_ms"), "p95_ms")
        st.markdown("**Currency**")
        currency()


def today() -> None:
    """Who does the work now, and what an item costs."""
    unit = st.session_state.get(key("currency")) or "USD"
    ways = (None, "people", "system")
    one, two = pair()
    one.selectbox("Who or what does it today?", ways, key=key("incumbent.kind"), format_func=in_words)
    if st.session_state.get(key("incumbent.kind")):
        with two:
            _number(f"What does one item cost today ({unit})?", key("incumbent.cost_per_item"), "day_rate")


def currency() -> None:
    """The currency; any other than the dollar needs a dated rate."""
    st.selectbox("Currency", CURRENCIES, key=key("currency"))
    if st.session_state.get(key("currency")) not in (None, "USD"):
        _number("One US dollar buys", key("usd_rate.per_usd"), "day_rate")
        st.date_input("on", key=key("usd_rate.as_of"))
        st.text_input("according to", key=key("usd_rate.source"))


def prediction(case_text: str) -> None:
    """The prediction as a PDF, made when it is asked for; where it cannot be made, why."""
    asked = st.button(
        "Prediction as PDF", icon=":material/picture_as_pdf:", width="stretch", disabled=not CAN_WRITE_PDF
    )
    if not CAN_WRITE_PDF:
        pieces.command("pip install 'tune-or-retrieve[pdf]'", "is what the PDF needs")
    if not asked:
        return
    with pieces.told("The PDF cannot be made.", "picture_as_pdf"):
        made = launch.prediction_pdf(case_text, state.context())
        st.download_button(
            "Save prediction.pdf", made, "prediction.pdf", "application/pdf", icon=":material/download:",
            on_click="ignore", width="stretch", type="primary",
        )  # fmt: skip


def take_away(case_text: str, test: str, *, labels: bool) -> None:
    """The use case and the plan as files, and the way to a measurement, where there is one."""
    st.subheader("Put it to the test", anchor=False)
    evalsets = sorted(builtin_evalsets())
    one, two, three = st.columns(3)
    with one:
        st.download_button(
            "CASE.yaml", case_text, "CASE.yaml", "application/yaml", icon=":material/download:",
            on_click="ignore", width="stretch",
        )  # fmt: skip
        prediction(case_text)
        st.caption("This form for `advisor assess`, and what is predicted, to hand on.")
    if not test:
        two.info(NOT_BUILT, icon=":material/science_off:")
        return
    if not labels:
        two.caption("Keep CASE.yaml, then plan the test on what is your own:")
        two.code(test, language="bash", wrap_lines=True)
        return
    with two:
        if st.button("Test it on my own table", type="primary", icon=":material/science:", width="stretch"):
            launch.take_along(case_text)
            st.switch_page("app_pages/runs.py")
        st.caption("Keeps this prediction and locks it before any row is read.")
    with three:
        if evalsets:
            evalset = st.selectbox("Evalset", evalsets, key="plan-evalset", format_func=one_line)
            st.download_button(
                "PLAN.yaml",
                lambda: launch.plan_text(case_text, evalset, state.context()),
                "PLAN.yaml",
                "application/yaml",
                icon=":material/download:",
                on_click="ignore",
                width="stretch",
            )


def moved(advice: Advice) -> None:
    """What the last change of an answer moved; it stays in sight until the next one."""
    before = st.session_state.get(BEFORE)
    if before is not None and before.case != advice.case:
        st.session_state[CHANGE] = moved_sentence(before, advice)
    st.session_state[BEFORE] = advice
    if st.session_state.get(CHANGE):
        st.html(markup.lead(f"Your last change. {st.session_state[CHANGE]}"))


def _in_sight(decision: Section) -> tuple[Section, Section]:
    """What fits the first screen (reasons, cost, runner-up, cheapest test, the pair), and the rest of it."""
    done = next(one for one in decision.blocks if isinstance(one, RecommendationBlock))
    others = tuple(one for one in decision.blocks if one is not done)
    near = tuple(fact for fact in done.facts if fact.label.startswith(IN_SIGHT))
    far = Facts(rows=tuple(fact for fact in done.facts if fact not in near))
    first = replace(done, headline="", facts=near)
    pair = tuple(one for one in others if isinstance(one, Facts))
    notices = tuple(one for one in others if not isinstance(one, Facts))
    return replace(decision, blocks=(first, *pair)), replace(decision, title="", blocks=(far, *notices))


def show() -> None:
    """The answer beside the form within a screen, all else in tabs below; on a phone one after the other."""
    screen = st.container(key="screen")
    with screen:
        beside, right = st.columns((3, 2), gap="medium")
    with right.container(key="form"):
        form()
    answers = {name: value for name, value in st.session_state.items() if str(name).startswith("case.")}
    st.session_state[KEPT] = answers | {"start": st.session_state["start"]}
    try:
        case = case_from(answers)
        case_text = dump_case(case)
        advice = advice_on(case_text, date.today())
    except (CaseError, CostError) as fault:
        with beside:
            st.warning("There is no advice on this: some answers do not fit.", icon=":material/rule:")
            st.text(str(fault))
        return
    test = measuring(case, "CASE.yaml")
    document = advice_document(advice, datetime.combine(date.today(), time(), UTC), test)
    sections = {section.key: section for section in document.sections}
    near, far = _in_sight(sections["decision"])
    ways = ways_section(advice)
    writer = blocks.writer_of(*document.sections, ways)
    with beside.container(key="beside"):
        sure = sure_words(advice.confidence)
        st.html(markup.answer(document.headline, f"predicted, not measured; {sure}", "plain"))
        moved(advice)
        blocks.show(near, titled=False, writer=writer)
    tabs = st.tabs([title for title, _ in TABS])
    for tab, (_, keys) in zip(tabs, TABS, strict=True):
        with tab:
            if not keys:
                take_away(case_text, test, labels=asks_for_labels(case))
            found = {**sections, "decision": far, "ways": ways}
            blocks.show(*(found[key] for key in keys if key in found), writer=writer)


pieces.heading(
    "Should we retrieve or tune?",
    "Change an answer and see where the advice turns. It is a prediction; a bake-off tests it.",
)
show()
