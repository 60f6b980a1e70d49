"""The built cohort: same bytes always, truth that agrees with the voxels, and the mirror image."""

from __future__ import annotations

import json
import platform
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from phantom_oracles import flip_study

from selip.cohorts.phantom.anatomy import build_atlas
from selip.cohorts.phantom.generate import build, lesion_points
from selip.cohorts.phantom.lesions import KINDS
from selip.cohorts.phantom.patients import draw_studies
from selip.cohorts.phantom.profiles import PROFILES, resolve
from selip.cohorts.phantom.render import render
from selip.data.cohort_check import check_cohort
from selip.data.findings import (
    clauses_of,
    findings_from_json,
    findings_text,
    findings_to_json,
    flip_text,
    is_normal,
    parse_findings_text,
    swap_sides,
)
from selip.system.errors import InputError


@pytest.fixture(scope="module")
def coarse():
    return build_atlas(3)


@pytest.fixture(scope="module")
def many(coarse):
    """Studies of 1,000 patients, drawn but not rendered."""
    return draw_studies(resolve("quick", {"n_patients": 1000}), 0, lesion_points(coarse))


def test_cohort_is_sound(cohort):
    assert check_cohort(cohort.root) == []
    assert cohort.info.synthetic


def test_workers_do_not_change_a_byte(cohort, tmp_path):
    again = build("quick", 5, tmp_path / "again", workers=2, n_patients=60, follow_up=0.2, command="other")
    assert again.info.content_hash == cohort.info.content_hash
    assert again.info.split_fingerprint == cohort.info.split_fingerprint
    rows = range(len(cohort.studies))
    assert (again.read_masks(rows) == cohort.read_masks(rows)).all()


@pytest.mark.skipif(platform.machine() != "x86_64", reason="other processors round sums in another way")
def test_the_bytes_are_those_that_records_were_made_of(tmp_path):
    made = build("standard", 5, tmp_path / "cohort", workers=1, n_patients=3, normal=0)
    assert made.info.content_hash == "1ab87feb2eeb0d2a4b8230296b537c06350d6cbbdd05f8808e57553fdfa96385"


def test_order_and_company_do_not_change_a_study(coarse):
    profile = resolve("quick", {"n_patients": 3})
    studies = draw_studies(profile, 0, lesion_points(coarse))
    fewer = draw_studies(replace(profile, n_patients=1), 0, lesion_points(coarse))
    assert fewer[0].findings == studies[0].findings
    forward = [render(study, profile, 0, coarse)[0] for study in studies]
    backward = [render(study, profile, 0, coarse)[0] for study in studies[::-1]][::-1]
    assert all((first == second).all() for first, second in zip(forward, backward, strict=True))


def test_another_seed_gives_another_cohort(coarse):
    profile = resolve("quick", {"n_patients": 1, "normal": 0})
    first, second = (draw_studies(profile, seed, lesion_points(coarse))[0] for seed in (0, 1))
    assert (render(first, profile, 0, coarse)[0] != render(second, profile, 1, coarse)[0]).any()


def test_texts_are_the_findings_of_the_contrast(cohort):
    for volume in cohort.volumes.itertuples():
        clauses = clauses_of(cohort.findings(volume.study_id), volume.contrast)
        assert volume.text == findings_text(clauses)
        assert set(parse_findings_text(volume.text)) == set(clauses)


def test_labels_and_masks_agree_with_findings(cohort):
    for row, study in enumerate(cohort.studies.itertuples()):
        findings = findings_from_json(study.findings)
        assert json.loads(study.labels) == (sorted({finding.lesion_type for finding in findings}) or ["normal"])
        drawn = {number for number, finding in enumerate(findings, 1) if KINDS[finding.lesion_type].layers}
        assert set(np.unique(cohort.read_masks([row])[0])) - {0} == drawn


def test_lesions_lie_on_the_side_of_their_finding(cohort):
    middle, checked = (cohort.info.shape[0] - 1) / 2, 0
    for row, study in enumerate(cohort.studies.itertuples()):
        mask = cohort.read_masks([row])[0]
        for number, finding in enumerate(findings_from_json(study.findings), 1):
            if finding.side in ("left", "right"):
                centre = np.argwhere(mask == number)[:, 0].mean()
                assert (centre < middle) == (finding.side == "left")
                checked += 1
    assert checked > 20


def test_lesions_differ_from_the_mirrored_side_as_their_phrase_says(cohort):
    agree = []
    for row, study in enumerate(cohort.studies.itertuples()):
        findings = findings_from_json(study.findings)
        if len(findings) != 1 or findings[0].side not in ("left", "right") or findings[0].multiple:
            continue
        lesion = cohort.read_masks([row])[0] > 0
        own = cohort.volumes.index[cohort.volumes["study_id"] == study.study_id]
        for volume, contrast in zip(cohort.read_volumes(own), cohort.volumes["contrast"][own], strict=True):
            sign = KINDS[findings[0].lesion_type].signs.get(contrast)
            if sign is not None and sign.part == "whole":
                brighter = volume[lesion].mean() > volume[::-1][lesion].mean()
                agree.append(brighter == ("high" in sign.phrase))
    assert len(agree) > 20
    assert np.mean(agree) > 0.95


