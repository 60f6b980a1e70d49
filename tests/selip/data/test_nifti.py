from __future__ import annotations

import contextlib
import itertools

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from selip.data.nifti import read_nifti, same_grid
from selip.system.errors import InputError


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
@pytest.mark.parametrize("signs", list(itertools.product((1, -1), repeat=3)))
def test_every_orientation_reads_the_same(head, write_nifti, order, signs):
    image = nib.Nifti1Image(head, nib.load(write_nifti("ras.nii", head)).affine)
    turned = image.as_reoriented(np.stack([order, signs], axis=1).astype(float))
    path = write_nifti("turned.nii", np.asarray(turned.dataobj), turned.affine)
    reference, other = read_nifti(write_nifti("ras.nii", head)), read_nifti(path)
    np.testing.assert_array_equal(other.values, reference.values)
    np.testing.assert_allclose(other.affine, reference.affine)


def test_compression_and_a_trailing_axis_of_one_do_not_matter(head, write_nifti):
    plain = read_nifti(write_nifti("a.nii", head)).values
    for name, values in (("b.nii.gz", head), ("c.nii.gz", head[..., None]), ("d.nii", head[..., None, None])):
        np.testing.assert_array_equal(read_nifti(write_nifti(name, values)).values, plain)


def test_scaled_integers_are_read_in_their_unit(write_nifti, tmp_path, head):
    image = nib.Nifti1Image(head.astype(np.int16), nib.load(write_nifti("a.nii", head)).affine)
    image.header.set_slope_inter(0.5, 10)
    nib.save(image, tmp_path / "scaled.nii.gz")
    stored = read_nifti(tmp_path / "scaled.nii.gz").values
    assert np.corrcoef(stored.ravel(), head.ravel())[0, 1] > 0.999


def damage(name, head, write_nifti, tmp_path):
    """Writes the named damaged file."""
    if name == "missing":
        return tmp_path / "missing.nii.gz"
    if name == "dicom":
        (tmp_path / "a.dcm").write_bytes(b"DICM")
        return tmp_path / "a.dcm"
    if name == "text":
        (tmp_path / "text.nii.gz").write_text("not an image")
        return tmp_path / "text.nii.gz"
    if name.startswith("truncated"):
        whole = write_nifti(f"whole{name.removeprefix('truncated')}", head)
        path = tmp_path / name
        path.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
        return path
    affine = nib.load(write_nifti("whole.nii", head)).affine
    values = {
        "nan": np.where(head > 200, np.nan, head),
        "infinite": np.where(head > 200, np.inf, head),
        "constant": np.full_like(head, 3),
        "several": np.stack([head, head], axis=-1),
        "slice": head[:, :, 5],
        "zero": np.zeros((4, 0, 4), np.float32),
        "complex": head.astype(np.complex64),
    }.get(name, head)
    image = nib.Nifti1Image(values, affine)
    if name == "no orientation":
        image.set_sform(None, 0)
        image.set_qform(None, 0)
    if name == "contradiction":
        image.set_qform(affine, 1)
        image.set_sform(np.diag([-1.0, 1, 1, 1]) @ affine, 1)
    if name == "flat":
        image.set_sform(np.diag([6.0, 6, 0, 1]), 1)
    nib.save(image, tmp_path / f"{name}.nii.gz")
    return tmp_path / f"{name}.nii.gz"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("missing", "no file"),
        ("dicom", "dcm2niix"),
        ("text", "unreadable"),
        ("truncated.nii.gz", "truncated"),
        ("truncated.nii", "truncated"),
        ("nan", "NaN"),
        ("infinite", "infinite"),
        ("constant", "constant"),
        ("several", "several volumes"),
        ("slice", "allowed: 3D"),
        ("zero", "voxels in it"),
        ("complex", "type complex64"),
        ("no orientation", "without orientation"),
        ("contradiction", "left and right"),
        ("flat", "singular"),
    ],
)
def test_what_is_no_sound_volume_is_refused_in_one_line(name, words, head, write_nifti, tmp_path):
    path = damage(name, head, write_nifti, tmp_path)
    with pytest.raises(InputError, match=words) as caught:
        read_nifti(path)
    message = str(caught.value)
    assert path.name in message
    assert "\n" not in message
    assert "; allowed: " in message


@settings(max_examples=60, deadline=None, derandomize=True)
@given(data=st.data())
def test_a_damaged_header_never_gives_anything_but_an_input_error(data, tmp_path_factory):
    folder = tmp_path_factory.getbasetemp()
    path = folder / "fuzzed.nii"
    nib.save(nib.Nifti1Image(np.arange(60, dtype=np.float32).reshape(3, 4, 5), np.eye(4)), path)
    content = bytearray(path.read_bytes())
    for position in data.draw(st.lists(st.integers(0, 351), min_size=1, max_size=4)):
        content[position] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    with contextlib.suppress(InputError):
        assert np.isfinite(read_nifti(path).values).all()


def test_files_share_a_grid_only_with_the_same_voxels_at_the_same_places(head, write_nifti):
    first = read_nifti(write_nifti("a.nii", head))
    affine = first.affine.copy()
    affine[0, 3] += 0.001
    assert same_grid(first, read_nifti(write_nifti("b.nii", 2 * head, affine)))
    affine[0, 3] += 1
    assert not same_grid(first, read_nifti(write_nifti("c.nii", head, affine)))
    assert not same_grid(first, read_nifti(write_nifti("d.nii", head[:-1])))
