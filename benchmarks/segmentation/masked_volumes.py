"""Cases of segmentation: volumes that show something and whose study has a mask; the best and worst as pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch

from benchmarks.benchmark import CasePicture
from selip.data.cohort import IGNORE, Cohort, lesion_of
from selip.data.findings import findings_from_json
from selip.data.states import NORMAL, states_of
from selip.models.volume_towers import Intensity, contrast_positions
from selip.system.arrays import BoolArray, FloatArray
from selip.system.errors import InputError, UnavailableError

MM3_PER_ML = 1000.0
ITEM_COLUMNS = ("item_id", "patient_id", "contrast", "site", "text")


@dataclass(frozen=True)
class Cases:
    """Volumes with their masks.

    Attributes:
        volumes: (n, 1, I, J, K): uint8 as stored, or float32 as the network takes them when there is no `intensity`.
        masks: (n, 1, I, J, K) bool: lesion, of any level.
        contrasts: (n,) int64 positions in CONTRASTS, for `intensity`.
        intensity: Rule from stored volumes to network input.
        ignored: (n, 1, I, J, K) bool: voxels that are not scored; None when there is none.
    """

    volumes: torch.Tensor
    masks: torch.Tensor
    contrasts: torch.Tensor | None = None
    intensity: Intensity | None = None
    ignored: torch.Tensor | None = None

    def __post_init__(self) -> None:
        """Refuses volumes and masks that do not go together."""
        if self.volumes.shape != self.masks.shape or self.volumes.ndim != 5 or not len(self.volumes):
            raise InputError(
                f"got volumes {tuple(self.volumes.shape)} and masks {tuple(self.masks.shape)}, not both "
                "(n, 1, I, J, K) with n >= 1; give each volume its mask"
            )
        if self.masks.dtype != torch.bool:
            raise InputError(f"got masks of {self.masks.dtype}, not torch.bool; compare them with 0 first")

    def __len__(self) -> int:
        """Number of cases."""
        return len(self.volumes)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Voxels (I, J, K) of each volume."""
        i, j, k = self.volumes.shape[2:]
        return i, j, k

    def of(self, rows: torch.Tensor) -> Cases:
        """The cases at the positions `rows` (m,) int64."""
        contrasts = None if self.contrasts is None else self.contrasts[rows]
        ignored = None if self.ignored is None else self.ignored[rows]
        return Cases(self.volumes[rows], self.masks[rows], contrasts, self.intensity, ignored)

    def scored(self, outputs: torch.Tensor, rows: torch.Tensor, background: float) -> torch.Tensor:
        """Network outputs (m, 1, I, J, K) of the cases `rows` (m,), with `background` where nothing is scored.

        Filled voxels pass no gradient, and the truth there is background too: they are right whatever was predicted.
        """
        if self.ignored is None:
            return outputs
        return outputs.masked_fill(self.ignored[rows].to(outputs.device), background)

    def inputs(self, rows: torch.Tensor, device: torch.device) -> torch.Tensor:
        """Network input (m, 1, I, J, K) float32 on `device`, of the cases at the positions `rows` (m,) int64."""
        volumes = self.volumes[rows].to(device)
        if self.intensity is None or self.contrasts is None:
            return volumes
        with torch.no_grad():
            standard: torch.Tensor = self.intensity(volumes.float() / 255, self.contrasts[rows].to(device))
        return standard


@dataclass(frozen=True)
class CasePart:
    """The cases of one part of a cohort.

    Attributes:
        items: (n,) rows with ITEM_COLUMNS, weight, lesion_ml and lesion_type (the types that the contrast shows).
        cases: Their voxels.
    """

    items: pd.DataFrame
    cases: Cases

    def of(self, chosen: BoolArray) -> CasePart:
        """The cases under the mask `chosen` (n,)."""
        rows = torch.from_numpy(np.flatnonzero(chosen))
        return CasePart(self.items[chosen].reset_index(drop=True), self.cases.of(rows))

    @property
    def facts(self) -> str:
        """Sizes, in words."""
        empty = int((self.items["lesion_ml"] == 0).sum())
        return f"{len(self.items)} volumes of {self.items['patient_id'].nunique()} patients, {empty} with an empty mask"


