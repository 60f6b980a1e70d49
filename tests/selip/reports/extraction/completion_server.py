"""A local server that speaks chat completions, and answers about a report for it to give."""

from __future__ import annotations

import json
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from selip.reports.extraction.endpoint_extractor import Endpoint, extract_with_model
from selip.system.progress import Report

KEY = "sk-very-secret-4711"


TEXT = (
    "A meningioma in the Left frontal lobe shows low signal on T1 and high signal on T2, and enhances. "
    "No midline shift. The brainstem is normal."
)


OTHER = "Multiple foci in both thalami."


GOOD = {
    "lesions": [
        {
            "quote": "A meningioma",
            "lesion_type": "Meningioma",
            "multiple": False,
            "enhancement": "present",
            "places": [{"side": "left", "region": "frontal lobe", "quote": "left frontal  lobe"}],
            "signals": [
                {"contrast": "T1", "polarity": "low", "quote": "low signal on T1"},
                {"contrast": "T2", "polarity": "high", "quote": "high signal on T2"},
            ],
        }
    ],
    "signs": [
        {"kind": "enhancement", "value": "present", "quote": "enhances"},
        {"kind": "midline_shift", "value": "absent", "quote": "No midline shift"},
    ],
    "multiple": [],
    "normal": ["brainstem is normal"],
}


NOTHING = {"lesions": [], "signs": [], "multiple": [], "normal": []}


FACTS = [
    ["location", "left", "frontal lobe"],
    ["signal", "T1", "low"],
    ["signal", "T2", "high"],
    ["enhancement", "present"],
    ["midline_shift", "absent"],
]


def completion(content):
    message = {"role": "assistant", "content": content if isinstance(content, str) else json.dumps(content)}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    return 200, {"id": "x", "object": "chat.completion", "created": 0, "model": "m", "choices": [choice]}


def refusal(status, message="no"):
    return status, {"error": {"message": message}}


class Server:
    """Answers with `reply(request)`: status and JSON, or status and text. Keeps what it was sent."""

    def __init__(self):
        self.requests, self.headers = [], []
        self.running = self.most = 0
        self.lock = threading.Lock()
        self.reply = lambda request: completion(GOOD)
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with outer.lock:
                    outer.requests.append(request | {"path": self.path})
                    outer.headers.append(self.headers)
                    outer.running += 1
                    outer.most = max(outer.most, outer.running)
                status, body, *more = outer.reply(request)
                with outer.lock:
                    outer.running -= 1
                data = (body if isinstance(body, str) else json.dumps(body)).encode()
                kind = "text/html" if isinstance(body, str) else "application/json"
                self.send_response(status)
                headers = {"Content-Type": kind, "Content-Length": str(len(data)), "retry-after-ms": "1"} | dict(more)
                for name, value in headers.items():
                    self.send_header(name, value)
                with suppress(ConnectionError):  # a client that did not wait
                    self.end_headers()
                    self.wfile.write(data)

            def log_message(self, *args):
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.http.server_port}/v1"

    def replies(self, *several):
        """One reply after the other, the last for ever."""
        left = list(several)

        def reply(request):
            with self.lock:
                return left.pop(0) if len(left) > 1 else left[0]

        self.reply = reply


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    server = Server()
    thread = threading.Thread(target=server.http.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.http.shutdown()
    thread.join()
    server.http.server_close()


class Heard:
    def __init__(self):
        self.lines, self.counts = [], []
        self.report = Report(line=self.lines.append, count=lambda *count: self.counts.append(count))


def ask(server, texts, **settings):
    heard = Heard()
    endpoint = Endpoint(server.url, "m", **({"retries": 2, "timeout_seconds": 20} | settings))
    return extract_with_model(texts, endpoint, heard.report), heard


def last_message(request):
    return request["messages"][-1]["content"]
