"""The reader of tables: what spreadsheets and programs write reads alike, what is torn or doubtful is refused."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from selip.data.tables import id_key, is_no_report, is_placeholder, parse_table, read_table
from selip.system.errors import InputError

HERE = Path("t.csv")
PLACEHOLDERS = (
    *(
        "",
        " ",
        "nan",
        "NaN",
        "N/A",
        "n/a",
        "N / A",
        "#N/A",
        "<NA>",
        "NA",
        "n.a.",
        "None",
        "none.",
        "NULL",
        "null",
        "nil",
    ),
    *(
        "-",
        "--",
        "---",
        "–",
        "—",
        ".",
        "...",
        "?",
        "*",
        "/",
        "unknown",
        "Unknown.",
        "(unknown)",
        "[none]",
        "'nan'",
        "missing",
    ),
    *("not available", "Not  Available", "no report", "No report available.", "pending", "TBD", "Ｎ／Ａ", "\xa0", "无"),
)


def fields_of(table):
    return [table.columns, *(tuple(row.values()) for row in table.rows)]


cells = st.text(st.characters(codec="utf-8", exclude_characters="\0\r", exclude_categories=("Cs",)), max_size=8)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(rows=st.lists(st.tuples(cells, cells, cells), max_size=5), delimiter=st.sampled_from(",;\t"), bom=st.booleans())
def test_what_a_writer_writes_is_read_back_whatever_the_delimiter(rows, delimiter, bom, tmp_path_factory):
    stream = io.StringIO()
    csv.writer(stream, delimiter=delimiter).writerows([(" Study", "REPORT", "x "), *rows])
    path = tmp_path_factory.getbasetemp() / "written.csv"
    path.write_bytes(stream.getvalue().encode("utf-8-sig" if bom else "utf-8"))
    table = read_table(path)
    stripped = [tuple(cell.strip() for cell in row) for row in rows]
    assert fields_of(table) == [("study", "report", "x"), *(row for row in stripped if any(row))]


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("sep=;\na;b\n1,5;2\n", [("a", "b"), ("1,5", "2")]),
        ("a,b;c\n1,2;3\n", [("a", "b;c"), ("1", "2;3")]),
        ('"a;b";"c,d,e"\n1;2\n', [("a;b", "c,d,e"), ("1", "2")]),
        ("report\nno delimiter here\n", [("report",), ("no delimiter here",)]),
        ("\n\na,b\n\n1,2\n,\n \n", [("a", "b"), ("1", "2")]),
        ("a,b,\n1,2,\n", [("a", "b"), ("1", "2")]),
        (",a\n0,1\n", [("", "a"), ("0", "1")]),
    ],
)
def test_delimiters_blank_lines_and_nameless_columns(text, fields):
    assert fields_of(parse_table(text, HERE)) == fields


def test_a_tsv_prefers_tabs_and_rows_are_numbered_as_a_spreadsheet_does():
    table = parse_table("a\tb,c\n\n1\t2\n\n3\t4\n", Path("t.tsv"))
    assert (table.columns, table.numbers) == (("a", "b,c"), (3, 5))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("study,report\n1,a\n2,High signal, left thalamus\n3,b\n", "row 3 with 3 fields; allowed: 2"),
        ("study,report\n1,a,b\n\n2\n", r"row 2 with 3 fields \(and 1 more such rows\); allowed: 2"),
        ("report\nHigh signal, left\n", "row 2 with 2 fields; allowed: 1"),
        ("a;b\n1;2;3\n", "row 2 with 3 fields; allowed: 2"),
        ("a,b,a\n1,2,3\n", "column 'a' twice"),
        ("Report,study,report \n1,2,3\n", "column 'report' twice"),
        (",a,\n1,2,3\n", "column '' twice"),
        ('a,b\n"1,2\n', "not CSV"),
    ],
)
def test_a_torn_table_is_refused_in_one_line(text, words):
    with pytest.raises(InputError, match=rf"got t\.csv.*{words}.*\Z") as caught:
        parse_table(text, HERE)
    assert "\n" not in str(caught.value)
    assert "; allowed: " in str(caught.value)


@pytest.mark.parametrize("content", [b"a,b\n1,\xff\n", b"\xff\xfea\0", b"a,b\n1,\0\n", None])
def test_what_is_no_text_is_refused_in_one_line(tmp_path, content):
    if content is not None:
        (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(InputError, match=r"\Agot [^\n]*t\.csv, no table or text[^\n]*; allowed: [^\n]*\Z"):
        read_table(tmp_path / "t.csv")


@pytest.mark.parametrize("name", ["Report", "report\u200b", "ｒｅｐｏｒｔ", "\ufeffreport", "report\xa0"])
def test_a_column_is_named_whatever_its_letters_look_like(name):
    assert parse_table(f"study,{name}\na,b\n", HERE).columns == ("study", "report")
    with pytest.raises(InputError, match="column 'report' twice"):
        parse_table(f"report,{name}\na,b\n", HERE)


def test_an_empty_file_is_a_table_of_nothing():
    assert fields_of(parse_table("", HERE)) == [()]


@pytest.mark.parametrize("text", PLACEHOLDERS)
def test_placeholders_are_no_report(text):
    assert is_placeholder(text)
    assert is_no_report(text)


@pytest.mark.parametrize(
    "text",
    [
        "Report to follow.",
        "xxx",
        "not yet reported",
        "See PACS",
        "as before",
        "#REF!",
        "[redacted]",
        "siehe oben",
        "TBA",
    ],
)
def test_texts_that_stand_for_a_report_are_none(text):
    assert is_no_report(text)


@pytest.mark.parametrize(
    "text",
    [
        "Normal.",
        "No change to report",
        "Left MCA",
        "See above: infarct",
        "No lesion",
        "N",
        "No abnormality",
        "Unknown lesion",
        "未见异常",
        "Nanotrauma",
        "x",
    ],
)
def test_words_are_a_report(text):
    assert not is_placeholder(text)
    assert not is_no_report(text)


@pytest.mark.parametrize("text", ["0", "1.5", "2024-01-01"])
def test_a_number_is_a_value_and_no_report(text):
    assert not is_placeholder(text)
    assert is_no_report(text)


@pytest.mark.parametrize(
    "other",
    [
        "müller-1",
        "MÜLLER-1",
        "Mu\u0308ller-1",
        "  Müller-1 ",
        "Müller-001",
        "Ｍüller-１",
        "Müller\u200b-1",
        "\ufeffMüller-1",
        "Müller–1",
        "Müller-1.0",
    ],
)
def test_spellings_of_one_id_have_one_key(other):
    assert id_key(other) == id_key("Müller-1")


def test_other_ids_have_other_keys():
    names = ["p1", "p2", "p10", "p100", "p1a", "p1-1", "p11", "q1", "p", "p0", "1", "10"]
    assert len({*map(id_key, names)}) == len(names)
    assert id_key("Straße 0") == id_key("STRASSE 000")
