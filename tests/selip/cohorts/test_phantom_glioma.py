"""The glioma cohort: its grades, what tells them apart, and what must not."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from phantom_oracles import best_auroc, images_of
from sklearn.metrics import roc_auc_score

from selip.cohorts.phantom.anatomy import build_atlas
from selip.cohorts.phantom.generate import lesion_points
from selip.cohorts.phantom.patients import draw_studies
from selip.cohorts.phantom.physics import SITES, TISSUES
from selip.cohorts.phantom.profiles import PROFILES, resolve
from selip.cohorts.phantom.render import build_head, render
from selip.cohorts.phantom_glioma import APPEARANCES, GLIOMA_PROFILES, HIGH, LOW, build_glioma, draw_gliomas
from selip.data.cohort_check import check_cohort
from selip.data.findings import clauses_of, findings_from_json, findings_text
from selip.system.errors import InputError

PATIENTS = 60


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    return build_glioma("quick", 2, tmp_path_factory.mktemp("glioma") / "cohort", patients=PATIENTS, workers=1)


@pytest.fixture(scope="module")
def grades(cohort):
    """True for high grade, by study (n,)."""
    return np.array([json.loads(labels) == [HIGH] for labels in cohort.studies["labels"]])


@pytest.fixture(scope="module")
def voxels(cohort):
    """Volumes and lesions (n, I, J, K)."""
    rows = range(len(cohort.studies))
    return cohort.read_volumes(rows).astype(float), cohort.read_masks(rows) > 0


@pytest.fixture(scope="module")
def points():
    return lesion_points(build_atlas(3))


@pytest.fixture(scope="module")
def many(points):
    """Studies of 3,350 patients, drawn but not rendered."""
    return draw_gliomas(replace(GLIOMA_PROFILES["quick"], n_patients=3350), 1, points)


def look_of(study):
    """Name of the appearance that was drawn."""
    return next(name for name, look in APPEARANCES.items() if look.sign == study.lesions[0].kind.signs["T1c"])


def test_cohort_is_sound(cohort):
    assert check_cohort(cohort.root) == []
    assert cohort.info.name == "phantom_glioma"
    assert cohort.info.seed == 2
    assert set(cohort.volumes["contrast"]) == {"T1c"}


def test_workers_do_not_change_a_byte(tmp_path):
    alone, together = (build_glioma("quick", 4, tmp_path / f"{n}", patients=6, workers=n) for n in (1, 2))
    assert alone.info.content_hash == together.info.content_hash
    assert (alone.read_masks(range(6)) == together.read_masks(range(6))).all()


def test_ratio_of_grades_is_that_of_brats(many, grades):
    assert Counter(label for study in many for label in study.labels) == {HIGH: 2590, LOW: 760}
    assert grades.sum() == round(PATIENTS * 259 / 335)


def test_every_part_has_its_share_of_grades(cohort, grades):
    parts = cohort.studies["split"].to_numpy()
    for part in ("train", "val", "test"):
        own = grades[parts == part]
        assert abs((~own).sum() - len(own) * 76 / 335) <= 1, part
    assert cohort.studies["patient_id"].is_unique


def test_patients_are_not_those_of_the_phantom(cohort, points):
    others = draw_studies(resolve("quick", {"n_patients": PATIENTS}), 2, points)
    assert not {study.patient_id for study in others} & set(cohort.studies["patient_id"])
    assert set(cohort.studies["site"]).isdisjoint(site.name for site in SITES)


def test_the_seed_of_the_phantom_is_not_used_again(cohort, points):
    same = draw_gliomas(resolve("quick", {"n_patients": PATIENTS}, GLIOMA_PROFILES), 2, points)
    assert [str(study.age) for study in same] != cohort.studies["age"].tolist()


def test_grade_decides_how_often_a_look_occurs(many):
    for column, grade in enumerate((HIGH, LOW)):
        looks = Counter(look_of(study) for study in many if study.labels == [grade])
        for name, look in APPEARANCES.items():
            assert looks[name] / looks.total() == pytest.approx(look.shares[column], abs=0.05)
    assert np.sum([look.shares for look in APPEARANCES.values()], axis=0) == pytest.approx([1, 1])


def test_best_auroc_is_that_of_the_likelihood_ratio(many):
    high, low = np.array([look.shares for look in APPEARANCES.values()]).T
    weighted = roc_auc_score([1] * 4 + [0] * 4, np.tile(high / low, 2), sample_weight=[*high, *low])
    assert best_auroc() == pytest.approx(weighted)
    assert 0.85 < best_auroc() < 0.95
    ratio = dict(zip(APPEARANCES, high / low, strict=True))
    drawn = roc_auc_score([study.labels == [HIGH] for study in many], [ratio[look_of(study)] for study in many])
    assert drawn == pytest.approx(best_auroc(), abs=0.02)


def test_metadata_and_size_do_not_tell_the_grade(many):
    high = np.array([study.labels == [HIGH] for study in many])
    lesions = [study.lesions[0] for study in many]
    for values in ([study.age for study in many], [lesion.radius_mm for lesion in lesions]):
        assert roc_auc_score(high, values) == pytest.approx(0.5, abs=0.04)
    for places in ([lesion.region for lesion in lesions], [lesion.side for lesion in lesions]):
        for place in set(places):
            inside = np.array(places) == place
            assert high[inside].mean() == pytest.approx(high.mean(), abs=0.06)
    assert {study.site.name for study in many} == {"site-g"}


def test_high_grade_enhances_more(voxels, grades):
    enhancement = [
        volume[lesion].mean() / np.median(volume[volume > 0.2 * np.median(volume[lesion])])
        for volume, lesion in zip(*voxels, strict=True)
    ]
    assert 0.75 < roc_auc_score(grades, enhancement) < 1


def test_a_lesion_lies_on_its_side(cohort, voxels):
    middle = (cohort.info.shape[0] - 1) / 2
    for text, lesion in zip(cohort.studies["findings"], voxels[1], strict=True):
        assert (np.argwhere(lesion)[:, 0].mean() < middle) == (findings_from_json(text)[0].side == "left")


def test_texts_are_the_findings(cohort):
    for row in cohort.volumes.itertuples():
        assert row.text == findings_text(clauses_of(cohort.findings(row.study_id), "T1c"))
        assert "grade" not in row.text
    for text, labels in zip(cohort.studies["findings"], cohort.studies["labels"], strict=True):
        assert [finding.lesion_type for finding in findings_from_json(text)] == json.loads(labels)


@pytest.fixture(scope="module")
def looks(points):
    """Appearance to one study that differs from the others in nothing else."""
    profile = replace(GLIOMA_PROFILES["quick"], n_patients=1, radius_mm=(26.0, 26.0))
    study = draw_gliomas(profile, 0, points)[0]

    def looking(name):
        kind = APPEARANCES[name].kind(HIGH, np.random.default_rng(0))
        return replace(study, lesions=(replace(study.lesions[0], kind=kind),))

    return {name: looking(name) for name in APPEARANCES}


def test_phrases_agree_with_the_image(looks):
    atlas, profile = build_atlas(3), GLIOMA_PROFILES["standard"]

    def ratio(study, layer):
        """Signal where a layer fills the voxel, to that of white matter."""
        head = build_head(study, profile, 0, atlas)
        image = images_of(head.fractions, [TISSUES[name] for name in head.tissues], ("T1c",), study.site)["T1c"]
        pure = head.fractions[head.tissues.index(layer)] > 0.9
        return np.median(image[pure]) / np.median(image[head.fractions[1] > 0.9])

    assert ratio(looks["ring"], "tumour rim") > 1.5
    assert ratio(looks["ring"], "necrosis") < 0.7
    assert ratio(looks["solid"], "tumour rim") > 1.5
    assert 1.08 < ratio(looks["faint"], "faint tumour") < 1.4
    assert ratio(looks["faint"], "low-grade tumour") < 0.9
    assert ratio(looks["none"], "low-grade tumour") < 0.9


def test_brightness_of_the_whole_image_does_not_tell_the_look(looks):
    atlas, profile = build_atlas(3), GLIOMA_PROFILES["quick"]

    def rest_of_head(study):
        volumes, mask = render(study, profile, 0, atlas)
        return np.median(volumes[0][(mask == 0) & (volumes[0] > 40)])

    with_sinuses = [rest_of_head(looks[name]) for name in ("ring", "none")]
    assert with_sinuses[0] == pytest.approx(with_sinuses[1], rel=0.12)
    bare = [rest_of_head(replace(looks[name], structures=())) for name in ("ring", "none")]
    assert bare[1] > 1.3 * bare[0]


def test_sinuses_are_bright_and_not_in_the_mask(looks):
    study = replace(looks["none"], lesions=())
    volumes, mask = render(study, GLIOMA_PROFILES["quick"], 0, build_atlas(3))
    assert not mask.any()
    assert study.labels == ["normal"]
    bare, _ = render(replace(study, structures=()), GLIOMA_PROFILES["quick"], 0, build_atlas(3))
    assert np.median(bare) > np.median(volumes)


@pytest.mark.parametrize("name", GLIOMA_PROFILES)
def test_profiles_have_the_grid_of_the_phantom(name):
    own, phantom = GLIOMA_PROFILES[name], PROFILES[name]
    assert (own.shape, own.spacing_mm, own.noise) == (phantom.shape, phantom.spacing_mm, phantom.noise)
    assert own.n_patients == {"quick": 200, "standard": 335, "hard": 1000}[name]


@pytest.mark.parametrize("settings", [{"profile": "easy"}, {"profile": "quick", "patients": 0}])
def test_wrong_settings_are_refused_in_one_line(tmp_path, settings):
    with pytest.raises(InputError, match="allowed") as error:
        build_glioma(**settings, seed=0, out=tmp_path / "cohort")
    assert "\n" not in str(error.value)
    assert not (tmp_path / "cohort").exists()
