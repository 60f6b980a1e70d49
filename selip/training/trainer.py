"""The one training loop. Methods differ in their objective and in nothing else.

Every draw is a function of (seed, step): the batch plan is made before the first step and augmentation is seeded by its
step, so a run that was killed continues from its last state to the same numbers. Several processes, each with a share
of every batch, come to the numbers of one; the main one writes and validates, all read, so they must see one folder.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from accelerate import Accelerator
from torch import nn

from selip.data.cohort import Cohort
from selip.models.dual_encoder import CheckpointFacts, DualEncoder, load_checkpoint, save_checkpoint, weights_hash
from selip.models.embeddings import Embeddings, embed_cohort
from selip.models.repeatable_kernels import repeat_exactly
from selip.models.settings import ModelConfig
from selip.records.record import Training
from selip.system.errors import InputError
from selip.system.files import content_hash, file_hash
from selip.system.heap import keep_freed_memory
from selip.system.mappings import to_mapping
from selip.training.batch_norm import share_statistics
from selip.training.batch_plan import BatchPlan, plan_batches
from selip.training.batch_views import Feed
from selip.training.device_setup import arrange, make_accelerator, make_optimizer, precision_of
from selip.training.distributed import (
    average_gradients,
    check_batch_size,
    check_same,
    is_main,
    join,
    on_main,
    process_count,
)  # fmt: skip
from selip.training.gradients import Differentiate
from selip.training.method import Method, Objective, Preparation
from selip.training.objective import Loss
from selip.training.resume_state import Progress, RunState, load_state, save_state, state_path
from selip.training.settings import RunConfig, identified, learning_rate_factor
from selip.training.trackers import NOT_TRACKED, Tracking, tracked, tracked_values
from selip.training.training_data import TrainingData, initial_model, load_training_data, model_sizes, with_own_tower

SECONDS_BETWEEN_STATES = 30.0
STEPS_BETWEEN_READS = 10


@dataclass(frozen=True)
class Run:
    """A training: method, cohort and settings.

    Attributes:
        method: What to train; one without an objective keeps its initial weights.
        cohort: Cohort with its frozen split; only train and val are read.
        config: Resolved configuration.
        seed: Seed of weights, batches and augmentation.
        validate: Score of the val embeddings, higher is better; it alone chooses the step whose weights are kept.
        on_progress: Called after each step.
        tracking: Where losses are logged beside; no number depends on it, nor does `id`.
    """

    method: Method
    cohort: Cohort
    config: RunConfig
    seed: int
    validate: Callable[[Embeddings], float]
    on_progress: Callable[[Progress], None] = lambda progress: None
    tracking: Tracking = NOT_TRACKED

    @property
    def id(self) -> str:
        """SHA-256 (hex) of what the user chose."""
        own, config = to_mapping(self.method.settings_in(self.config)), identified(to_mapping(self.config), self.init)
        info = self.cohort.info
        about = [self.method.name, own, config, self.seed, info.content_hash, info.split_fingerprint]
        return content_hash([*about, self.cohort.fold] if self.cohort.fold else about)

    @property
    def init(self) -> str:
        """SHA-256 (hex) of the weights that the volume tower starts from; "" for random ones, and another tower's."""
        return "" if self.method.tower else file_hash(self.config.model.init)


def train(run: Run, checkpoint: Path) -> tuple[DualEncoder, CheckpointFacts, Training]:
    """Trains one run and keeps the weights that validation chose.

    A state beside `checkpoint` lets a killed run continue; `forget_state` removes it when scores are safe.

    Returns:
        Model in eval mode as read back from `checkpoint`, the checkpoint's facts, and what a record says of training.

    Raises:
        InputError: For a configuration that cannot run, or a loss that is not finite (naming the step).
    """
    accelerator, data, common, model, plan = _start(run)
    training = Training(
        steps=run.config.training.steps if run.method.prepare else 0, chosen_step=0, init=run.init,
        initial_weights_hash=common.towers_hash, batch_order_hash=plan.hash,
        own_tower=model.config.volume_tower if run.method.tower else "", precision=precision_of(run.config.training),
        parameters=sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad),
        never_flipped=int((~data.can_flip).sum()),
    )  # fmt: skip
    if run.method.prepare is not None:
        state = _Loop(run, run.method.prepare, accelerator, model, data, plan).run_to_end(state_path(checkpoint))
        model.load_state_dict(state.best)
        entropy, diagonal = state.target_means
        chosen = {"chosen_step": state.best_step, "history": state.history}
        training = training.model_copy(update={**chosen, "target_entropy": entropy, "target_diagonal": diagonal})
    on_main(lambda: save_checkpoint(checkpoint, model, _facts(run, model.config, training.chosen_step)))
    model, facts = load_checkpoint(checkpoint)  # what is scored is what the file holds
    return model, facts, training


def loop_of(run: Run) -> _Loop:
    """The loop of `run` before its first step, for who measures steps; raises InputError as `train`."""
    if run.method.prepare is None:
        raise InputError(f"got {run.method.name}, which is not trained; allowed: a method with an objective")
    accelerator, data, _, model, plan = _start(run)
    return _Loop(run, run.method.prepare, accelerator, model, data, plan)


