"""A small factory of records: made-up ranks of made-up volumes, shaped like the retrieval benchmark's output."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from benchmarks import BENCHMARKS
from leaderboards.figures import plots
from leaderboards.site.build import build_leaderboard
from selip.experiments.config import DECLARED_CONTRASTS
from selip.records.declaration import Declared
from selip.records.record import CohortFacts, Record, Training
from selip.records.record_files import write_record
from selip.system.registry import load


def loaded(name: str) -> ModuleType:
    """A module beside this file; tests are no package."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


family_records, retrieval_records = loaded("family_records"), loaded("retrieval_records")
make_per_item, make_metrics = retrieval_records.make_per_item, retrieval_records.make_metrics
SKILLS = {"clip": 0.9, "clip_x2": 0.85, "label_smoothing": 1.0, "random_init": 0.0, "selip": 1.3, "shuffled_selip": 0.6}
CONTROLS = ("clip_x2", "label_smoothing", "shuffled_selip")
METHODS = ("clip", "label_smoothing", "random_init", "selip", "shuffled_selip")
FAMILY_BENCHMARKS = ("zero_shot", "linear_probe", "few_shot", "fine_tune", "segmentation")


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
        "declared": declared_of(str(changes.get("benchmark", "retrieval"))),
        "seed": seed,
        "cohort": make_cohort(),
        "split_fingerprint": "5f" * 32,
        "config": {"method": method},
        "config_hash": "cc" * 32,
        "settings": {},
        "contrasts": DECLARED_CONTRASTS,
        "controls": CONTROLS,
        "device": "cpu",
        "seconds": {"train": 61.2, "evaluate": 3.4},
        "peak_memory_mb": 812.0,
        "git_commit": "0123456789abcdef0123456789abcdef01234567",
        "created": "2026-01-02T03:04:05Z",
        "command": f"selip run quick method={method} seed={seed} --out runs/quick",
    }
    return Record.model_validate(fields | changes)


def declared_of(benchmark: str) -> Declared:
    """What the benchmark says of itself; of one that is not registered, a family of its own ranked by Dice."""
    if benchmark in BENCHMARKS:
        return load(BENCHMARKS, "selip.benchmarks", benchmark).declared
    return Declared(family=benchmark, label=benchmark, headline=("*/dice", "*/image_to_text_R@10"))


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
    folder: Path,
    method: str,
    seed: int = 0,
    n_patients: int = 24,
    skill: float | None = None,
    ndcg: float | None = None,
    **changes: object,
) -> Record:
    """Writes one scored run into `folder`/records and returns its record; with `ndcg` that is every item's nDCG@10."""
    skill = SKILLS.get(method, 0.5) if skill is None else skill
    per_item = make_per_item(skill, seed, n_patients)
    if ndcg is not None:
        per_item = per_item.assign(**{column: ndcg for column in per_item if column.endswith("nDCG@10")})
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


def add_family_run(
    folder: Path,
    kind: str,
    method: str,
    seed: int = 0,
    n_patients: int = 36,
    skill: float = 1.0,
    **changes: object,
) -> Record:
    """Writes one scored run of classification or segmentation into `folder`/records and returns its record."""
    if kind == "segmentation":
        per_item, metrics = family_records.make_segmentation(skill, seed, n_patients)
    else:
        per_item, metrics = family_records.make_classification(kind, skill, seed, n_patients)
    facts = {"benchmark": kind, "metrics": metrics, "training": make_training(method, skill, seed)}
    facts |= {"run_id": f"{method}-{seed}-{kind}", "notes": {"items": f"policy of {kind}"}}
    record = make_record(method, seed, **(facts | changes))
    write_record(folder / "records", record, per_item)
    return record


def fill_run_dir(
    folder: Path, seeds: tuple[int, ...] = (0,), n_patients: int = 24, methods: tuple[str, ...] = METHODS
) -> Path:
    """A run directory with every method in `methods` under every seed."""
    for seed in seeds:
        for method in methods:
            add_run(folder, method, seed, n_patients)
    return folder


def add_seeds(folder: Path, method: str, skill: float | None = None, **changes: object) -> None:
    """Three scored runs of a method: the fewest that are compared with others."""
    for seed in (0, 1, 2):
        add_run(folder, method, seed, skill=skill, **changes)


@pytest.fixture(scope="session")
def factory() -> SimpleNamespace:
    """The factory's functions by name."""
    functions = (
        add_run, add_seeds, add_hole, add_family_run, fill_run_dir, make_record, make_cohort, make_per_item,
        make_metrics, declared_of,
    )  # fmt: skip
    return SimpleNamespace(**{function.__name__: function for function in functions})


EMPTY = plots.Drawn(b"", b"", '<svg xmlns="http://www.w3.org/2000/svg"/>')


@pytest.fixture
def real_figures() -> None:
    """A test that asks for it has its figures drawn."""


@pytest.fixture(autouse=True)
def _quick_figures(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages of other tests have empty figures: drawing is most of the time of a page."""
    if "real_figures" not in request.fixturenames:
        monkeypatch.setattr(plots, "rendered", lambda name, draw: EMPTY)


@pytest.fixture(scope="session")
def family_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three seeds of all benchmarks: one method skips what needs text, one failed once; do not write to it."""
    folder = tmp_path_factory.mktemp("families")
    skills = {"selip": 1.6, "clip": 1.5, "shuffled_selip": 1.55, "clip_x2": 0.5, "random_init": 0.0}
    for seed in (0, 1, 2):
        for method, skill in skills.items():
            add_run(folder, method, seed, skill=skill)
            for name in FAMILY_BENCHMARKS:
                if (name, method, seed) != ("segmentation", "clip_x2", 1):
                    add_family_run(folder, name, method, seed, 30, skill)
        for name in ("retrieval", "zero_shot"):
            add_hole(folder, "mae", seed, "skipped", "no text tower", benchmark=name, run_id=f"mae-{seed}-{name}")
        add_family_run(folder, "linear_probe", "mae", seed, 30)
    add_hole(folder, "clip_x2", 1, benchmark="segmentation", run_id="clip_x2-1-segmentation")
    return folder


@pytest.fixture(scope="session")
def family_built(family_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The leaderboard of `family_dir`, its figures empty."""
    out = tmp_path_factory.mktemp("family_leaderboard")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plots, "rendered", lambda name, draw: EMPTY)
        build_leaderboard(family_dir, out, n_resamples=200)
    return out


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
