"""Fields of a support message by rules alone: regular expressions and word lists, read off the train rows.

The floor of `evalsets/ticket-fields`: what a programmer reaches in half an hour, without a model. Lists and
patterns were written with the train split open and the test split closed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from typing import Any

PRODUCTS = {
    "Tapper": r"tapper|card ?(?:reader|machine|terminal|thing|device|gadget)|payment terminal|pin ?pad|"
    r"kartenleser|"
    r"kartending|kartenterminal|lecteurs? de carte|lettor[ei] (?:di )?cart[ae]|pos portatile|dat[aá]fonos?|"
    r"czytnik\w* kart|kaartlezer|pinautomaat|pinapparaat|betaalterminal|maquininha|leitor de cart|terminal",
    "Stikka": r"stikka|"
    r"(?:label|receipt|sticker|price tag|bon|etiketten)[ -]?(?:printer|drucker|maker|machine)|"
    r"printers?\b|drucker|imprimante|impresora|impressora|stampant\w+|drukark\w+|prijsstickers",
    "Zapp": r"zapp?|barcode|strichcode\w+|scan\w* (?:gun|contraption)|beep\w* guns?|pistolet|"
    r"(?:hand|barcode|bar code)[ -]?(?:scanner|gun|wand|held)|scanners?\b|scan gun|douchette|pistola|"
    r"lector(?:es)? de (?:códigos|mano)|lecteur de codes|skaner\w*|leitor\b",
    "Dock": r"docks?\b|dok\b|hub\b|little box|the box\b|die box|network (?:box|device|appliance)|"
    r"gr[ae]y box|scatola di rete|boîtier|coffret|"
    r"caja gris|kästchen|netzwerkbox|router",
    "Larder": r"larder|inventaire|existências|stock (?:tool|app|module|programme|list|system|keeping)|"
    r"inventory|warenwirtschaft|"
    r"gestion de stock|magazzino|voorraadprogramma|goods-in",
    "Perks": r"perks|bonus|coffee stamps|stamp booklets|regulars' app|points\b|loyalty|"
    r"points? (?:app|thing|scheme)|stamp ?cards?|stamps? app|reward|treuepunkte|stempel|"
    r"fidélité|app de sellos|bonuskarten",
    "Lantern": r"lantern|dashboard|graphs?\b|charts?\b|statistic|sales (?:overview|page)|analytics|"
    r"auswertung|"
    r"takings|evening report|report website|tableau de bord|weekgrafiek|tendances|dagoverzicht|cruscotto|"
    r"wykres\w*|panel z raportami|panel de ventas",
    "Tillo": r"tillo|\bpos\b|ipad app|ring up|ring sales up|tills?\b|cash register|register\b|kasse\b|"
    r"kassa\b|kassensystem|caisse\b|caja\b|kas[ay]\b|"
    r"programa da caixa|checkout|selling (?:app|screen)|verkaufs-app",
}
"""Names and nicknames, the most telling product first."""

NUMBERS = {
    word: value
    for value, words in enumerate(
        (
            "one un une uno una ein eine een um uma jeden",
            "two both deux dos due zwei twee dois duas dwie dwóch",
            "three trois tres tre drei drie três trzech trzy",
            "four quatre cuatro quattro vier quatro czterech",
            "five cinq cinco cinque fünf vijf pięć",
            "six seis sei sechs zes sześć",
            "seven sept siete sette sieben zeven sete",
            "eight huit ocho otto acht oito",
            "nine neuf nueve nove neun negen",
            "ten dix diez dieci zehn tien dez",
            "eleven onze once undici elf elven",
            "twelve douze doce dodici zwölf twaalf doze",
        ),
        start=1,
    )
    for word in words.split()
} | {
    "thirteen": 13,
    "fourteen": 14,
    "fifteen": 15,
    "sixteen": 16,
    "seventeen": 17,
    "twenty": 20,
    "thirty": 30,
}

PEOPLE = (
    r"people|staff|users?|colleagues?|cashiers?|managers?|pickers|volunteers|agents|members|drivers|"
    r"customers|"
    r"girls|students|receptionists|clerks|cooks|buyers|of us|leute|kolleg\w+|kunden|mitarbeiter\w*|"
    r"personnes|serveurs|vendeuses|bénévoles|personas|dependientas|camareros|persone|commesse|clienti|"
    r"mensen|medewerkers|inkopers|pessoas|colegas|empregados|operadoras|osób|osobach|kierowników|"
    r"vendedoras|mozos|chicas|expedientes|ragazzi|buyers|waitresses|barmen|drivers|guests|clerks|readers"
)

MONTHS = {
    month: number
    for number, months in enumerate(
        (
            "jan janv ene gen sty",
            "feb fév fev lut",
            "mar mär mrt maart",
            "apr avr abr kwi",
            "may mai mei mag maj mayo maio",
            "jun juin giu cze",
            "jul juil lug lip",
            "aug août ago sie",
            "sep set wrz",
            "oct okt out ott paź",
            "nov lis",
            "dec dez déc dic gru",
        ),
        start=1,
    )
    for month in months.split()
}

WEEKDAYS = {
    day: number
    for number, days in enumerate(
        (
            "monday montag lundi lunes lunedì maandag",
            "tuesday dienstag mardi martes martedì dinsdag",
            "wednesday mittwoch mercredi miércoles mercoledì woensdag",
            "thursday donnerstag jeudi jueves giovedì donderdag",
            "friday freitag vendredi viernes venerdì vrijdag",
            "saturday samstag samedi sábado sabato zaterdag soboty",
            "sunday sonntag dimanche domingo domenica zondag",
        )
    )
    for day in days.split()
}

DAYS_AGO = {
    0: r"today|this morning|tonight|just now|since breakfast|"
    r"heute|aujourd'hui|ce matin|hoy|esta mañana|oggi|stamattina|vandaag|hoje|dzisiaj",
    1: r"yesterday|last night|gestern|hier\b|ayer|ieri|gisteren|ontem|wczoraj",
    2: r"day before yesterday|vorgestern|avant-hier",
}

BEGINS = (
    r"since|since like|began|beg[ai]n on|started?|noticed|appeared|as of|was|first|from|on the|happened|"
    r"charged|debit\w*|took|seit|am|depuis|constaté|desde|"
    r"el|dal|da|il|sinds|op|od|se fue|broke|failed"
)

CURRENCIES = {
    "EUR": r"€|eur(?:os?)?\b",
    "GBP": r"£|gbp\b|pounds?\b|quid\b",
    "CHF": r"chf\b|franken\b|francs\b",
    "PLN": r"zł|pln\b",
    "USD": r"\$|usd\b|dollars\b",
    "SEK": r"sek\b",
    "DKK": r"dkk\b|kroner\b",
}

URGENCY = {
    "low": r"no (?:\w+ )?(?:rush|hurry|urgency|haste|deadline)|not (?:urgent|pressing)|whenever|can wait|"
    r"take your time|"
    r"niet? dringend|eilt (?:nicht|überhaupt)|kein stress|keine eile|rien ne presse|pas pressé|"
    r"aucune urgence|"
    r"ninguna prisa|no urge|no corre|nessuna fretta|con calma|con comodo|geen haast|haast heeft|"
    r"sem urgência|"
    r"nie jest pilna|bez pośpiechu|when you(?:'ve| have)|"
    r"(?:urgen\w+|priority|eilig|haast)\W+(?:low|no|none|nein|nee|gar)|"
    r"when it suits|als het uitkomt|à l'occasion|cuando pod|quand vous voulez|will do nicely|early enough",
    "high": r"urgent|asap|immediately|at once|right (?:now|away)|sofort|dringend|heute noch|"
    r"au plus vite|cuanto antes|urgentísimo|hoy mismo|subito|oggi stesso|entro domani|met spoed|vandaag nog|"
    r"natychmiast|jeszcze dziś|dzisiaj|within the hour|without delay|hurry|by (?:noon )?tomorrow|tmrw|"
    r"alta\b|"
    r"needed? [\w ]* today|(?:please|,) today|today,? please|rappelez vite|pour demain|bis morgen",
    "normal": r"(?:by|before) (?:the |next )?(?:\d|mon|tues|wednes|thurs|fri|satur|sun|end|weekend)|"
    r"this week|"
    r"next week|normal|medium|bis (?:ende|zum|montag|dienstag|mittwoch|donnerstag|freitag)|avant (?:le|la)|"
    r"esta semana|antes del|entro (?:il|fine|la)|deze week|volgende week|w tym tygodniu|do piątku|"
    r"within (?:a|the|two|five)|end of (?:the )?(?:week|month)",
}


def _quoted_left_out(text: str) -> str:
    """The message without the lines it quotes, unless nothing else is left."""
    own = "\n".join(line for line in text.split("\n") if not re.match(r"\s*[>|]", line))
    return own if len(own.split()) > 4 else text


def _earliest(patterns: dict[str, str], text: str) -> str | None:
    found = [
        (m.start(), name) for name, p in patterns.items() if (m := re.search(rf"(?<!\w)(?:{p})", text, re.I))
    ]
    return min(found)[1] if found else None


def _product(text: str) -> str | None:
    """A name before a nickname, the first before the others."""
    named = _earliest({name: name for name in PRODUCTS}, text)
    return named or _earliest(PRODUCTS, text)


MAJORS = {
    "Tillo": "5",
    "Tapper": "4",
    "Zapp": "3",
    "Stikka": "2",
    "Perks": "2",
    "Dock": "1 2",
    "Larder": "7",
    "Lantern": "11 12",
}
"""What the versions of a product begin with."""


def _version(text: str, product: str | None) -> str | None:
    """The last number of three parts that fits the product; without one the last of all."""
    shape = r"(?<![\d.,])(\d{1,2}\.\d{1,2}\.\d{1,2}(?:-(?:beta|rc)\d*)?)(?!\d|\.\d|-\d)"
    found = [m for m in re.finditer(shape, text) if not re.match(r"(?:[012]\d|3[01])\.\d\d\.\d\d$", m[1])]
    fitting = [m for m in found if product and m[1].split(".")[0] in MAJORS[product].split()]
    kept = fitting or ([] if product else found)
    return kept[-1][1] if kept else None


NUMBER = (
    r"(?<![\w/.-])(?:BO|W-|R-|RE |INV |ES-|FT |CH-|SE-|US-|CN-|SV-)?"
    r"(?:\d\d[-/]\d{4,6}(?:-\w\b|/F)?|\d{4}[-/]\d{2,4}|\d{6,7}(?:-\w\b)?)(?![\d/-]|\.\d)"
)
ORDER_WORD = (
    r"orders?|ordered|bestell\w*|commandes?|pedido|ordine|zamówieni\w*|encomenda|parcel|colis|pakket|"
    r"bought|package|"
    r"purchase\w*|shipped|livraison"
)
INVOICE_WORD = (
    r"invoices?|bill|rechnung\w*|rechnungsn\w*|factures?|factura|fattura|faktur\w*|factuur\w*|fatura|"
    r"statement|"
    r"document|reminder|receipt"
)


def _ids(text: str) -> dict[str, str]:
    """Order and invoice number, each number sorted by its prefix or by the word nearest before it."""
    found: dict[str, str] = {}
    for m in re.finditer(NUMBER, text):
        before = text[max(0, m.start() - 45) : m.start()]
        if re.search(
            r"\b(?:not|nicht|non|pas|wrong|customer|client|ticket|serial|ref)\W+(?:\w+\W+)?$", before, re.I
        ):
            continue
        if re.fullmatch(r"20\d\d-\d\d", m[0]):
            continue
        words = list(
            re.finditer(rf"\b(?:(?P<order>{ORDER_WORD})|(?P<invoice>{INVOICE_WORD}))\b", before, re.I)
        )
        if re.match(r"BO|W-|SV", m[0]):
            kind = "order_id"
        elif re.match(r"[A-Z]", m[0]) or m[0].endswith("/F"):
            kind = "invoice_number"
        elif words:
            kind = "order_id" if words[-1]["order"] else "invoice_number"
        else:
            kind = "order_id" if re.fullmatch(r"\d\d-\d{4}|\d{4}/\d\d|\d{6}", m[0]) else "invoice_number"
        found.setdefault(kind, m[0])
    return found


def _month(word: str) -> int | None:
    lowered = word.casefold()
    return next((MONTHS[lowered[:size]] for size in (5, 4, 3) if lowered[:size] in MONTHS), None)


def _day(year: str | None, month: int | None, day: int, received: date) -> date | None:
    """Without a year the latest such day that is not after the message."""
    try:
        if month is None:
            return None
        if year:
            return date(int(year) + (2000 if len(year) == 2 else 0), month, day)
        this = date(received.year, month, day)
        return this if this <= received else this.replace(year=received.year - 1)
    except ValueError:
        return None


def _dates(text: str, received: date) -> Iterator[tuple[int, date]]:
    for m in re.finditer(r"\b(\d{4})-(\d\d)-(\d\d)\b", text):
        if found := _day(m[1], int(m[2]), int(m[3]), received):
            yield m.start(), found
    for m in re.finditer(r"\b(\d{1,2})[./-](\d{1,2})[./-](\d{4}|\d\d)\b", text):
        if found := _day(m[3], int(m[2]), int(m[1]), received):
            yield m.start(), found
    for m in re.finditer(
        r"\b(\d{1,2})(?:st|nd|rd|th|er|\.)?(?: of| de)? ([^\W\d]{3,})\.?(?: de)?(?: (\d{4}))?", text
    ):
        if found := _day(m[3], _month(m[2]), int(m[1]), received):
            yield m.start(), found
    for back, pattern in DAYS_AGO.items():
        for m in re.finditer(rf"\b(?:{pattern})", text, re.I):
            yield m.start(), received - timedelta(back)
    for m in re.finditer(r"\b[^\W\d]+\b", text):
        if (weekday := WEEKDAYS.get(m[0].casefold())) is not None:
            yield m.start(), received - timedelta((received.weekday() - weekday) % 7 or 7)


def _incident(text: str, received: date) -> str | None:
    found = sorted((at, day) for at, day in _dates(text, received) if day <= received)
    for at, day in found:
        if re.search(rf"\b(?:{BEGINS})\W+(?:\w+\W+){{0,1}}$", text[max(0, at - 30) : at], re.I):
            return day.isoformat()
    others = [day for _, day in found if day != received]
    return others[0].isoformat() if others else None


def _amount(text: str) -> tuple[float, str] | None:
    money = r"(?<![\w/-])\d{1,3}(?:[.,'’ ]\d{3})*(?:[.,]\d{2})?(?:,[-—])?|(?<![\w/-])\d+(?:[.,]\d{2})?"
    for code, pattern in CURRENCIES.items():
        if m := re.search(rf"(?:(?:{pattern})\s?({money}))|(?:({money})\s?(?:{pattern}))", text, re.I):
            digits = re.sub(r"[ '’]|,[-—]", "", m[1] or m[2])
            whole, cents = re.fullmatch(r"(.*?)(?:[.,](\d\d))?", digits).groups()  # type: ignore[union-attr]
            plain = re.sub(r"\D", "", whole)
            return (float(f"{plain}.{cents or 0}"), code) if plain else None
    return None


def _affected(text: str) -> int | None:
    words = "|".join(NUMBERS)
    for m in re.finditer(
        rf"(?<![\d./-])\b(\d{{1,3}}(?:[.,]\d{{3}})?|{words})\b(?: [^\W\d]+)? (?:{PEOPLE})\b|\ball (\d+)",
        text,
        re.I,
    ):
        value = m[1] or m[2]
        plain = re.sub(r"\D", "", value)
        return int(plain) if plain else NUMBERS[value.casefold()]
    m = re.search(
        r"(?:affected|users?|people|concerned|staff|afectados|afetados|aantal \w+|"
        r"concernées|gênées)\W{1,3}(\d+)\b(?!\W\d)",
        text,
        re.I,
    )
    return int(m[1]) if m else None


def _contacts(text: str) -> list[str]:
    body = "\n".join(
        line for line in text.split("\n") if not re.match(r"\s*(?:from|to|cc|von|an|de)\b.*:", line, re.I)
    )
    mails = [m.rstrip(".") for m in re.findall(r"[\w.+-]+@[\w.-]+\w", body)]
    if mails:
        return mails
    ask = (
        r"(?:ask for|ring|call|who to ask|contact\w*|speak (?:to|with)|talk to|deal with|reach|phone|"
        r"kontakt|rückruf an|"
        r"sprechen sie mit|appeler|rappeler|rappelez|demandez|llamen? a|hable con|chiamate|parlatene con|"
        r"bel|"
        r"vraag naar|falar com|contacto|reply to|callback|ask|ask my deputy|pour en parler|oddzwonić do|"
        r"responder a|"
        r"referente|persona|kontakt z|wenden sie sich an|address future invoices to|let|get in touch with|"
        r"graag)"
    )
    title = r"(?:(?:[Mm]r|[Mm]rs|[Mm]s|[Dd]r|[Ff]rau|[Hh]errn?|[Hh]r|[Mm]me|[Ss]r|[Dd]oña)\.? )*"
    m = re.search(rf"(?i:{ask})\W{{1,3}}{title}([A-ZÀ-Ž][\w'-]+(?: [A-ZÀ-Ž][\w'-]+)?)", body)
    return [m[1]] if m else []


def extract(text: str, received: date) -> dict[str, Any]:
    """The fields that the rules find.

    Args:
        text: the message.
        received: the day on which it came, for dates that are told relative to it.

    Returns:
        Values by field; a field for which no rule fires is absent.
    """
    own = _quoted_left_out(text)
    finders: dict[str, Callable[[], Any]] = {
        "product": lambda: _product(own),
        "version": lambda: _version(own, _product(own)),
        "order_id": lambda: _ids(own).get("order_id"),
        "invoice_number": lambda: _ids(own).get("invoice_number"),
        "incident_date": lambda: _incident(own, received),
        "urgency": lambda: next(
            (level for level, p in URGENCY.items() if re.search(rf"\b(?:{p})", own, re.I)), None
        ),
        "affected_users": lambda: _affected(own),
        "contacts": lambda: _contacts(own) or None,
    }
    found = {name: value for name, find in finders.items() if (value := find()) is not None}
    if money := _amount(own):
        found["amount"], found["currency"] = money
    return found
