"""The question to a language model about a report, and the reading of its answer: no statement without a quote."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.resources import files
from typing import Annotated, Any, Literal

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, WithJsonSchema

from selip.reports.extraction.lexicon import lexicon
from selip.reports.extraction.report_facts import Extraction, Fact, Lesion, Place, Span
from selip.system.files import content_hash

ELSEWHERE = "elsewhere"
AREAS = lexicon("en").area
LESION_TYPES = sorted(
    yaml.safe_load((files("selip.reports.extraction") / "wording" / "en.yaml").read_text(encoding="utf-8"))["type"]
)


def _known_region(name: str) -> str:
    if name not in AREAS and name != ELSEWHERE:
        raise ValueError(f"{name!r} is no region of the schema")
    return name


RegionName = Annotated[
    str, AfterValidator(_known_region), WithJsonSchema({"type": "string", "enum": [*sorted(AREAS), ELSEWHERE]})
]
LesionType = Annotated[
    str, Field(description=f"One of these names where one fits: {', '.join(LESION_TYPES)}. Empty: not said.")
]
Quote = Annotated[str, Field(description="The words of the text that say it, copied letter by letter.")]


class _Strict(BaseModel):
    """No field may be missing or added, as the strict JSON schemas of endpoints want it."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class _Quoted(_Strict):
    quote: Quote  # the first field, so that a model looks at the text before it decides


class PlaceAnswer(_Quoted):
    """Place of a lesion."""

    side: Literal["left", "right", "bilateral", "midline", "unspecified"]
    region: RegionName


class SignalAnswer(_Quoted):
    """Signal of a lesion on one contrast."""

    contrast: Literal["T1", "T2", "FLAIR", "DWI", "ADC", "T1c"]
    polarity: Literal["low", "iso", "high", "mixed"]


class LesionAnswer(_Quoted):
    """A lesion, or several that share a description."""

    lesion_type: LesionType
    multiple: bool
    enhancement: Literal["present", "absent", "unstated"]
    places: list[PlaceAnswer]
    signals: list[SignalAnswer]


class SignAnswer(_Quoted):
    """A sign that is stated or denied."""

    kind: Literal["enhancement", "edema", "midline_shift", "ventricle_compression"]
    value: Literal["present", "absent"]


class Answer(_Strict):
    """All that a report says."""

    lesions: list[LesionAnswer]
    signs: list[SignAnswer]
    multiple: list[Quote]
    normal: list[Quote]


class AnswerError(ValueError):
    """A wrong answer; the message is one line."""


PROMPT = (files("selip.reports.extraction") / "prompt.md").read_text(encoding="utf-8")
_SCHEMA = Answer.model_json_schema()
RESPONSE_FORMAT: Any = {"type": "json_schema", "json_schema": {"name": "findings", "strict": True, "schema": _SCHEMA}}
PROMPT_VERSION = content_hash([PROMPT, _SCHEMA])
NOTHING = Answer(lesions=[], signs=[], multiple=[], normal=[])


def read_answer(content: str, text: str) -> Answer:
    """The answer in `content`, valid and with all its quotes in `text`.

    Raises:
        AnswerError: When it is not JSON, not of the schema, or quotes what `text` does not say.
    """
    try:
        answer = Answer.model_validate_json(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        raise AnswerError(f"{'.'.join(map(str, first['loc'])) or 'the answer'}: {first['msg']}") from error
    for quote in _quotes(answer):
        span_of(quote, text)
    return answer


def span_of(quote: str, text: str) -> Span:
    r"""First place in `text` of `quote`, in whole words; letter case and the width of spaces do not matter.

    Only Latin letters and digits make words (the `a` of the pattern), so that a quote may begin anywhere in Chinese.

    Raises:
        AnswerError: When it says it nowhere, or the quote is blank.
    """
    words = r"\s+".join(map(re.escape, quote.split()))
    first, last = _edge(quote.strip()[:1]), _edge(quote.strip()[-1:])
    found = re.search(f"{first}{words}{last}", text, re.IGNORECASE)
    if not words or found is None:
        raise AnswerError(f"the quote {quote!r} is not in the report")
    return found.span()


def _edge(character: str) -> str:
    return r"(?a:\b)" if character.isascii() and character.isalnum() else ""


def extraction_of(answer: Answer, text: str) -> Extraction:
    """The extraction that a valid answer about `text` stands for."""
    spans: dict[tuple[str, ...], set[Span]] = {}
    for fact, quote in _facts(answer):
        spans.setdefault(fact, set()).add(span_of(quote, text))
    return Extraction(
        text=text,
        facts=tuple(Fact(kind, tuple(values), tuple(sorted(where))) for (kind, *values), where in spans.items()),
        lesions=tuple(_lesion(lesion, text) for lesion in answer.lesions),
        normal=bool(answer.normal),
    )


def _quotes(answer: Answer) -> Iterator[str]:
    for lesion in answer.lesions:
        yield from (part.quote for part in (lesion, *lesion.places, *lesion.signals))
    yield from (sign.quote for sign in answer.signs)
    yield from (*answer.multiple, *answer.normal)


def _facts(answer: Answer) -> Iterator[tuple[tuple[str, ...], str]]:
    """Facts with their quotes: places of all lesions, signals of the main one, signs of any (present before absent)."""
    for lesion in answer.lesions:
        for place in lesion.places:
            yield ("location", place.side, AREAS.get(place.region, "other")), place.quote
    for main in answer.lesions[:1]:
        polarities = _polarities(main)
        for signal in main.signals:
            if signal.contrast in polarities and signal.contrast != "T1c":
                yield ("signal", signal.contrast, polarities[signal.contrast]), signal.quote
    present = {sign.kind for sign in answer.signs if sign.value == "present"}
    for sign in answer.signs:
        if (sign.value == "present") == (sign.kind in present):
            yield (sign.kind, sign.value), sign.quote
    for quote in answer.multiple:
        yield ("multiplicity", "multiple"), quote


def _polarities(lesion: LesionAnswer) -> dict[str, str]:
    """Contrast to polarity; two polarities on one contrast are mixed."""
    found: dict[str, set[str]] = {}
    for signal in lesion.signals:
        found.setdefault(signal.contrast, set()).add(signal.polarity)
    return {contrast: min(names) if len(names) == 1 else "mixed" for contrast, names in found.items()}


def _lesion(lesion: LesionAnswer, text: str) -> Lesion:
    return Lesion(
        places=tuple(
            Place(
                "brain" if place.region == ELSEWHERE else place.region,
                place.side,
                AREAS.get(place.region, "other"),
                (span_of(place.quote, text),),
            )
            for place in lesion.places
        ),
        signals={contrast: f"{polarity} signal" for contrast, polarity in _polarities(lesion).items()},
        lesion_type=lesion.lesion_type.strip().lower(),
        multiple=lesion.multiple,
        enhancement="" if lesion.enhancement == "unstated" else lesion.enhancement,
    )
