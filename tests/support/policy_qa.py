"""What the evalset `policy-qa` claims about itself, counted: splits, kinds, shared phrases, overlap.

`python -m tests.support.policy_qa` prints the report.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from tests.support.policy_documents import EDITIONS, FOLDER, documents, headings, lines, text_of
from tests.support.ticket_fields import RUN_WORDS, sharing_rows

SPLITS = ("train", "dev", "test")
FAR_SHARE = 0.2
"""A question is far from the text if at most this share of its content words stands in its evidence."""

STEM = 5
"""Words are the same if their first letters, this many, are: `refund` stands in `refunding`."""

_FUNCTION_WORDS = """
    a about after again all already also am an and any anybody anyone anything are as at back be because been
    before being but by can could did do does doing done down each either else ever every for from get gets
    give given go goes going gone got had has have he her here him his how i if in into is it its itself just
    last less let like made make many may me mine more most much must my no nobody nor not nothing now of off
    on once one only or other our ours out over own per put quite rather really right same say says shall she
    should since so some somebody someone something still such take than that the their them then there these
    they thing things this those through till to too two under until up us very want wants was way we well
    were what when where which while who whom whose why will with within without would yes yet you your yours
    ab aber alle als am an auch auf aus bei beim bekomme bin bis da dafür damit danach dann darf das dass daß
    dein dem den denn der des die dies diese dieser doch du dürfen ein eine einem einen einer er es etwas für
    gibt hab habe haben hat ich ihr ihre ihren ihrem im in ist ja jede jeden kann kein keine können man mehr
    mein meine meinem meinen meiner mich mir mit muss nach nein nicht noch nur ob oder ohne sein seine seit
    sich sie sind so soll um und uns unser unsere vom von vor wann warum was welche welchem welchen welcher
    welches wenn wer werden wie wieder wir wird wo woran wurde zu zum zur zwei über
"""
FUNCTION_WORDS = frozenset(_FUNCTION_WORDS.split())
_NUMBERS = """one two three four five six seven eight nine ten twelve eighteen twenty half double
    zwei drei vier fünf sechs sieben acht neun zehn fünfmal"""
NUMBER_WORDS = frozenset(_NUMBERS.split())


@dataclass(frozen=True)
class Evidence:
    """A quote that stands in the text of a document, markup out."""

    document: str
    quote: str


@dataclass(frozen=True)
class Reference:
    """What is right in one edition; `derived` where no answer stands word for word in the evidence."""

    answerable: bool
    answers: tuple[str, ...]
    evidence: tuple[Evidence, ...]
    derived: bool
    contradiction: bool


@dataclass(frozen=True)
class Question:
    id: str
    split: str
    question: str
    language: str
    kinds: tuple[str, ...]
    editions: Mapping[str, Reference]


def _records(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (FOLDER / name).read_text(encoding="utf-8").splitlines()]


def reference(raw: Mapping[str, Any]) -> Reference:
    """The reference as it stands in the file."""
    return Reference(
        answerable=raw["answerable"],
        answers=tuple(raw["answers"]),
        evidence=tuple(Evidence(**one) for one in raw["evidence"]),
        derived=raw.get("derived", False),
        contradiction=raw.get("contradiction", False),
    )


@cache
def questions(split: str) -> tuple[Question, ...]:
    """The questions of a split in the order of the file."""
    return tuple(
        Question(
            **{
                **raw,
                "kinds": tuple(raw["kinds"]),
                "editions": {name: reference(one) for name, one in raw["editions"].items()},
            }
        )
        for raw in _records(f"{split}.jsonl")
    )


def every_question() -> list[Question]:
    """The questions of all splits."""
    return [question for split in SPLITS for question in questions(split)]


def changes() -> list[dict[str, Any]]:
    """The facts that differ between the editions."""
    return _records("changes.jsonl")


def contradictions() -> list[dict[str, Any]]:
    """The facts on which two documents of an edition disagree."""
    return _records("contradictions.jsonl")


def words(text: str) -> list[str]:
    """Lower-case words and numbers, thousands marks out: `1,200` is `1200`, `2.40` stays."""
    plain = re.sub(r"(?<=\d)[.,](?=\d{3}\b)", "", text.casefold().replace("−", "-"))
    return re.findall(r"\d+[.,]\d+|\w+", plain)


def stands_in(answer: str, text: str) -> bool:
    """Whether the words of the answer stand in the text, one behind the other."""
    return f" {' '.join(words(answer))} " in f" {' '.join(words(text))} "


def shown(found: Reference) -> bool:
    """Whether one of the acceptable answers stands in the evidence."""
    text = " ".join(one.quote for one in found.evidence)
    return any(stands_in(answer, text) for answer in found.answers)


def stems(text: str) -> list[str]:
    """The first letters of the content words."""
    return [word[:STEM] for word in words(text) if word not in FUNCTION_WORDS]


def share_in_evidence(question: str, found: Reference) -> float:
    """The share of the question's content words that stands in the evidence; 0 without content words."""
    asked = set(stems(question))
    said = set(stems(" ".join(one.quote for one in found.evidence)))
    return len(asked & said) / len(asked) if asked else 0.0


