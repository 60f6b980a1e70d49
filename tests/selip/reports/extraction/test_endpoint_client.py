"""Where reports are sent and where not, and what becomes of a server that does not serve."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from selip.reports.extraction.endpoint_extractor import Endpoint, extract_with_model
from selip.system.errors import InputError, UnavailableError
from selip.system.progress import Report

spec = importlib.util.spec_from_file_location("completion_server", Path(__file__).with_name("completion_server.py"))
local = importlib.util.module_from_spec(spec)
spec.loader.exec_module(local)
GOOD, KEY, OTHER, TEXT, ask, completion, refusal, server = (
    local.GOOD,
    local.KEY,
    local.OTHER,
    local.TEXT,
    local.ask,
    local.completion,
    local.refusal,
    local.server,
)


@pytest.mark.parametrize("first", [refusal(429), refusal(500), refusal(503)])
def test_a_busy_or_broken_server_is_asked_again(server, first):
    server.replies(first, first, completion(GOOD))
    found, heard = ask(server, {"a": TEXT})
    assert list(found) == ["a"]
    assert len(server.requests) == 3
    assert heard.lines == []


def test_a_model_that_refuses_a_temperature_is_asked_without(server):
    server.reply = lambda request: (
        refusal(400, "'temperature' does not support 0") if "temperature" in request else completion(GOOD)
    )
    found, _ = ask(server, {"a": TEXT})
    assert list(found) == ["a"]
    assert [request.get("temperature") for request in server.requests] == [0, None]


@pytest.mark.parametrize(
    "reply",
    [
        (200, "<html>Log in</html>"),
        (200, {"choices": []}),
        (200, {"choices": [{}]}),
        (200, {"choices": None}),
        (200, []),
        (200, "{", ("Content-Type", "application/json")),
    ],
)
def test_a_response_that_is_no_chat_completion_fails_the_report(server, reply):
    server.reply = lambda request: reply
    found, heard = ask(server, {"a": TEXT}, retries=0)
    assert found == {}
    assert heard.lines[0] == "a: failed: the response is not a chat completion"


def test_a_silent_server_fails_the_report_after_its_time(server):
    free = threading.Event()
    server.reply = lambda request: free.wait(10) and completion(GOOD)
    began = time.monotonic()
    found, heard = ask(server, {"a": TEXT}, timeout_seconds=0.2, retries=1)
    free.set()
    assert time.monotonic() - began < 5
    assert found == {}
    assert len(server.requests) == 2
    assert heard.lines[0] == "a: failed: no response within 0.2 s"


@pytest.mark.parametrize("url", ["", "  "])
def test_nothing_is_sent_unless_an_address_is_given(server, monkeypatch, url):
    monkeypatch.setenv("OPENAI_BASE_URL", server.url)
    with pytest.raises(InputError, match="got no endpoint; reports are private"):
        extract_with_model({"a": TEXT}, Endpoint(url, "m"), Report())
    assert server.requests == []


def test_the_address_of_the_environment_is_not_used(server, monkeypatch):
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/elsewhere")
    ask(server, {"a": TEXT})
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"url": "localhost:8000/v1"}, "allowed: http"),
        ({"url": "file:///etc/passwd"}, "allowed: http"),
        ({"url": "http://[::1"}, "allowed: http"),
        ({"url": "http://host:port/v1"}, "allowed: http"),
        ({"url": f"http://me:{KEY}@host/v1"}, "user or a query"),
        ({"url": f"http://host/v1?key={KEY}"}, "user or a query"),
        ({"model": " "}, "got no model"),
        ({"concurrency": 0}, "allowed: 1 to 256"),
        ({"concurrency": 257}, "allowed: 1 to 256"),
        ({"timeout_seconds": 0}, "timeout_seconds=0"),
        ({"retries": -1}, "retries=-1"),
    ],
)
def test_wrong_settings_are_one_line_without_the_key(settings, message):
    with pytest.raises(InputError, match=message) as error:
        Endpoint(**({"url": "http://host/v1", "model": "m"} | settings))
    assert "\n" not in str(error.value)
    assert KEY not in str(error.value)


@pytest.mark.parametrize(
    "reply",
    [
        refusal(401, f"wrong key {KEY}"),
        refusal(403),
        refusal(404, "no such model"),
        (307, {}, ("Location", "http://127.0.0.1:9/elsewhere")),
    ],
)
def test_a_wrong_key_model_or_address_ends_the_run_with_one_line(server, reply):
    server.reply = lambda request: reply
    texts = {f"r{number}": f"Report {number}." for number in range(40)}
    with pytest.raises(InputError, match=f"HTTP {reply[0]}: .*check the address") as error:
        ask(server, texts, concurrency=1)
    assert KEY not in str(error.value)
    assert "\n" not in str(error.value)
    assert len(server.requests) < 40


def test_a_redirect_is_not_followed(server):
    server.reply = lambda request: (307, {}, ("Location", f"{server.url}/elsewhere"))
    with pytest.raises(InputError, match="HTTP 307"):
        ask(server, {"a": TEXT})
    assert [request["path"] for request in server.requests] == ["/v1/chat/completions"]


def test_a_server_that_is_not_there_ends_the_run_with_one_line(server):
    server.http.server_close()
    with pytest.raises(InputError, match="cannot be reached; check the address"):
        ask(server, {"a": TEXT}, retries=0)


def test_the_key_is_in_no_message_no_log_and_no_file(server, tmp_path, caplog):
    caplog.set_level("DEBUG")
    server.replies(completion(GOOD), refusal(400, f"{KEY} is not good enough"))
    found, heard = ask(server, {"a": TEXT, "b": OTHER}, concurrency=1, cache=tmp_path)
    assert list(found) == ["a"]
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) == 1
    assert "*** is not good enough" in heard.lines[0]
    for said in (*(path.read_text() for path in files), *heard.lines, caplog.text, repr(Endpoint(server.url, "m"))):
        assert KEY not in said
    assert "Left frontal lobe shows" not in files[0].read_text(), "quotes are kept, the report is not"


def test_no_key_is_needed_and_spaces_around_one_do_not_matter(server, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", f" {KEY}\n")
    ask(server, {"a": TEXT})
    monkeypatch.delenv("OPENAI_API_KEY")
    ask(server, {"a": TEXT})
    assert [headers["Authorization"] for headers in server.headers] == [f"Bearer {KEY}", "Bearer none"]


def test_without_the_client_one_line_says_what_to_install(server, monkeypatch):
    monkeypatch.setitem(sys.modules, "openai", None)
    with pytest.raises(UnavailableError, match=r"pip install 'selip-bench\[llm\]'"):
        ask(server, {"a": TEXT})


def test_the_client_is_not_imported_before_it_is_needed():
    code = "import sys, selip.reports.extraction.endpoint_extractor; "
    code += "sys.exit('openai' in sys.modules or 'torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
