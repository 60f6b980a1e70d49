"""The one reader of tables: CSV and TSV files as people have them, read strictly or refused in a line.

UTF-8 with or without a byte-order mark; commas, semicolons or tabs, whichever the header has most of (a line `sep=;`
before it decides, as spreadsheets write it). Names of columns lose their letter case, values the space around them.
A row with other than the header's number of fields, and a column that occurs twice, refuse the table. Rows and
nameless columns that hold nothing are no part of it.
"""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from selip.system.errors import InputError

DELIMITERS = (",", ";", "\t")
_NAMED_DELIMITER = re.compile(r"sep=([,;\t|])\r?\n", re.IGNORECASE)
_PLACEHOLDERS = {
    "nan", "none", "null", "nil", "na", "n/a", "n.a", "nat", "nd", "n.d", "k.a", "void", "empty", "blank", "missing",
    "unknown", "unavailable", "undefined", "pending", "tbd", "not available", "not applicable", "not reported",
    "not provided", "not known", "no report", "no text", "no data", "no report available",
    "report not available", "report unavailable", "report pending", "see report", "see above", "as above",
    "same as above", "无", "未知", "暂无",
}  # fmt: skip
_NO_REPORT_WORDS = frozenset({
    "report", "text", "a", "the", "is", "was", "this", "study", "no", "not", "yet", "none", "available",
    "unavailable", "pending", "awaiting", "awaited", "to", "follow", "follows", "dictated", "reported",
    "unreported", "done", "performed", "see", "attached", "attachment", "pacs", "ris", "above", "below",
    "previous", "prior", "earlier", "before", "previously", "as", "same", "cancelled", "canceled", "redacted",
    "withheld", "draft", "test", "tba", "tbd", "dummy", "sample", "placeholder", "left", "blank", "error",
    "ref", "value", "siehe", "oben", "keine", "angabe", "befund", "folgt",
})  # fmt: skip
_SIGNS = " .,;:!?#\"'()[]{}<>*_-–—"


@dataclass(frozen=True)
class FileTable:
    """A table with a header: names of columns in lower case, and each row that holds anything, by column.

    `numbers` count rows as a spreadsheet does: the header is row 1.
    """

    path: Path
    columns: tuple[str, ...]
    rows: tuple[dict[str, str], ...]
    numbers: tuple[int, ...]


def read_table(path: Path) -> FileTable:
    """The table in a file; raises InputError when the file is no such table; the line names the row or the column."""
    return parse_table(read_utf8(path), path)


def parse_table(text: str, path: Path) -> FileTable:
    """The table in the text of `path`, see the module; raises InputError when it is none."""
    records = [[field.strip() for field in record] for record in _records(text, path)]
    numbered = [(number, record) for number, record in enumerate(records, start=1) if any(record)]
    _, header = numbered[0] if numbered else (1, [])
    _check_widths(numbered, len(header), path)
    named = [k for k, name in enumerate(header) if name or any(record[k] for _, record in numbered)]
    columns = tuple(_visible(unicodedata.normalize("NFKC", header[k])).strip().lower() for k in named)
    _check_once(columns, path)
    rows = tuple({column: record[k] for column, k in zip(columns, named, strict=True)} for _, record in numbered[1:])
    return FileTable(path, columns, rows, tuple(number for number, _ in numbered[1:]))


def read_utf8(path: Path) -> str:
    """Content of a UTF-8 text file without a byte-order mark.

    Raises:
        InputError: It cannot be read, or is no text.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        reason = f"not UTF-8 at byte {error.start}"
        raise InputError(f"got {path}, no table or text ({reason}); allowed: UTF-8; save it as that") from error
    except (OSError, ValueError) as error:
        raise InputError(f"got {path}, no table or text ({error}); allowed: a file; check the path") from error
    if "\0" in text:
        raise InputError(f"got {path}, no table or text (it has NUL bytes); allowed: UTF-8; export it again as that")
    return text


def is_placeholder(text: str) -> bool:
    """True when a text stands for no value: empty, signs alone ("-", "..."), or a word as "nan" or "unknown"."""
    words = " ".join(unicodedata.normalize("NFKC", text).casefold().split()).replace(" / ", "/").strip(_SIGNS)
    return not any(character.isalnum() for character in words) or words in _PLACEHOLDERS


def is_no_report(text: str) -> bool:
    """True when a text is no report: a placeholder ("report to follow", "xxx"), or without any letter ("0")."""
    words = re.findall(r"[^\W_]+", text.casefold())
    if not any(character.isalpha() for character in text):
        return True
    told = is_placeholder(text) or _NO_REPORT_WORDS.issuperset(words)
    return told or (len({*"".join(words)}) == 1 and len("".join(words)) > 1)


def id_key(name: str) -> str:
    """An id without what people and programs change in it: letter case, Unicode form, dashes, space, zeros around."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    visible = re.sub(r"(?<=\d)\.0+$", "", " ".join(_visible(folded).split()))  # "1.0" is how a number is written
    return re.sub(r"\d+", lambda digits: digits[0].lstrip("0") or "0", visible)


def _visible(text: str) -> str:
    """A text without signs that nobody sees, and with one dash for all."""
    kinds = ((character, unicodedata.category(character)) for character in text)
    return "".join("-" if kind == "Pd" else character for character, kind in kinds if kind != "Cf")


def _records(text: str, path: Path) -> list[list[str]]:
    """Fields of each record; the delimiter is the one that the first has most of."""
    told = _NAMED_DELIMITER.match(text)
    if told:
        text = text[told.end() :]
    try:
        delimiter = told[1] if told else max(_by_suffix(path), key=lambda each: _width(text, each))
        return list(_reader(text, delimiter))
    except csv.Error as error:
        raise InputError(
            f"got {path}, no table, not CSV ({error}); allowed: CSV with a header; export it again"
        ) from error


def _reader(text: str, delimiter: str) -> Iterator[list[str]]:
    return csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)


def _width(text: str, delimiter: str) -> int:
    """Fields of the first record that is not blank, 0 where this delimiter cannot read it."""
    try:
        return len(next(filter(None, _reader(text, delimiter)), []))
    except csv.Error:
        return 0


def _by_suffix(path: Path) -> Sequence[str]:
    """The delimiters, first the one that the name of the file promises."""
    return DELIMITERS[::-1] if path.suffix.lower() in {".tsv", ".tab"} else DELIMITERS


def _check_widths(numbered: Sequence[tuple[int, Sequence[str]]], width: int, path: Path) -> None:
    wrong = [(number, len(record)) for number, record in numbered if len(record) != width]
    if wrong:
        number, size = wrong[0]
        more = f" (and {len(wrong) - 1} more such rows)" if len(wrong) > 1 else ""
        raise InputError(
            f"got {path}, row {number} with {size} fields{more}; allowed: {width}, as the header; mend it, or put "
            "texts with a delimiter in quotes"
        )


def _check_once(columns: Sequence[str], path: Path) -> None:
    twice = [name for name, count in Counter(columns).items() if count > 1]
    if twice:
        names = ", ".join(f"column {name[:30]!r} twice" for name in twice[:4])
        raise InputError(f"got {path} with {names}; allowed: each once, letter case aside; rename or remove columns")
