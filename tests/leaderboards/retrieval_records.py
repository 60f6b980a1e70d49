"""Made-up ranks of made-up volumes, shaped like the retrieval benchmark's output; loaded by conftest.py."""

from __future__ import annotations

import numpy as np
import pandas as pd

from benchmarks.statistics.intervals import bootstrap_columns
from selip.data.findings import NORMAL_TEXT
from selip.records.record import Metric

CONTRASTS = ("T1", "T2", "FLAIR")
EDITS = {"side_swapped": 0.2, "signal_swapped": 0.35, "finding_removed": 0.1}
CUTS = (1, 5, 10)


def make_items(n_patients: int) -> pd.DataFrame:
    """Test volumes, one of each contrast a patient; every fourth patient is normal."""
    rows = [
        {
            "item_id": f"p{p:03d}_{contrast}",
            "patient_id": f"p{p:03d}",
            "contrast": contrast,
            "site": f"site{p % 2}",
            "text": NORMAL_TEXT if p % 4 == 0 else f"at region {p} shows high signal on {contrast}",
            "weight": 1.0,
        }
        for p in range(n_patients)
        for contrast in CONTRASTS
    ]
    return pd.DataFrame(rows)


def make_scores(items: pd.DataFrame, skill: float, rng: np.random.Generator, hardness: np.ndarray) -> pd.DataFrame:
    """Scores of one pool: a rank drawn from `skill` and the item's hardness, and what follows from the rank."""
    n_texts = items["text"].nunique()
    scores = items.copy()
    for direction, gallery in (("image_to_text", n_texts), ("text_to_image", len(items))):
        shift = skill * (2.0 - hardness) + 0.4 * rng.standard_normal(len(items)) * skill
        rank = 1 + np.floor(gallery * rng.random(len(items)) ** np.exp(shift)).clip(0, gallery - 1)
        for k in CUTS:
            scores[f"{direction}_R@{k}"] = (rank <= k).astype(float)
        scores[f"{direction}_median_rank"] = rank
        scores[f"{direction}_MRR"] = 1 / rank
        scores[f"{direction}_nDCG@10"] = 1 / np.log2(1 + rank)
    return scores


def make_per_item(skill: float, seed: int, n_patients: int) -> pd.DataFrame:
    """Scores of all pools; the hardness of an item is the same for every method, as in life."""
    items = make_items(n_patients)
    hardness = np.random.default_rng(99).random(len(items))
    scores = make_scores(items, skill, np.random.default_rng([seed, int(1000 * skill) % 2**31]), hardness)
    abnormal = scores[~scores["text"].eq(NORMAL_TEXT)]
    counts = scores.groupby("text")["text"].transform("size")
    pools = {"all": scores, "abnormal": abnormal, "macro": scores.assign(weight=1 / counts)}
    pools |= {f"contrast_{name}": abnormal[abnormal["contrast"] == name] for name in CONTRASTS}
    rng = np.random.default_rng([seed, int(1000 * skill) % 2**31, 1])
    for name, gain in EDITS.items():
        won = (rng.random(len(abnormal)) < 0.5 + gain * np.tanh(skill)).astype(float)
        pools[name] = abnormal[list(items.columns)].assign(wins=won)
    return pd.concat([frame.assign(pool=pool) for pool, frame in pools.items()], ignore_index=True)


def _chance(name: str, frame: pd.DataFrame) -> float:
    gallery = frame["text"].nunique() if name.startswith("image_to_text") else len(frame)
    if name == "wins":
        return 0.5
    if name.endswith("median_rank"):
        return (gallery + 1) / 2
    if "R@" in name:
        return min(1.0, int(name.split("@")[1]) / gallery)
    return float(np.mean(1 / np.arange(1, gallery + 1)))


def make_metrics(per_item: pd.DataFrame) -> dict[str, Metric]:
    """Metrics with chance and majority beside, intervals from few resamples."""
    metrics = {}
    names = [c for c in per_item.columns if c.startswith(("image_to_text", "text_to_image", "wins"))]
    for pool, frame in per_item.groupby("pool"):
        frame, facts = frame.dropna(axis=1), {"n_patients": frame["patient_id"].nunique(), "n_items": len(frame)}
        for direction, gallery in (("image_to_text", frame["text"].nunique()), ("text_to_image", len(frame))):
            metrics[f"{pool}/{direction}/candidates"] = Metric(value=gallery, **facts)
        for statistic in ("mean", "median"):
            chosen = [n for n in names if n in frame and n.endswith("median_rank") == (statistic == "median")]
            if not chosen:
                continue
            found = bootstrap_columns(frame[chosen], frame["weight"], frame["patient_id"], 200, statistic=statistic)
            kind = facts | {"higher_is_better": statistic == "mean", "statistic": statistic}
            for name, (value, lower, upper) in zip(chosen, found, strict=True):
                bounds = {"lower": lower, "upper": upper} if np.isfinite(lower) else {}
                metrics[f"{pool}/{name}"] = Metric(value=value, **bounds, **kind)
                metrics[f"{pool}/{name}/chance"] = Metric(value=_chance(name, frame), **kind)
                if name != "wins":
                    metrics[f"{pool}/{name}/majority"] = Metric(value=0.01 if statistic == "mean" else 40.0, **kind)
    return metrics
