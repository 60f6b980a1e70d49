"""People in the tables of a BIDS data set: participants.tsv, sessions.tsv and their JSON sidecars.

A row is of a participant or, with a session, of one examination: participants.tsv may have a row a session (column
session, session_id, visit, ...), sub-*/sub-*_sessions.tsv always has. An examination has what its participant's row
says, and over that what its own row says; never what another session's row says. Ages become years by the unit that
the sidecar (`Units`, else the words of `Description`), the name of the column or the value itself ("089Y") names.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from selip.cohorts.importing.file_layout import Listing, find_tables, read_json, read_table, years, years_per
from selip.data.tables import is_placeholder
from selip.system.errors import InputError, counted, listed

USED = ("age", "site", "center", "diagnosis", "group")
SESSION_COLUMNS = ("session_id", "session", "ses_id", "ses")
VISIT_COLUMNS = ("visit_id", "visit", "timepoint", "wave")  # sessions only where a participant has several rows
_TABLE = re.compile(r"(?:^|/)(?:(?P<person>sub-[^/_]+)_)?(?P<kind>participants|sessions)\.tsv$", re.IGNORECASE)

RowKey = tuple[str, str]
"""Participant ("sub-01") and session ("1", or "" for all of them) in lower case, the session without leading zeros."""


@dataclass(frozen=True)
class People:
    """Rows of the tables.

    Attributes:
        rows: Key -> column of USED -> value; "age" in years, "" for what is unknown or told in two ways.
        problems: What was not understood, one line each.
    """

    rows: Mapping[RowKey, Mapping[str, str]]
    problems: tuple[str, ...] = ()

    def of(self, case: str) -> dict[str, str]:
        """Facts that are known of an examination ("sub-01", "sub-01_ses-1"), {} without a row."""
        return {
            column: value
            for key in self._keys(case)
            for column, value in self.rows[key].items()
            if value or key == self._keys(case)[0]
        }

    def without_examination(self, cases: Sequence[str]) -> list[str]:
        """A line that names and counts the rows of none of the examinations `cases`."""
        used = {key for case in cases for key in self._keys(case)}
        idle = [_case(key) for key in self.rows if key not in used]
        return [f"{counted(idle, 'row')} of a participant or session that is not here ({listed(idle)})"] * bool(idle)

    def without_row(self, cases: Sequence[str]) -> list[str]:
        """A line that names and counts the examinations without a row, where there are rows at all."""
        bare = [case for case in cases if self.rows and not self._keys(case)]
        return [f"{counted(bare, 'examination')} without a row in participants.tsv ({listed(bare)})"] * bool(bare)

    def _keys(self, case: str) -> list[RowKey]:
        """Keys of the rows of an examination, the participant's first; without a session, of the only session."""
        person, _, session = case.lower().partition("_")
        keys = [key for key in dict.fromkeys([(person, ""), (person, _session(session))]) if key in self.rows]
        return keys or ([] if session else _only(key for key in self.rows if key[0] == person))


def read_people(listing: Listing) -> People:
    """Rows of all tables of participants and sessions in a listing, their columns USED alone.

    Raises:
        InputError: A table or a sidecar cannot be read, or a table does not name its participants.
    """
    said: defaultdict[RowKey, defaultdict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    problems: list[str] = []
    for path in find_tables(listing, _TABLE.pattern):
        match = _TABLE.search(path.as_posix())
        person, kind = (match["person"] or "", match["kind"].lower()) if match else ("", "")
        found = _keyed(path, person, kind)
        problems += _to_years([row for _, row in found], listing, path, kind)
        for key, row in found:
            for column in USED:
                said[key][column] |= {row.get(column, "")} - {""}
    for key, columns in said.items():
        at_odds = [column for column, values in columns.items() if len(values) > 1]
        problems += [f"{_case(key)}: its rows disagree about {', '.join(at_odds)}, left empty"] if at_odds else []
    return People(
        {key: {name: _sole(values) for name, values in row.items()} for key, row in said.items()}, (*problems,)
    )


def _keyed(path: Path, person: str, kind: str) -> list[tuple[RowKey, dict[str, str]]]:
    """Each row of a table with its key, placeholders emptied."""
    table = [
        {column: "" if is_placeholder(value) else value for column, value in row.items()} for row in read_table(path)
    ]
    names = [person.lower() or _person(row.get("participant_id", "")) for row in table]
    if not all(names):
        raise InputError(
            f"got {path} with a row without participant_id; allowed: one in each row; fill it in, or remove the row"
        )
    counts = Counter(names)
    keyed = []
    for name, row in zip(names, table, strict=True):
        columns = SESSION_COLUMNS + (VISIT_COLUMNS if counts[name] > 1 or kind == "sessions" else ())
        keyed.append(((name, _session(next((row[column] for column in columns if row.get(column)), ""))), row))
    return keyed


def _to_years(rows: Sequence[dict[str, str]], listing: Listing, path: Path, kind: str) -> list[str]:
    """Puts years into "age" of each row, and lines about a unit and ages that are not understood."""
    columns = [column for row in rows[:1] for column in row if column == "age" or re.match(r"age\W|age_", column)]
    if not columns:
        return []
    column = min(columns, key=len)
    words = _unit_words(listing, column, kind)
    per_unit, lost = years_per(words), []
    for row in rows:
        said, row["age"] = row[column], years(row[column], per_unit) if per_unit else ""
        lost += [repr(said[:20])] if said and not row["age"] else []
    if not per_unit:
        return [f"ages of {path.name} left empty, their unit {words[:40]!r} is none of years, months, weeks, days"]
    return [f"{counted(lost, 'value')} of {column} in {path.name} no age, left empty ({listed(lost)})"] if lost else []


def _unit_words(listing: Listing, column: str, kind: str) -> str:
    """The words that name the unit of a column of ages."""
    for path in find_tables(listing, rf"(?:^|/|_){kind}\.json$"):
        sidecar = read_json(path)
        entry = next((value for name, value in _items(sidecar) if name.strip().lower() == column), None)
        told: dict[str, Any] = {name.lower(): value for name, value in _items(entry)}
        if words := str(told.get("units") or told.get("unit") or ""):
            return words
        if stated := re.search(r"\bin (?:\w+ )?(months|weeks|days)\b", str(told.get("description", "")), re.IGNORECASE):
            return stated[1]
    named = re.search(r"month|week|day", column)
    return named[0] if named else "years"


def _items(value: Any) -> Iterable[tuple[str, Any]]:  # noqa: ANN401 (whatever JSON can hold)
    return value.items() if isinstance(value, dict) else ()


def _only(keys: Iterable[RowKey]) -> list[RowKey]:
    found = [*keys]
    return found if len(found) == 1 else []


def _sole(values: set[str]) -> str:
    return min(values) if len(values) == 1 else ""


def _person(name: str) -> str:
    return "sub-" + name.lower().removeprefix("sub-") if name else ""


def _session(name: str) -> str:
    plain = name.lower().removeprefix("ses-")
    return plain.lstrip("0") or "0" if plain.isdecimal() else plain


def _case(key: RowKey) -> str:
    return "_ses-".join(filter(None, key))