def load_cases(cohort: Cohort, part: str, intensity: Intensity | None) -> CasePart:
    """The volumes of `part` whose text is not normal and whose study has a mask.

    Raises:
        InputError: When there is none.
    """
    rows = cohort.rows(part)
    studies = cohort.studies.reset_index().set_index("study_id").loc[cohort.volumes["study_id"].iloc[rows]]
    is_case = (studies["has_mask"] == "1").to_numpy() & (states_of(cohort.volumes.iloc[rows]) != NORMAL)
    if not is_case.any():
        raise UnavailableError(
            f"got no abnormal volume with a mask in the {part} part of {cohort.root}; "
            "import masks, or leave segmentation out"
        )
    table, studies = cohort.volumes.iloc[rows[is_case]], studies[is_case]
    stored, of_study = np.unique(studies["index"].to_numpy(np.int64), return_inverse=True)
    levels = cohort.read_masks(stored)[of_study]
    masks, ignored = lesion_of(levels), levels == IGNORE
    items = table.rename(columns={"volume_id": "item_id"})[list(ITEM_COLUMNS)].reset_index(drop=True)
    items["weight"] = 1.0
    items["lesion_ml"] = masks.sum((1, 2, 3)) * float(np.prod(cohort.info.spacing_mm)) / MM3_PER_ML
    items["lesion_type"] = lesion_types(studies["findings"], items["contrast"])
    volumes, contrasts = cohort.read_volumes(rows[is_case]), contrast_positions(items["contrast"].tolist())
    voxels, truth, unscored = (torch.from_numpy(array).unsqueeze(1) for array in (volumes, masks, ignored))
    return CasePart(items, Cases(voxels, truth, contrasts, intensity, unscored if ignored.any() else None))


def lesion_frequency(cohort: Cohort) -> FloatArray:
    """(I, J, K) share of the training masks that hold each voxel."""
    rows = np.flatnonzero((cohort.studies["split"] == "train") & (cohort.studies["has_mask"] == "1"))
    found = np.zeros(cohort.info.shape)
    for some in np.array_split(rows, max(1, len(rows) // 64)):
        found += lesion_of(cohort.read_masks(some)).sum(axis=0)
    return found / max(1, len(rows))


def lesion_types(findings: Sequence[str], contrasts: Sequence[str]) -> list[str]:
    """Types that each contrast shows, sorted and joined by " + ", of findings as JSON; "" where nobody knows them."""
    found = []
    for text, contrast in zip(findings, contrasts, strict=True):
        known = findings_from_json(text) if text else []
        found.append(" + ".join(sorted({finding.lesion_type for finding in known if finding.clause(contrast)})))
    return found


RANKS = ("best", "median", "worst")


def case_pictures(
    pool: str,
    items: pd.DataFrame,
    voxels: np.ndarray,
    truth: np.ndarray,
    predicted: np.ndarray,
    spacing_mm: Sequence[float],
) -> tuple[CasePicture, ...]:
    """Best, median and worst case by Dice, among those whose truth is not empty where there are any.

    Args:
        pool: Pool of the metrics.
        items: (n,) rows with item_id, text, dice, lesion_ml.
        voxels: (n, I, J, K) uint8.
        truth: (n, I, J, K) bool.
        predicted: (n, I, J, K) bool.
        spacing_mm: Voxel edges along I, J, K.

    Returns:
        In the order of RANKS. Of equal cases the first; fewer pictures where one case has two ranks.
    """
    lesions = items[items["lesion_ml"] > 0] if (items["lesion_ml"] > 0).any() else items
    order = lesions["dice"].sort_values(ascending=False, kind="stable").index.to_numpy()
    chosen: dict[int, str] = {}
    for rank, position in zip(RANKS, (0, (len(order) - 1) // 2, len(order) - 1), strict=True):
        chosen.setdefault(int(order[position]), rank)
    pictures = []
    for row, rank in chosen.items():
        item, k = items.loc[row], best_slice(truth[row], predicted[row])
        caption = f"{rank}: Dice {item['dice']:.2f}, lesion {item['lesion_ml']:.1f} ml, {item['text']}"
        shown, true, found = (part[row, :, :, k].copy() for part in (voxels, truth, predicted))  # a view keeps it all
        edges_mm = (float(spacing_mm[0]), float(spacing_mm[1]))
        pictures.append(CasePicture(pool, rank, str(item["item_id"]), caption, shown, true, found, edges_mm))
    return tuple(pictures)


def best_slice(truth: np.ndarray, predicted: np.ndarray) -> int:
    """The axial slice with most of the truth (I, J, K) bool, of the prediction where the truth is empty."""
    return int(np.argmax((truth if truth.any() else predicted).sum((0, 1))))
