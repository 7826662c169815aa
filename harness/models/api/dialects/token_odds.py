"""How likely each answer of a closed set was, from the log-probabilities of an answer's tokens.

A model that writes gives, at each token, its likeliest alternatives (OpenAI's `logprobs.content` with
`top_logprobs`, as vLLM and llama.cpp give it too). Along the answer that was written, each alternative that
begins other answers takes its share of the probability that has come so far; what cannot begin any answer is
left out, and what was not listed is shared by the answers that no alternative begins. An alternative that
begins several answers is split evenly among them: the tokens after it were never computed.
"""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Mapping, Sequence

_LEAST = 1e-6  # no answer is impossible: the list of alternatives ends somewhere


def answer_odds(text: str, entries: Sequence[object], answers: Sequence[str]) -> tuple[float, ...] | None:
    """One log-probability for each answer, normalised; None where the tokens do not tell.

    Args:
        text: the answer as it was written.
        entries: its tokens with their alternatives.
        answers: the closed set.
    """
    if len(entries) == 1 and (known := _of_whole_answers(entries[0], answers)) is not None:
        return _normalised(known)
    pieces = [_piece(entry) for entry in entries]
    written = [piece for piece in pieces if piece is not None]
    place = _place(b"".join(written), text, answers) if written and len(written) == len(pieces) else None
    shares = None if place is None else _shares(list(zip(written, entries, strict=True)), *place)
    return None if shares is None else _normalised(shares)


def _normalised(shares: Sequence[float]) -> tuple[float, ...]:
    lifted = [max(share, _LEAST) for share in shares]
    total = math.log(sum(lifted))
    return tuple(math.log(share) - total for share in lifted)


def _of_whole_answers(entry: object, answers: Sequence[str]) -> list[float] | None:
    """A share for each answer, where an answer counts as one token, as in `harness serve`; None elsewhere.

    The token and all that is listed beside it are answers then, whatever the answer is wrapped in.
    """
    written = _piece(entry)
    odds = None if written is None else _odds(written, entry)
    names = [name.encode() for name in answers]
    if odds is None or len(odds) < 2 or not odds.keys() <= set(names):
        return None
    unseen = len(names) - len(odds)
    rest = max(0.0, 1.0 - sum(odds.values())) / max(1, unseen)
    return [odds.get(name, rest) for name in names]


def _place(written: bytes, text: str, answers: Sequence[str]) -> tuple[int, list[bytes]] | None:
    """Which answer was written, and what would have been written for each, from the first token on.

    Either the answer's name opens the text, or it is the one value of a JSON object; a closing quote or the
    end of the line tells an answer from one that it begins.
    """
    said = written.decode("utf-8", "replace")
    start = said.rfind(text.strip())
    if start < 0:
        return None
    colon = said.find(":", start)
    opening = said.find('"', colon) if colon >= 0 and said.startswith("{", start) else -1
    for plain in (True, False) if opening >= 0 else ():
        spelt = _spelt(tuple(answers), plain=plain)
        named = next((n for n, name in enumerate(spelt) if said.startswith(name, opening)), None)
        if named is not None:
            return named, [said[:opening].encode() + name.encode() for name in spelt]
    first = text.strip().partition("\n")[0].rstrip(" .")
    if first in answers:
        return list(answers).index(first), [f"{said[:start]}{name}\n".encode() for name in answers]
    return None


@functools.lru_cache(maxsize=8)
def _spelt(answers: tuple[str, ...], *, plain: bool) -> tuple[str, ...]:
    """The answers as JSON writes them, letters beyond ASCII as they are or escaped."""
    return tuple(json.dumps(name, ensure_ascii=not plain) for name in answers)


def _shares(
    tokens: Sequence[tuple[bytes, object]], chosen: int, wholes: Sequence[bytes]
) -> list[float] | None:
    """A share for each answer, unnormalised; None where a token that decides lists nothing."""
    shares, mass, unlisted, done = [0.0] * len(wholes), 1.0, 0.0, b""
    alive = list(range(len(wholes)))
    for written, entry in tokens:
        alive = [n for n in alive if wholes[n].startswith(done)]
        if len(alive) < 2 or chosen not in alive:
            break
        left = [(n, wholes[n][len(done) :]) for n in alive]
        done += written
        if all(_agree(written, rest) for _, rest in left):  # nothing is decided here
            continue
        odds = _odds(written, entry)
        if odds is None:
            return None
        begun = {piece: [n for n, rest in left if _agree(piece, rest)] for piece in odds}
        telling = {piece: owners for piece, owners in begun.items() if 0 < len(owners) < len(alive)}
        missing = max(0.0, 1.0 - sum(odds.values()))
        whole_mass = sum(odds[piece] for piece in telling) + missing
        for piece, owners in telling.items():
            if piece != written:
                for owner in owners:
                    shares[owner] += mass * odds[piece] / whole_mass / len(owners)
        unlisted += mass * missing / whole_mass
        mass *= odds[written] / whole_mass
    shares[chosen] += mass
    unseen = [n for n, share in enumerate(shares) if share == 0.0]
    for n in unseen:
        shares[n] = unlisted / len(unseen)
    return shares


def _agree(begun: bytes, whole: bytes) -> bool:
    return whole.startswith(begun) or begun.startswith(whole)


def _odds(written: bytes, entry: object) -> dict[bytes, float] | None:
    """How likely a token and each alternative was; None where that is not said."""
    if not isinstance(entry, Mapping) or (own := _likely(entry)) is None:
        return None
    listed = entry.get("top_logprobs")
    found = {written: own}
    for one in listed if isinstance(listed, list) else []:
        piece, likely = _piece(one), _likely(one)
        if piece is not None and likely is not None:
            found[piece] = max(likely, found.get(piece, 0.0))
    return found


def _piece(entry: object) -> bytes | None:
    """A token's bytes."""
    if not isinstance(entry, Mapping):
        return None
    token, raw = entry.get("token"), entry.get("bytes")
    if isinstance(raw, list) and all(isinstance(b, int) and 0 <= b < 256 for b in raw):
        return bytes(raw)
    return token.encode("utf-8", "replace") if isinstance(token, str) else None


def _likely(entry: object) -> float | None:
    logprob = entry.get("logprob") if isinstance(entry, Mapping) else None
    if not isinstance(logprob, int | float) or isinstance(logprob, bool) or math.isnan(logprob):
        return None
    return math.exp(min(0.0, float(logprob)))
