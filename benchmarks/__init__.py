"""Benchmarks: each scores every method the same way. One file and one line here adds one."""

from __future__ import annotations

BENCHMARKS = {
    "retrieval": "benchmarks.retrieval:BENCHMARK",
    "zero_shot": "benchmarks.zero_shot:BENCHMARK",
    "linear_probe": "benchmarks.linear_probe:BENCHMARK",
    "few_shot": "benchmarks.few_shot:BENCHMARK",
    "fine_tune": "benchmarks.fine_tune:BENCHMARK",
    "segmentation": "benchmarks.segmentation:BENCHMARK",
}
