"""Documents as text and passages: every kind, structure kept, and what is left out with its reason."""

from __future__ import annotations

import base64
import io
import os
import zipfile
import zlib
from pathlib import Path

import docx
import pytest
import typst

from harness.core.errors import DataError, UsageError
from harness.knowledge import documents
from harness.knowledge.documents import (
    MOST_UNPACKED,
    SkipReason,
    Source,
    UnreadableDocument,
    bytes_of,
    files_of,
    read_document,
    rows_kept,
    source_of,
)
from tests.support.workbooks import xlsx

_SEALED = (
    "eNqNUU1v00AQve+vmEuOdL+9a8nKgbaREKBGaeGCehjvzoagyK4cR2r5kxz4B/BHmBgoFuGAtZbsN++9mX2zWF+tXugL"
    "Kxbfvn/5KjQo6NtPommEXA99PiYaoFEx1Db73NqlWC4FdfnEMTPu3dMDgVzjlg5CXvbHbgQt5OtdPsAHcEzcwP1Mas+k"
    "lzjivt+Knx5w8t7MBO6fvYTc0KE/DokVXGG6fEt5hy/7R26rLtT0BnM69yfrgXiwv739zPs9GDYFK+Qb6rbjR9AmshCc"
    "qV1dBVNzebXbj5yKvB2xyzhkIW84IvKGqx4tOYrBJZsKppaK1xqDxeQomTbHyueUbXaVCZV2tQ7YlhzI8ejvoMk6BIdI"
    "JZaWsBjTltZlXbwyFZJOJrbFkecWwUd0unJK8X9VSkGlVZyv53GgIhRUQj0/UHlvPRR4xjRffqp0fzBfn2Fax3OsCmeY"
    "mWvHAXd7GqZcb3efiUeRm74fwU4LkK+60oP+9X3FC2ti8YiGczE8hcE6ec6RUozG2pJqu/wfCi/6ukvD08MI/vemDyMO"
    "4xSIC04sFtc3K/EDzFTD8A=="
)
SEALED_PDF = zlib.decompress(base64.b64decode(_SEALED))
"""An empty page behind the password 'secret'."""

EML = b"From: a@b.example\nTo: c@d.example\nSubject: Refund rule\n\nRefunds take ten days.\n"


def pdf(source: str) -> bytes:
    return bytes(typst.compile(source.encode()))


def word() -> bytes:
    paper = docx.Document()
    paper.add_heading("Leave", 1)
    paper.add_heading("Days", 2)
    table = paper.add_table(2, 2)
    for place, text in enumerate(("Country", "Days", "Ghent", "20")):
        table.cell(place // 2, place % 2).text = text
    out = io.BytesIO()
    paper.save(out)
    return out.getvalue()


def slides() -> bytes:
    """A deck of one slide, written by hand."""
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    links = "http://schemas.openxmlformats.org/package/2006/relationships"
    draw = "http://schemas.openxmlformats.org/drawingml/2006/main"
    show = "http://schemas.openxmlformats.org/presentationml/2006/main"
    types = "application/vnd.openxmlformats-officedocument.presentationml"
    parts = {
        "[Content_Types].xml": '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Override PartName="/ppt/presentation.xml" ContentType="{types}.presentation.main+xml"/>'
        f'<Override PartName="/ppt/slides/slide1.xml" ContentType="{types}.slide+xml"/></Types>',
        "_rels/.rels": f'<Relationships xmlns="{links}"><Relationship Id="r1" Type="{office}/officeDocument" '
        'Target="ppt/presentation.xml"/></Relationships>',
        "ppt/presentation.xml": f'<p:presentation xmlns:p="{show}" xmlns:r="{office}"><p:sldIdLst>'
        '<p:sldId id="256" r:id="r1"/></p:sldIdLst></p:presentation>',
        "ppt/_rels/presentation.xml.rels": f'<Relationships xmlns="{links}"><Relationship Id="r1" '
        f'Type="{office}/slide" Target="slides/slide1.xml"/></Relationships>',
        "ppt/slides/slide1.xml": f'<p:sld xmlns:p="{show}" xmlns:a="{draw}"><p:cSld><p:spTree><p:sp>'
        "<p:txBody><a:p><a:r><a:t>Snow days are free</a:t></a:r></a:p></p:txBody></p:sp></p:spTree>"
        "</p:cSld></p:sld>",
    }
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, text in parts.items():
            archive.writestr(name, text)
    return out.getvalue()


def zipped(size: int) -> bytes:
    """A word file whose body is so many bytes, which pack well."""
    out = io.BytesIO()
    with (
        zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("word/document.xml", "w") as body,
    ):
        for _ in range(size // 2**20):
            body.write(bytes(2**20))
    return out.getvalue()


def reason(name: str, data: bytes) -> SkipReason:
    with pytest.raises(UnreadableDocument) as caught:
        read_document(name, data, 800)
    return caught.value.reason


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("a.md", b"# Rule\n\nSnow days are free.\n", "Snow days are free."),
        ("a.txt", b"Snow days are free.\r\nAlways.", "Snow days are free.\nAlways."),
        ("a.HTML", b"<title>T</title><h1>Rule</h1><p>Snow days are free.", "# Rule\n\nSnow days are free."),
        ("a.csv", "Ort,Tage\nKöln,3\n".encode(), "| Ort | Tage |\n| --- | --- |\n| Köln | 3 |"),
        ("a.xlsx", xlsx({"Days": [["Place", "Days"], ["Ghent", 20]]}), "| Ghent | 20"),
        ("a.docx", word(), "| Country | Days |\n| --- | --- |\n| Ghent | 20 |"),
        ("a.pptx", slides(), "Snow days are free"),
        ("a.eml", EML, "Refunds take ten days."),
        ("a.pdf", pdf("= Rule\nSnow days are free."), "# Rule\n\nSnow days are free."),
    ],
)
def test_every_kind_gives_its_text(name: str, data: bytes, said: str) -> None:
    read = read_document(name, data, 800)
    assert said in read.text
    assert all(one.text == read.text[slice(*one.span)] for one in read.passages)
    assert {one.document for one in read.passages} == {name}


