from __future__ import annotations

import numpy as np
import pytest
import torch

from benchmarks.benchmark import ScoreOptions
from benchmarks.tasks import robustness
from benchmarks.tasks.robustness import CORRUPTIONS, LEVELS, mislabelled, worsened
from selip.models.scored_model import Subject
from selip.system.errors import UnavailableError

OPTIONS = ScoreOptions(n_resamples=50)


class Seeing:
    """An encoder that knows clean volumes: its embedding leans to the volume's text, the less the worse its voxels."""

    def __init__(self, cohort, trust):
        from selip.models.encoder import Wants

        self.wants, self.device, self.trust = Wants(), torch.device("cpu"), trust
        rows = cohort.rows("test")
        self.clean = dict(zip(cohort.volumes["volume_id"].iloc[rows], cohort.read_volumes(rows), strict=True))
        self.texts = dict(zip(cohort.volumes["volume_id"], cohort.volumes["text"], strict=True))

    def encode_texts(self, texts):
        random = [torch.randn(32, generator=torch.Generator().manual_seed(hash_of(text))) for text in texts]
        return torch.nn.functional.normalize(torch.stack(random), dim=1)

    def encode_volumes(self, batch):
        clean = torch.stack([torch.as_tensor(self.clean[name]).float() / 255 for name in batch.ids])
        off = (batch.voxels[:, 0] - clean).abs().mean((1, 2, 3), keepdim=False)[:, None]
        noise = self.encode_texts([f"{name}{worth:.6f}" for name, worth in zip(batch.ids, off[:, 0], strict=True)])
        known = self.encode_texts([self.texts[name] for name in batch.ids])
        return torch.nn.functional.normalize(self.trust * known + (10 * off + 0.01) * noise, dim=1)


def hash_of(text):
    return int.from_bytes(text.encode()[-6:], "little") + sum(map(ord, text))


def scored(cohort, trust):
    return robustness.score_subject(
        Subject(Seeing(cohort, trust), cohort, list(cohort.volumes["text"])), OPTIONS
    ).metrics


def test_perfect_damaged_and_random(small_cohort):
    perfect, damaged, blind = (scored(small_cohort, trust) for trust in (1e4, 0.3, 0.0))
    assert perfect["overall/MRR"].value == perfect["overall/kept"].value == 1
    assert blind["overall/MRR"].lower <= blind["overall/MRR/chance"].value <= blind["overall/MRR"].upper
    assert blind["overall/MRR"].upper < damaged["overall/MRR"].value < 1
    assert damaged["overall/clean"].value == 1
    assert damaged["rician_noise/MRR_1"].value > damaged["rician_noise/MRR_5"].value
    assert damaged["overall/worst"].value <= damaged["rician_noise/MRR_5"].value


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_worse_with_the_level_as_it_was_at_level_0_and_the_same_again(name, small_cohort):
    voxels = small_cohort.read_volumes(range(6))
    assert np.abs(worsened(voxels, name, 0, 0).astype(int) - voxels).max() <= 1
    far = [np.abs(worsened(voxels, name, level, 0).astype(float) - voxels).mean() for level in LEVELS]
    assert 0 < far[0] < far[2] < far[4]
    assert np.array_equal(worsened(voxels, name, 3, 0), worsened(voxels, name, 3, 0))


def test_a_ghost_is_half_a_field_away():
    voxels = np.zeros((1, 8, 8, 4), dtype=np.uint8)
    voxels[0, 3, 1, 2] = 255
    ghosts = np.argwhere(worsened(voxels, "motion_ghosts", 5, 0)[0] > 20)
    assert ghosts.tolist() == [[3, 1, 2], [3, 5, 2]]


def test_a_fifth_a_level_has_the_wrong_contrast():
    contrasts = ["T1", "T2", "FLAIR"] * 10
    wrong = [
        sum(a != b for a, b in zip(contrasts, mislabelled(contrasts, level, 0), strict=True)) for level in (0, *LEVELS)
    ]
    assert wrong == [0, 6, 12, 18, 24, 30]


def test_an_encoder_without_eyes_is_refused(small_cohort):
    model = Seeing(small_cohort, 1.0)
    model.encode_volumes = lambda batch: model.encode_texts(list(batch.ids))
    with pytest.raises(UnavailableError, match="sees no voxels"):
        robustness.score_subject(Subject(model, small_cohort, []), OPTIONS)
