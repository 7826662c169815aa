"""Numbers as people write them, read by one rule: `3.000`, `3,000`, `1.234,56`, `2'000`, `10 000`, `10k`.

The rule, for every field, file, option and page that takes a typed number:

- blanks, apostrophes and underscores group digits by three, and nothing else;
- where both `.` and `,` stand in a number, the last one is the decimal mark and the other groups;
- a mark that stands in it more than once groups;
- one mark that is not followed by exactly three digits, or that follows a leading 0, is the decimal mark;
- one mark followed by exactly three digits (`3.000`, `1,234`) groups in a count. In money, shares and other
  small figures it could be either, so that it is refused and both readings are named;
- `k`, `m`, `thousand`, `million` and their like at the end stand for thousands and millions.

What was written otherwise than it is read can be shown with `echo`. Pure.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

NumberKind = Literal["count", "amount"]
"""'count': tokens, items, queries, milliseconds; 'amount': money, shares, rates, factors."""

MOST_DIGITS = 60
_BLANKS = re.compile("[ \u00a0\u2007\u2009\u202f]")
_PLAIN = re.compile(r"\d+|\d*\.\d+|\d+\.")
_SCIENTIFIC = re.compile(r"(\d+(?:[.,]\d+)?)[eE]([+-]?\d{1,3})")
_THOUSANDS = r"k|thousand|tsd\.?|tausend|mille|mila|duizend|tys\.?|tysi\u0105c|tysi\u0119cy"
_MILLIONS = r"m|millions?|millionen|mio\.?|mln\.?|milioni|miljoen|millones"
FACTOR_WORDS = f"{_THOUSANDS}|{_MILLIONS}"
"""What may stand behind digits, as a pattern."""
_FACTOR = re.compile(rf"(.*[\d.,]?)\s*(?<![a-z])({FACTOR_WORDS})", re.IGNORECASE | re.DOTALL)


_RANGE = re.compile(
    rf"\d\s*(?:(?:{FACTOR_WORDS}|%|[$\u20ac\u00a3]|[a-df-z][a-z]{{0,2}})\s*)?"
    r"(?:[-\u2013\u2014]|(?<![a-z])(?:to|bis|tot|\u00e0|do|a)(?![a-z]))\s*[$\u20ac\u00a3]?\s*\d",
    re.IGNORECASE,
)


def is_range(text: str) -> bool:
    """Whether a text names two figures, one of which is to be written: `5-10k`, `1 to 2 s`."""
    return _SCIENTIFIC.fullmatch(text) is None and _RANGE.search(text) is not None


class NumberFault(ValueError):
    """One sentence on why a text is no number, or which two it could be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadNumber:
    """A number and how it was written.

    Attributes:
        plain: whether it was written without marks, blanks or letters that had to be understood.
    """

    value: Decimal
    written: str
    plain: bool

    @property
    def echo(self) -> str:
        """`'3.000' read as 3,000`; '' for a number that can be read in one way only."""
        shown = self.value if self.value == self.value.to_integral_value() else float(f"{self.value:.6g}")
        return "" if self.plain else f"'{self.written}' read as {figure(shown)}"


def read_number(text: str, kind: NumberKind) -> ReadNumber:
    """Read a number as people write it.

    Args:
        kind: what one mark before exactly three digits means; see the rule of this module.

    Raises:
        NumberFault: if it is none, or could be two.
    """
    written = text.strip()
    sign, body = _sign(written)
    if is_range(body):
        raise NumberFault(f"'{body}' is a range: write one figure, the usual one")
    if not body or len(body) > MOST_DIGITS:
        raise NumberFault("is no number" if not body else f"has more than {MOST_DIGITS} characters")
    found = _SCIENTIFIC.fullmatch(body)
    if found is not None:
        power = Decimal(10) ** int(found[2])
        return ReadNumber(
            value=sign * Decimal(found[1].replace(",", ".")) * power, written=written, plain=True
        )
    sized = _FACTOR.fullmatch(body)
    digits, times = (body, Decimal(1)) if sized is None else (sized[1].rstrip(), _times(sized[2]))
    if not digits:
        raise NumberFault(f"'{body}' is no number")
    value = sign * times * Decimal(_as_python(digits, kind if times == 1 else "amount"))
    return ReadNumber(value=value, written=written, plain=_is_plain(body))


