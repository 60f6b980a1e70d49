"""What test_distributed.py lets one process do and, started by torchrun, two: the same, to compare."""

from __future__ import annotations

import copy
import io
import sys
import time
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest import mock

import torch
from torch import nn

from baselines import METHODS
from selip.cli import main as cli
from selip.data.cohort import Cohort
from selip.experiments import experiment
from selip.experiments.catalogue import experiment_file, find_method
from selip.experiments.experiment_file import read_experiment
from selip.models import volume_towers
from selip.system.errors import InputError
from selip.system.memory import within_memory
from selip.training import distributed, trainer
from selip.training.trainer import Run, train
from selip.training.training_data import initial_model

TRAINED = [name for name in METHODS if find_method(name).prepare]
SMALL = (
    "model.volume_tower=resnet10", "model.width=8", "model.stages=2", "model.stem_kernel=3",
    "model.pooled_shape=[2, 2, 1]", "model.text_width=32", "model.text_layers=1", "model.embedding_size=16",
    "model.slices.slices=4", "model.slices.image_size=32", "training.steps=4", "training.batch_size=8",
    "training.warmup_steps=2", "training.validations=2", "evaluation.n_resamples=20", "benchmarks=retrieval",
    "transfer=null",
)  # fmt: skip
BARE = (  # no validation before the fourth step
    "training.gradient_clip=1e6", "training.validations=1",
    "training.learning_rate_volume=2e-4", "training.learning_rate_text=2e-4",
)  # fmt: skip
KILLED_AFTER = 3  # the state is that of the validation after step 2


class StopHereError(Exception):
    """Ends a run from inside."""


def config(*overrides):
    return read_experiment(experiment_file("quick"), [*SMALL, *overrides]).run


def score(embeddings):
    return float(embeddings.volumes[0, 0])


@contextmanager
def prepared_once():
    """Data and initial weights of equal runs are made once."""
    made = {}

    def initial(model, *arguments):
        if model not in made:
            made[model] = initial_model(model, *arguments)
        return copy.deepcopy(made[model])

    with mock.patch.object(trainer, "initial_model", initial):
        yield


def plain_descent(groups, **of_adam):
    """SGD; where only rounding is left of a gradient, as of a bias ahead of a norm, Adam makes a whole step of it."""
    return torch.optim.SGD(groups)


def three_steps(name, cohort, run_config):
    """Loss and gradients of the first step, and all parameters and buffers after the third."""
    found, step = {}, trainer._Loop._step

    def watched(loop, number):
        loss, norm = step(loop, number)
        if number == 0:
            found["loss"] = loss.value.detach()
            found["gradients"] = {n: p.grad.clone() for n, p in loop.parts.named_parameters() if p.grad is not None}
        if number == 2:
            found["weights"] = {n: value.clone() for n, value in loop.parts.state_dict().items()}
            raise StopHereError
        return loss, norm

    patched = mock.patch.object(trainer._Loop, "_step", watched), mock.patch.object(torch.optim, "AdamW", plain_descent)
    with patched[0], patched[1], suppress(StopHereError), TemporaryDirectory() as folder:
        train(Run(find_method(name), cohort, run_config, 0, score), Path(folder) / "unused.safetensors")
    return found


def assert_alike(found, expected, tolerance=1e-5):
    torch.testing.assert_close(found, expected, rtol=tolerance, atol=tolerance)


def assert_same_weights(found, expected):
    """Of two checkpoints that Adam made, less the biases ahead of a norm, whose gradient is nothing but rounding."""
    found, expected = (
        {name: value for name, value in model.state_dict().items() if not name.endswith("downsample.0.bias")}
        for model in (found, expected)
    )
    assert_alike(found, expected)


def assert_same_course(found, expected):
    """Loss and gradients of the first step, to 1e-5 of the largest gradient or of 1, and weights after the third.

    Three steps of batch norm and ReLU make more of a rounding than one: the weights to 1e-4.
    """
    assert_alike(found["loss"], expected["loss"])
    largest = max(1.0, *(gradient.abs().max().item() for gradient in expected["gradients"].values()))
    torch.testing.assert_close(found["gradients"], expected["gradients"], rtol=1e-5, atol=1e-5 * largest)
    assert_alike(found["weights"], expected["weights"], tolerance=1e-4)


