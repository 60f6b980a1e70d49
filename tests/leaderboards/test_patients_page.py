"""The page of real patients: its tasks, controls and sentences by hand; a committed one is that of its records."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from leaderboards.tables.document import to_markdown
from selip.records.record_files import read_per_item, read_records

ROOT = Path(__file__).resolve().parents[2]
BENCHMARKS = ("segmentation", "linear_probe")
SKILLS = {"selip": 3.0, "clip": 2.5, "clip_x2": 1.5, "label_smoothing": 0.4, "random_init": 0.0}


@pytest.fixture(scope="module")
def patients():
    sys.path.insert(0, str(ROOT / "docs"))
    import patients

    yield patients
    sys.path.remove(str(ROOT / "docs"))


@pytest.fixture(scope="module")
def made(patients, factory, tmp_path_factory):
    """The page of one experiment: three seeds of five methods, outlines of masks and a probe."""
    home = tmp_path_factory.mktemp("records")
    about = {"cohort": factory.make_cohort(name="lgg", profile="", synthetic=False), "contrasts": (("selip", "clip"),)}
    for seed in range(3):
        for method, skill in SKILLS.items():
            for kind in BENCHMARKS:
                factory.add_family_run(home / "transfer_lgg", kind, method, seed, 40, skill, **about)
    for method, skill in SKILLS.items():
        for kind in BENCHMARKS:
            factory.add_family_run(home / "study", kind, method, 0, 40, 3.0 - skill)
    with pytest.MonkeyPatch.context() as patch:
        asked = patients.read_experiment(patients.experiment_file("transfer_lgg"))
        asked = replace(asked, methods=tuple(SKILLS), benchmarks=BENCHMARKS)
        patch.setattr(patients, "read_experiment", lambda path: asked)
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
    strongest = found["strongest control"]
    assert (strongest.text, strongest.note) == ("MONAI U-Net", "0.410 (of 2)")
    assert (found["patients"].text, found["volumes"].text) == ("40", "80")


def test_above_all_takes_the_untrained_encoder_and_every_control(made):
    _, page = made
    listed = cells(page, "segmentation, fine-tuned")["interval above all of them"].text.split(", ")
    assert {"selip", "clip"} <= {*listed}
    assert "label_smoothing" not in listed, "its interval holds the U-Net or the untrained encoder"
    assert cells(page, "linear probe, lesion type")["strongest control"].text == "metadata only"


def test_tasks_of_fewer_labels_stand_beside_those_of_all(made):
    names = {line.cells[0].text for line in made[1].blocks[0].tables[0].lines}
    assert {"segmentation, frozen, 10 %", "linear probe, side, 10 %", "linear probe, side"} <= names
    bounds = [cells(made[1], name)["its score"].estimate for name in names]
    assert all(one.lower <= one.value <= one.upper for one in bounds), "of every task, whichever a board ranks by"


def test_a_task_that_stands_beside_decides_nothing(patients, made, monkeypatch):
    monkeypatch.setattr(patients, "ASIDE", ("side",))
    monkeypatch.setattr(patients, "unfinished", lambda *_: [])
    page = patients.patients_page(made[0], n_resamples=20)
    lines = page.blocks[0].tables[0].lines
    beside = [line.cells[0].text for line in lines if line.cells[-1].text == "stands beside"]
    assert beside == ["linear probe, side", "linear probe, side, 10 %"]
    assert f"of {len(lines) - 2} tasks" in page.verdicts[0].text
    assert not any("linear probe, side" in verdict.text for verdict in page.verdicts)


def test_the_sentences_count_what_the_table_has_and_take_every_task(made):
    _, page = made
    table = page.blocks[0].tables[0]
    above = [line.cells[0].text for line in table.lines if line.cells[-1].text != "none"]
    first, *others = [verdict.text for verdict in page.verdicts]
    assert first.startswith(f"transfer_lgg: in {len(above)} of {len(table.lines)} tasks (")
    assert all(name in first for name in above)
    assert any(text.startswith("transfer_lgg: linear probe, side: selip is ") for text in others)
    assert page.blocks[0].lead.startswith("Do encoders that were pretrained on simulated heads")
    assert all(subject.startswith("transfer_lgg, ") for subject, _ in page.facts)


def test_the_study_is_asked_whether_its_order_of_methods_holds_on_patients(made):
    _, page = made
    said = page.verdicts[1].text
    assert said.startswith("study (SYNTHETIC) and transfer_lgg: The simulated ranking is the reverse of the real one: ")
    block = page.blocks[-1]
    found = {line.cells[0].text: line.cells[2].estimate.value for line in block.tables[0].lines}
    assert found["segmentation, frozen"] < -0.8
    assert [figure.path for figure in page.figures] == ["figures/agreement.png"]
    assert "over methods, which are drawn anew" in block.lead


def test_of_a_run_that_is_not_finished_nothing_is_said(patients, made):
    said = patients.patients_page(made[0], n_resamples=10)
    assert said.blocks == []
    assert said.verdicts[0].text.startswith("transfer_lgg: not finished, ")


def test_without_records_there_is_no_page(patients, tmp_path):
    assert patients.patients_page(tmp_path) is None


@pytest.mark.parametrize("name", ["transfer_lgg", "train_lgg", "transfer_cheng"])
def test_a_committed_experiment_is_whole_on_equal_terms_and_of_the_contrasts_that_it_says(patients, name):
    config = patients.read_experiment(patients.experiment_file(name))
    folder = patients.RECORDS / name / "records"
    records = read_records(folder)
    asked = {(method, seed, task) for method in config.methods for seed in config.seeds for task in config.benchmarks}
    assert {(one.method, one.seed, one.benchmark) for one in records} == asked
    assert {one.status for one in records} <= {"ok", "skipped"}
    assert {one.fold for one in records} == {"5 pooled"}
    assert not any(one.cohort.synthetic or "dirty" in one.git_commit for one in records)
    for seed in config.seeds:
        trained = [one.training for one in records if one.seed == seed and one.training and one.training.steps]
        assert len({(one.initial_weights_hash, one.batch_order_hash, one.steps) for one in trained}) == 1
    left_out = {
        contrast for contrast, read in (config.evaluate_on.contrasts if config.evaluate_on else {}).items() if not read
    }
    scored = {
        one for record in records if record.per_item for one in read_per_item(folder, record)["contrast"].unique()
    }
    assert scored
    assert not scored & left_out


@pytest.mark.slow
def test_the_committed_page_is_that_of_its_records(patients):
    made = patients.patients_page(patients.RECORDS)
    assert (made is None) == (not patients.PAGE.exists())
    assert made is None or to_markdown(made) == patients.PAGE.read_text()
