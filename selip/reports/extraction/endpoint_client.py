"""Talking to an OpenAI-compatible endpoint that the user names, and to no other.

There is no default address, OPENAI_BASE_URL is not read, redirects are not followed, and the key comes from the
environment variable OPENAI_API_KEY alone: it is in no field, no file and no message.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from selip.reports.extraction.model_answer import RESPONSE_FORMAT
from selip.system.errors import InputError, UnavailableError, one_line

if TYPE_CHECKING:
    from openai import APIStatusError, OpenAI
    from openai.types.chat import ChatCompletion

KEY_VARIABLE = "OPENAI_API_KEY"
MAX_CONCURRENCY = 256
MAX_CONNECT_SECONDS = 10.0
_UNUSABLE = frozenset({301, 302, 303, 307, 308, 401, 403, 404})  # the address, the key or the model is wrong


@dataclass(frozen=True)
class Endpoint:
    """An endpoint that reports are sent to.

    Attributes:
        url: Base address, as "http://localhost:8000/v1"; "/chat/completions" is added to it.
        model: Name of the model there.
        concurrency: Requests at a time, 1 to 256.
        cache: Folder of valid answers, by content hash of model, prompt and report; None keeps none. It holds quotes
            from reports: keep it as private as them.
        timeout_seconds: Longest wait for one response.
        retries: Tries after the first when the server is busy, broken or silent, with the client's backoff.

    Raises:
        InputError: When something of it is not allowed, above all when no address is given.
    """

    url: str
    model: str
    concurrency: int = 4
    cache: Path | None = None
    timeout_seconds: float = 120.0
    retries: int = 4

    def __post_init__(self) -> None:
        _check_address(self.url)
        if not self.model.strip():
            raise InputError("got no model; allowed: one that the endpoint serves; give --model NAME")
        if not 1 <= self.concurrency <= MAX_CONCURRENCY:
            raise InputError(f"got concurrency {self.concurrency}; allowed: 1 to {MAX_CONCURRENCY}; give one of these")
        if not (self.timeout_seconds > 0 and self.retries >= 0):
            raise InputError(
                f"got timeout_seconds={self.timeout_seconds} retries={self.retries}; "
                "allowed: above 0, and 0 or more; give such numbers"
            )
        if self.cache is not None and self.cache.exists() and not self.cache.is_dir():
            raise InputError(f"got cache {self.cache}, which is a file; allowed: a folder, made when absent; name one")


class ReportError(Exception):
    """Why one report has no answer; others go on."""


class EndpointError(ReportError):
    """The address, the key or the model is wrong, so that no other report will fare better."""


def connect(endpoint: Endpoint) -> OpenAI:
    """A client of the endpoint, safe to share between threads; nothing is sent yet.

    Raises:
        UnavailableError: When the client is not installed.
    """
    try:
        import openai  # here, since it is an extra and takes a second to import
    except ImportError as error:
        raise UnavailableError(
            "got an endpoint, but the client for it is not installed; run: pip install 'selip-bench[llm]'"
        ) from error
    return openai.OpenAI(
        base_url=endpoint.url.strip(),
        api_key=_key() or "none",  # local servers need none, the client insists on one
        max_retries=endpoint.retries,
        timeout=openai.Timeout(endpoint.timeout_seconds, connect=min(endpoint.timeout_seconds, MAX_CONNECT_SECONDS)),
        http_client=openai.DefaultHttpxClient(follow_redirects=False),
    )


def complete(client: OpenAI, endpoint: Endpoint, messages: list[Any]) -> str:
    """Answer of the model to `messages`, "" when it says nothing.

    Raises:
        ReportError: When there is no such answer after the client's retries.
    """
    import openai

    try:
        content = _create(client, endpoint, messages).choices[0].message.content
    except openai.APITimeoutError as error:
        raise ReportError(f"no response within {endpoint.timeout_seconds:g} s") from error
    except openai.APIConnectionError as error:
        raise EndpointError("it cannot be reached") from error
    except openai.APIStatusError as error:
        raise _status_error(error) from error
    except (openai.OpenAIError, AttributeError, IndexError, TypeError, ValueError) as error:
        # The client does not check what it was sent: an HTML page comes out of it as a str.
        raise ReportError("the response is not a chat completion") from error
    return content or ""


def _create(client: OpenAI, endpoint: Endpoint, messages: list[Any]) -> ChatCompletion:
    from openai import BadRequestError

    create = partial(
        client.chat.completions.create, model=endpoint.model, messages=messages, response_format=RESPONSE_FORMAT
    )
    try:
        return create(temperature=0)
    except BadRequestError as error:
        if "temperature" not in error.message:
            raise
        return create()  # models that reason have a temperature of their own and refuse another


def _key() -> str:
    return os.environ.get(KEY_VARIABLE, "").strip()


def _status_error(error: APIStatusError) -> ReportError:
    message = error.message.replace(_key(), "***") if _key() else error.message
    kind = EndpointError if error.status_code in _UNUSABLE else ReportError
    return kind(f"HTTP {error.status_code}: {one_line(message)}")


def _check_address(url: str) -> None:
    if not url.strip():
        raise InputError(
            "got no endpoint; reports are private and are sent nowhere by default; "
            "give the address, as --endpoint http://localhost:8000/v1"
        )
    try:
        parts = urlsplit(url.strip())
        host, _ = parts.hostname, parts.port
    except ValueError:
        host, parts = None, urlsplit("")
    if parts.username is not None or parts.query or parts.fragment:
        raise InputError(
            f"got an endpoint with a user or a query in its address; allowed: http(s)://HOST[:PORT]/PATH; "
            f"give a key in the environment variable {KEY_VARIABLE}"
        )
    if parts.scheme not in ("http", "https") or not host:
        raise InputError(
            f"got endpoint {url!r}; allowed: http(s)://HOST[:PORT]/PATH; give one, as http://localhost:8000/v1"
        )
