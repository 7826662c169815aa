"""Dates of birth, postal addresses and names, where the words beside them say what they are.

A date counts as one of birth after a word for it; a street with its number counts as an address where the
postcode of a country that writes it so stands with it; a name counts after a title (`Mr`, `Frau`, `Mme`), in
a salutation with one, after "my name is", or below a complimentary close. Nothing else is looked for: a name
in the middle of a sentence is not found without a language model, and those that were tried found as many
names where there were none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

Span = tuple[int, int]
"""First character and the one behind the last."""


# Dates of birth

_BORN = (
    r"d\.?o\.?b\b\.?|date of birth|birth ?date|birthday|born"
    r"|geburtsdatum|geburtstag|geboren|geb\."
    r"|date de naissance|n[ée]e?(?:\(e\))? le"
    r"|fecha de nacimiento|nacid[oa]|nac[ií]"
    r"|data di nascita|nat[oa] il"
    r"|data de nascimento|nascid[oa]|nasci"
    r"|geboortedatum|geboren op"
    r"|data urodzenia|urodzon[ya]|ur\."
    r"|född|födelsedatum|født|fødselsdato|fødselsdag|syntynyt|syntymäaika"
    r"|datum narození|narozen[áý]?|született|születési (?:idő|dátum)|data nașterii|născut[ă]?|doğum tarihi"
)
_DAY = r"(?:0?[1-9]|[12]\d|3[01])"
_YEAR = r"(?:19\d\d|20[0-2]\d)"
_DATE = (
    rf"{_DAY}(?P<dmy>[./-]) ?(?:0?[1-9]|1[0-2])(?P=dmy) ?(?:{_YEAR}|\d\d)"  # 12.3.1984, 12/03/84
    rf"|(?:0?[1-9]|1[0-2])(?P<mdy>[./-]){_DAY}(?P=mdy)(?:{_YEAR}|\d\d)"  # 03/12/1984
    rf"|{_YEAR}(?P<ymd>[./-])(?:0?[1-9]|1[0-2])(?P=ymd){_DAY}"  # 1984-03-12
    rf"|{_DAY}(?:st|nd|rd|th|er|º)?\.?(?: de| of)? [^\W\d_]{{3,10}}\.?,?(?: de| del)? {_YEAR}"
    rf"|[^\W\d_]{{3,10}}\.? {_DAY}(?:st|nd|rd|th)?,? {_YEAR}"  # March 12, 1984
)
_BIRTH = re.compile(
    rf"(?<!\w)(?:{_BORN})(?: in [^\W\d_]+)?[\s:.,=(*-]{{0,4}}"
    rf"(?:(?:is|was|on|the|am|den|le|el|op|em|a|ist|war|est|es|dnia)[\s:]+){{0,2}}(?P<date>{_DATE})(?!\d)",
    re.IGNORECASE,
)


def birth_dates(text: str) -> Iterator[Span]:
    """Dates that a word before them calls dates of birth."""
    for match in _BIRTH.finditer(text):
        yield match.span("date")


# Postal addresses: street, number and postcode as a country writes them

_GAP = r"(?:,? ?\n ?|,? )"
_PROPER = r"[A-ZÀ-ÖØ-ÞŁŚŻŽŠČ](?:[\w'’-]|\.(?= ?[A-Z]))*"
_NAME_OF = (
    rf"{_PROPER}(?: (?:(?:of|de|del|della|di|da|du|des|la|le|les|den|der|am|im|von|van) )*{_PROPER}){{0,4}}"
)
_HOUSE = r"\d{1,4} ?[a-zA-Z]?(?:[-/]\d{1,4})?"
_ADDRESSES = tuple(
    re.compile(rf"(?<![\w-]){form}(?!\w)")
    for form in (
        # Germany, Austria, Switzerland: Lindenweg 12a, 50667 Köln
        rf"(?:{_PROPER} ){{0,3}}(?=[A-ZÄÖÜ])[\w'’-]*"
        r"(?:[Ss]tra(?:ß|ss)e|[Ss]tr\.|[Ww]eg|[Pp]latz|[Aa]llee|[Gg]asse|[Rr]ing|[Dd]amm|[Uu]fer|[Hh]of)"
        rf" {_HOUSE}{_GAP}(?:(?:D|A|CH)-)?\d{{4,5}} {_NAME_OF}",
        # Netherlands: Prinsengracht 263, 1016 GV Amsterdam
        rf"{_NAME_OF} {_HOUSE}{_GAP}\d{{4}} ?[A-Z]{{2}}{_GAP}{_PROPER}",
        # United Kingdom: 10 Downing Street, London SW1A 2AA
        rf"\d{{1,4}}[a-zA-Z]? {_NAME_OF}(?:{_GAP}{_NAME_OF}){{0,3}}{_GAP}"
        r"[A-Z]{1,2}\d[A-Z\d]? \d[A-Z]{2}",
        # United States: 12 Main St, Apt 4, Springfield, IL 62701
        rf"\d{{1,5}} (?:[NSEW]\.? )?{_NAME_OF}(?:{_GAP}[\w#. ]{{1,20}})?{_GAP}{_NAME_OF}, ?"
        r"[A-Z]{2} \d{5}(?:-\d{4})?",
        # France, Belgium: 12 bis rue de la Paix, 75002 Paris
        r"\d{1,4}(?: ?(?:bis|ter|[a-dA-D]))?,? (?:[Rr]ue|[Aa]venue|[Aa]v\.|[Bb]oulevard|[Bb]d\.?|[Pp]lace|"
        rf"[Cc]hemin|[Aa]llée|[Ii]mpasse|[Qq]uai|[Rr]oute|[Cc]ours) [\w'’. -]{{2,40}}{_GAP}"
        rf"(?:[BF]-)?\d{{4,5}} {_PROPER}",
        # Spain: Calle de Alcalá 45, 2º B, 28014 Madrid
        rf"(?:[Cc]alle|[Cc]/|[Aa]venida|[Aa]vda\.?|[Pp]laza|[Pp]aseo) [\w'’. -]{{2,40}}?,? "
        rf"(?:n[º°.]? ?)?\d{{1,4}}(?:,? [\wº°ª. ]{{1,12}})?{_GAP}\d{{5}} {_PROPER}",
        # Italy: Via Roma 12, 00184 Roma
        rf"(?:[Vv]ia|[Vv]iale|[Pp]iazza|[Cc]orso|[Ll]argo) [\w'’. -]{{2,40}}?,? "
        rf"\d{{1,4}}[a-zA-Z]?{_GAP}(?:I-)?\d{{5}} {_PROPER}",
        # Poland: ul. Długa 12/3, 00-238 Warszawa
        rf"(?:ul|al|pl)\. {_NAME_OF} {_HOUSE}{_GAP}\d{{2}}-\d{{3}} {_PROPER}",
    )
)
_POSTCODE = re.compile(r"\d{4}|\d[A-Z]{2}\b|\d{2}-\d{3}")


def addresses(text: str) -> Iterator[Span]:
    """Streets with number, postcode and town."""
    if _POSTCODE.search(text) is None:
        return
    for form in _ADDRESSES:
        for match in form.finditer(text):
            yield match.span()


# Names

_UPPER, _LOWER = "A-ZÀ-ÖØ-ÞŁŚŻČŠŽ", "a-zà-öø-ÿąćęłńóśźżčěřšůž"
_PARTICLE = r"(?:von|van|de|der|den|di|da|del|du|la|le|bin|al) "
_PART = (
    rf"(?:(?!(?:Dr|Prof|Mag|Mrs?|Ms)\b)(?:O['’]|Mc|Mac|D['’])?[{_UPPER}][{_LOWER}]+"
    rf"(?:['’-][{_UPPER}][{_LOWER}]+)*)"
)
_PERSON = rf"(?:{_PART}|[A-Z]\.)(?: (?:{_PARTICLE}){{0,2}}(?:{_PART}|[A-Z]\.)){{0,3}}"
_TITLE = (
    r"(?:Mrs?|Ms|Mx|Miss|Dr|Prof)\.?|Herrn?|Frau|Monsieur|Madame|Mme|Mlle|Señora?|Sra?\.|Signora?|Sig\.ra|Sig\.|"
    r"Senhora?|Dhr\.|Mevr\.|Mevrouw|Meneer|Pani|Panie|Pan"
)
_TITLED = re.compile(
    rf"(?<!\w)(?:{_TITLE}) (?:(?:Dr|Prof)\.? )*(?P<name>(?:{_PARTICLE}){{0,2}}{_PERSON})(?!\.?\w)"
)
_CALLED = re.compile(
    r"(?<!\w)(?:[Mm]y (?:full )?name is|[Tt]his is|[Mm]ein Name ist|[Ii]ch hei(?:ß|ss)e|[Jj]e m['’]appelle|"
    r"[Mm]on nom est|[Mm]e llamo|[Mm]i nombre es|[Mm]i chiamo|[Oo] meu nome é|[Mm]e chamo|[Mm]ijn naam is|"
    rf"[Nn]azywam się) (?P<name>{_PART}(?: {_PERSON})?)(?!\.?\w)"
)
_CLOSE = (
    r"(?:(?:[Kk]ind|[Bb]est|[Ww]arm|[Ww]ith (?:kind|best)) )?[Rr]egards"
    r"|(?:[Yy]ours )?(?:[Ss]incerely|[Ff]aithfully)"
    r"|(?:[Mm]any )?[Tt]hanks|[Tt]hank you|(?:[Bb]est|[Ww]arm) wishes|[Bb]est|[Cc]heers|[Rr]espectfully"
    r"|(?:[Mm]it )?(?:[Ff]reundlichen|[Bb]esten|[Hh]erzlichen) Gr(?:ü|ue)(?:ß|ss)en"
    r"|(?:[Vv]iele|[Ff]reundliche|[Bb]este|[Ll]iebe) Gr(?:ü|ue)(?:ß|ss)e|MfG"
    r"|(?:[Bb]ien )?[Cc]ordialement|[Ss]alutations distinguées|[Mm]erci"
    r"|(?:[Uu]n )?[Ss]aludos?(?: cordiales)?|[Aa]tentamente|[Cc]ordiali saluti|[Dd]istinti saluti|[Gg]razie"
    r"|[Aa]tenciosamente|[Mm]et vriendelijke groeten?|[Pp]ozdrawiam|[Zz] poważaniem"
)
_CLOSED = re.compile(
    rf"(?:^|[\n.!?] *)(?:{_CLOSE})[,.!]? ?\n+ ?"
    rf"(?P<name>(?!(?:{_CLOSE})\b){_PART}(?: {_PERSON})?)(?= *(?:\n|$))",
    re.MULTILINE,
)
_NO_NAMES = frozenset(
    {
        "customer", "customers", "support", "service", "team", "sir", "madam", "doctor", "professor",
        "president", "the", "your", "our", "and", "kunde", "kundin", "herr", "frau", "damen", "herren",
        "kundenservice", "chairman", "speaker", "minister", "director", "direktor", "department", "manager",
        "data", "account", "company", "it", "sales", "bank", "help", "desk", "office", "hausverwaltung",
        "verwaltung", "zentrale", "einkauf", "vertrieb", "abteilung", "praxis",
    }
)  # fmt: skip


def names(text: str) -> Iterator[Span]:
    """Names of people that a title, a phrase or a complimentary close tells; then where they stand again."""
    told: dict[str, None] = {}
    for form in (_TITLED, _CALLED, _CLOSED):
        for match in form.finditer(text):
            words = match["name"].casefold().replace(".", "").split()
            if not _NO_NAMES.intersection(words):
                told.setdefault(match["name"])
                yield match.span("name")
    for name in told:
        if len(name) >= _SHORTEST_AGAIN:
            yield from (match.span() for match in re.finditer(rf"(?<!\w){re.escape(name)}(?!\w)", text))


_SHORTEST_AGAIN = 3
"""Letters of a name that is also looked for where nothing says that it is one."""
