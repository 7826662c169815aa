"""The pieces charts are drawn from: escaped SVG, scales and ticks. Pure; the same input gives the same text.

Colours stand twice, as attributes for readers without style sheets (the PDF) and as classes that a page's
style sheet may repaint, in the dark for instance. `data-` attributes carry what a page's script shows.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from harness.core.wording import one_line

FONT = "Inter, system-ui, sans-serif"

INK, MUTED, FAINT, LINE, BAND = "#17212e", "#5a6675", "#8b96a5", "#d5dbe3", "#eef2f6"
TODAY = "#3c4858"
OTHER = "#7d90a8"
PAPER = "#ffffff"

_CLASS = {
    INK: "ink",
    MUTED: "muted",
    FAINT: "faint",
    LINE: "line",
    BAND: "band",
    TODAY: "today",
    OTHER: "other",
    PAPER: "paper",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """From values to places.

    Attributes:
        low, high: the ends in values; start, end: in places.
        log: equal steps are equal factors.
    """

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def __call__(self, value: float) -> float:
        """Where a value lies, kept between the ends."""
        low, high = self.low, self.high
        if self.log:
            low, high, value = (math.log10(max(v, 1e-12)) for v in (low, high, value))
        at = 0.0 if high <= low else (value - low) / (high - low)
        return self.start + (self.end - self.start) * min(1.0, max(0.0, at))


_LEAST_STEP = 1e-300
"""Below it a logarithm of a step is none."""


def steps(low: float, high: float, about: int = 5) -> list[float]:
    """Round values from `low` to the first one that is not under `high`."""
    width = high - low
    raw = width / max(1, about)
    if raw < _LEAST_STEP or not math.isfinite(width):
        return [low, low + 1]
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * m for m in (1, 2, 2.5, 5, 10) if power * m >= raw * (1 - 1e-9))
    first = math.floor(low / step + 1e-9)
    last = math.ceil(high / step - 1e-9)
    return [round(n * step, 12) for n in range(first, last + 1)]


def factors(low: float, high: float) -> list[float]:
    """Round values around two values above 0: 1, 2, 5 over a few powers of ten, fewer over many."""
    low, high = max(low, 1e-9), max(low, high, 1e-9)
    powers = math.log10(high / low)
    among = (1, 2, 5) if powers <= 2 else (1, 3) if powers <= 4 else (1,)
    first, last = math.floor(math.log10(low) - 1e-9), math.ceil(math.log10(high) + 1e-9)
    found = [float(f"{step}e{power}") for power in range(first, last + 1) for step in among]
    start = max(n for n, value in enumerate(found) if value <= low * (1 + 1e-9))
    end = next(n for n, value in enumerate(found) if value >= high * (1 - 1e-9))
    return found[start : max(end, start + 1) + 1]


def escape(text: str) -> str:
    """Text that is only text in SVG and HTML, in attributes too."""
    plain = one_line(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return plain.replace('"', "&quot;").replace("'", "&#39;")


def cut(text: str, most: int) -> str:
    """At most so many characters."""
    shown = one_line(text)
    return shown if len(shown) <= most else f"{shown[: most - 1].rstrip()}…"


def number(value: float) -> str:
    """A place, to the hundredth."""
    shown = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if shown == "-0" else shown


def text(
    at: tuple[float, float],
    words: str,
    *,
    size: float = 11,
    colour: str = INK,
    bold: bool = False,
    to: str = "",
) -> str:
    """A line of text; `to` is 'end' or 'middle' for where `at` is."""
    anchor = f' text-anchor="{to}"' if to else ""
    weight = ' font-weight="600"' if bold else ""
    return (
        f'<text x="{number(at[0])}" y="{number(at[1])}" font-size="{number(size)}"{weight}{anchor} '
        f"{paint(colour)}>{escape(words)}</text>"
    )


def turned(at: tuple[float, float], degrees: float, inside: str) -> str:
    """What is drawn around 0, 0, moved to a place and turned."""
    return f'<g transform="translate({number(at[0])} {number(at[1])}) rotate({number(degrees)})">{inside}</g>'


def rect(
    at: tuple[float, float], wide: float, high: float, colour: str, *, corner: float = 0, opacity: float = 1
) -> str:
    """A box from its upper left corner on."""
    rounded = f' rx="{number(corner)}"' if corner else ""
    rounded += f' fill-opacity="{number(opacity)}"' if opacity < 1 else ""
    return (
        f'<rect x="{number(at[0])}" y="{number(at[1])}" width="{number(max(0.0, wide))}" '
        f'height="{number(high)}"{rounded} {paint(colour)}/>'
    )


def line(
    start: tuple[float, float], end: tuple[float, float], colour: str, *, wide: float = 1, dash: str = ""
) -> str:
    """A straight line."""
    dashed = f' stroke-dasharray="{dash}"' if dash else ""
    return (
        f'<line x1="{number(start[0])}" y1="{number(start[1])}" x2="{number(end[0])}" y2="{number(end[1])}" '
        f'{stroke(colour)} stroke-width="{number(wide)}"{dashed}/>'
    )


def dot(at: tuple[float, float], radius: float, colour: str, *, hollow: bool = False) -> str:
    """A point, filled or as a ring."""
    inside = f'fill="{PAPER}" stroke="{colour}" class="{_names(("f", PAPER), ("s", colour))}"'
    inside = inside if hollow else paint(colour)
    edge = ' stroke-width="2"' if hollow else ""
    return f'<circle cx="{number(at[0])}" cy="{number(at[1])}" r="{number(radius)}" {inside}{edge}/>'


def spot(at: tuple[float, float], radius: float, colour: str) -> str:
    """An unseen point that can be pointed at; drawn in its colour where a page marks it."""
    return (
        f'<circle cx="{number(at[0])}" cy="{number(at[1])}" r="{number(2 * radius)}" '
        f'{paint(colour)} fill-opacity="0"/>'
    )


def path(points: list[tuple[float, float]], colour: str, *, wide: float = 2, dash: str = "") -> str:
    """A line through points."""
    places = " L".join(f"{number(x)} {number(y)}" for x, y in points)
    dashed = f' stroke-dasharray="{dash}"' if dash else ""
    return (
        f'<path d="M{places}" fill="none" {stroke(colour)} stroke-width="{number(wide)}" '
        f'stroke-linejoin="round" stroke-linecap="round"{dashed}/>'
    )


def paint(colour: str) -> str:
    """Attributes that fill in a colour."""
    return f'fill="{colour}" class="{_names(("f", colour))}"'


def stroke(colour: str) -> str:
    """Attributes that draw in a colour."""
    return f'stroke="{colour}" class="{_names(("s", colour))}"'


def _names(*uses: tuple[str, str]) -> str:
    return " ".join(f"{use}-{_CLASS.get(colour, 'own')}" for use, colour in uses)


def tip(words: str, inside: str, *, arm: str = "", point: int | None = None) -> str:
    """Shapes with words that a page shows when pointed at.

    Args:
        arm: what is switched together.
        point: the place of the point in its line.
    """
    group = f' data-arm="{escape(arm)}"' if arm else ""
    place = "" if point is None else f' data-point="{point}"'
    return f'<g data-tip="{escape(cut(words, 240))}"{group}{place}>{inside}</g>'


def document(size: tuple[float, float], inside: list[str], *, name: str, alt: str = "") -> str:
    """A whole drawing, named and described for those who do not see it."""
    wide, high = map(number, size)
    said = escape(alt)
    told = f' role="img" aria-label="{said}"' if alt else ""
    described = f"<desc>{said}</desc>" if alt else ""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide} {high}" width="{wide}" height="{high}" '
        f'font-family="{FONT}" data-chart="{escape(name)}"{told}>{described}{"".join(inside)}</svg>'
    )
