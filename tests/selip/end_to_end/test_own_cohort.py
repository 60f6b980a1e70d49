"""A cohort of a user's own, from a table of NIfTI files and reports: its regime, tuning, and a tuned sweep over it."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import yaml

from selip.cli.main import app
from selip.records.record_files import read_records


@pytest.fixture(scope="module")
def own(tmp_path_factory, small_cohort):
    """FLAIR of the small phantom as somebody else's files, imported by the public command."""
    folder = tmp_path_factory.mktemp("own")
    volumes = small_cohort.volumes.query("contrast == 'FLAIR'")
    reports = small_cohort.studies.set_index("study_id")["report"]
    rows = []
    for row, volume in zip(volumes.index, volumes.itertuples(), strict=True):
        voxels = small_cohort.read_volumes([row])[0].astype(np.float32)
        nib.save(nib.Nifti1Image(voxels, np.diag([*small_cohort.info.spacing_mm, 1.0])), folder / f"{row}.nii.gz")
        names = (volume.patient_id, volume.study_id, "FLAIR", f"{row}.nii.gz", reports[volume.study_id])
        rows.append(dict(zip(("patient", "study", "contrast", "path", "report"), names, strict=True)))
    pd.DataFrame(rows).to_csv(folder / "mine.csv", index=False)
    grid = ("--shape", "40,48,16", "--spacing-mm", "4.5,4.5,10", "--workers", "1")
    line = ["cohort", "import", "table", str(folder / "mine.csv"), "--out", str(folder / "cohort"), *grid]
    app(line, standalone_mode=False)
    return folder


def test_its_regime_is_told(own, capsys):
    app(["cohort", "check", str(own / "cohort")], standalone_mode=False)
    assert "entropy of T: " in capsys.readouterr().out


@pytest.mark.slow
def test_it_is_tuned_and_a_tuned_sweep_over_lambda_and_batch_compares_methods_of_different_settings(own, tiny_run):
    asked = [*tiny_run, f"cohort.path={own / 'cohort'}", "methods=selip,selip_released,clip", "--workers", "1"]
    app(["tune", "sweep", "--trials", "2", "--out", str(own / "tuning"), *asked, "seeds=[7]"], standalone_mode=False)
    tuned = yaml.safe_load((own / "tuning" / "tuned.yaml").read_text())["methods"]
    assert set(tuned) == {"selip", "selip_released", "clip"}
    doses = "doses={training.batch_size: [8, 12], methods.selip.kl_weight: [1.0, 4.0]}"
    out = own / "sweep"
    line = ["run", "sweep", "--out", str(out), "--tuned", str(own / "tuning" / "tuned.yaml"), doses]
    app([*line, *asked, "seeds=[8]", "positive_control=[]"], standalone_mode=False)
    page = (out / "leaderboard" / "doses.md").read_text()
    assert "| training.batch_size | 12 |" in page
    assert "8 (as it is)" in page
    assert "No positive control was scored" in page
    assert "best score" in page
    records = read_records(out / "doses" / "base" / "records")
    assert len({one.terms for one in records}) == 1 < len({one.config_hash for one in records})
