"""What a pipeline needs from outside: folders, environment, clock, progress. No module reads them itself."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Literal, Protocol

from harness.core.machine import MachineUse

PersonalData = Literal["", "redact", "allow"]
"""What is done about personal data in texts that leave this machine; '' sends none and says what there is."""


class Progress(Protocol):
    """Where a pipeline tells how far it is."""

    def stage(self, title: str, total: int | None) -> None:
        """A new stage begins; `total` steps, None when not known."""

    def advance(self, steps: int) -> None:
        """So many steps of the stage are done."""

    def note(self, line: str) -> None:
        """One line about what is going on in the stage."""

    def waiting(self, line: str) -> None:
        """Why nothing moves, or what changed on the way; always shown, from any thread."""

    def close(self) -> None:
        """Nothing more comes."""


class Quiet:
    """Tells nothing."""

    def stage(self, title: str, total: int | None) -> None:
        """Ignored."""

    def advance(self, steps: int) -> None:
        """Ignored."""

    def note(self, line: str) -> None:
        """Ignored."""

    def waiting(self, line: str) -> None:
        """Ignored."""

    def close(self) -> None:
        """Ignored."""


def nobody(words: str) -> bool:
    """The answer where nobody is asked: no."""
    return False


class Watch(Protocol):
    """Watches how busy the machine is from when it is made."""

    def over(self) -> None:
        """What is timed is over; this process may go on."""

    def finish(self) -> MachineUse:
        """What was seen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """The outside world of one command.

    Attributes:
        runs: folder of the run folders.
        cache: folder of models, indexes and digests.
        threads: CPU threads of local models; None leaves torch's own choice, and takes one for embedding. It
            is part of what makes two runs identical.
        concurrency, timeout_s, max_retries: of calls to served models.
        rpm, tpm: calls and tokens a minute that a served model is asked for at most; None is no such limit.
        retry_failures: on resume, call again where a call failed.
        ask_again: on resume, ask again for answers that are damaged or whose keys are others by now.
        personal_data: what is done about it where texts leave this machine; '' goes by what the run was begun
            with, and refuses where that is nothing.
        own_hosts: hosts that are the user's own as this machine is.
        engine: where the passes of served models are asked from: this process, or workers of Ray.
        agree: shown what leaves and what it costs; whether to go on. Nobody agrees unless somebody is asked.
        sleep: waits so many seconds for something outside.
        homes: folders that relative paths of a plan's data start from, in the order they are tried.
        watch: begins to watch how busy the machine is, told whether a server on it answers; None where
            nobody does.
    """

    runs: Path
    cache: Path
    environ: Mapping[str, str]
    clock: Callable[[], datetime]
    progress: Progress
    offline: bool = False
    threads: int | None = None
    budget_usd: Decimal | None = None
    price_overrides: tuple[str, ...] = ()
    concurrency: int = 8
    timeout_s: float = 60.0
    max_retries: int = 4
    rpm: float | None = None
    tpm: float | None = None
    retry_failures: bool = False
    ask_again: bool = False
    personal_data: PersonalData = ""
    own_hosts: tuple[str, ...] = ()
    engine: Literal["local", "ray"] = "local"
    agree: Callable[[str], bool] = nobody
    sleep: Callable[[float], None] = time.sleep
    homes: tuple[Path, ...] = (Path(),)
    watch: Callable[[bool], Watch] | None = None
