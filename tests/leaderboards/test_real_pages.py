"""Committed runs on real patients hold no picture, no id beyond the public codes, and no word of a report."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest

from leaderboards.figures.example_pictures import Example, draw_examples
from leaderboards.site.build import build_leaderboard
from selip.cohorts.importing.study_texts import UNDESCRIBED
from selip.data.findings import NORMAL_TEXT, findings_text, parse_findings_text
from selip.records.record_files import read_record, record_files, write_record

COMMITTED = Path(__file__).resolve().parents[2] / "leaderboards" / "records"
PUBLIC = re.compile(r"(TCGA_[A-Z0-9]{2}_[A-Z0-9]{4}|(MR)?\d{4,6}[A-Z]?)(_\w+)?")
"""Codes of TCGA and of Cheng's set, alone or with what tells the volume."""
PICTURES, WORDS = {".png", ".pdf"}, {".md", ".html", ".tex", ".csv", ".json", ".yaml"}


def is_told(text):
    """True of a text that no person wrote: measured clauses in their one form, or what stands where there is none."""
    return text in ("", UNDESCRIBED, NORMAL_TEXT) or text == findings_text(parse_findings_text(text))


def private(run):
    """All in a run directory that may not be committed of real patients, one line each."""
    found = []
    for path in sorted(path for path in run.rglob("*") if path.is_file()):
        if path.suffix == ".parquet":
            found += _of_items(path)
        elif path.suffix in WORDS:
            found += [f"{path.name}: picture"] if "data:image/" in path.read_text(encoding="utf-8") else []
        elif path.suffix not in PICTURES or path.parent != run / "leaderboard" / "figures":
            found.append(f"{path.name}: picture or voxels")
    return found


def _of_items(path):
    items = pd.read_parquet(path)
    ids = {str(one) for name in ("patient_id", "item_id") if name in items for one in items[name]}
    found = [f"{path.name}: id {one}" for one in sorted(ids) if not PUBLIC.fullmatch(one)]
    return found + [f"{path.name}: text {one}" for one in sorted({*items.get("text", ())}) if not is_told(one)]


def test_committed_runs_on_real_patients_hold_nothing_private():
    firsts = [next(iter(record_files(folder))) for folder in sorted(COMMITTED.glob("**/records"))]
    assert len(firsts) >= 3
    real = [path.parents[1] for path in firsts if not read_record(path).cohort.synthetic]
    assert [line for run in real for line in private(run)] == []


@pytest.fixture
def real_run(tmp_path, factory):
    """A run on a cohort of real kind, with its pages, as it may be committed."""
    cohort = factory.make_cohort(name="lgg", profile="", synthetic=False)
    for method in ("selip", "clip"):
        record = factory.add_family_run(tmp_path, "segmentation", method, cohort=cohort)
        items = pd.read_parquet(tmp_path / "records" / f"{record.run_id}.parquet")
        codes = items["patient_id"].map(lambda one: f"TCGA_CS_{int(one[1:]):04d}")
        told = items.assign(
            patient_id=codes, item_id=codes + "_FLAIR" + items["contrast"], text="at left insula shows high signal"
        )
        write_record(tmp_path / "records", record, told)
    build_leaderboard(tmp_path, n_resamples=20)
    return tmp_path


def test_a_run_of_public_codes_and_measured_texts_holds_nothing_private(real_run):
    assert private(real_run) == []


def test_a_picture_of_a_patient_is_found_as_a_file_and_in_the_page(real_run):
    voxels = pd.DataFrame([[0, 255], [255, 0]]).to_numpy("uint8")
    png = real_run / "leaderboard" / "examples" / "segmentation-selip-frozen.png"
    draw_examples(png, [Example("selip", "a lesion", [("a", 0.5, True, None)], True, voxels)])
    build_leaderboard(real_run, n_resamples=20)
    assert private(real_run) == [f"{png.name}: picture or voxels", "index.html: picture"]


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("patient_id", "Mueller_1961", "id Mueller_1961"),
        ("item_id", "MRN-889_FLAIR", "id MRN-889_FLAIR"),
        ("text", "Known glioma, slightly larger than in May.", "text Known glioma, slightly larger than in May."),
    ],
)
def test_an_id_of_a_hospital_or_a_word_of_a_report_is_found(real_run, column, value, said):
    path = next((real_run / "records").glob("selip*.parquet"))
    items = pd.read_parquet(path)
    items.loc[0, column] = value
    items.to_parquet(path)
    assert private(real_run) == [f"{path.name}: {said}"]
