"""Personal data and secrets in a text: by written form and check digits, never by bare digits alone.

Phone numbers are read by Google's libphonenumber (`phonenumbers`), IBANs, card numbers and national ids by
the check digits of their standards (`stdnum`). A run of digits that could as well be an order number counts
only where a word beside it says what it is. So do names, postal addresses and dates of birth
(`harness.privacy.people`).
"""

from __future__ import annotations

import base64
import binascii
import importlib
import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from harness.privacy import people

VERSION = 2
"""Raised when other values are found, as that changes what is sent where they are replaced."""


class Kind(StrEnum):
    """What was found; its value stands in placeholders."""

    SECRET = "SECRET"
    EMAIL = "EMAIL"
    IBAN = "IBAN"
    CARD = "CARD"
    NATIONAL_ID = "ID"
    BIRTH_DATE = "BIRTH_DATE"
    ADDRESS = "ADDRESS"
    PHONE = "PHONE"
    NAME = "NAME"

    @property
    def noun(self) -> str:
        """One of them."""
        return _NOUNS[self][0]

    @property
    def nouns(self) -> str:
        """Several of them."""
        return _NOUNS[self][1]


_NOUNS = {
    Kind.SECRET: ("key or password", "keys or passwords"),
    Kind.EMAIL: ("e-mail address", "e-mail addresses"),
    Kind.IBAN: ("IBAN", "IBANs"),
    Kind.CARD: ("card number", "card numbers"),
    Kind.NATIONAL_ID: ("national id", "national ids"),
    Kind.BIRTH_DATE: ("date of birth", "dates of birth"),
    Kind.ADDRESS: ("postal address", "postal addresses"),
    Kind.PHONE: ("phone number", "phone numbers"),
    Kind.NAME: ("name", "names"),
}

