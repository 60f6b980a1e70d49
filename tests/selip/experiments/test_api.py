"""The Python interface: what `import selip` hands out, how soon, and that it is what the commands do."""

from __future__ import annotations

import subprocess
import sys

import pytest

import selip
from selip.experiments import api
from selip.system.errors import InputError

CODE = """
import sys, time
began = time.process_time()
import selip
print(time.process_time() - began, *({"torch", "pandas", "numpy", "pydantic"} & {*sys.modules}))
"""


def test_import_is_light_and_nothing_is_loaded_before_it_is_asked_for():
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    seconds, *heavy = done.stdout.split()
    assert float(seconds) < 0.3
    assert not heavy


def test_every_function_is_handed_out_and_no_other_name():
    assert {*selip.__all__} <= {*dir(selip)}
    assert all(getattr(selip, name) is getattr(api, name) for name in selip.__all__)
    with pytest.raises(AttributeError, match="no attribute 'fit'"):
        _ = selip.fit


def test_results_are_tidy(finished_run):
    found = selip.load_results(finished_run)
    assert tuple(found.columns) == api.RESULT_COLUMNS
    assert not found.duplicated(["run_id", "pool", "metric", "reference"]).any()
    assert set(found["method"]) == {"selip", "clip", "random_init"}
    assert set(selip.list_methods().columns) == {"name", "summary", "source"}


def test_compare_ends_as_the_command_does(finished_run, command):
    gate = selip.compare(finished_run, finished_run)
    code, _, _ = command("compare", finished_run, finished_run)
    assert gate.exit_code == code
    assert selip.compare(finished_run, finished_run, methods=("clip", "selip")).lines


def test_wrong_input_says_what_to_do(finished_run, tmp_path):
    with pytest.raises(InputError, match="--out"):
        selip.leaderboard(finished_run, finished_run)
    with pytest.raises(InputError, match="cohort"):
        selip.evaluate("module:mine.py:make", benchmarks=["retrieval"])
    with pytest.raises(InputError, match="not empty"):
        selip.evaluate("module:mine.py:make", tmp_path, out=finished_run)


def test_train_is_of_one_model_and_refuses_folds(tmp_path):
    with pytest.raises(InputError, match=r"folds=5.*selip run"):
        selip.train("clip", tmp_path, tmp_path / "run", ["folds=5"])
    assert not (tmp_path / "run").exists()
