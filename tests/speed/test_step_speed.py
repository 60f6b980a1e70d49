"""The training step against a plain loop in the style of the authors' code, and its feed against voxels at hand.

Both sides take turns in one run, so that other work on the machine weighs on both. Pairs a second are of the wall
clock, ratios of CPU time, to which another process adds nothing. The plain loop works a sample at a time
(NIfTI file, MONAI transforms, text), fills the similarity pair by pair, reads the loss each step and uses torch's
defaults; model, batches, precision, optimiser and threads are the same.
"""

from __future__ import annotations

import importlib.util
import time
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from monai.transforms import (
    Compose,
    EnsureChannelFirst,
    LoadImage,
    RandFlip,
    RandGaussianNoise,
    RandScaleIntensity,
    RandShiftIntensity,
    ScaleIntensityRangePercentiles,
)
from torch import nn
from torch.utils.data import DataLoader, Dataset

from baselines.selip import selip_loss
from selip.data.findings import flip_text, parse_findings_text
from selip.experiments.catalogue import experiment_file, find_method
from selip.experiments.experiment_file import read_experiment
from selip.models.repeatable_kernels import repeat_exactly
from selip.training.batch_views import Feed
from selip.training.resume_state import RunState
from selip.training.trainer import STEPS_BETWEEN_READS, Run, loop_of

pytestmark = [pytest.mark.speed, *([pytest.mark.gpu] if torch.cuda.is_available() else [])]
JUDGE = Path(__file__).parents[1] / "selip" / "similarity" / "similarity_judge.py"
spec = importlib.util.spec_from_file_location("similarity_judge", JUDGE)
judge = importlib.util.module_from_spec(spec)
spec.loader.exec_module(judge)

STEPS, FIRST = 64, 4
LEAST_EFFICIENCY = {"cpu": 0.85, "cuda": 0.95}  # on an AMD EPYC .97, on an Intel Xeon .90 to .94
LEAST_RATIO = {"cpu": 2, "cuda": 10}
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


def clocks():
    """Seconds of the wall, and of this process; once a GPU is done."""
    if DEVICE == "cuda":
        torch.cuda.synchronize()
    return np.array((time.perf_counter(), time.process_time()))


@pytest.fixture
def trained(small_cohort):
    """Makes a run's loop; the real one of the trainer."""

    def make(*overrides):
        config = read_experiment(experiment_file("quick"), [f"training.steps={STEPS}", *overrides]).run
        return loop_of(Run(find_method("selip"), small_cohort, config, 0, lambda _: 0.0))

    return make


class AtHand(Feed):
    """A feed whose inputs are one random tensor and whose draws are made before the first step."""

    @classmethod
    def in_place_of(cls, feed):
        feed.__class__ = cls
        feed.made = [Feed.draw(feed, step) for step in range(STEPS)]
        feed.inputs = torch.randn(feed.plan.rows.shape[1], 1, *feed.model.shape, device=feed.device)

    def draw(self, step):
        return self.made[step]

    def _standardised(self, step, rows):
        return self.inputs[rows]

    def _augmented(self, standard, draws):
        return standard


def seconds_taking_turns(*steps):
    """Seconds (2, steps, functions), by both clocks, of each function of a step's number, less the first steps."""
    found = np.zeros((2, STEPS, len(steps)))
    for step in range(STEPS):
        for side in np.roll(range(len(steps)), step):
            began = clocks()
            steps[side](step)
            found[:, step, side] = clocks() - began
    return found[:, FIRST:]


def ratio_of(seconds):
    """Times as long as the first function that the second takes, the median over steps; of a GPU by the wall clock."""
    wall, processor = np.median(seconds[..., 1] / seconds[..., 0], axis=1).tolist()
    return wall if DEVICE == "cuda" else processor


def training(loop):
    """A step as the trainer takes it, with its reads."""
    state = RunState()

    def step(number):
        repeat_exactly()
        state.observe(*loop._step(number))
        if state.step % STEPS_BETWEEN_READS == 0:
            loop._read(state)

    return step


