"""Messages to the text and tokens of one model: its chat template, in one place for scoring and training.

A tuned model must be trained on exactly what it is asked later, so training takes `render_prompt` and
`completion_ids` from here. The answer's tokens are those the template gives an assistant turn after the
prompt, up to and including the end-of-turn token.

Limits: special tokens written out in a message (`<|im_start|>`) are broken up by a space, so that a
ticket cannot open a turn of its own. Templates that refuse a system turn get it at the head of the
first user turn.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from harness.core.records import Message

# For models without a template of their own: plain text, answers ended by the end-of-sequence token.
PLAIN_TEMPLATE = (
    "{% for message in messages %}{{ message['role'] | capitalize }}: {{ message['content'] }}"
    "{% if message['role'] == 'assistant' %}{{ eos_token }}{% endif %}{{ '\n\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'Assistant:' }}{% endif %}"
)
_PROBE = (Message(role="user", content="Where is my invoice?"),)


class Renderer:
    """Applies the chat template of a transformers tokenizer (typed loosely: a heavy import)."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        if not tokenizer.chat_template:
            tokenizer.chat_template = PLAIN_TEMPLATE
        self._special = tuple(sorted((t for t in tokenizer.all_special_tokens if len(t) > 2), key=len))
        added = [str(token) for token in tokenizer.added_tokens_decoder.values()]
        self._special += tuple(token for token in added if token not in self._special and len(token) > 2)
        self._system_refused = False

    def render_prompt(self, messages: Sequence[Message]) -> str:
        """The text the model continues: template applied, assistant turn opened."""
        return self._apply(messages, True)

    def prompt_ids(self, messages: Sequence[Message]) -> list[int]:
        """The tokens of `render_prompt`."""
        return self._encode(self.render_prompt(messages))

    def completion_text(self, text: str) -> str:
        """The text that follows `render_prompt` when the assistant's turn is `text`, end of turn included."""
        prompt = self._apply(_PROBE, True)
        full = self._apply((*_PROBE, Message(role="assistant", content=text)), False)
        eos = str(self._tokenizer.eos_token)
        if not full.startswith(prompt):  # templates that write past turns in another way than open ones
            return self._inert(text) + eos
        rest = full[len(prompt) :]
        end = rest.rfind(eos)
        if end >= 0:
            return rest[: end + len(eos)]
        marks = [rest.rfind(mark) + len(mark) for mark in self._special if mark in rest]
        return rest[: max(marks)] if marks else rest.rstrip() + eos

    def completion_ids(self, text: str) -> tuple[int, ...]:
        """The tokens of `completion_text` as they stand after a prompt.

        They are cut out of the tokens of prompt and completion together wherever the prompt's tokens are
        a prefix of those, as in training; otherwise the completion is tokenised on its own.
        """
        completion = self.completion_text(text)
        prompt = self._apply(_PROBE, True)
        before, both = self._encode(prompt), self._encode(prompt + completion)
        if both[: len(before)] == before:
            return tuple(both[len(before) :])
        return tuple(self._encode(completion))

    def _encode(self, text: str) -> list[int]:
        ids: list[int] = self._tokenizer(text, add_special_tokens=False)["input_ids"]
        return ids

    def _inert(self, text: str) -> str:
        for token in self._special:
            if token in text:
                text = text.replace(token, token[0] + " " + token[1:])
        return text

    def _apply(self, messages: Sequence[Message], open_turn: bool) -> str:
        from jinja2.exceptions import TemplateError

        turns = [{"role": m.role, "content": self._inert(m.content)} for m in messages]
        if not self._system_refused:
            try:
                return self._template(turns, open_turn)
            except TemplateError:
                if turns[0]["role"] != "system":
                    raise
                self._system_refused = True
        return self._template(_folded(turns), open_turn)

    def _template(self, turns: list[dict[str, str]], open_turn: bool) -> str:
        text: str = self._tokenizer.apply_chat_template(
            turns, tokenize=False, add_generation_prompt=open_turn, enable_thinking=False
        )
        return text


def _folded(turns: list[dict[str, str]]) -> list[dict[str, str]]:
    """Move a leading system turn into the first user turn."""
    if not turns or turns[0]["role"] != "system":
        return turns
    if len(turns) > 1 and turns[1]["role"] == "user":
        first = {"role": "user", "content": turns[0]["content"] + "\n\n" + turns[1]["content"]}
        return [first, *turns[2:]]
    return [{"role": "user", "content": turns[0]["content"]}, *turns[1:]]