def _start(run: Run) -> tuple[Accelerator, TrainingData, DualEncoder, DualEncoder, BatchPlan]:
    repeat_exactly()
    keep_freed_memory()
    config = run.config.training
    join()
    check_batch_size(config.batch_size)
    accelerator = make_accelerator(run.tracking)
    data = load_training_data(run.cohort, accelerator.device, config.resident_gib)
    common = initial_model(run.config.model, run.cohort, data, run.seed)
    model = with_own_tower(common, run.method.tower, run.cohort, data, run.seed)
    plan = plan_batches(
        data.text_ids, data.texts.twin, data.can_flip, steps=config.steps,
        batch_size=config.batch_size, unique_texts=config.unique_texts, flip=run.config.augment.flip, seed=run.seed,
        most=data.texts.is_normal() * (config.normals_a_batch - 1) + 1,
    )  # fmt: skip
    return accelerator, data, common, model, plan


def _train_texts(cohort: Cohort) -> list[str]:
    return cohort.volumes.iloc[cohort.rows("train")]["text"].tolist()


def _facts(run: Run, model: ModelConfig, step: int) -> CheckpointFacts:
    cohort, texts = run.cohort, _train_texts(run.cohort)
    return CheckpointFacts(
        method=run.method.name, seed=run.seed, step=step, model=model, run=run.id,
        shape=cohort.info.shape, spacing_mm=cohort.info.spacing_mm, synthetic=cohort.info.synthetic,
        cohort=cohort.info.content_hash, split_fingerprint=cohort.info.split_fingerprint,
        contrasts=tuple(sorted(set(cohort.volumes.iloc[cohort.rows("train")]["contrast"]))),
        train_texts={text: texts.count(text) for text in sorted(set(texts))},
    )  # fmt: skip


class _Loop:
    """A run's loop over its batch plan."""

    def __init__(
        self, run: Run, prepare: Callable[[Preparation], Objective], accelerator: Accelerator,
        model: DualEncoder, data: TrainingData, plan: BatchPlan,
    ) -> None:  # fmt: skip
        self.run, self.accelerator, config = run, accelerator, run.config.training
        torch.manual_seed(run.seed)  # for the method's own layers
        settings, sizes = run.method.settings_in(run.config), model_sizes(model)
        known = Preparation(
            data.texts, plan.text_ids, run.seed, run.config, sizes, settings, data.label_names, accelerator.device
        )  # fmt: skip
        objective = prepare(known)
        own = objective if isinstance(objective, nn.Module) else nn.Module()
        self.model = model.to(accelerator.device)
        self.parts = nn.ModuleList([self.model, own.to(accelerator.device)])
        self.optimizer = accelerator.prepare(make_optimizer(self.model, own, config))
        self.key = content_hash([run.id, weights_hash(self.parts), plan.hash, precision_of(config)])
        if process_count() > 1:
            share_statistics(self.parts, accelerator.device)
        arrange(self.model.volume_tower, config)
        feed = Feed(run.method, run.config, self.model, data, plan, run.seed)
        self.differentiate = Differentiate(feed, objective, accelerator, config.micro_batch, precision_of(config))

    def __call__(self, step: int) -> None:
        """Takes `step` (from 0) and reads nothing back."""
        self._step(step)

    def run_to_end(self, path: Path) -> RunState:
        """Runs from the last state saved in `path`, or from the beginning, to the last step."""
        state = load_state(path, self.key, self.parts, self.optimizer) or RunState()
        check_same([self.key, state.step])
        with tracked(self.accelerator, self.run.tracking, self.key, state.step):
            self._run_on(state, path)
        return state

    def _run_on(self, state: RunState, path: Path) -> None:
        config = self.run.config.training
        validations = {round(config.steps * (k + 1) / config.validations) for k in range(config.validations)}
        first, began, saved, loss = state.step, time.perf_counter(), time.perf_counter(), math.nan
        while state.step < config.steps:
            state.observe(*self._step(state.step), self.model.learning_log_scale)
            due = state.step in validations or time.perf_counter() - saved > SECONDS_BETWEEN_STATES
            planned = state.step in validations or state.step % STEPS_BETWEEN_READS == 0
            if due or planned:
                loss = self._read(state)
            if state.step in validations:
                state.validated(self._validation_score(state.step), self.model)
            if planned:
                self.accelerator.log(tracked_values(state, loss, config), step=state.step)
            if due:
                if is_main():
                    save_state(path, self.key, state, self.parts, self.optimizer)
                saved = time.perf_counter()
            pairs = (state.step - first) * config.batch_size
            self.run.on_progress(Progress(state.step, config.steps, loss, pairs / (time.perf_counter() - began)))

    def _validation_score(self, step: int) -> float:
        """Score of the val part by `validate`; without texts the step itself, so that the last weights are kept."""
        if not self.run.method.learns_text:
            return float(step)
        cohort, texts, voxels = self.run.cohort, _train_texts(self.run.cohort), self.differentiate.feed.data.val_voxels
        return on_main(lambda: self.run.validate(embed_cohort(self.model, cohort, "val", texts, voxels=voxels())))

    def _read(self, state: RunState) -> float:
        try:
            return state.read()
        except FloatingPointError as error:
            raise InputError(
                f"got a loss or gradient that is not finite at step {error} of {self.run.config.training.steps}; "
                "lower training.learning_rate_volume and training.learning_rate_text, or raise training.warmup_steps"
            ) from error

    def _step(self, step: int) -> tuple[Loss, torch.Tensor]:
        config = self.run.config.training
        for group in self.optimizer.param_groups:
            group["lr"] = group["peak"] * learning_rate_factor(step, config)
        self.parts.train()
        self.optimizer.zero_grad(set_to_none=True)
        loss = self.differentiate(step)
        average_gradients(self.parts)
        norm = self.accelerator.clip_grad_norm_(self.parts.parameters(), config.gradient_clip)
        self.optimizer.step()
        self.model.clamp_logit_scale()
        return loss, norm
