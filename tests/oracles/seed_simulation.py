"""Data sets of known truth, with seeds and patients that both spread: what intervals hold, and how often a family errs.

`python tests/oracles/seed_simulation.py` prints the tables of docs/pages/explanation/statistics.md (two minutes).
"""

from __future__ import annotations

import numpy as np

from benchmarks.metrics.resampling import replicates_of, resampler_of
from benchmarks.statistics.intervals import differences_of, holm

N_PATIENTS, N_RESAMPLES = 200, 1000
SHARES = {
    "patients alone": (0.0, 1.0, 0.0),
    "seeds .3, patients .45, noise .25 (R@10)": (0.30, 0.45, 0.25),
    "seeds .5, patients .35, noise .15 (nDCG@10)": (0.50, 0.35, 0.15),
    "seeds .75, patients .2, noise .05 (text to image)": (0.75, 0.20, 0.05),
    "seeds .95, patients .05": (0.95, 0.05, 0.0),
}
"""Shares of the variance of a mean over seeds and patients; the named ones are those of the committed records."""
DECLARED = 5


def scores(rng, n_sets, n_seeds, shares):
    """(K, P, sets) scores whose true mean is 0 and whose mean over seeds and patients has a variance of 1."""
    seeds, patients, noise = np.sqrt(shares)
    of_seed = seeds * np.sqrt(n_seeds) * rng.normal(size=(n_seeds, 1, n_sets))
    of_patient = patients * np.sqrt(N_PATIENTS) * rng.normal(size=(1, N_PATIENTS, n_sets))
    shape = (n_seeds, N_PATIENTS, n_sets)
    return of_seed + of_patient + noise * np.sqrt(n_seeds * N_PATIENTS) * rng.normal(size=shape)


def differences(tables, seed):
    """The suite's own interval and p-value of every data set (K, P, sets)."""
    ones, codes = np.ones(N_PATIENTS), np.arange(N_PATIENTS)
    resamplers = [resampler_of(table, ones, codes, "mean") for table in tables]
    return differences_of(replicates_of(resamplers, N_PATIENTS, N_RESAMPLES, seed), N_PATIENTS, 0.95)


def covered(n_sets, n_seeds, shares, seed=0):
    """Share of the data sets whose 95 % interval holds the truth."""
    found = differences(scores(np.random.default_rng([seed, n_seeds]), n_sets, n_seeds, shares), seed)
    return float(np.mean([one.lower <= 0 <= one.upper for one in found]))


def false_families(n_sets, n_seeds, shares, seed=0):
    """Share of families of five declared contrasts with one method, none of them true, in which any is separated."""
    rng = np.random.default_rng([seed, n_seeds, 1])
    one, *others = (scores(rng, n_sets, n_seeds, shares) / np.sqrt(2) for _ in range(DECLARED + 1))
    families = zip(*(differences(one - other, seed) for other in others), strict=True)
    return float(np.mean([any(separated(family)) for family in families]))


def separated(family):
    """The rule of the pages: the interval leaves out 0 and Holm's p-value is at most .05."""
    adjusted = holm([one.p_value for one in family])
    return [not one.lower <= 0 <= one.upper and p <= 0.05 for one, p in zip(family, adjusted, strict=True)]


def table(title, share, n_sets, seeds=(3, 6, 10)):
    """A Markdown table of a share, by where the spread comes from and by the number of seeds."""
    yield f"| {title} | {' | '.join(f'{n} seeds' for n in seeds)} |\n|:--|{'--:|' * len(seeds)}"
    for name, shares in SHARES.items():
        found = (np.mean([share(n_sets, n, shares, part) for part in range(10)]) for n in seeds)
        yield f"| {name} | {' | '.join(f'{one:.3f}' for one in found)} |"


if __name__ == "__main__":
    print("\n".join([*table("95 % intervals that hold the truth", covered, 500), ""]))
    print("\n".join(table("families of five with a false alarm", false_families, 200)))