def figure(value: Decimal | float) -> str:
    """A number for people, without digits nobody gave: 3,000,000 and 0.05, never 3e+06."""
    exact = value if isinstance(value, Decimal) else Decimal(f"{value:.12g}")
    shown = f"{exact:,f}"
    return shown.rstrip("0").rstrip(".") if "." in shown else shown


def unambiguous(value: Decimal) -> str:
    """A number as text that `read_number` reads back as the same one, whatever its kind."""
    shown = f"{value:f}"
    return f"{shown}0" if _could_be_two(shown.lstrip("-")) else shown


def _times(word: str) -> Decimal:
    return Decimal(1000) if re.fullmatch(_THOUSANDS, word, re.IGNORECASE) else Decimal(1_000_000)


def _sign(text: str) -> tuple[int, str]:
    if text[:1] in ("-", "\u2212"):
        return -1, text[1:].lstrip()
    return 1, text.removeprefix("+").lstrip()


def _is_plain(body: str) -> bool:
    return _PLAIN.fullmatch(body) is not None and not _could_be_two(body)


def _could_be_two(body: str) -> bool:
    """Whether its one mark may group or divide: one to three digits, none of them a leading 0, and three."""
    return re.fullmatch(r"[1-9]\d{0,2}[.,]\d{3}", body) is not None


def _as_python(body: str, kind: NumberKind) -> str:
    """The digits with a point as decimal mark and nothing that groups."""
    plain = _ungrouped(body)
    marks = {mark: plain.count(mark) for mark in ".," if mark in plain}
    if not marks:
        return _checked(plain, "", body)
    if len(marks) == 2:
        last = max(marks, key=plain.rindex)
        if marks[last] > 1:
            raise NumberFault(f"'{body}' is no number")
        whole, _, rest = plain.rpartition(last)
        return _checked(_without(whole, "," if last == "." else ".", body), rest, body)
    ((mark, count),) = marks.items()
    if count > 1:
        return _checked(_without(plain, mark, body), "", body)
    whole, _, rest = plain.partition(mark)
    if _could_be_two(plain) and plain == body:
        if kind == "count":
            return whole + rest
        small = Decimal(f"{whole}.{rest}").normalize()
        readings = f"{figure(small)} or {figure(Decimal(whole + rest))}"
        raise NumberFault(f"'{body}' can be read as {readings}: write {unambiguous(small)} or {whole}{rest}")
    return _checked(whole or "0", rest, body)


def _ungrouped(body: str) -> str:
    """Without blanks, apostrophes and underscores, each of which has to group by three."""
    text = _BLANKS.sub(" ", body).replace("\u2019", "'")
    for mark in " '_":
        if mark in text:
            whole, point, rest = re.fullmatch(r"([^.,]*)([.,]?)(.*)", text, re.DOTALL).groups()  # type: ignore[union-attr]
            text = _without(whole, mark, body) + point + rest
    return text


def _without(whole: str, mark: str, body: str) -> str:
    """The whole part without its grouping marks; groups of three, or of two before the last (lakh)."""
    groups = whole.split(mark)
    by_three = 1 <= len(groups[0]) <= 3 and all(len(group) == 3 for group in groups[1:])
    lakh = mark == "," and len(groups[0]) in (1, 2) and len(groups[-1]) == 3
    lakh = lakh and all(len(group) == 2 for group in groups[1:-1])
    if not (by_three or lakh):
        why = ": its digits are not grouped by three" if re.fullmatch(r"[\d.,'_\s]+", body) else ""
        raise NumberFault(f"'{body}' is no number{why}")
    return "".join(groups)


def _checked(whole: str, rest: str, body: str) -> str:
    if not (whole + rest).isdecimal() or not (whole + rest).isascii():
        raise NumberFault(f"'{body}' is no number")
    return f"{whole}.{rest}" if rest else whole
