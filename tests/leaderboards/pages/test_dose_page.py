"""The page of a sweep says at which doses a difference leaves 0, and first whether it could have seen one."""

from __future__ import annotations

import json

import pytest

from leaderboards.pages.dose_page import dose_frame, dose_page
from leaderboards.scores.dose_response import read_doses
from leaderboards.site.build import build_leaderboard
from selip.records.record import TuningFacts
from selip.system.errors import InputError

FACTS = TuningFacts(
    cohort="x", seeds=(1000,), score="s", chosen="default", settings={}, edges=(), trials={"default": 0.4}
)


def said(folder):
    return [verdict.text for verdict in dose_page(read_doses(folder, 500), 500).verdicts]


def test_doses_above_and_below_zero_are_named_after_the_control(sweep):
    first, second, *_ = said(sweep([0.9, 2.5, 0.1], 2.5))
    assert first.startswith("The positive control (wordings=8) is seen: selip − clip = +")
    assert "above 0 at wordings=1; below 0 at wordings=2, of 3 doses" in second


def test_without_its_positive_control_a_sweep_cannot_judge(sweep):
    found = dose_page(read_doses(sweep([2.5], 0.9), 500), 500)
    assert found.verdicts[0].kind == "warn"
    assert found.verdicts[0].text.startswith("This sweep cannot judge: its positive control (wordings=8) is not seen")


def test_a_gain_that_shuffled_similarity_has_too_is_none_of_structure(sweep, factory):
    folder = sweep([2.5], 2.5)
    for seed in range(3):
        factory.add_run(folder / "doses" / "positive_control", "shuffled_selip", seed, 60, skill=2.5)
    found = dose_page(read_doses(folder, 500), 500).verdicts[0]
    assert found.kind == "warn"
    assert "selip − shuffled_selip = " in found.text


def test_a_tuned_sweep_says_what_was_tuned(sweep, factory):
    folder = sweep([2.5], 2.5)
    for seed in range(3):
        factory.add_run(folder / "doses" / "wordings=0", "clip_x2", seed, 60, tuning=FACTS)
    assert [block.title for block in dose_page(read_doses(folder, 100), 100).blocks][-1] == "Tuning"


def test_an_experiment_that_is_a_dose_of_two_factors_counts_once(sweep):
    folder = sweep([2.5, 0.9], 2.5)
    facts = json.loads((folder / "doses.json").read_text())
    facts["doses"].append({"factor": "noise", "dose": "1", "folder": facts["doses"][0]["folder"]})
    (folder / "doses.json").write_text(json.dumps(facts))
    assert said(folder)[1].endswith("of 2 doses.")
    assert said(folder)[1].count("noise=1") == 1
    assert "wordings=0" not in said(folder)[1]


def test_doses_that_are_not_run_yet_are_named(sweep):
    folder = sweep([0.9, 2.5], 2.5)
    facts = json.loads((folder / "doses.json").read_text())
    facts["doses"].append({"factor": "noise", "dose": "2", "folder": "noise=2"})
    (folder / "doses.json").write_text(json.dumps(facts))
    assert said(folder)[-1] == "Not run yet: noise=2."


def test_the_page_its_table_and_its_figures_are_built_from_the_records_alone(sweep, real_figures):
    folder = sweep([0.9, 2.5], 2.5)
    names = {path.name for path in build_leaderboard(folder, n_resamples=200)}
    assert {"doses.md", "doses.csv", "doses.tex", "index.html", "doses_abnormal_image_to_text_R_at_10.png"} <= names
    frame = dose_frame(read_doses(folder, 200))
    assert len(frame) == 2 * len(read_doses(folder, 200).keys)
    assert (frame["lower"] <= frame["difference"]).all()
    assert frame["synthetic"].all()


@pytest.mark.parametrize("text", ["{", "{}", '{"name": 1}'])
def test_an_unreadable_list_of_doses_is_one_line(text, tmp_path):
    (tmp_path / "doses.json").write_text(text)
    with pytest.raises(InputError, match="unreadable"):
        build_leaderboard(tmp_path)
    (tmp_path / "doses.json").write_text('{"name": "x", "summary": "", "doses": [], "contrasts": []}')
    with pytest.raises(InputError, match="no scored record"):
        build_leaderboard(tmp_path)
