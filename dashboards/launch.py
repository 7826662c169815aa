"""Starting a bake-off from a page: which rows, which arms, how long; then how it goes.

The plan is made here and locked by the command that is started, as on the command line; where it has to be
sized to a time, `harness bakeoff --minutes` makes it. Nothing is run inside the pages themselves. The files
made from the advisor's form are made here too: the plan that tests the advice, and the prediction as a PDF.
"""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import streamlit as st

from advisor.case_file import parse_case
from advisor.options import BY_DEFAULT, Option, TaskKind
from dashboards import blocks, jobs, markup, pieces, state
from dashboards.jobs import JobState
from harness.bakeoff.evalset import kind_of
from harness.bakeoff.plan import dump_plan
from harness.bakeoff.planning import EMBEDDED_CHAT, NOTHING_STATED, PlanRequest, StatedMoney, draft
from harness.bakeoff.preflight import leaving_lines, preflight
from harness.core.context import Context, PersonalData
from harness.core.errors import UserError
from harness.core.wording import one_line, seconds
from harness.data.load import builtin_evalsets
from harness.data.problems import Problems
from harness.data.settings import DataPlan, TableForm
from harness.data.table import read_table
from harness.models.resolve import Provider, resolve
from harness.report.document import Cell, Column, Row, Table
from harness.report.files import advised, write_case_report
from harness.report.svg import cut

