"""`.env`: keys and this project's settings, of the working folder alone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness.cli.app import MOST_BYTES, allowed, read_dotenv


def read(folder: Path, content: str | bytes, **environ: str) -> tuple[dict[str, str], list[str]]:
    raw = content.encode() if isinstance(content, str) else content
    (folder / ".env").write_bytes(raw)
    said: list[str] = []
    read_dotenv(folder, environ, said.append)
    return environ, said


@pytest.mark.parametrize(
    "name", ["OPENAI_API_KEY", "ANTHROPIC_API_KEY", "REPLICATE_API_TOKEN", "TOR_SEED", "TOR_API_BASE",
             "HF_TOKEN", "AWS_SECRET_ACCESS_KEY"],
)  # fmt: skip
def test_keys_and_own_settings_are_read(tmp_path: Path, name: str) -> None:
    environ, said = read(tmp_path, f"{name}=abc\n")
    assert environ == {name: "abc"} and said == []


@pytest.mark.parametrize(
    "name", ["PYTHONPATH", "PYTHONSTARTUP", "PYTHONHOME", "LD_PRELOAD", "PATH", "HTTPS_PROXY",
             "SSL_CERT_FILE",
             "OPENAI_API_BASE", "OPENAI_BASE_URL", "HF_ENDPOINT", "HF_HOME", "PIP_INDEX_URL", "GIT_DIR",
             "STREAMLIT_SERVER_ADDRESS", "OMP_NUM_THREADS", "tor_seed", "XTOR_SEED", "_API_KEY"],
)  # fmt: skip
def test_whatever_else_is_left_out_and_named(tmp_path: Path, name: str) -> None:
    environ, said = read(tmp_path, f"{name}=abc\nTOR_SEED=3\n")
    assert environ == {"TOR_SEED": "3"} and not allowed(name)
    assert len(said) == 1 and name in said[0] and "TOR_" in said[0]


def test_what_is_set_wins(tmp_path: Path) -> None:
    assert read(tmp_path, "TOR_SEED=3", TOR_SEED="5")[0] == {"TOR_SEED": "5"}


def test_a_value_does_not_copy_a_secret(tmp_path: Path) -> None:
    environ, _ = read(tmp_path, "TOR_COMPANY=${OPENAI_API_KEY}", OPENAI_API_KEY="sk-planted")
    assert "sk-planted" not in environ["TOR_COMPANY"]


def test_no_folder_above_is_read(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("TOR_SEED=3\n")
    below = tmp_path / "below"
    below.mkdir()
    environ: dict[str, str] = {}
    read_dotenv(below, environ, lambda line: pytest.fail(line))
    assert environ == {}


@pytest.mark.parametrize(
    ("content", "word"),
    [(b"TOR_SEED=\xff\n", "UTF-8"), (b"x" * (MOST_BYTES + 1), "bytes")],
    ids=["no text", "too long"],
)
def test_a_file_that_is_none_is_left_out_in_a_line(tmp_path: Path, content: bytes, word: str) -> None:
    environ, said = read(tmp_path, content)
    assert environ == {} and len(said) == 1 and word in said[0]


@pytest.mark.parametrize("content", ["=\n===\n'", "\0\n", "TOR_SEED", 'TOR_X="a\nb', "'\x1b[31m'=1", ""])
def test_broken_lines_do_no_harm(tmp_path: Path, content: str) -> None:
    environ, said = read(tmp_path, content)
    assert "\x1b" not in "".join(said) and set(environ) <= {"TOR_X"}


def test_a_nul_in_a_value_is_left_out(tmp_path: Path) -> None:
    assert read(tmp_path, "TOR_SEED='a\0b'\n")[0] == {}


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / ".env")
    read_dotenv(tmp_path, {}, lambda line: pytest.fail(line))


def test_the_command_runs_no_code_of_the_folder(tmp_path: Path) -> None:
    """As found: `PYTHONPATH=evil` in `.env`, and a module of a common name beside it."""
    evil = tmp_path / "evil"
    evil.mkdir()
    for place in (evil, tmp_path):
        for name in ("sitecustomize.py", "html.py", "json.py"):
            (place / name).write_text("import pathlib\npathlib.Path(__file__ + '.ran').touch()\n")
    (tmp_path / ".env").write_text(f"PYTHONPATH={evil}\nPYTHONSTARTUP={evil}/html.py\n")
    words = [sys.executable, "-P", "-c", "from harness.cli import main; main()", "runs"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "PYTHONPATH" in done.stderr and "Traceback" not in done.stderr
    assert not list(tmp_path.rglob("*.ran"))
