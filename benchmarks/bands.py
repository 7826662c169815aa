"""The accuracy bands of the advice, fitted to published figures, and how often such a range holds.

Run: python -m benchmarks.bands [--write]

A band starts from the middle of what was judged (`judged` in advisor/rubric/bands.toml). Every published
figure with an address (`band` in advisor/evidence.toml; none that is tagged U) is a distance from that middle
on the logit scale. All by option and kind of task:

- figures of one option on one data set are averaged first, so a data set counts once however many studies
  measured it;
- how hard a data set is, is taken out first, or an option that others tried on hard ones alone would look
  weak: a distance is the option's part plus the data set's part;
- the middle moves by the option's part, shrunk as if `STAY` more data sets had that of the option it is built
  on (`_BUILT_ON`), or else of all options on its kind of task, which is itself shrunk towards none;
- the spread between data sets is pooled over all, and an option's own moves away from that as if the
  pool were worth `POOL` data sets;
- the range holds a new data set with 80 %: middle -+ t * spread * sqrt(1 + 1 / (data sets + STAY));
- how far two options on one data set lie from their expected distance (`pair_spread`) is the root mean square
  over all such pairs.

`STAY` and `POOL` were set before a result was seen. Leave one study out: its figures, and those of others on
its data sets, are taken away, everything is fitted again, and its figures are held against that. It prints
how many ranges held, with Wilson's interval, their mean width and the mean distance from the likely value,
beside the judged ranges on the same figures. These judgements were made with some of the figures known
(Banking77 above all), so they are no blind baseline.
"""

from __future__ import annotations

import argparse
import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import combinations, groupby
from pathlib import Path

from advisor.evidence import Evidence, Tag, load_evidence
from advisor.options import Option
from advisor.rubric.rubric import Band, Bands, load_bands
from advisor.stats.intervals import Interval, wilson
from advisor.stats.special import t_quantile

LEVEL = 0.8
STAY, POOL = 2.0, 4.0
ROUNDS = 200
ENDS = 0.01, 0.99
"""Where accuracies are cut before the logit, so that a figure of 0 or 1 is no infinite distance."""
BANDS = Path(__file__).parents[1] / "advisor" / "rubric" / "bands.toml"

Group = tuple[str, str]
"""Kind of task and option."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A published accuracy, its band, and its distance from the judged middle."""

    of: Evidence
    band: Band

    @property
    def group(self) -> Group:
        """What it is pooled with."""
        return group_of(self.band)

    @property
    def distance(self) -> float:
        """On the logit scale."""
        return logit(self.of.value) - middle(self.band)


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """How far a group's middles move, its spread, and on how many data sets both rest."""

    by: float
    spread: float
    sets: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """Low, likely and high of a band."""

    low: float
    likely: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """How a range did on figures it was not fitted to."""

    inside: int
    figures: int
    width: float
    off: float


def logit(share: float) -> float:
    """Log odds, the share cut to `ENDS`."""
    cut = min(max(share, ENDS[0]), ENDS[1])
    return math.log(cut / (1 - cut))


def share(odds: float) -> float:
    """The share of log odds."""
    return 1 / (1 + math.exp(-odds))


_BUILT_ON = {
    Option.RETRIEVE: Option.PROMPT,
    Option.ROUTE: Option.PROMPT,
    Option.NEIGHBOURS: Option.LINEAR,
    Option.TUNE_RETRIEVE: Option.TUNE,
    Option.ENCODER: Option.TUNE,
}
"""The option that an option is built on. Where answers rest on facts, only tuning with retrieval is: on
retrieval."""


def built_on(group: Group) -> Group:
    """The group that a group moves with as far as its own figures do not say."""
    kind, option = group
    if kind == "facts":
        return kind, Option.RETRIEVE if option == Option.TUNE_RETRIEVE else ""
    return kind, _BUILT_ON.get(Option(option), "")


def middle(band: Band) -> float:
    """The judged middle on the logit scale."""
    low, high = band.judged
    return (logit(low) + logit(high)) / 2


def group_of(band: Band) -> Group:
    """Kind of task and option."""
    return band.kind, band.option.value


