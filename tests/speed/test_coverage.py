"""What intervals and tests promise, on 1,000 simulated data sets each; the shares are printed beside the times.

Patients are the clusters: 200 of them with 2 to 8 volumes each.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from bootstrap_oracles import paired_difference, patient_bootstrap

from benchmarks.statistics.significance import friedman_ranks, sign_flip

pytestmark = pytest.mark.speed

N_SETS, N_RESAMPLES, N_PATIENTS = 1000, 2000, 200
MONTE_CARLO = 3 * np.sqrt(0.05 * 0.95 / N_SETS)  # three standard errors of a share near .05 or .95


def measured(benchmark, name, outcomes):
    """Share of true outcomes, timed and put in the report."""
    share = benchmark.pedantic(lambda: float(np.mean(list(outcomes))), rounds=1)
    benchmark.extra_info[name] = share
    return share


def volumes(rng):
    sizes = np.minimum(1 + rng.geometric(0.4, N_PATIENTS), 8)
    return np.repeat(np.arange(N_PATIENTS), sizes)


def normal_scores(rng, patients):
    return rng.normal(0, 1, N_PATIENTS)[patients] + rng.normal(0, 1, len(patients)), 0.0


def hits(rng, patients):
    return (rng.random(len(patients)) < rng.beta(0.6, 1.4, N_PATIENTS)[patients]).astype(float), 0.3


def covers(trial, draw, weighted):
    rng = np.random.default_rng([trial, 0])
    patients = volumes(rng)
    values, truth = draw(rng, patients)
    weights = 1 / np.bincount(patients)[patients] if weighted else np.ones(len(patients))
    _, lower, upper = patient_bootstrap(values, weights, patients, N_RESAMPLES, seed=trial)
    return lower <= truth <= upper


@pytest.mark.parametrize("weighted", [False, True], ids=["one_a_volume", "one_a_patient"])
@pytest.mark.parametrize("draw", [normal_scores, hits])
def test_interval_over_patients_covers(benchmark, draw, weighted):
    share = measured(benchmark, "covered", (covers(trial, draw, weighted) for trial in range(N_SETS)))
    assert 0.93 <= share <= 0.97


def two_methods(trial, shift):
    """Three seeds of two binary metrics that share what is hard about a patient; both move by half of `shift`."""
    rng = np.random.default_rng([trial, 1])
    patients = volumes(rng)
    chance = 0.2 + 0.6 * rng.beta(0.6, 1.4, N_PATIENTS)[patients]
    frames = []
    for change in (shift / 2,) * 3 + (-shift / 2,) * 3:
        found = (rng.random(len(patients)) < chance + change + rng.normal(0, 0.02)).astype(float)
        frames.append(pd.DataFrame({"patient_id": patients, "weight": 1.0, "score": found}))
    return paired_difference(frames[:3], frames[3:], "score", N_RESAMPLES, seed=trial)


def test_paired_test_holds_its_level(benchmark):
    share = measured(benchmark, "rejected", (two_methods(trial, 0.0).p_value < 0.05 for trial in range(N_SETS)))
    assert abs(share - 0.05) < MONTE_CARLO


@pytest.mark.parametrize("n_seeds", [6, 10])
def test_sign_flip_holds_its_level(benchmark, n_seeds):
    rng = np.random.default_rng(0)
    share = measured(benchmark, "rejected", (sign_flip(rng.normal(size=n_seeds)) < 0.05 for _ in range(N_SETS)))
    exact = np.floor(0.05 * 2**n_seeds / 2) * 2 / 2**n_seeds
    assert abs(share - exact) < MONTE_CARLO


def test_friedman_and_the_cliques_hold_their_level(benchmark):
    rng = np.random.default_rng(0)
    tables = (pd.DataFrame(rng.normal(size=(12, 5)), columns=list("abcde")) for _ in range(N_SETS))
    found = benchmark.pedantic(lambda: [friedman_ranks(table) for table in tables], rounds=1)
    errors = {
        "friedman": np.mean([ranks.p_value < 0.05 for ranks in found]),
        "nemenyi": np.mean([np.ptp(list(ranks.ranks.values())) > ranks.critical_difference for ranks in found]),
        "cliques": np.mean([len(ranks.cliques[0]) < 5 if ranks.cliques else True for ranks in found]),
    }
    benchmark.extra_info.update({name: float(share) for name, share in errors.items()})
    assert all(share < 0.05 + MONTE_CARLO for share in errors.values())
    assert min(errors.values()) > 0.01
