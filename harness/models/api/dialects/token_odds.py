"""How likely each answer of a closed set was, from the log-probabilities of an answer's tokens.

A model that writes gives, at each token, its likeliest alternatives (OpenAI's `logprobs.content` with
`top_logprobs`, as vLLM and llama.cpp give it too). Along the answer that was written, each alternative that
begins other answers takes its share of the probability that has come so far; what cannot begin any answer is
left out, and what was not listed is shared by the answers that no alternative begins. An alternative that
begins several answers is split evenly among them: the tokens after it were never computed.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_LEAST = 1e-6  # no answer is impossible: the list of alternatives ends somewhere


@dataclass(frozen=True, slots=True)
class _Token:
    """One token that was written, and what else might have stood there, itself included."""

    written: bytes
    odds: Mapping[bytes, float]


def answer_odds(text: str, entries: Sequence[object], answers: Sequence[str]) -> tuple[float, ...] | None:
    """One log-probability for each answer, normalised; None where the tokens do not tell.

    Args:
        text: the answer as it was written.
        entries: its tokens with their alternatives.
        answers: the closed set.
    """
    tokens = [_token(entry) for entry in entries]
    known = [token for token in tokens if token is not None]
    if not known or len(known) != len(tokens):
        return None
    written = b"".join(token.written for token in known)
    place = _place(written, text, answers)
    if place is None:
        return None
    chosen, wholes = place
    shares = _shares(known, chosen, wholes)
    lifted = [max(share, _LEAST) for share in shares]
    total = math.log(sum(lifted))
    return tuple(math.log(share) - total for share in lifted)


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
        spelt = [json.dumps(name, ensure_ascii=not plain) for name in answers]
        named = next((n for n, name in enumerate(spelt) if said.startswith(name, opening)), None)
        if named is not None:
            return named, [(said[:opening] + name).encode() for name in spelt]
    first = text.strip().partition("\n")[0].rstrip(" .")
    if first in answers:
        return list(answers).index(first), [f"{said[:start]}{name}\n".encode() for name in answers]
    return None


def _shares(tokens: Sequence[_Token], chosen: int, wholes: Sequence[bytes]) -> list[float]:
    shares, mass, unlisted, done = [0.0] * len(wholes), 1.0, 0.0, b""
    for token in tokens:
        alive = [n for n, whole in enumerate(wholes) if whole.startswith(done)]
        if len(alive) < 2 or chosen not in alive:
            break
        begun = {piece: [n for n in alive if _agree(done + piece, wholes[n])] for piece in token.odds}
        telling = {
            piece: owners
            for piece, owners in begun.items()
            if owners and (len(owners) < len(alive) or piece == token.written)
        }
        if len(telling.get(token.written, alive)) == len(alive):  # nothing is decided here
            done += token.written
            continue
        rest = max(0.0, 1.0 - sum(token.odds.values()))
        whole_mass = sum(token.odds[piece] for piece in telling) + rest
        for piece, owners in telling.items():
            if piece != token.written:
                for owner in owners:
                    shares[owner] += mass * token.odds[piece] / whole_mass / len(owners)
        unlisted += mass * rest / whole_mass
        mass *= token.odds[token.written] / whole_mass
        done += token.written
    shares[chosen] += mass
    unseen = [n for n, share in enumerate(shares) if share == 0.0]
    for n in unseen:
        shares[n] = unlisted / len(unseen)
    return shares


def _agree(begun: bytes, whole: bytes) -> bool:
    return whole.startswith(begun) or begun.startswith(whole)


def _token(entry: object) -> _Token | None:
    """One entry; None where it is not of the documented shape."""
    piece, odds = _piece(entry)
    if piece is None or odds is None or not isinstance(entry, Mapping):
        return None
    listed = entry.get("top_logprobs")
    found: dict[bytes, float] = {}
    for one in listed if isinstance(listed, list) else []:
        other, likely = _piece(one)
        if other is not None and likely is not None:
            found[other] = max(likely, found.get(other, 0.0))
    return _Token(piece, {**found, piece: max(odds, found.get(piece, 0.0))})


def _piece(entry: object) -> tuple[bytes | None, float | None]:
    """A token's bytes and how likely it was."""
    if not isinstance(entry, Mapping):
        return None, None
    token, raw, logprob = entry.get("token"), entry.get("bytes"), entry.get("logprob")
    if isinstance(raw, list) and all(isinstance(b, int) and 0 <= b < 256 for b in raw):
        piece: bytes | None = bytes(raw)
    else:
        piece = token.encode("utf-8", "replace") if isinstance(token, str) else None
    if not isinstance(logprob, int | float) or isinstance(logprob, bool) or math.isnan(logprob):
        return piece, None
    return piece, math.exp(min(0.0, float(logprob)))