ONLY_WHERE_SAID = (
    "Names, postal addresses and dates of birth are found only where a title, a greeting, a postcode or a "
    "word beside them says what they are."
)
"""What is said wherever it is said that nothing, or something, was found."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundValue:
    """One value in a text.

    Attributes:
        start, end: where it stands, in characters.
        value: without what is written differently from place to place (blanks, case): one value, one string.
    """

    kind: Kind
    start: int
    end: int
    value: str


def find(text: str) -> tuple[FoundValue, ...]:
    """Every value in a text, in order; where two overlap, the kind that is named first in `Kind`."""
    found, taken = [], bytearray(len(text))
    for finder in _finders(text):
        for one in finder(text):
            if not any(taken[one.start : one.end]):
                taken[one.start : one.end] = b"\1" * (one.end - one.start)
                found.append(one)
    return tuple(sorted(found, key=lambda one: one.start))


def masked(value: str) -> str:
    """A value as a message may show it: its first two characters and its length."""
    return f"{value[:2]}{'*' * min(8, max(3, len(value) - 2))}"


def _finders(text: str) -> Iterator[Callable[[str], Iterable[FoundValue]]]:
    """Those that could find anything; most texts have no digits to speak of."""
    digits = sum(map(text.count, "0123456789"))
    if len(text) >= _SHORTEST_SECRET:
        yield _secrets
    if "@" in text:
        yield _emails
    if digits >= _FEWEST_DIGITS:
        yield from (_ibans, _cards, _national_ids)
    if digits >= _FEWEST_OF_A_DATE:
        yield from (_birth_dates, _addresses)
    if digits >= _FEWEST_DIGITS:
        yield _phones
    yield _names


_SHORTEST_SECRET = 16
_FEWEST_DIGITS = 6
_FEWEST_OF_A_DATE = 4


# People


def _birth_dates(text: str) -> Iterator[FoundValue]:
    yield from _spoken_of(Kind.BIRTH_DATE, text, people.birth_dates)


def _addresses(text: str) -> Iterator[FoundValue]:
    yield from _spoken_of(Kind.ADDRESS, text, people.addresses)


def _names(text: str) -> Iterator[FoundValue]:
    yield from _spoken_of(Kind.NAME, text, people.names)


def _spoken_of(kind: Kind, text: str, spans: Callable[[str], Iterable[people.Span]]) -> Iterator[FoundValue]:
    for start, end in spans(text):
        value = " ".join(text[start:end].casefold().split())
        yield FoundValue(kind=kind, start=start, end=end, value=value)


# E-mail addresses

_EMAIL = re.compile(
    r"(?<![\w.+%-])[\w+%-](?:[\w.+%-]{0,62}[\w+%-])?@(?:[^\W_](?:[\w-]{0,61}[^\W_])?\.){1,8}(?:[^\W\d_]{2,24}|xn--[a-z0-9-]{2,59})(?![\w-])"
)
_FILES = frozenset(
    {"png", "jpg", "jpeg", "gif", "svg", "webp", "css", "js", "ts", "json", "pdf", "txt", "md"}
)
"""Ends of file names that are no top-level domains: `logo@2x.png` is a picture."""


def _emails(text: str) -> Iterator[FoundValue]:
    for match in _EMAIL.finditer(text):
        address = match.group()
        if ".." not in address and address.rpartition(".")[2].casefold() not in _FILES:
            yield FoundValue(kind=Kind.EMAIL, start=match.start(), end=match.end(), value=address.casefold())


# Bank accounts and payment cards

_IBAN = re.compile(r"(?<![A-Za-z0-9])[A-Za-z]{2}\d{2}(?:[ ]?[A-Za-z0-9]){11,30}(?![A-Za-z0-9])")
_CARD = re.compile(r"(?<![\w.-])\d(?:[ -]?\d){12,18}(?![\w-])")
_LONGEST_IBAN = 34
_CARD_FORMS = (  # first digits and lengths by scheme: ISO/IEC 7812 ranges as the schemes publish them
    (re.compile(r"4"), (13, 16, 19)),  # Visa
    (re.compile(r"5[1-5]|2(?:22[1-9]|2[3-9]\d|[3-6]\d\d|7[01]\d|720)"), (16,)),  # Mastercard
    (re.compile(r"3[47]"), (15,)),  # American Express
    (re.compile(r"6011|64[4-9]|65"), (16, 19)),  # Discover
    (re.compile(r"35(?:2[89]|[3-8]\d)"), (16, 19)),  # JCB
    (re.compile(r"30[0-5]|3[689]"), (14, 16, 19)),  # Diners
    (re.compile(r"62|81"), (16, 17, 18, 19)),  # UnionPay
    (re.compile(r"50|5[6-9]|6[0137-9]"), (16, 18, 19)),  # Maestro
)


def _ibans(text: str) -> Iterator[FoundValue]:
    from stdnum import iban

    for match in _IBAN.finditer(text):
        parts = match.group().split(" ")
        for count in range(len(parts), 0, -1):  # words after it may have been matched with it
            number = "".join(parts[:count]).upper()
            if len(number) <= _LONGEST_IBAN and iban.is_valid(number):
                end = match.start() + len(" ".join(parts[:count]))
                yield FoundValue(kind=Kind.IBAN, start=match.start(), end=end, value=number)
                break


def _cards(text: str) -> Iterator[FoundValue]:
    from stdnum import luhn

    for match in _CARD.finditer(text):
        number = re.sub(r"\D", "", match.group())
        of_a_scheme = any(form.match(number) and len(number) in sizes for form, sizes in _CARD_FORMS)
        if of_a_scheme and len(set(number)) > 1 and luhn.is_valid(number):
            yield FoundValue(kind=Kind.CARD, start=match.start(), end=match.end(), value=number)


# National ids


@dataclass(frozen=True, slots=True)
class _Id:
    """A country's number.

    Attributes:
        module: of stdnum, which knows its check digits.
        form: how it is written.
        words: what stands before it where its form could be another number's; '' where its own form tells.
    """

    module: str
    form: str
    words: str = ""


_IDS = (
    _Id("us.ssn", r"\d{3}-\d{2}-\d{4}"),
    _Id("us.ssn", r"\d{3} ?\d{2} ?\d{4}", r"ssn|social security"),
    _Id("us.itin", r"9\d{2}-\d{2}-\d{4}"),
    _Id("gb.nhs", r"\d{3}[ -]?\d{3}[ -]?\d{4}", r"nhs"),
    _Id("de.idnr", r"\d{2} ?\d{3} ?\d{3} ?\d{3}", r"steuer|tax id|idnr|identifikationsnummer|\btin\b"),
    _Id("fr.nir", r"[12] ?\d{2} ?(?:0[1-9]|1[0-2]|[2-9]\d) ?(?:\d{2}|2[AB]) ?\d{3} ?\d{3} ?\d{2}"),
    _Id("es.dni", r"\d{2}\.?\d{3}\.?\d{3}-?[A-Z]", r"dni|nif|documento|\bid\b|identi"),
    _Id("es.dni", r"\d{8}-[A-Z]"),
    _Id("es.nie", r"[XYZ]-?\d{7}-?[A-Z]"),
    _Id("it.codicefiscale", r"[A-Z]{6}\d{2}[A-EHLMPRST]\d{2}[A-Z]\d{3}[A-Z]"),
    _Id("nl.bsn", r"\d{4}[ .]?\d{2}[ .]?\d{3}", r"bsn|burgerservice|sofi"),
    _Id("be.nn", r"\d{2}\.\d{2}\.\d{2}-\d{3}\.\d{2}"),
    _Id("be.nn", r"\d{11}", r"rijksregister|national|registre|insz|niss"),
    _Id("pl.pesel", r"\d{11}", r"pesel"),
    _Id("pt.nif", r"\d{3} ?\d{3} ?\d{3}", r"\bnif\b|contribuinte"),
    _Id("se.personnummer", r"(?:19|20)?\d{6}[-+]\d{4}", r"person|samordning|ssn|pnr"),
    _Id("dk.cpr", r"\d{6}-?\d{4}", r"cpr"),
    _Id("fi.hetu", r"\d{6}[-+ABCDEFYXWVU]\d{3}[0-9A-FHJ-NPR-Y]"),
    _Id("no.fodselsnummer", r"\d{6} ?\d{5}", r"fødsels|fodsels|personnummer"),
    _Id("ch.ssn", r"756[. ]?\d{4}[. ]?\d{4}[. ]?\d{2}"),
    _Id("at.vnr", r"\d{4} ?\d{6}", r"svnr|sozialvers|\bsv\b"),
    _Id("ie.pps", r"\d{7}[A-W][A-IW]?", r"pps"),
    _Id("br.cpf", r"\d{3}\.\d{3}\.\d{3}-\d{2}"),
    _Id("br.cpf", r"\d{11}", r"cpf"),
    _Id("in_.aadhaar", r"\d{4} ?\d{4} ?\d{4}", r"aadhaar|aadhar"),
    _Id("in_.pan", r"[A-Z]{3}[ABCFGHJLPT][A-Z]\d{4}[A-Z]", r"\bpan\b|permanent account"),
    _Id("ca.sin", r"\d{3}[ -]\d{3}[ -]\d{3}", r"\bsin\b|social insurance|\bnas\b"),
    _Id("au.tfn", r"\d{3} ?\d{3} ?\d{3}", r"tfn|tax file"),
    _Id("cz.rc", r"\d{6}/\d{3,4}"),
    _Id("ro.cnp", r"[1-8]\d{12}", r"cnp"),
    _Id("bg.egn", r"\d{10}", r"egn|егн"),
    _Id("hr.oib", r"\d{11}", r"oib"),
    _Id("gr.amka", r"\d{11}", r"amka|αμκα"),
    _Id("tr.tckimlik", r"[1-9]\d{10}", r"kimlik|tckn"),
    _Id("za.idnr", r"\d{6} ?\d{4} ?\d{3}", r"\bid\b|identity"),
    _Id("mx.curp", r"[A-Z]{4}\d{6}[HM][A-Z]{5}[A-Z0-9]\d"),
    _Id("kr.rrn", r"\d{6}-[1-8]\d{6}"),
    _Id("cn.ric", r"[1-9]\d{5}(?:19|20)\d{2}(?:0[1-9]|1[0-2])\d{2}\d{3}[\dX]"),
)
_NINO = re.compile(r"(?<![\w-])[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z](?: ?\d{2}){3} ?[A-D](?![\w-])")
"""A British national insurance number has no check digit; which letters it may hold is the HMRC's rule."""
_NO_NINO = frozenset({"BG", "GB", "KN", "NK", "NT", "TN", "ZZ"})
_NEAR = 40  # characters before a number in which a word says what it is