@contextmanager
def norms_in_eval_mode():
    """Volume towers whose batch norm does not look at the batch; their weights are trained as ever."""
    with mock.patch.object(volume_towers.VolumeTower, "train", lambda self, mode=True: nn.Module.train(self, False)):
        yield


def killed(cohort, checkpoint):
    """Leaves the state of a run that was killed."""

    def kill(progress):
        if progress.step == KILLED_AFTER:
            raise StopHereError

    with suppress(StopHereError):
        train(Run(find_method("selip"), cohort, config(), 0, score, kill), checkpoint)


def finished(cohort, checkpoint):
    """Runs to the end, from a state where there is one; the steps that were taken."""
    steps = []
    train(Run(find_method("selip"), cohort, config(), 0, score, lambda now: steps.append(now.step)), checkpoint)
    return steps


def command(*words):
    """Exit code of a `selip` command, and what it wrote."""
    said = io.StringIO()
    with mock.patch.object(sys, "argv", ["selip", *words]), redirect_stdout(said), redirect_stderr(said):
        try:
            cli.main()
        except SystemExit as stop:
            return stop.code, said.getvalue()


def refused(work, kinds=InputError):
    """What an error of `kinds` says, or nothing."""
    try:
        work()
    except kinds as error:
        return str(error)
    return ""


def deny():
    raise InputError("only the main process saw this")


def run_out_of_memory():
    """As a validation does on the main process of a GPU that is full."""
    with within_memory(["model.width"]):
        distributed.on_main(fill_memory)


def fill_memory():
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 3.00 GiB. GPU 0 is full")


def train_command(cohort_folder, out, *more):
    return ("train", "clip", "--cohort", str(cohort_folder), "--out", str(out), *SMALL, *more)


def main(cohort_folder, folder):
    """What each of two processes does; what it saw goes to `folder`."""
    distributed.join()
    cohort, rank = Cohort.open(cohort_folder), torch.distributed.get_rank()
    found = {
        "refused": command(*train_command(cohort_folder, folder / "refused", "training.batch_size=7")),
        "on_main": distributed.on_main(lambda: rank),
        "denied": refused(lambda: distributed.on_main(deny)),
        "memory": refused(run_out_of_memory),
        "defect": refused(lambda: distributed.on_main(lambda: {}["missing"]), (KeyError, RuntimeError)),
        "differ": refused(lambda: distributed.check_same([rank])),
        "same": refused(lambda: distributed.check_same(["both"])),
    }
    with prepared_once():
        found["methods"] = {name: three_steps(name, cohort, config(*BARE)) for name in TRAINED}
        with norms_in_eval_mode():
            found["chunked"] = three_steps("gloria", cohort, config(*BARE, "training.micro_batch=3"))
        found["resumed"] = finished(cohort, folder / "by_one.safetensors")
        killed(cohort, folder / "by_two.safetensors")
    while rank and not (folder / "trained" / "config.yaml").exists():  # a slow process finds what the main one began
        time.sleep(0.05)
    with mock.patch.object(experiment, "write_leaderboard", return_value=[]):  # seconds of drawing
        found["trained"] = command(*train_command(cohort_folder, folder / "trained", "--track", "tensorboard"))
    torch.save(found, folder / f"rank{rank}.pt")


def out_of_memory(cohort_folder, out, which):
    """A command of which process `which` runs out of memory in a step, while others wait for it without end."""

    def step(loop, number):
        if torch.distributed.get_rank() == int(which):
            fill_memory()
        time.sleep(600)

    with mock.patch.object(trainer._Loop, "_step", step):
        sys.argv = ["selip", *train_command(cohort_folder, out)]
        cli.main()


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:3])) if len(sys.argv) == 3 else out_of_memory(*sys.argv[1:])
