"""What a freshness drill measured, as evidence: seconds and dollars of one update, by option. Pure.

Of several arms of an option the first that could be brought up to date speaks. Nothing of the harness is
needed: `freshness.json` is read as text.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from advisor.errors import CaseError
from advisor.options import Option


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredUpdate:
    """What one change takes an option.

    Attributes:
        seconds: until it is right again, the mean over training seeds; usd: on the drill's machine.
        stale: share of changed and withdrawn items that it answers as before until then.
    """

    option: Option
    model: str
    seconds: float
    usd: Decimal | None
    stale: float | None


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class _Name(_Part):
    option: Option
    model: str


class _Usd(_Part):
    usd: Decimal | None


class _Share(_Part):
    value: float | None


class _Arm(_Part):
    arm: _Name
    update_s: tuple[float, ...]
    update_usd: _Usd
    stale: tuple[_Share, ...]


class _Drill(_Part):
    schema_: Literal[1]
    arms: tuple[_Arm, ...]

    model_config = ConfigDict(extra="ignore", frozen=True, alias_generator=lambda name: name.rstrip("_"))


def updates_of(text: str, source: str) -> dict[Option, MeasuredUpdate]:
    """What one change takes each option of a drill that could be brought up to date.

    Args:
        text: of a `freshness.json`; source: its name, for messages.

    Raises:
        CaseError: if it is no drill of this version.
    """
    try:
        drill = _Drill.model_validate_json(text)
    except ValidationError as error:
        raise CaseError(
            f"{source} is no drill that can be read: run harness freshness with its plan again."
        ) from error
    found: dict[Option, MeasuredUpdate] = {}
    for arm in drill.arms:
        if arm.update_s and arm.arm.option not in found:
            found[arm.arm.option] = MeasuredUpdate(
                option=arm.arm.option,
                model=arm.arm.model,
                seconds=sum(arm.update_s) / len(arm.update_s),
                usd=arm.update_usd.usd,
                stale=arm.stale[0].value if arm.stale else None,
            )
    return found
