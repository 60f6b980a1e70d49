from __future__ import annotations

import zlib

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from benchmarks.benchmark import ScoreOptions
from benchmarks.segmentation.masked_volumes import lesion_frequency, load_cases
from benchmarks.tasks import grounding
from benchmarks.tasks.grounding import score_subject
from selip.data.cohort import lesion_of
from selip.models.encoder import VolumeBatch, Wants
from selip.models.scored_model import Subject
from selip.system.errors import InputError, UnavailableError

OPTIONS = ScoreOptions(n_resamples=50)


SIZE = 24


def direction(text):
    """One of SIZE directions, each of which is against all others."""
    return torch.eye(SIZE)[zlib.crc32(text.encode()) % SIZE] - 1 / SIZE


class Pointing:
    """An encoder whose every voxel leans to some direction, and those of the lesion by `trust` to that of the text."""

    wants, device = Wants(), torch.device("cpu")

    def __init__(self, cohort, trust):
        self.trust = trust
        self.lesions = {}
        for part in ("val", "test"):
            found = load_cases(cohort, part, None)
            for item, text, voxels, mask in zip(
                found.items["item_id"], found.items["text"], found.cases.volumes, found.cases.masks, strict=True
            ):
                self.lesions[zlib.crc32(voxels.numpy().tobytes())] = mask[0], direction(text), item

    def encode_texts(self, texts):
        return F.normalize(torch.stack([direction(text) for text in texts]), dim=1)

    def encode_volumes(self, batch):
        return torch.stack([self._encoded(volume[0]) for volume in batch.voxels])

    def _encoded(self, voxels):
        stored = (voxels.detach() * 255).round().to(torch.uint8).numpy()
        mask, own, item = self.lesions.get(zlib.crc32(stored.tobytes()), (torch.zeros(voxels.shape), direction(""), ""))
        noise = torch.randn((*voxels.shape, SIZE), generator=torch.Generator().manual_seed(zlib.crc32(item.encode())))
        leaning = noise + self.trust * mask[..., None] * own
        return ((voxels + 1e-6).log()[..., None] * leaning).sum((0, 1, 2))


@pytest.fixture(scope="module")
def scored(small_cohort):
    texts = list(small_cohort.volumes["text"][small_cohort.volumes["split"] == "train"])
    return {
        trust: score_subject(Subject(Pointing(small_cohort, trust), small_cohort, texts), OPTIONS)
        for trust in (0.0, 0.3, 1e3)
    }


def test_perfect_damaged_and_random(scored):
    random, damaged, perfect = (one.metrics for one in scored.values())
    assert perfect["lesion/voxel_AUROC"].value > 0.95
    assert perfect["lesion/pointing"].value == 1
    assert all(perfect[f"{name}_swapped/wins"].value > 0.8 for name in ("side", "place", "volume"))
    for key in ("lesion/voxel_AUROC", "side_swapped/wins", "place_swapped/wins", "volume_swapped/wins"):
        assert random[key].lower <= random[f"{key}/chance"].value <= random[key].upper
    assert random["lesion/dice"].lower < random["lesion/dice/chance"].value
    assert (
        random["lesion/voxel_AUROC"].upper < damaged["lesion/voxel_AUROC"].value < perfect["lesion/voxel_AUROC"].value
    )


def test_sizes_are_thirds_and_pictures_show_the_extremes(scored):
    found = scored[1e3]
    counts = {size: found.metrics[f"{size}/dice"].n_items for size in grounding.SIZES}
    assert sum(counts.values()) == found.metrics["lesion/dice"].n_items
    table = found.per_item
    assert table["lesion_ml"][table["pool"] == "small"].max() <= table["lesion_ml"][table["pool"] == "large"].min()
    assert [one.rank for one in found.pictures] == ["best", "median", "worst"]
    assert {one.item_id for one in found.pictures} <= {*table["item_id"]}


def test_the_prior_is_the_mean_training_mask(small_cohort):
    studies = small_cohort.studies
    rows = [row for row, one in studies.iterrows() if one["split"] == "train" and one["has_mask"] == "1"]
    expected = np.mean([lesion_of(small_cohort.read_masks([row]))[0] for row in rows], axis=0)
    np.testing.assert_allclose(lesion_frequency(small_cohort), expected)


def test_an_encoder_without_gradients_is_refused(small_cohort):
    model = Pointing(small_cohort, 1.0)
    model.encode_volumes = lambda batch: F.normalize(torch.ones(len(batch.voxels), SIZE), dim=1)
    with pytest.raises(UnavailableError, match="no gradient"):
        score_subject(Subject(model, small_cohort, []), OPTIONS)


def test_an_encoder_whose_weights_alone_have_gradients_is_refused_and_one_without_numbers_too(small_cohort):
    model, weight = Pointing(small_cohort, 1.0), torch.ones(SIZE, requires_grad=True)
    model.encode_volumes = lambda batch: batch.voxels.detach().mean((1, 2, 3, 4))[:, None] * weight
    with pytest.raises(UnavailableError, match="no gradient"):
        score_subject(Subject(model, small_cohort, []), OPTIONS)
    model.encode_volumes = lambda batch: batch.voxels.mean((1, 2, 3, 4))[:, None] * weight * torch.nan
    with pytest.raises(InputError, match="not finite"):
        grounding.shares(model, VolumeBatch(torch.ones(1, 1, 4, 4, 4), torch.zeros(1)), torch.ones(1, SIZE))


def test_bright_voxels_are_a_control_and_noisy_air_is_not_scored(scored, small_cohort):
    metrics = scored[0.0].metrics
    assert 0.5 < metrics["lesion/voxel_AUROC/intensity"].value <= 1
    voxels = load_cases(small_cohort, "test", None).cases.volumes[0, 0].numpy()
    looked = grounding.looked_at(load_cases(small_cohort, "test", None), 0)
    assert 0.2 < looked.counted.mean() < 0.9
    assert not looked.counted[:, 0, 0].any()  # the air of a corner
    assert looked.counted[0][voxels > voxels.max() / 2].any()
