"""The `.env` of the working folder: keys of providers and this project's own settings, nothing else.

A folder may come from somebody else. So only its own file is read, never one above it; what would change
where code, libraries or answers come from (`PYTHONPATH`, proxies, another `..._API_BASE`) is left out and
said; values are taken as they stand, so that none can copy a secret of the environment into a setting.
"""

from __future__ import annotations

import io
import logging
import re
from collections.abc import Callable, MutableMapping
from pathlib import Path

MOST_BYTES = 1 << 16
_NAMED = 8  # names of a line that says what was left out

_OURS = re.compile(r"TOR_[A-Z0-9_]+")
_KEY = re.compile(r"[A-Z][A-Z0-9_]*_API_(KEY|TOKEN)")
_OTHER_KEYS = frozenset(
    {
        "AWS_ACCESS_KEY_ID",
        "AWS_BEARER_TOKEN_BEDROCK",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "HF_TOKEN",
        "HUGGING_FACE_HUB_TOKEN",
    }
)
"""Keys whose names follow no pattern."""


def allowed(name: str) -> bool:
    """Whether a `.env` file may set this variable."""
    return bool(_OURS.fullmatch(name) or _KEY.fullmatch(name)) or name in _OTHER_KEYS


def read_dotenv(folder: Path, environ: MutableMapping[str, str], say: Callable[[str], object]) -> None:
    """Set what the folder's own `.env` says; variables already set win.

    Args:
        environ: the process's own; changed.
        say: told in one line what was left out, or why the file cannot be read.
    """
    path = folder / ".env"
    try:
        if not path.is_file():
            return
        with path.open("rb") as file:
            raw = file.read(MOST_BYTES + 1)
        text = raw.decode("utf-8-sig")
    except OSError as error:
        say(f"harness: .env is left out: it cannot be read ({error.strerror}).")
        return
    except UnicodeDecodeError:
        say("harness: .env is left out: it is not UTF-8.")
        return
    if len(raw) > MOST_BYTES:
        say(f"harness: .env is left out: it has more than {MOST_BYTES:,} bytes.")
        return
    values = _values(text)
    for name, value in values.items():
        if allowed(name) and value is not None and "\0" not in value:
            environ.setdefault(name, value)
    left_out = [name for name, value in values.items() if not allowed(name) or "\0" in (value or "")]
    if left_out:
        say(
            "harness: .env may set keys of providers (..._API_KEY) and TOR_... only; left out: "
            + _listed(left_out)
        )


def _values(text: str) -> dict[str, str | None]:
    from dotenv import dotenv_values

    logging.getLogger("dotenv.main").setLevel(logging.ERROR)  # a line that is none is left out in silence
    return dotenv_values(stream=io.StringIO(text), interpolate=False)


def _listed(names: list[str]) -> str:
    shown = [re.sub(r"[^\w.-]", "?", name)[:40] for name in names[:_NAMED]]
    more = len(names) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more > 0 else "")
