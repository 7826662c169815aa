"""What every part of a file that a user writes has in common."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

Count = Annotated[int, Field(ge=1)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]  # what NumPy, torch and scikit-learn all take


class Part(BaseModel):
    """Frozen; a key it does not know is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def faults_of(error: ValidationError, whole: str) -> str:
    """Every fault of a file, counted and each on a line of its own, by the place where it stands.

    Args:
        whole: what a fault of the file itself is said of: 'plan', 'card'.
    """
    faults = [_fault(dict(detail), whole) for detail in error.errors(include_url=False)]
    return f"{len(faults)} fault(s).\n" + "\n".join(f"  - {fault}" for fault in faults)


def _fault(detail: dict[str, Any], whole: str) -> str:
    place = ".".join(map(str, detail["loc"])) or whole
    message = str(detail["msg"]).removeprefix("Value error, ")
    match detail["type"]:
        case "extra_forbidden":
            return f"{place}: unknown key"
        case "missing" | "value_error":
            return f"{place}: {message}"
        case _:
            return f"{place}: {message}; got {detail.get('input')!r}"
