"""The contract of every ablation: it changes what it says, nothing else, and no other ablation is the same run."""

from __future__ import annotations

from dataclasses import replace
from importlib.metadata import EntryPoint

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from baselines.ablations import ABLATIONS, MIX_WEIGHTS, NAMED_MIXES, Ablation
from selip.data.findings import NORMAL_TEXT
from selip.experiments.catalogue import check_names, experiment_file, find_ablation, find_method, listing
from selip.experiments.experiment_file import grid, read_experiment, with_overrides
from selip.similarity.settings import SimilarityConfig
from selip.similarity.text_similarity import TextSimilarity, TextTable
from selip.system import registry
from selip.system.errors import InputError
from selip.system.mappings import to_mapping
from selip.training.method import Preparation, Sizes
from selip.training.objective import Batch
from selip.training.settings import RunConfig

SIZE = 16
SIGNALS = ("high signal", "slightly high signal", "low signal with high rim")
PLACES = ("left thalamus", "right insula", "left frontal lobe", "brainstem")
CLAUSES = [f"at {place} shows {signal}" for place in PLACES for signal in SIGNALS]
TEXTS = [*CLAUSES, *(f"{one}; {two}" for one, two in zip(CLAUSES, CLAUSES[4:], strict=False)), NORMAL_TEXT]
QUICK = read_experiment(experiment_file("quick")).run
STANDARD = read_experiment(experiment_file("standard")).run
# What each changes in the configuration of quick, spelled out by hand.
CHANGES = {
    "character_dice": {"similarity.syntax": "character_dice"},
    "levenshtein": {"similarity.syntax": "levenshtein"},
    "lcs": {"similarity.syntax": "lcs"},
    "chrf": {"similarity.syntax": "chrf"},
    "ontology": {"similarity.semantic": "ontology"},
    "embedding": {"similarity.semantic": "embedding"},
    "mean_mix": {"similarity.mix": "mean"},
    "syntax_only": {"similarity.mix": "syntax"},
    "semantic_only": {"similarity.mix": "semantic"},
    "location_0": {"similarity.weight_location": 0.0, "similarity.weight_signal": 1.0},
    "location_0.25": {"similarity.weight_location": 0.25, "similarity.weight_signal": 0.75},
    "location_0.75": {"similarity.weight_location": 0.75, "similarity.weight_signal": 0.25},
    "location_1": {"similarity.weight_location": 1.0, "similarity.weight_signal": 0.0},
    "best_match": {"similarity.pooling": "best_match"},
    "normal_masked": {"similarity.normal": "masked"},
    "normal_alike": {"similarity.normal": "alike", "training.unique_texts": False},
    "lambda_0": {"methods.selip.kl_weight": 0.0},
    "lambda_0.25": {"methods.selip.kl_weight": 0.25},
    "lambda_0.5": {"methods.selip.kl_weight": 0.5},
    "lambda_2": {"methods.selip.kl_weight": 2.0},
    "kl_one_way": {"methods.selip.kl": "one_way"},
    "rows_softmax": {"methods.selip.rows": "softmax"},
    "diagonal_out": {"methods.selip.diagonal": "out"},
    "kl_clamp": {"methods.selip.kl_clamp": 1e-3},
    "logit_scale_fixed": {"model.logit_scale": "fixed"},
    "repeated_texts": {"training.unique_texts": False},
    "batch_16": {"training.batch_size": 16},
    "batch_128": {"training.batch_size": 128},
    "flip_none": {"augment.flip": "none"},
    "flip_paired": {"augment.flip": "paired"},
    "average_pooling": {"model.pooling": "average"},
    "minilm": {"model.text_tower": "minilm", "training.learning_rate_text": 5e-5},
    "minilm_frozen": {"model.text_tower": "minilm", "model.freeze_text": True},
}
MIXES = [name for name in ABLATIONS if name.startswith("mix_")]
OF_THE_LOSS = [name for name, one in ABLATIONS.items() if one.overrides[0].startswith(("similarity.", "methods."))]


def resolved(name: str, config: RunConfig = QUICK) -> RunConfig:
    return with_overrides(config, find_ablation(name).overrides)


def flat(values, prefix=""):
    for key, value in values.items():
        if isinstance(value, dict):
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def changes(config: RunConfig, full: RunConfig):
    before = dict(flat(to_mapping(full)))
    return {key: value for key, value in flat(to_mapping(config)) if value != before.get(key)}


@pytest.mark.parametrize("name", CHANGES)
def test_it_changes_exactly_what_it_says(name):
    assert changes(resolved(name), QUICK) == CHANGES[name]


@pytest.mark.parametrize("name", [name for name in ABLATIONS if name not in MIXES])
def test_it_changes_each_setting_that_it_names_and_no_other(name):
    assert changes(resolved(name), QUICK).keys() == {one.partition("=")[0] for one in ABLATIONS[name].overrides}


@pytest.mark.parametrize("name", MIXES)
def test_a_cell_of_the_mix_grid_changes_the_mix_and_its_weights(name):
    similarity = resolved(name).similarity
    assert name == f"mix_{similarity.weight_syntax:g}_{similarity.weight_semantic:g}"
    assert replace(QUICK, similarity=similarity) == resolved(name)
    weights = {"weight_syntax": similarity.weight_syntax, "weight_semantic": similarity.weight_semantic}
    assert replace(QUICK.similarity, mix="mean", **weights) == similarity


def test_the_mix_grid_is_whole():
    cells = {(a, b) for a in MIX_WEIGHTS for b in MIX_WEIGHTS if a + b <= 1}
    made = {(one.weight_syntax, one.weight_semantic) for one in (resolved(name).similarity for name in MIXES)}
    assert made | set(NAMED_MIXES) == cells
    assert not made & set(NAMED_MIXES)
    assert set(NAMED_MIXES.values()) <= set(ABLATIONS)