def test_flip_twice_is_the_study(cohort):
    row = next(row for row, text in enumerate(cohort.studies["report"]) if "left" in text)
    study = cohort.studies.iloc[row]
    own = cohort.volumes.index[cohort.volumes["study_id"] == study["study_id"]]
    parts = cohort.read_volumes(own), cohort.read_masks([row])[0], cohort.findings(study["study_id"]), study["report"]
    flipped = flip_study(*parts)
    arrays, mask, findings, report = flip_study(*flipped)
    assert (arrays == parts[0]).all()
    assert (mask == parts[1]).all()
    assert (findings, report) == parts[2:]
    assert flipped[3] != parts[3]
    assert (flipped[0] == parts[0][:, ::-1]).all()
    assert (flipped[1] == parts[1][::-1]).all()
    assert [finding.side for finding in flipped[2]] == [swap_sides(finding.side) for finding in parts[2]]


def test_flipped_findings_word_the_flipped_text(cohort):
    for study in cohort.studies.itertuples():
        findings = findings_from_json(study.findings)
        _, _, flipped, _ = flip_study(np.zeros((1, 2, 2, 2)), np.zeros((2, 2, 2)), findings, "")
        for contrast in cohort.info.contrasts:
            text = findings_text(clauses_of(findings, contrast))
            assert findings_text(clauses_of(flipped, contrast)) == flip_text(text)


def test_patients_with_two_studies_stay_in_one_part(cohort):
    repeated = cohort.studies[cohort.studies["patient_id"].duplicated(keep=False)]
    assert len(repeated) >= 6
    assert (repeated.groupby("patient_id")["split"].nunique() == 1).all()


def test_prevalence(many):
    first = [study for study in many if study.visit == 1]
    counts = Counter(label for study in first for label in study.labels)
    assert 0.2 < counts.pop("normal") / len(first) < 0.3
    assert counts.most_common(1)[0][0] == "white matter hyperintensity"
    assert len(counts) >= 9


def test_infarcts_grow_old(many):
    by_patient = {(study.patient, study.visit): study for study in many}
    later = [
        (before, by_patient[study.patient, 2].lesions[index])
        for study in many
        if (study.patient, 2) in by_patient and study.visit == 1
        for index, before in enumerate(study.lesions)
    ]
    assert later
    for before, after in later:
        assert after.kind.name == (before.kind.later or before.kind.name)
        assert (after.region, after.side) == (before.region, before.side)


def test_one_place_has_one_finding(coarse):
    profile = resolve("hard", {"n_patients": 300, "second_finding": 0.9})
    studies = draw_studies(profile, 0, lesion_points(coarse))
    assert max(len(study.lesions) for study in studies) == 3
    for study in studies:
        places = [(lesion.region, lesion.side) for lesion in study.lesions]
        assert len(set(places)) == len(places)
        assert sum(lesion.kind.displaces > 0 for lesion in study.lesions) <= 1


def test_missing_contrasts_are_left_out_of_findings(coarse):
    profile = resolve("hard", {"n_patients": 200, "missing_contrast": 0.6})
    studies = draw_studies(profile, 0, lesion_points(coarse))
    assert min(len(study.contrasts) for study in studies) == 1
    assert all(set(finding.signals) <= set(study.contrasts) for study in studies for finding in study.findings)


@pytest.mark.parametrize("name", PROFILES)
def test_every_profile_renders_every_contrast(name, tmp_path):
    few = {"n_patients": 2, "test_patients": min(2, PROFILES[name].test_patients)}
    cohort = build(name, 1, tmp_path / "cohort", workers=1, normal=0, missing_contrast=0, **few)
    assert cohort.info.shape == PROFILES[name].shape
    volumes = cohort.read_volumes(range(len(cohort.volumes)))
    assert (volumes.reshape(len(volumes), -1).max(axis=1) == 255).all()
    assert not all(is_normal(text) for text in cohort.volumes["text"])


def test_quick_is_easier_not_different():
    quick, hard = PROFILES["quick"], PROFILES["hard"]
    assert set(quick.contrasts) <= set(hard.contrasts)
    for dial in ("rotation_deg", "shift_mm", "scale", "warp_mm", "tissue_jitter", "timing_jitter", "bias", "noise"):
        assert 0 < getattr(quick, dial) < getattr(hard, dial)


def test_findings_survive_json(many):
    for study in many[:50]:
        assert findings_from_json(findings_to_json(study.findings)) == study.findings


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"profile": "easy"}, "quick, standard, hard"),
        ({"colour": 1}, "n_patients"),
        ({"n_patients": 0}, "1 or more"),
        ({"n_patients": "some"}, "integer"),
        ({"noise": -1.0}, "0 or more"),
        ({"contrasts": ("PET",)}, "FLAIR"),
        ({"contrasts": ()}, "at least one"),
        ({"regions": ("falx",), "lesion_types": ("lacune",)}, "no finding fits"),
    ],
)
def test_wrong_settings_are_refused_in_one_line(tmp_path, settings, said):
    with pytest.raises(InputError, match=said) as error:
        build(**{"profile": "quick", "seed": 0, "out": tmp_path / "cohort"} | settings)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "cohort").exists()


def test_progress_counts_every_study(tmp_path):
    seen = []
    build("quick", 0, tmp_path / "c", workers=1, progress=lambda done, total: seen.append((done, total)), n_patients=3)
    assert [done for done, _ in seen] == list(range(1, seen[0][1] + 1))
