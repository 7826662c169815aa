"""A chat template taken apart into turns, for engines that do not read Jinja (Ollama's Go templates).

A template is written out only if it does nothing but put words around each turn: rendering some
conversations turn by turn has to give what the template gives. Others are left to engines that read Jinja.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from harness.core.records import Message
from harness.models.local.rendering import Renderer

_ROLES = ("system", "user", "assistant")
_A, _B, _C = "Alpha one.", "Beta two?", "Gamma 3!"


@dataclass(frozen=True, slots=True, kw_only=True)
class Turns:
    """What stands around a turn, by role; and what opens the answer.

    Attributes:
        around: role -> (before, after).
        opening: what the model continues.
        stops: what ends its answer.
    """

    around: dict[str, tuple[str, str]]
    opening: str
    stops: tuple[str, ...]

    def render(self, messages: Sequence[Message]) -> str:
        """The text the model continues."""
        turns = [self.around[m.role][0] + m.content + self.around[m.role][1] for m in messages]
        return "".join(turns) + self.opening


def take_apart(tokenizer: Any) -> Turns | None:
    """The turns of a tokenizer's chat template; None if it does more than put words around them."""
    renderer = Renderer(tokenizer)
    system, user = Message(role="system", content=_A), Message(role="user", content=_B)
    answer, again = Message(role="assistant", content=_C), Message(role="user", content=_A)
    open_turn = renderer.render_prompt((system, user))
    longer = renderer.render_prompt((system, user, answer, again))
    ending = renderer.completion_text(_C)
    found = _around(open_turn, longer, ending)
    if found is None:
        return None
    tries = (
        (system, user),
        (system, user, answer, again),
        (system, user, answer, again, answer, user),
    )
    if any(found.render(messages) != renderer.render_prompt(messages) for messages in tries):
        return None
    return found


def _around(open_turn: str, longer: str, ending: str) -> Turns | None:
    """The words around turns, read off two renderings."""
    if open_turn.count(_A) != 1 or open_turn.count(_B) != 1 or _C not in ending:
        return None
    before_system, rest = open_turn.split(_A)
    middle, opening_all = rest.split(_B)
    if not longer.startswith(open_turn + _C):
        return None
    after_answer = longer[len(open_turn + _C) :]
    between, last, tail = after_answer.partition(_A)
    if not last or tail != opening_all:
        return None
    stop = ending.partition(_C)[2].strip()
    if not stop:
        return None
    after_system, before_user = _split(middle, between, stop)
    after_assistant = between[: len(between) - len(before_user)]
    after_user, opening = _split(opening_all, opening_all, stop) if stop in opening_all else ("", opening_all)
    if not between.endswith(before_user) or not before_user:
        return None
    around = {
        "system": (before_system, after_system),
        "user": (before_user, after_user),
        "assistant": (opening, after_assistant),
    }
    return Turns(around=around, opening=opening, stops=(stop,))


def _split(words: str, other: str, stop: str) -> tuple[str, str]:
    """What closes one turn and what opens the next: cut behind the end-of-turn mark and its line end, or else
    before the words that both places share."""
    if stop in words:
        cut = words.index(stop) + len(stop)
        cut += len(words[cut:]) - len(words[cut:].lstrip())
        return words[:cut], words[cut:]
    length = next(n for n in range(len(words) + 1) if other.endswith(words[n:]))
    return words[:length], words[length:]


def go_template(turns: Turns) -> str:
    """The turns as a template of Go's text/template, over `.Messages` as Ollama gives them."""
    branches = []
    for number, role in enumerate(_ROLES):
        before, after = turns.around[role]
        word = "if" if number == 0 else "else if"
        branches.append(
            f'{{{{ {word} eq .Role "{role}" }}}}{_literal(before)}{{{{ .Content }}}}{_literal(after)}'
        )
    return f"{{{{- range .Messages }}}}{''.join(branches)}{{{{ end }}}}{{{{ end }}}}{_literal(turns.opening)}"


def _literal(text: str) -> str:
    """Words as Go writes them: braces inside a string constant, everything else as it is."""
    return "{{ " + json.dumps(text) + " }}" if "{{" in text or "}}" in text else text