def figures(bands: Bands, evidence: Iterable[Evidence]) -> list[Figure]:
    """The published accuracies that count, each with the one band it speaks for.

    Raises:
        ValueError: if a figure is tagged U, or speaks for no band or several.
    """
    found = []
    for one in evidence:
        if one.band is None:
            continue
        if one.tag is Tag.UNVERIFIED:
            raise ValueError(f"{one.key} has no address and may enter no band")
        names = ("examples", "labels", "model", "size")
        option = (
            Option.PROMPT.value if one.option == "base" else one.option
        )  # an untouched model was prompted
        fits = [
            band
            for band in bands.accuracy
            if (band.kind, band.option.value) == (one.band.kind, option)
            and all(getattr(band, name) in (None, getattr(one.band, name)) for name in names)
        ]
        if len(fits) != 1 and one.band.kind == "classification" and one.band.labels is None:
            fits = [band for band in fits if band.labels == "few"]
        if len(fits) != 1:
            raise ValueError(f"{one.key} speaks for {len(fits)} bands")
        found.append(Figure(of=one, band=fits[0]))
    return found


def moved(known: list[Figure]) -> dict[Group, Moved]:
    """By group, how far the middles move and how wide data sets scatter."""
    means = _cells(known)
    by, of_kind = _effects(means)
    counts = Counter(group for group, _ in means)
    squares: dict[Group, float] = defaultdict(float)
    for (group, _), value in means.items():
        squares[group] += (value - by[group]) ** 2
    freedom = len(means) - len(counts) / (1 + STAY)
    pooled = math.sqrt(sum(squares.values()) / freedom)
    return {
        group: Moved(
            by=by[group],
            spread=math.sqrt((POOL * pooled**2 + squares[group]) / (POOL + sets)),
            sets=sets,
        )
        for group, sets in counts.items()
    } | {(kind, ""): Moved(by=part, spread=pooled, sets=0) for kind, part in of_kind.items()}


def _cells(known: list[Figure]) -> dict[tuple[Group, str], float]:
    """The mean distance of each option on each data set."""
    cells: dict[tuple[Group, str], list[float]] = defaultdict(list)
    for one in known:
        cells[one.group, one.of.task].append(one.distance)
    return {cell: sum(values) / len(values) for cell, values in cells.items()}


def _effects(means: Mapping[tuple[Group, str], float]) -> tuple[dict[Group, float], dict[str, float]]:
    """Of each option on a kind of task, and of each kind, what is added to the judged middle.

    A data set's own part is taken out; the three are found one after the other until they rest (backfitting).
    """
    by_group: dict[Group, list[str]] = defaultdict(list)
    by_set: dict[str, list[Group]] = defaultdict(list)
    for group, task in means:
        by_group[group].append(task)
        by_set[task].append(group)
    kinds = dict.fromkeys((group[0] for group in by_group), 0.0)
    groups, sets = dict.fromkeys(by_group, 0.0), dict.fromkeys(by_set, 0.0)
    for _ in range(ROUNDS):
        groups = {
            group: (
                sum(means[group, task] - sets[task] for task in tasks)
                + STAY * groups.get(built_on(group), kinds[group[0]])
            )
            / (len(tasks) + STAY)
            for group, tasks in by_group.items()
        }
        for kind in kinds:
            weights = {g: len(by_group[g]) / (len(by_group[g]) + STAY) for g in groups if g[0] == kind}
            kinds[kind] = sum(w * groups[g] for g, w in weights.items()) / (sum(weights.values()) + 1)
        sets = {
            task: sum(means[group, task] - groups[group] for group in found) / (len(found) + 1)
            for task, found in by_set.items()
        }
    return groups, kinds


def fitted(band: Band, found: Mapping[Group, Moved]) -> Fitted:
    """A band's range; where nothing is published of its group, it moves with what that is built on."""
    here, kind = found.get(group_of(band)), found[band.kind, ""]
    if here is None:
        base = found.get(built_on(group_of(band)), kind)
        here = Moved(by=base.by, spread=kind.spread, sets=0)
    likely = middle(band) + here.by
    reach = t_quantile((1 + LEVEL) / 2, POOL + here.sets) * here.spread
    reach *= math.sqrt(1 + 1 / (here.sets + STAY))
    return Fitted(
        low=round(share(likely - reach), 3),
        likely=round(share(likely), 3),
        high=round(share(likely + reach), 3),
    )


def pair_spread(known: list[Figure]) -> float:
    """How far two options on one data set scatter about their expected distance, in logits."""
    means, found = _cells(known), moved(known)
    squares = [
        (means[one, task] - means[other, task] - found[one].by + found[other].by) ** 2
        for task in sorted({task for _, task in means})
        for one, other in combinations(sorted(group for group, on in means if on == task), 2)
    ]
    return math.sqrt(sum(squares) / len(squares))


