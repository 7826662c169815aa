"""Documents as an index: what reading costs, how well passages are found, what an update and a query cost.

Run: python benchmarks/knowledge.py ingest [--peer PYTHON]   (PYTHON: of an environment with markitdown)
     python benchmarks/knowledge.py dev [--max-chars N ...]  (recall on the dev questions of policy-qa)
     python benchmarks/knowledge.py test --mode MODE         (the mode that dev chose, once)
     python benchmarks/knowledge.py editions                 (from January's handbook to July's by an update)
     python benchmarks/knowledge.py handbook [EDITION]       (the handbook of TOR_DATA_DIR, all its questions)
     python benchmarks/knowledge.py xquad LANGUAGE ...       (of TOR_DATA_DIR; mode chosen on half of it)
     python benchmarks/knowledge.py mtrag                    (of TOR_DATA_DIR, likewise)
     python benchmarks/knowledge.py scale PASSAGES ...       (machine-made words and random vectors)

Seconds are CPU seconds of the process unless they say wall; every size of `scale` and every way of `ingest`
is a process of its own. Vectors of `scale` are random: they cost a search what any do, and embedding nothing.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from harness.knowledge.choosing import EvidencedQuestion, TriedMode
    from harness.knowledge.passage_index import PassageIndex
    from harness.knowledge.retriever import SearchMode
    from harness.models.base import EmbeddingModel

HERE = Path(__file__).resolve()
HANDBOOK = HERE.parents[1] / "evalsets" / "policy-qa"
EDITIONS = ("2026-01", "2026-07")
NOW = datetime(2026, 7, 1, tzinfo=UTC)
PEER = """
import sys, time, resource
from pathlib import Path
from markitdown import MarkItDown
reader = MarkItDown()
files = [p for p in sorted(Path(sys.argv[1]).rglob("*")) if p.is_file()]
reader.convert(files[0])
begun, cpu = time.perf_counter(), time.process_time()
characters = sum(len(reader.convert(path).text_content) for path in files)
print(len(files), characters, time.perf_counter() - begun, time.process_time() - cpu,
      resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


def peak_mib() -> float:
    """The most memory that this process has held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def ingest_here(folder: str) -> None:
    """Read and cut every document of a folder, without an index."""
    from harness.knowledge.documents import bytes_of, files_of, read_document, source_of

    source = source_of(folder)
    names, _ = files_of(source)
    read_document(names[0], bytes_of(source.root / names[0], 2**26), 800)
    begun, cpu = time.perf_counter(), time.process_time()
    characters = 0
    for name in names:
        characters += len(read_document(name, bytes_of(source.root / name, 2**26), 800).text)
    print(len(names), characters, time.perf_counter() - begun, time.process_time() - cpu, peak_mib())


def ingest(peer: str) -> None:
    """Both editions by kind of file: this project, and markitdown where its Python is given."""
    ways = {"this project": [sys.executable, str(HERE), "ingest-here"]}
    if peer:
        ways["markitdown"] = [peer, "-c", PEER]
    print("| documents | way | files | characters | files/s of CPU | files/s, wall | peak MiB |")
    with tempfile.TemporaryDirectory() as scratch:
        for ending in ("md", "html", "docx", "pdf"):
            home = Path(scratch) / ending
            for edition in EDITIONS:
                for path in (HANDBOOK / f"edition-{edition}").rglob(f"*.{ending}"):
                    home.mkdir(exist_ok=True)
                    shutil.copy(path, home / f"{edition}-{path.name}")
            for name, words in ways.items():
                said = subprocess.run([*words, str(home)], capture_output=True, text=True, check=True).stdout
                files, characters, wall, cpu, mib = map(float, said.split())
                print(
                    f"| {ending} | {name} | {files:.0f} | {characters:,.0f} | {files / cpu:.0f} | "
                    f"{files / wall:.0f} | {mib:.0f} |"
                )


def minilm() -> EmbeddingModel:
    """The embedding model, on one thread, remembering what it embedded."""
    from harness.models.open import open_embedding
    from harness.models.remembering import RememberingEmbedder
    from harness.models.settings import ModelSettings, cache_dir

    settings = ModelSettings(cache=cache_dir(os.environ), offline=True, threads=1)
    return RememberingEmbedder(open_embedding("minilm-l6", settings))


def found(split: str, sizes: Sequence[int], only: str) -> None:
    """Recall and MRR of the modes on a split, an edition and a size of passages at a time."""
    from harness.knowledge.choosing import EvidencedQuestion, Quote, choose_search, try_modes
    from harness.knowledge.documents import source_of
    from harness.knowledge.passage_index import IndexSettings, build_index
    from tests.support.policy_qa import questions

    model = minilm()
    for size in sizes:
        for edition in EDITIONS:
            source = source_of(str(HANDBOOK / f"edition-{edition}"))
            cpu = time.process_time()
            index, _ = build_index(source, IndexSettings(max_chars=size), model, NOW)  # type: ignore[arg-type]
            spent = time.process_time() - cpu
            length = sum(len(one.whole) for one in index.passages) / len(index)
            print(
                f"{edition}, {size} characters: {len(index)} passages of {length:.0f}, built in {spent:.1f} s"
            )
            asked = [
                EvidencedQuestion(
                    question=one.question,
                    evidence=tuple(
                        Quote(document=e.document, quote=e.quote) for e in one.editions[edition].evidence
                    ),
                )
                for one in questions(split)
                if one.editions[edition].answerable
            ]
            tried = try_modes(index, asked)
            show([one for one in tried if only in ("", one.mode.value)])
            if not only:
                print(f"  chosen: {choose_search(tried, index.record.reads)}")


def editions() -> None:
    """January's handbook indexed, July's in the same folder by an update; beside it July's built anew."""
    from harness.knowledge.documents import source_of
    from harness.knowledge.passage_index import (
        IndexSettings,
        build_index,
        earlier_index,
        save_index,
    )

    with tempfile.TemporaryDirectory() as scratch:
        home, folder = Path(scratch) / "handbook", Path(scratch) / "index"
        index = None
        for title, edition, earlier in (
            ("build January", EDITIONS[0], False),
            ("update to July", EDITIONS[1], True),
            ("build July", EDITIONS[1], False),
        ):
            shutil.rmtree(home, ignore_errors=True)
            shutil.copytree(HANDBOOK / f"edition-{edition}", home)
            model = minilm()
            model.embed(["warm", "up"])  # type: ignore[attr-defined]
            begun, cpu = time.perf_counter(), time.process_time()
            index, changes = build_index(
                source_of(str(home)),
                IndexSettings(),
                model,  # type: ignore[arg-type]
                NOW.replace(minute=1 if earlier else 0),
                earlier=earlier_index(folder) if earlier else None,
            )
            save_index(index, folder)
            print(
                f"{title}: {len(index)} passages, {changes.embedded} embedded, {changes.gone} gone; "
                f"{len(changes.added)} documents added, {len(changes.changed)} changed, "
                f"{len(changes.withdrawn)} withdrawn, {changes.unchanged} unchanged; "
                f"{time.process_time() - cpu:.1f} s of CPU, {time.perf_counter() - begun:.1f} s wall",
                flush=True,
            )


def data_folder(name: str) -> Path:
    """A data set outside the repository."""
    return Path(os.environ["TOR_DATA_DIR"]) / name


def handbook(editions: Sequence[str], model: EmbeddingModel | None) -> None:
    """Every mode on the questions of a real handbook; nothing is chosen on them."""
    from harness.knowledge.choosing import EvidencedQuestion, Quote, try_modes
    from harness.knowledge.documents import source_of
    from harness.knowledge.passage_index import IndexSettings, build_index

    home = data_folder("handbook")
    rows = [json.loads(line) for line in (home / "questions.jsonl").read_text().splitlines()]
    for edition in editions:
        source = source_of(str(home / f"edition-{edition}"))
        index, _ = build_index(source, IndexSettings(), model, NOW)
        asked = [
            EvidencedQuestion(
                question=row["question"],
                evidence=(Quote(document=row[edition]["doc"], quote=row[edition]["span"]),),
            )
            for row in rows
            if (row[edition] or {}).get("span")
        ]
        print(f"{edition}: {len(index.record.documents)} documents, {len(index)} passages")
        show(try_modes(index, asked))


def xquad(languages: Sequence[str], model: EmbeddingModel | None) -> None:
    """Every mode on half of the questions of a language, the better one on the other half."""
    for language in languages:
        home = data_folder("xquad") / language
        passages = [json.loads(line) for line in (home / "passages.jsonl").read_text().splitlines()]
        rows = [json.loads(line) for line in (home / "questions.jsonl").read_text().splitlines()]
        asked = [(row["question"], row["passages"]) for row in rows]
        halves(language, {one["id"]: one["text"] for one in passages}, asked, model)


def mtrag(model: EmbeddingModel | None) -> None:
    """The same of conversations: their last turn alone, and with the turn of the user before it."""
    home = data_folder("mtrag-un")
    passages = [json.loads(line) for line in (home / "passages.jsonl").read_text().splitlines()]
    texts = {one["id"]: f"{one['title']}\n{one['text']}".strip() for one in passages}
    rows = [json.loads(line) for line in (home / "questions.jsonl").read_text().splitlines()]
    stated = [row for row in rows if any(one in texts for one in row["passages"])]
    alone = [(row["question"], row["passages"]) for row in stated]
    before = []
    for row in stated:
        users = [turn["text"] for turn in row["history"] if turn["role"] == "user"]
        before.append(("\n".join([*users[-1:], row["question"]]), row["passages"]))
    halves("last turn", texts, alone, model)
    halves("with the turn before", texts, before, model)


def halves(
    name: str,
    texts: dict[str, str],
    asked: Sequence[tuple[str, Sequence[str]]],
    model: EmbeddingModel | None,
) -> None:
    """Every mode on every other question, and what is chosen there on the others; a passage a file."""
    from harness.knowledge.choosing import EvidencedQuestion, Quote, choose_search, try_modes
    from harness.knowledge.documents import source_of
    from harness.knowledge.passage_index import IndexSettings, build_index

    first = {text: f"{number:05d}.txt" for number, text in reversed(list(enumerate(texts.values())))}
    files = {one: first[text] for one, text in texts.items()}
    with tempfile.TemporaryDirectory() as scratch:
        for one, text in texts.items():
            (Path(scratch) / files[one]).write_text(text)
        settings = IndexSettings(max_chars=20_000)
        index, _ = build_index(source_of(scratch), settings, model, NOW)
    whole = {one.document: one.text for one in index.passages}
    questions = [
        EvidencedQuestion(
            question=question,
            evidence=tuple(
                Quote(document=files[one], quote=whole[files[one]]) for one in gold if files.get(one) in whole
            ),
        )
        for question, gold in asked
    ]
    print(f"{name}: {len(index)} passages")
    chosen = choose_search(try_modes(index, questions[::2]), index.record.reads)
    print(f"  without questions: {index.record.search}")
    print(f"  chosen on {len(questions[::2])} questions: {chosen}; on the others:")
    show(try_modes(index, questions[1::2]))
    for mode, share in gold_found(index, questions[1::2]).items():
        print(f"  {mode.value:7} finds {share:.1%} of a question's gold passages among 5 on average")
    if model is not None:
        few_questions(index, questions)


def gold_found(index: PassageIndex, questions: Sequence[EvidencedQuestion]) -> dict[SearchMode, float]:
    """By mode the mean share of a question's gold passages that are among the first five."""
    from harness.knowledge.choosing import K, answering, ranks_with_evidence

    right = [answering(index, one) for one in questions]
    ranks = ranks_with_evidence(index, questions, right, K)
    return {
        mode: float(np.mean([len(one) / len(gold) for one, gold in zip(found, right, strict=True) if gold]))
        for mode, found in ranks.items()
    }


def few_questions(index: PassageIndex, questions: Sequence[EvidencedQuestion]) -> None:
    """How far a choice on few questions of the first half falls behind the best mode on the second half."""
    from harness.knowledge.choosing import K, answering, ranks_with_evidence

    ranks = ranks_with_evidence(index, questions, [answering(index, one) for one in questions], K)
    gained = {mode: np.array([1 / one[0] if one else 0.0 for one in found]) for mode, found in ranks.items()}
    recall = {mode: float((gain[1::2] > 0).mean()) for mode, gain in gained.items()}
    rng = np.random.default_rng(1)
    for count in (10, 20, 30, 50, 100):
        lost = []
        for _ in range(1000):
            some = rng.choice(len(questions[::2]), count, replace=False)
            seen = {mode: gain[::2][some] for mode, gain in gained.items()}
            chosen = max(seen, key=lambda mode: ((seen[mode] > 0).sum(), seen[mode].mean()))
            lost.append(max(recall.values()) - recall[chosen])
        print(
            f"  chosen on {count:3} questions: {np.mean(lost):.2%} behind the best on average, "
            f"{np.quantile(lost, 0.95):.1%} in one draw of twenty",
            flush=True,
        )


def show(tried: Sequence[TriedMode]) -> None:
    """A line a mode."""
    for one in tried:
        print(
            f"  {one.language or 'all':3} {one.mode.value:7} recall@5 {one.recall:.1%} "
            f"({one.found} of {one.questions}), MRR {one.mrr:.3f}, nDCG {one.ndcg:.3f}; "
            f"one passage holds the evidence whole for {one.within}",
            flush=True,
        )


class RandomVectors:
    """An embedding model that draws a unit vector for a text; the same for the same text."""

    languages = ()

    def __init__(self) -> None:
        from harness.core.records import ModelIdentity

        self.identity = ModelIdentity(id="random-384", location="local")

    def embed(self, texts: Sequence[str], *, queries: bool = False) -> np.ndarray:
        """(n, 384) unit vectors."""
        seeds = [int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") for text in texts]
        drawn = np.array([np.random.default_rng(seed).standard_normal(384) for seed in seeds], np.float32)
        return drawn.reshape(-1, 384) / np.linalg.norm(drawn.reshape(-1, 384), axis=1, keepdims=True)

    def usage_of(self, text: str, *, query: bool = True) -> None:
        """Nobody bills for it."""

    def close(self) -> None:
        """Nothing is open."""


def sections(rng: random.Random, words: Sequence[str], count: int) -> Iterator[str]:
    """Sections of about 60 words under headings."""
    for number in range(count):
        body = " ".join(words[min(len(words) - 1, int(rng.expovariate(1 / 2000)))] for _ in range(60))
        yield f"## Section {number} {rng.choice(words)}\n\n{body}.\n"


def scale_here(passages: int) -> None:
    """Build, save, update 1 % of the files, load and search an index of so many passages."""
    from harness.knowledge.documents import source_of
    from harness.knowledge.passage_index import (
        IndexSettings,
        build_index,
        earlier_index,
        load_index,
        save_index,
    )

    rng = random.Random(1)
    words = ["".join(rng.choices("abcdefghijklmnoprstu", k=rng.randint(3, 9))) for _ in range(20_000)]
    model = RandomVectors()
    with tempfile.TemporaryDirectory() as scratch:
        home, folder = Path(scratch) / "files", Path(scratch) / "index"
        home.mkdir()
        files = [home / f"{number:06}.md" for number in range(passages // 10)]
        for path in files:
            path.write_text("\n".join(sections(rng, words, 10)))
        source = source_of(str(home))
        cpu, begun = time.process_time(), time.perf_counter()
        index, _ = build_index(source, IndexSettings(), model, NOW)  # type: ignore[arg-type]
        save_index(index, folder)
        spent = time.process_time() - cpu, time.perf_counter() - begun
        size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 2**20
        print(
            f"{len(index):,} passages built in {spent[0]:.1f} s ({spent[1]:.1f} wall), {size:.0f} MiB on disk"
        )
        for path in files[::100]:
            path.write_text("\n".join(sections(rng, words, 10)))
        cpu, begun = time.process_time(), time.perf_counter()
        later = NOW.replace(hour=1)
        index, changes = build_index(
            source,
            IndexSettings(),
            model,
            later,
            earlier=earlier_index(folder),  # type: ignore[arg-type]
        )
        save_index(index, folder)
        spent = time.process_time() - cpu, time.perf_counter() - begun
        print(
            f"  update of {len(changes.changed):,} files: {changes.embedded:,} passages embedded, "
            f"{spent[0]:.1f} s ({spent[1]:.1f} wall)"
        )
        cpu = time.process_time()
        opened = load_index(folder, model)  # type: ignore[arg-type]
        print(f"  opened in {time.process_time() - cpu:.1f} s")
        queries = [" ".join(rng.choice(words[:4000]) for _ in range(10)) for _ in range(200)]
        for mode in opened.retriever.modes:
            taken = []
            for query in queries:
                cpu = time.process_time()
                opened.retriever.search(query, 5, mode=mode)
                taken.append(1000 * (time.process_time() - cpu))
            p50, p95 = np.percentile(taken, [50, 95])
            print(f"  {mode.value}: p50 {p50:.1f} ms, p95 {p95:.1f} ms of CPU")
        print(f"  peak {peak_mib():.0f} MiB", flush=True)


def of_data(what: str, values: Sequence[str], lexical: bool) -> None:
    """What is measured on the sets of TOR_DATA_DIR."""
    model = None if lexical else minilm()
    if what == "handbook":
        handbook(values or ["2021-01-01", "2024-07-01"], model)
    elif what == "xquad":
        xquad(values or ["en", "de", "es"], model)
    else:
        mtrag(model)


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0] if __doc__ else "")
    parts = ["ingest", "ingest-here", "dev", "test", "editions", "handbook", "xquad", "mtrag"]
    parts += ["scale", "scale-here"]
    parser.add_argument("what", choices=parts)
    parser.add_argument("values", nargs="*")
    parser.add_argument("--peer", default="")
    parser.add_argument("--max-chars", type=int, nargs="*", default=[800])
    parser.add_argument("--mode", default="")
    parser.add_argument("--lexical", action="store_true", help="without an embedding model")
    given = parser.parse_args()
    match given.what:
        case "ingest":
            ingest(given.peer)
        case "ingest-here":
            ingest_here(given.values[0])
        case "dev":
            found("dev", given.max_chars, "")
        case "test":
            if not given.mode:
                parser.error("test takes the mode that dev chose: --mode")
            found("test", given.max_chars, given.mode)
        case "editions":
            editions()
        case "handbook" | "xquad" | "mtrag":
            of_data(given.what, given.values, given.lexical)
        case "scale":
            for passages in given.values or ["10000"]:
                subprocess.run([sys.executable, str(HERE), "scale-here", passages], check=True)
        case "scale-here":
            scale_here(int(given.values[0]))


if __name__ == "__main__":
    main()
