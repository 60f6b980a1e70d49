"""Fixtures of the pipeline's tests: small NIfTI files of a head, and the real examinations."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import torch

from selip.cohorts.table import import_table
from selip.data.cohort import SCHEMA_VERSION, Cohort, manifest_hash, voxel_hash
from selip.data.findings import CONTRASTS
from selip.models.dual_encoder import CheckpointFacts, DualEncoder
from selip.models.settings import ModelConfig
from selip.models.text_towers import Tokens
from selip.system.files import sealed_json, write_atomically

REAL_EXAMINATIONS = Path(__file__).resolve().parents[1] / "data" / "real_examinations.csv"
HEAD_SHAPE = (24, 28, 20)
HEAD_AFFINE = np.array([[6.0, 0, 0, -69], [0, 6.0, 0, -98], [0, 0, 6.0, -47], [0, 0, 0, 1]])

OF_EACH_RUN = {"seconds", "created", "peak_memory_mb", "command", "git_commit", "sha256"}
"""What two records of one run do not share."""

WriteNifti = Callable[..., Path]


def reseal(folder: Path) -> None:
    """Makes the checksums of a changed cohort folder those of what it holds now."""
    changed = Cohort.open(folder, verify=False)
    tables = {"volumes": (changed.volumes, "sha256"), "masks": (changed.studies, "mask_sha256")}
    for array, (table, column) in tables.items():
        table[column] = [voxel_hash(voxels) for voxels in changed.read(array, range(len(table)))]
    paths = [folder / "studies.csv", folder / "volumes.csv"]
    for path, table in zip(paths, (changed.studies, changed.volumes), strict=True):
        write_atomically(path, table.to_csv(index=False))
    info = replace(changed.info, content_hash=manifest_hash(changed.info, *paths))
    write_atomically(folder / "cohort.json", sealed_json({"schema_version": SCHEMA_VERSION, **asdict(info)}, indent=2))


@pytest.fixture(scope="session", name="reseal")
def reseal_fixture() -> Callable[[Path], None]:
    """`reseal`, for tests of cohorts that somebody changed on purpose."""
    return reseal


@pytest.fixture
def head() -> np.ndarray:
    """A head (24, 28, 20) float32 with RAS axes: an ellipsoid of 100, a bright spot right, a dark one in front."""
    points = np.moveaxis(np.indices(HEAD_SHAPE), 0, -1) @ HEAD_AFFINE[:3, :3].T + HEAD_AFFINE[:3, 3]
    values = 100.0 * (((points - (0, -17, 10)) / (62, 75, 52)) ** 2).sum(-1).__lt__(1)
    values += 150.0 * (np.linalg.norm(points - (33, -17, 16), axis=-1) < 10)
    values -= 80.0 * (np.linalg.norm(points - (0, 30, 4), axis=-1) < 10)
    texture = np.random.default_rng(0).normal(size=HEAD_SHAPE)
    return (values + 3 * texture * (values > 0)).astype(np.float32)


@pytest.fixture
def write_nifti(tmp_path: Path) -> WriteNifti:
    """Writes values to a NIfTI file in the test's folder and gives its path."""

    def write(name: str, values: np.ndarray, affine: np.ndarray = HEAD_AFFINE) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        nib.save(nib.Nifti1Image(values, affine), path)
        return path

    return write


