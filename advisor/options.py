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
_FIRST_NAMES = {new: old for old, new in _EARLIER_NAMES.items()}
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
        return _FIRST_NAMES.get(self.value, self.value)

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
_LABELS_AND_FIELDS = frozenset({TaskKind.CLASSIFICATION, TaskKind.EXTRACTION})

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
            tasks=_LABELS_AND_FIELDS,
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


class Way(StrEnum):
    """How an option is bought or built today; the advice ranks options and names the ways that fit."""

    KEEP = "keep today's way"
    PROMPT = "a prompt"
    WHOLE_TEXT = "the whole text in the prompt, cached"
    RETRIEVE = "an index"
    RERANK = "an index and a reranker"
    TOOLS = "calls of the live source"
    NEIGHBOURS = "a vote of past items"
    LINEAR = "a linear model"
    ENCODER = "an encoder"
    OWN_TUNING = "QLoRA on a machine of one's own"
    HOSTED_TUNING = "tuning at a provider"
    SERVERLESS_LORA = "an adapter served by the token"
    DISTILLED = "tuning on rows a strong model writes"
    TUNE_RETRIEVE = "tuning with passages shown"
    SMALL_TO_LARGE = "a small model first, a large one for the rest"
    MODEL_TO_PEOPLE = "a model first, people for the rest"

    @property
    def traits(self) -> WayTraits:
        """What is true of this way."""
        return WAYS[self]


@dataclass(frozen=True, slots=True, kw_only=True)
class WayTraits:
    """What a way needs, costs and can do.

    Attributes:
        option: what the advice ranks it as; None for today's way.
        needs, costs, can: one clause each.
        measured_as: what a run tries it by.
        not_run: why that is a stand-in; '' where it is the way itself.
    """

    option: Option | None
    needs: str
    costs: str
    can: str
    measured_as: str
    not_run: str = ""


WAYS: Mapping[Way, WayTraits] = MappingProxyType(
    {
        Way.KEEP: WayTraits(
            option=None,
            needs="nothing",
            costs="what it costs today",
            can="what it does today",
            measured_as="imported answers",
        ),
        Way.PROMPT: WayTraits(
            option=Option.PROMPT,
            needs="a model that may be called",
            costs="tokens of each call",
            can="what a general model knows",
            measured_as="prompt",
        ),
        Way.WHOLE_TEXT: WayTraits(
            option=Option.PROMPT,
            needs="text that fits a prompt, and changes little",
            costs="the text's tokens with each call, at the cached price",
            can="answer from all of it, no search",
            measured_as="prompt",
        ),
        Way.RETRIEVE: WayTraits(
            option=Option.RETRIEVE,
            needs="documents or examples, an index",
            costs="tokens shown; updates",
            can="facts that change, sources",
            measured_as="retrieve",
        ),
        Way.RERANK: WayTraits(
            option=Option.RETRIEVE,
            needs="a second model that orders the hits",
            costs="one more call a query",
            can="find what the index ranks low",
            measured_as="retrieve",
            not_run="the plan names no reranker until `retrieve: {rerank: cohere/rerank-v3.5}` does",
        ),
        Way.TOOLS: WayTraits(
            option=Option.RETRIEVE,
            needs="a source that answers a call at once, a model that calls tools",
            costs="two or more calls a query, and the source's price",
            can="facts that change faster than an index follows",
            measured_as="retrieve",
            not_run="a run asks locked rows, and a live source gives other answers each time",
        ),
        Way.NEIGHBOURS: WayTraits(
            option=Option.NEIGHBOURS,
            needs="labelled items",
            costs="next to nothing",
            can="labels that change",
            measured_as="neighbours",
        ),
        Way.LINEAR: WayTraits(
            option=Option.LINEAR,
            needs="labelled items",
            costs="next to nothing",
            can="labels",
            measured_as="linear",
        ),
        Way.ENCODER: WayTraits(
            option=Option.ENCODER,
            needs="labelled items, minutes of training",
            costs="a small machine",
            can="labels, and parts of a text",
            measured_as="encoder",
        ),
        Way.OWN_TUNING: WayTraits(
            option=Option.TUNE,
            needs="examples, a GPU for hours",
            costs="a machine by the month",
            can="a skill, a voice, short answers fast",
            measured_as="tune",
        ),
        Way.HOSTED_TUNING: WayTraits(
            option=Option.TUNE,
            needs="examples that may leave, a provider that still tunes",
            costs="training by the token, and often a fee by the hour",
            can="the same with no machine (`harness tune --hosted PROVIDER`)",
            measured_as="tune",
            not_run="a plan tunes here unless --tune-model names a provider's model",
        ),
        Way.SERVERLESS_LORA: WayTraits(
            option=Option.TUNE,
            needs="an adapter of a base model that the host serves",
            costs="tokens, no machine while nobody asks",
            can="low or uneven volume",
            measured_as="tune",
            not_run="a run serves its adapter here: it answers the same, at another price and speed",
        ),
        Way.DISTILLED: WayTraits(
            option=Option.TUNE,
            needs="a strong model allowed to write rows, and a check of them",
            costs="its tokens once",
            can="few examples of one's own",
            measured_as="tune",
            not_run="no run writes rows: add those a strong model wrote to the training rows first",
        ),
        Way.TUNE_RETRIEVE: WayTraits(
            option=Option.TUNE_RETRIEVE,
            needs="examples with their passages, a GPU for hours",
            costs="a machine and an index",
            can="a small model that uses what it is shown",
            measured_as="tune+retrieve",
        ),
        Way.SMALL_TO_LARGE: WayTraits(
            option=Option.ROUTE,
            needs="a small model that knows when it is sure",
            costs="the large one for some",
            can="most of the saving at the large one's quality",
            measured_as="route",
        ),
        Way.MODEL_TO_PEOPLE: WayTraits(
            option=Option.LINEAR,
            needs="people who take the rest",
            costs="their time for some",
            can="nearly today's quality for a part of its cost",
            measured_as="route@today",
        ),
    }
)


def current_name(name: str) -> str:
    """An option, or an arm (`option@model`), by the name that the option has now."""
    option, at, model = name.partition("@")
    return f"{_EARLIER_NAMES.get(option, option)}{at}{model}"


def current_names(text: str) -> str:
    """A stored text with every arm in it by the name that its option has now."""
    return _STORED_ARM.sub(lambda found: current_name(found[0]), text)
