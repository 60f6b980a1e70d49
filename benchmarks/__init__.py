"""Benchmarks: each scores embeddings the same way for every method. One file and one line here adds one."""

from __future__ import annotations

BENCHMARKS = {
    "retrieval": "benchmarks.retrieval:BENCHMARK",
}
