"""Grounding: the place that a volume's text is found at, as maps of their similarity say, against the lesion's mask."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch.nn import functional as F

from benchmarks.benchmark import Benchmark, CasePicture, Score, ScoreOptions
from benchmarks.classification.predictions import fitted_parts
from benchmarks.retrieval.hard_negatives import named_places, swap_place, swap_side
from benchmarks.retrieval.text_bank import text_bank
from benchmarks.segmentation.masked_volumes import CasePart, Cases, case_pictures, lesion_frequency, load_cases
from benchmarks.segmentation.similarity_maps import SHARES, head_of, highest, map_scores, shares, voxel_auroc
from benchmarks.statistics.metric_summary import summarise_pool
from benchmarks.tasks.robustness import whole_patients
from selip.models.embeddings import check_grid
from selip.models.encoder import VolumeBatch
from selip.models.scored_model import Subject
from selip.records.declaration import Declared
from selip.records.record import Metric
from selip.system.arrays import BoolArray, FloatArray, IntArray
from selip.system.errors import UnavailableError

MOST_VOLUMES = 256
AT_ONCE = 8
SIZES = ("small", "medium", "large")
NOTES = {
    "map": "share of each position in the product of a volume's embedding, before it has unit length, with that of its "
    "text: gradient times activation, summed over channels, brought to the volume's grid by trilinear interpolation",
    "level": "the voxels, or the map behind the stem or a stage of the tower, whichever fits val best by voxel_AUROC; "
    "an encoder from outside has its voxels alone, by the gradient of what it returns",
    "items": f"abnormal volumes with a mask, whole patients in a seeded order up to {MOST_VOLUMES} volumes, of val "
    "too; the mask is the study's and may hold a lesion that a contrast does not show",
    "voxels": "the head (largest piece above 1/8 of the 99.5th percentile, filled) and the mask, less the unscored",
    "voxel_AUROC": "of voxels inside the mask against outside, ties half",
    "pointing": "pointing game: whether the highest voxel is inside the mask; of equal ones the share",
    "dice": f"of the highest voxels, a share of them that val chooses from {', '.join(map(str, SHARES))}",
    "sizes": "thirds of the scored volumes by the volume of the mask; without a mask, or voxels outside, left out",
    "wins": "side_swapped, place_swapped, volume_swapped: share of volumes whose map has a higher voxel_AUROC than "
    "the map of the same volume and the text with its side or its places exchanged, or of the same text and "
    "another patient's volume; a map that does not move loses",
    "chance": "a random map; dice: every voxel marked, the best that random ones reach; wins: 0.5",
    "intensity": "the volume itself in the place of the map: a lesion that is bright is found without any text",
    "prior": "how often train has a lesion at each voxel, one map for every volume and text, in the place of the map",
    "interval": "percentile bootstrap over patients with all their volumes; what val chose is held fixed",
}


@dataclass(frozen=True)
class Looked:
    """Cases that maps are judged on.

    Attributes:
        items: (n,) rows.
        cases: Their voxels.
        counted: (n, I, J, K) voxels that are scored.
    """

    items: pd.DataFrame
    cases: Cases
    counted: BoolArray

    def seen(
        self, maps: Iterable[FloatArray], rows: Sequence[int] | IntArray | None = None
    ) -> Iterator[tuple[FloatArray, BoolArray]]:
        """Scored voxels (v,) of one map (I, J, K) a case, or each of the cases at `rows`, and of their masks."""
        chosen = range(len(self.items)) if rows is None else rows
        for found, row in zip(maps, chosen, strict=True):
            here = self.counted[row]
            yield found[here], self.cases.masks[row, 0].numpy()[here]

    def fits(self, maps: Iterable[FloatArray]) -> pd.DataFrame:
        """`map_scores` of one map (I, J, K) a case."""
        return pd.DataFrame([map_scores(*pair) for pair in self.seen(maps)])


def score_subject(subject: Subject, options: ScoreOptions) -> Score:
    """Scores the maps of the scored part.

    Raises:
        InputError: When the part to score is not test, or the grid is not the model's.
        UnavailableError: When there is no mask to judge by, or the encoder gives no gradients.
    """
    fitted_parts(subject)
    check_grid(subject.model, subject.cohort.info.shape)
    val, test = (looked_at(load_cases(subject.cohort, part, None), options.seed) for part in ("val", "test"))
    prior = lesion_frequency(subject.cohort)
    level, share, n_levels = choice(val, similarity_maps(subject, val.cases, val.items["text"].tolist()))
    own = [found for (found,) in similarity_maps(subject, test.cases, test.items["text"].tolist(), level)]
    table = test.fits(own)
    columns = _columns(table, share) | _chance(test)
    columns |= _control("prior", val, test, lambda part: [prior] * len(part.items))
    columns |= _control("intensity", val, test, lambda part: list(part.cases.volumes[:, 0].numpy()))
    metrics, frames = _pooled(test.items, columns, options)
    notes = NOTES | {"chosen": f"level {level} of 0 to {n_levels - 1}, from the voxels on; {share:g} of the voxels"}
    for name, swapped in swaps(subject, test).items():
        notes[f"pool {name}"] = f"{len(swapped[0])} volumes"  # none where no text can be changed so
        if len(swapped[0]):
            found, frame = _wins(name, subject, test, swapped, level, table["voxel_AUROC"].to_numpy(), options)
            metrics |= found
            frames.append(frame)
    return Score(metrics, pd.concat(frames, ignore_index=True), notes, _pictures(subject, test, own, frames[0], share))


def looked_at(part: CasePart, seed: int) -> Looked:
    """The cases of the first patients in a seeded order whose mask has an inside and an outside."""
    masks = part.cases.masks[:, 0].numpy()
    counted = np.stack([head_of(one) for one in part.cases.volumes[:, 0].numpy()]) | masks
    if part.cases.ignored is not None:
        counted &= ~part.cases.ignored[:, 0].numpy()
    mixed = (masks & counted).any((1, 2, 3)) & (~masks & counted).any((1, 2, 3))
    if not mixed.any():
        raise UnavailableError("got no volume with a lesion and its mask to look at; leave grounding out")
    rows = np.flatnonzero(mixed)
    rows = rows[whole_patients(part.items["patient_id"].to_numpy(object)[rows], MOST_VOLUMES, seed)]
    return Looked(part.items.iloc[rows].reset_index(drop=True), part.cases.of(torch.from_numpy(rows)), counted[rows])


def similarity_maps(
    subject: Subject, cases: Cases, texts: Sequence[str], level: int | None = None
) -> Iterator[list[FloatArray]]:
    """Maps (I, J, K) of each case and its text, fine to coarse or of one level, on the grid of the cases."""
    vectors = torch.from_numpy(text_bank(subject.embeddings(), texts).of(texts))
    for rows in torch.arange(len(cases)).split(AT_ONCE):
        voxels = cases.volumes[rows].to(subject.model.device).float() / 255
        contrasts = torch.zeros(len(rows)) if cases.contrasts is None else cases.contrasts[rows]
        batch = VolumeBatch(voxels, contrasts.to(voxels.device), (), subject.cohort.info.spacing_mm)
        levels = shares(subject.model, batch, vectors[rows].to(voxels.device))
        grids = [
            F.interpolate(one.unsqueeze(1), size=cases.shape, mode="trilinear", align_corners=False)[:, 0].cpu().numpy()
            for one in (levels if level is None else levels[level : level + 1])
        ]
        yield from (list(one) for one in zip(*grids, strict=True))


def choice(val: Looked, maps: Iterable[Sequence[FloatArray]]) -> tuple[int, float, int]:
    """The level that fits val best, the share of its voxels with the best Dice, and the number of levels."""
    cases = [
        pd.DataFrame([map_scores(*pair) for pair in val.seen(levels, [row] * len(levels))])
        for row, levels in enumerate(maps)
    ]
    means = pd.concat(cases).groupby(level=0).mean()
    level = int(means["voxel_AUROC"].argmax())
    dices = means.iloc[level][[f"dice_{share:g}" for share in SHARES]]
    return level, SHARES[int(dices.argmax())], len(means)


def swaps(subject: Subject, test: Looked) -> dict[str, tuple[IntArray, IntArray, list[str]]]:
    """Names of exchanges to rows of the cases, rows of the volumes that are looked at, and their texts."""
    items, every = test.items, np.arange(len(test.items))
    places = named_places(items["text"])
    edited = {
        "side_swapped": [(swap_side(text) or [""])[0] for text in items["text"]],
        "place_swapped": [swap_place(text, places) for text in items["text"]],
    }
    kept = {name: every[[text != "" for text in texts]] for name, texts in edited.items()}
    found = {name: (rows, rows, [edited[name][row] for row in rows]) for name, rows in kept.items()}
    others = np.array([_other(items, row) for row in range(len(items))])
    rows = every[others >= 0]
    return found | {"volume_swapped": (rows, others[rows], items["text"].iloc[rows].tolist())}


def _other(items: pd.DataFrame, row: int) -> int:
    """The next volume of the same contrast and another patient, -1 without one."""
    fits = (items["contrast"] == items["contrast"].iloc[row]) & (items["patient_id"] != items["patient_id"].iloc[row])
    return int(next((one for one in np.roll(np.arange(len(items)), -row) if fits.iloc[one]), -1))


def _wins(
    name: str, subject: Subject, test: Looked, swapped: tuple[IntArray, IntArray, list[str]], level: int,
    own: FloatArray, options: ScoreOptions,
) -> tuple[dict[str, Metric], pd.DataFrame]:  # fmt: skip
    rows, volumes, texts = swapped
    maps = similarity_maps(subject, test.cases.of(torch.from_numpy(volumes)), texts, level)
    other = [voxel_auroc(*pair) for pair in test.seen((found for (found,) in maps), rows)]
    won = own[rows] > np.array(other)
    columns = {"wins": won.astype(np.float64), "wins/chance": np.full(len(rows), 0.5)}
    return summarise_pool(name, test.items.iloc[rows], columns, options)


def _columns(table: pd.DataFrame, share: float, suffix: str = "") -> dict[str, FloatArray]:
    names = {"voxel_AUROC": "voxel_AUROC", "pointing": "pointing", "dice": f"dice_{share:g}"}
    return {f"{name}{suffix}": table[column].to_numpy() for name, column in names.items()}


def _control(
    name: str, val: Looked, test: Looked, maps: Callable[[Looked], Sequence[FloatArray]]
) -> dict[str, FloatArray]:
    _, share, _ = choice(val, [[one] for one in maps(val)])
    return _columns(test.fits(maps(test)), share, f"/{name}")


def _chance(test: Looked) -> dict[str, FloatArray]:
    inside = (test.cases.masks[:, 0].numpy() & test.counted).sum((1, 2, 3)) / test.counted.sum((1, 2, 3))
    found = {"voxel_AUROC": np.full(len(inside), 0.5), "pointing": inside, "dice": 2 * inside / (1 + inside)}
    return {f"{name}/chance": values for name, values in found.items()}


def _pooled(
    items: pd.DataFrame, columns: Mapping[str, FloatArray], options: ScoreOptions
) -> tuple[dict[str, Metric], list[pd.DataFrame]]:
    """Metrics and tables of all cases, and of each third by the volume of the mask."""
    edges = np.quantile(items["lesion_ml"], [1 / 3, 2 / 3])
    third = np.searchsorted(edges, items["lesion_ml"])
    metrics: dict[str, Metric] = {}
    frames = []
    for pool, chosen in {"lesion": third >= 0, **{size: third == number for number, size in enumerate(SIZES)}}.items():
        if chosen.any():
            own = {name: values[chosen] for name, values in columns.items()}
            found, frame = summarise_pool(pool, items[chosen], own, options)
            metrics |= found
            frames.append(frame.join(items.loc[chosen, ["lesion_ml", "lesion_type"]].reset_index(drop=True)))
    return metrics, frames


def _pictures(
    subject: Subject, test: Looked, maps: Sequence[FloatArray], frame: pd.DataFrame, share: float
) -> tuple[CasePicture, ...]:
    predicted = np.zeros(test.counted.shape, dtype=bool)
    for row, (found, here) in enumerate(zip(maps, test.counted, strict=True)):
        predicted[row][here] = highest(found[here], share)
    voxels, truth = (one[:, 0].numpy() for one in (test.cases.volumes, test.cases.masks))
    return case_pictures("lesion", frame, voxels, truth, predicted, subject.cohort.info.spacing_mm)


BENCHMARK = Benchmark(
    name="grounding",
    summary="the place that a volume's text is found at against the lesion's mask, by gradients and similarity maps",
    protocol_version="1",
    source="HiResCAM (Draelos and Carin 2020, arXiv:2011.08891); pointing game (Zhang et al. 2016, arXiv:1608.00507)",
    score=score_subject,
    declared=Declared(
        family="grounding",
        label="grounding",
        place=55,
        headline=("lesion/voxel_AUROC",),
        headline_label="AUROC of voxels by similarity with the text",
        pools=("lesion",),
        floors={"chance": "random map", "prior": "lesion frequency", "intensity": "the brightest voxels"},
        shortcuts=("prior", "intensity"),
        words={"voxel_AUROC": "AUROC of voxels", "pointing": "pointing game", "dice": "Dice", "lesion": "all lesions"},
    ),
)