def test_no_item_of_a_nested_list_is_lost() -> None:
    text = "1. one\n2. two\n   - below two\n3. three"
    assert read_document("a.md", text.encode(), 800).text == text


def test_passages_stand_under_their_headings() -> None:
    text = "# Leave\n\nIntro.\n\n## Ghent\n\n" + "Twenty days. " * 20 + "\n\n" + "More words. " * 20
    text += "\n\n# Travel\n\n" + "Book early. " * 20
    read = read_document("a.md", text.encode(), 300).passages
    assert [(one.headings, one.text[:8]) for one in read] == [
        ((), "# Leave\n"),
        (("Leave",), "## Ghent"),
        (("Leave", "Ghent"), "More wor"),
        ((), "# Travel"),
    ]
    assert read[2].whole.startswith("Leave > Ghent\nMore words.")


def test_a_table_that_is_cut_keeps_whole_rows_and_repeats_its_head() -> None:
    rows = "".join(f"Person {n},Town {n}\n" for n in range(60))
    read = read_document("people.csv", f"name,town\n{rows}".encode(), 300).passages
    assert len(read) > 3
    head = "| name | town |\n| --- | --- |"
    assert read[0].text.startswith(head)
    assert all(one.table_head == head for one in read[1:])
    lines = [line for one in read for line in one.text.split("\n") if "Person" in line]
    assert lines == [f"| Person {n} | Town {n} |" for n in range(60)]


def test_a_long_document_is_cut_in_parts_and_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "_PART", 2_000)
    rows = "".join(f"Person {n},Town {n}\n" for n in range(500))
    read = read_document("people.csv", f"name,town\n{rows}".encode(), 300)
    lines = [line for one in read.passages for line in one.text.split("\n") if "Person" in line]
    assert lines == [f"| Person {n} | Town {n} |" for n in range(500)]
    assert all(one.table_head for one in read.passages[1:])
    words = " ".join(f"слово{n}" for n in range(3_000))
    read = read_document("a.txt", f"\n\n {words}\n".encode(), 300)
    assert " ".join(one.text for one in read.passages) == words
    assert all(one.text == read.text[slice(*one.span)] for one in read.passages)


def test_the_head_of_a_table_ends_with_it() -> None:
    rows = "".join(f"| {n} | word |\n" for n in range(40))
    text = f"| a | b |\n|---|---|\n{rows}\n" + "After it. " * 30 + "\n\n| x | y |\n|---|---|\n| 1 | 2 |\n"
    read = read_document("a.md", text.encode(), 250).passages
    after = next(one for one in read if one.text.startswith("After"))
    assert after.table_head == ""
    assert read[-1].table_head == ""


