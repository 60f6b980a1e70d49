"""The parcellation against places that every neuroanatomist knows, in MNI152 millimetres."""

from __future__ import annotations

import numpy as np
import pytest
import yaml

from selip.data.template_space import mni_template
from selip.reports.region_atlas import RULES, STEP_MM, region_atlas

LANDMARKS = {
    "hand knob of the precentral gyrus": ((-38, -26, 58), "frontal lobe"),
    "primary motor cortex, face": ((-50, -8, 36), "frontal lobe"),
    "primary motor cortex, foot": ((-6, -26, 68), "frontal lobe"),
    "supplementary motor area": ((-4, 2, 58), "frontal lobe"),
    "frontal eye field": ((-28, -4, 54), "frontal lobe"),
    "Broca": ((-51, 20, 15), "frontal lobe"),
    "dorsolateral prefrontal": ((-42, 34, 26), "frontal lobe"),
    "frontal pole": ((-20, 62, 2), "frontal lobe"),
    "orbitofrontal": ((-26, 34, -16), "frontal lobe"),
    "inferior frontal, orbital part": ((-45, 30, -10), "frontal lobe"),
    "gyrus rectus": ((-4, 36, -20), "frontal lobe"),
    "anterior cingulate": ((-4, 38, 18), "frontal lobe"),
    "primary sensory cortex, hand": ((-42, -30, 52), "parietal lobe"),
    "superior parietal lobule": ((-26, -60, 60), "parietal lobe"),
    "intraparietal sulcus": ((-32, -58, 46), "parietal lobe"),
    "supramarginal gyrus": ((-58, -38, 32), "parietal lobe"),
    "angular gyrus": ((-45, -65, 35), "parietal lobe"),
    "precuneus": ((-6, -60, 40), "parietal lobe"),
    "posterior cingulate": ((-6, -50, 28), "parietal lobe"),
    "parietal operculum": ((-52, -28, 22), "parietal lobe"),
    "Heschl": ((-46, -22, 8), "temporal lobe"),
    "Wernicke": ((-58, -42, 12), "temporal lobe"),
    "middle temporal gyrus": ((-60, -30, -6), "temporal lobe"),
    "inferior temporal gyrus": ((-54, -36, -20), "temporal lobe"),
    "temporal pole": ((-38, 14, -34), "temporal lobe"),
    "amygdala": ((-23, -4, -19), "temporal lobe"),
    "hippocampus": ((-28, -20, -15), "temporal lobe"),
    "parahippocampal gyrus": ((-24, -34, -14), "temporal lobe"),
    "fusiform face area": ((-40, -52, -18), "temporal lobe"),
    "primary visual cortex": ((-8, -90, 2), "occipital lobe"),
    "cuneus": ((-8, -82, 26), "occipital lobe"),
    "lingual gyrus": ((-12, -70, -4), "occipital lobe"),
    "motion area": ((-45, -72, 4), "occipital lobe"),
    "occipital pole": ((-18, -98, 4), "occipital lobe"),
    "thalamus": ((-12, -18, 8), "thalamus"),
    "pulvinar": ((-14, -28, 8), "thalamus"),
    "caudate": ((-12, 12, 10), "basal ganglia"),
    "putamen": ((-25, 4, 2), "basal ganglia"),
    "pallidum": ((-19, -5, -1), "basal ganglia"),
    "accumbens": ((-10, 12, -8), "basal ganglia"),
    "insula": ((-38, 4, 2), "insula"),
    "posterior insula": ((-38, -16, 6), "insula"),
    "cerebellum": ((-25, -60, -35), "cerebellum"),
    "crus I": ((-40, -66, -34), "cerebellum"),
    "vermis": ((0, -62, -20), "cerebellum"),
    "middle cerebellar peduncle": ((-22, -40, -36), "cerebellum"),
    "pons": ((0, -25, -33), "brainstem"),
    "midbrain": ((-5, -22, -12), "brainstem"),
    "medulla": ((0, -40, -52), "brainstem"),
    "genu": ((0, 28, 8), "genu of the corpus callosum"),
    "splenium": ((0, -40, 13), "splenium of the corpus callosum"),
    "body": ((0, -4, 28), "body of the corpus callosum"),
    "frontal cap": ((-20, 30, 10), "periventricular white matter"),
    "white matter around the trigone": ((-28, -56, 18), "periventricular white matter"),
    "corona radiata": ((-31, -4, 27), "corona radiata"),
    "centrum semiovale": ((-24, -20, 40), "centrum semiovale"),
}


@pytest.mark.parametrize("landmark", LANDMARKS)
@pytest.mark.parametrize("side", [1, -1])
def test_landmarks_have_their_region(landmark, side):
    point, name = LANDMARKS[landmark]
    atlas = region_atlas()
    assert [atlas.names[k] for k in atlas.at(np.array([point]) * (side, 1, 1))] == [name]


def test_left_and_right_are_mirror_images():
    atlas = region_atlas()
    agree = atlas.lobes == atlas.lobes[::-1]
    assert agree.all()
    assert np.mean(atlas.regions == atlas.regions[::-1]) > 0.995, "tissue of the template is symmetric but for rounding"


def test_every_region_has_voxels_and_lobes_have_no_deep_white_matter():
    atlas = region_atlas()
    deep = {rule["name"] for rule in yaml.safe_load(RULES.read_text())["regions"] if rule.get("deep")}
    assert set(np.unique(atlas.regions)) == set(range(len(atlas.names)))
    assert {atlas.names[k] for k in np.unique(atlas.lobes)} == set(atlas.names) - deep


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        ("frontal lobe", 0.30, 0.45),
        ("parietal lobe", 0.13, 0.26),
        ("temporal lobe", 0.15, 0.26),
        ("occipital lobe", 0.08, 0.16),
        ("cerebellum", 0.08, 0.14),
        ("brainstem", 0.012, 0.03),
        ("basal ganglia", 0.012, 0.04),
        ("thalamus", 0.007, 0.02),
        ("insula", 0.01, 0.03),
    ],
)
def test_volumes_are_those_of_textbooks(name, low, high):
    atlas, template = region_atlas(), mni_template()
    labels = atlas.lobes[(template.grey + template.white)[(slice(None, None, STEP_MM),) * 3] > 0.5]
    assert low < np.mean(labels == atlas.names.index(name)) < high


def test_points_outside_the_box_take_the_nearest():
    atlas = region_atlas()
    outside = atlas.at(np.array([[0.0, 500, 0], [-40, -500, 0], [0, -30, -500]]), lobes=True)
    assert [atlas.names[k] for k in outside[:2]] == ["frontal lobe", "occipital lobe"]
    inside = atlas.at(np.array([[0.0, 98, 0], [-40, -134, 0], [0, -30, -72]]), lobes=True)
    assert list(outside) == list(inside)