def _national_ids(text: str) -> Iterator[FoundValue]:
    if _MAYBE_ID.search(text) is None:
        return
    said = _ANY_WORD.search(text) is not None
    for each, form in zip(_IDS, _ID_FORMS, strict=True):
        if each.words and not said:
            continue
        check = None
        for match in form.finditer(text):
            near = text[max(0, match.start() - _NEAR) : match.start()]
            if each.words and not re.search(each.words, near, re.IGNORECASE):
                continue
            check = check or importlib.import_module(f"stdnum.{each.module}").is_valid
            number = match.group().upper()
            if check(number):
                plain = re.sub(r"[^0-9A-Z+]", "", number)
                yield FoundValue(kind=Kind.NATIONAL_ID, start=match.start(), end=match.end(), value=plain)
    for match in _NINO.finditer(text):
        plain = match.group().replace(" ", "")
        if plain[:2] not in _NO_NINO:
            yield FoundValue(kind=Kind.NATIONAL_ID, start=match.start(), end=match.end(), value=plain)


_ID_FORMS = tuple(re.compile(rf"(?<![\w./+-]){each.form}(?![\w/-]|[.]\d)") for each in _IDS)
_MAYBE_ID = re.compile(r"(?:\d[ .+/-]?){9}|(?<!\w)[A-Z]{1,6}-? ?\d{2}|\d{6,8}[-.]?[A-Z]")
"""What every form of an id holds: most texts need not be searched for each of them."""
_ANY_WORD = re.compile("|".join(each.words for each in _IDS if each.words), re.IGNORECASE)


