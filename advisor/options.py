"""What can be done about a use case: one enum, and one table of what is true of each option.

The advice, the arms of a run, and every picture and sentence read the table; a set of options is a property
of it, never a list of its own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

_EARLIER_NAMES = {"classical": "linear"}
_STORED_ARM = re.compile(r"(?<![\w@/+.-])classical@linear(?![\w@/+-])")


class TaskKind(StrEnum):
    """What a run can ask about a text."""

    CLASSIFICATION = "classification"
    EXTRACTION = "extraction"
    QUESTION_ANSWERING = "question_answering"


class Option(StrEnum):
    """What can be done, from the simplest to the most involved; an arm is an option on a model.

    Among equals the simpler one wins: it stands first.
    """

    FLOOR = "floor"
    NEIGHBOURS = "neighbours"
    LINEAR = "linear"
    ENCODER = "encoder"
    PROMPT = "prompt"
    RETRIEVE = "retrieve"
    TUNE = "tune"
    TUNE_RETRIEVE = "tune+retrieve"
    ROUTE = "route"
    EXTERNAL = "external"

    @classmethod
    def _missing_(cls, value: object) -> Option | None:
        """Plans and runs of earlier versions hold earlier names."""
        name = _EARLIER_NAMES.get(value) if isinstance(value, str) else None
        return None if name is None else cls(name)

    @property
    def first_name(self) -> str:
        """What it was called when it first stood in a journal; keys hold that, so older answers are found."""
        return next((old for old, new in _EARLIER_NAMES.items() if new == self.value), self.value)

    @property
    def traits(self) -> Traits:
        """What is true of this option."""
        return TRAITS[self]

    @property
    def simplicity(self) -> int:
        """Its place among the options, 0 for the simplest."""
        return tuple(Option).index(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Traits:
    """What is true of an option.

    Attributes:
        name: in everyday words, as a sentence names it.
        about: one line for somebody who never saw one.
        colour: in every picture. Those of the options that can be run were searched for: at least 3:1
            against both grounds, and as far apart as possible (in OKLab) for readers with full colour vision
            and for those who lack one kind of cone.
        own_model: what stands for the model in the name of an arm without one; '' where one must be named.
        prompted: a chat model answers as it is, here or at a provider.
        trained: it is fitted to labelled examples.
        encodes: a model that reads texts and writes none is adapted.
        searches: each query looks for similar rows or passages.
        composed: it is made of other arms and asks nothing itself.
        tasks: the kinds of task that it can do.
        advised: the advice ranks it.
        runs: a plan can name it; by_default: a plan names it unless told otherwise.
        ships: a run can recommend it.
    """

    name: str
    about: str
    colour: str
    own_model: str = ""
    prompted: bool = False
    trained: bool = False
    encodes: bool = False
    searches: bool = False
    composed: bool = False
    tasks: frozenset[TaskKind] = frozenset(TaskKind)
    advised: bool = True
    runs: bool = True
    by_default: bool = True
    ships: bool = True

    @property
    def tuned(self) -> bool:
        """Whether a model's weights are adapted first, in a training that draws random numbers."""
        return self.trained and (self.encodes or not self.own_model)

    @property
    def needs_model(self) -> bool:
        """Whether an arm of it names a language model."""
        return self.prompted or (self.tuned and not self.encodes)

    @property
    def fitted(self) -> bool:
        """Whether anything is trained or indexed before it can answer."""
        return self.trained or self.searches

    @property
    def learns(self) -> bool:
        """Whether its own answers change with the number of labelled examples."""
        return self.fitted and not self.composed

    @property
    def robustness_checked(self) -> bool:
        """Whether inputs that belong to no label are put to it: a prompt can be told to hand them back."""
        return self.trained and not self.composed

    @property
    def exported(self) -> bool:
        """Whether what was fitted is kept as an artefact that `harness export` and `serve` take."""
        return self.trained and not self.composed

    @property
    def free(self) -> bool:
        """Whether an answer costs next to nothing, because no language model gives it."""
        return bool(self.own_model) and not self.composed

    @property
    def quick(self) -> bool:
        """Whether fitting takes next to no time either."""
        return self.free and not self.tuned


_LABELS_ONLY = frozenset({TaskKind.CLASSIFICATION})
_WITH_EXAMPLES = frozenset({TaskKind.CLASSIFICATION, TaskKind.EXTRACTION})

TRAITS: Mapping[Option, Traits] = MappingProxyType(
    {
        Option.FLOOR: Traits(
            name="the most frequent answer",
            about="no model; what every other option has to beat",
            colour="#5a675f",
            own_model="majority",
            advised=False,
            ships=False,
        ),
        Option.NEIGHBOURS: Traits(
            name="the vote of similar past items",
            about="the answers of the most similar past items are counted; no language model",
            colour="#9f6fa8",
            own_model="training-rows",
            trained=True,
            searches=True,
        ),
        Option.LINEAR: Traits(
            name="the linear classifier",
            about="learns from your labelled examples which words go with which label; no language model",
            colour="#00a57d",
            own_model="linear",
            trained=True,
            tasks=_LABELS_ONLY,
        ),
        Option.ENCODER: Traits(
            name="the fine-tuned encoder",
            about="a small model that reads a text and writes none, its weights adapted to your examples",
            colour="#fc5d72",
            own_model="minilm-l6",
            trained=True,
            encodes=True,
            tasks=_LABELS_ONLY,
        ),
        Option.PROMPT: Traits(
            name="the prompted model",
            about="a language model that is told what it may answer and what that means, and nothing else",
            colour="#a086df",
            prompted=True,
        ),
        Option.RETRIEVE: Traits(
            name="RAG",
            about="a language model that is shown the most similar past items, with their answers, "
            "before it answers",
            colour="#0371e0",
            prompted=True,
            searches=True,
        ),
        Option.TUNE: Traits(
            name="the fine-tuned model",
            about="a small language model whose weights were adapted to your examples beforehand",
            colour="#c66f24",
            trained=True,
        ),
        Option.TUNE_RETRIEVE: Traits(
            name="fine-tuning with RAG",
            about="a fine-tuned model that is also shown similar past items",
            colour="#be260b",
            trained=True,
            searches=True,
            tasks=_WITH_EXAMPLES,
            by_default=False,
        ),
        Option.ROUTE: Traits(
            name="the two-step route",
            about="the cheaper model answers when it is sure; a stronger one takes the rest",
            colour="#9649a7",
            own_model="auto",
            trained=True,
            composed=True,
            tasks=_LABELS_ONLY,
        ),
        Option.EXTERNAL: Traits(
            name="the system outside",
            about="imported answers; their time and price were not measured here",
            colour="#7d8793",
            advised=False,
            runs=False,
            by_default=False,
            ships=False,
        ),
    }
)
BY_DEFAULT = tuple(option for option in Option if option.traits.by_default)
"""What a plan names unless told otherwise."""
ADVISED = tuple(option for option in Option if option.traits.advised)
"""The options that the advice ranks."""


def current_name(name: str) -> str:
    """An option, or an arm (`option@model`), by the name that the option has now."""
    option, at, model = name.partition("@")
    return f"{_EARLIER_NAMES.get(option, option)}{at}{model}"


def current_names(text: str) -> str:
    """A stored text with every arm in it by the name that its option has now."""
    return _STORED_ARM.sub(lambda found: current_name(found[0]), text)
