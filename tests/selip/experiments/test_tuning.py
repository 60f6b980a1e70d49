"""Tuning: the same draws for every method, val alone, and a file that refuses what tuning saw."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import yaml

from selip.cli.main import app
from selip.data.cohort import Cohort
from selip.experiments.catalogue import find_method, registered_names
from selip.experiments.config import CohortConfig, EvaluateOnConfig, ExperimentConfig, Trial, TunedMethod, Tuning
from selip.experiments.experiment_file import grid
from selip.experiments.tuning import METRICS, chosen, is_tunable, score_of, tuning_experiment, with_tuned
from selip.records.record_files import read_record
from selip.system.errors import InputError
from selip.system.mappings import dotted, from_mapping, to_mapping
from selip.training.search_space import SHARED, Span, draw_settings, on_edge

ASKED = ExperimentConfig("x", methods=("selip", "clip", "siglip", "simclr", "random_init"))


@pytest.mark.parametrize("span", [Span(1e-4, 1e-1), Span(-12, -2, is_log=False)])
def test_draws_fill_their_range_and_a_tenth_at_each_end_is_its_edge(span):
    generator = np.random.default_rng(0)
    values = [span.draw(generator) for _ in range(2000)]
    assert span.low <= min(values) < max(values) <= span.high
    assert 0.17 < np.mean([span.is_on_edge(value) for value in values]) < 0.23
    assert span.is_on_edge(span.low * 0.99 if span.low > 0 else span.low - 1)


def test_shared_settings_are_drawn_alike_for_every_method_and_own_ones_apart():
    one, two = (draw_settings(name, find_method(name).space, 3, 0) for name in ("siglip", "siglip_soft"))
    assert {key: one[key] for key in SHARED} == {key: two[key] for key in SHARED}
    assert one["methods.siglip.bias"] != two["methods.siglip_soft.bias"]
    assert draw_settings("siglip", {}, 3, 0) != draw_settings("siglip", {}, 4, 0)


@pytest.mark.parametrize("name", registered_names("methods"))
def test_every_space_is_of_settings_that_the_method_has(name):
    method = find_method(name)
    settings = draw_settings(name, method.space, 1, 0)
    (*_, run) = grid(replace(ASKED, methods=(name,), trials=(Trial("trial_1", name, settings),)))[-1]
    found = dotted(to_mapping(run))
    assert {key: found[key] for key in settings} == settings


@pytest.mark.parametrize("name", [name for name in registered_names("methods") if is_tunable(name)])
def test_a_tuned_run_is_that_of_the_chosen_trial_and_keeps_what_its_recipe_fixes(name):
    config = tuning_experiment(replace(ASKED, methods=(name,)), 2, ("seeds",))
    (trial,) = config.trials
    fixed = {one.partition("=")[0] for one in find_method(name).overrides}
    assert not fixed & trial.settings.keys()
    best = TunedMethod("trial_1", trial.settings, 0.5, (), {"trial_1": 0.5}, {})
    tuned = replace(ASKED, methods=(name,), tuned=Tuning("x", CohortConfig(), (1,), 2, "", {name: best}))
    assert grid(tuned)[0][-1] == grid(config)[-1][-1]


def test_methods_get_as_many_trials_and_those_without_texts_none():
    config = tuning_experiment(ASKED, 4, ())
    assert config.methods == ("selip", "clip", "siglip")
    assert not is_tunable("supervised")
    rows = [(method, name or "default", seed) for method, name, seed, _ in grid(config)]
    assert {method: sum(row[0] == method for row in rows) for method in config.methods} == dict.fromkeys(
        config.methods, 4 * 2
    )
    assert len(set(rows)) == len(rows)
    with pytest.raises(InputError, match="none is trained with texts"):
        tuning_experiment(replace(ASKED, methods=("simclr",)), 4, ())


def test_trials_see_val_of_another_cohort_and_other_seeds_unless_told():
    config = tuning_experiment(ASKED, 2, ())
    assert (config.part, config.cohort.seed, config.seeds) == ("val", 1000, (1000, 1001))
    told = tuning_experiment(replace(ASKED, seeds=(7,)), 2, ("seeds", "cohort.seed"))
    assert (told.cohort.seed, told.seeds) == (0, (7,))
    own = replace(ASKED, cohort=CohortConfig(path="somewhere"))
    assert tuning_experiment(own, 2, ()).cohort == own.cohort


def outcome(**changes):
    trials = {"default": 0.4, "trial_1": 0.5}
    best = TunedMethod(
        "trial_1", {"training.weight_decay": 0.2}, 0.5, (), trials, {"default": ("a",), "trial_1": ("b",)}
    )
    made = Tuning("x", CohortConfig(seed=5), (8, 9), 2, "a score", {"selip": best, "clip": best})
    return replace(made, **changes)


@pytest.fixture
def file(tmp_path):
    def write(tuning):
        path = tmp_path / "tuned.yaml"
        path.write_text(yaml.safe_dump(to_mapping(tuning)))
        return path

    return write


def test_the_file_is_read_as_it_was_written_and_its_settings_reach_the_runs(file):
    asked = ExperimentConfig("x", methods=("selip", "clip", "random_init"))
    config = with_tuned(asked, file(outcome()))
    assert config.tuned == outcome() == from_mapping(Tuning, to_mapping(outcome()))
    decay = {method: run.training.weight_decay for method, _, _, run in grid(config)}
    assert decay == {"selip": 0.2, "clip": 0.2, "random_init": 0.01}


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"seeds": (3, 9)}, "got seeds 9, which tuning in .* saw"),
        ({"cohort": CohortConfig(profile="standard", seed=5)}, "got cohort phantom with seed 5"),
        ({"methods": ("selip", "siglip")}, "got no tuned settings of siglip"),
        ({"evaluate_on": EvaluateOnConfig(seed=5)}, "got cohort phantom with seed 5"),
        ({"doses": {"cohort.seed": (4, 5)}}, "got cohort phantom with seed 5"),
        ({"positive_control": ("cohort.seed=5",)}, "got cohort phantom with seed 5"),
        ({"doses": {"seeds": ([3], [8])}}, "got seeds 8"),
        ({"doses": {"methods": (["selip"], ["siglip"])}}, "got no tuned settings of siglip"),
    ],
)
def test_what_tuning_saw_and_what_it_did_not_tune_is_refused(asked, said, file):
    with pytest.raises(InputError, match=said):
        with_tuned(replace(ExperimentConfig("x"), **asked), file(outcome()))


def test_a_folder_of_the_generated_cohort_that_tuning_saw_is_refused_too(file, small_cohort):
    info, own = small_cohort.info, CohortConfig(path=str(small_cohort.root))
    saw = file(outcome(cohort=CohortConfig(info.name, seed=info.seed)))
    with pytest.raises(InputError, match=f"got cohort {info.name} with seed {info.seed}"):
        with_tuned(ExperimentConfig("x", cohort=own), saw)
    with_tuned(ExperimentConfig("x", cohort=own), file(outcome(cohort=own)))  # a cohort of a user's own: val was read


def test_another_file_is_refused_in_one_line(tmp_path):
    (tmp_path / "x.yaml").write_text("a: 1\n")
    with pytest.raises(InputError, match="unknown key 'a'"):
        with_tuned(ExperimentConfig("x"), tmp_path / "x.yaml")


def test_settings_on_the_edge_are_named():
    assert on_edge({"training.weight_decay": 0.3, "training.learning_rate_text": 1e-3}, "clip", {}) == [
        "training.weight_decay"
    ]


@pytest.fixture(scope="module")
def tuned_folder(tmp_path_factory, tiny_run):
    out = tmp_path_factory.mktemp("tuning") / "run"
    line = ["tune", "quick", "--trials", "2", "--out", str(out), "--workers", "1", "--most"]
    overrides = [*tiny_run, "methods=clip,random_init", "patients=24", "seeds=5"]
    overrides = [one for one in overrides if not one.startswith(("benchmarks", "transfer"))]
    app([*line, "1", *overrides], standalone_mode=False)
    assert not (out / "tuned.yaml").exists()
    app([*line, "9", *overrides, "--resume"], standalone_mode=False)
    return out


def test_a_tuning_goes_on_in_pieces_scores_val_alone_and_chooses_the_best(tuned_folder):
    tuning = from_mapping(Tuning, yaml.safe_load((tuned_folder / "tuned.yaml").read_text()))
    records = [read_record(path) for path in sorted((tuned_folder / "records").glob("*.json"))]
    assert {(one.method, one.ablation, one.part) for one in records} == {
        ("clip", "", "val"),
        ("clip", "trial_1", "val"),
    }
    opened = Cohort.open(tuned_folder / "cohort")
    val = set(opened.volumes.iloc[opened.rows("val")]["volume_id"])
    for one in records:
        items = pd.read_parquet(tuned_folder / "records" / one.per_item)
        assert set(items["item_id"]) <= val
    best = tuning.methods["clip"]
    assert best.score == max(best.trials.values()) == best.trials[best.chosen]
    assert sorted(sum(best.records.values(), ())) == sorted(one.run_id for one in records)


def test_a_trial_of_which_a_run_failed_has_no_score(tuned_folder):
    records = [read_record(path) for path in sorted((tuned_folder / "records").glob("*.json"))]
    assert score_of(records[:1]) == pytest.approx(
        np.mean([records[0].metrics[f"abnormal/{metric}"].value for metric in METRICS])
    )
    lost = records[0].model_copy(update={"status": "failed"})
    assert score_of([records[0], lost]) is None
    config = tuning_experiment(replace(ASKED, methods=("clip",), seeds=(5,)), 2, ("seeds",))
    found = {("clip", "default", 5): lost, ("clip", "trial_1", 5): records[1]}
    assert chosen(config, found).methods["clip"].chosen == "trial_1"
    with pytest.raises(InputError, match="no trial of clip"):
        chosen(config, dict.fromkeys(found, lost))
