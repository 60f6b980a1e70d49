"""Label values of a mask file to nested levels: whole tumour or lesion 1, tumour core 2, enhancing tumour 3."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from selip.data.cohort import IGNORE, LEVELS
from selip.data.nifti import Image
from selip.system.errors import InputError

WHOLE = 1e-3  # to which label values are whole numbers
LARGEST_SHARE = 0.9  # of a volume's voxels that a lesion takes


def label_levels(image: Image, levels: Mapping[int, int]) -> NDArray[np.uint8]:
    """Level of every voxel of a label file, uint8 in the shape of the file.

    Args:
        image: Label values.
        levels: Label value -> level of LEVELS, IGNORE, or 0 for what is no lesion; 0 is background in any case. Empty:
            every value above one half is level 1 (1, 2, 4 of BraTS all are).

    Raises:
        InputError: A level is none, a label value is not in `levels`, or without levels all values are one half or less
            and some are not 0.
    """
    if not levels:
        return _above_half(image)
    if not {*levels.values()} <= {0, *LEVELS, IGNORE}:
        raise InputError(f"got levels {dict(levels)}; allowed: 0, {', '.join(map(str, LEVELS))}, {IGNORE}; mend them")
    unknown = sorted({*np.unique(image.values[image.values != 0]).tolist()} - {*levels})
    if unknown:
        raise InputError(
            f"got mask {image.path} with label {unknown[0]:g}; allowed: {', '.join(map(str, sorted({0, *levels})))}; "
            "it is of another release or interpolated"
        )
    found = np.zeros(image.values.shape, np.uint8)
    for label, level in levels.items():
        found[image.values == label] = level
    return found


def _above_half(image: Image) -> NDArray[np.uint8]:
    """Level 1 above one half; a file of zeros is an empty mask, one of low values or interpolated labels is none."""
    found = (image.values > 0.5).astype(np.uint8)
    if image.values.any() and not found.any():
        low, high = float(image.values.min()), float(image.values.max())
        raise InputError(
            f"got mask {image.path} with values from {low:g} to {high:g} and no lesion voxel (above 0.5); allowed: "
            "lesion voxels above 0.5, or zeros alone; set lesion voxels to 1"
        )
    if found.mean() > LARGEST_SHARE:
        raise InputError(
            f"got mask {image.path} with a lesion in {found.mean():.0%} of its voxels; allowed: {LARGEST_SHARE:.0%}; "
            "it is inverted or no lesion mask"
        )
    broken = image.values[(image.values > 1) & (np.abs(image.values - np.rint(image.values)) > WHOLE)]
    if broken.size:
        raise InputError(
            f"got mask {image.path} with values between its labels, as {broken[0]:g}; allowed: whole labels, or shares "
            "up to 1; resample it by nearest neighbour, or divide by its highest value"
        )
    return found