# Phone numbers

_PHONE = re.compile(
    r"(?:(?<![\w.,/#:+-])|(?<=:)(?=\+))(?:\+ ?|\(?\+)?\(?\d[\d ()/.\u00a0-]{4,20}\d(?![\w-]|[./,]\d)"
)
_SAID = re.compile(
    r"(?:phone|t[eé]l\b\.?|tel[eé]fono?|telefoon|telefon|telephone|t[eé]l[eé]phone|mobile|mobil|cell|handy|rufnummer|"
    r"fax|whatsapp|call|reach|ring|text|anruf\w*|zurückruf\w*|gsm|sms)"
    r"(?:\W+(?:number|nr|no|nummer|num[eé]ro|us|me|him|her|them|back|is|ist|at|on|under|unter|my|anytime)\b){0,4}"
    r"[\s.:=(#-]*$",
    re.IGNORECASE,
)
_DATE = re.compile(r"(?:\d{1,2}([./-])\d{1,2}\1(?:\d{4}|\d{2})|\d{4}([./-])\d{1,2}\2\d{1,2})(?!\d|\1\d)")
_AMERICAN = re.compile(r"(?P<sure>1[ .-]\(?|\()?[2-9]\d{2}\)?[ .-]\d{3}[ .-]\d{4}")
"""North American; with the 1 before it, or its area in parentheses, it is no other number."""
_REGIONS = (
    "DE", "GB", "FR", "NL", "BE", "AT", "CH", "ES", "IT", "PL", "SE", "DK", "NO", "FI", "IE", "PT", "CZ",
    "IN", "BR", "AU",
)  # fmt: skip
_FEWEST, _MOST = 7, 15  # digits of a number with its area, ITU-T E.164
_MOST_HERE = 11  # of one that is not called a phone number and names no country
_TELLS = 30  # characters before a number in which it is called one


def _phones(text: str) -> Iterator[FoundValue]:
    for match in _PHONE.finditer(text):
        written = match.group().rstrip(" (")
        digits = re.sub(r"\D", "", written)
        if not _FEWEST <= len(digits) <= _MOST or len(set(digits)) < 3 or _DATE.match(written.lstrip("(")):
            continue
        said = _SAID.search(text[max(0, match.start() - _TELLS) : match.start()]) is not None
        if _is_phone(written, digits, said):
            start, end = match.start(), match.start() + len(written)
            yield FoundValue(kind=Kind.PHONE, start=start, end=end, value=digits)


def _is_phone(written: str, digits: str, said: bool) -> bool:
    import phonenumbers

    parted = len(re.split(r"\D+", written.strip("+( "))) > 1
    if "+" in written or (written.startswith("00") and (parted or said)):
        return _possible(f"+{digits}" if "+" in written else f"+{digits[2:]}", None)
    if american := _AMERICAN.fullmatch(written):
        sure = said or american["sure"] is not None
        return sure or phonenumbers.is_valid_number(phonenumbers.parse(written, "US"))
    if said:
        return any(_possible(written, region) for region in ("US", *_REGIONS))
    if not (parted and written.lstrip("(").startswith("0") and len(digits) <= _MOST_HERE):
        return False
    return any(_valid(written, region) for region in _REGIONS)


def _possible(number: str, region: str | None) -> bool:
    import phonenumbers

    try:
        return phonenumbers.is_possible_number(phonenumbers.parse(number, region))
    except phonenumbers.NumberParseException:
        return False


