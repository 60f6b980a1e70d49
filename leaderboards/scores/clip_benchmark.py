"""Results in the layout of CLIP_benchmark (github.com/LAION-AI/CLIP_benchmark, clip_benchmark/cli.py of 1.6.2).

One result is one pool of one record: `dataset` is "cohort-profile/pool", `model` the volume tower, `pretrained` the
method, ablation and seed. `run_id` leads to the record with the intervals, and `synthetic` says whether a cohort is
simulated; CLIP_benchmark has neither, and its `build` takes both as further columns.

| theirs | ours |
|---|---|
| zeroshot_retrieval: image_retrieval_recall@k | retrieval: text_to_image_R@k |
| zeroshot_retrieval: text_retrieval_recall@k | retrieval: image_to_text_R@k |
| zeroshot_classification: mean_per_class_recall | zero_shot: balanced_accuracy |
| zeroshot_classification: acc1, acc5 | zero_shot: from the per-item answers of the record |
| linear_probe: lp_mean_per_class_recall | linear_probe: embeddings_linear_balanced_accuracy, all labels |
| linear_probe: lp_acc1, lp_acc5 | linear_probe: from the per-item answers of embeddings_linear |

Recall is the hit rate in both. Ours is stricter in two policies: identical texts are one candidate with many positives,
and ties count against the method, also in acc5, which needs five classes. Their linear probe is trained by gradient
descent on unit-length embeddings, ours is a logistic regression on standardised ones.

Ours without a counterpart there: MRR, median_rank, mAP@R, R-precision, nDCG, the macro pool and those of hard
negatives; AUROC, AUPRC, F1, MCC, ECE; probes of features, nearest neighbours and shares of the labels; few_shot,
fine_tune, segmentation; intervals and references. Theirs without one here: mean_average_precision (several labels an
image) and captioning.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.metrics.class_columns import scores_of
from benchmarks.statistics.pool_statistics import resampler_for
from leaderboards.scores.benchmark_records import BenchmarkRecords, named, read_boards
from leaderboards.scores.headlines import cohort_of
from leaderboards.scores.tidy_table import to_csv
from selip.records.metric_key import MetricKey
from selip.records.record import Record, cell_label
from selip.system.errors import InputError
from selip.system.files import write_atomically

Result = dict[str, Any]
"""dataset, model, pretrained, task, metrics (name to value), language, run_id, synthetic."""
CUTOFFS = (1, 5, 10)
TOP = 5
RETRIEVAL = "retrieval"
CLASSIFICATIONS = {
    "zero_shot": ("zeroshot_classification", "", ""),
    "linear_probe": ("linear_probe", "embeddings_linear_", "lp_"),
}
"""Benchmark to their task, the model of ours that is theirs, and what their metrics begin with."""
FILES = "a .json or .csv file, or a folder for one file a result"


def results_of(run_dir: Path, language: str = "en") -> list[Result]:
    """The results of all scored records of `run_dir` that have a counterpart.

    `language` is that of the cohort's texts; records do not say it.

    Raises:
        InputError: When there are no records, records that may not stand on one page, or none with a counterpart.
    """
    boards = read_boards(run_dir)
    found = [
        _result(record, pool, task, metrics, language)
        for board in boards.values()
        for record in board.records
        for pool, task, metrics in _counterparts(board, record)
    ]
    if not found:
        raise InputError(
            f"got {run_dir} without a scored record of {RETRIEVAL}, {' or '.join(CLASSIFICATIONS)}; allowed: with one, "
            "as CLIP_benchmark has no other task; score one of them"
        )
    return found


def write_results(results: Sequence[Result], out: Path) -> list[Path]:
    """Writes results as one JSON list, as the CSV that `clip_benchmark build` makes, or as the files that it reads.

    `out` is FILE.json, FILE.csv, or a folder for one file a result, named as by its `--output`.

    Returns:
        What was written.

    Raises:
        InputError: For a file of another kind.
    """
    if out.suffix == ".json":
        files = {out: _json(results)}
    elif out.suffix == ".csv":
        files = {out: to_csv(_table(results))}
    elif out.suffix or out.is_file():
        raise InputError(f"got --out {out}; allowed: {FILES}; name one")
    else:
        files = {out / _file_name(one): _json(one) for one in results}
    for path, text in files.items():
        write_atomically(path, text)
    return list(files)


def _json(value: object) -> str:
    return json.dumps(value, indent=1, allow_nan=False) + "\n"


def _table(results: Sequence[Result]) -> pd.DataFrame:
    rows = [
        {key: value for key, value in one.items() if key != "metrics"}
        | {"model_fullname": f"{one['model']} {one['pretrained']}"}
        | one["metrics"]
        for one in results
    ]
    return pd.DataFrame(rows)


def _file_name(one: Result) -> str:
    parts = (one[key] for key in ("dataset", "pretrained", "model", "language", "task"))
    return "_".join(parts).replace("/", "_") + ".json"


def _result(record: Record, pool: str, task: str, metrics: dict[str, float], language: str) -> Result:
    tower = record.config.get("run", {}).get("model", {}).get("volume_tower", "unknown")
    return {
        "dataset": f"{named(cohort_of(record, pool))}/{pool}",
        "model": (record.training.own_tower if record.training else "") or tower,
        "pretrained": cell_label(record.method, record.ablation, record.seed),
        "task": task,
        "metrics": metrics,
        "language": language,
        "run_id": record.run_id,
        "synthetic": record.synthetic,
    }


def _counterparts(board: BenchmarkRecords, record: Record) -> Iterator[tuple[str, str, dict[str, float]]]:
    """Pool, their task and their metrics of one record."""
    for pool in dict.fromkeys(MetricKey.parse(key).pool for key in record.metrics):
        if board.benchmark == RETRIEVAL and pool != "macro" and (recalls := _recalls(record, pool)):
            yield pool, "zeroshot_retrieval", recalls
        elif board.benchmark in CLASSIFICATIONS:
            task, model, prefix = CLASSIFICATIONS[board.benchmark]
            balanced = record.metrics.get(f"{pool}/{model}balanced_accuracy")
            frame = board.items.get((record.run_id, pool))
            if balanced and frame is not None:
                metrics = _accuracies(frame, model) | {"mean_per_class_recall": balanced.value}
                yield pool, task, {f"{prefix}{name}": value for name, value in metrics.items()}


def _recalls(record: Record, pool: str) -> dict[str, float]:
    names = {"image_retrieval": "text_to_image", "text_retrieval": "image_to_text"}
    return {
        f"{theirs}_recall@{k}": record.metrics[key].value
        for theirs, ours in names.items()
        for k in CUTOFFS
        if (key := f"{pool}/{ours}_R@{k}") in record.metrics
    }


def _accuracies(frame: pd.DataFrame, model: str) -> dict[str, float]:
    """acc1, and acc5 where there are five classes, of the answers of one model in the per-item table of a pool."""
    once = np.ones((1, frame["patient_id"].nunique()))
    found = {"acc1": float(resampler_for(frame, f"{model}accuracy", "accuracy")(once)[0, 0])}
    truths, scores = scores_of(frame, f"{model}macro_auroc", "macro_auroc")
    if scores.shape[1] >= TOP:
        own = np.where(truths == 1, scores, -np.inf).max(axis=1, keepdims=True)
        found["acc5"] = float(np.mean((scores >= own).sum(axis=1) <= TOP))
    return found
