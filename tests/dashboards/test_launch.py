"""Starting a bake-off from the page: what is asked, what is written, what is started, and what is refused."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from dashboards import jobs, launch
from harness.bakeoff.plan import dump_plan, parse_plan
from harness.bakeoff.run_folder import create_run
from tests.dashboards.conftest import Open, words
from tests.support.desk import write_tickets
from tests.support.pages import scripted_plan

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


class Started:
    """Stands in for `jobs.start`."""

    words: Sequence[str] = ()
    folder: Path

    def __call__(self, folder: Path, words: Sequence[str], now: datetime, run_id: str = "") -> None:
        self.folder, self.words, self.run_id = folder, list(words), run_id


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> Started:
    found = Started()
    monkeypatch.setattr(jobs, "start", found)
    return found


def form(open_page: Open, runs: Path) -> AppTest:
    app = open_page(runs, "runs")
    return app.segmented_control(key="runs-part").set_value("Start one").run()


def with_table(app: AppTest, content: bytes, name: str = "tickets.csv") -> AppTest:
    return app.file_uploader(key="table").upload(name, content, "text/csv").run()


def filled(app: AppTest, tickets: Path, name: str = "tickets.csv") -> AppTest:
    app = with_table(app, tickets.read_bytes(), name)
    app.multiselect(key="text-columns").set_value(["subject", "body"])
    app.selectbox(key="label-column").set_value("queue")
    app.multiselect(key="group-columns").set_value(["customer"])
    app.multiselect(key="arms").set_value(["floor", "linear"])
    return app.run()


def test_nothing_can_be_started_before_rows_are_chosen(open_page: Open, tmp_path: Path) -> None:
    app = form(open_page, tmp_path / "runs")
    """What is missing is said as what to do; "Still to choose: rows." named a field of a plan."""
    assert "upload a table above, or choose an evalset" in words(app)
    assert app.button(key="start-run").disabled
    app = app.selectbox(key="rows").select_index(1).run()
    assert "Before it can start" not in words(app) and not app.button(key="start-run").disabled


def test_a_table_becomes_a_plan_and_a_command(open_page: Open, started: Started, tmp_path: Path) -> None:
    tickets = write_tickets(tmp_path / "tickets.csv")
    app = filled(form(open_page, tmp_path / "runs"), tickets)
    said = words(app)
    assert "120 rows, 4 columns" in said and "The first rows" in said
    first = tickets.read_text(encoding="utf-8").splitlines()[1].split(",")
    assert first[0] in said and said.count("<tr") == 1 + launch.PREVIEW_ROWS, "a preview of chosen columns"
    app.number_input(key="limit").set_value(12)
    app.checkbox(key="offline").check().run()
    app.button(key="start-run").click().run()
    assert not app.exception and not app.error
    path = started.folder / "plan.yaml"
    assert started.words == ["run", str(path), "--runs", str(tmp_path / "runs"), "--offline"]
    plan = parse_plan(path.read_text(), "plan.yaml")
    assert [arm.option.value for arm in plan.arms] == ["floor", "linear"]
    assert plan.data.text == ("subject", "body") and plan.data.label == "queue"
    assert plan.data.group == ("customer",) and plan.data.limit_test == 12
    assert Path(plan.data.file).read_bytes() == tickets.read_bytes()
    assert Path(plan.data.file).parent == started.folder.resolve()


def test_a_bake_off_sized_to_a_time_is_planned_by_the_command(
    open_page: Open, started: Started, tmp_path: Path
) -> None:
    app = filled(form(open_page, tmp_path / "runs"), write_tickets(tmp_path / "tickets.csv"))
    app.selectbox(key="minutes").set_value(8).run()
    app.number_input(key="budget").set_value(2.5).run()
    app.button(key="start-run").click().run()
    line = " ".join(started.words)
    assert line.startswith("bakeoff --arms floor,linear --model smollm2-135m --minutes 8")
    assert "--text subject,body" in line and "--budget-usd 2.5" in line
    assert f"--plan-out {started.folder / 'plan.yaml'}" in line


def test_a_hosted_model_asks_what_becomes_of_personal_data(
    open_page: Open, started: Started, tmp_path: Path
) -> None:
    tickets = write_tickets(tmp_path / "tickets.csv")
    tickets.write_text(tickets.read_text().replace("\n", "\nFrom ada@example.org: ", 40))
    app = filled(form(open_page, tmp_path / "runs"), tickets)
    app.multiselect(key="arms").set_value(["floor", "prompt"]).run()
    assert "personal-data" not in [one.key for one in app.radio], "nothing leaves with a model here"
    app = app.text_input(key="model").set_value("openai/gpt-6-luna").run()
    app.button(key="what-leaves").click().run()
    said = words(app)
    assert "Leaves this machine for" in said and "prompt@openai/gpt-6-luna" in said
    assert "1 e-mail address" in said
    app.radio(key="personal-data").set_value("redact").run()
    app.button(key="start-run").click().run()
    assert not app.exception and not app.error
    assert started.words[-1] == "--redact"


def test_an_advice_is_locked_with_the_plan(open_page: Open, started: Started, tmp_path: Path) -> None:
    tickets = write_tickets(tmp_path / "tickets.csv")
    app = open_page(tmp_path / "runs", "advise")
    next(button for button in app.button if button.label == "Test it on my own table").click().run()
    app = filled(app.switch_page("app_pages/runs.py").run(), tickets)
    app.button(key="start-run").click().run()
    plan = parse_plan((started.folder / "plan.yaml").read_text(), "plan.yaml")
    assert plan.advice is not None and plan.advice.case == "Ticket routing" and plan.business is not None
    assert [arm.option.value for arm in plan.arms] == ["floor", "linear"]
    assert launch.CASE not in app.session_state, "it is taken along once"


@pytest.mark.parametrize(
    "name", ["../../evil.csv", "/etc/passwd.csv", "a b;rm -rf.csv", "x.exe", "..", "ü.CSV"]
)
def test_the_name_of_a_file_decides_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    monkeypatch.setenv("TOR_RUNS_DIR", str(tmp_path / "runs"))
    wanted = launch.Wanted(
        rows={"text": ["subject"], "label": "queue", "group": [], "encoding": "utf-8"},
        options=("floor",), model="smollm2-135m", minutes=None, limit=None, budget_usd=None, offline=True,
        case_text="",
    )  # fmt: skip
    folder, said = launch.prepare(wanted, b"subject,queue\na,b\n", name, NOW)
    assert {path.parent for path in tmp_path.rglob("*") if path.is_file()} == {folder}
    assert {path.name for path in folder.iterdir()} == {"rows.csv", "plan.yaml"}
    assert folder.parent == tmp_path / "runs" / jobs.HOME and said[0] == "run"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b"a,b\n1\n", "number of fields"),
        ("a,b\nü,1\n".encode("cp1252"), "not valid utf-8"),
        (b"\x00\x01\x02" * 400, "NUL"),
    ],
)
def test_a_table_that_cannot_be_used_is_told(
    open_page: Open, tmp_path: Path, content: bytes, said: str
) -> None:
    app = with_table(form(open_page, tmp_path / "runs"), content)
    assert not app.exception
    assert app.button(key="start-run").disabled and (not content or said in words(app))


def test_a_fault_of_the_plan_starts_nothing(open_page: Open, started: Started, tmp_path: Path) -> None:
    app = filled(form(open_page, tmp_path / "runs"), write_tickets(tmp_path / "tickets.csv"))
    app.multiselect(key="arms").set_value(["route"]).run()
    app.button(key="start-run").click().run()
    assert app.error[0].value == "The bake-off was not started." and not started.words
    assert "route" in words(app)


def test_a_running_bake_off_shows_how_far_it_is_and_blocks_another(
    open_page: Open, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    runs = tmp_path / "runs"
    plan = scripted_plan(write_tickets(tmp_path / "tickets.csv", each=3), arms=[{"option": "floor"}])
    monkeypatch.setattr(jobs, "_HARNESS", (sys.executable, "-c", "import time; time.sleep(60)"))
    folder = jobs.new_folder(runs, NOW)
    (folder / jobs.PLAN).write_text(dump_plan(plan))
    job = jobs.start(folder, ["run", "plan.yaml"], NOW)
    run = create_run(runs, plan, datetime.now(UTC))
    try:
        app = form(open_page, runs)
        said = words(app)
        assert run.run_id in said and "floor, test" in said and "One at a time" in said
        assert app.button(key="start-run").disabled
        next(button for button in app.button if button.label == "End at once").click().run()
    finally:
        jobs.stop(job, hard=True)


@pytest.mark.parametrize(
    ("code", "said"), [(4, "over budget"), (3, "goes on with resume"), (1, "on an error")]
)
def test_how_it_ended_is_told_and_it_can_go_on(
    open_page: Open, started: Started, tmp_path: Path, code: int, said: str
) -> None:
    runs = tmp_path / "runs"
    plan = scripted_plan(write_tickets(tmp_path / "tickets.csv", each=3), arms=[{"option": "floor"}])
    run = create_run(runs, plan, NOW)
    folder = jobs.new_folder(runs, NOW)
    (folder / "job.json").write_text(
        f'{{"name": "{folder.name}", "words": ["resume"], "pid": 0, "born": "x", '
        f'"started_at": "{NOW.isoformat()}", "run_id": "{run.run_id}"}}'
    )
    (folder / "ended.json").write_text(f'{{"code": {code}}}')
    (folder / "said.txt").write_text("the next call could cost more than $1\n")
    app = open_page(runs, "runs")
    assert said in words(app) and "the next call could cost more" in words(app)
    app.button(key=f"resume-last-{run.run_id}").click().run()
    assert started.words[:2] == ["resume", run.run_id] and started.run_id == run.run_id


def test_the_file_is_read_as_on_the_command_line(open_page: Open, started: Started, tmp_path: Path) -> None:
    content = '3;"Screen; cracked;hardware\n4;Wrong sum; of all;billing\n5;none;here;\n' * 20
    app = with_table(form(open_page, tmp_path / "runs"), content.replace("; ", " ").encode())
    app.checkbox(key="no-header").check()
    app.checkbox(key="no-quotes").check()
    app.checkbox(key="skip-unlabelled").check().run()
    app.multiselect(key="text-columns").set_value(["2"])
    app.selectbox(key="label-column").set_value("3")
    app.selectbox(key="id-column").set_value("1")
    app.multiselect(key="arms").set_value(["floor"]).run()
    app.selectbox(key="minutes").set_value(3).run()
    app.button(key="start-run").click().run()
    line = " ".join(started.words)
    assert "--text 2 --label 3" in line and "--id 1" in line
    assert "--skip-unlabelled --no-header --no-quotes" in line


def test_what_a_month_is_priced_with_goes_into_the_plan(
    open_page: Open, started: Started, tmp_path: Path
) -> None:
    """Without a volume and what is done today every total of an own table is unknown."""
    app = filled(form(open_page, tmp_path / "runs"), write_tickets(tmp_path / "tickets.csv"))
    app.text_input(key="volume").set_value("12.500")
    app.text_input(key="today-cost").set_value("0,80")
    app.text_input(key="wrong-answer").set_value("2").run()
    app.button(key="start-run").click().run()
    plan = parse_plan((started.folder / "plan.yaml").read_text(), "plan.yaml")
    assert plan.business is not None and plan.business.incumbent is not None
    assert str(plan.business.incumbent.usd_per_item) == "0.80" and plan.cost.queries_per_month == 12_500
    app.selectbox(key="minutes").set_value(3).run()
    app.button(key="start-run").click().run()
    assert "--volume 12500 --today-cost 0.80 --wrong-answer-usd 2" in " ".join(started.words)
