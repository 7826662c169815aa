"""Personal data by pattern: e-mail addresses, phone numbers, IBANs and card numbers with checksum.

Pure. Names and postal addresses are not detected; a clean result is no proof of absence. Addresses
under the domains that RFC 2606 reserves for examples are counted like any other.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

_EMAIL = re.compile(r"[\w.+%-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}")
_IBAN = re.compile(r"\b[A-Z]{2}\d{2}(?:[ ]?[A-Z0-9]){11,30}\b")
_CARD = re.compile(r"(?<![\w.-])\d(?:[ -]?\d){12,18}(?![\w-])")
_PHONE = re.compile(r"(?<![\w.,/-])(?:\+|00|\(?0)\d?[\d ()/.-]{6,20}\d(?!\w)")
_DATE = re.compile(r"\d{1,2}[./-]\d{1,2}[./-](?:\d{4}|\d{2})(?!\d)")


def has_email(text: str) -> bool:
    """An e-mail address is in the text."""
    return "@" in text and _EMAIL.search(text) is not None


def has_iban(text: str) -> bool:
    """An IBAN with a right checksum is in the text (ISO 13616, modulus 97)."""
    return any(_iban_in(match.group()) for match in _IBAN.finditer(text))


def has_card(text: str) -> bool:
    """A number of 13 to 19 digits that passes the Luhn check (ISO/IEC 7812-1) is in the text."""
    return any(luhn_valid(re.sub(r"\D", "", match.group())) for match in _CARD.finditer(text))


def has_phone(text: str) -> bool:
    """A number of 8 to 17 digits written like a phone number: a leading +, 00 or 0, and no date."""
    return any(_phone_like(match.group()) for match in _PHONE.finditer(text))


PATTERNS: Mapping[str, Callable[[str], bool]] = {
    "e-mail addresses": has_email,
    "phone numbers": has_phone,
    "IBANs": has_iban,
    "card numbers": has_card,
}


def iban_valid(number: str) -> bool:
    """The checksum of an IBAN without blanks: moved and spelled in digits, it is 1 modulo 97."""
    if not re.fullmatch(r"[A-Z]{2}\d{2}[A-Z0-9]{11,30}", number):
        return False
    return int("".join(str(int(char, 36)) for char in number[4:] + number[:4])) % 97 == 1


def luhn_valid(digits: str) -> bool:
    """The Luhn check: every second digit from the right doubled, the digit sums divisible by 10."""
    doubled = [int(d) * (1 + position % 2) for position, d in enumerate(reversed(digits))]
    return len(digits) > 1 and any(doubled) and sum(d - 9 if d > 9 else d for d in doubled) % 10 == 0


def _iban_in(found: str) -> bool:
    """Words after an IBAN may have been matched with it; so shorter readings are tried as well."""
    parts = found.split(" ")
    return any(iban_valid("".join(parts[:count])) for count in range(1, len(parts) + 1))


def _phone_like(found: str) -> bool:
    digits = re.sub(r"\D", "", found)
    return 8 <= len(digits) <= 17 and len(set(digits)) > 1 and not _DATE.match(found)
