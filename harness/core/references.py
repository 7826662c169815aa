"""What is right for a question over documents. Frozen, keyword-only, without behaviour."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceQuote:
    """Words of a document that answer a question.

    Attributes:
        document: its path in the folder of documents.
        quote: '' where all of the document counts.
        passages: the ids of the passages that hold the quote, in the index that a run searches.
    """

    document: str
    quote: str
    passages: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """What is right for a question over documents.

    Attributes:
        answers: acceptable ones, the fullest first; () where there is none.
        evidence: what says so; () where that is not stated.
        answerable: whether the documents answer it.
        contradiction: whether two documents say different things about it.
    """

    answers: tuple[str, ...] = ()
    evidence: tuple[EvidenceQuote, ...] = ()
    answerable: bool
    contradiction: bool = False
