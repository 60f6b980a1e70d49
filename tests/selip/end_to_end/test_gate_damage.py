"""The gate on models that were really trained: damage is caught, another seed is no alarm, another split is refused.

The small form is a coarse phantom of large lesions, in the default suite; the full form (`-m slow`) is the quick
experiment as CI runs it. Margins are the packaged ones in both.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from leaderboards.gate.comparison import Side, read_side
from leaderboards.gate.quality_gate import compare
from selip.cohorts.phantom.generate import build
from selip.data.cohort import Cohort
from selip.data.splits import split_fingerprint
from selip.experiments.catalogue import experiment_file, find_benchmark
from selip.experiments.config import ExperimentConfig
from selip.experiments.experiment import run_experiment, score_options
from selip.experiments.experiment_file import read_experiment
from selip.experiments.run import majority_texts
from selip.models.dual_encoder import DualEncoder, load_checkpoint
from selip.models.scored_model import Subject
from selip.records.record_files import read_records, write_record
from selip.system.errors import InputError
from selip.system.progress import Report

COMMITTED = Path(__file__).resolve().parents[3] / "leaderboards" / "records" / "quick"
EASY = {
    "n_patients": 300, "shape": (20, 24, 8), "spacing_mm": (9.0, 9.0, 20.0), "slice_samples": 1, "atlas_step_mm": 4,
    "radius_mm": (18.0, 24.0), "normal": 0.1, "second_finding": 0.0, "several_foci": 0.0, "follow_up": 0.0,
    "rotation_deg": 0.0, "shift_mm": 0.0, "scale": 0.0, "warp_mm": 0.0, "ventricle_mm": 0.0,
}  # fmt: skip
SMALL = (
    "methods=selip", "benchmarks=retrieval", "transfer=null", "seeds=[0,1]", "evaluation.n_resamples=50",
    "model.width=8", "model.text_width=32", "model.text_layers=1", "model.embedding_size=32", "training.steps=60",
    "training.validations=1", "training.warmup_steps=10", "training.learning_rate_volume=2e-3",
    "training.learning_rate_text=2e-3",
)  # fmt: skip
REPORT = Report()


@dataclass(frozen=True)
class Trained:
    """Two seeds of selip, and the benchmarks that damage is scored on."""

    run: Path
    config: ExperimentConfig
    cohort: Cohort
    benchmarks: tuple[str, ...]

    def records(self, pattern: str, out: Path) -> Side:
        """The records whose file names begin so, in a folder of their own."""
        out.mkdir()
        for path in (self.run / "records").glob(f"{pattern}-*"):
            shutil.copy(path, out)
        return read_side(out)


def run(overrides: Sequence[str], out: Path) -> ExperimentConfig:
    config = read_experiment(experiment_file("quick"), overrides)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("selip.experiments.experiment.write_leaderboard", lambda *arguments: [])
        run_experiment(config, out, out.exists(), ["selip", "run", "quick"], REPORT)
    return config


@pytest.fixture(scope="module", params=["small", pytest.param("full", marks=pytest.mark.slow)])
def trained(request, tmp_path_factory) -> Trained:
    out = tmp_path_factory.mktemp("gate") / "run"
    if request.param == "small":
        cohort = build("quick", 1, out.with_name("cohort"), workers=1, **EASY)
        return Trained(out, run([f"cohort.path={cohort.root}", *SMALL], out), cohort, ("retrieval",))
    run([], out)  # what CI does
    config = run(["methods=selip", "seeds=[0,1]"], out)
    return Trained(out, config, Cohort.open(out / "cohort"), ("retrieval", "zero_shot", "linear_probe"))


@dataclass(frozen=True)
class Changed(Cohort):
    """A cohort whose volumes are changed on their way to the model."""

    change: Callable[[np.ndarray, np.ndarray], np.ndarray] = lambda volumes, contrasts: volumes

    def read_volumes(self, rows):
        return self.change(super().read_volumes(rows), self.volumes["contrast"].to_numpy()[np.asarray(rows)])


def swapped_sides(volumes: np.ndarray, contrasts: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(volumes[:, ::-1])


def without(contrast: str) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    return lambda volumes, contrasts: np.where((contrasts == contrast)[:, None, None, None], np.uint8(0), volumes)


def shuffle_weights(model: DualEncoder) -> None:
    """Every tensor of the volume tower keeps its values, in another order."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weights in model.volume_tower.parameters():
            weights.copy_(weights.flatten()[torch.randperm(weights.numel(), generator=generator)].view_as(weights))


