"""Tables of participants and sessions: whose row an examination has, in which unit its age is, and what is nobody's."""

from __future__ import annotations

import json

import pytest

from selip.cohorts.importing.file_layout import list_files
from selip.cohorts.importing.participants import read_people
from selip.system.errors import InputError


@pytest.fixture
def read(tmp_path):
    """read({place: text, or what becomes JSON}): the people of a folder with these files."""

    def call(files):
        for place, content in files.items():
            path = tmp_path / "ds" / place
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content if isinstance(content, str) else json.dumps(content))
        return read_people(list_files(tmp_path / "ds"))

    return call


def tsv(*rows):
    return "".join("\t".join(row.split()) + "\n" for row in rows)


@pytest.mark.parametrize("column", ["session", "session_id", "Session_ID", "ses", "visit", "timepoint"])
@pytest.mark.parametrize("names", [("1", "2"), ("ses-1", "ses-2"), ("01", "02"), ("SES-1", "Ses-02")])
def test_a_row_a_session_belongs_to_that_session_alone(read, column, names):
    first, second = names
    people = read(
        {
            "participants.tsv": tsv(
                f"participant_id {column} age diagnosis",
                f"sub-01 {first} 3 control",
                f"sub-01 {second} 6 glioma",
                "sub-02 1 4 control",
            )
        }
    )
    assert (people.of("sub-01_ses-1")["age"], people.of("sub-01_ses-1")["diagnosis"]) == ("3", "control")
    assert (people.of("sub-01_ses-02")["age"], people.of("sub-01_ses-02")["diagnosis"]) == ("6", "glioma")
    assert people.of("sub-01_ses-3") == {}
    assert people.of("sub-01") == {}, "which of the two it is, nobody knows"
    assert people.problems == ()


def test_an_examination_without_a_session_has_the_row_of_the_only_one(read):
    people = read({"participants.tsv": tsv("participant_id session_id age", "sub-02 base 4")})
    assert people.of("sub-02")["age"] == "4"


def test_a_visit_is_no_session_where_everybody_has_one_row(read):
    people = read({"participants.tsv": tsv("participant_id visit age", "sub-01 3 50", "02 1 60")})
    assert [people.of(case)["age"] for case in ("sub-01_ses-1", "sub-01", "sub-02")] == ["50", "50", "60"]


def test_sessions_say_more_than_their_participant(read):
    people = read(
        {
            "participants.tsv": tsv("participant_id age site", "sub-01 50 A"),
            "sub-01/sub-01_sessions.tsv": tsv("session_id age diagnosis", "ses-1 n/a stroke", "ses-2 51 stroke"),
        }
    )
    found = [people.of(f"sub-01_ses-{number}") for number in (1, 2, 3)]
    assert [each["age"] for each in found] == ["50", "51", "50"]
    assert [each["site"] for each in found] == ["A"] * 3
    assert [each["diagnosis"] for each in found] == ["stroke", "stroke", ""]


def test_rows_that_disagree_are_not_believed_and_said(read):
    people = read(
        {
            "participants.tsv": tsv(
                "participant_id age site", "sub-01 50 A", "sub-01 60 A", "sub-01 50 A", "sub-02 7 n/a"
            )
        }
    )
    assert (people.of("sub-01")["age"], people.of("sub-01")["site"]) == ("", "A")
    assert people.problems == ("sub-01: its rows disagree about age, left empty",)


@pytest.mark.parametrize(
    ("sidecar", "ages"),
    [
        ({}, ("24", "18")),
        ({"age": {"Units": "years"}}, ("24", "18")),
        ({"age": {"Units": "months"}}, ("2", "1.5")),
        ({"Age": {"units": "Month"}}, ("2", "1.5")),
        ({"age": {"Units": "weeks"}}, ("0.46", "0.345")),
        ({"age": {"Unit": "d"}}, ("0.0657", "0.0493")),
        ({"age": {"Description": "age at scan in months"}}, ("2", "1.5")),
        ({"age": {"Description": "age in completed months", "Units": ""}}, ("2", "1.5")),
        ({"age": "months", "sex": {"Units": "months"}}, ("24", "18")),
    ],
)
def test_the_sidecar_names_the_unit_of_age(read, sidecar, ages):
    table = tsv("participant_id age", "sub-01 24", "sub-02 18")
    people = read({"participants.tsv": table, "participants.json": sidecar})
    assert tuple(people.of(case)["age"] for case in ("sub-01", "sub-02")) == ages


