"""What every part of a file that a user writes has in common."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Count = Annotated[int, Field(ge=1)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]  # what NumPy, torch and scikit-learn all take


class Part(BaseModel):
    """Frozen; a key it does not know is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)