@pytest.mark.parametrize("where", ["resident", "store"])
def test_a_step_takes_hardly_longer_than_without_its_feed(benchmark, trained, where):
    """Voxels in memory against tensors at hand, and voxels read from the store against those in memory."""
    real, other = trained(*(["training.resident_gib=0"] if where == "store" else [])), trained()
    if where == "resident":
        AtHand.in_place_of(other.differentiate.feed)
    seconds = benchmark.pedantic(seconds_taking_turns, (training(real), training(other)), rounds=1)
    efficiency = ratio_of(seconds)
    reference = "the same step on resident " + ("random tensors" if where == "resident" else "voxels")
    benchmark.extra_info |= {"reference": reference, "pipeline_efficiency": efficiency}
    assert efficiency >= LEAST_EFFICIENCY[DEVICE]


class PlainPairs(Dataset):
    """Volumes from NIfTI files and their texts, a sample at a time."""

    def __init__(self, cohort, folder):
        rows = cohort.rows("train")
        self.texts = cohort.volumes.iloc[rows]["text"].tolist()
        self.contrasts = cohort.volumes.iloc[rows]["contrast"].tolist()
        self.files = [folder / f"{row}.nii.gz" for row in rows]
        for file, voxels in zip(self.files, cohort.read_volumes(rows), strict=True):
            nib.save(nib.Nifti1Image(voxels, np.diag([*cohort.info.spacing_mm, 1])), file)
        self.load = Compose([
            LoadImage(image_only=True), EnsureChannelFirst(),
            ScaleIntensityRangePercentiles(0.1, 99.9, 0, 1, clip=True),
        ])  # fmt: skip
        self.flip = RandFlip(prob=1, spatial_axis=0)
        self.vary = Compose(
            [RandScaleIntensity(0.1, 1), RandShiftIntensity(0.05, prob=1), RandGaussianNoise(1, 0, 0.02)]
        )

    def __len__(self):
        return len(self.texts)

    def __getitem__(self, key):
        row, flipped = key
        volume, text = self.load(self.files[row]), self.texts[row]
        if flipped:
            volume, text = self.flip(volume), flip_text(text)
        return self.vary(volume).as_tensor(), row, text


def plain_step(loop, cohort, folder):
    """A step of the plain loop."""
    data, plan = loop.differentiate.feed.data, loop.differentiate.feed.plan
    settings = loop.run.method.settings_in(loop.run.config)
    keys = [
        list(zip(rows.tolist(), flips.tolist(), strict=True)) for rows, flips in zip(plan.rows, plan.flips, strict=True)
    ]
    batches = iter(DataLoader(PlainPairs(cohort, folder), batch_sampler=keys, num_workers=0))
    model, config = loop.model.train(), loop.run.config
    optimizer = torch.optim.AdamW(model.parameters(), 1e-4, betas=(0.9, 0.98), eps=1e-6)

    def step(number):
        torch.use_deterministic_algorithms(False)
        volumes, rows, texts = next(batches)
        ids, mask = model.tokens(texts)
        with loop.differentiate.autocast():
            embedded = model.encode_volume(volumes.to(DEVICE), data.contrasts[rows.to(DEVICE)])
            encoded = model.encode_text(ids.to(DEVICE), mask.to(DEVICE))
        logits = model.logit_scale * embedded.float() @ encoded.float().T
        similarity = torch.zeros_like(logits)
        clauses = [parse_findings_text(text) for text in texts]
        for i, row in enumerate(judge.similarity_loop(clauses, config.similarity)):
            for j, value in enumerate(row):
                similarity[i, j] = float(value)
        loss = selip_loss(logits, similarity, settings).value
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), config.training.gradient_clip)
        optimizer.step()
        return loss.item()

    return step


def test_a_step_against_a_plain_loop(benchmark, trained, small_cohort, tmp_path):
    loop = trained()
    plain = plain_step(trained("training.memory_format=contiguous"), small_cohort, tmp_path)
    seconds = benchmark.pedantic(seconds_taking_turns, (training(loop), plain), rounds=1)
    ratio = ratio_of(seconds)
    benchmark.extra_info |= {
        "reference": "per-sample files and transforms, similarity pair by pair, defaults",
        "pairs_per_second": loop.run.config.training.batch_size / np.median(seconds[0, :, 0]),
        "times_faster_than_plain_loop": ratio,
    }
    assert ratio >= LEAST_RATIO[DEVICE]
