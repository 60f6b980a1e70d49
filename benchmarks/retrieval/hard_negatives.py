"""Hard negatives: the true text of a volume with one thing about it made false.

Each edit leaves every other word as it was, and clauses in their canonical order, so that only the meaning tells the
two texts apart. A text that an edit cannot change (no side word, no polarity, one finding only) has no such negative.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from benchmarks.retrieval.gallery_ranking import exact_steps
from benchmarks.retrieval.text_bank import TextBank
from selip.data.findings import Clause, findings_text, flip_text, parse_findings_text
from selip.system.arrays import FloatArray, IntArray

_OPPOSITE = MappingProxyType(
    {"high": "low", "long": "short", "increased": "decreased", "bright": "dark", "hyper": "hypo"}
)
_SWAPPED = MappingProxyType({**_OPPOSITE, **{low: high for high, low in _OPPOSITE.items()}})
# A hyphen ends no polarity word ("high-grade"), and hyper- is one only of intensity ("hypothalamus").
_WORDS = r"(?:high|low|long|short|increased|decreased|bright|dark)(?![\w-])|hyp(?:er|o)(?=-?(?:intens|dens|signal))"
_POLARITY = re.compile(rf"\b(?:{_WORDS})", re.IGNORECASE)


def swap_side(text: str) -> list[str]:
    """The text with left and right exchanged."""
    return _changed(text, [flip_text(text)])


def swap_polarity(text: str) -> list[str]:
    """The text with high and low signal (long and short, hyper- and hypo-) exchanged; locations stay as they are."""
    clauses = parse_findings_text(text)
    if _is_canonical(text, clauses):
        swapped = findings_text(Clause(clause.location, _swap_words(clause.signal)) for clause in clauses)
        return _changed(text, [swapped])
    return _changed(text, [_swap_words(text)])


def remove_finding(text: str) -> list[str]:
    """The texts with one clause left out, one for each clause; none when there is only one clause.

    A text that is not in clause form is taken as sentences.
    """
    clauses = parse_findings_text(text)
    if len(clauses) < 2:
        return []
    kept = [[other for other in clauses if other != clause] for clause in clauses]
    if _is_canonical(text, clauses):
        return _changed(text, [findings_text(rest) for rest in kept])
    return _changed(text, [". ".join(_sentence(clause) for clause in rest) + "." for rest in kept])


EDITS: Mapping[str, Callable[[str], list[str]]] = MappingProxyType(
    {
        "hard_negative_side": swap_side,
        "hard_negative_polarity": swap_polarity,
        "hard_negative_removed": remove_finding,
    }
)


def _is_canonical(text: str, clauses: tuple[Clause, ...]) -> bool:
    return findings_text(clauses) == text


def win_rates(
    texts: Sequence[str], volumes: npt.NDArray, bank: TextBank, frequency: Counter[str]
) -> dict[str, FloatArray]:
    """Share of its edits that the true text of each item beats; a tie is no win.

    Args:
        texts: (N,) true text of each item.
        volumes: (N, E) embeddings of the items.
        bank: Embeddings of the texts and their edits.
        frequency: Text to its number of training volumes, empty when unknown. It gives the majority answer, blind to
            the volume: the text that training has more often wins.

    Returns:
        For each of EDITS, and with "/chance" and "/majority", (N,) shares of edits beaten; NaN where there is no edit.
    """
    columns = {}
    for name, edit in EDITS.items():
        pairs = [(item, text, other) for item, text in enumerate(texts) for other in edit(text)]
        item = np.array([pair[0] for pair in pairs], dtype=np.intp)
        true, edited = [pair[1] for pair in pairs], [pair[2] for pair in pairs]
        won = exact_steps(volumes[item], bank.of(true)) > exact_steps(volumes[item], bank.of(edited))
        commoner = np.array([frequency[a] > frequency[b] for a, b in zip(true, edited, strict=True)], dtype=bool)
        columns[name] = _mean_by_item(won, item, len(texts))
        columns[f"{name}/chance"] = _mean_by_item(np.full(len(item), 0.5), item, len(texts))
        if frequency:
            columns[f"{name}/majority"] = _mean_by_item(commoner, item, len(texts))
    return columns


def _mean_by_item(values: npt.NDArray, item: IntArray, n_items: int) -> FloatArray:
    with np.errstate(invalid="ignore"):
        return np.bincount(item, values, n_items) / np.bincount(item, minlength=n_items)


def _sentence(clause: Clause) -> str:
    return clause.text if clause.location else clause.signal


def _changed(text: str, edited: list[str]) -> list[str]:
    return [other for other in edited if other != text]


def _swap_words(text: str) -> str:
    def swap(match: re.Match[str]) -> str:
        other = _SWAPPED[match[0].lower()]
        return other.capitalize() if match[0][0].isupper() else other

    return _POLARITY.sub(swap, text)
