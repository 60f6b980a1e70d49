"""Extraction by a language model behind an OpenAI-compatible endpoint.

An answer counts only when it is of the schema and every quote in it is in the report; the model is told what is wrong
with one that does not, and asked again. Valid answers go into a cache, so that a second run sends nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import TYPE_CHECKING, Any

from selip.reports.extraction.endpoint_client import (
    KEY_VARIABLE,
    Endpoint,
    EndpointError,
    ReportError,
    complete,
    connect,
)
from selip.reports.extraction.model_answer import (
    NOTHING,
    PROMPT,
    PROMPT_VERSION,
    Answer,
    AnswerError,
    extraction_of,
    read_answer,
)
from selip.reports.extraction.report_facts import Extraction
from selip.system.errors import InputError, one_line
from selip.system.files import content_hash, write_atomically

if TYPE_CHECKING:
    from openai import OpenAI

    from selip.system.progress import Report

__all__ = ["Endpoint", "extract_with_model"]

MAX_ASKS = 3

Answered = Answer | ReportError


def extract_with_model(texts: Mapping[str, str], endpoint: Endpoint, report: Report) -> dict[str, Extraction]:
    """Extractions of reports by the model at `endpoint`, in the order of `texts`.

    A text that several ids share is sent once. A report without a valid answer is absent from the result: a line names
    it and says why, and a last line counts them. The next run asks again for these alone, if there is a cache.

    `texts` are by the id of the report; a blank one is not sent.

    Raises:
        InputError: When the cache cannot be written; or when the endpoint cannot be reached or refuses the address,
            the key or the model, and has not answered yet.
        UnavailableError: When the client is not installed and something is to be sent.
    """
    ids: dict[str, list[str]] = defaultdict(list)
    for name, text in texts.items():
        ids[text].append(name)
    found: dict[str, Extraction] = {}
    failed = 0
    for text, outcome in _outcomes(list(ids), endpoint):
        if isinstance(outcome, Answer):
            found |= dict.fromkeys(ids[text], extraction_of(outcome, text))
        else:
            failed += len(ids[text])
            report.line(f"{', '.join(ids[text])}: failed: {outcome}")
        report.count("reports", len(found) + failed, len(texts), f"{failed} failed" if failed else "")
    if failed:
        report.line(f"{failed} of {len(texts)} reports failed and are left out; run again to ask for them again")
    return {name: found[name] for name in texts if name in found}


def _outcomes(texts: Sequence[str], endpoint: Endpoint) -> Iterator[tuple[str, Answered]]:
    """Each text with its answer or the reason why it has none: those of the cache first, then as they come."""
    missing = []
    for text in texts:
        answer = _cached(endpoint, text) if text.strip() else NOTHING
        if answer is None:
            missing.append(text)
        else:
            yield text, answer
    if missing:
        yield from _asked(missing, endpoint)


def _asked(texts: Sequence[str], endpoint: Endpoint) -> Iterator[tuple[str, Answered]]:
    answered = False
    with ThreadPoolExecutor(endpoint.concurrency) as pool, connect(endpoint) as client:
        futures = {pool.submit(_ask, client, endpoint, text): text for text in texts}
        try:
            for future in as_completed(futures):
                outcome = future.result()
                if isinstance(outcome, EndpointError) and not answered:
                    raise InputError(
                        f"got endpoint {endpoint.url} model {endpoint.model}: {outcome}; "
                        f"check the address (most end in /v1), the model and {KEY_VARIABLE}"
                    ) from outcome
                answered = answered or not isinstance(outcome, EndpointError)
                yield futures[future], outcome
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _ask(client: OpenAI, endpoint: Endpoint, text: str) -> Answered:
    """A valid answer about `text`, kept in the cache, or the reason why there is none."""
    opening = [{"role": "system", "content": PROMPT}, {"role": "user", "content": text}]
    messages: list[Any] = opening
    problem = ""
    for _ in range(MAX_ASKS):
        try:
            content = complete(client, endpoint, messages)
            answer = read_answer(content, text)
        except ReportError as error:
            return error
        except AnswerError as error:
            problem = one_line(error)
            complaint = f"That answer is not valid: {problem}. Give the whole answer again."
            messages = [
                *opening,
                {"role": "assistant", "content": content or "-"},
                {"role": "user", "content": complaint},
            ]
        else:
            _keep(endpoint, text, answer)
            return answer
    return ReportError(f"no valid answer in {MAX_ASKS} tries; the last: {problem}")


def _cache_file(cache: Path, endpoint: Endpoint, text: str) -> Path:
    key = content_hash({"model": endpoint.model, "prompt": PROMPT_VERSION, "text": text})
    return cache / f"{key}.json"


def _cached(endpoint: Endpoint, text: str) -> Answer | None:
    if endpoint.cache is None:
        return None
    try:
        return read_answer(_cache_file(endpoint.cache, endpoint, text).read_text(encoding="utf-8"), text)
    except (OSError, ValueError):  # absent or damaged: asked for again
        return None


def _keep(endpoint: Endpoint, text: str, answer: Answer) -> None:
    if endpoint.cache is None:
        return
    try:
        write_atomically(_cache_file(endpoint.cache, endpoint, text), answer.model_dump_json())
    except OSError as error:
        raise InputError(
            f"got cache {endpoint.cache}, which cannot be written ({error.strerror}); name another folder"
        ) from error
