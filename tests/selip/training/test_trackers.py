"""Trackers: what they are told, that they change nothing, and what is said when there is none."""

from __future__ import annotations

import math

import pytest
from accelerate import tracking as accelerate_tracking
from accelerate.tracking import GeneralTracker
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from selip.experiments.catalogue import experiment_file, find_method
from selip.experiments.experiment_file import read_experiment
from selip.models.dual_encoder import weights_hash
from selip.system.errors import InputError
from selip.system.files import content_hash
from selip.training.settings import learning_rate_factor
from selip.training.trackers import Tracking, check_tracker
from selip.training.trainer import Run, train

READ = [2, 4, 6]  # the validations of a tiny run; it has fewer steps than there are between two other reads


class Killed(BaseException):
    pass


def kill(progress):
    if progress.step == 5:
        raise Killed


def make_run(cohort, tiny_run, tracking, method="selip", **more):
    config = read_experiment(experiment_file("quick"), tiny_run).run
    return Run(find_method(method), cohort, config, 0, lambda one: float(one.volumes.std()), tracking=tracking, **more)


@pytest.fixture
def run(small_cohort, tiny_run, tmp_path):
    """Trains a run under a name, tracked by a tracker of a name."""

    def train_one(name, tracker="", method="selip", **more):
        one = make_run(small_cohort, tiny_run, Tracking(tracker, tmp_path / "tracking", name), method, **more)
        return one, train(one, tmp_path / f"{name}.safetensors")

    return train_one


@pytest.fixture(scope="module")
def whole(small_cohort, tiny_run, tmp_path_factory):
    """An undisturbed run that TensorBoard was told of: the run, what training gave, and the log."""
    folder = tmp_path_factory.mktemp("whole")
    one = make_run(small_cohort, tiny_run, Tracking("tensorboard", folder / "tracking", "whole"))
    given = train(one, folder / "whole.safetensors")
    return one, given, logged(folder / "tracking" / "whole")


def logged(folder):
    """Tag to [(step, value)] of a TensorBoard log."""
    events = EventAccumulator(str(folder))
    events.Reload()
    return {tag: [(one.step, one.value) for one in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


def test_tensorboard_is_told_what_was_read(whole):
    run, (model, facts, training), found = whole
    config = run.config.training
    assert {tag: [step for step, _ in values] for tag, values in found.items()} == dict.fromkeys(found, READ)
    assert [value for _, value in found["val_score"]] == pytest.approx([row["val_score"] for row in training.history])
    for tower, peak in (("volume", config.learning_rate_volume), ("text", config.learning_rate_text)):
        rates = [peak * learning_rate_factor(step - 1, config) for step in READ]
        assert [value for _, value in found[f"learning_rate_{tower}"]] == pytest.approx(rates)
    assert all(math.isfinite(value) and value > 0 for _, value in found["loss"])
    scales = [value for _, value in found["logit_scale"]]
    assert scales[READ.index(facts.step)] == pytest.approx(model.logit_scale.item()), "of the weights that were kept"
    assert len(set(scales)) == len(READ), "it learns"


def test_a_run_is_the_same_without_a_tracker(whole, run, tmp_path):
    tracked, (model, *told), _ = whole
    bare, (other, *said) = run("bare")
    assert bare.id == tracked.id
    assert said == told
    assert weights_hash(other) == weights_hash(model)
    assert not (tmp_path / "tracking").exists()


@pytest.mark.parametrize("begins", ["where it was", "anew"])
def test_the_log_of_a_killed_run_goes_on_where_the_run_does(begins, whole, run, tmp_path):
    with pytest.raises(Killed):
        run("killed", "tensorboard", on_progress=kill)
    assert [step for step, _ in logged(tmp_path / "tracking" / "killed")["loss"]] == [2, 4]
    if begins == "anew":
        (tmp_path / "killed.state.safetensors").unlink()
    run("killed", "tensorboard")
    assert logged(tmp_path / "tracking" / "killed") == whole[2]


@pytest.fixture
def fake(monkeypatch):
    """A tracker class that keeps what it is told, registered as "fake"."""

    class Fake(GeneralTracker):
        name = "fake"
        requires_logging_directory = False
        tracker = None
        made: list[Fake] = []  # noqa: RUF012

        def __init__(self, project):
            super().__init__()
            self.project, self.rows, self.finished = project, [], False
            self.made.append(self)

        def log(self, values, step=None):
            self.rows.append((step, set(values)))

        def finish(self):
            self.finished = True

    monkeypatch.setitem(accelerate_tracking.LOGGER_TYPE_TO_CLASS, "fake", Fake)
    return Fake


def test_any_tracker_of_accelerate_is_told_and_finished(run, fake):
    names = {"loss", "learning_rate_volume", "learning_rate_text", "logit_scale", "val_score"}
    expected = [(step, names) for step in READ]
    with pytest.raises(Killed):
        run("killed", "fake", on_progress=kill)
    run("whole", "fake")
    killed, whole = fake.made
    assert killed.rows == expected[:2]
    assert whole.rows == expected
    assert whole.finished
    assert killed.finished, "however a run ends"


def test_a_logit_scale_that_does_not_learn_is_not_logged(run, fake):
    run("own", "fake", method="siglip")  # it has a scale of its own
    assert all("logit_scale" not in names for _, names in fake.made[0].rows)


def test_an_untrained_method_opens_no_tracker(run, fake):
    run("floor", "fake", method="random_init")
    assert not fake.made


def test_a_tracker_that_does_not_start_is_one_line(run, fake, monkeypatch):
    def refuse(self):
        raise ConnectionError("no key\nlog in")

    monkeypatch.setattr(fake, "start", refuse)
    monkeypatch.setattr(fake, "finish", lambda self: self.what_start_makes)
    with pytest.raises(InputError, match=r"got --track fake, which does not start \(no key log in\); set it up"):
        run("refused", "fake")


def test_weights_and_biases_resumes_the_run_of_a_folder_alone(tmp_path, monkeypatch):
    from selip.training import trackers as tracking

    made = []
    monkeypatch.setattr(
        tracking.Accelerator, "init_trackers", lambda self, project, init_kwargs: made.append((project, init_kwargs))
    )
    for folder, run_key in (("a", "r"), ("a", "r"), ("b", "r"), ("a", "other")):
        one = Tracking("wandb", tmp_path / folder / "tracking", "clip-seed0")
        with tracking.tracked(tracking.Accelerator(), one, content_hash(run_key), 4):
            pass
    (project, first), *_ = made
    assert project == "selip-bench"
    assert (first["wandb"]["name"], first["wandb"]["group"], first["wandb"]["resume"]) == ("clip-seed0", "a", "allow")
    identities = [settings["wandb"]["id"] for _, settings in made]
    assert identities[0] == identities[1]
    assert len(set(identities)) == 3


def test_unknown_and_absent_trackers_are_refused(monkeypatch):
    check_tracker("")
    check_tracker("tensorboard")
    with pytest.raises(InputError, match=r"unknown tracker 'tensorbord'; allowed: .*; did you mean 'tensorboard'"):
        check_tracker("tensorbord")
    monkeypatch.setattr(accelerate_tracking, "_available_trackers", [])
    for name, package in (("tensorboard", r"selip-bench\[trackers\]"), ("wandb", "wandb")):
        with pytest.raises(InputError, match=f"got --track {name}, .* pip install '{package}'"):
            check_tracker(name)
