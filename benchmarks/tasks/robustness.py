"""Robustness: retrieval of volumes that physics has made worse, at five declared levels, on the fly."""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from torch.nn import functional as F

from benchmarks.benchmark import Benchmark, Score, ScoreOptions
from benchmarks.metrics.retrieval_metrics import ranked_rows
from benchmarks.retrieval.gallery_ranking import stepped
from benchmarks.retrieval.text_bank import check_vectors, text_bank
from benchmarks.statistics.metric_summary import summarise_pool
from selip.data.states import ABNORMAL, states_of
from selip.models.embeddings import embed_volumes
from selip.models.scored_model import Subject
from selip.records.declaration import Declared
from selip.records.record import Metric
from selip.system.arrays import BoolArray, FloatArray, IntArray
from selip.system.errors import UnavailableError

LEVELS = (1, 2, 3, 4, 5)
MOST_VOLUMES = 128
WRONG_CONTRAST = "wrong_contrast"
Corruption = Callable[[torch.Tensor, int, torch.Generator], torch.Tensor]
"""Volumes (n, I, J, K) in [0, 1], the level, and a generator to worse volumes of that shape."""


def rician_noise(voxels: torch.Tensor, level: int, random: torch.Generator) -> torch.Tensor:
    """Noise of 0.03 a level in both channels of the magnitude image (Gudbjartsson and Patz 1995)."""
    noise = torch.randn((2, *voxels.shape), generator=random) * 0.03 * level
    return torch.hypot(voxels + noise[0], noise[1])


def bias_field(voxels: torch.Tensor, level: int, random: torch.Generator) -> torch.Tensor:
    """The exponential of a random quadratic, coefficients of 0.1 a level (Van Leemput et al. 1999)."""
    axes = torch.meshgrid(*(torch.linspace(-1, 1, size) for size in voxels.shape[1:]), indexing="ij")
    terms = torch.stack([*axes, *(a * b for a in axes for b in axes)])
    coefficients = torch.randn((len(voxels), len(terms)), generator=random) * 0.1 * level
    return voxels * torch.einsum("nt,tijk->nijk", coefficients, terms).exp()


def motion_ghosts(voxels: torch.Tensor, level: int, random: torch.Generator) -> torch.Tensor:
    """Every second line of k-space from front to back weaker by 0.12 a level: a ghost half a field away."""
    lines = torch.fft.fft(voxels, dim=2)
    lines[:, :, 1::2] *= 1 - 0.12 * level
    return torch.fft.ifft(lines, dim=2).abs()


def k_space_spikes(voxels: torch.Tensor, level: int, random: torch.Generator) -> torch.Tensor:
    """One spike a volume: a plane wave of 0.2 of the mean a level."""
    waves = torch.fft.fftn(voxels, dim=(1, 2, 3))
    at = [torch.randint(1, max(2, size), (len(voxels),), generator=random) % size for size in voxels.shape[1:]]
    waves[torch.arange(len(voxels)), at[0], at[1], at[2]] += 0.2 * level * waves[:, 0, 0, 0]
    return torch.fft.ifftn(waves, dim=(1, 2, 3)).abs()


def thick_slices(voxels: torch.Tensor, level: int, random: torch.Generator) -> torch.Tensor:
    """Axial slices 1 + 0.5 a level times as thick."""
    return _coarser(voxels, (1, 1, 1 + 0.5 * level))


def low_resolution(voxels: torch.Tensor, level: int, random: torch.Generator) -> torch.Tensor:
    """Voxels 1 + 0.25 a level times as long along each axis."""
    return _coarser(voxels, (1 + 0.25 * level,) * 3)


def _coarser(voxels: torch.Tensor, factors: Sequence[float]) -> torch.Tensor:
    shape = voxels.shape[1:]
    small = [max(1, round(size / factor)) for size, factor in zip(shape, factors, strict=True)]
    averaged = F.interpolate(voxels[:, None], size=small, mode="area")
    return F.interpolate(averaged, size=list(shape), mode="trilinear", align_corners=False)[:, 0]


def gain_and_contrast(voxels: torch.Tensor, level: int, random: torch.Generator) -> torch.Tensor:
    """Another scanner's curve: a power of exp(+-0.15) and a gain of exp(-0.08) a level."""
    sign = torch.randint(0, 2, (len(voxels), 1, 1, 1), generator=random) * 2 - 1
    return voxels ** (0.15 * level * sign).exp() * math.exp(-0.08 * level)


