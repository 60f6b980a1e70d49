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

AFFINE = np.diag([6.0, 6, 6, 1])  # mm


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
    if name.startswith("a."):
        (tmp_path / name).write_bytes(b"DICM")
        return tmp_path / name
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
        ("a.dcm", "dcm2niix"),
        ("a.mha", "SimpleITK"),
        ("a.NRRD", "SimpleITK"),
        ("a.nhdr", "SimpleITK"),
        ("a.mgz", "others: SimpleITK"),
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


def with_forms(path, values, sform, qform):
    """A file whose two forms are each as given, both with code 1."""
    image = nib.Nifti1Image(values, sform)
    image.set_sform(sform, 1)
    image.set_qform(qform, 1)
    nib.save(image, path)
    return path


@pytest.mark.parametrize("signs", list(itertools.product((1, -1), repeat=3)))
@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_forms_that_exchange_or_turn_axes_are_refused(head, write_nifti, tmp_path, order, signs):
    affine = nib.load(write_nifti("ras.nii", head)).affine
    turned = affine.copy()
    turned[:3, :3] = affine[:3, :3][:, list(order)] * signs
    path = with_forms(tmp_path / "forms.nii.gz", head, affine, turned)
    if (*order, *signs) == (0, 1, 2, 1, 1, 1):
        assert read_nifti(path).values.shape == head.shape
        return
    how = "mirrored" if np.linalg.det(turned) * np.linalg.det(affine) < 0 else "turned by"
    with pytest.raises(InputError, match=rf"disagree about left and right.*{how}.*; allowed: "):
        read_nifti(path)


@pytest.mark.parametrize(("degrees", "refused"), [(0.1, False), (12, False), (25, False), (40, True), (135, True)])
def test_an_alignment_in_the_sform_is_no_contradiction(head, write_nifti, tmp_path, degrees, refused):
    affine = nib.load(write_nifti("ras.nii", head)).affine
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    pitched = np.array([[1, 0, 0, 3], [0, cos, -sin, 0], [0, sin, cos, 0], [0, 0, 0, 1]]) @ affine
    path = with_forms(tmp_path / "forms.nii.gz", head, pitched, affine)
    with pytest.raises(InputError, match="turned by") if refused else contextlib.nullcontext():
        read_nifti(path)


@pytest.mark.parametrize(("unit", "mm"), [("meter", 1000), ("micron", 0.001), ("mm", 1), ("unknown", 1)])
def test_the_unit_of_the_header_is_honoured(head, write_nifti, tmp_path, unit, mm):
    reference = read_nifti(write_nifti("mm.nii", head))
    image = nib.Nifti1Image(head, np.diag([1 / mm, 1 / mm, 1 / mm, 1]) @ reference.affine)
    image.header.set_xyzt_units(unit)
    nib.save(image, tmp_path / "unit.nii.gz")
    found = read_nifti(tmp_path / "unit.nii.gz")
    np.testing.assert_allclose(found.affine, reference.affine, rtol=1e-5)
    assert same_grid(found, reference)


@pytest.mark.parametrize(("unit", "edge", "wide"), [("meter", 6, "168000 mm"), ("micron", 6, "0.168 mm")])
def test_a_unit_that_no_head_fits_is_refused(head, tmp_path, unit, edge, wide):
    image = nib.Nifti1Image(head, np.diag([edge, edge, edge, 1]))
    image.header.set_xyzt_units(unit)
    nib.save(image, tmp_path / "unit.nii.gz")
    with pytest.raises(InputError, match=f"{wide} wide.*; allowed: .*; set the header's unit"):
        read_nifti(tmp_path / "unit.nii.gz")


def test_one_millimetre_in_metres_is_not_singular(tmp_path):
    image = nib.Nifti1Image(np.arange(27000, dtype=np.float32).reshape(30, 30, 30), np.diag([0.001] * 3 + [1]))
    image.header.set_xyzt_units("meter")
    nib.save(image, tmp_path / "small.nii")
    np.testing.assert_allclose(read_nifti(tmp_path / "small.nii").spacing_mm, 1, rtol=1e-6)


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


def test_a_checksum_behind_the_voxels_is_verified(write_nifti, head, tmp_path):
    path = write_nifti("whole.nii.gz", head)
    content = bytearray(path.read_bytes())
    content[-6] ^= 255
    (tmp_path / "damaged.nii.gz").write_bytes(bytes(content))
    with pytest.raises(InputError, match=r"unreadable or truncated .*CRC"):
        read_nifti(tmp_path / "damaged.nii.gz")


@pytest.mark.parametrize(("factor", "refused"), [(0.5, True), (2, True), (1.2, False)])
def test_forms_with_voxels_of_another_size_are_refused(head, tmp_path, factor, refused):
    image = nib.Nifti1Image(head, AFFINE)
    image.set_sform(AFFINE, code=1)
    image.set_qform(AFFINE @ np.diag([factor] * 3 + [1]), code=1)
    nib.save(image, tmp_path / "x.nii.gz")
    if not refused:
        assert np.allclose(read_nifti(tmp_path / "x.nii.gz").spacing_mm, np.linalg.norm(AFFINE[:3, :3], axis=0))
        return
    with pytest.raises(InputError, match=r"disagree about the size of a voxel .*; allowed: one size"):
        read_nifti(tmp_path / "x.nii.gz")


@pytest.mark.parametrize("scale", [0.001, 1000])
def test_a_size_that_no_head_has_is_refused_without_a_unit_too(head, tmp_path, scale):
    image = nib.Nifti1Image(head, AFFINE @ np.diag([scale] * 3 + [1]))
    nib.save(image, tmp_path / "x.nii.gz")
    with pytest.raises(InputError, match=r"mm wide by the millimetre of its header; allowed: 5 to 5000 mm"):
        read_nifti(tmp_path / "x.nii.gz")
