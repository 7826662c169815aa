"""Pages without a browser, on run folders made once for all tests of this folder."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from dashboards.jobs import WAITS
from tests.support.pages import NOW, make_run

APP = Path(__file__).resolve().parents[2] / "dashboards" / "app.py"
KINDS = ("title", "subheader", "text", "code", "caption", "warning", "error", "info", "success", "markdown")
PATIENCE_S = 120
Open = Callable[..., AppTest]


@pytest.fixture(autouse=True)
def nothing_outlives_its_test() -> Iterator[None]:
    """A job still going would write into a folder that is gone, or into the next test's."""
    yield
    waiting = [thread for thread in threading.enumerate() if thread.name.startswith(WAITS)]
    for thread in waiting:
        thread.join(timeout=PATIENCE_S)
    assert not [thread.name for thread in waiting if thread.is_alive()]


@pytest.fixture(scope="session")
def two_runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two finished runs on the same rows, differing in the seed."""
    folder = tmp_path_factory.mktemp("pages")
    make_run(folder)
    make_run(folder, NOW + timedelta(hours=1), latency={"items": 7})
    return folder / "runs"


@pytest.fixture
def runs(two_runs: Path, tmp_path: Path) -> Path:
    """A copy of both runs that a test may damage."""
    return Path(shutil.copytree(two_runs, tmp_path / "runs"))


@pytest.fixture
def open_page(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Open:
    """The app on a folder of runs, at one of its pages."""

    def opened(runs: Path, page: str = "verdict", run: str = "") -> AppTest:
        monkeypatch.setenv("TOR_RUNS_DIR", str(runs))
        monkeypatch.setenv("TOR_VIEW_RUN", run)
        monkeypatch.setenv("TOR_CACHE_DIR", str(tmp_path / "cache"))
        app = AppTest.from_file(APP, default_timeout=PATIENCE_S).run()
        if page != "verdict":
            app = app.switch_page(f"app_pages/{page}.py").run()
        assert not app.exception, app.exception
        return app

    return opened


def words(app: AppTest) -> str:
    """Everything a page says, as one text; blanks that do not break are blanks."""
    said = [element.value for kind in KINDS for element in app.get(kind)]
    html = [str(found.value) for found in app.get("html")]
    shown = [*map(str, said), *(text for text in html if not text.startswith("<style>"))]
    return "\n".join(shown).replace("\u00a0", " ").replace("&nbsp;", " ")
