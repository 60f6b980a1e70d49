"""A leaderboard is a pure function of records, whatever is missing among them."""

from __future__ import annotations

import numpy as np
import pytest

from leaderboards.figures.example_pictures import Candidate, Example, draw_examples
from leaderboards.site.build import build_leaderboard
from selip.system.errors import InputError


def contents(folder):
    return {path.relative_to(folder): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_the_same_records_give_the_same_bytes(run_dir, built, tmp_path, real_figures):
    paths = build_leaderboard(run_dir, tmp_path / "again", n_resamples=200)
    assert contents(tmp_path / "again") == contents(built)
    assert sorted(paths) == sorted(path for path in (tmp_path / "again").rglob("*") if path.is_file())
    names = {str(path) for path in contents(built)}
    assert {"retrieval.tex", "audit.md", "audit.tex"} <= names
    assert not {"overall.md", "classification.md"} & names
    assert {"retrieval.md", "retrieval.csv", "index.html", "figures/recall_at_10.png"} <= names


def test_the_default_folder_is_inside_the_run_directory(tmp_path, factory):
    factory.add_run(tmp_path, "clip")
    paths = build_leaderboard(tmp_path, n_resamples=20)
    assert {path.relative_to(tmp_path).parts[0] for path in paths} == {"leaderboard"}


def test_a_refused_board_writes_nothing(tmp_path, factory):
    factory.add_run(tmp_path, "clip")
    factory.add_run(tmp_path, "selip", split_fingerprint="other")
    with pytest.raises(InputError):
        build_leaderboard(tmp_path)
    assert not (tmp_path / "leaderboard").exists()


def test_a_run_of_failures_still_has_a_page(tmp_path, factory):
    factory.add_hole(tmp_path, "clip")
    factory.add_hole(tmp_path, "selip", status="skipped", reason="needs a GPU")
    build_leaderboard(tmp_path, n_resamples=20)
    for page in ("retrieval.md", "retrieval.csv", "index.html"):
        text = (tmp_path / "leaderboard" / page).read_text()
        assert "loss is nan at step 12" in text
        assert "needs a GPU" in text


def test_one_patient_has_values_and_no_intervals(tmp_path, factory):
    for method in ("clip", "selip"):  # of two patients one is abnormal
        factory.add_run(tmp_path, method, n_patients=2)
    build_leaderboard(tmp_path, n_resamples=20)
    text = (tmp_path / "leaderboard" / "retrieval.md").read_text()
    row = next(line for line in text.splitlines() if line.startswith("| selip |"))
    assert "." in row
    assert "[" not in row
    assert "nan" not in text.lower()


@pytest.mark.parametrize(("n_patients", "said"), [(8, True), (24, False)])
def test_a_page_on_few_patients_says_that_they_decide_nothing(tmp_path, factory, n_patients, said):
    factory.add_run(tmp_path, "clip", n_patients=n_patients)
    build_leaderboard(tmp_path, tmp_path / "out", n_resamples=20)
    page = (tmp_path / "out" / "retrieval.md").read_text()
    assert (f"Scored on at most {n_patients} patients: so few decide nothing" in page) == said


def test_the_page_shows_the_examples_that_are_there(tmp_path, factory):
    factory.add_run(tmp_path, "selip")
    picture = np.zeros((8, 8), np.uint8)
    example = Example("selip", "at left thalamus shows high signal", [Candidate("a", 0.5, True)], True, picture)
    draw_examples(tmp_path / "leaderboard" / "examples" / "selip-image_to_text.png", [example])
    build_leaderboard(tmp_path, tmp_path / "elsewhere", n_resamples=20)
    html = (tmp_path / "elsewhere" / "index.html").read_text()
    assert 'alt="SYNTHETIC: selip: image to text"' in html
    assert html.count("data:image/webp") == 1


def test_the_html_page_can_be_left_out(tmp_path, factory):
    factory.add_run(tmp_path, "clip")
    build_leaderboard(tmp_path, tmp_path / "out", n_resamples=20, html=False)
    assert (tmp_path / "out" / "retrieval.md").is_file()
    assert not (tmp_path / "out" / "index.html").exists()
