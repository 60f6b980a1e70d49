"""Families of benchmarks: which share a page, what each is ranked by, and how metrics are named to a reader.

Metrics, pools and references are found in the records. What stands here only decides order, names, and the one metric
of each benchmark that was declared before any run.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from leaderboards.scores.benchmark_records import Board
from leaderboards.scores.comparability import is_reference
from leaderboards.scores.paired_differences import PRIMARY
from selip.records.record import CohortFacts, Record

RETRIEVAL = "retrieval"
FAMILIES = {
    RETRIEVAL: (RETRIEVAL,),
    "classification": ("linear_probe", "zero_shot", "few_shot", "fine_tune"),
    "segmentation": ("segmentation",),
}
"""Page to its benchmarks, the one that it is ranked by first."""
REFERENCES = {
    "chance": "chance",
    "majority": "majority",
    "metadata": "metadata only",
    "empty": "empty mask",
    "monai_unet": "MONAI U-Net",
}
"""Reference beside a metric to its name, in order; others that records have come after them."""
STATISTICS = {
    "macro_auroc": "macro AUROC",
    "macro_auprc": "macro AUPRC",
    "balanced_accuracy": "balanced accuracy",
    "macro_f1": "macro F1",
    "mcc": "MCC",
    "ece": "ECE",
    "accuracy": "accuracy",
    "auroc": "AUROC",
    "auprc": "AUPRC",
    "dice": "Dice",
    "median_hd95_mm": "median HD95 (mm)",
    "hd95_mm": "HD95 (mm)",
    "nsd_at_2mm": "NSD at 2 mm",
    "lesion_f1": "lesion F1",
}
_POOLS = ("lesion_type", "abnormal", "lobe", "side", "glioma_grade", "frozen", "fine_tuned")
OF_SECOND_COHORT = ("glioma_grade",)
"""Pools whose volumes are those of the second cohort."""
_DECLARED = {
    RETRIEVAL: ("image_to_text_R@10",),
    "zero_shot": ("macro_auroc",),
    "linear_probe": ("features_linear_macro_auroc", "linear_macro_auroc"),
    "few_shot": tuple(f"features_{shots}shot_balanced_accuracy" for shots in (16, 64, 4, 1)),
    "fine_tune": ("macro_auroc",),
    "segmentation": ("dice",),
}
_NAMES = {
    "zero_shot": "zero-shot",
    "few_shot": "few-shot",
    "fine_tune": "fine-tuning",
    "image_to_text": "image → text",
    "text_to_image": "text → image",
}


class Parts(NamedTuple):
    """Parts of a metric's name: the model that tells several of a pool apart, the statistic, the class of it."""

    model: str
    statistic: str
    one_class: str


@dataclass(frozen=True)
class Headline:
    """The metric that a benchmark is ranked by.

    Attributes:
        benchmark: Name of the benchmark.
        key: Metric, `pool/metric`.
        name: The same in words.
        floor: Reference that a trained method must clear, "chance" or "empty".
        margin: How many times the floor a method must reach to be clear of it.
    """

    benchmark: str
    key: str
    name: str
    floor: str = "chance"
    margin: float = 1.0


RETRIEVED = Headline(RETRIEVAL, PRIMARY, "image → text R@10 of abnormal volumes", margin=2.0)


def headline_of(board: Board) -> Headline | None:
    """The declared metric in the first declared pool, else the first where higher is better; None without any."""
    if board.benchmark == RETRIEVAL:
        return RETRIEVED
    keys = task_keys(board) or sorted(
        key for record in board.records for key, m in record.metrics.items() if m.higher_is_better and plain(key)
    )
    if not keys:
        return None
    pool, metric = keys[0].split("/", 1)
    floor = "empty" if board.reference(keys[0], "empty") is not None else "chance"
    name = f"{metric_words(parts_of(metric).statistic)} ({words(board.benchmark)}, {words(pool)})"
    return Headline(board.benchmark, keys[0], name, floor)


def task_keys(board: Board) -> list[str]:
    """The declared metric in each pool that is a task of its own, declared pools first; empty where no record has it.

    Retrieval is a task in each direction. A pool with a share of the labels is no task of its own.
    """
    keys = {key for record in board.records for key in record.metrics if plain(key)}
    if board.benchmark == RETRIEVAL:
        return [key for key in (PRIMARY, PRIMARY.replace("image_to_text", "text_to_image")) if key in keys]
    for metric in _DECLARED.get(board.benchmark, ()):
        pools = [key.split("/", 1)[0] for key in keys if key.split("/", 1)[1] == metric]
        if pools:
            return [f"{pool}/{metric}" for pool in ordered_pools(pools) if not pool.endswith("pct")]
    return []


def cohort_of(record: Record, pool: str) -> CohortFacts:
    """The cohort whose volumes a pool of a record holds."""
    return record.transfer if pool in OF_SECOND_COHORT and record.transfer else record.cohort


def plain(key: str) -> bool:
    """Whether a key is a metric of a pool, and not of one class or a reference."""
    return not is_reference(key) and ":" not in key


def ordered_pools(pools: Iterable[str]) -> list[str]:
    """Pools without repeats, declared ones first, then by name."""
    return sorted(set(pools), key=lambda pool: (_POOLS.index(pool) if pool in _POOLS else len(_POOLS), pool))


def references_of(board: Board) -> list[str]:
    """References that some metric of the board has, in order."""
    found = {key.split("/", 2)[2] for record in board.records for key in record.metrics if is_reference(key)}
    return [*(name for name in REFERENCES if name in found), *sorted(found - set(REFERENCES) - {"candidates"})]


def parts_of(metric: str) -> Parts:
    """Takes "[MODEL_]STATISTIC[:CLASS]" apart; a metric of no known statistic is its own statistic."""
    name, _, one_class = metric.partition(":")
    for statistic in STATISTICS:
        if name == statistic or name.endswith(f"_{statistic}"):
            return Parts(name.removesuffix(statistic).removesuffix("_"), statistic, one_class)
    return Parts("", name, one_class)


def metric_words(metric: str) -> str:
    """A metric as a reader says it: "macro AUROC (features, linear, 10 %)"."""
    model, statistic, one_class = parts_of(metric)
    text = STATISTICS.get(statistic, words(statistic)) + (f" of {one_class}" if one_class else "")
    return f"{text} ({model_words(model)})" if model else text


def model_words(model: str) -> str:
    """A model of a pool in words: "features, linear, 10 %"; "" for none."""
    said = (
        part.replace("pct", " %").replace("shot", " shot") if part[:1].isdigit() else part for part in model.split("_")
    )
    return ", ".join(said)


def words(name: str) -> str:
    """The name of a benchmark, pool or reference in words."""
    for arm in ("fine_tuned", "frozen"):
        if name.startswith(f"{arm}_"):
            return f"{words(arm)}, {model_words(name.removeprefix(f'{arm}_'))}"
    for part, text in _NAMES.items():
        name = text + name.removeprefix(part) if name == part or name.startswith(f"{part}_") else name
    return REFERENCES.get(name, name.replace("fine_tuned", "fine-tuned").replace("_", " "))
