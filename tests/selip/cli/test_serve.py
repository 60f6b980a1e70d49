"""The server of a leaderboard: the page as it is written, and written again when a record changes."""

from __future__ import annotations

import os
import threading
import urllib.request

import pytest

from selip.cli.serve import newest, server_of


@pytest.fixture
def served(tmp_path):
    records = tmp_path / "records"
    records.mkdir()
    (records / "a.json").write_text("{}")
    written = []

    def write():
        written.append(1)
        (tmp_path / "index.html").write_text(f"page {len(written)}")

    write()
    with server_of(tmp_path, [records], write) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield records, f"http://127.0.0.1:{server.server_port}/index.html"
        server.shutdown()


def got(address):
    with urllib.request.urlopen(address) as answer:
        return answer.read().decode(), answer.headers


def test_a_page_is_written_again_only_when_a_record_changes(served):
    records, address = served
    text, headers = got(address)
    assert text == "page 1"
    assert headers["Refresh"]
    assert headers["Cache-Control"] == "no-store"
    later = newest([records]) + 5
    os.utime(records / "a.json", (later, later))
    assert got(address)[0] == "page 2"
    assert got(address)[0] == "page 2"
