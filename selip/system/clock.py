"""The time of day, which is told and never compared: clocks jump."""

from __future__ import annotations

from datetime import UTC, datetime


def now() -> str:
    """Time in UTC to the second, ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")
