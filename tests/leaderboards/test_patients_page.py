"""The page of real patients: its tasks, controls and sentences by hand; the committed one is that of its records."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from leaderboards.tables.document import to_markdown
from selip.records.record_files import read_records

ROOT = Path(__file__).resolve().parents[2]
SKILLS = {"selip": 3.0, "clip": 2.5, "label_smoothing": 0.4, "random_init": 0.0}


@pytest.fixture(scope="module")
def patients():
    sys.path.insert(0, str(ROOT / "docs"))
    import patients

    yield patients
    sys.path.remove(str(ROOT / "docs"))


@pytest.fixture(scope="module")
def made(patients, factory, tmp_path_factory):
    """The page of one experiment: three seeds of four methods, outlines of masks and a probe."""
    home = tmp_path_factory.mktemp("records")
    about = {"cohort": factory.make_cohort(name="lgg", profile="", synthetic=False), "contrasts": (("selip", "clip"),)}
    for seed in range(3):
        for method, skill in SKILLS.items():
            for kind in ("segmentation", "linear_probe"):
                factory.add_family_run(home / "transfer_lgg", kind, method, seed, 40, skill, **about)
    return home, patients.patients_page(home, n_resamples=100)


def cells(page, task):
    line = next(line for line in page.blocks[0].tables[0].lines if line.cells[0].text == task)
    return dict(zip(page.blocks[0].tables[0].columns, line.cells, strict=True))


def test_a_task_is_the_best_trained_method_beside_untrained_and_the_strongest_control(made):
    home, page = made
    records = [one for one in read_records(home / "transfer_lgg" / "records") if one.benchmark == "segmentation"]
    mean = {
        method: sum(one.metrics["frozen/dice"].value for one in records if one.method == method) / 3
        for method in SKILLS
    }  # fmt: skip
    found = cells(page, "segmentation, frozen")
    best = max((method for method in SKILLS if method != "random_init"), key=mean.__getitem__)
    assert found["best trained method"].text == best
    assert found["its score"].estimate.value == pytest.approx(mean[best])
    assert found["untrained"].estimate.value == pytest.approx(mean["random_init"])
    assert found["strongest control"].text == "MONAI U-Net 0.410"
    assert found["patients"].text == "40"


def test_clear_of_all_takes_the_untrained_encoder_and_every_control(made):
    _, page = made
    listed = cells(page, "segmentation, fine-tuned")["clear of all"].text.split(", ")
    assert {"selip", "clip"} <= {*listed}
    assert "label_smoothing" not in listed, "its interval holds the U-Net or the untrained encoder"
    assert cells(page, "linear probe, lesion type")["strongest control"].text == "metadata only 0.550"


def test_the_sentence_counts_what_the_table_has(made, patients):
    _, page = made
    table = page.blocks[0].tables[0]
    clear = [line.cells[0].text for line in table.lines if line.cells[-1].text != "none"]
    assert page.verdicts[0].text.startswith(f"transfer_lgg: in {len(clear)} of {len(table.lines)} tasks a trained")
    assert all(name in page.verdicts[0].text for name in clear)
    assert "Questions" not in page.blocks[0].lead
    assert page.blocks[0].lead.startswith("Do encoders that were pretrained on simulated heads")


def test_without_records_there_is_no_page(patients, tmp_path):
    assert patients.patients_page(tmp_path) is None


@pytest.mark.slow
def test_the_committed_page_and_the_readme_are_those_of_the_records(patients):
    made = patients.patients_page(patients.RECORDS)
    assert made is not None
    assert to_markdown(made) == patients.PAGE.read_text()