def nearest_share(question: Question) -> float | None:
    """The larger share of the editions in which the question is answerable; None if it never is."""
    shares = [
        share_in_evidence(question.question, one) for one in question.editions.values() if one.answerable
    ]
    return max(shares, default=None)


def status(editions: Mapping[str, Reference]) -> str:
    """What the change of edition does to the answer."""
    first, second = (editions[name] for name in EDITIONS)
    if not first.answerable and not second.answerable:
        return "unanswerable"
    if not second.answerable:
        return "withdrawn"
    if not first.answerable:
        return "added"
    return "unchanged" if first.answers == second.answers else "changed"


def document_language(document: str) -> str:
    """The language of a document; pages for German readers name who is responsible in German."""
    edition = next(name for name in EDITIONS if document in documents(name))
    return "de" if "Zuständig:" in text_of(edition, document) else "en"


def kinds(question: str, language: str, editions: Mapping[str, Reference]) -> tuple[str, ...]:
    """The kinds of a question, read off its answers and evidence."""
    answered = [one for one in editions.values() if one.answerable]
    found = [status(editions)]
    if answered:
        evidence = [one for reference_ in answered for one in reference_.evidence]
        if any(len({e.document for e in one.evidence}) > 1 for one in answered):
            found.append("two-documents")
        if any(_numeric(one.answers[0]) for one in answered):
            found.append("numeric")
        if all(share_in_evidence(question, one) <= FAR_SHARE for one in answered):
            found.append("paraphrased")
        if language not in {document_language(one.document) for one in evidence}:
            found.append("other-language")
        if any(one.contradiction for one in answered):
            found.append("contradiction")
    return tuple(found)


def _numeric(answer: str) -> bool:
    return any(word[0].isdigit() or word in NUMBER_WORDS for word in words(answer))


def quoted(edition: str, evidence: Evidence) -> int:
    """In how many lines of its document the quote stands."""
    if evidence.document not in documents(edition):
        return 0
    return sum(evidence.quote in line for line in lines(edition, evidence.document))


def evidence_of(question: Question) -> Iterator[Evidence]:
    """The evidence of a question in all editions."""
    for one in question.editions.values():
        yield from one.evidence


def common_evidence(splits: Sequence[str] = SPLITS) -> set[str]:
    """Questions that answer from the same quote as a question of another split."""
    where: dict[Evidence, set[str]] = {}
    for split in splits:
        for question in questions(split):
            for one in evidence_of(question):
                where.setdefault(one, set()).add(split)
    return {
        question.id
        for split in splits
        for question in questions(split)
        if any(len(where[one]) > 1 for one in evidence_of(question))
    }


def far_share(split: str) -> tuple[int, int]:
    """Of the answerable questions of a split, how many are far from their text, and how many there are."""
    shares = [share for q in questions(split) if (share := nearest_share(q)) is not None]
    return sum(share <= FAR_SHARE for share in shares), len(shares)