def rotation(voxels: torch.Tensor, level: int, random: torch.Generator) -> torch.Tensor:
    """The head turned by 5 degrees a level about the axis from foot to head, to either side."""
    sign = torch.randint(0, 2, (len(voxels),), generator=random) * 2.0 - 1
    angle, aspect = math.radians(5 * level) * sign, voxels.shape[1] / voxels.shape[2]
    turn = torch.eye(3, 4).repeat(len(voxels), 1, 1)
    turn[:, 1, 1] = turn[:, 2, 2] = angle.cos()
    turn[:, 1, 2], turn[:, 2, 1] = -angle.sin() * aspect, angle.sin() / aspect
    grid = F.affine_grid(turn, [len(voxels), 1, *voxels.shape[1:]], align_corners=False)
    return F.grid_sample(voxels[:, None], grid, align_corners=False)[:, 0]


def cropped_field(voxels: torch.Tensor, level: int, random: torch.Generator) -> torch.Tensor:
    """The lowest 8 % of the slices a level missing."""
    kept = voxels.clone()
    kept[..., : round(0.08 * level * voxels.shape[3])] = 0
    return kept


CORRUPTIONS: Mapping[str, Corruption] = {
    one.__name__: one
    for one in (rician_noise, bias_field, motion_ghosts, k_space_spikes, thick_slices, low_resolution,
                gain_and_contrast, rotation, cropped_field)
}  # fmt: skip
SHARED_NOTES = {
    "kept": "the score relative to that of the clean volumes, which is held fixed in the resamples",
    "worst": "the corruption with the lowest mean at level 5, chosen on the scored part itself: a lower bound",
}
NOTES = {
    "corruptions": "each at levels 1 to 5, drawn by seed, name and level, the same for every method; "
    + "; ".join(
        f"{name}: {(one.__doc__ or '').splitlines()[0].lower().rstrip('.')}" for name, one in CORRUPTIONS.items()
    )
    + f"; {WRONG_CONTRAST}: a fifth of the volumes a level is said to be of the next contrast; cut to [0, 1]",
    "items": f"abnormal volumes, whole patients in a seeded order up to {MOST_VOLUMES} volumes: one gallery for all",
    "MRR": "mean of both directions and of the five levels; ties count against us; pool overall: mean over corruptions",
    **SHARED_NOTES,
    "chance": "exact expectation under a random ranking of the same gallery",
    "missing contrast": "what it costs a study stands in study_level",
    "interval": "percentile bootstrap over patients with all their volumes",
}


def score_subject(subject: Subject, options: ScoreOptions) -> Score:
    """Scores every corruption at every level.

    Raises:
        UnavailableError: When no volume is abnormal, or the encoder does not see voxels.
    """
    rows = chosen_rows(subject, options.seed)
    items = subject.embeddings().items.iloc[rows].reset_index(drop=True)
    voxels = subject.cohort.read_volumes(subject.cohort.rows(subject.split)[rows])
    ranker = mrr_of(subject, items)
    clean = ranker(_embedded(subject, voxels, list(items["contrast"]), items))
    found = {name: _levels(subject, items, voxels, name, options.seed) for name in (*CORRUPTIONS, WRONG_CONTRAST)}
    if np.array_equal(found["rician_noise"][-1], _embedded(subject, voxels, list(items["contrast"]), items)):
        raise UnavailableError("the encoder answers the same for noise: it sees no voxels; leave robustness out")
    columns = {name: [ranker(vectors)["MRR"] for vectors in levels] for name, levels in found.items()}
    metrics, table, worst = summarise_levels(items, clean, columns, options)
    return Score(metrics, table, NOTES | {"worst here": worst, "sizes": f"{len(items)} volumes"})


def chosen_rows(subject: Subject, seed: int) -> IntArray:
    """Rows of the scored part's abnormal volumes of the first patients in a seeded order."""
    items = subject.embeddings().items
    rows = np.flatnonzero(states_of(items) == ABNORMAL)
    if not len(rows):
        raise UnavailableError("got no abnormal volume to make worse; use a cohort with findings")
    return rows[whole_patients(items["patient_id"].to_numpy(object)[rows], MOST_VOLUMES, seed)]


def whole_patients(patients: npt.NDArray, most: int, seed: int) -> BoolArray:
    """(n,) items of the first patients in a seeded order, of whom all items are at most `most`; of one at least."""
    order = np.random.default_rng(seed).permutation(np.unique(patients))
    sizes = np.cumsum([np.count_nonzero(patients == one) for one in order])
    return np.isin(patients, order[: max(1, np.count_nonzero(sizes <= most))])


