"""How a plan asks for tuning, of a language model and of an encoder."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from harness.core.parts import Count, Part, Seed
from harness.data.settings import DataPlan


class DraftPlan(Part):
    """Questions that a model on this machine writes for `tune` to learn from, beside the training rows.

    `passages`: one question each about so many passages of the documents; `wordings`: so many other wordings
    of every question that is learnt, drafted ones among them. `api_base`: the address of one's own server.
    """

    model: Annotated[str, Field(min_length=1)]
    passages: Annotated[int, Field(ge=0, le=100_000)] = 0
    wordings: Annotated[int, Field(ge=0, le=10)] = 0
    api_base: str = ""

    @model_validator(mode="after")
    def _some(self) -> DraftPlan:
        if not self.passages and not self.wordings:
            raise ValueError("nothing is to be drafted: state passages or wordings")
        return self

    def rows(self, own: int) -> int:
        """Rows that are learnt at most, where there are `own` training rows."""
        return (own + self.passages) * (1 + self.wordings)


class TunePlan(Part):
    """The training run; values left out come from the recipe's documented defaults.

    `patience` stops early: once so many epochs in a row have not lowered the loss on dev. `answer` is what
    the model learns to say for a label: a code, one token (`training.codes`), or its words. Left out, it is
    codes wherever there is one for every label. `learn_from` names questions over other documents, from which
    `tune+retrieve` learns to read: all rows of a file, those of an evalset that test nothing. `drafts` are
    questions that a model writes, for `tune`.
    """

    method: Literal["auto", "lora-bf16", "lora-fp32", "qlora-4bit"] = "auto"
    epochs: Annotated[float, Field(gt=0, le=50)] | None = None
    rank: Count | None = None
    learning_rate: Annotated[float, Field(gt=0, lt=1)] | None = None
    batch_size: Count | None = None
    max_tokens: Annotated[int, Field(ge=16)] | None = None
    layers: Count | None = None
    patience: Count | None = None
    answer: Literal["codes", "words"] | None = None
    seeds: tuple[Seed, ...] = ()
    learn_from: DataPlan | None = None
    drafts: DraftPlan | None = None

    @model_validator(mode="after")
    def _distinct_seeds(self) -> TunePlan:
        if len(set(self.seeds)) < len(self.seeds):
            raise ValueError("a training seed is named twice")
        return self


class EncoderPlan(Part):
    """The training of encoders; what is left out is chosen by rules and on dev.

    `method`: every weight, or low-rank additions (LoRA); `trials`: how many recipes are tried on dev;
    `layers`: only so many of the uppermost are trained; `letters`: letter groups may count beside it.
    """

    method: Literal["auto", "whole", "lora"] = "auto"
    trials: Annotated[int, Field(ge=1, le=10)] | None = None
    epochs: Annotated[int, Field(ge=1, le=100)] | None = None
    learning_rate: Annotated[float, Field(gt=0, lt=1)] | None = None
    batch_size: Annotated[int, Field(ge=2)] | None = None
    max_tokens: Annotated[int, Field(ge=16)] | None = None
    layers: Count | None = None
    rank: Count | None = None
    letters: bool = True
