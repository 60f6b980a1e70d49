"""The language of a text, as far as its script and its commonest words tell."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

import yaml

OTHER, UNTOLD = "other", ""
OTHER_SHARE = 0.2  # of the letters: a Greek one now and then is no other script
HAN_SHARE = 0.15  # of the letters: reports in Chinese name contrasts and drugs in Latin letters
_HAN, _KANA = re.compile(r"[\u3400-\u9fff]"), re.compile(r"[\u3041-\u30ff]")
_LATIN = re.compile(r"[a-zA-ZÀ-ɏ]")
_WORD = re.compile(r"[a-zà-ɏ]{2,}")


def language_of(text: str) -> str:
    """Language of a text: a key of languages.yaml, "zh", "ja", OTHER, or UNTOLD where no word tells."""
    told = _told(text)
    return told[0] if len(told) == 1 else OTHER if OTHER in told else UNTOLD


def is_foreign(text: str, language: str) -> bool:
    """True when a text is plainly in another language than `language`."""
    return language_of(text) not in {UNTOLD, language}


def is_of_known_language(text: str) -> bool:
    """True when script or words tell a language whose side words are known, or there is no letter at all."""
    told = _told(text)
    return (bool(told) and OTHER not in told) or not any(map(str.isalpha, text))


def _told(text: str) -> list[str]:
    """The languages that most speaks for, by script, by words of evidence, or by words of English reports alone."""
    letters = sum(map(str.isalpha, text))
    han = len(_HAN.findall(text)) + len(_KANA.findall(text))
    if letters - len(_LATIN.findall(text)) - han > OTHER_SHARE * letters:
        return [OTHER]
    if han > HAN_SHARE * letters:
        return ["ja" if _KANA.search(text) else "zh"]
    found = words_of(text)
    counts = {name: len(found & some) for name, some in _evidence().items()}
    most = max(counts.values())
    if most:
        return [name for name, count in counts.items() if count == most]
    return ["en"] if found and found <= _vocabulary() else []


def words_of(text: str) -> frozenset[str]:
    """Words of two or more Latin letters, in small letters."""
    return frozenset(_WORD.findall(text.lower()))


@cache
def _evidence() -> Mapping[str, frozenset[str]]:
    return {name: frozenset(words) for name, words in _read(files("selip.data") / "languages.yaml").items()}


@cache
def _vocabulary() -> frozenset[str]:
    """Words of the phrases that the English reader knows."""
    words = words_of(" ".join(_strings(_read(files("selip.reports.extraction") / "wording" / "en.yaml"))))
    return words | {f"{word}s" for word in words}


def _strings(data: Any) -> Iterator[str]:  # noqa: ANN401 (what YAML holds)
    if isinstance(data, str):
        yield data
    elif isinstance(data, Mapping):
        for key, value in data.items():
            yield from (*_strings(key), *_strings(value))
    elif isinstance(data, list):
        for value in data:
            yield from _strings(value)


def _read(file: Traversable) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(file.read_text(encoding="utf-8"))
    return found