def test_the_unit_of_sessions_is_that_of_their_own_sidecar(read):
    people = read(
        {
            "participants.tsv": tsv("participant_id age", "sub-01 2"),
            "sub-01/sub-01_sessions.tsv": tsv("session_id age", "ses-1 24"),
            "sub-01/sub-01_sessions.json": {"age": {"Units": "months"}},
        }
    )
    assert (people.of("sub-01")["age"], people.of("sub-01_ses-1")["age"]) == ("2", "2")


@pytest.mark.parametrize(("column", "age"), [("age_months", "0.5"), ("age_in_weeks", "0.115"), ("age_at_scan", "6")])
def test_the_name_of_the_column_tells_the_unit(read, column, age):
    people = read({"participants.tsv": tsv(f"participant_id {column}", "sub-01 6")})
    assert people.of("sub-01")["age"] == age


def test_ages_are_read_as_people_write_them_and_others_are_counted(read):
    ages = ("089Y", "45,5", "90+", "006M", "n/a", "old", "-1", "40-50")
    rows = [f"sub-{number} {age}" for number, age in enumerate(ages)]
    people = read({"participants.tsv": tsv("participant_id age", *rows)})
    assert [people.of(f"sub-{number}")["age"] for number in range(len(ages))] == ["89", "45.5", "90", "0.5"] + [""] * 4
    assert people.problems == ("3 values of age in participants.tsv no age, left empty ('old', '-1', '40-50')",)


def test_an_unknown_unit_is_said_and_guesses_nothing(read):
    people = read(
        {"participants.tsv": tsv("participant_id age", "sub-01 6"), "participants.json": {"age": {"Units": "moons"}}}
    )
    assert people.of("sub-01")["age"] == ""
    assert "'moons' is none of years, months, weeks, days" in people.problems[0]


def test_rows_of_nobody_and_examinations_without_a_row_are_named_and_counted(read):
    rows = ["sub-01 1 7", "sub-01 2 8", "CON-04 1 9", *(f"sub-X{number} 1 5" for number in range(10, 22))]
    people = read({"participants.tsv": tsv("participant_id session age", *rows)})
    cases = ("sub-01_ses-1", "sub-01_ses-3", "sub-09")
    (rows_line,), (cases_line,) = people.without_examination(cases), people.without_row(cases)
    assert rows_line.startswith(
        "14 rows of a participant or session that is not here (sub-01_ses-2, sub-con-04_ses-1, "
    )
    assert rows_line.endswith("sub-x17_ses-1 and 4 more)")
    assert cases_line == "2 examinations without a row in participants.tsv (sub-01_ses-3, sub-09)"
    assert people.without_examination(["sub-01_ses-1", "sub-01_ses-2"]) != []
    nobody = read({"participants.tsv": "participant_id\n"})
    assert (nobody.without_examination(cases), nobody.without_row(cases)) == ([], [])


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("participant_id\tage\nsub-01\t4\t5\n", "row 2 with 3 fields"),
        ("participant_id\tage\tAge\nsub-01\t4\t5\n", "column 'age' twice"),
        ("id\tage\nsub-01\t4\n", "without participant_id"),
        ("participant_id\tage\nn/a\t4\n", "without participant_id"),
    ],
)
def test_a_torn_table_is_refused(read, content, words):
    with pytest.raises(InputError, match=rf"participants\.tsv.*{words}.*; allowed: "):
        read({"participants.tsv": content})
