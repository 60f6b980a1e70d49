"""The study: declared before its records, tuned where nobody scored, each sentence from records that come again."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from leaderboards.figures import plots
from leaderboards.scores.paired_differences import Comparison
from leaderboards.tables.document import to_markdown
from selip.experiments.experiment_file import read_experiment
from selip.experiments.tuning import chosen, tuning_experiment, with_tuned
from selip.records.record_files import read_records
from selip.system.files import content_hash

ROOT = Path(__file__).resolve().parents[2]
RECORDS = ROOT / "leaderboards" / "records"
STUDY, TRIALS = RECORDS / "study", RECORDS / "study-tuned"
DECLARED = ROOT / "benchmarks" / "experiments" / "study.yaml"
FEW = RECORDS / "few_findings"
DECLARED_FEW = DECLARED.with_name("few_findings.yaml")
REPEATED, NEAR = 3, 0.03
CLINIC = (
    "text_sensitivity", "report_retrieval_as_reporting", "subgroups", "grounding", "calibration", "robustness",
    "segmentation_robustness",
)  # fmt: skip
NO_STUDIES = "got fewer than two abnormal studies of two volumes; take retrieval for single volumes"


@pytest.fixture(scope="module")
def page():
    sys.path.insert(0, str(ROOT / "docs"))
    import study

    yield study
    sys.path.remove(str(ROOT / "docs"))


@pytest.fixture(scope="module")
def records():
    return read_records(STUDY / "records")


@pytest.fixture(scope="module")
def trials():
    return read_records(TRIALS / "records")


@pytest.fixture(scope="module")
def config():
    return with_tuned(read_experiment(DECLARED), TRIALS / "tuned.yaml")  # refuses a seed or a cohort that tuning saw


def git(*words):
    return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def history():
    if git("rev-parse", "--is-shallow-repository").stdout.strip() != "false":
        pytest.skip("a copy without the history")


@pytest.mark.parametrize(("run_dir", "declared"), [(STUDY, DECLARED), (FEW, DECLARED_FEW)])
def test_the_experiment_is_as_it_was_before_its_first_record(run_dir, declared, history):
    commits = {record.git_commit for record in read_records(run_dir / "records")}
    assert all(len(commit) == 40 for commit in commits), "a clean commit, known"
    for commit in commits:
        assert git("merge-base", "--is-ancestor", commit, "HEAD").returncode == 0
        assert git("show", f"{commit}:{declared.relative_to(ROOT)}").stdout == declared.read_text()
    first = git("log", "--reverse", "--format=%H", "--", str(run_dir / "records")).stdout.split()
    last = git("log", "-1", "--format=%H", "--", str(declared)).stdout.strip()
    assert all(one != last and git("merge-base", "--is-ancestor", last, one).returncode == 0 for one in first[:1])


def test_the_confirmation_is_whole():
    found, config = read_records(FEW / "records"), read_experiment(DECLARED_FEW)
    asked = {(name, seed, task) for name in config.methods for seed in config.seeds for task in config.benchmarks}
    assert asked == {(one.method, one.seed, one.benchmark) for one in found if one.status == "ok"}
    assert len(found) == len(asked)
    trained = [one for one in found if one.training and one.training.steps]
    begun = {(one.seed, one.training.initial_weights_hash, one.training.batch_order_hash) for one in trained}
    assert len(begun) == len(config.seeds), "every method of a seed from the same weights, in the same order"


def test_what_trains_was_declared_before_the_trials_too(trials, history):
    for commit in {record.git_commit for record in trials}:
        assert git("merge-base", "--is-ancestor", commit, "HEAD").returncode == 0
        before = git("show", f"{commit}:{DECLARED.relative_to(ROOT)}").stdout
        assert before[before.index("\nrun:") : before.index("\nevaluation:")] in DECLARED.read_text()


def test_every_method_has_every_seed_on_every_declared_benchmark(records, config):
    asked = {(name, seed, task) for name in config.methods for seed in config.seeds for task in config.benchmarks}
    asked |= {(name, seed, task) for name in config.methods for seed in range(3) for task in CLINIC}
    assert asked == {(one.method, one.seed, one.benchmark) for one in records if one.status == "ok"}
    assert {(one.benchmark, one.reason) for one in records if one.status != "ok"} == {("study_level", NO_STUDIES)}


def test_all_began_alike_and_were_fed_alike(records):
    """Of one benchmark to the bit; those of fewer seeds are of another machine, whose rounding begins otherwise."""
    for seed, task in {(one.seed, one.benchmark) for one in records}:
        own = [one.training for one in records if (one.seed, one.benchmark) == (seed, task) and one.training]
        assert len({one.initial_weights_hash for one in own}) <= 1
        assert len({one.batch_order_hash for one in own if one.steps}) <= 1
        assert {one.precision for one in own} <= {"no"}


def test_benchmarks_of_fewer_seeds_were_trained_with_the_settings_seeds_and_batches_of_the_others(records):
    known = {(one.method, one.seed): one for one in records if one.benchmark == "retrieval"}
    for one in records:
        if one.benchmark in CLINIC and one.training:
            other = known[one.method, one.seed]
            assert (one.settings, one.terms, one.tuning) == (other.settings, other.terms, other.tuning)
            assert one.training.batch_order_hash == other.training.batch_order_hash
            if one.training.history:
                losses = [found.training.history[0]["loss"] for found in (one, other)]
                assert losses[0] == pytest.approx(losses[1], rel=0.01), "the same start, to rounding"


def test_every_declared_ablation_has_every_seed(page):
    found = {(one.ablation, one.seed, one.status) for one in read_records(page.ABLATIONS / "records")}
    assert found == {(name, seed, "ok") for name in ["", *page.declared_ablations()] for seed in range(5)}


def test_doses_are_untuned_of_other_patients_and_have_every_method_and_seed_that_is_declared(page, records):
    seen = {one.cohort.content_hash for one in records}
    for folder, n_seeds in page.declared_doses().items():
        found = read_records(page.SWEEP / "doses" / folder / "records")
        assert {one.tuning for one in found} == {None}
        assert not seen & {one.cohort.content_hash for one in found}
        assert len({one.training.initial_weights_hash for one in found if one.seed == 0}) == 1, "of one machine"
        assert {(one.method, one.seed, one.status) for one in found} == {
            (method, seed, "ok")
            for method in ("selip", "clip", "label_smoothing", "shuffled_selip", "tfidf_targets")
            for seed in range(n_seeds)
        }


def test_the_settings_are_what_the_committed_trials_chose(records, trials, config):
    asked = tuning_experiment(read_experiment(DECLARED), 8, ())
    found = {(one.method, one.ablation or "default", one.seed): one for one in trials}
    assert len(found) == len(asked.methods) * 8 * len(asked.seeds)
    assert {one.status for one in trials} == {"ok"}
    assert {one.part for one in trials} == {"val"}
    assert chosen(asked, found) == config.tuned
    for record in records:
        if record.method in config.tuned.methods:
            known = config.tuned.methods[record.method]
            assert (record.tuning.chosen, record.tuning.trials) == (known.chosen, known.trials)
            assert record.tuning.settings == known.settings


def comparison(value, half, p_holm):
    from benchmarks.statistics.intervals import Difference

    error = half / 1.96
    difference = Difference(value, value - half, value + half, p_holm, error, 1000)
    return Comparison("a", "b", "pool/metric", difference, p_holm=p_holm, metric="m")


@pytest.mark.parametrize(
    ("ones", "expected"),
    [
        ([(0.1, 0.02, 0.001)] * 4, "above b"),
        ([(-0.1, 0.02, 0.001)] * 4, "below b"),
        ([(0.02, 0.005, 0.001)] * 4, "above, by less than matters, b"),
        ([(0.001, 0.005, 1.0)] * 4, "without a difference that matters from b"),
        ([(0.001, 0.005, 1.0)], "not told from b"),
        ([(0.001, 0.05, 1.0)] * 4, "not told from b"),
        ([(0.1, 0.02, 0.2)] * 4, "not told from b"),
        ([(0.1, 0.02, 0.001)] * 3 + [(0.02, 0.05, 1.0)], "above b in m, m, m alone"),
        ([(0.1, 0.02, 0.001), (-0.1, 0.02, 0.001)], "above b in m and below b in m alone"),
    ],
)
def test_the_rule_of_the_declaration_by_hand(page, ones, expected):
    from study_families import stance

    assert stance([comparison(*one) for one in ones], len(ones)).beside("b") == expected


def test_few_names_are_told_and_many_counted(page):
    from study_families import MOST_NAMED, Stance, counted

    above = Stance(("m",), (), 1, is_little=False)
    assert counted([("a", above), ("b", above)]) == "above in 2 (a, b) and below in 0"
    assert counted([("a", above)] * (MOST_NAMED + 1)) == f"above in {MOST_NAMED + 1} and below in 0"


def test_of_errors_less_is_better(page):
    from study_families import stance

    assert stance([replace(comparison(0.1, 0.02, 0.001), higher_is_better=False)] * 2, 2).side == "below"


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_page_is_the_one_of_the_records(page, real_figures):
    made = page.study_page(page.STUDY, page.ABLATIONS, page.SWEEP, page.FEW)
    assert to_markdown(made) == (page.PAGES / "study.md").read_text()
    for figure in made.figures:
        assert plots.render(figure.draw) == (page.PAGES / figure.path).read_bytes(), figure.path


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_records_come_again_from_the_printed_command(records, tmp_path):
    """Three runs of one seed alone; on another machine they start equal to rounding and end as far apart as seeds."""
    trained = [one for one in records if one.benchmark == "retrieval" and one.method != "random_init"]
    seed = min(trained, key=lambda one: content_hash(one.run_id)).seed
    own = sorted((one for one in trained if one.seed == seed), key=lambda one: content_hash(one.run_id))[:REPEATED]
    typed = own[0].command.split()
    typed[typed.index("--out") + 1], typed[typed.index("--tuned") + 1] = (
        str(tmp_path / "run"),
        str(TRIALS / "tuned.yaml"),
    )
    only = [
        f"methods=[{', '.join(one.method for one in own)}]",
        f"seeds=[{seed}]",
        "benchmarks=retrieval",
        "contrasts=[]",
    ]
    subprocess.run(
        [sys.executable, "-m", *typed, *only], cwd=tmp_path, env=os.environ | {"OMP_NUM_THREADS": "1"}, check=True
    )
    found = {one.run_id: one for one in read_records(tmp_path / "run" / "records")}
    assert found.keys() == {one.run_id for one in own}
    for record in own:
        again = found[record.run_id].training
        assert again.batch_order_hash == record.training.batch_order_hash
        assert (again.target_diagonal or 0) == pytest.approx(record.training.target_diagonal or 0, rel=1e-4)
        assert again.history[0]["loss"] == pytest.approx(record.training.history[0]["loss"], rel=0.01)
        for key in ("image_to_text_R@10", "text_to_image_R@10", "image_to_text_nDCG@10", "text_to_image_nDCG@10"):
            seeds = [one.metrics[f"abnormal/{key}"].value for one in trained if one.method == record.method]
            ours = found[record.run_id].metrics[f"abnormal/{key}"].value
            assert min(seeds) - NEAR <= ours <= max(seeds) + NEAR, f"{key}: another machine is no further than a seed"
