"""Benchmarks: each scores every method the same way. One file and one line here adds one."""

from __future__ import annotations

BENCHMARKS = {
    "retrieval": "benchmarks.tasks.retrieval:BENCHMARK",
    "attribute_retrieval": "benchmarks.tasks.attribute_retrieval:BENCHMARK",
    "zero_shot": "benchmarks.tasks.zero_shot:BENCHMARK",
    "linear_probe": "benchmarks.tasks.linear_probe:BENCHMARK",
    "value_probe": "benchmarks.tasks.value_probe:BENCHMARK",
    "few_shot": "benchmarks.tasks.few_shot:BENCHMARK",
    "fine_tune": "benchmarks.tasks.fine_tune:BENCHMARK",
    "segmentation": "benchmarks.tasks.segmentation:BENCHMARK",
    "grounding": "benchmarks.tasks.grounding:BENCHMARK",
    "report_retrieval_as_reporting": "benchmarks.tasks.report_retrieval_as_reporting:BENCHMARK",
    "robustness": "benchmarks.tasks.robustness:BENCHMARK",
    "segmentation_robustness": "benchmarks.tasks.segmentation_robustness:BENCHMARK",
    "study_level": "benchmarks.tasks.study_level:BENCHMARK",
    "subgroups": "benchmarks.tasks.subgroups:BENCHMARK",
    "text_sensitivity": "benchmarks.tasks.text_sensitivity:BENCHMARK",
    "calibration": "benchmarks.tasks.calibration:BENCHMARK",
    "unseen": "benchmarks.tasks.unseen:BENCHMARK",
}
