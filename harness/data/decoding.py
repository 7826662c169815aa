"""From bytes to text: marks first, then UTF-8 or the encoding that was asked for; no silent guess. Pure."""

from __future__ import annotations

import codecs
import re

from harness.core.errors import DataError, UsageError
from harness.core.wording import counted
from harness.data.problems import Problems

_NUL_SHARE = 0.001
_SAMPLE = 100_000  # bytes from which an encoding is guessed
_CONTROLS = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")
_CONTROL_SHARE = 0.02
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_GUESSES = ["cp1252", "cp1250", "cp1251", "cp1253", "cp1254", "cp1257", "koi8_r", "mac_roman", "cp850"]
_GUESSES += ["shift_jis", "euc_jp", "gb18030", "big5", "euc_kr", "utf_16_le", "utf_16_be"]


def decode(content: bytes, name: str, encoding: str, problems: Problems) -> str:
    """The text of a file, without marks and NUL characters.

    NUL characters carry no text and no tool agrees on them: a few are dropped and counted, many mean that the
    file is not text in this encoding.

    Args:
        problems: takes what was noticed.

    Raises:
        UsageError: there is no such encoding.
        DataError: the content is not text in this encoding.
    """
    asked = _canonical(encoding)
    mark = next((known for start, known in _MARKS if content.startswith(start)), None)
    if mark and not asked.startswith(mark):
        raise DataError(
            f"{name} is {mark.upper()}, not {encoding}.", run=f"the same command with --encoding {mark}"
        )
    if content.startswith(codecs.BOM_UTF8):
        if asked != "utf-8":
            problems.say("encoding", f"{name} says that it is UTF-8 and is read so, not as {encoding}.")
        asked = "utf-8-sig"
    head = content[:_SAMPLE]
    if asked.startswith(("utf-16", "utf-32")) and not mark and 0 not in head and head.isascii():
        raise DataError(
            f"{name} is not {encoding}: it has ASCII letters only.", run="the same command without --encoding"
        )
    try:
        text = content.decode(asked)
    except UnicodeError as error:
        raise _undecodable(content, name, encoding, error) from error
    if not asked.startswith("utf") and not content.isascii() and _is_utf8(content):
        message = f"{name} is valid UTF-8 with letters beyond ASCII; it was read as {encoding}, as asked for."
        problems.say("encoding", message)
    nuls = text.count("\x00")
    if nuls > max(8, _NUL_SHARE * len(text)):
        if not _wide(content):
            raise _no_text(name, f"{nuls} NUL characters of {len(text)}, read as {encoding}")
        raise DataError(
            f"{name} is not a text file in this encoding.",
            got=f"{nuls} NUL characters of {len(text)}, read as {encoding}",
            run=f"the same command with --encoding {_wide(content)}, if it came from a spreadsheet",
        )
    if nuls:
        dropped = counted(nuls, "NUL character was", "NUL characters were")
        problems.say("nul-characters", f"{dropped} dropped from {name}.")
    return text.replace("\x00", "").lstrip("\ufeff")


def _canonical(encoding: str) -> str:
    try:
        known = codecs.lookup(encoding)
    except (LookupError, ValueError) as error:
        raise UsageError(
            "There is no such encoding.",
            got=ascii(encoding[:60]),
            allowed="utf-8, utf-16, cp1252, latin-1 and the like",
        ) from error
    if not getattr(known, "_is_text_encoding", True) or known.name in {"undefined", "idna", "punycode"}:
        raise UsageError(
            "This encoding is none of text files.",
            got=encoding,
            allowed="utf-8, utf-16, cp1252, latin-1 and the like",
        )
    return "utf-8" if known.name == "utf-8-sig" else known.name


def _is_utf8(content: bytes) -> bool:
    try:
        content.decode("utf-8")
    except UnicodeError:
        return False
    return True


def _wide(content: bytes) -> str:
    """Which UTF-16 it is, by where the NULs of Latin letters stand; '' where it is none."""
    head = content[:_SAMPLE]
    even, odd = head[::2].count(0), head[1::2].count(0)
    if max(even, odd) < len(head) / 10 or min(even, odd) > max(even, odd) / 5:
        return ""
    return "utf-16-be" if even > odd else "utf-16-le"


def _no_text(name: str, got: str) -> DataError:
    return DataError(
        f"{name} is no text file.",
        got=got,
        allowed="CSV, JSON, Excel, OpenDocument or Parquet; gzip or zip of these",
    )


def _undecodable(content: bytes, name: str, encoding: str, error: UnicodeError) -> DataError:
    place, run = str(error), "the same command with --encoding and the right name"
    if isinstance(error, UnicodeDecodeError):
        line = content.count(b"\n", 0, error.start) + 1
        place = f"byte 0x{content[error.start]:02x} at offset {error.start}, line {line}"
        if len(_CONTROLS.findall(content[:_SAMPLE])) > _CONTROL_SHARE * len(content[:_SAMPLE]):
            if not _wide(content):
                return _no_text(name, f"{place}, and control characters throughout")
            run = f"the same command with --encoding {_wide(content)}, if it came from a spreadsheet"
        elif others := _others_in_utf8(content):
            bad, good = others
            places = counted(bad, "such place", "such places")
            place += f"; {places} beside {good} letters that are UTF-8: encodings are mixed"
            run = "the same command once those lines are saved as UTF-8 too"
        else:
            guess = _guess(content, error.start)
            place += f"; it looks like {guess}"
            run = f"the same command with --encoding {guess.split()[0]}, or another that reads the word right"
    return DataError(
        f"{name} is not valid {encoding}.", got=place, allowed="UTF-8 unless told otherwise", run=run
    )


def _others_in_utf8(content: bytes) -> tuple[int, int] | None:
    """(places that are not UTF-8, letters beyond ASCII that are), where the latter are as many or more."""
    text = content.decode("utf-8", "replace")
    bad = text.count("\ufffd")
    good = len(re.sub(r"[\x00-\x7f\ufffd]+", "", text))
    return (bad, good) if good >= bad else None


def _guess(content: bytes, at: int) -> str:
    """The likeliest encodings in words, each with how it reads the word at a byte that is not UTF-8."""
    start = max(0, at - _SAMPLE // 2)
    sample = content[start : start + _SAMPLE]
    left = len(re.split(rb"[\s,;|\"]", content[max(0, at - 20) : at])[-1])
    word = re.split(rb"[\s,;|\"]", content[at - left : at + 20])[0]
    found: dict[str, str] = {}
    try:
        from charset_normalizer import from_bytes

        western = sample.decode("cp1252", "replace")
        for match in sorted(  # of encodings that read it equally well, what Western Windows writes
            from_bytes(sample, cp_isolation=_GUESSES),
            key=lambda m: (round(m.percent_chaos), str(m) != western, -m.percent_coherence),
        ):
            usual = western == str(match)
            found[match.encoding] = f"{100 - match.percent_chaos:.0f} % confidence"
            found |= {"cp1252": found.pop(match.encoding)} if usual else {}
    except ImportError:
        pass
    readings: dict[str, str] = {}
    found = found or {"cp1252": "Windows, Western European"}
    for name in found:
        readings.setdefault(word.decode(name, "replace"), name)
    shown = [f"{name} ({word!r}, {found[name]})" for word, name in list(readings.items())[:3]]
    return " or ".join(shown)