def worsened(voxels: npt.NDArray[np.uint8], name: str, level: int, seed: int) -> npt.NDArray[np.uint8]:
    """Volumes (n, I, J, K) after one corruption; a function of its arguments alone."""
    random = torch.Generator().manual_seed(zlib.crc32(f"{seed}/{name}/{level}".encode()))
    worse = CORRUPTIONS[name](torch.as_tensor(voxels).float() / 255, level, random)
    return (worse.clamp(0, 1) * 255).round().to(torch.uint8).numpy()


def mislabelled(contrasts: Sequence[str], level: int, seed: int) -> list[str]:
    """Contrasts of which a fifth a level is that of the next in the alphabet."""
    present = sorted(set(contrasts))
    order = np.random.default_rng(seed).permutation(len(contrasts))
    wrong = set(order[: round(len(order) * level / len(LEVELS))])
    following = dict(zip(present, [*present[1:], present[0]], strict=True))
    return [following[name] if row in wrong else name for row, name in enumerate(contrasts)]


def _levels(subject: Subject, items: pd.DataFrame, voxels: npt.NDArray, name: str, seed: int) -> list[npt.NDArray]:
    contrasts = list(items["contrast"])
    if name == WRONG_CONTRAST:
        return [_embedded(subject, voxels, mislabelled(contrasts, level, seed), items) for level in LEVELS]
    return [_embedded(subject, worsened(voxels, name, level, seed), contrasts, items) for level in LEVELS]


def _embedded(subject: Subject, voxels: npt.NDArray, contrasts: list[str], items: pd.DataFrame) -> npt.NDArray:
    spacing_mm = subject.cohort.info.spacing_mm
    vectors, _ = embed_volumes(subject.model, voxels, contrasts, items=items, spacing_mm=spacing_mm)
    check_vectors(vectors, list(items["volume_id"]), "volume")
    return vectors


def mrr_of(subject: Subject, items: pd.DataFrame) -> Callable[[npt.NDArray], dict[str, FloatArray]]:
    """Embeddings (n, E) of the items to their MRR (n,) with chance, mean of both directions."""
    texts, label = np.unique(items["text"].to_numpy(object), return_inverse=True)
    vectors = text_bank(subject.embeddings(), texts).of(texts)
    own, together = label[:, None] == np.arange(len(texts)), label[:, None] == label

    def ranked(volumes: npt.NDArray) -> dict[str, FloatArray]:
        scores = stepped(volumes, vectors)
        forth, back = ranked_rows(scores, own), ranked_rows(scores.T[label], together)
        return {name: (forth[name] + back[name]) / 2 for name in ("MRR", "MRR/chance")}

    return ranked


def summarise_levels(
    items: pd.DataFrame, clean: Mapping[str, FloatArray], columns: Mapping[str, list[FloatArray]], options: ScoreOptions
) -> tuple[dict[str, Metric], pd.DataFrame, str]:
    """Metrics and per-item table of a score by corruption and level, and the worst corruption.

    `clean` has the score of each item as it is, by the name of the score, and then its references.
    """
    name, *beside = clean
    metrics: dict[str, Metric] = {}
    frames = []
    worst = min(columns, key=lambda one: (columns[one][-1].mean(), one))
    overall = [np.mean([levels[at] for levels in columns.values()], axis=0) for at in range(len(LEVELS))]
    extra = {"overall": {"clean": clean[name], "worst": columns[worst][-1]}}
    for pool, levels in ({"overall": overall} | dict(columns)).items():
        mean = np.mean(levels, axis=0)
        found = {name: mean, **{one: clean[one] for one in beside}}
        found |= {"kept": mean / clean[name].mean()} if clean[name].mean() > 0 else {}
        found |= {f"{name}_{level}": values for level, values in zip(LEVELS, levels, strict=True)}
        each, frame = summarise_pool(pool, items, found | extra.get(pool, {}), options)
        metrics |= each
        frames.append(frame)
    return metrics, pd.concat(frames, ignore_index=True), f"{worst} at level 5"


BENCHMARK = Benchmark(
    name="robustness",
    summary="retrieval of volumes that noise, bias, ghosts, resolution, gain, turns, crops and the like made worse",
    protocol_version="1",
    source="five levels of each corruption as in ImageNet-C (Hendrycks and Dietterich 2019, arXiv:1903.12261)",
    score=score_subject,
    declared=Declared(
        family="robustness",
        label="robustness",
        place=51,
        headline=("overall/MRR",),
        headline_label="MRR over corruptions and levels",
        pools=("overall",),
        words={"kept": "share of the clean MRR", "clean": "clean MRR", "worst": "worst MRR at level 5"}
        | {f"MRR_{level}": f"MRR, level {level}" for level in LEVELS},
    ),
)
