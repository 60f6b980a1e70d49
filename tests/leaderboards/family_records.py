"""Made-up scores of classification and segmentation, shaped like those benchmarks' output; loaded by conftest.py."""

from __future__ import annotations

import numpy as np
import pandas as pd

from benchmarks.statistics.intervals import intervals_of
from benchmarks.statistics.pool_statistics import LOWER_IS_BETTER, resampler_for
from selip.records.record import Metric

CLASSES = {
    "lesion_type": ("glioma", "infarct", "plaque", "bleed"),
    "abnormal": ("normal", "abnormal"),
    "side": ("left", "right"),
}
STATISTICS = ("macro_auroc", "balanced_accuracy", "macro_f1", "mcc", "ece")
MODELS = {  # benchmark: model -> share of the skill that it shows
    "zero_shot": {"": 0.6},
    "linear_probe": {
        "features_linear": 1.0,
        "features_linear_10pct": 0.6,
        "features_knn": 0.8,
        "embeddings_linear": 0.9,
    },
    "few_shot": {"features_1shot": 0.3, "features_16shot": 0.8},
    "fine_tune": {"": 1.1},
}
CONTRASTS, SITES = ("T1", "FLAIR"), ("A", "B", "C")
ARMS = {"frozen": 1.0, "fine_tuned": 1.2, "frozen_10pct": 0.6}
MASKS = {"dice": 1.0, "hd95_mm": 60.0, "median_hd95_mm": 60.0, "nsd_at_2mm": 1.0, "lesion_f1": 1.0}


def make_volumes(n_patients: int) -> pd.DataFrame:
    """Two contrasts a patient, three sites, of which the last is rare."""
    rows = []
    for p in range(n_patients):
        for contrast in CONTRASTS:
            site = "C" if p % 12 == 0 else SITES[p % 2]
            rows.append((f"p{p:03d}_{contrast}", f"p{p:03d}", contrast, site, f"text {p}", 1.0))
    items = pd.DataFrame(rows, columns=["item_id", "patient_id", "contrast", "site", "text", "weight"])
    return items


def softmax(logits: np.ndarray) -> np.ndarray:
    shares = np.exp(logits)
    return shares / shares.sum(axis=1, keepdims=True)


def answers(truth: np.ndarray, names: tuple[str, ...], skill: float, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Columns of one model: `predicted` and `score:CLASS`, of two classes that of the second."""
    scores = softmax(rng.normal(size=(len(truth), len(names))) + skill * np.eye(len(names))[truth])
    kept = range(1, 2) if len(names) == 2 else range(len(names))
    columns = {"predicted": scores.argmax(axis=1).astype(float)}
    return columns | {f"score:{names[number]}": scores[:, number] for number in kept}


def make_task(
    task: str, benchmark: str, skill: float, seed: int, n_patients: int
) -> tuple[pd.DataFrame, dict[str, Metric]]:
    """Per-item table and metrics of one task; the truth is the same for every method and seed."""
    names, items = CLASSES[task], make_volumes(n_patients)
    truth = np.random.default_rng(len(task)).integers(0, len(names), n_patients).repeat(len(CONTRASTS))
    rng = np.random.default_rng([seed, int(1000 * skill), len(task)])
    items.insert(0, "pool", task)
    items["truth"] = truth.astype(float)
    for number in range(1, 2) if len(names) == 2 else range(len(names)):
        items[f"truth:{names[number]}"] = (truth == number).astype(float)
    metrics: dict[str, Metric] = {}
    for model, share in MODELS[benchmark].items():
        found = answers(truth, names, share * skill, rng)
        if benchmark == "few_shot":
            items[f"{model}_balanced_accuracy"] = (found["predicted"] == truth).astype(float)
            metrics |= metric(items, f"{model}_balanced_accuracy", "mean", 1 / len(names))
            continue
        prefix = f"{model}_" if model else ""
        items = items.assign(**{f"{prefix}{name}": values for name, values in found.items()})
        for statistic in STATISTICS:
            metrics |= metric(items, f"{prefix}{statistic}", statistic, 0.5)
        if benchmark == "zero_shot":
            metrics |= metric(items, f"auroc:{names[1]}", "auroc", 0.5)
    return items, {f"{task}/{name}": one for name, one in metrics.items()}


def metric(items: pd.DataFrame, name: str, statistic: str, chance: float, metadata: float = 0.55) -> dict[str, Metric]:
    """A metric with an interval of few resamples, chance and metadata beside."""
    facts = {"n_patients": items["patient_id"].nunique(), "n_items": len(items)}
    facts |= {"higher_is_better": statistic not in LOWER_IS_BETTER, "statistic": statistic}
    found = intervals_of([resampler_for(items, name, statistic)], facts["n_patients"], 60, 0, 0.95)[0]
    beside = {"chance": chance, "metadata": metadata}
    return {
        name: Metric(value=found.value, lower=found.lower, upper=found.upper, **facts),
        **{f"{name}/{level}": Metric(value=value, **facts) for level, value in beside.items()},
    }


def make_classification(
    benchmark: str, skill: float, seed: int, n_patients: int
) -> tuple[pd.DataFrame, dict[str, Metric]]:
    """All tasks of a benchmark."""
    tasks = ["lesion_type"] if benchmark == "fine_tune" else list(CLASSES)
    found = [make_task(task, benchmark, skill, seed, n_patients) for task in tasks]
    metrics = {key: one for _, metrics in found for key, one in metrics.items()}
    return pd.concat([frame for frame, _ in found], ignore_index=True), metrics


def make_segmentation(skill: float, seed: int, n_patients: int) -> tuple[pd.DataFrame, dict[str, Metric]]:
    """Masks: the smaller the lesion, the worse; every arm a pool."""
    volumes, rng = make_volumes(n_patients), np.random.default_rng([seed, int(1000 * skill)])
    size = np.random.default_rng(5).gamma(2.0, 3.0, n_patients).repeat(len(CONTRASTS)) + 0.1
    kinds = np.array(CLASSES["lesion_type"])[np.arange(n_patients) % 4].repeat(len(CONTRASTS))
    volumes = volumes.assign(lesion_ml=size, lesion_type=kinds)
    frames, metrics = [], {}
    for arm, share in ARMS.items():
        good = 1 / (1 + np.exp(-(share * skill + 0.15 * size - 2.5 + 0.5 * rng.normal(size=len(size)))))
        columns = {
            name: top * (1 - good) if "mm" in name and "nsd" not in name else good for name, top in MASKS.items()
        }
        frame = volumes.assign(pool=arm, **columns)
        for name in MASKS:
            statistic = "median" if name.startswith("median") else "mean"
            found = metric(frame, name, statistic, 0.0)
            found |= {f"{name}/empty": found[name].model_copy(update={"value": 0.0, "lower": None, "upper": None})}
            unet = found[name].model_copy(update={"value": 0.41, "lower": None, "upper": None})
            found |= {f"{name}/monai_unet": unet}
            kept = {key: one for key, one in found.items() if not key.endswith(("chance", "metadata"))}
            better = {"higher_is_better": "hd95" not in name}
            metrics |= {f"{arm}/{key}": one.model_copy(update=better) for key, one in kept.items()}
        frames.append(frame)
    return pd.concat(frames, ignore_index=True), metrics
