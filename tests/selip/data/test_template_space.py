"""Alignment with the template: known moves come back, for brains and heads, and it refuses what is no head."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from selip.data.nifti import Image, read_nifti
from selip.data.template_space import mni_template, world_to_template
from selip.system.errors import InputError

STEP = 3


def moved(turn_rad: float, size: float, shift_mm: tuple[float, float, float]) -> np.ndarray:
    """MNI to world: a nod, a little turn, a size and a shift."""
    nod, turn = turn_rad, turn_rad / 3
    about_x = [[1, 0, 0], [0, np.cos(nod), -np.sin(nod)], [0, np.sin(nod), np.cos(nod)]]
    about_z = [[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0], [0, 0, 1]]
    to_world = np.eye(4)
    to_world[:3, :3] = size * np.array(about_x) @ about_z
    to_world[:3, 3] = shift_mm
    return to_world


def study(to_world: np.ndarray, values: np.ndarray | None = None) -> Image:
    """The template's brain (or `values` on its grid) as a volume of someone who lies elsewhere: voxels of STEP mm."""
    template = mni_template()
    source = template.t1 if values is None else values
    thin = ndimage.gaussian_filter(source, STEP / 3)[::STEP, ::STEP, ::STEP]
    return Image(thin, to_world @ template.affine @ np.diag([STEP, STEP, STEP, 1]), Path("study.nii"))


def head(brain: np.ndarray) -> np.ndarray:
    """A T2-like head: grey brighter than white, fluid brightest, dark skull, bright scalp, noise."""
    template = mni_template()
    fluid = np.clip(1 - template.grey - template.white, 0, 1) * brain
    outside = ndimage.distance_transform_edt(~brain[::2, ::2, ::2], sampling=2).repeat(2, 0).repeat(2, 1).repeat(2, 2)
    outside = outside[tuple(slice(0, size) for size in brain.shape)]
    values = template.grey * 0.6 + template.white * 0.5 + fluid
    values = np.where(~brain & (outside < 6), 0.1, values)
    values = np.where((outside >= 6) & (outside < 14), 0.9, values)
    return (values + np.random.default_rng(0).normal(0, 0.03, brain.shape)).astype(np.float32)


def error_mm(found: np.ndarray, to_world: np.ndarray) -> float:
    """Mean distance over the brain between where its points are and where they are said to be."""
    template = mni_template()
    points = np.argwhere(template.brain)[::997] + template.affine[:3, 3]
    points = np.c_[points, np.ones(len(points))]
    back = points @ (found @ to_world).T
    return float(np.linalg.norm(back - points, axis=1).mean())


def test_a_brain_that_was_moved_comes_back():
    to_world = moved(0.25, 0.88, (12, -30, 45))
    assert error_mm(np.eye(4), to_world) > 30
    assert error_mm(world_to_template({"T1": study(to_world)}), to_world) < 2.5


def test_a_whole_head_of_another_contrast_comes_back():
    to_world = moved(-0.15, 0.92, (-8, 20, -15))
    volume = study(to_world, head(mni_template().brain))
    assert error_mm(world_to_template({"T2": volume}), to_world) < 4


def test_a_file_in_template_space_gets_the_identity_and_a_lesion_does_not_move_it():
    template = mni_template()
    place = template.affine[:3, 3]
    mm = np.moveaxis(np.indices(template.t1.shape), 0, -1) + place
    lesion = (np.linalg.norm(mm - (40, -30, 30), axis=-1) < 22) & template.brain
    values = np.where(lesion, np.float32(0.05), template.t1)
    volume, marked = study(np.eye(4), values), study(np.eye(4), lesion.astype(np.float32))
    assert np.array_equal(world_to_template({"T1": volume}, marked), np.eye(4))


def test_t1_is_preferred_and_the_result_repeats():
    to_world = moved(0.1, 0.95, (0, 5, 5))
    broken = Image(np.ones((4, 4, 4), np.float32), np.eye(4), Path("flair.nii"))
    volumes = {"FLAIR": broken, "T1": study(to_world)}
    assert np.array_equal(world_to_template(volumes), world_to_template({"T1": volumes["T1"]}))


def test_a_contrast_that_cannot_be_laid_there_leaves_it_to_the_next():
    to_world = moved(0.1, 0.95, (0, 5, 5))
    volumes = {"T1": study(moved(0.0, 0.3, (0, 0, 0))), "FLAIR": study(to_world)}
    assert np.array_equal(world_to_template(volumes), world_to_template({"FLAIR": volumes["FLAIR"]}))


def test_what_cannot_be_aligned_is_refused():
    with pytest.raises(InputError, match="add one of T1"):
        world_to_template({"PD": study(np.eye(4))})
    with pytest.raises(InputError, match="does not lie on the MNI template"):
        world_to_template({"T1": study(moved(0.0, 0.3, (0, 0, 0)))})


@pytest.fixture(scope="module")
def raw_study(real_data):
    folder = real_data / "open_ms" / "longitudinal_raw" / "patient01"
    return {name: read_nifti(folder / f"study1_{name}W.nii.gz") for name in ("T1", "T2")} | {
        "FLAIR": read_nifti(folder / "study1_FLAIR.nii.gz")
    }


@pytest.mark.slow
def test_three_contrasts_of_a_real_head_agree_where_it_is(raw_study):
    """Native whole heads of thick slices on three grids, each aligned by itself."""
    found = [world_to_template({name: image}) for name, image in raw_study.items()]
    for one, other in ((0, 1), (0, 2), (1, 2)):
        assert error_mm(found[one], np.linalg.inv(found[other])) < 8
