"""CLIP's loss with a 2D tower over axial slices in place of the 3D tower.

    U = projection of an open_clip image tower's last maps of all slices, pooled together;   L = CLIP's

Source: open_clip (Ilharco et al., doi:10.5281/zenodo.5143773) for the tower, Radford et al. 2021, arXiv:2103.00020 for
the loss. Size, weights and freezing of the tower are the settings `model.slices`; the default is a small one with
random weights. See selip/models/slice_tower.py for what is lost between slices.
"""

from __future__ import annotations

from baselines.clip import prepare
from selip.training.method import Method

METHOD = Method(
    name="open_clip_slices",
    summary="CLIP with an open_clip 2D tower over axial slices",
    source="Ilharco et al., open_clip, doi:10.5281/zenodo.5143773; Radford et al. 2021, arXiv:2103.00020",
    prepare=prepare,
    tower={"volume_tower": "open_clip_slices"},
)