def left_out(known: list[Figure]) -> list[tuple[Figure, Fitted]]:
    """Every figure with a range fitted without its study and without the data sets of that."""
    found = []
    for study in dict.fromkeys(one.of.study for one in known):
        mine = [one for one in known if one.of.study == study]
        sets = {one.of.task for one in mine}
        rest = moved([one for one in known if one.of.study != study and one.of.task not in sets])
        found += [(one, fitted(one.band, rest)) for one in mine]
    return found


def held(pairs: Iterable[tuple[Figure, Fitted]]) -> Held:
    """How many ranges held, how wide they were, and how far the likely value was off."""
    found = list(pairs)
    return Held(
        inside=sum(one.low <= figure.of.value <= one.high for figure, one in found),
        figures=len(found),
        width=sum(one.high - one.low for _, one in found) / len(found),
        off=sum(abs(figure.of.value - one.likely) for figure, one in found) / len(found),
    )


def as_judged(band: Band) -> Fitted:
    """The range as it was judged."""
    low, high = band.judged
    return Fitted(low=low, likely=(low + high) / 2, high=high)


def table(known: list[Figure]) -> str:
    """The Markdown table of docs/advice.md."""
    pairs = left_out(known)
    lines = [
        "| | figures | held | mean width | likely value off by | judged ranges: held | width | off by |",
        "|---|---|---|---|---|---|---|---|",
    ]
    cuts = [("all", pairs)]
    for key in dict.fromkeys(one.group for one in known):
        cuts.append((f"{key[0]}, {key[1]}", [pair for pair in pairs if pair[0].group == key]))
    for name, part in cuts:
        one, other = held(part), held((figure, as_judged(figure.band)) for figure, _ in part)
        found = wilson(one.inside, one.figures)
        assert isinstance(found, Interval)
        span = f" ({found.low:.2f}-{found.high:.2f})" if name == "all" else ""
        lines.append(
            f"| {name} | {one.figures} | {one.inside}{span} | {one.width:.2f} | {one.off:.2f} "
            f"| {other.inside} | {other.width:.2f} | {other.off:.2f} |"
        )
    return "\n".join(lines)


def source(band: Band, known: list[Figure]) -> str:
    """What a band rests on, in a clause."""
    mine = sorted((one for one in known if one.group == group_of(band)), key=lambda one: one.of.study)
    by_study = {
        study: len({one.of.task for one in ones}) for study, ones in groupby(mine, lambda o: o.of.study)
    }
    if not by_study:
        return "judgement, as wide as published data sets scatter: no figure with an address"
    first = sorted(by_study, key=lambda study: (-by_study[study], study))[:3]
    sets = len({one.of.task for one in mine})
    more = f" and {len(by_study) - 3} more studies" if len(by_study) > 3 else ""
    return f"fitted to {sets} published data set{'s' * (sets != 1)}: {', '.join(first)}{more}"


def rows(bands: Bands, known: list[Figure]) -> list[str]:
    """The bands as `bands.toml` holds them."""
    found, lines = moved(known), []
    for band in bands.accuracy:
        names = ("kind", "option", "examples", "labels", "model", "size")
        said = ", ".join(f'{name} = "{value}"' for name in names if (value := getattr(band, name)))
        fit = fitted(band, found)
        low, high = band.judged
        lines.append(
            f"    {{ {said}, judged = [{low}, {high}], low = {fit.low}, likely = {fit.likely}, "
            f'high = {fit.high}, source = "{source(band, known)}" }},'
        )
    return lines


def main() -> None:
    """Print the table, or write the bands."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--write", action="store_true", help="write the fitted ranges into bands.toml")
    bands = load_bands()
    known = figures(bands, load_evidence())
    if parser.parse_args().write:
        text = BANDS.read_text(encoding="utf-8")
        start, end = text.index("band = [\n") + len("band = [\n"), text.index("\n]\n")
        text = text[:start] + "\n".join(rows(bands, known)) + text[end:]
        text = re.sub(r"(?m)^pair_spread = [\d.]+", f"pair_spread = {pair_spread(known):.2f}", text)
        BANDS.write_text(text, encoding="utf-8")
    print(table(known))


if __name__ == "__main__":
    main()