@pytest.mark.parametrize(("cell", "name"), [*NAMED_MIXES.items()])
def test_a_named_cell_of_the_mix_grid_has_that_similarity(cell, name):
    table, ids = TextTable.of(TEXTS), torch.arange(len(TEXTS))
    of_cell = SimilarityConfig(mix="mean", weight_syntax=cell[0], weight_semantic=cell[1])
    found = TextSimilarity.of(table, of_cell)(ids)
    expected = TextSimilarity.of(table, resolved(name).similarity)(ids)
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("full", [QUICK, STANDARD], ids=["quick", "standard"])
def test_no_two_are_the_same_run_and_none_is_full_selip(full):
    runs = {name: resolved(name, full) for name in ABLATIONS}
    assert all(run != full for run in runs.values())
    settings = {name: find_method(ABLATIONS[name].method).settings_in(run) for name, run in runs.items()}
    assert len({f"{replace(run, methods={})} {settings[name]}" for name, run in runs.items()}) == len(runs)


@pytest.mark.parametrize("name", ABLATIONS)
def test_declaration(name):
    one = ABLATIONS[name]
    assert one.group
    assert one.summary
    assert "\n" not in one.summary
    assert len(one.summary) <= 60


def test_unknown_names_get_the_nearest_one():
    with pytest.raises(InputError, match="did you mean 'best_match'") as caught:
        find_ablation("best_mach")
    assert "\n" not in str(caught.value)


def test_an_ablation_is_a_run_of_its_method_beside_the_full_one():
    config = read_experiment(experiment_file("ablation"), ["ablations=lambda_0,chrf", "seeds=2"])
    runs = [(method, ablation, seed) for method, ablation, seed, _ in grid(config)]
    assert runs == [("selip", name, seed) for seed in (0, 1) for name in ("", "lambda_0", "chrf")]
    assert [run == config.run for *_, run in grid(config)] == [True, False, False] * 2


def test_ablations_need_the_full_method():
    config = read_experiment(experiment_file("ablation"), ["methods=clip", "ablations=lambda_0"])
    with pytest.raises(InputError, match=r"ablation lambda_0 without the method selip.*add it"):
        check_names(config)


BOUND_0 = Ablation("bound", "no bias", ("methods.siglip.bias=0",), method="siglip")


def test_an_entry_point_adds_an_ablation_of_another_method(monkeypatch):
    points = {"selip.ablations": [EntryPoint("bias_0", f"{__name__}:BOUND_0", "selip.ablations")]}
    monkeypatch.setattr(registry, "entry_points", lambda group: points.get(group, []))
    assert find_ablation("bias_0") == BOUND_0
    assert {"name": "bias_0", "summary": "no bias", "source": "methods.siglip.bias=0"} in listing("ablations")
    config = read_experiment(experiment_file("quick"), ["methods=siglip", "ablations=bias_0"])
    check_names(config)
    assert [(method, ablation) for method, ablation, *_ in grid(config)] == [("siglip", ""), ("siglip", "bias_0")]
    full, changed = (find_method("siglip").settings_in(run) for *_, run in grid(config))
    assert (full.bias, changed.bias, full.scale) == (-10, 0, changed.scale)


def loss_of(config: RunConfig, method: str = "selip", normal: int = 2):
    """Loss and gradient of the volume embeddings on a batch with `normal` normal texts and some of several clauses."""
    table = TextTable.of(TEXTS)
    abnormal = np.flatnonzero(~table.is_normal())[normal - SIZE :]
    ids = np.concatenate([np.flatnonzero(table.is_normal()).repeat(normal), abnormal])
    settings, sizes = find_method(method).settings_in(config), Sizes(24, (12, 2, 2, 1), 16, (16, 16, 8))
    preparation = Preparation(table, ids[None], 0, config, sizes, settings)
    generator = torch.Generator().manual_seed(1)
    volumes, texts = (F.normalize(torch.randn(SIZE, 8, generator=generator), dim=1) for _ in range(2))
    objective = find_method(method).prepare(preparation)
    loss = objective(Batch(volumes.requires_grad_(), texts, torch.tensor(14.29), torch.from_numpy(ids)))
    (gradient,) = torch.autograd.grad(loss.value, [volumes])
    return loss, gradient


OF_PAIRS = [name for name in OF_THE_LOSS if find_method(ABLATIONS[name].method).views == ("pairs",)]


@pytest.mark.parametrize("name", OF_PAIRS)
def test_its_loss_is_finite_and_not_that_of_the_full_method(name):
    method = ABLATIONS[name].method
    loss, gradient = loss_of(resolved(name), method)
    assert torch.isfinite(loss.value)
    assert torch.isfinite(gradient).all()
    if loss.targets is not None:
        assert (loss.targets >= 0).all()
        torch.testing.assert_close(loss.targets.sum(1), torch.ones(SIZE))
    _, full = loss_of(QUICK, method)
    assert (gradient - full).abs().max() > 1e-5


def test_alike_normal_texts_need_batches_that_repeat_texts():
    assert (loss_of(resolved("normal_alike"), normal=1)[1] == loss_of(QUICK, normal=1)[1]).all()
    assert not resolved("normal_alike").training.unique_texts


def test_lambda_0_is_clip():
    torch.testing.assert_close(loss_of(resolved("lambda_0"))[1], loss_of(QUICK, "clip")[1])


@pytest.mark.parametrize("name", [name for name in ABLATIONS if name not in OF_THE_LOSS])
def test_another_tower_batch_or_flip_leaves_the_loss_alone(name):
    config = resolved(name)
    assert (config.similarity, config.methods) == (QUICK.similarity, QUICK.methods)
