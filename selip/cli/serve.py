"""A leaderboard on this machine's own address, written again when its records change."""

from __future__ import annotations

import functools
import http.server
from collections.abc import Callable, Sequence
from pathlib import Path

SECONDS_BETWEEN_LOADS = 5


def newest(folders: Sequence[Path]) -> float:
    """Time of the last change of a record, 0 without any."""
    return max((path.stat().st_mtime for folder in folders for path in folder.rglob("*.json")), default=0.0)


class _Handler(http.server.SimpleHTTPRequestHandler):
    def __init__(self, *request: object, fresh: Callable[[], None], directory: str) -> None:
        self.fresh = fresh
        super().__init__(*request, directory=directory)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        self.fresh()
        super().do_GET()

    def end_headers(self) -> None:
        self.send_header("Cache-Control", "no-store")
        self.send_header("Refresh", str(SECONDS_BETWEEN_LOADS))
        super().end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing of requests."""


def server_of(
    folder: Path, records: Sequence[Path], write: Callable[[], object], port: int = 0
) -> http.server.ThreadingHTTPServer:
    """A server of `folder` on 127.0.0.1, any free port for 0; `write` is called before a page that records outdate."""
    seen = newest(records)

    def fresh() -> None:
        nonlocal seen
        if (now := newest(records)) > seen:
            seen = now
            write()

    handler = functools.partial(_Handler, fresh=fresh, directory=str(folder))
    return http.server.ThreadingHTTPServer(("127.0.0.1", port), handler)
