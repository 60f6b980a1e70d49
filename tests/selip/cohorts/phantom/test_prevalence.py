"""What only the test part has, and how steeply prevalence falls."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from selip.cohorts.phantom.draws import ANATOMIES, anatomy_of, draw_pose
from selip.cohorts.phantom.generate import build
from selip.cohorts.phantom.lesions import KINDS
from selip.cohorts.phantom.patients import draw_studies
from selip.cohorts.phantom.prevalence import held_out, pick_kind, pick_region
from selip.cohorts.phantom.profiles import PROFILES, resolve
from selip.cohorts.phantom.regions import REGIONS, parts_of, sides_of
from selip.data.cohort import ANATOMY, COMBINATION, READ_FINDINGS, USUAL
from selip.data.cohort_check import check_cohort
from selip.system.errors import InputError

NOWHERE = {(name, side): np.zeros((1, 3)) for name in REGIONS for side in sides_of(name)}


@pytest.fixture(scope="module")
def hospital(tmp_path_factory):
    """A small cohort of profile reports."""
    out = tmp_path_factory.mktemp("reports") / "cohort"
    return build("reports", 3, out, workers=1, n_patients=80, test_patients=60, shape=(16, 20, 8),
                 spacing_mm=(11.2, 10.8, 20.0), slice_samples=1)  # fmt: skip


@pytest.mark.parametrize("seed", range(3))
def test_train_has_no_held_out_combination_and_all_else(seed):
    profile = resolve("reports", {"n_patients": 1500, "test_patients": 500, "follow_up": 0.2})
    unseen = held_out(profile, seed)
    train, test = set(), set()
    for study in draw_studies(profile, seed, NOWHERE):
        (test if study.patient < 500 else train).update(lesion.combination for lesion in study.lesions)
    assert not train & unseen
    assert len(test & unseen) > 0.6 * len(unseen)
    assert {kind for kind, _ in unseen} <= {kind for kind, _ in train}
    assert {region for _, region in unseen} <= {region for _, region in train}


def test_nothing_is_held_out_by_default():
    assert held_out(resolve("quick", {}), 0) == frozenset()


def test_more_patients_leave_the_test_part_as_it_is():
    few, many = (
        draw_studies(resolve("reports", {"n_patients": n, "test_patients": 40}), 1, NOWHERE)[:40] for n in (10, 30)
    )
    assert [study.findings for study in few] == [study.findings for study in many]


def test_the_cohort_is_sound_and_says_what_is_new_in_test(hospital):
    assert check_cohort(hospital.root) == []
    assert (hospital.studies["split"] == "test").sum() == 60
    assert set(hospital.volumes[hospital.volumes["split"] == "test"][COMBINATION]) == {"seen", "unseen", ""}
    assert "unseen" not in set(hospital.volumes[hospital.volumes["split"] != "test"][COMBINATION])
    assert READ_FINDINGS in hospital.studies
    assert hospital.info.findings_source == "truth+extracted"


@pytest.mark.parametrize("key", ["held_out", "odd_anatomies"])
def test_a_held_out_share_needs_a_test_part_of_its_own(key):
    with pytest.raises(InputError, match=f"{key} 0.2 without test_patients"):
        resolve("quick", {key: 0.2})


def test_odd_heads_are_of_test_alone_and_move_no_other_head():
    usual, odd = (resolve("reports", {"n_patients": 40, "test_patients": 60, "odd_anatomies": n}) for n in (0, 0.5))
    studies = draw_studies(odd, 1, NOWHERE)
    named = {study.patient: anatomy_of(study, odd, 1) for study in studies}
    assert set(named.values()) == {*ANATOMIES, USUAL, ""}
    assert {named[patient] for patient in named if patient >= 60} <= {USUAL, ""}
    assert 0.3 < sum(name in ANATOMIES for name in named.values()) / 60 < 0.6
    for study in studies:
        before, after = (draw_pose(study, profile, 1) for profile in (usual, odd))
        moved = {
            "wide ventricles": after.ventricles_mm > before.ventricles_mm + 4,
            "wide sulci": after.sulci > before.sulci + 0.9,
            "long head": np.ptp(after.control_mm[1]) < np.ptp(before.control_mm[1]) - 5,
        }
        assert {name for name, is_moved in moved.items() if is_moved} == {named[study.patient]} & {*ANATOMIES}


@pytest.mark.parametrize("profile", sorted(PROFILES))
def test_no_head_of_train_is_as_odd(profile):
    dials = {"n_patients": 300, "test_patients": 150, "odd_anatomies": 0.9, "follow_up": 0.0, "warp_mm": 0.0}
    found = resolve(profile, dials | {"rotation_deg": 0.0})
    heads = {}
    for study in draw_studies(found, 2, NOWHERE):
        pose = draw_pose(study, found, 2)
        shape = np.ptp(pose.control_mm[0]) / np.ptp(pose.control_mm[1])  # of the template, as seen from the head
        heads.setdefault(anatomy_of(study, found, 2), []).append((pose.ventricles_mm, pose.sulci, shape))
    train = np.max(heads[USUAL], axis=0)
    for column, name in enumerate(ANATOMIES):
        assert np.min(heads[name], axis=0)[column] > train[column]


def test_the_tables_name_odd_heads(tmp_path):
    cohort = build("reports", 3, tmp_path / "odd", workers=1, n_patients=12, test_patients=30, odd_anatomies=0.5,
                   shape=(16, 20, 8), spacing_mm=(11.2, 10.8, 20.0), slice_samples=1)  # fmt: skip
    assert check_cohort(cohort.root) == []
    odd = cohort.volumes[ANATOMY].isin(ANATOMIES)
    assert odd.any()
    assert USUAL in set(cohort.volumes[ANATOMY])
    assert set(cohort.volumes["split"][odd]) == {"test"}


@pytest.mark.parametrize("dials", [{"report_errors": 1.0}, {"wordings": 0}, {"max_findings": 0}, {"tail": -1.0}])
def test_doses_out_of_range_are_refused(dials):
    with pytest.raises(InputError, match=f"got {next(iter(dials))}"):
        resolve("reports", dials)


def test_a_tail_makes_the_rare_rarer():
    kinds = tuple(KINDS.values())

    def shares(tail):
        rng = np.random.default_rng(0)
        named = Counter(pick_kind(kinds, tail, rng).name for _ in range(4000))
        first = Counter(pick_region(("a", "b", "c", "d"), tail, rng) for _ in range(4000))
        return named["white matter hyperintensity"] / 4000, named["chronic haemorrhage"] / 4000, first["a"] / 4000

    flat, steep = shares(0.0), shares(1.0)
    assert steep[0] > 1.5 * flat[0]
    assert steep[1] < 0.5 * flat[1]
    assert flat[2] == pytest.approx(0.25, abs=0.03)
    assert steep[2] == pytest.approx(12 / 25, abs=0.03)


@pytest.mark.parametrize(("levels", "named"), [(3, False), (4, True)])
def test_the_fourth_level_names_parts(levels, named):
    profile = resolve("reports", {"n_patients": 200, "test_patients": 0, "held_out": 0.0, "place_levels": levels})
    regions = {finding.region for study in draw_studies(profile, 0, NOWHERE) for finding in study.findings}
    assert bool(regions & {*parts_of("frontal lobe"), *parts_of("brainstem")}) == named


def test_four_findings_a_report():
    profile = resolve("reports", {"n_patients": 500, "test_patients": 0, "held_out": 0.0, "normal": 0.0})
    sizes = Counter(len(study.lesions) for study in draw_studies(profile, 0, NOWHERE))
    assert set(sizes) == {1, 2, 3, 4}
    assert (500 - sizes[1]) / 500 == pytest.approx(0.4, abs=0.06)