PREVIEW_ROWS, PREVIEW_CHARS = 5, 160
CASE, ARRIVED = "case-to-test", "arrived-with-a-case"
OWN = "my own table"
ENDINGS = ("csv", "tsv", "txt", "jsonl", "json", "gz", "xlsx", "xlsb", "xls", "ods", "parquet")
DONE_ABOUT: Mapping[PersonalData, tuple[str, str]] = {
    "": ("Do not start", ""),
    "redact": ("Send placeholders, read answers with the values in their place", "--redact"),
    "allow": ("Send it as it is", "--allow-pii"),
}
"""What may become of personal data in texts that leave this machine: as it is asked, and as a flag."""
ENDED = {
    0: ("finished", "complete"),
    1: ("stopped on an error", "vetoed"),
    2: ("refused", "vetoed"),
    3: ("stopped; goes on with resume", "warn"),
    4: ("stopped: over budget", "warn"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What was chosen in the form.

    Attributes:
        rows: which rows, but for the place of an uploaded table.
        case_text: the use case whose advice is tested, '' for none.
        personal_data: what is done about it where texts leave this machine.
    """

    rows: Mapping[str, object]
    options: tuple[str, ...]
    model: str
    minutes: int | None
    limit: int | None
    budget_usd: float | None
    offline: bool
    case_text: str
    money: StatedMoney = NOTHING_STATED
    personal_data: PersonalData = ""

    @property
    def hosted(self) -> bool:
        """Whether a model is asked that is not opened here."""
        asked = any(Option(option).traits.needs_model for option in self.options)
        return asked and isinstance(resolve(self.model), Provider)


@st.cache_resource(max_entries=4, show_spinner="Reading the table ...")  # type: ignore[untyped-decorator]
def _columns(file_id: str, _content: bytes, name: str, form: TableForm) -> tuple[tuple[str, ...], int, str]:
    """(columns, rows, what is wrong) of an uploaded table."""
    problems = Problems()
    try:
        table = read_table(_content, name, {}, problems, form)
    except UserError as error:
        return (), 0, str(error)
    return tuple(filter(None, dict.fromkeys(table.columns))), len(table.rows), "\n".join(problems.lines()[:5])


@st.cache_resource(max_entries=8, show_spinner=False)  # type: ignore[untyped-decorator]
def _preview(
    file_id: str, _content: bytes, name: str, form: TableForm, columns: tuple[str, ...]
) -> tuple[tuple[str, ...], ...]:
    """The chosen columns of the first rows."""
    table = read_table(_content, name, {"chosen": columns}, Problems(), form)
    places = table.positions.get("chosen", ())
    return tuple(
        tuple(cut(cells[place], PREVIEW_CHARS) for place in places) for _, cells in table.rows[:PREVIEW_ROWS]
    )


def take_along(case_text: str) -> None:
    """Test the advice on this use case with the next bake-off; for a page that leads to the form."""
    st.session_state[CASE] = case_text
    st.session_state[ARRIVED] = True


def show_job() -> bool:
    """The newest job, if it is of any interest; True while one is running."""
    found = jobs.latest(state.runs_dir())
    if found is None:
        return False
    if found.running:
        _running()
        return True
    _ended(found)
    return False


@st.fragment(run_every=pieces.POLL_S)  # type: ignore[untyped-decorator]
def _running() -> None:
    """Progress of the running job, looked up again every other second."""
    found = jobs.latest(state.runs_dir())
    if found is None or not found.running:
        st.rerun()
        return
    with st.container(border=True):
        began = datetime.fromisoformat(found.job.started_at)
        took = seconds((datetime.now(UTC) - began).total_seconds())
        st.html(markup.runline(found.run_id or "getting ready", [("running", "priced")], f"since {took}"))
        if found.run_id:
            pieces.progress(state.open_run(found.run_id))
        st.code("\n".join(found.said[-4:]) or "starting ...", language=None)
        soft, hard = st.columns(2)
        soft.button(
            "Stop", on_click=jobs.stop, args=(found.job,), icon=":material/stop_circle:", width="stretch",
            help="As Ctrl-C does. Every answer so far is kept, and the run can go on later.",
        )  # fmt: skip
        hard.button(
            "End at once", on_click=jobs.stop, args=(found.job,), kwargs={"hard": True}, width="stretch",
            icon=":material/dangerous:", help="If it does not stop by itself. The journal stays whole.",
        )  # fmt: skip


def _ended(found: JobState) -> None:
    words, kind = ENDED.get(found.code if found.code is not None else 3, ("stopped", "warn"))
    page = state.open_run(found.run_id) if found.run_id else None
    if page is not None and page.state == "complete":
        words, kind = ENDED[0]
    with st.container(border=True):
        st.html(markup.runline(found.run_id or "no run was made", [(words, kind)], "last bake-off from here"))
        if kind != "complete":
            st.code("\n".join(found.said) or "it said nothing", language=None)
        if page is None:
            return
        if page.results is not None:
            if st.button("See the verdict", type="primary", icon=":material/trophy:", key="see"):
                st.session_state["wanted-run"] = found.run_id
                st.switch_page("app_pages/verdict.py")
        else:
            resume_button(found.run_id, "last")


def resume_button(run_id: str, where: str) -> None:
    """Go on with a run that stopped; one that a process writes is only named."""
    if pieces.going_on(run_id):
        return
    if st.button("Go on with it", icon=":material/resume:", key=f"resume-{where}-{run_id}"):
        now = datetime.now(UTC)
        folder = jobs.new_folder(state.runs_dir(), now)
        jobs.start(folder, ["resume", run_id, "--runs", str(state.runs_dir())], now, run_id)
        st.rerun()


def form(running: bool) -> None:
    """Choose and start."""
    case_text = st.session_state.get(CASE, "")
    if case_text:
        name = one_line(parse_case(case_text, "the form").name)
        left, right = st.columns([3, 1])
        with left:
            st.html(markup.lead(f"The advice on '{name}' is locked with the plan and tested by this run."))
        right.button("Without it", on_click=lambda: st.session_state.pop(CASE), width="stretch")
    source = st.selectbox("Rows", [OWN, *sorted(builtin_evalsets())], key="rows", format_func=one_line)
    upload = None
    rows: dict[str, object] | None = {"evalset": source}
    if source == OWN:
        upload = st.file_uploader(
            "A table with a text column and a label column", type=list(ENDINGS), key="table",
            help="CSV, JSON, Excel, OpenDocument or Parquet. It stays on this machine.",
        )  # fmt: skip
        rows = None if upload is None else _own_rows(upload.getvalue(), upload.name, upload.file_id)
    wanted = _settings(rows or {}, case_text)
    missing = _missing(source, uploaded=upload is not None, rows=bool(rows), arms=bool(wanted.options))
    if running:
        st.caption("One at a time: a second run would slow the first one down and spoil its latencies.")
    elif missing:
        st.caption(missing)
    ready = not running and not missing
    if wanted.hosted and ready:
        wanted = _privacy(wanted, upload.getvalue() if upload else b"", upload.name if upload else "")
    if st.button("Start", type="primary", disabled=not ready, icon=":material/play_arrow:", key="start-run"):
        begin(wanted, upload.getvalue() if upload else b"", upload.name if upload else "")


def _privacy(wanted: Wanted, content: bytes, name: str) -> Wanted:
    """Ask what becomes of personal data, and show what would leave this machine, where that is wanted."""
    asked: PersonalData = st.radio(
        "Personal data in texts that leave this machine", tuple(DONE_ABOUT), key="personal-data",
        format_func=lambda value: DONE_ABOUT[value][0],
    )  # fmt: skip
    wanted = dataclasses.replace(wanted, personal_data=asked)
    if st.button("Show what would leave", icon=":material/outbound:", key="what-leaves"):
        with st.spinner("Reading the rows ..."), tempfile.TemporaryDirectory() as folder:
            try:
                lines = _leaving(wanted, _stored(wanted, content, name, Path(folder)))
            except (UserError, OSError) as error:
                lines = [str(error)]
        for line in lines:
            st.text(line)
    return wanted


def _leaving(wanted: Wanted, rows: Mapping[str, object]) -> list[str]:
    context = dataclasses.replace(state.context(), offline=wanted.offline, personal_data=wanted.personal_data)
    found = preflight(draft(_request(wanted, rows, None), context).plan, context)
    return leaving_lines(found, {}) or ["Nothing would leave this machine."]


def _missing(source: str, *, uploaded: bool, rows: bool, arms: bool) -> str:
    """What has to be done before a run can start; '' for nothing."""
    steps = []
    if source == OWN and not uploaded:
        steps.append("upload a table above, or choose an evalset under Rows")
    elif not rows:
        steps.append("say which columns hold the text and which one the label")
    if not arms:
        steps.append("choose at least one arm")
    return f"Before it can start: {'; '.join(steps)}." if steps else ""


def _own_rows(content: bytes, name: str, file_id: str) -> dict[str, object] | None:
    """The columns of the uploaded table, chosen and shown; None until text and label are."""
    with st.expander("How the file is written"):
        form, more = _file_form()
    columns, count, wrong = _columns(file_id, content, name, form)
    if wrong:
        st.error("The table cannot be used as it is.", icon=":material/table:")
        st.text(wrong)
    if not columns:
        return None
    st.caption(f"{count:,} rows, {len(columns)} columns")
    one, two, three = st.columns(3)
    text = one.multiselect("Text columns", columns, key="text-columns", format_func=one_line)
    label = two.selectbox("Label column", columns, index=None, key="label-column", format_func=one_line)
    group = three.multiselect(
        "Rows that belong together", columns, key="group-columns", format_func=one_line,
        help="Customer or thread: such rows are never split between training and test.",
    )  # fmt: skip
    left, right = st.columns(2)
    own_id = left.selectbox(
        "Id column", columns, index=None, key="id-column", format_func=one_line, placeholder="row numbers"
    )
    slices = right.multiselect(
        "Report by as well", columns, key="slice-columns", format_func=one_line,
        help="Language or channel: accuracy is shown for each of its values.",
    )  # fmt: skip
    chosen = tuple(dict.fromkeys([*text, *([label] if label else []), *group, *slices]))
    if chosen and not wrong:
        table = Table(
            columns=tuple(Column(head=(column,), right=False) for column in chosen),
            rows=tuple(
                Row(cells=tuple(Cell(text=cell) for cell in row))
                for row in _preview(file_id, content, name, form, chosen)
            ),
            caption="The first rows",
        )
        blocks.block(table)
    if not text or label is None:
        return None
    columns_chosen = {"text": text, "label": label, "group": group, "slices": slices, "id": own_id or ""}
    return columns_chosen | more


def _file_form() -> tuple[TableForm, dict[str, object]]:
    """What only the user can know of the file, as on the command line; and the same for the plan."""
    one, two, three = st.columns(3)
    encoding = one.selectbox("Encoding", ("utf-8", "cp1252", "utf-16", "latin-1"), key="encoding")
    sheet = two.text_input("Sheet of a workbook", key="sheet", placeholder="the first one").strip()
    records = three.text_input(
        "Where the rows are in a JSON document", key="records", placeholder="looked for: result.tickets"
    )
    no_header = st.checkbox("The table has no header: its columns are called 1, 2, 3", key="no-header")
    no_quotes = st.checkbox('A " in the table is a character like any other', key="no-quotes")
    skip = st.checkbox("Leave out rows without a label", key="skip-unlabelled")
    places = tuple(part.strip() for part in records.split(",") if part.strip())
    form = TableForm(encoding=encoding, records=places, sheet=sheet, no_header=no_header, no_quotes=no_quotes)
    return form, form.model_dump() | {"skip_unlabelled": skip}


def _settings(rows: Mapping[str, object], case_text: str) -> Wanted:
    kind = kind_of(rows, state.context())
    able = [option for option in Option if option.traits.runs and kind in option.traits.tasks]
    usual = [option.value for option in BY_DEFAULT if option in able]
    key = "arms" if kind is TaskKind.CLASSIFICATION else f"arms-{kind.value}"  # others have other options
    options = st.multiselect("Arms", [option.value for option in able], default=usual, key=key)
    one, two = st.columns(2)
    model = one.text_input(
        "Model of prompt and retrieve", EMBEDDED_CHAT, key="model", help="Or a hosted one: provider/model."
    )
    limits: list[int | None] = [None, 3, 8, 20, 60]
    minutes = two.selectbox(
        "About how long may it take?", limits, key="minutes",
        format_func=lambda value: "as long as it takes" if value is None else f"about {value} minutes",
    )  # fmt: skip
    money = NOTHING_STATED if case_text else _money()
    with st.expander("More"):
        items = st.number_input(
            "Test items, at most", min_value=1, value=None, key="limit", placeholder="all"
        )
        budget = st.number_input(
            "Stop before paid calls could cost more than $", min_value=0.01, value=None, key="budget",
            placeholder="no limit",
        )  # fmt: skip
        offline = st.checkbox("Never use the network", key="offline")
    return Wanted(
        rows=dict(rows),
        options=tuple(options),
        model=model.strip() or EMBEDDED_CHAT,
        minutes=minutes,
        limit=items,
        budget_usd=budget,
        offline=offline,
        case_text=case_text,
        money=money,
    )


def _money() -> StatedMoney:
    """What a month is priced with; a use case that is taken along says it itself."""
    one, two, three = st.columns(3)
    with one:
        volume = pieces.number("Queries a month", "volume", "count", "not known")
    with two:
        today = pieces.number("What does an item cost today ($)?", "today-cost", "amount", "not known")
    with three:
        wrong = pieces.number("What does a wrong answer cost ($)?", "wrong-answer", "amount", "not known")
    return StatedMoney(
        volume=None if volume is None else int(volume), today_cost=today, wrong_answer_usd=wrong
    )


def begin(wanted: Wanted, content: bytes, name: str) -> None:
    """Prepare and start; a fault is shown and nothing is started."""
    now = datetime.now(UTC)
    with pieces.told("The bake-off was not started.", "error"):
        folder, words = prepare(wanted, content, name, now)
        jobs.start(folder, words, now)
        st.session_state.pop(CASE, None)
        st.rerun()


def prepare(wanted: Wanted, content: bytes, name: str, now: datetime) -> tuple[Path, list[str]]:
    """Store the table and the plan in a folder of their own; that folder, and the words of the command.

    Args:
        content: of the uploaded table, empty without one; of its name only a known ending is used.

    Raises:
        UserError: if there is no such plan or the folder cannot be written.
    """
    folder = jobs.new_folder(state.runs_dir(), now)
    return folder, _command(wanted, _stored(wanted, content, name, folder), folder)


def _stored(wanted: Wanted, content: bytes, name: str, folder: Path) -> dict[str, object]:
    """The rows, an uploaded table's from a file in the folder."""
    rows = dict(wanted.rows)
    if content:
        ending = name.rsplit(".", 1)[-1].lower()
        path = folder / f"rows.{ending if ending in ENDINGS else 'csv'}"
        path.write_bytes(content)
        rows["file"] = str(path.resolve())
    return rows


def _request(wanted: Wanted, rows: Mapping[str, object], case: Path | None) -> PlanRequest:
    return PlanRequest(
        case=case,
        data={**rows, "limit_test": wanted.limit},
        options=wanted.options,
        models=(wanted.model,),
        money=wanted.money,
    )


def _command(wanted: Wanted, rows: Mapping[str, object], folder: Path) -> list[str]:
    """What is run: a plan made here, or, where it is sized to a time, one that the command makes."""
    case = case_file(wanted.case_text, folder) if wanted.case_text else None
    common = ["--runs", str(state.runs_dir())]
    common += ["--offline"] if wanted.offline else []
    common += [] if wanted.budget_usd is None else ["--budget-usd", f"{wanted.budget_usd:g}"]
    common += [flag] if wanted.hosted and (flag := DONE_ABOUT[wanted.personal_data][1]) else []
    path = folder / jobs.PLAN
    if wanted.minutes is not None:
        named = [] if case is None else ["--case", str(case)]
        return ["bakeoff", *named, *_flags(wanted, rows), "--plan-out", str(path), *common]
    request = _request(wanted, rows, case)
    path.write_text(dump_plan(draft(request, state.context()).plan), encoding="utf-8")
    return ["run", str(path), *common]


def _flags(wanted: Wanted, rows: Mapping[str, object]) -> list[str]:
    flags = ["--arms", ",".join(wanted.options), "--model", wanted.model, "--minutes", str(wanted.minutes)]
    stated = wanted.money
    given = (("--limit", wanted.limit), ("--volume", stated.volume), ("--today-cost", stated.today_cost),
             ("--wrong-answer-usd", stated.wrong_answer_usd))  # fmt: skip
    flags += [word for flag, value in given if value is not None for word in (flag, str(value))]
    return flags + DataPlan.model_validate(rows).flags


def plan_text(case_text: str, evalset: str, context: Context) -> str:
    """A plan as YAML: the case's advice, limits and money, every arm on the embedded model.

    Raises:
        UsageError: if the use case or a price cannot be used.
    """
    with tempfile.TemporaryDirectory() as folder:
        request = PlanRequest(case=case_file(case_text, Path(folder)), data={"evalset": evalset})
        return dump_plan(draft(request, context).plan)


def prediction_pdf(case_text: str, context: Context) -> bytes:
    """What is predicted for a use case, as the report `harness report CASE.yaml` writes.

    Raises:
        UsageError, MissingExtra: as that command.
    """
    with tempfile.TemporaryDirectory() as folder:
        found = advised(case_file(case_text, Path(folder)), context)
        return write_case_report(found, ["pdf"], Path(folder))[0].read_bytes()


def case_file(case_text: str, folder: Path) -> Path:
    """A use case as a file, for what reads one."""
    path = folder / "CASE.yaml"
    path.write_text(case_text, encoding="utf-8")
    return path
