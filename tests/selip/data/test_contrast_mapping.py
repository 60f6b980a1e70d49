"""How contrasts of another cohort are read: known as themselves, others as the user says, nothing by guess."""

from __future__ import annotations

import itertools

import pytest
import torch

from selip.data.contrast_mapping import read_as, reading_words, resolve_reading, without_left_out
from selip.data.findings import CONTRASTS
from selip.experiments.experiment_file import parse_contrasts, read_experiment
from selip.models.volume_towers import Intensity
from selip.system.errors import InputError


def test_what_training_knows_is_read_as_itself_and_what_the_user_says_goes_before(small_cohort):
    assert resolve_reading(["DWI", "FLAIR"], small_cohort, {}) == {"FLAIR": "FLAIR", "DWI": "DWI"}
    assert resolve_reading(["T1", "FLAIR"], small_cohort, {"DWI": "T1"}) == {"FLAIR": "FLAIR", "DWI": "T1"}
    assert resolve_reading(["DWI", "FLAIR"], small_cohort, {"FLAIR": "DWI"}) == {"FLAIR": "DWI", "DWI": "DWI"}
    assert resolve_reading(["FLAIR"], small_cohort, {"DWI": None}) == {"FLAIR": "FLAIR", "DWI": None}


@pytest.mark.parametrize(
    ("known", "asked", "said"),
    [
        (["T1"], {}, "got DWI, FLAIR volumes .* 'evaluate_on.contrasts={DWI: T1, FLAIR: T1}'"),
        (["FLAIR"], {"FLAIR": "FLAIR"}, "got DWI volumes"),
        (["DWI", "FLAIR"], {"T1c": "DWI"}, "T1c, which .* does not have"),
        (["FLAIR"], {"DWI": "T1"}, "to T1, which training did not have; allowed: FLAIR"),
    ],
)
def test_nothing_is_guessed(small_cohort, known, asked, said):
    with pytest.raises(InputError, match=said) as caught:
        resolve_reading(known, small_cohort, asked)
    assert "\n" not in str(caught.value)


def test_left_out_volumes_are_in_no_part_and_rows_keep_their_numbers(small_cohort):
    kept = without_left_out(small_cohort, {"FLAIR": "FLAIR", "DWI": None})
    for part in ("train", "val", "test", "all"):
        rows = small_cohort.rows(part)
        expected = rows[(small_cohort.volumes["contrast"].iloc[rows] == "FLAIR").to_numpy()]
        assert kept.rows(part).tolist() == expected.tolist()
    assert len(kept.volumes) == len(small_cohort.volumes)
    has_flair = set(small_cohort.volumes.loc[small_cohort.volumes["contrast"] == "FLAIR", "study_id"])
    assert set(kept.studies.loc[kept.studies["split"] != "left out", "study_id"]) == has_flair
    assert without_left_out(small_cohort, {"FLAIR": "DWI", "DWI": "DWI"}) is small_cohort


@pytest.mark.parametrize("rule", ["population_z", "minmax"])
def test_a_contrast_is_standardised_as_the_one_it_is_read_as(rule):
    generator = torch.Generator().manual_seed(0)
    stored = torch.randint(0, 256, (12, 4, 5, 3), generator=generator, dtype=torch.uint8)
    positions = torch.tensor([0, 1, 2] * 4)  # T1, T2, FLAIR
    before, after = Intensity(rule, (4, 5, 3)), Intensity(rule, (4, 5, 3))
    for one in (before, after):
        one.fit(stored, positions)
    sources = {"T1c": "T1", "T1": "T2", "T2": "T1"}  # a swap: all at once
    after.read_as(sources)
    volumes = stored[:, None].float() / 255
    for name, position in zip(CONTRASTS, itertools.count()):
        source = CONTRASTS.index(sources.get(name, name))
        expected = before(volumes, torch.full((12,), source))
        assert torch.equal(after(volumes, torch.full((12,), position)), expected)
    if rule == "population_z":
        assert not torch.equal(before(volumes, torch.full((12,), 0)), before(volumes, torch.full((12,), 1)))


def test_words_and_sources():
    reading = {"T1": "T1", "DWI": None, "T1c": "T1"}
    assert read_as(reading) == {"T1c": "T1"}
    assert reading_words(reading) == {"DWI": "left out", "T1c": "read with the training statistics of T1"}


def test_the_mapping_is_read_from_files_and_the_command_line(tmp_path):
    path = tmp_path / "cross.yaml"
    path.write_text("name: cross\nevaluate_on: {name: phantom_glioma, contrasts: {T1c: FLAIR}}\n")
    config = read_experiment(path, ["evaluate_on.seed=7", "evaluate_on.contrasts={T1c: FLAIR, DWI: null}"])
    assert (config.evaluate_on.name, config.evaluate_on.seed) == ("phantom_glioma", 7)
    assert config.evaluate_on.contrasts == {"T1c": "FLAIR", "DWI": None}
    assert read_experiment(path, ["evaluate_on=null"]).evaluate_on is None
    assert parse_contrasts("{T1c: T1, DWI: }") == {"T1c": "T1", "DWI": None}


@pytest.mark.parametrize(
    "override",
    ["evaluate_on.contrast={}", "evaluate_on.contrasts={T1c: T3}", "evaluate_on.contrasts=T1", "transfer.pat=1"],
)
def test_a_slip_in_the_mapping_is_refused(tmp_path, override):
    path = tmp_path / "cross.yaml"
    path.write_text("name: cross\n")
    with pytest.raises(InputError, match=r"^got .*(allowed: |write key: value lines)"):
        read_experiment(path, [override])