def test_rows_of_a_table_in_a_pdf_stay_apart_and_its_pages_are_told() -> None:
    cells = "".join(f"[R{n}],[Value {n}]," for n in range(5))
    text = "Words that go on and on until the line is full and turn over to the next one, as text does. " * 2
    table = f"#table(columns: 2, [Key], [Value], {cells})"
    data = pdf(f"= Rates\n{text}\n{table}\n#pagebreak()\n= Later\n{text * 4}")
    read = read_document("rates.pdf", data, 400)
    assert "Key Value\nR0 Value 0\nR1 Value 1\nR2 Value 2" in read.text
    assert " ".join(text.split()) in read.text
    begins = [(one.page, one.text.split("\n")[0]) for one in read.passages]
    assert begins[0] == (1, "# Rates")
    assert (2, "# Later") in begins


def test_rows_kept_changes_no_length() -> None:
    text = "# H\n\na b c d e f g h i j\n"
    assert rows_kept(text, "H\na b c\nd e f\ng h i j and this line is the long one\n") != text
    assert len(rows_kept(text, "a b c\nd e f\ng h i j and this line is the long one")) == len(text)
    assert rows_kept(text, "") == text


def test_ids_stay_where_other_parts_change() -> None:
    sections = [f"## Part {n}\n\n" + f"Word {n} of it. " * 20 for n in range(4)]
    before = read_document("a.md", "\n\n".join(sections).encode(), 400).passages
    sections[1] = "## Part 1\n\n" + "Other words. " * 20
    after = read_document("a.md", "\n\n".join(sections).encode(), 400).passages
    assert {one.id for one in before} - {one.id for one in after} == {before[1].id}
    assert before[3].span != after[3].span


def test_equal_passages_of_a_document_have_ids_of_their_own() -> None:
    text = "\n\n".join(["The same words again. " * 12] * 3)
    read = read_document("a.txt", text.encode(), 280).passages
    assert len({one.id for one in read}) == len(read) == 3
    assert read[1].id == f"{read[0].id}-2"


def test_spans_count_characters_in_any_script() -> None:
    text = "# Правила\n\n" + "Снежные дни свободны. " * 20 + "\n\n" + "雪の日は休み。" * 40
    read = read_document("правила-規則.md", text.encode(), 300)
    assert all(one.text == read.text[slice(*one.span)] for one in read.passages)
    assert "".join(one.text for one in read.passages).count("雪の日は休み。") >= 38


@pytest.mark.parametrize(
    ("name", "data", "expected"),
    [
        ("a.pdf", b"%PDF-1.7\n1 0 obj\n<< /Type", SkipReason.BROKEN),
        ("a.pdf", b"no pdf at all", SkipReason.BROKEN),
        ("a.docx", b"PK\x03\x04 cut off", SkipReason.BROKEN),
        ("a.docx", word()[:-400], SkipReason.BROKEN),
        ("a.pdf", SEALED_PDF, SkipReason.ENCRYPTED),
        ("a.pdf", pdf("#rect(width: 5cm, height: 5cm, fill: red)"), SkipReason.NO_TEXT),
        ("a.txt", b" \n\n", SkipReason.NO_TEXT),
        ("a.md", "Grüße".encode("cp1252"), SkipReason.ENCODING),
    ],
)
def test_what_cannot_be_read_says_why(name: str, data: bytes, expected: SkipReason) -> None:
    assert reason(name, data) is expected


def test_of_500_pages_every_passage_knows_its_own() -> None:
    pages = "#pagebreak()\n".join(f"= Rule {n}\nRule {n} allows {n} days.\n" for n in range(1, 501))
    found = read_document("rules.pdf", pdf(pages), 800)
    at = {
        number: passage.page
        for number in (1, 250, 500)
        for passage in found.passages
        if f"Rule {number} allows {number} days" in " ".join(passage.text.split())
    }
    assert at.keys() == {1, 250, 500}
    assert at[1] == 1
    assert 220 < (at[250] or 0) <= 250 and 470 < (at[500] or 0) <= 500  # a passage may begin pages before


