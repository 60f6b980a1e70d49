"""A small factory of records: made-up ranks of made-up volumes, shaped like the retrieval benchmark's output."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from benchmarks.intervals import bootstrap_columns
from leaderboards.build import build_leaderboard
from selip.findings import NORMAL_TEXT
from selip.records import CohortFacts, Metric, Record, Training, write_record

SKILLS = {"clip": 0.9, "clip_x2": 0.85, "label_smoothing": 1.0, "random_init": 0.0, "selip": 1.3, "shuffled_selip": 0.6}
METHODS = ("clip", "label_smoothing", "random_init", "selip", "shuffled_selip")
CONTRASTS = ("T1", "T2", "FLAIR")
SIDES = {"hard_negative_side": 0.2, "hard_negative_polarity": 0.35, "hard_negative_removed": 0.1}
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
    for name, gain in SIDES.items():
        scores[name] = (rng.random(len(items)) < 0.5 + gain * np.tanh(skill)).astype(float)
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
    return pd.concat([frame.assign(pool=pool) for pool, frame in pools.items()], ignore_index=True)


def _chance(name: str, frame: pd.DataFrame) -> float:
    gallery = frame["text"].nunique() if name.startswith("image_to_text") else len(frame)
    if name.startswith("hard_negative"):
        return 0.5
    if name.endswith("median_rank"):
        return (gallery + 1) / 2
    if "R@" in name:
        return min(1.0, int(name.split("@")[1]) / gallery)
    return float(np.mean(1 / np.arange(1, gallery + 1)))


def make_metrics(per_item: pd.DataFrame) -> dict[str, Metric]:
    """Metrics with chance and majority beside, intervals from few resamples."""
    metrics = {}
    names = [c for c in per_item.columns if c.startswith(("image_to_text", "text_to_image", "hard_negative"))]
    for pool, frame in per_item.groupby("pool"):
        facts = {"n_patients": frame["patient_id"].nunique(), "n_items": len(frame)}
        for direction, gallery in (("image_to_text", frame["text"].nunique()), ("text_to_image", len(frame))):
            metrics[f"{pool}/{direction}/candidates"] = Metric(value=gallery, **facts)
        for statistic in ("mean", "median"):
            chosen = [name for name in names if name.endswith("median_rank") == (statistic == "median")]
            found = bootstrap_columns(frame[chosen], frame["weight"], frame["patient_id"], 200, statistic=statistic)
            kind = facts | {"higher_is_better": statistic == "mean", "statistic": statistic}
            for name, (value, lower, upper) in zip(chosen, found, strict=True):
                bounds = {"lower": lower, "upper": upper} if np.isfinite(lower) else {}
                metrics[f"{pool}/{name}"] = Metric(value=value, **bounds, **kind)
                metrics[f"{pool}/{name}/chance"] = Metric(value=_chance(name, frame), **kind)
                if not name.startswith("hard_negative"):
                    metrics[f"{pool}/{name}/majority"] = Metric(value=0.01 if statistic == "mean" else 40.0, **kind)
    return metrics


def make_training(method: str, skill: float, seed: int) -> Training:
    """A learning curve with the plateau that contrastive training has."""
    steps = 0 if method == "random_init" else 600
    rng = np.random.default_rng([seed, int(1000 * skill) % 2**31])
    scale = 2.0 if method == "clip_x2" else 1.0
    history = [
        {
            "step": float(step),
            "loss": scale * (4.1 - 1.7 * skill / (1 + np.exp(-(step - 250) / 60)) + 0.03 * rng.standard_normal()),
            "val_score": 0.05 + 0.3 * skill / (1 + np.exp(-(step - 260) / 70)) + 0.01 * rng.standard_normal(),
        }
        for step in range(50, steps + 1, 50)
    ]
    soft = method in {"selip", "shuffled_selip", "label_smoothing"}
    trained = steps > 0
    return Training(
        steps=steps,
        chosen_step=550 if trained else 0,
        initial_weights_hash=f"weights{seed}",
        batch_order_hash=f"order{seed}" if trained else "",
        target_entropy=(1.52 if soft else 0.0) if trained else None,
        target_diagonal=(0.62 if soft else 1.0) if trained else None,
        parameters=1_234_567,
        history=history,
    )


def make_record(method: str, seed: int = 0, **changes: object) -> Record:
    """One record; `changes` replace its fields."""
    fields: dict[str, object] = {
        "run_id": f"{method}-{changes.get('ablation', '')}-{seed}",
        "status": "ok",
        "method": method,
        "benchmark": "retrieval",
        "protocol_version": "1",
        "seed": seed,
        "cohort": make_cohort(),
        "split_fingerprint": "5f" * 32,
        "config": {"method": method},
        "config_hash": "cc" * 32,
        "device": "cpu",
        "seconds": {"train": 61.2, "evaluate": 3.4},
        "peak_memory_mb": 812.0,
        "git_commit": "0123456789abcdef0123456789abcdef01234567",
        "created": "2026-01-02T03:04:05Z",
        "command": f"selip run quick method={method} seed={seed} --out runs/quick",
    }
    return Record.model_validate(fields | changes)


def make_cohort(**changes: object) -> CohortFacts:
    fields: dict[str, object] = {
        "name": "phantom",
        "profile": "quick",
        "content_hash": "ab" * 32,
        "synthetic": True,
        "n_patients": 200,
        "shape": (48, 56, 40),
        "spacing_mm": (4.0, 4.0, 4.0),
    }
    return CohortFacts.model_validate(fields | changes)


def add_run(
    folder: Path, method: str, seed: int = 0, n_patients: int = 24, skill: float | None = None, **changes: object
) -> Record:
    """Writes one scored run into `folder`/records and returns its record."""
    skill = SKILLS.get(method, 0.5) if skill is None else skill
    per_item = make_per_item(skill, seed, n_patients)
    texts = per_item.loc[per_item["pool"] == "abnormal", "text"].nunique()
    notes = {
        "ties": "a non-positive with the same score ranks ahead",
        "duplicates": "identical texts are one candidate with many positives",
        "candidates": f"{texts} unique texts in the abnormal pool",
    }
    found = {"metrics": make_metrics(per_item), "notes": notes, "training": make_training(method, skill, seed)}
    record = make_record(method, seed, **(found | changes))
    write_record(folder / "records", record, per_item)
    return record


def add_hole(
    folder: Path,
    method: str,
    seed: int = 0,
    status: str = "failed",
    reason: str = "loss is nan at step 12",
    **changes: object,
) -> Record:
    """Writes the record of a run that has no score."""
    record = make_record(method, seed, status=status, reason=reason, **changes)
    write_record(folder / "records", record)
    return record


def fill_run_dir(
    folder: Path, seeds: tuple[int, ...] = (0,), n_patients: int = 24, methods: tuple[str, ...] = METHODS
) -> Path:
    """A run directory with every method in `methods` under every seed."""
    for seed in seeds:
        for method in methods:
            add_run(folder, method, seed, n_patients)
    return folder


@pytest.fixture(scope="session")
def factory() -> SimpleNamespace:
    """The factory's functions by name."""
    functions = (add_run, add_hole, fill_run_dir, make_record, make_cohort, make_per_item, make_metrics)
    return SimpleNamespace(**{function.__name__: function for function in functions})


@pytest.fixture(scope="session")
def run_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One seed of five methods and a failed one; do not write to it."""
    folder = fill_run_dir(tmp_path_factory.mktemp("one_seed"))
    add_hole(folder, "medclip")
    return folder


@pytest.fixture(scope="session")
def seeds_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three seeds of three methods, and a method that lacks one; do not write to it."""
    folder = fill_run_dir(tmp_path_factory.mktemp("three_seeds"), (0, 1, 2), methods=("clip", "random_init", "selip"))
    add_run(folder, "clip_x2", 0)
    add_hole(folder, "clip_x2", 1, "skipped", "no memory left")
    return folder


@pytest.fixture(scope="session")
def built(run_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The leaderboard of `run_dir`."""
    out = tmp_path_factory.mktemp("leaderboard")
    build_leaderboard(run_dir, out, n_resamples=200)
    return out
