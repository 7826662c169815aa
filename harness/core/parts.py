"""What every part of a file that a user writes has in common."""

from __future__ import annotations

from datetime import date
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from advisor.faults import sentences
from harness.core.wording import counted

Count = Annotated[int, Field(ge=1)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]  # what NumPy, torch and scikit-learn all take


def _day_as_written(value: object) -> object:
    return value.isoformat() if isinstance(value, date) else value


EditionName = Annotated[str, BeforeValidator(_day_as_written)]  # YAML takes a bare 2021-01-01 for a day


class Part(BaseModel):
    """Frozen; a key it does not know is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def faults_of(error: ValidationError, whole: str) -> str:
    """Every fault of a file, counted and each on a line of its own, by the place where it stands.

    Args:
        whole: what a fault of the file itself is said of: 'plan', 'card'.
    """
    faults = sentences(error, whole=whole)
    return f"{counted(len(faults), 'fault', 'faults')}.\n" + "\n".join(f"  - {fault}" for fault in faults)