def scored(
    trained: Trained, out: Path, cohort: Cohort, damage: Callable[[DualEncoder], None] = lambda model: None
) -> Side:
    """Records of seed 0 as they would be with this cohort and this damage."""
    model, facts = load_checkpoint(trained.run / "checkpoints" / "selip-seed0.safetensors")
    damage(model)
    subject = Subject(model, cohort, majority_texts(facts))
    for record in read_records(trained.run / "records"):
        if record.seed == 0 and record.benchmark in trained.benchmarks:
            options = replace(score_options(trained.config.evaluation), n_resamples=50)
            score = find_benchmark(record.benchmark).score(subject, options)
            changes = {"metrics": dict(score.metrics), "split_fingerprint": cohort.info.split_fingerprint}
            write_record(out, record.model_copy(update=changes), score.per_item)
    return read_side(out)


@pytest.fixture(scope="module")
def reference(trained, tmp_path_factory) -> Side:
    return scored(trained, tmp_path_factory.mktemp("gate") / "reference", trained.cohort)


@pytest.mark.timeout(3600)
def test_the_models_have_learned_something(reference):
    for name, key in {"retrieval": "abnormal/image_to_text_R@10", "zero_shot": "lesion_type/macro_auroc"}.items():
        for row in reference.boards[name].rows if name in reference.boards else ():
            metrics = row.scored[0].metrics
            assert metrics[key].lower > metrics[f"{key}/chance"].value * 1.3


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("damage", ["shuffled weights", "no FLAIR", "no DWI", "swapped sides"])
def test_damage_is_caught(trained, reference, tmp_path, damage):
    changes = {"no FLAIR": without("FLAIR"), "no DWI": without("DWI"), "swapped sides": swapped_sides}
    if damage in changes:
        candidate = scored(trained, tmp_path / "out", Changed(**vars(trained.cohort), change=changes[damage]))
    else:
        candidate = scored(trained, tmp_path / "out", trained.cohort, shuffle_weights)
    gate = compare(reference, candidate, {})
    retrieval = next(line for line in gate.lines if line.pair.benchmark == "retrieval")
    print(damage, retrieval.difference, retrieval.margin, [line.outcome for line in gate.lines])
    assert (gate.exit_code, retrieval.outcome) == (1, "regress")


@pytest.mark.timeout(3600)
def test_the_same_model_passes_and_another_seed_is_no_alarm(trained, reference, tmp_path):
    assert compare(reference, scored(trained, tmp_path / "same", trained.cohort), {}).exit_code == 0
    sides = [trained.records(f"selip-seed{seed}", tmp_path / f"seed{seed}") for seed in (0, 1)]
    gate = compare(*sides, {})
    print([(line.guarded.name, line.difference, line.margin, line.outcome) for line in gate.lines])
    assert gate.outcome in ("pass", "inconclusive")


@pytest.mark.timeout(3600)
def test_another_split_is_refused(trained, reference, tmp_path):
    """One patient goes from the test part to the training part."""
    cohort = trained.cohort
    patient = cohort.studies.loc[cohort.studies["split"] == "test", "patient_id"].iloc[0]
    moved = [
        table.assign(split=table["split"].mask(table["patient_id"] == patient, "train"))
        for table in (cohort.studies, cohort.volumes)
    ]
    fingerprint = split_fingerprint(dict(zip(moved[0]["patient_id"], moved[0]["split"], strict=True)))
    info = replace(cohort.info, split_fingerprint=fingerprint)
    candidate = scored(trained, tmp_path / "moved", Cohort(cohort.root, info, *moved))
    with pytest.raises(InputError, match="split fingerprints"):
        compare(reference, candidate, {})


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("trained", [pytest.param("full", marks=pytest.mark.slow)], indirect=True)
def test_a_fresh_quick_run_is_no_alarm_against_the_committed_one(trained, tmp_path):
    """What docs/ci does, on this machine and with the present code."""
    gate = compare(read_side(COMMITTED), trained.records("*-seed0", tmp_path / "fresh"), {})
    print([(line.pair.label, line.guarded.name, line.difference, line.margin, line.outcome) for line in gate.lines])
    assert gate.outcome in ("pass", "inconclusive")
