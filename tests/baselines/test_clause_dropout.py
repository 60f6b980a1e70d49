from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from baselines import clip
from baselines.clause_dropout import METHOD, clause_texts
from selip.data.findings import NORMAL_TEXT, flip_text, parse_findings_text
from selip.experiments.catalogue import experiment_file
from selip.experiments.experiment_file import read_experiment
from selip.models.dual_encoder import embed_texts, weights_hash
from selip.similarity.text_similarity import TextTable
from selip.training.batch_plan import BatchPlan
from selip.training.batch_views import Feed, ShownTexts
from selip.training.trainer import Run, train
from selip.training.training_data import initial_model, load_training_data

ONE = "at left insula shows high signal"
TWO = "at right thalamus shows low signal with high rim"
THREE = "at vermis shows patchy high signal"
TEXTS = [NORMAL_TEXT, ONE, f"{ONE}; {TWO}", f"{ONE}; {THREE}; {TWO}"]


def test_clauses_of_a_text():
    assert [clause_texts(text) for text in TEXTS] == [(NORMAL_TEXT,), (ONE,), (ONE, TWO), (ONE, THREE, TWO)]
    assert clause_texts("Small cyst. Old scar.") == ("Small cyst", "Old scar")
    assert clause_texts("at left insula shows no high signal") == ("at left insula shows no high signal",)


def test_a_clause_is_a_text_of_one_clause():
    assert [parse_findings_text(text) for text in clause_texts(TEXTS[3])] == [
        (clause,) for clause in parse_findings_text(TEXTS[3])
    ]


def test_each_clause_is_drawn_about_evenly():
    shown, steps = ShownTexts(METHOD, TEXTS), 4000
    drawn = np.array([shown.draw(np.arange(len(TEXTS)), seed=0, step=step) for step in range(steps)])
    for column, text in enumerate(TEXTS):
        clauses = clause_texts(text)
        counts = {clause: (drawn[:, column] == shown.texts.index(clause)).sum() for clause in clauses}
        assert sum(counts.values()) == steps, "nothing but its own clauses"
        spread = 4 * np.sqrt(steps / len(clauses))  # more than 4 standard deviations
        assert all(abs(count - steps / len(clauses)) <= spread * (len(clauses) > 1) for count in counts.values())


def test_pairs_of_a_batch_draw_apart():
    shown = ShownTexts(METHOD, TEXTS)
    drawn = np.array([shown.draw(np.array([2, 2]), seed=0, step=step) for step in range(400)])
    assert 120 < (drawn[:, 0] == drawn[:, 1]).sum() < 280


def test_the_draw_is_a_function_of_seed_and_step():
    shown, ids = ShownTexts(METHOD, TEXTS), np.tile([2, 3], 20)
    first = shown.draw(ids, seed=0, step=5)
    assert (shown.draw(ids, seed=0, step=5) == first).all()
    assert (shown.draw(ids, seed=1, step=5) != first).any()
    assert (shown.draw(ids, seed=0, step=6) != first).any()


@pytest.fixture
def config(tiny_run):
    return read_experiment(experiment_file("quick"), [*tiny_run, "training.steps=2", "training.validations=1"]).run


def test_training_is_fed_clauses_and_evaluation_embeds_whole_texts(small_cohort, config):
    data, pairs = load_training_data(small_cohort, torch.device("cpu")), [2, 3]
    table = TextTable.of(TEXTS)
    data = replace(data, texts=table, text_ids=np.resize(table.ids(TEXTS), len(data.text_ids)))
    model, rows = initial_model(config.model, small_cohort, data, seed=0), np.arange(4)[None]
    plan = BatchPlan(rows, np.zeros((1, 4), dtype=bool), data.text_ids[rows])
    found = Feed(METHOD, config, model, data, plan, seed=0)(0).texts.detach()
    whole = embed_texts(model, TEXTS)
    for position, text in enumerate(TEXTS):
        clauses = embed_texts(model, clause_texts(text))
        assert (clauses - found[position]).abs().amax(1).min() < 1e-5, "one of its clauses"
    assert ((whole - found).abs().amax(1) > 1e-3).nonzero().flatten().tolist() == pairs, "and not the whole"


def test_flipped_pairs_show_flipped_clauses():
    for text in TEXTS:
        assert set(clause_texts(flip_text(text))) == {flip_text(clause) for clause in clause_texts(text)}


def test_where_a_text_is_one_clause_it_is_clip(small_cohort, config, tmp_path):
    assert not any(";" in text for text in small_cohort.volumes["text"])
    runs = [
        train(Run(method, small_cohort, config, 0, lambda _: 0.0), tmp_path / method.name)
        for method in (METHOD, clip.METHOD)
    ]
    assert len({weights_hash(model) for model, _, _ in runs}) == 1