def sections(edition: str) -> list[tuple[str, str]]:
    """(document, text) of every section: a heading with the lines below it."""
    found: list[tuple[str, str]] = []
    for document in documents(edition):
        parts: list[list[str]] = [[]]
        for line in lines(edition, document):
            if line in headings(edition, document):
                parts.append([])
            parts[-1].append(line)
        found += [(document, "\n".join(part)) for part in parts if part]
    return found


def bm25_recall(split: str, edition: str, k: int = 5) -> tuple[int, int]:
    """Of the answerable questions, for how many BM25 has a section with evidence among its first k."""
    import bm25s

    found = sections(edition)
    index = bm25s.BM25()
    index.index(
        bm25s.tokenize([text for _, text in found], stopwords=None, show_progress=False), show_progress=False
    )
    asked = [q for q in questions(split) if q.editions[edition].answerable]
    queries = bm25s.tokenize([q.question for q in asked], stopwords=None, show_progress=False)
    hits, _ = index.retrieve(queries, k=k, show_progress=False)
    right = 0
    for question, row in zip(asked, hits, strict=True):
        right += any(
            one.document == found[place][0] and one.quote in found[place][1]
            for one in question.editions[edition].evidence
            for place in row
        )
    return right, len(asked)


def form_auc() -> float:
    """How well the wording alone tells test questions without an answer from the others (0.5: not at all).

    The area under the ROC curve of a logistic regression on words and word pairs, fitted on train and dev.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score

    def parted(chosen: Sequence[str]) -> tuple[list[str], list[bool]]:
        asked = [question for split in chosen for question in questions(split)]
        return [q.question for q in asked], [q.kinds[0] == "unanswerable" for q in asked]

    seen, labels = parted(("train", "dev"))
    unseen, truth = parted(("test",))
    vectors = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    model = LogisticRegression(C=10, class_weight="balanced", max_iter=500)
    model.fit(vectors.fit_transform(seen), labels)
    return float(roc_auc_score(truth, model.decision_function(vectors.transform(unseen))))


def report() -> str:
    """What the README states."""
    everything = every_question()
    out = ["questions " + " ".join(f"{name} {len(questions(name))}" for name in SPLITS)]
    for edition in EDITIONS:
        names = documents(edition)
        endings = Counter(name.rsplit(".", 1)[1] for name in names)
        lengths = sorted(len(text_of(edition, name).split()) for name in names)
        out.append(
            f"edition {edition}: {len(names)} documents {dict(endings)}, "
            f"{sum(document_language(n) == 'de' for n in names)} German, {sum(lengths)} words "
            f"({lengths[0]} to {lengths[-1]}, median {lengths[len(lengths) // 2]})"
        )
    out.append(f"changes {dict(Counter(one['kind'] for one in changes()))}")
    out.append(f"languages {dict(Counter(q.language for q in everything).most_common())}")
    for kind, total in Counter(kind for q in everything for kind in q.kinds).most_common():
        by = [sum(kind in q.kinds for q in questions(split)) for split in SPLITS]
        out.append(f"{kind:16} {total:4} " + " ".join(f"{n:4}" for n in by))
    for split in SPLITS:
        far, of = far_share(split)
        out.append(f"{split}: far from the text {far} of {of} answerable ({far / of:.1%})")
        for edition in EDITIONS:
            right, of = bm25_recall(split, edition)
            out.append(
                f"{split}: BM25 finds evidence among 5 sections {right} of {of} ({right / of:.1%}), {edition}"
            )
    sharing = sharing_rows([q.question for q in everything])
    touched = set().union(*sharing.values()) if sharing else set()
    out.append(f"questions that share {RUN_WORDS} masked words {len(touched)} of {len(everything)}")
    out += [f"  {' '.join(run)}" for run in sharing]
    out.append(f"questions with evidence of another split {len(common_evidence())}")
    answered = [one for q in everything for one in q.editions.values() if one.answerable]
    out.append(f"answers derived {sum(one.derived for one in answered)} of {len(answered)}")
    out.append(f"answerable or not by wording alone: AUC {form_auc():.2f}")
    return "\n".join(out)


if __name__ == "__main__":
    print(report())
