"""Trains, scores and renders on the simulated accelerator: python driver.py COHORT OUT CASE [CASE ...]

A case is KIND|NAME[|OVERRIDE...]. What was seen of each is a line of JSON in OUT, written when the case has ended:
case, error ("" where all went well), numbers, kernels, waits, moved (bytes); the number of training steps, their
kernels and bytes.
"""

from __future__ import annotations

import json
import sys
import tempfile
import traceback
from collections import Counter
from pathlib import Path

import card  # before anything that computes  # isort: skip
import numpy as np
import torch

from benchmarks.segmentation.training import predict
from benchmarks.tasks.fine_tune import Classifier, Scans, classify, fit
from selip.data.cohort import Cohort
from selip.experiments.catalogue import experiment_file, find_benchmark, find_method
from selip.experiments.experiment import score_options, validation_score
from selip.experiments.experiment_file import read_experiment
from selip.experiments.run import majority_texts
from selip.models import dual_encoder
from selip.models.scored_model import Subject
from selip.training import trainer
from selip.training.trainer import Run, train
from selip.training.training_data import contrast_positions
from selip.training.voxel_loading import Prefetch

TINY = (
    "model.volume_tower=resnet10", "model.width=4", "model.stem_kernel=3", "model.pooled_shape=[2, 2, 1]",
    "model.stages=2", "model.text_width=32", "model.text_layers=1", "model.embedding_size=16", "training.steps=2",
    "training.batch_size=8", "training.warmup_steps=1", "training.validations=1", "evaluation.n_resamples=10",
    "evaluation.segmentation.steps=2", "evaluation.segmentation.validations=1",
    "evaluation.segmentation.arms=[frozen, fine_tuned]", "evaluation.segmentation.label_fractions=[1.0]",
    "evaluation.probe.fine_tune_steps=5", "evaluation.probe.fine_tune_batch_size=4",
    "evaluation.probe.label_fractions=[1.0]", "evaluation.probe.draws=1", "evaluation.probe.shots=[1]",
)  # fmt: skip


class OnTheCard:
    """Makes the trainer and whoever loads a checkpoint compute on the simulated device."""

    def __init__(self):
        self.forget()
        self.plain_step, self.plain_accelerator = trainer._Loop._step, trainer.make_accelerator
        trainer._Loop._step, trainer.make_accelerator = self.step(), self.accelerator
        dual_encoder.scoring_device = lambda: card.DEVICE
        torch.Generator = card.Generator
        Prefetch._read = self.in_thread(Prefetch._read)
        torch.__future__.set_overwrite_module_params_on_conversion(True)

    def forget(self):
        """Starts anew what training steps are counted in."""
        self.steps, self.kernels, self.moved = 0, Counter(), 0

    def accelerator(self, tracking):
        made = self.plain_accelerator(tracking)
        made.state.device = card.DEVICE
        return made

    def in_thread(self, read):
        """What a thread reads is watched too: a mode of torch's is that of one thread."""

        def watched(loader, step):
            with card.Card():
                return read(loader, step)

        return watched

    def step(self):
        def watched(loop, number):
            before, moved = Counter(card.SEEN.kernels), card.SEEN.moved
            with card.refusing_to_wait():
                outcome = self.plain_step(loop, number)
            self.steps += 1
            self.kernels += card.SEEN.kernels - before
            self.moved += card.SEEN.moved - moved
            return outcome

        return watched