def test_an_archive_that_unpacks_to_too_much_is_refused() -> None:
    assert reason("a.docx", zipped(MOST_UNPACKED + 2**20)) is SkipReason.UNPACKS_TOO_LARGE


def test_an_archive_that_unpacks_to_more_than_it_says_is_refused() -> None:
    small = zipped(2**20)
    lying = small.replace((2**20).to_bytes(4, "little"), (1000).to_bytes(4, "little"))
    assert lying != small
    assert reason("a.docx", lying) is SkipReason.BROKEN


def test_encodings_are_those_that_a_file_states() -> None:
    said = "Straße"
    page = f'<meta charset="iso-8859-1"><p>{said}</p>'
    assert said in read_document("a.html", page.encode("latin-1"), 800).text
    assert said in read_document("a.txt", said.encode("utf-16"), 800).text
    assert read_document("a.txt", said.encode("utf-8-sig"), 800).text == said


def test_a_file_that_changes_while_it_is_read_is_read_again_and_then_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.txt"
    path.write_text("before")
    states = iter(range(100))
    left = {"changes": 1}

    def state(stat: os.stat_result) -> tuple[int, int, int]:
        left["changes"] -= 1
        return (next(states) if left["changes"] >= 0 else 0, 0, 0)

    monkeypatch.setattr(documents, "_state", state)
    left["changes"] = 2  # the first look before and after differ, the second do not
    assert bytes_of(path, 100) == b"before"
    left["changes"] = 100
    with pytest.raises(UnreadableDocument) as caught:
        bytes_of(path, 100)
    assert caught.value.reason is SkipReason.CHANGING


def test_a_large_file_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"x" * 101)
    with pytest.raises(UnreadableDocument) as caught:
        bytes_of(path, 100)
    assert (caught.value.reason, caught.value.detail) == (SkipReason.TOO_LARGE, "101")


def test_files_of_a_folder_are_found_in_any_script_and_links_out_of_it_are_not(tmp_path: Path) -> None:
    home, outside = tmp_path / "home", tmp_path / "outside"
    for name in (
        "b.md",
        "ordner/größe.txt",
        "規則/規則.md",
        ".git/x.md",
        "~$b.docx",
        "photo.png",
        "Leer zeichen.TXT",
    ):
        path = home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("text")
    outside.mkdir()
    (outside / "secret.md").write_text("secret")
    (home / "link.md").symlink_to(outside / "secret.md")
    (home / "folder").symlink_to(outside)
    (home / "inside.md").symlink_to(home / "b.md")
    (home / "gone.md").symlink_to(home / "nowhere.md")
    found, skipped = files_of(Source(root=home.resolve()))
    assert found == ["Leer zeichen.TXT", "b.md", "inside.md", "ordner/größe.txt", "規則/規則.md"]
    assert {one.document: one.reason for one in skipped} == {
        "folder": SkipReason.OUTSIDE,
        "gone.md": SkipReason.UNREADABLE,
        "link.md": SkipReason.OUTSIDE,
        "photo.png": SkipReason.OTHER_KIND,
    }


def test_a_name_that_is_no_text_is_left_out(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"caf\xe9.md")).write_text("text")
    found, [skipped] = files_of(Source(root=tmp_path))
    assert (found, skipped.reason, skipped.document) == ([], SkipReason.NAME, "caf\\udce9.md")


def test_a_source_is_a_folder_a_file_or_a_glob(tmp_path: Path) -> None:
    for name in ("a.md", "b.txt", "sub/c.md", "odd[1].md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("text")
    names = {"": 4, "a.md": 1, "odd[1].md": 1, "*.md": 2, "**/*.md": 3, "sub/*": 1}
    assert {given: len(files_of(source_of(str(tmp_path / given)))[0]) for given in names} == names
    with pytest.raises(UsageError, match="no documents under this name"):
        source_of(str(tmp_path / "nowhere"))
    with pytest.raises(DataError, match="not there"):
        files_of(Source(root=tmp_path / "nowhere"))


def test_an_office_file_with_a_password_and_an_empty_file_say_so() -> None:
    sealed = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600) + "EncryptedPackage".encode("utf-16-le")
    assert reason("a.docx", sealed) is SkipReason.ENCRYPTED
    assert reason("a.pdf", b"") is SkipReason.NO_TEXT
