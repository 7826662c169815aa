"""Dates of birth, addresses and names by the words beside them, in several languages, and what is none."""

from __future__ import annotations

import pytest

from harness.privacy.detect import Kind, find


def found(text: str, kind: Kind) -> list[str]:
    return [text[one.start : one.end] for one in find(text) if one.kind is kind]


@pytest.mark.parametrize(
    ("text", "date"),
    [
        ("I was born on 12 March 1984 in Leeds", "12 March 1984"),
        ("DOB: 03/12/1984, policy 7", "03/12/1984"),
        ("date of birth is March 12, 1984.", "March 12, 1984"),
        ("geboren am 12.3.1984 in Graz", "12.3.1984"),
        ("Max, geb. 12.03.84, wohnhaft hier", "12.03.84"),
        ("Geburtsdatum: 1984-03-12", "1984-03-12"),
        ("née le 12/03/1984 à Lyon", "12/03/1984"),
        ("Date de naissance : 1er mai 1979", "1er mai 1979"),
        ("nacida el 12 de marzo de 1984", "12 de marzo de 1984"),
        ("nato il 12/03/1984", "12/03/1984"),
        ("geboortedatum 12-03-1984", "12-03-1984"),
        ("data urodzenia: 12.03.1984", "12.03.1984"),
        ("nascido em 12/03/1984", "12/03/1984"),
        ("född 1984-03-12", "1984-03-12"),
    ],
)
def test_dates_that_are_called_dates_of_birth(text: str, date: str) -> None:
    assert found(text, Kind.BIRTH_DATE) == [date]


@pytest.mark.parametrize(
    "text",
    [
        "delivered on 12 March 2024",
        "the idea was born in 2019, on a Friday",
        "seit dem 12.03.2024 geht nichts",
        "Happy birthday! Order 12.03.24 is late",
        "born to be 12/99/1984",
    ],
)
def test_other_dates_are_none(text: str) -> None:
    assert found(text, Kind.BIRTH_DATE) == []


@pytest.mark.parametrize(
    "address",
    [
        "Lindenweg 12a, 50667 Köln",
        "Zieglergasse 8\n1070 Wien",
        "Prinsengracht 263, 1016 GV Amsterdam",
        "10 Downing Street, London SW1A 2AA",
        "742 Evergreen Terrace, Springfield, IL 62704",
        "12 bis rue de la Paix, 75002 Paris",
        "Calle de Alcalá 45, 28014 Madrid",
        "Via Roma 12, 00184 Roma",
        "ul. Długa 12/3, 00-238 Warszawa",
    ],
)
def test_a_street_with_number_and_postcode_is_an_address(address: str) -> None:
    assert found(f"please send it to {address}.", Kind.ADDRESS) == [address]


@pytest.mark.parametrize(
    "text",
    [
        "Room 12, Building B, 2024 Annual Report",
        "we sold 12 Red Shirts, Size XL 12345",
        "Weg damit, 2024 Ende",
    ],
)
def test_other_numbers_beside_words_are_no_address(text: str) -> None:
    assert found(text, Kind.ADDRESS) == []


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Dear Mr O'Brien, your order", "O'Brien"),
        ("Sehr geehrte Frau Dr. von der Heide, danke", "von der Heide"),
        ("Chère Madame Béranger, merci", "Béranger"),
        ("Hola, me llamo Lucía Prieto y escribo", "Lucía Prieto"),
        ("mein Name ist Jasmin Ruckriegel, ich", "Jasmin Ruckriegel"),
        ("It broke.\n\nKind regards,\nAnil Deshpande\nHead of IT", "Anil Deshpande"),
        ("Kaputt.\n\nMit freundlichen Grüßen\nJonas Petersen", "Jonas Petersen"),
        ("Cordialement,\nMarie-Ange Collignon", "Marie-Ange Collignon"),
        ("Z poważaniem\nAgnieszka Wrona", "Agnieszka Wrona"),
        ("Gentile Signora Rizzi, grazie", "Rizzi"),
    ],
)
def test_names_that_a_title_a_phrase_or_a_close_tells(text: str, name: str) -> None:
    assert found(text, Kind.NAME) == [name]


def test_a_name_that_is_told_once_is_found_wherever_else_it_stands() -> None:
    text = "Mrs Blom wrote. Blom rang again. The bloom is gone.\nRegards,\nAnna Krog\nanna krog"
    assert found(text, Kind.NAME) == ["Blom", "Blom", "Anna Krog"]


@pytest.mark.parametrize(
    "text",
    [
        "Dear Customer Support, thanks",
        "Dear Sir or Madam,",
        "Kind regards,\nYour Support Team",
        "Regards,\n\nSent from my phone",
        "Thanks\nfor nothing",
        "Mr President, members",
        "I met Anna yesterday",  # nothing says that it is a name
    ],
)
def test_what_is_not_told_is_no_name(text: str) -> None:
    assert found(text, Kind.NAME) == []