class Cases:
    """What a case of each kind does; returns its numbers."""

    def __init__(self, cohort, folder):
        self.cohort, self.folder, self.subjects = cohort, folder, {}

    def train(self, name, *overrides):
        config = read_experiment(experiment_file("quick"), [*TINY, "transfer=null", *overrides])
        run = Run(find_method(name), self.cohort, config.run, 0, validation_score)
        trained, facts, training = train(run, self.folder / f"{name}{len(overrides)}.safetensors")
        assert next(trained.parameters()).device.type == card.NAME
        self.subjects[name] = Subject(trained, self.cohort, majority_texts(facts))
        return [row["loss"] for row in training.history]

    def score(self, name, *overrides):
        config = read_experiment(experiment_file("quick"), [*TINY, "transfer=null", *overrides])
        score = find_benchmark(name).score(self.subjects["selip"], score_options(config.evaluation))
        return [metric.value for metric in score.metrics.values()]

    def fine_tune(self, name):
        rows = self.cohort.rows("train")[:12]
        contrasts = contrast_positions(self.cohort.volumes.iloc[rows]["contrast"].tolist())
        scans, labels = Scans(torch.from_numpy(self.cohort.read_volumes(rows)), contrasts), torch.arange(12) % 2
        config = read_experiment(experiment_file("quick"), TINY).evaluation.probe
        classifier = Classifier(self.subjects["selip"].model, 2)
        classifier.head.to(card.DEVICE)
        chosen = fit(classifier, (scans, labels), (scans, labels), config, np.random.default_rng(0))
        return [chosen, *classify(classifier, scans)[:, 0]]

    def window(self, name):
        network = torch.nn.Conv3d(1, 1, 3, padding=1).to(card.DEVICE)
        volumes = torch.rand(1, 1, 12, 10, 8, generator=torch.Generator().manual_seed(0))
        return [float(predict(network, volumes, (8, 8, 8)).mean())]

    def render(self, name):
        from selip.cohorts.phantom import device_render
        from selip.cohorts.phantom.anatomy import build_atlas
        from selip.cohorts.phantom.generate import lesion_points
        from selip.cohorts.phantom.patients import draw_studies
        from selip.cohorts.phantom.profiles import resolve

        profile, atlas = resolve("quick", {"n_patients": 2}), build_atlas(step_mm=8)
        studies = draw_studies(profile, 0, lesion_points(atlas))
        # Wrapped tensors know no inference mode; without gradients is as good.
        device_render.render_plan = torch.no_grad()(device_render.render_plan.__wrapped__)
        made = device_render.render_on_device(studies, profile, 0, atlas, card.DEVICE, at_once=2)
        return [float(np.mean(volumes)) for volumes, _ in made]

    def plant(self, name):
        """A wait, or a tensor of the CPU, inside what must refuse it."""
        there = torch.ones(3).to(card.DEVICE)
        planted = {
            "item": lambda: there.sum().item(),
            "tolist": lambda: there.tolist(),
            "bool": lambda: bool(there.sum() > 0),
            "boolean_index": lambda: there[there > 0],
            "cpu_index": lambda: there[torch.tensor([0, 1])],
            "cpu_tensor": lambda: there + torch.ones(3),
            "blocking_copy": lambda: torch.ones(3).to(card.DEVICE),
            "copy_back": lambda: there.cpu(),
            "not_pinned": lambda: torch.ones(3).to(card.DEVICE, non_blocking=True),
            "generator": lambda: torch.rand(3, generator=torch.Generator("cpu"), device=card.DEVICE),
            "gradient_of_torchs_max_pool": lambda: self.pooled(torch.rand(1, 1, 4, 4, 4).pin_memory()),
            "nothing": lambda: there + 1.0,
            "pinned": lambda: torch.ones(3).pin_memory().to(card.DEVICE, non_blocking=True) + there,
        }
        with card.refusing_to_wait():
            planted[name]()
        return []

    def pooled(self, volumes):
        leaf = volumes.to(card.DEVICE, non_blocking=True).requires_grad_()
        torch.nn.functional.max_pool3d(leaf, 3, 2, 1).sum().backward()


def seen_of(case, cases, on_card):
    kind, name, *overrides = case.split("|")
    card.SEEN.clear()
    on_card.forget()
    error, numbers = "", []
    try:
        numbers = getattr(cases, kind)(name, *overrides)
    except Exception as problem:
        error = f"{type(problem).__name__}: {problem}\n{''.join(traceback.format_tb(problem.__traceback__)[-6:])}"
    return {
        "case": case, "error": error, "numbers": numbers, "kernels": card.SEEN.kernels, "waits": card.SEEN.waits,
        "moved": card.SEEN.moved, "steps": on_card.steps, "kernels_of_steps": on_card.kernels,
        "moved_in_steps": on_card.moved,
    }  # fmt: skip


def main(cohort, out, *names):
    on_card = OnTheCard()
    with tempfile.TemporaryDirectory() as folder, Path(out).open("w") as lines, card.Card():
        cases = Cases(Cohort.open(Path(cohort)), Path(folder))
        for case in names:
            lines.write(json.dumps(seen_of(case, cases, on_card)) + "\n")
            lines.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
