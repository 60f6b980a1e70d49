"""Label values of a mask file to nested levels: whole tumour or lesion 1, tumour core 2, enhancing tumour 3."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from selip.data.cohort import IGNORE, LEVELS
from selip.data.nifti import Image
from selip.system.errors import InputError


def label_levels(image: Image, levels: Mapping[int, int]) -> NDArray[np.uint8]:
    """Level of every voxel of a label file, uint8 in the shape of the file.

    Args:
        image: Label values.
        levels: Label value -> level of LEVELS, IGNORE, or 0 for what is no lesion; 0 is background in any case. Empty:
            every value above one half is level 1 (1, 2, 4 of BraTS all are).

    Raises:
        InputError: A level is none, or a label value is not in `levels`.
    """
    if not levels:
        return (image.values > 0.5).astype(np.uint8)
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
