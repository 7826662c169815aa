"""One call to a served model, and what it tells: how it is reached, what it takes, costs and answers.

The question is the program's own, so that no text of anybody is sent.
"""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from advisor.money.ledger import query_cost, total_usd
from advisor.money.money import UnknownPrice
from advisor.money.price_book import Price
from advisor.money.price_sources import load_price_book
from advisor.money.usage import BUCKETS, CountedBy, Usage
from harness.core.records import Choices, Failure, FailureKind, Message
from harness.core.wording import money
from harness.models.api.client import ServedChat, open_served_chat
from harness.models.api.destinations import OWN_HOSTS
from harness.models.api.posting import RESPONSES
from harness.models.base import ChatReply, ChatRequest
from harness.models.doctor import Check
from harness.models.settings import ModelSettings

ANSWERS = ("yes", "no")
QUESTION = ChatRequest(
    item_id="doctor",
    messages=(
        Message(role="system", content="Answer with one word, yes or no."),
        Message(role="user", content="Is seven a prime number?"),
    ),
    form=Choices(answers=ANSWERS),
)
_ABOUT = Usage(input_tokens=100, output_tokens=20, counted_by=CountedBy.ESTIMATE)
"""What the call takes, its schema with it, of a model that does not think."""

_WHAT_TO_DO = {
    FailureKind.TIMEOUT: "--timeout 180   # or look whether the endpoint is overloaded",
    FailureKind.RATE_LIMIT: "wait a minute, and run with --rpm at what the provider grants",
    FailureKind.SERVER: "the same command later; the provider's status page says more",
    FailureKind.CONNECTION: "start the server, or give its address: --api-base http://HOST:PORT/v1",
    FailureKind.AUTHENTICATION: "set the provider's key, or TOR_API_KEY for an endpoint of your own",
    FailureKind.BAD_REQUEST: "look up the model's name and what it takes at the provider",
    FailureKind.CONTENT_FILTER: "look at the settings of the provider's filter",
    FailureKind.BAD_RESPONSE: "look whether the address speaks OpenAI's dialect: it ends in /v1 as a rule",
    FailureKind.TOO_LONG: "give the model a longer context, or its server a larger limit",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class AboutTo:
    """What is about to be asked.

    Attributes:
        address: where the call goes.
        usd: what it will cost about; None where no price is known.
        why: the price is not known.
    """

    model: str
    address: str
    price: Price | None
    usd: Decimal | None
    why: str = ""

    @property
    def words(self) -> str:
        """A sentence that a user can consent to."""
        cost = "at a price that is not known" if self.usd is None else f"for about {money(self.usd)}"
        return f"One question of the program's own goes to {self.model} at {self.address}, {cost}."


def about_to_ask(model: str, settings: ModelSettings, now: datetime, prices: tuple[str, ...]) -> AboutTo:
    """What one call will cost and where it goes; nothing is called.

    Raises:
        ModelUnavailable: no such provider, no key, or a key that would go astray.
        CostError: a stated price is none.
    """
    with closing(open_served_chat(model, settings)) as chat:
        address = chat.address or OWN_HOSTS.get(model.partition("/")[0], ("the provider's own address",))[0]
    try:
        price = load_price_book(now, overrides=prices).price(model)
    except UnknownPrice as error:
        return AboutTo(model=model, address=address, price=None, usd=None, why=str(error.what))
    return AboutTo(model=model, address=address, price=price, usd=total_usd(query_cost(_ABOUT, price)))


def ask_once(about: AboutTo, settings: ModelSettings) -> list[Check]:
    """Make the call, and say what it told.

    Raises:
        ModelUnavailable: the key, the model's name or the address is wrong, in words.
    """
    with closing(open_served_chat(about.model, settings)) as chat:
        outcome = chat.answer_one(QUESTION)
        checks = [
            Check(what="address", ok=True, found=about.address),
            Check(what="dialect", ok=True, found=_dialect(chat, about.model)),
        ]
    if isinstance(outcome, Failure):
        what = f"{outcome.kind.value}: {outcome.message}"
        return [*checks, Check(what="answer", ok=False, found=what, run=_WHAT_TO_DO[outcome.kind])]
    return [*checks, *_told(outcome), *_money(about, outcome.usage)]


def _dialect(chat: ServedChat, model: str) -> str:
    if chat.streams:
        return "OpenAI's chat completions, called directly"
    if model.startswith(f"openai/{RESPONSES}"):
        return "OpenAI's responses, called directly"
    return f"that of {model.partition('/')[0]}, through litellm"


def _told(reply: ChatReply) -> list[Check]:
    """What came back, and how."""
    right = _word(reply.text) == ANSWERS[0]
    form = {"schema": "a JSON schema holds it", "plain": "the prompt alone holds it"}
    held = form.get(reply.form, f"a {reply.form} holds it" if reply.form else "not reported")
    odds = reply.choice_logprobs is not None
    cached = reply.usage.cached_tokens, reply.usage.cache_write_tokens
    return [
        Check(
            what="answer",
            ok=right,
            found=repr(reply.text[:60]) + ("" if right else "; 'yes' was asked for"),
            run="choose a larger model, or look at its server's chat template",
        ),
        Check(what="what answered", ok=True, found=reply.served_by or "the provider does not say"),
        Check(what="form of the answer", ok=True, found=held),
        Check(what="not taken", ok=True, found=", ".join(reply.left_out) or "everything was taken"),
        Check(
            what="log-probabilities",
            ok=True,
            found="given: answers have a confidence" if odds else "none: answers have no confidence",
        ),
        Check(
            what="prompt cache",
            ok=True,
            found=f"{cached[0] or 0:,} tokens read, {cached[1] or 0:,} written; most cache longer ones only",
        ),
        Check(what="hidden reasoning", ok=True, found=f"{reply.usage.reasoning_tokens or 0:,} tokens"),
        Check(
            what="latency",
            ok=True,
            found=f"{reply.model_s * 1000:,.0f} ms" + _after(reply.attempts),
        ),
    ]


def _word(text: str) -> str:
    """The answer in whichever form it came."""
    try:
        return str(json.loads(text)["label"]).casefold()
    except (ValueError, TypeError, KeyError):
        return text.strip(" .\n'\"").casefold()


def _after(attempts: int) -> str:
    return "" if attempts == 1 else f", at attempt {attempts}: what the model refused was left out"


def _money(about: AboutTo, usage: Usage) -> list[Check]:
    """What was used, and what that costs."""
    used_up = ((name, getattr(usage, name)) for name in BUCKETS)
    listed = ", ".join(f"{n:,} {name.removesuffix('_tokens').replace('_', ' ')}" for name, n in used_up if n)
    counted = usage.counted_by is CountedBy.PROVIDER
    used = Check(
        what="tokens",
        ok=counted,
        found=(listed or "not reported") + ("" if counted else ", estimated here: the endpoint reports none"),
        run="costs will be estimates; a server that reports usage makes them exact",
    )
    if about.price is None:
        state = f"--price {about.model}=INPUT/OUTPUT   # dollars a million tokens; 0/0 where nobody bills"
        return [used, Check(what="price", ok=False, found=f"none known: {about.why}", run=state)]
    cost = total_usd(query_cost(usage, about.price))
    rates = about.price.usd_per_mtok
    each = f"{money(rates.input)} in and {money(rates.output)} out a million tokens"
    return [used, Check(what="price", ok=True, found=f"{each}; this call {money(cost)}")]