@pytest.fixture(scope="session")
def tiny_model() -> Callable[..., tuple[DualEncoder, CheckpointFacts]]:
    """Makes an untrained model of a few thousand weights, with its batch norm moved, and the facts of a checkpoint."""

    def make(**changes: object) -> tuple[DualEncoder, CheckpointFacts]:
        tiny = {"volume_tower": "resnet10", "width": 4, "stem_kernel": 3, "pooled_shape": (2, 2, 1)}
        text = {"text_width": 32, "text_layers": 1, "embedding_size": 8}
        config, shape = ModelConfig(**(tiny | text | changes)), (24, 28, 12)
        texts = {"at left thalamus shows high signal": 2, "at right insula shows low signal": 1}
        torch.manual_seed(0)
        model = DualEncoder(config, shape, Tokens.trained_on(list(texts)))
        known = torch.tensor([CONTRASTS.index(name) for name in ("FLAIR", "DWI", "DWI", "FLAIR")])
        model.intensity.fit(torch.randint(0, 256, (4, *shape), dtype=torch.uint8), known)
        for _ in range(3):
            model.encode_volume(torch.rand(4, 1, *shape), known)
        spacing, contrasts = (6.0, 6.0, 10.0), ("DWI", "FLAIR")
        return model.eval(), CheckpointFacts(
            "clip", 0, 5, config, shape, spacing, contrasts, "c" * 64, "f" * 64, True, texts, "r" * 64
        )

    return make


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of the real examinations, or a skip that says why."""
    default = Path(__file__).resolve().parents[3] / "shared" / "data"
    folder = Path(os.environ.get("SELIP_REAL_DATA", default))
    if not (folder / "open_ms").is_dir():
        pytest.skip(f"no real examinations in {folder}; set SELIP_REAL_DATA to their folder")
    return folder


@pytest.fixture(scope="session")
def real_cohort(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    """The real examinations of tests/data/real_examinations.csv on a 2 mm grid; all are in the test part."""
    return import_table(
        REAL_EXAMINATIONS,
        tmp_path_factory.mktemp("real") / "cohort",
        shape=(96, 112, 80),
        spacing_mm=(2.0, 2.0, 2.0),
        root=real_data,
    )


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory: pytest.TempPathFactory, small_cohort_folder: Path, tiny_run: tuple[str]) -> Path:
    """A finished run directory of three methods; read only."""
    from selip.experiments.catalogue import experiment_file
    from selip.experiments.executors.local import ONE_BY_ONE
    from selip.experiments.experiment import run_experiment
    from selip.experiments.experiment_file import read_experiment
    from selip.system.progress import Report

    overrides = [f"cohort.path={small_cohort_folder}", "methods=selip,clip,random_init", *tiny_run]
    out = tmp_path_factory.mktemp("run") / "tiny"
    config = read_experiment(experiment_file("quick"), overrides)
    run_experiment(config, out, False, ["selip", "run", "quick"], Report(), ONE_BY_ONE)
    return out


@pytest.fixture(scope="session")
def same_records() -> Callable[[Path, Path], None]:
    """Asserts that two run directories hold the same records and per-item scores."""

    def check(one: Path, other: Path) -> None:
        names = sorted(path.name for path in (one / "records").iterdir())
        assert names == sorted(path.name for path in (other / "records").iterdir())
        for name in names:
            paths = one / "records" / name, other / "records" / name
            if name.endswith(".json"):
                first, second = (json.loads(path.read_text()) for path in paths)
                assert {**first, **dict.fromkeys(OF_EACH_RUN)} == {**second, **dict.fromkeys(OF_EACH_RUN)}
            else:
                pd.testing.assert_frame_equal(*(pd.read_parquet(path) for path in paths), check_exact=True)

    return check


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Runs `selip ARGUMENTS` here: exit code, standard output and standard error."""
    from selip.cli.main import main

    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["selip", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            main()
        said = capsys.readouterr()
        return stop.value.code, said.out, said.err

    return run


@pytest.fixture
def run_again(small_cohort_folder: Path, tiny_run: tuple[str], command) -> Callable[..., tuple[int, str, str]]:
    """Runs the experiment of `finished_run` in another directory: exit code, standard output and standard error."""
    given = ["run", "quick", f"cohort.path={small_cohort_folder}", "methods=selip,clip,random_init", *tiny_run]
    return lambda out, *more: command(*given, "--workers", "1", "--out", out, *more)


@pytest.fixture
def no_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs write no leaderboard, which takes most of the time of a small one."""
    monkeypatch.setattr("selip.experiments.experiment.write_leaderboard", lambda *_: [])