def _valid(number: str, region: str) -> bool:
    import phonenumbers

    try:
        return phonenumbers.is_valid_number(phonenumbers.parse(number, region))
    except phonenumbers.NumberParseException:
        return False


# Keys and passwords

_SECRET = re.compile(
    r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----[\s\S]{20,10000}?-----END (?:[A-Z]+ )*PRIVATE KEY-----"
    r"|\b(?:AKIA|ASIA)[A-Z2-7]{16}\b"  # AWS
    r"|\b(?P<github>gh[pousr]_[A-Za-z0-9]{36})\b|\bgithub_pat_[A-Za-z0-9_]{60,90}\b"
    r"|\bglpat-[\w-]{20,}|\bxox[abeoprs]-[\w-]{10,}"  # GitLab, Slack
    r"|\b(?:sk|rk)_(?:live|test)_[A-Za-z0-9]{16,}"  # Stripe
    r"|\bsk-(?:ant-|proj-|svcacct-|or-v1-)?[A-Za-z0-9_-]{20,}"  # OpenAI, Anthropic, OpenRouter
    r"|\bAIza[\w-]{35,}|\bgsk_[A-Za-z0-9]{30,}|\bhf_[A-Za-z]{30,}\b"  # Google, Groq, Hugging Face
    r"|\bnpm_[A-Za-z0-9]{36}\b|\bpypi-AgEI[\w-]{40,}|\bSG\.[\w-]{16,32}\.[\w-]{30,64}"
    r"|(?P<jwt>\beyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]{8,})"
    r"|\b[a-z][a-z0-9+.-]{2,15}://[^\s:@/]{1,64}:(?P<inside>[^\s:@/]{4,128})@[\w.-]+"
    r"|(?:(?:api|account)[_ -]?key|(?:access[_ -]?)?token|client[_ -]?secret"
    r"|secret(?:[_ -]?(?:access[_ -]?)?key)?|passwor[dt]|pwd)"
    r"[\"']?(?: is| ist)?\s{0,3}(?P<sign>[:=]?)\s{0,3}[\"'`]?(?P<told>[^\s\"'`,;<>()\[\]]{6,128})",
    re.IGNORECASE,
)


_MARKS = (
    "private key", "akia", "asia", "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "glpat-", "xox",
    "_live_", "_test_", "sk-", "aiza", "gsk_", "hf_", "npm_", "pypi-", "sg.", "eyj", "://", "key", "token",
    "secret", "passwor", "pwd",
)  # fmt: skip
"""One of these stands in every text with a secret: most texts need not be searched."""


def _secrets(text: str) -> Iterator[FoundValue]:
    small = text.casefold()
    if not any(mark in small for mark in _MARKS):
        return
    for match in _SECRET.finditer(text):
        part = next((name for name in ("inside", "told") if match.group(name)), None)
        value, start = (match.group(part), match.start(part)) if part else (match.group(), match.start())
        if part == "told":
            value = value.rstrip(".!?:")
        if _is_secret(match, value):
            yield FoundValue(kind=Kind.SECRET, start=start, end=start + len(value), value=value)


def _is_secret(match: re.Match[str], value: str) -> bool:
    if match.group("github"):
        return _github_check(value)
    if match.group("jwt"):
        return _is_jwt(value)
    if match.group("told"):
        return _mixed(value, 6 if match.group("sign") else 10)
    return len(set(value)) >= 6


def _github_check(token: str) -> bool:
    """The last six characters of a GitHub token are the CRC-32 of the others in base 62.

    Source: "Behind GitHub's new authentication token formats", GitHub Engineering, 2021.
    """
    digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
    number, check = binascii.crc32(token[4:-6].encode()), ""
    while number:
        number, digit = divmod(number, 62)
        check = digits[digit] + check
    return token[-6:] == check.rjust(6, "0")


def _is_jwt(token: str) -> bool:
    head = token.partition(".")[0]
    try:
        return "alg" in json.loads(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)))
    except (ValueError, TypeError):
        return False


def _mixed(value: str, least: int) -> bool:
    """No word of a sentence, which may stand there too: letters and digits, or three kinds of signs.

    Args:
        least: characters of one that has letters and digits only.
    """
    kinds = (str.isdigit, str.isupper, str.islower, lambda character: not character.isalnum())
    there = sum(any(map(kind, value)) for kind in kinds)
    return there >= 3 or (
        any(map(str.isdigit, value)) and any(map(str.isalpha, value)) and len(value) >= least
    )
